"""The adaptive engine: one step, whole sittings, each rule's cost, shadow tests."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from benchmarks.harness import Report, median_seconds
from cat_engine.counting import counts, seeded
from cat_engine.design import Design
from cat_engine.pool import ItemPool
from cat_engine.selection.criteria import CRITERIA
from cat_engine.session import AdaptiveTest, Serve, answered, next_item, served, start
from cat_engine.simulation import Sittings, simulate

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
        items = np.column_stack([a, b, c, np.ones(n)])
        table.peer("catsim", "select and estimate", lambda _, items=items: _catsim(items))  # type: ignore[misc]


def _catsim(items: np.ndarray) -> float:
    from catsim.estimation import NumericalSearchEstimator
    from catsim.item_bank import ItemBank
    from catsim.selection import MaxInfoSelector

    held, selector, estimator = ItemBank(items), MaxInfoSelector(), NumericalSearchEstimator()
    asked, given = list(range(11)), [k % 2 == 1 for k in range(11)]

    def once() -> None:
        theta = estimator.estimate(
            item_bank=held, administered_items=asked, response_vector=given, est_theta=0.0
        )
        selector.select(item_bank=held, administered_items=asked, est_theta=float(theta))

    return median_seconds(once, 3)


def people(n: int) -> np.ndarray:
    """Normal abilities."""
    return np.random.default_rng(3).normal(size=n)


def _rmse(done: Sittings, theta: np.ndarray) -> float:
    return float(np.sqrt(((done.theta - theta) ** 2).mean()))


def sittings(report: Report) -> None:
    """Whole simulated sittings on all processors."""
    pool, _, _, _ = bank(300)
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
        test = prepare(pool, columns, **sections)  # type: ignore[arg-type]
        snapshot = seeded(test, 0.0, 1.0, 1) if counts(test) else None
        seconds = median_seconds(lambda t=test, s=snapshot: simulate(t, theta, 1, snapshot=s), 5) / PERSONS  # type: ignore[misc]
        done = simulate(test, theta, 1, snapshot=snapshot)
        note = f"{1 / seconds:,.0f} a second (promise: {promise:,}), RMSE {_rmse(done, theta):.4f}"
        table.row(f"Acquis, {name}", seconds, note)
    table.peer("catsim", "Simulator", lambda _: _catsim_sitting())


def _catsim_sitting() -> float:
    from catsim.estimation import NumericalSearchEstimator
    from catsim.initialization import FixedPointInitializer
    from catsim.item_bank import ItemBank
    from catsim.selection import MaxInfoSelector
    from catsim.simulation import Simulator
    from catsim.stopping import TestLengthStopper

    _, a, b, c = bank(300)
    held = ItemBank(np.column_stack([a, b, c, np.ones(300)]))

    def once() -> None:
        Simulator(
            held,
            people(5),
            FixedPointInitializer(0.0),
            MaxInfoSelector(),
            NumericalSearchEstimator(),
            TestLengthStopper(max_items=LENGTH),
        ).simulate()

    return median_seconds(once, 1) / 5


def costs(report: Report) -> None:
    """What each rule costs a simulated sitting: no option leads to a slow path unannounced."""
    pool, _, _, _ = bank(300)
    theta = people(SOME)
    cuts = {"cuts": {"values": [-0.5, 0.5], "confidence": 0.9}}
    table = report.table(f"Each criterion, a 30-item sitting from 300 items, exact ({SOME:,} people)")
    for name in CRITERIA:
        test = prepare(pool, select={"criterion": name, "evaluate": "exact"}, **cuts)
        table.row(name, median_seconds(lambda t=test: simulate(t, theta, 1), 1) / SOME)  # type: ignore[misc]
    table = report.table("Each estimator")
    for method in ("eap", "map", "ml", "wle"):
        test = prepare(pool, score={"method": method, "grid": GRID})
        table.row(method, median_seconds(lambda t=test: simulate(t, theta, 1), 1) / SOME)  # type: ignore[misc]
    table = report.table("Each way to classify, two cuts")
    for method in ("none", "posterior", "sprt", "glr", "interval"):
        test = prepare(pool, stop={"classify": method}, **cuts)
        table.row(method, median_seconds(lambda t=test: simulate(t, theta, 1), 1) / SOME)  # type: ignore[misc]


def shadow(report: Report) -> None:
    """Shadow tests over 1,000 items and 60 constraints: every test meets all of them."""
    n = 1_000
    pool, _, _, _ = bank(n)
    rng = np.random.default_rng(1)
    domain = rng.integers(0, 5, n)
    skill = domain * 4 + rng.integers(0, 4, n)
    form, key = rng.integers(0, 4, n), rng.integers(0, 4, n)
    words, seconds = rng.integers(20, 120, n), rng.lognormal(4.0, 0.3, n)
    enemies = [""] * n
    for e in range(25):
        for i in rng.choice(n, 3, replace=False):
            enemies[i] = f"{enemies[i]} e{e}".strip()
    columns = {
        "domain": [f"D{x}" for x in domain],
        "skill": [f"S{x}" for x in skill],
        "form": [f"F{x}" for x in form],
        "key": [f"K{x}" for x in key],
        "words": words.tolist(),
        "seconds": [round(float(x), 3) for x in seconds],
        "enemies": enemies,
    }
    bounds = [
        *({"attribute": "domain", "value": f"D{k}", "min": 5, "max": 7} for k in range(5)),
        *({"attribute": "skill", "value": f"S{k}", "min": 1, "max": 2} for k in range(20)),
        *({"attribute": "form", "value": f"F{k}", "min": 5, "max": 12} for k in range(4)),
        *({"attribute": "key", "value": f"K{k}", "min": 5, "max": 11} for k in range(4)),
        {"attribute": "words", "min": 1500, "max": 2300},
        {"attribute": "seconds", "max": 1900},
    ]
    test = prepare(pool, columns, constraint=bounds)
    assert test.machine.shadow is not None
    times, kept, lost = [], 0, []
    free = prepare(pool)
    theta = people(6)
    plain = simulate(free, theta, 1)
    for p in range(len(theta)):
        state = start(test, bytes([p]))
        answers = np.random.default_rng(p)
        while True:
            begun = time.perf_counter()
            chosen = next_item(test, state)
            times.append(time.perf_counter() - begun)
            if not isinstance(chosen, Serve):
                break
            state = answered(test, served(test, state, chosen.item), chosen.item, int(answers.random() < 0.6))
        kept += test.machine.shadow.holds(np.array(state.items))
        lost.append(state.se)
    table = report.table("Shadow-test step, 1,000 items x 60 constraints", 2e-3)
    table.row(
        "Acquis, median",
        float(np.median(times)),
        f"{kept} of {len(theta)} tests meet all; mean SE {np.mean(lost):.3f}, "
        f"unconstrained {plain.se.mean():.3f}",
    )
    table.row("Acquis, 99th percentile", float(np.quantile(times, 0.99)))


def run(report: Report) -> None:
    """Run all of them."""
    step(report)
    sittings(report)
    shadow(report)
    costs(report)
