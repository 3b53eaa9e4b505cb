"""How often each statistic is wrong: type I error beside the nominal 5 %, and power, by simulation.

``make error-rates`` (``python -m benchmarks.error_rates --help``). For every kind of data (2PL and graded
items, complete and adaptive) people answer a test that fits, and one with a bent item curve, a pair of items
that repeat each other, persons who answer at random, or items that are harder for one group. Parameters are
estimated each time, as in practice.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.replication import Test, generator, repeat, standard_error
from calibration import calibrate
from calibration.dif import METHODS, detect
from calibration.fit import Evidence, ld_x2, limited_information, pv_q1, q3, s_x2
from calibration.fit.pairs import met_both
from calibration.fit.persons import cutoffs, lz_of, simulated
from calibration.fit.residuals import mean_squares, posterior_mean_squares, sums_at
from calibration.report.verdict import CHANCE, LOCAL
from cat_engine.grid import Grid, tabulate
from item_bank.responses import MISSING, Responses

__all__ = ["LEVEL", "Rate", "main", "measure", "summarise"]

LEVEL = 0.05
PERSONS, ITEMS = 1000, 20
MODELS = ("rasch", "2pl", "grm")
DATA = ("complete", "adaptive")
Z = 1.959963984540054
ONE_SIDED = -1.6448536269514722

BENT, PAIR = 0, (1, 2)
"""Items that misfit: one whose curve goes down and up again (for the Rasch model: one that is too flat), and
two of which one repeats the other."""

FLAT = 0.4
"""The flat item's slope, beside 1."""

RANDOM = PERSONS // 20
"""Persons who answer at random."""

HARDER, SHIFT = (0, 1), 0.6
"""Items that are harder for the focal group, and by how much."""

Counts = dict[tuple[str, str], tuple[int, int]]
"""Statistic and what was asked (``type I`` or ``power``) -> rejections and tests."""


@cache
def _test(model: str, harder: bool = False) -> Test:
    random = np.random.Generator(np.random.Philox(2026))
    a, b = random.uniform(0.9, 1.7, ITEMS), random.normal(0.0, 0.9, ITEMS)
    if model == "rasch":
        a[:] = 1.0
    b[list(HARDER)] = 0.0
    if harder:
        b[list(HARDER)] += SHIFT
    steps = np.array([-0.9, 0.1, 0.8])
    rows = [
        {"id": f"i{k}", "model": model, "a": a[k], "b": (b[k] + steps).tolist() if model == "grm" else b[k]}
        for k in range(ITEMS)
    ]
    return Test(rows)


