"""Scoring in several dimensions: how far quadrature is from a much finer one, and what people cost."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from benchmarks.harness import Report
from cat_engine.answers import Answers
from cat_engine.pool import ItemPool
from cat_engine.scoring import score_dimensions
from cat_engine.scoring.adaptive import NODES, adaptive_moments
from cat_engine.scoring.composite import Population, parts, slopes_of
from cat_engine.scoring.reduction import hub_of, reduced_moments

FINER = {3: 31, 4: 19, 5: 13, 6: 9}
"""Nodes a dimension of the finer adaptive rule, by the number of dimensions; that of a fixed grid has 241."""

PERSONS, JUDGED = 1_000, 40


def _between(dimensions: int, items: int) -> np.ndarray:
    return np.tile(np.eye(dimensions, dtype=bool), (items, 1))


def _within(dimensions: int, items: int) -> np.ndarray:
    """Every third item loads on the next dimension too."""
    loads = _between(dimensions, items)
    loads[::3] |= np.roll(loads[::3], 1, axis=1)
    return loads


def _bifactor(specific: int, items: int) -> np.ndarray:
    return np.hstack([np.ones((specific * items, 1), dtype=bool), _between(specific, items)])


CASES: dict[str, tuple[np.ndarray, float, tuple[str, ...], float]] = {
    "2 dimensions, 40 items": (_between(2, 20), 0.5, ("m2pl",), 2.0),
    "2 dimensions, 40 items, within": (_within(2, 20), 0.5, ("m3pl", "mgrm"), 2.0),
    "bifactor, 1 + 5, 50 items": (_bifactor(5, 10), 0.0, ("m2pl",), 2.0),
    "3 dimensions, 30 items": (_between(3, 10), 0.5, ("m2pl",), 2.0),
    "3 dimensions, 30 items, within": (_within(3, 10), 0.5, ("m3pl", "mgrm"), 2.0),
    "3 dimensions, 9 items": (_between(3, 3), 0.5, ("m3pl",), 2.0),
    "3 dimensions, 9 items, steep": (_between(3, 3), 0.5, ("m3pl",), 4.0),
    "4 dimensions, 40 items": (_between(4, 10), 0.5, ("m2pl",), 2.0),
    "5 dimensions, 50 items": (_between(5, 10), 0.5, ("m2pl",), 2.0),
    "6 dimensions, 60 items": (_between(6, 10), 0.5, ("m2pl",), 2.0),
}


def items(loads: np.ndarray, codes: tuple[str, ...], steepest: float) -> ItemPool:
    """Return items that load where `loads` says, with slopes of 0.8 to `steepest`."""
    rng = np.random.default_rng(1)
    rows: list[dict[str, Any]] = []
    for i, here in enumerate(loads):
        code = codes[i % len(codes)]
        slopes = np.where(here, rng.uniform(0.8, steepest, here.size), 0.0)
        row: dict[str, Any] = {"id": f"i{i}", "model": code, "slopes": slopes.tolist()}
        row["intercept"] = np.sort(rng.normal(0.0, 1.2, 3))[::-1].tolist() if code == "mgrm" else rng.normal()
        rows.append(row | ({"c": 0.2} if code == "m3pl" else {}))
    return ItemPool.from_rows(rows, loads.shape[1])


def _respond(pool: ItemPool, cov: np.ndarray, n: int) -> Answers:
    """Answers of normal people, by their chances in the family's own words."""
    from cat_engine.family import logp

    rng = np.random.default_rng(2)
    theta = rng.multivariate_normal(np.zeros(len(cov)), cov, n)
    matrix = np.empty((n, len(pool)), dtype=np.int8)
    for block in pool.blocks:
        for r, i in enumerate(block.index):
            said = np.empty((n, int(pool.n_cat[i])))
            for p in range(n):
                logp(block.table, r, theta[p], said[p])
            matrix[:, i] = (rng.random((n, 1)) > np.exp(said).cumsum(axis=1)[:, :-1]).sum(axis=1)
    return Answers.from_matrix(matrix)


def run(report: Report) -> None:
    """Print a line for every case."""
    print(f"\nEAP in several dimensions: largest error of {JUDGED} persons, CPU seconds for {PERSONS:,}")
    print(f"{'':34}{'nodes':>12}{'error of theta':>16}{'of its se':>12}{'eap':>9}{'map':>9}")
    figures = report.figures.setdefault("Scoring in several dimensions", {})
    for name, (loads, correlation, codes, steepest) in CASES.items():
        if report.only not in name:
            continue
        pool, size = items(loads, codes, steepest), loads.shape[1]
        population = Population(np.zeros(size), (1.0 - correlation) * np.eye(size) + correlation)
        answers = _respond(pool, population.cov, PERSONS)
        some = answers.take(np.arange(JUDGED))
        hub = hub_of(slopes_of(pool), population.cov)
        if hub is None:
            fine = adaptive_moments(parts(pool, some), JUDGED, population, FINER[size])
        else:
            fine = reduced_moments(pool, some, population, hub, 241)
        found = score_dimensions(pool, some, *population)
        se = np.sqrt(np.diagonal(fine[1], axis1=1, axis2=2))
        away = np.abs(found.theta - fine[0]).max(), np.abs(found.se - se).max()
        seconds = []
        for method in ("eap", "map"):
            score_dimensions(pool, some, *population, method)
            start = time.process_time()
            score_dimensions(pool, answers, *population, method)
            seconds.append(time.process_time() - start)
            figures[f"{name}, {method}"] = seconds[-1]
        nodes = f"{NODES[size]} adaptive" if hub is None else "61"
        print(
            f"{name:34}{nodes:>12}{away[0]:16.0e}{away[1]:12.0e}{seconds[0]:8.2f}s{seconds[1]:8.2f}s",
            flush=True,
        )
