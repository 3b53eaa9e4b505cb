"""The adaptive engine: one step, whole sittings, each rule's cost, shadow tests."""

from __future__ import annotations

import time
from typing import Any

import numba
import numpy as np

from benchmarks.cat_peers import PEERS_SITTING, PEERS_STEP, compare, people
from benchmarks.harness import Report, median_seconds
from cat_engine.counting import counts, seeded
from cat_engine.design import Design
from cat_engine.pool import ItemPool
from cat_engine.selection.criteria import CRITERIA
from cat_engine.selection.exposure import RULES, Snapshot
from cat_engine.session import AdaptiveTest, Serve, answered, next_item, served, start
from cat_engine.simulation import Sittings, Truth, simulate

LENGTH = 30
PERSONS = 20_000
SOME = 500
GRID = [-4.0, 4.0, 33]


def bank(n: int) -> tuple[ItemPool, np.ndarray, np.ndarray, np.ndarray]:
    """A 3PL bank and its parameters."""
    rng = np.random.default_rng(1)
    a, b, c = rng.lognormal(0.0, 0.3, n), rng.normal(size=n), rng.beta(5.0, 17.0, n)
    rows = (
        {"id": f"i{i}", "model": "3pl", "a": float(a[i]), "b": float(b[i]), "c": float(c[i])}
        for i in range(n)
    )
    return ItemPool.from_rows(rows), a, b, c


def prepare(pool: ItemPool, columns: dict[str, Any] | None = None, **sections: Any) -> AdaptiveTest:
    """A test of thirty items."""
    stop = {"min": LENGTH, "max": LENGTH, **sections.pop("stop", {})}
    content = {"schema": "acquis/design/1", "score": {"grid": GRID}, "stop": stop, **sections}
    return AdaptiveTest.prepare(pool, Design.from_mapping(content), columns)


def domains(n: int) -> tuple[list[dict[str, Any]], dict[str, list[str]]]:
    """Five domains with 5 to 7 items each."""
    bounds = [{"attribute": "domain", "value": f"D{d}", "min": 5, "max": 7} for d in range(5)]
    return bounds, {"domain": [f"D{i % 5}" for i in range(n)]}


def step(report: Report) -> None:
    """Take an answer in, look ahead, choose, stop or not: through the public calls."""
    for n, limit in ((1_000, 30e-6), (10_000, 100e-6)):
        pool, a, b, c = bank(n)
        bounds, columns = domains(n)
        table = report.table(f"One step (update, constraints, select, stop), {n:,} items", limit)
        for evaluate in ("table", "exact"):
            test = prepare(
                pool,
                columns,
                constraint=bounds,
                select={"evaluate": evaluate},
                stop={"min": 5, "se": 0.05},
                score={},
            )
            state = start(test, b"")
            for k in range(10):
                item = next_item(test, state).item  # type: ignore[union-attr]
                state = answered(test, served(test, state, item), item, k % 2)
            item = next_item(test, state).item  # type: ignore[union-attr]

            def once(test: AdaptiveTest = test, state: Any = state, item: int = item) -> object:
                return next_item(test, answered(test, served(test, state, item), item, 1))

            table.row(f"Acquis, {evaluate}, five domains, EAP, 61 nodes", median_seconds(once))
        compare(table, PEERS_STEP, (a, b, c))


def _rmse(done: Sittings, theta: np.ndarray) -> float:
    return float(np.sqrt(((done.theta - theta) ** 2).mean()))


def sittings(report: Report) -> None:
    """Whole simulated sittings on all processors."""
    pool, a, b, c = bank(300)
    bounds, columns = domains(300)
    theta = people(PERSONS)
    table = report.table(f"A 30-item 3PL sitting from 300 items, EAP, 33 nodes ({PERSONS:,} people)")
    for name, promise, sections in (
        ("tabled information", 400_000, {}),
        ("exact information", 120_000, {"select": {"evaluate": "exact"}}),
        (
            "blueprint, eligibility, classification",
            30_000,
            {
                "constraint": bounds,
                "exposure": {"method": "eligibility"},
                "stop": {"min": 15, "classify": "posterior"},
                "cuts": {"values": [0.0], "confidence": 0.999},
            },
        ),
    ):
        test = prepare(pool, columns, **sections)
        snapshot = seeded(test, 0.0, 1.0, 1) if counts(test) else None

        def once(test: AdaptiveTest = test, snapshot: Snapshot | None = snapshot) -> Sittings:
            return simulate(test, theta, 1, snapshot=snapshot)

        seconds = median_seconds(once, 5) / PERSONS
        processor = median_seconds(once, 5, clock=time.process_time) / PERSONS
        note = (
            f"{1 / seconds:,.0f} a second (promise: {promise:,}), {1 / processor:,.0f} a processor second, "
            f"RMSE {_rmse(once(), theta):.4f}"
        )
        table.row(f"Acquis, {name}", seconds, note)
    compare(table, PEERS_SITTING, (a, b, c))


