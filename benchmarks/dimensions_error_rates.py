"""How often fit in several dimensions is wrong: type I error of M2, S-X2 and lz*, by simulation.

``python -m benchmarks.dimensions_error_rates [--case CASE] [--replications N] [--persons N]``. People answer
a test that fits (2PL, slopes 0.8 to 1.8); it is calibrated and judged each time, as in practice. M2 is one
test a replication, S-X2 one an item.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from pathlib import Path

import numpy as np

from calibration import calibrate
from calibration.fit import assess, s_x2
from calibration.fit.dimensions import DimensionsEvidence, freedom_of
from item_bank.parameters import ParameterSet, Population
from item_bank.responses import Responses

__all__ = ["main"]


def _between(dimensions: int, items: int) -> np.ndarray:
    return np.kron(np.eye(dimensions), np.ones((items, 1)))


CASES = {
    "two": ("2 dimensions, 16 items", _between(2, 8), 0.5, ("u", "v")),
    "four": ("4 dimensions, 16 items", _between(4, 4), 0.5, ("u", "v", "w", "x")),
    "bifactor": (
        "bifactor, 1 + 3, 12 items",
        np.hstack([np.ones((12, 1)), _between(3, 4)]), 0.0, ("general", "u", "v", "w"),
    ),
}  # fmt: skip
"""What it is, pattern, correlation and names of the dimensions."""

HEADS = ("M2 < 5 %", "M2 / df", "S-X2 < 5 %", "S-X2 / df", "at truth", "persons", "sd of lz*")
"""At truth: S-X2 / df where the parameters are not estimated but those that the answers come from."""


def _truth(case: str) -> ParameterSet:
    """Return the items and the population that answers come from."""
    _, pattern, correlation, dimensions = CASES[case]
    random, size = np.random.default_rng(1), len(dimensions)
    slopes, intercepts = random.uniform(0.8, 1.8, pattern.shape) * pattern, random.normal(size=len(pattern))
    rows = [
        {"id": f"i{j}", "model": "m2pl", "slopes": slopes[j].tolist(), "intercept": float(intercepts[j])}
        for j in range(len(pattern))
    ]
    cov = correlation + (1.0 - correlation) * np.eye(size)
    return ParameterSet(
        rows, (Population("all", (0.0,) * size, tuple(map(tuple, cov.tolist()))),), dimensions
    )


def _answers(truth: ParameterSet, persons: int, seed: int) -> Responses:
    """Return answers to the same items by other people."""
    random, population = np.random.default_rng(seed), truth.population[0]
    theta = random.multivariate_normal(population.mean, population.cov, persons)
    slopes = np.array([item["slopes"] for item in truth.items])
    intercepts = np.array([item["intercept"] for item in truth.items])
    right = random.random((persons, len(slopes))) < 1.0 / (1.0 + np.exp(-theta @ slopes.T - intercepts))
    return Responses.from_dense(right.astype(np.int8), [item["id"] for item in truth.items])


def _judged(case: str, persons: int, seed: int) -> list[float]:
    """Return what one test is found to be, in the order of `HEADS`."""
    _, pattern, _, dimensions = CASES[case]
    truth = _truth(case)
    responses = _answers(truth, persons, seed)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "dimensions.csv"
        with file.open("w", newline="", encoding="utf-8") as out:
            lines = [[f"i{j}", *row] for j, row in enumerate(pattern.astype(int).tolist())]
            csv.writer(out).writerows([["item", *dimensions], *lines])
        found = calibrate(responses, "m2pl", dimensions=file, errors="none")
    fit = assess(responses, found.parameters)
    evidence = DimensionsEvidence(responses, truth, estimated=False)
    m2, known = fit.model["m2"], s_x2(evidence, free=freedom_of(evidence))
    return [
        float(m2["p"] < 0.05),
        float(m2["statistic"] / m2["df"]),
        float(np.mean(fit.items["s_x2_p"] < 0.05)),
        float(np.sum(fit.items["s_x2"]) / np.sum(fit.items["s_x2_df"])),
        float(np.sum(known.statistic) / np.sum(known.df)),
        float(np.mean([flag != "" for flag in fit.persons["flag"]])),
        float(np.std(fit.persons["lz_star"])),
    ]


def main(arguments: list[str] | None = None) -> int:
    """Print a line a case."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dimensions_error_rates", description=__doc__)
    parser.add_argument("--case", action="append", choices=CASES, help="may be repeated; all by default")
    parser.add_argument("--replications", type=int, default=100, metavar="N")
    parser.add_argument("--persons", type=int, default=1000, metavar="N")
    args = parser.parse_args(arguments)
    print(f"{args.replications} replications of {args.persons} persons; nominal 5 % (persons: 1 %)")
    print(f"{'':26}{''.join(f'{head:>12}' for head in HEADS)}")
    for case in args.case or CASES:
        rows = [_judged(case, args.persons, seed) for seed in range(args.replications)]
        print(f"{CASES[case][0]:26}{''.join(f'{mean:12.3f}' for mean in np.mean(rows, axis=0))}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