def adaptive(random: np.random.Generator, test: Test, matrix: np.ndarray) -> np.ndarray:
    """Keep what an adaptive test of half the length would have asked: one of the four most informative."""
    grid = Grid.normal(0.0, 1.0, -4.0, 4.0, 41)
    tables = tabulate(test.pool, grid)
    height = np.tile(grid.log_weights, (len(matrix), 1))
    asked = np.zeros(matrix.shape, dtype=bool)
    rows = np.arange(len(matrix))
    for _ in range(matrix.shape[1] // 2):
        weight = np.exp(height - height.max(axis=1, keepdims=True))
        mean = weight @ grid.nodes / weight.sum(axis=1)
        place = np.rint((mean + 4.0) / 0.2).astype(int)
        best = np.argsort(-np.where(asked, -1.0, tables.info[:, place].T), axis=1)
        item = best[rows, random.integers(0, 4, len(matrix))]
        asked[rows, item] = True
        height += tables.logp[item, matrix[rows, item]]
    return np.where(asked, matrix, MISSING).astype(np.int8)


class _Tally:
    """Counts rejections by statistic."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.counts: Counts = {}

    def add(self, name: str, rejected: Any, known: Any = True) -> None:
        """Count tests; `known` says which of them say anything."""
        rejected, known = np.broadcast_arrays(np.atleast_1d(rejected), np.atleast_1d(known))
        self.counts[name, self.what] = (int((rejected & known).sum()), int(known.sum()))

    def p(self, name: str, values: Any) -> None:
        """Count p-values below the level."""
        p = np.array(values, dtype=np.float64)
        self.add(name, p < LEVEL, np.isfinite(p))

    def z(self, name: str, values: np.ndarray) -> None:
        """Count normal deviates beyond both limits."""
        self.add(name, np.abs(values) > Z, np.isfinite(values))


def _fit(random: np.random.Generator, test: Test, data: str, misfit: bool) -> Counts:
    theta = random.normal(size=PERSONS)
    matrix = test.answer(random, theta)
    model = test.rows[0]["model"]
    items, pairs = np.arange(ITEMS), np.tril_indices(ITEMS, -1)
    persons = np.arange(PERSONS)
    if misfit:
        seeming = FLAT * theta if model == "rasch" else np.abs(theta) - 0.8
        matrix[:, BENT] = test.answer(random, seeming)[:, BENT]
        first, second = PAIR
        matrix[:, first] = np.where(random.random(PERSONS) < 0.4, matrix[:, second], matrix[:, first])
        matrix[:RANDOM] = random.integers(0, test.pool.n_cat, (RANDOM, ITEMS))
        items, pairs, persons = items[[BENT]], (np.array([second]), np.array([first])), persons[:RANDOM]
    if data == "adaptive":
        matrix = adaptive(random, test, matrix)
    responses = Responses(test.ids, test.pool.n_cat, matrix=matrix)
    evidence = Evidence(responses, calibrate(responses, model, errors="none").parameters)
    tally = _Tally("power" if misfit else "type I")
    tally.p("PV-Q1", pv_q1(evidence).p[items])
    if data == "complete":
        tally.p("S-X2", s_x2(evidence).p[items])
        tally.p("LD-X2", ld_x2(evidence).p[pairs])
        for kind in ("m2",) if model != "grm" else ("m2", "m2*", "c2"):
            tally.p(kind.upper(), [limited_information(evidence, kind).p])
    residual, met = q3(evidence), met_both(evidence)
    gap = residual[pairs] - np.nanmean(residual[np.tril_indices(ITEMS, -1)])
    bound = np.maximum(LOCAL, CHANCE / np.sqrt(np.maximum(met[pairs], 1.0)))
    tally.add("Q3 as the report reads it", gap > bound, np.isfinite(gap))
    point = sums_at(evidence, evidence.theta())
    for name, found in (
        ("at EAP", mean_squares(point.by_item)),
        ("over the posterior", posterior_mean_squares(evidence)),
    ):
        tally.z(f"infit {name}", found.infit_z[items])
        tally.z(f"outfit {name}", found.outfit_z[items])
    lz, star = lz_of(sums_at(evidence, evidence.theta("map")).by_person)
    below = cutoffs(simulated(evidence))[LEVEL]
    for name, value, limit in (
        ("lz (1.645)", lz, ONE_SIDED),
        ("lz* (1.645)", star, ONE_SIDED),
        ("lz* (simulated cut-off)", star, below),
    ):
        tally.add(name, value[persons] < limit, np.isfinite(value[persons]))
    return tally.counts


def _dif(random: np.random.Generator, model: str, data: str, harder: bool) -> Counts:
    """Groups half a standard deviation apart."""
    half = PERSONS // 2
    groups = ["a"] * half + ["b"] * half
    test, other = _test(model), _test(model, harder)
    matrix = np.vstack(
        [test.answer(random, random.normal(0, 1, half)), other.answer(random, random.normal(-0.5, 1, half))]
    )
    if data == "adaptive":
        matrix = adaptive(random, test, matrix)
    responses = Responses(test.ids, test.pool.n_cat, matrix=matrix)
    fair = [item for k, item in enumerate(test.ids) if k not in HARDER]
    tally = _Tally("power" if harder else "type I")
    for method in METHODS:
        cheap = method in ("mh", "logistic")
        found = detect(
            responses,
            groups,
            method,
            model=model,
            purify=cheap,
            anchors=fair if harder and not cheap else None,
        )
        rows = found.rows[: len(HARDER)] if harder else found.rows
        name = "p" if cheap and harder else "unpurified_p"
        tally.p(f"DIF {method}", [row[name] for row in rows])
        if cheap and not harder:
            tally.p(f"DIF {method}, purified", [row["p"] for row in rows])
    return tally.counts


def measure(job: tuple[str, str, str, int, int]) -> Counts:
    """Run one replicate.

    Parameters
    ----------
    job
        What is judged (``fit`` or ``dif``), model, data, number of the replicate, seed.
    """
    what, model, data, number, seed = job
    counts: Counts = {}
    for wrong in (False, True):
        place = (("fit", "dif").index(what), MODELS.index(model), DATA.index(data), wrong)
        random = generator(seed, number, *place)
        counts |= (
            _fit(random, _test(model), data, wrong) if what == "fit" else _dif(random, model, data, wrong)
        )
    return counts


class Rate(NamedTuple):
    """How often a statistic rejects.

    Attributes
    ----------
    type_1, power
        Share of the tests that reject, where the model holds and where it does not; NaN without any.
    type_1_mcse, power_mcse
        Monte Carlo standard errors, from the spread between replicates.
    tests, replicates
        Where the model holds.
    """

    statistic: str
    model: str
    data: str
    type_1: float
    type_1_mcse: float
    power: float
    power_mcse: float
    tests: int
    replicates: int

    @property
    def nominal(self) -> bool:
        """Whether the type I error is within 3 standard errors, or one percent, of the level; what is read as
        a size (Q3) has none."""
        chance = np.sqrt(LEVEL * (1.0 - LEVEL) / max(self.tests, 1))
        slack = max(3.0 * self.type_1_mcse, 3.0 * float(chance), 0.01)
        return self.statistic.startswith("Q3") or abs(self.type_1 - LEVEL) <= slack


def summarise(model: str, data: str, found: Iterable[Counts]) -> list[Rate]:
    """Return the rates of all statistics in one kind of data."""
    shares: Mapping[tuple[str, str], list[float]] = defaultdict(list)
    tests: dict[str, int] = defaultdict(int)
    for counts in found:
        for key, (rejected, tried) in counts.items():
            if tried:
                shares[key].append(rejected / tried)
                tests[key[0]] += tried if key[1] == "type I" else 0
    rows = []
    for name in sorted(
        {statistic for statistic, _ in shares}, key=lambda s: (s.startswith("DIF"), s.lower())
    ):
        numbers = []
        for what in ("type I", "power"):
            values = np.array(shares.get((name, what), [np.nan]))
            numbers += [float(values.mean()), standard_error(values)]
        done = len(shares.get((name, "type I"), []))
        rows.append(Rate(name, model, data, *numbers, tests[name], done))
    return rows


def table(rates: Iterable[Rate]) -> str:
    """Return the rates as text; a mark says that type I error is not the nominal one."""

    def cell(value: float, error: float) -> str:
        return f"{'':>15}" if np.isnan(value) else f"{value:>8.3f} +- {Z * error:.3f}"

    lines, before = [], ()
    for rate in rates:
        if (rate.model, rate.data) != before:
            before = (rate.model, rate.data)
            lines += ["", f"{rate.model}, {rate.data}", f"  {'':<32}{'type I':>10}{'power':>18}"]
        mark = "" if rate.nominal or np.isnan(rate.type_1) else "  not nominal"
        lines.append(
            f"  {rate.statistic:<32}{cell(rate.type_1, rate.type_1_mcse)}"
            f"  {cell(rate.power, rate.power_mcse)}{mark}"
        )
    return "\n".join(lines)


def study(
    replicates: int, seed: int, processes: int | None = None, what: Iterable[str] = ("fit", "dif")
) -> list[Rate]:
    """Run all replicates, one of every kind in turn, and return the rates."""
    cells = [(w, m, d) for m in MODELS for d in DATA for w in what if (w, m) != ("dif", "rasch")]
    jobs = [(*cell, k, seed) for k in range(replicates) for cell in cells]
    found: Mapping[tuple[str, str], list[Counts]] = defaultdict(list)
    for (_, model, data, *_), counts in repeat(measure, jobs, processes):
        found[model, data].append(counts)
    return [rate for model in MODELS for data in DATA for rate in summarise(model, data, found[model, data])]


def main(arguments: list[str] | None = None) -> int:
    """Run, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.error_rates", description=__doc__)
    parser.add_argument("--replicates", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, help="by default the processors there are")
    parser.add_argument("--only", choices=("fit", "dif"), help="one of both halves")
    parser.add_argument("--out", type=Path, default=Path("build/error-rates.csv"), metavar="FILE")
    args = parser.parse_args(arguments)
    rates = study(args.replicates, args.seed, args.processes, [args.only] if args.only else ("fit", "dif"))
    done = max((rate.replicates for rate in rates), default=0)
    about = f"{done} replicates, {PERSONS} persons, {ITEMS} items, seed {args.seed}"
    print(f"{about}; nominal level {LEVEL}, +- half a 95 % Monte Carlo interval")
    print(table(rates))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with args.out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Rate._fields)
        writer.writerows([f"{x:.6g}" if isinstance(x, float) else x for x in rate] for rate in rates)
    print(f"written to {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