def costs(report: Report) -> None:
    """What each rule costs a step, one processor: no option leads to a slow path unannounced."""
    pool, _, _, _ = bank(300)
    theta = people(SOME)
    cuts = {"cuts": {"values": [-0.5, 0.5], "confidence": 0.9}}
    table = report.table(f"Each criterion, seconds a step, 300 items ({SOME:,} sittings of {LENGTH})")
    for name in CRITERIA:
        tabled, exact = (
            _cost(prepare(pool, select={"criterion": name, "evaluate": how}, **cuts), theta)
            for how in ("table", "exact")
        )
        table.row(name, tabled, f"exact: {1e6 * exact:.1f} us")
    table = report.table(
        "Each estimator, seconds a step (with mei, which asks what every answer would change)"
    )
    for method in ("eap", "map", "ml", "wle"):
        score = {"method": method, "grid": GRID}
        expected = _cost(prepare(pool, score=score, select={"criterion": "mei"}), theta[:20])
        table.row(method, _cost(prepare(pool, score=score), theta), f"mei: {1e6 * expected:.1f} us")
    table = report.table("Each way to classify, two cuts, seconds a step")
    for classify in ("none", "posterior", "sprt", "glr", "interval"):
        table.row(classify, _cost(prepare(pool, stop={"classify": classify}, **cuts), theta))
    table = report.table("Each stopping rule, seconds a step")
    for rule in ("se", "change", "information"):
        table.row(rule, _cost(prepare(pool, stop={rule: 1e-9}), theta))
    table = report.table("Each exposure rule, seconds a step (counts given)")
    for rule in RULES:
        test = prepare(pool, exposure={"method": rule})
        table.row(rule, _cost(test, theta, test.no_exposure() if counts(test) else None))


def _cost(test: AdaptiveTest, theta: np.ndarray, snapshot: Snapshot | None = None) -> float:
    """Processor seconds of a step in simulated sittings; how people answer is tabled beforehand."""
    truth = Truth.of(test, theta)
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        steps = int(simulate(test, theta, 1, snapshot=snapshot, truth=truth).length.sum())
        seconds = median_seconds(
            lambda: simulate(test, theta, 1, snapshot=snapshot, truth=truth), 3, 0.0, time.process_time
        )
        return seconds / steps
    finally:
        numba.set_num_threads(before)


def sixty(n: int) -> tuple[list[dict[str, Any]], dict[str, list[Any]]]:
    """Return 60 constraints that overlap, 25 sets of enemies among them, and the attributes of `n` items."""
    rng = np.random.default_rng(1)
    domain = rng.integers(0, 5, n)
    skill = domain * 4 + rng.integers(0, 4, n)
    form, key = rng.integers(0, 4, n), rng.integers(0, 4, n)
    words, seconds = rng.integers(20, 120, n), rng.lognormal(4.0, 0.3, n)
    enemies = [""] * n
    for e in range(25):
        for i in rng.choice(n, 3, replace=False):
            enemies[i] = f"{enemies[i]} e{e}".strip()
    columns: dict[str, list[Any]] = {
        "domain": [f"D{x}" for x in domain],
        "skill": [f"S{x}" for x in skill],
        "form": [f"F{x}" for x in form],
        "key": [f"K{x}" for x in key],
        "words": words.tolist(),
        "seconds": [round(float(x), 3) for x in seconds],
        "enemies": enemies,
    }
    bounds: list[dict[str, Any]] = [
        *({"attribute": "domain", "value": f"D{k}", "min": 5, "max": 7} for k in range(5)),
        *({"attribute": "skill", "value": f"S{k}", "min": 1, "max": 2} for k in range(20)),
        *({"attribute": "form", "value": f"F{k}", "min": 5, "max": 12} for k in range(4)),
        *({"attribute": "key", "value": f"K{k}", "min": 5, "max": 11} for k in range(4)),
        {"attribute": "words", "min": 1500, "max": 2300},
        {"attribute": "seconds", "max": 1900},
    ]
    return bounds, columns


def shadow(report: Report) -> None:
    """A step by shadow tests over 1,000 items and 60 constraints."""
    pool, _, _, _ = bank(1_000)
    bounds, columns = sixty(1_000)
    test = prepare(pool, columns, constraint=bounds)
    assert test.machine.shadow is not None
    times = []
    for p in range(6):
        state = start(test, bytes([p]))
        answers = np.random.default_rng(p)
        while True:
            begun = time.perf_counter()
            chosen = next_item(test, state)
            times.append(time.perf_counter() - begun)
            if not isinstance(chosen, Serve):
                break
            state = served(test, state, chosen.item, chosen.assembled)
            state = answered(test, state, chosen.item, int(answers.random() < 0.6))
    table = report.table("Shadow-test step, 1,000 items x 60 constraints", 2e-3)
    table.row("Acquis, median", float(np.median(times)))
    table.row("Acquis, 90th percentile", float(np.quantile(times, 0.9)))
    table.row("Acquis, 99th percentile", float(np.quantile(times, 0.99)))


def run(report: Report) -> None:
    """Run all of them."""
    step(report)
    sittings(report)
    shadow(report)
    costs(report)
