"""Laws of every criterion and every exposure rule; registered means tested."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cat_engine.design import Design
from cat_engine.errors import InputError
from cat_engine.kernels.pick import LOWEST, greatest, mix, proportional, randomesque, uniform
from cat_engine.pool import ItemPool
from cat_engine.selection.chance import chance
from cat_engine.selection.criteria import CRITERIA, MEASURES, WHERE
from cat_engine.selection.expected import Expected
from cat_engine.selection.exposure import RULES, Snapshot
from cat_engine.session import (
    OMITTED,
    AdaptiveTest,
    Serve,
    State,
    answered,
    next_item,
    served,
    start,
)
from cat_engine.simulation import simulate


def mixed(n: int = 48) -> ItemPool:
    """Dichotomous and polytomous items of several models, one after the other."""
    rng = np.random.default_rng(8)
    rows: list[dict[str, Any]] = []
    for i in range(n):
        row: dict[str, Any] = {"id": f"i{i}", "model": ("2pl", "3pl", "grm", "gpcm")[i % 4]}
        row["a"] = float(rng.lognormal(0, 0.3))
        row["b"] = np.sort(rng.normal(size=3)).tolist() if i % 4 > 1 else float(rng.normal())
        if i % 4 == 1:
            row["c"] = 0.2
        rows.append(row)
    return ItemPool.from_rows(rows)


def plain(n: int = 48) -> ItemPool:
    rng = np.random.default_rng(9)
    return ItemPool.from_rows(
        {"id": f"i{i}", "model": "2pl", "a": float(rng.lognormal(0, 0.3)), "b": float(rng.normal())}
        for i in range(n)
    )


def prepare(pool: ItemPool, **sections: Any) -> AdaptiveTest:
    content = {"schema": "acquis/design/1", "stop": {"max": 12}, "cuts": {"values": [0.0]}, **sections}
    return AdaptiveTest.prepare(pool, Design.from_mapping(content))


def sit(test: AdaptiveTest, seed: bytes = b"s", snapshot: Snapshot | None = None, omit: int = -1) -> State:
    state = start(test, seed)
    while isinstance(step := next_item(test, state, snapshot), Serve):
        position = len(state.items)
        category = (
            OMITTED if position == omit else (position * 7 + step.item) % int(test.pool.n_cat[step.item])
        )
        state = answered(test, served(test, state, step.item), step.item, category)
    return state


@pytest.mark.parametrize("evaluate", ["exact", "table"])
@pytest.mark.parametrize("name", CRITERIA)
def test_every_criterion_serves_a_mixed_bank_purely(name: str, evaluate: str) -> None:
    composition = CRITERIA[name]
    assert composition.where in WHERE
    assert composition.measure in MEASURES
    pool = plain() if name == "urry" else mixed()
    test = prepare(pool, select={"criterion": name, "evaluate": evaluate})
    state = sit(test, omit=3)
    assert len(state.items) == len(set(state.items)) == 12
    assert state.items == sit(test, omit=3).items
    assert np.isfinite([state.theta, state.se]).all()


@pytest.mark.parametrize("name", RULES)
def test_every_exposure_rule_serves_a_mixed_bank_purely(name: str) -> None:
    test = prepare(mixed(), exposure={"method": name, "rate": 0.5})
    snapshot = test.no_exposure()
    state = sit(test, b"one", snapshot)
    assert len(state.items) == len(set(state.items)) == 12
    assert state.items == sit(test, b"one", snapshot).items
    if RULES[name].draws:
        assert any(sit(test, bytes([k]), snapshot).items != state.items for k in range(5))


def test_a_rule_without_chance_does_not_look_at_the_seed() -> None:
    test = prepare(mixed())
    assert sit(test, b"a").items == sit(test, b"b").items
    assert not test.machine.draws


def test_a_criterion_that_does_not_suit_the_items_is_refused_with_what_to_choose() -> None:
    with pytest.raises(InputError, match="choose 'thopt'"):
        prepare(mixed(), select={"criterion": "urry"})
    with pytest.raises(InputError, match="cuts"):
        prepare(mixed(), select={"criterion": "cut"}, cuts={"values": []})


def test_exact_choices_spare_evaluations_without_changing_one() -> None:
    """The item found by bounds is the one that evaluating every item finds."""
    pool = mixed(160)
    test = prepare(pool, select={"evaluate": "exact"})
    machine, rng = test.machine, np.random.default_rng(1)
    n = 400
    thetas, seats = rng.uniform(-5.9, 5.9, n), machine.seats(n)
    seats.usable[:] = rng.random(seats.usable.shape) < 0.4
    active, zero = np.arange(n), np.zeros(n, dtype=np.int64)
    items, worth = np.full(n, -1), np.zeros(n, dtype=np.int64)
    common = (seats.usable, active, machine.blueprint.tree.group, np.ones((n, 1), np.uint8), False)
    machine._by_bounds(
        machine.selector, seats, active, thetas, zero.astype(np.uint64), True, common, zero, items, worth
    )  # type: ignore[arg-type]
    values = np.empty((n, len(pool)), dtype=np.int64)
    machine.material.information(thetas, values)
    values[seats.usable == 0] = LOWEST
    assert np.array_equal(values.argmax(axis=1), items)
    assert np.abs(values.max(axis=1) - worth).max() <= 1


@pytest.mark.parametrize("information", ["expected", "observed"])
@pytest.mark.parametrize("evaluate", ["exact", "table"])
@pytest.mark.parametrize("method", ["eap", "map", "ml", "wle"])
def test_expected_information_is_evaluated_where_in_doubt_and_no_choice_changes(
    method: str, evaluate: str, information: str
) -> None:
    pool, theta = mixed(120), np.linspace(-2.5, 2.5, 15)
    select = {"criterion": "mei", "evaluate": evaluate, "information": information}
    domains = [{"attribute": "domain", "value": "D1", "min": 2, "max": 3}]
    content = {"schema": "acquis/design/1", "stop": {"max": 10}, "score": {"method": method}}
    design = Design.from_mapping(content | {"select": select, "constraint": domains})
    test = AdaptiveTest.prepare(pool, design, {"domain": [f"D{i % 4}" for i in range(120)]})
    selector = test.machine.selector
    assert isinstance(selector, Expected)
    every = replace(test, machine=replace(test.machine, selector=lambda *given: selector(*given)))
    bounded, whole = simulate(test, theta, 1), simulate(every, theta, 1)
    assert (bounded.items == whole.items).all()
    seats, active, aims = test.machine.seats(1), np.zeros(1, dtype=np.int64), np.zeros(1)
    upper, evaluated = selector.bound(seats, active, aims)
    values = np.empty((1, 120), dtype=np.int64)
    evaluated(np.ones((1, 120), dtype=np.uint8), values)
    assert (values <= upper).all()
    assert (upper >= values.max()).mean() < 0.4


def test_criterion_values_do_what_their_definitions_say() -> None:
    """Against plain numpy, from the tables, after three answers."""
    pool = mixed()
    state = None
    seen: dict[str, np.ndarray] = {}
    for name in ("mpwi", "mepv", "entropy", "klp"):
        test = prepare(pool, select={"criterion": name, "evaluate": "exact", "predict": "posterior"})
        state = start(test, b"")
        for item, x in ((4, 1), (5, 0), (6, 2)):
            state = answered(test, served(test, state, item), item, x)
        out = np.empty((1, len(pool)), dtype=np.int64)
        one = np.zeros(1, dtype=np.int64)
        test.machine.selector(state.seat, one, np.array([state.theta]), one.astype(np.uint64), out)  # type: ignore[operator]
        seen[name] = out[0] * 1e-6
    assert state is not None
    grid, logp = test.grid, test.tables.logp
    w = state.seat.belief[0, 0] * grid.weights
    w /= w.sum()
    p = np.exp(logp)  # (n, K, Q)
    assert seen["mpwi"] == pytest.approx(test.tables.info @ w, abs=1e-6)
    mass = p @ w
    after = p * w
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(mass > 0, (after @ grid.nodes) / mass, 0.0)
        variance = np.where(mass > 0, (after @ grid.nodes**2) / mass - mean**2, 0.0)
        entropy_after = -np.nansum(
            np.where(after > 0, after * np.log(after / mass[:, :, None]), 0.0), axis=(1, 2)
        )
    assert seen["mepv"] == pytest.approx(-(mass * variance).sum(axis=1), abs=1e-6)
    entropy_now = -(w[w > 0] * np.log(w[w > 0])).sum()
    assert seen["entropy"] == pytest.approx(entropy_now - entropy_after, abs=1e-6)
    assert (seen["klp"] >= 0).all()


def test_an_easy_start_and_comfort_choose_items_that_are_likely_to_be_solved() -> None:
    pool = plain(200)
    test = prepare(pool, start={"warmup": 3, "success": 0.8})
    state = start(test, b"")
    for _ in range(3):
        step = next_item(test, state)
        assert isinstance(step, Serve)
        a, b = (float(pool.rows()[step.item][k]) for k in "ab")
        assert 1 / (1 + np.exp(-a * (state.theta - b))) > 0.77  # the theta of the nearest node, not exactly
        state = answered(test, served(test, state, step.item), step.item, 1)
    comfortable = sit(prepare(pool, select={"comfort": 0.7}))
    assert comfortable.se > sit(prepare(pool)).se  # comfort has its price


def test_a_stratified_test_keeps_steep_items_for_the_end() -> None:
    pool = plain(200)
    slopes = np.array([row["a"] for row in pool.rows()])
    items = list(sit(prepare(pool, select={"criterion": "astrat", "strata": 4})).items)
    assert slopes[items[:3]].mean() < slopes[items[3:9]].mean() < slopes[items[9:]].mean()


def test_a_fixed_test_follows_its_order() -> None:
    order = ["i7", "i3", "i9", "i1", *(f"i{k}" for k in range(20, 40))]
    test = prepare(mixed(), select={"criterion": "fixed", "order": order})
    assert [test.pool.ids[i] for i in sit(test).items] == order[:12]


def test_draws_have_the_chances_they_promise() -> None:
    values = np.array([50, 40, LOWEST, 30, 10, 5], dtype=np.int64)
    drawn = [int(randomesque(values.copy(), 3, np.uint64(mix(np.uint64(1), k)))) for k in range(6000)]
    assert set(drawn) == {0, 1, 3}
    assert np.bincount(drawn)[[0, 1, 3]] / 6000 == pytest.approx([1 / 3] * 3, abs=0.03)
    scratch = np.empty(6)
    drawn = [int(proportional(values, 2.0, np.uint64(mix(np.uint64(2), k)), scratch)) for k in range(6000)]
    shares = np.array([2500, 1600, 0, 900, 100, 25]) / 5125
    assert np.bincount(drawn, minlength=6) / 6000 == pytest.approx(shares, abs=0.03)
    assert int(greatest(values)) == 0
    us = np.array([uniform(np.uint64(3), k) for k in range(4000)])
    assert us.mean() == pytest.approx(0.5, abs=0.02)
    assert np.histogram(us, 10, (0, 1))[0].min() > 320


def test_chance_belongs_to_seed_position_and_purpose() -> None:
    base = chance(b"seed", 3, "choice")
    assert base == chance(b"seed", 3, "choice")
    others = {chance(b"Seed", 3, "choice"), chance(b"seed", 4, "choice"), chance(b"seed", 3, "exposure")}
    assert len(others | {base}) == 4
    assert 0 <= base < 2**64
