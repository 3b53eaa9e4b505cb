"""How often each statistic is wrong: type I error beside the nominal 5 %, and power, by simulation.

``make error-rates`` (``python -m benchmarks.error_rates [REPLICATES]``). Not a speed benchmark: it takes
minutes, and the figures move by about ``sqrt(0.05 * 0.95 / (replicates * items))``.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np

from calibration import calibrate
from calibration.dif import METHODS, detect
from calibration.fit import Evidence, ld_x2, limited_information, pv_q1, s_x2
from calibration.fit.persons import cutoffs, person_fit, simulated
from item_bank.responses import MISSING, Responses

LEVEL = 0.05
Rates = dict[str, list[tuple[int, int]]]


def logistic(x: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + e**-x)."""
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


def answers(
    random: np.random.Generator,
    a: np.ndarray,
    b: np.ndarray,
    theta: np.ndarray,
    curve: Callable[..., np.ndarray],
) -> np.ndarray:
    """Draw answers of persons to items."""
    p = curve(a * (theta[:, None] - b))
    return (random.random(p.shape) < p).astype(np.int8)


def adaptive(random: np.random.Generator, matrix: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Keep what an adaptive test of half the length would have asked: informative items, near the best."""
    nodes = np.linspace(-4, 4, 41)
    p = logistic(a[:, None] * (nodes - b[:, None]))
    information = a[:, None] ** 2 * p * (1 - p)
    like = np.exp(-0.5 * nodes**2) * np.ones((len(matrix), 1))
    asked = np.zeros(matrix.shape, dtype=bool)
    rows = np.arange(len(matrix))
    for _ in range(matrix.shape[1] // 2):
        place = np.rint((like @ nodes / like.sum(axis=1) + 4) / 0.2).astype(int)
        best = np.argsort(-np.where(asked, -1.0, information[:, place].T), axis=1)
        item = best[rows, random.integers(0, 4, len(matrix))]
        asked[rows, item] = True
        like *= np.where(matrix[rows, item][:, None] == 1, p[item], 1 - p[item])
    return np.where(asked, matrix, MISSING).astype(np.int8)


def count(rates: Rates, name: str, p: Any) -> None:
    """Add rejections among the p-values that are known."""
    values = np.array(p, dtype=np.float64)
    known = np.isfinite(values)
    rates[name].append((int((values[known] < LEVEL).sum()), int(known.sum())))


def fit_rates(random: np.random.Generator, rates: Rates, n: int, items: int) -> None:
    """One replicate of fit: all items fit, then item 0 follows a curve that goes up and down again."""
    a, b, theta = random.lognormal(0.1, 0.25, items), random.normal(0, 0.9, items), random.normal(size=n)
    matrix = answers(random, a, b, theta, logistic)
    for kind, data in (("", matrix), (", adaptive", adaptive(random, matrix, a, b))):
        responses = Responses.from_dense(data)
        evidence = Evidence(responses, calibrate(responses, "2pl", errors="none").parameters)
        count(rates, f"PV-Q1{kind}, type I", pv_q1(evidence).p)
        below = cutoffs(simulated(evidence))[LEVEL]
        star = person_fit(evidence).lz_star
        count(rates, f"lz* with simulated cut-off{kind}, type I", np.where(star < below, 0.0, 1.0))
        if not kind:
            count(rates, "S-X2, type I", s_x2(evidence).p)
            count(rates, "M2, type I", [limited_information(evidence, "m2").p])
            low = np.tril_indices(items, -1)
            count(rates, "LD-X2, type I", ld_x2(evidence).p[low])
    matrix[:, 0] = random.random(n) < 0.2 + 0.6 * np.exp(-0.5 * theta**2)
    matrix[:, 1] = np.where(random.random(n) < 0.4, matrix[:, 2], matrix[:, 1])
    responses = Responses.from_dense(matrix)
    evidence = Evidence(responses, calibrate(responses, "2pl", errors="none").parameters)
    count(rates, "S-X2, power (bent curve)", s_x2(evidence).p[:1])
    count(rates, "PV-Q1, power (bent curve)", pv_q1(evidence).p[:1])
    count(rates, "LD-X2, power (a pair that repeats itself)", [ld_x2(evidence).p[1, 2]])
    count(rates, "M2, power (both)", [limited_information(evidence, "m2").p])


def dif_rates(random: np.random.Generator, rates: Rates, n: int, items: int) -> None:
    """One replicate of DIF: groups half a standard deviation apart, items 0 and 1 harder by 0.6 for one."""
    a, b = random.uniform(0.9, 1.5, items), random.normal(0, 0.9, items)
    b[:2] = 0.0
    groups = ["a"] * n + ["b"] * n
    theta = np.concatenate([random.normal(0, 1, n), random.normal(-0.5, 1, n)])
    for shift, what in ((0.0, "type I"), (0.6, "power (0.6 harder)")):
        harder = np.zeros(items)
        harder[:2] = shift
        matrix = np.vstack(
            [answers(random, a, b, theta[:n], logistic), answers(random, a, b + harder, theta[n:], logistic)]
        )
        chosen = slice(0, 2) if shift else slice(None)
        for method in METHODS:
            found = detect(Responses.from_dense(matrix), groups, method, purify=bool(shift))
            count(rates, f"DIF {method}, {what}", [row["p"] for row in found.rows][chosen])
        sparse = Responses.from_dense(adaptive(random, matrix, a, b))
        for method in ("mh", "logistic"):
            found = detect(sparse, groups, method, purify=bool(shift))
            count(
                rates,
                f"DIF {method}, adaptive (match on theta), {what}",
                [row["p"] for row in found.rows][chosen],
            )


def main(replicates: int = 100, n: int = 1000, items: int = 20) -> int:
    """Run and print."""
    random = np.random.Generator(np.random.Philox(1))
    rates: Rates = defaultdict(list)
    for k in range(replicates):
        fit_rates(random, rates, n, items)
        dif_rates(random, rates, n // 2, items)
        if sys.stderr.isatty():
            print(f"\r{k + 1} of {replicates}", end="", file=sys.stderr, flush=True)
    print(f"{replicates} replicates, {n} persons, {items} items, nominal level {LEVEL}; parameters estimated")
    for name, found in sorted(rates.items()):
        rejected, tried = np.array(found).sum(axis=0)
        rate = rejected / max(tried, 1)
        print(f"  {name:<58}{rate:>8.3f} +- {1.96 * np.sqrt(rate * (1 - rate) / max(tried, 1)):.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*(int(word) for word in sys.argv[1:2])))
