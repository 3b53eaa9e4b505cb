"""Scoring: a hundred thousand people, one sitting, one choice, and the first call of a process."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import numpy as np

from benchmarks.harness import Report, median_seconds
from cat_engine.answers import Answers
from cat_engine.grid import Grid, tabulate
from cat_engine.information import best, information
from cat_engine.pool import ItemPool
from cat_engine.record import score_of_record
from cat_engine.scoring import score

PERSONS, ITEMS, SAMPLE = 100_000, 50, 2_000

_FIRST = """
import time; start = time.perf_counter()
from cat_engine.grid import Grid, tabulate
from cat_engine.pool import ItemPool
from cat_engine.record import score_of_record
rows = [{"id": str(i), "model": "3pl", "a": 1.0, "b": i / 20 - 2, "c": 0.2} for i in range(80)]
pool = ItemPool.from_rows(rows)
grid = Grid.normal()
score_of_record(tabulate(pool, grid), grid, list(range(30)), [0, 1] * 15, [0.0])
print(time.perf_counter() - start)
"""


def two_pl() -> tuple[ItemPool, np.ndarray, np.ndarray, np.ndarray]:
    """A 2PL test and the answers of normal people."""
    rng = np.random.default_rng(1)
    a, b, theta = rng.lognormal(0.0, 0.3, ITEMS), rng.normal(size=ITEMS), rng.normal(size=PERSONS)
    p = 1.0 / (1.0 + np.exp(-a * (theta[:, None] - b)))
    rows = [{"id": f"i{i}", "model": "2pl", "a": float(a[i]), "b": float(b[i])} for i in range(ITEMS)]
    return ItemPool.from_rows(rows), (rng.random(p.shape) < p).astype(np.int8), a, b


def _mirt(a: np.ndarray, b: np.ndarray, matrix: np.ndarray, method: str) -> object:
    def measure(mirt: ModuleType) -> float:
        model = mirt.TwoParameterLogistic(n_items=ITEMS)
        model.set_parameters(discrimination=a, difficulty=b)
        model._is_fitted = True  # scoring with known parameters
        return median_seconds(lambda: mirt.fscores(model, matrix, method=method, n_quadpts=61), 3)

    return measure


def persons(report: Report) -> None:
    """EAP and WLE of many people from a complete matrix."""
    pool, matrix, a, b = two_pl()
    some = matrix[:SAMPLE].astype(int)
    scale = PERSONS / SAMPLE
    note = f"measured on the first {SAMPLE:,} persons, times {scale:g}"

    table = report.table(f"EAP, {PERSONS:,} persons x {ITEMS} items, 2PL, 61 nodes", 0.08)
    table.row("Acquis, from the matrix", median_seconds(lambda: score(pool, Answers.from_matrix(matrix))))
    table.peer(
        "girth",
        "ability_eap",
        lambda girth: median_seconds(
            lambda: girth.ability_eap(
                matrix.T.astype(int), b, a, {"quadrature_n": 61, "quadrature_bounds": (-6, 6)}
            ),
            3,
        ),
    )
    measure = _mirt(a, b, some, "EAP")
    table.peer("mirt", "fscores EAP", lambda mirt: scale * measure(mirt), note)  # type: ignore[operator]

    table = report.table(f"WLE, {PERSONS:,} persons x {ITEMS} items, 2PL", 0.3)
    answers = Answers.from_matrix(matrix)
    table.row("Acquis", median_seconds(lambda: score(pool, answers, "wle")))
    measure_wle = _mirt(a, b, some, "WLE")
    table.peer("mirt", "fscores WLE", lambda mirt: scale * measure_wle(mirt), note)  # type: ignore[operator]


def choice(report: Report) -> None:
    """Exact information of every item of a large bank, and the best one."""
    rng = np.random.default_rng(2)
    n = 10_000
    a, b, c = rng.lognormal(0.0, 0.3, n), rng.normal(size=n), rng.beta(5.0, 17.0, n)
    pool = ItemPool.from_rows(
        {"id": str(i), "model": "3pl", "a": float(a[i]), "b": float(b[i]), "c": float(c[i])} for i in range(n)
    )
    out, allowed = np.empty(n), np.ones(n, dtype=bool)
    table = report.table(f"Exact 3PL information and argmax, {n:,} items", 30e-6)
    table.row("Acquis", median_seconds(lambda: best(information(pool, 0.37, out), allowed)))

    def by_numpy() -> int:
        p = c + (1.0 - c) / (1.0 + np.exp(-a * (0.37 - b)))
        return int(np.argmax(a * a * ((p - c) / (1.0 - c)) ** 2 * (1.0 - p) / p))

    table.row("numpy, four lines", median_seconds(by_numpy))

    def catsim(_: ModuleType) -> float:
        from catsim.item_bank import ItemBank
        from catsim.selection import MaxInfoSelector

        bank = ItemBank(np.column_stack([a, b, c, np.ones(n)]))
        selector = MaxInfoSelector()
        return median_seconds(
            lambda: selector.select(item_bank=bank, administered_items=[], est_theta=0.37), 3
        )

    table.peer("catsim", "MaxInfoSelector", catsim)


def sitting(report: Report) -> None:
    """The score of record of one sitting, through the public function."""
    rng = np.random.default_rng(3)
    n = 300
    a, b = rng.lognormal(0.0, 0.3, n), rng.normal(size=n)
    pool = ItemPool.from_rows(
        {"id": str(i), "model": "2pl", "a": float(a[i]), "b": float(b[i])} for i in range(n)
    )
    grid = Grid.normal()
    tables = tabulate(pool, grid)
    item, category = rng.permutation(n)[:30], rng.integers(0, 2, 30)
    cuts = np.array([-0.5, 0.7])
    table = report.table("Score of record of a 30-item sitting, 61 nodes", 10e-6)
    table.row("Acquis", median_seconds(lambda: score_of_record(tables, grid, item, category)))
    table.row(
        "Acquis, with the levels of two cuts",
        median_seconds(lambda: score_of_record(tables, grid, item, category, cuts)),
    )
    options = {"quadrature_n": 61, "quadrature_bounds": (-6, 6)}
    table.peer(
        "girth",
        "ability_eap",
        lambda girth: median_seconds(
            lambda: girth.ability_eap(category[:, None], b[item], a[item], options), 3
        ),
    )


def first_call(report: Report) -> None:
    """What a restarted server pays: imports, a bank tabulated, one score."""
    table = report.table("First score in a fresh process, kernels cached", 1.0)

    def once() -> float:
        done = subprocess.run([sys.executable, "-c", _FIRST], check=True, capture_output=True, text=True)
        return float(done.stdout)

    once()
    table.row("Acquis", sorted(once() for _ in range(5))[2])
    numba = subprocess.run(
        [
            sys.executable,
            "-c",
            "import time; s = time.perf_counter(); import numba; print(time.perf_counter() - s)",
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    table.row("of which import numba", float(numba.stdout))


def run(report: Report) -> None:
    """Run all of them."""
    persons(report)
    choice(report)
    sitting(report)
    first_call(report)
