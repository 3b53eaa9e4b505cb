"""Simulated people sit the test that real people sit."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest

from cat_engine.counting import add, follow, seeded
from cat_engine.design import Design
from cat_engine.pool import ItemPool
from cat_engine.selection.exposure import RULES, Snapshot, Usage
from cat_engine.session import AdaptiveTest, Serve, Stop, answered, next_item, served, start, usage
from cat_engine.simulation import Sittings, simulate
from cat_engine.stopping import REASONS

RNG = np.random.default_rng(12)
N = 120
POOL = ItemPool.from_rows(
    [
        {
            "id": f"i{i}",
            "model": ("3pl", "gpcm")[i % 3 == 2],
            "a": float(RNG.lognormal(0.0, 0.3)),
            "b": RNG.normal(size=2).tolist() if i % 3 == 2 else float(RNG.normal()),
            **({} if i % 3 == 2 else {"c": 0.15}),
        }
        for i in range(N)
    ]
)
DOMAIN = [f"D{i % 4}" for i in range(N)]
TEXT = [f"T{i // 4}" if i % 8 < 3 else "" for i in range(N)]
BLUEPRINT = [{"attribute": "domain", "value": f"D{d}", "min": 3, "max": 6} for d in range(4)]


def prepare(**sections: Any) -> AdaptiveTest:
    content = {"schema": "acquis/design/1", "stop": {"min": 10, "max": 16}, **sections}
    return AdaptiveTest.prepare(POOL, Design.from_mapping(content), {"domain": DOMAIN, "text": TEXT})


DESIGNS: dict[str, dict[str, Any]] = {
    "plain": {},
    "exact": {"select": {"evaluate": "exact"}},
    "blueprint and precision": {"constraint": BLUEPRINT, "stop": {"min": 10, "max": 16, "se": 0.45}},
    "weighted": {"select": {"criterion": "mepv"}, "constraint": BLUEPRINT},
    "levels": {"cuts": {"values": [0.0]}, "stop": {"min": 4, "max": 16, "classify": "posterior"}},
    "map": {"score": {"method": "map"}},
    "warm": {"start": {"warmup": 2}, "select": {"criterion": "thopt"}},
    "little left to learn": {"stop": {"min": 3, "max": 16, "information": 0.75}},
    "stimuli": {"constraint": BLUEPRINT, "blueprint": {"stimulus": "text"}},
}


@pytest.mark.parametrize("name", DESIGNS)
def test_a_simulated_sitting_is_the_live_one_step_by_step(name: str) -> None:
    test = prepare(**DESIGNS[name])
    theta = np.random.default_rng(1).normal(size=12)
    done = simulate(test, theta, seed=5)
    for p in range(len(theta)):
        state = start(test, b"")
        for t in range(int(done.length[p])):
            step = next_item(test, state)
            assert isinstance(step, Serve)
            assert step.item == done.items[p, t]
            state = answered(test, served(test, state, step.item), step.item, int(done.categories[p, t]))
        assert next_item(test, state) == Stop(REASONS[int(done.reason[p])])
        assert state.theta == done.theta[p]  # the same bits
        assert state.se == done.se[p]


def test_neither_batch_nor_threads_change_a_sitting() -> None:
    test = prepare(exposure={"method": "randomesque"}, constraint=BLUEPRINT)
    theta = np.random.default_rng(2).normal(size=1300)
    whole = simulate(test, theta, seed=9)
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        alone = simulate(test, theta[700:760], seed=9, number=700)
    finally:
        numba.set_num_threads(before)
    assert np.array_equal(alone.items, whole.items[700:760])
    assert alone.theta.tobytes() == whole.theta[700:760].tobytes()
    assert not np.array_equal(simulate(test, theta[:60], seed=10).items, whole.items[:60])


def test_people_answer_as_their_ability_says() -> None:
    test = prepare(select={"criterion": "random"})
    theta = np.full(4000, 0.7)
    done = simulate(test, theta, seed=3)
    i = int(np.bincount(done.items.ravel()).argmax())
    given = done.categories[done.items == i]
    share = np.bincount(given, minlength=POOL.n_cat[i]) / len(given)
    grid = test.grid.nodes
    wanted = [np.exp(np.interp(0.7, grid, test.tables.logp[i, k])) for k in range(POOL.n_cat[i])]
    assert share == pytest.approx(wanted, abs=0.06)
    assert done.theta.mean() == pytest.approx(0.55, abs=0.15)  # drawn towards the prior's mean


def test_given_responses_are_replayed_and_those_missing_are_not_asked() -> None:
    test = prepare()
    rng = np.random.default_rng(7)
    responses = np.where(rng.random((30, N)) < 0.4, -1, (rng.random((30, N)) < 0.5).astype(int)).astype(
        np.int8
    )
    done = simulate(test, np.zeros(30), seed=1, responses=responses)
    for p in range(30):
        asked = done.items[p, : done.length[p]]
        assert (responses[p, asked] >= 0).all()
        assert np.array_equal(responses[p, asked], done.categories[p, : done.length[p]])


def test_every_simulated_test_meets_its_blueprint() -> None:
    test = prepare(constraint=BLUEPRINT, exposure={"method": "eligibility", "rate": 0.3})
    done, _ = follow(test, np.random.default_rng(3).normal(size=600), 4, test.no_exposure())
    domain = np.arange(N) % 4
    for p in range(len(done)):
        items = done.items[p, : done.length[p]]
        counts = np.bincount(domain[items], minlength=4)
        assert ((counts >= 3) & (counts <= 6)).all()
        assert len(set(items.tolist())) == len(items) == 16


@pytest.mark.parametrize("method", [name for name, rule in RULES.items() if rule.masks])
def test_exposure_rules_keep_items_near_their_target(method: str) -> None:
    test = prepare(exposure={"method": method, "rate": 0.3})
    theta = np.random.default_rng(5).normal(size=2500)
    before = seeded(test, 0.0, 1.0, seed=1)
    done, after = follow(test, theta, 2, before)
    rates = np.bincount(done.items[done.items >= 0], minlength=N) / len(theta)
    free = simulate(prepare(), theta, 2)
    assert np.bincount(free.items[free.items >= 0], minlength=N).max() / len(theta) > 0.9
    assert rates.max() < 0.3 + 0.025
    assert after.digest != before.digest


def test_exposure_by_theta_keeps_its_target_among_everybody_and_people_of_like_ability() -> None:
    """An item met on the way to where a sitting ends leaves less room for it there."""
    bounds = [-0.75, 0.75]
    test = prepare(exposure={"method": "eligibility", "rate": 0.3, "intervals": bounds})
    theta = np.random.default_rng(5).normal(size=2500)
    done, _ = follow(test, theta, 2, seeded(test, 0.0, 1.0, seed=1))
    whole = prepare(exposure={"method": "eligibility", "rate": 0.3})
    other, _ = follow(whole, theta, 2, seeded(whole, 0.0, 1.0, seed=1))

    def greatest(sittings: Sittings, held: np.ndarray) -> float:
        items = sittings.items[held]
        return float(np.bincount(items[items >= 0], minlength=N).max() / held.sum())

    assert greatest(done, np.ones(2500, dtype=bool)) < 0.3 + 0.025
    for g in range(3):
        assert greatest(done, np.searchsorted(bounds, done.theta) == g) < 0.3 + 0.055
    assert greatest(other, np.searchsorted(bounds, other.theta) == 2) > 0.6


def test_the_drawn_set_keeps_every_items_chance_and_hardly_varies_in_size() -> None:
    test = prepare(exposure={"method": "sympson-hetter"}, stop={"max": 4, "min": 1})
    chances = np.random.default_rng(6).uniform(0.1, 0.9, N)
    keys = np.random.default_rng(7).integers(0, 2**63, 3000).astype(np.uint64)
    drawn = test.machine.open_sets(chances[None], np.zeros(3000, int), keys, np.ones((1, N), np.uint8))
    assert drawn.mean(axis=0) == pytest.approx(chances, abs=0.04)
    assert np.ptp(drawn.sum(axis=1)) <= 1


def test_counts_add_up_alike_from_live_sittings_and_simulated_ones() -> None:
    test = prepare(exposure={"method": "eligibility", "rate": 0.3, "fading": 0.99})
    before = test.no_exposure()
    done = simulate(test, np.zeros(20), 3, snapshot=before)
    batch = add(test, done, 3, 0, before)
    usages = [Usage(0, tuple(done.items[p, : done.length[p]].tolist())) for p in range(20)]
    one_by_one = before.after(usages, 0.99)
    assert batch.administered == pytest.approx(one_by_one.administered)
    assert batch.eligible == pytest.approx(one_by_one.eligible)
    assert batch.sittings == pytest.approx(one_by_one.sittings)
    assert Snapshot.from_json(one_by_one.to_json()).digest == one_by_one.digest


def test_an_item_met_on_the_way_counts_as_served_and_not_as_open() -> None:
    after = Snapshot.empty(3, 2).after([Usage(1, items=(0, 1), barred=(1, 2)), Usage(1, items=(0,))])
    assert after.sittings.tolist() == [0, 2]
    assert after.administered[1].tolist() == [2, 1, 0]
    assert after.eligible[1].tolist() == [2, 1, 1]


def test_a_live_sitting_is_open_to_the_same_items_from_first_to_last() -> None:
    test = prepare(exposure={"method": "eligibility", "rate": 0.2})
    snapshot = seeded(test, 0.0, 1.0, seed=8)
    state = start(test, b"person")
    while isinstance(step := next_item(test, state, snapshot), Serve):
        state = answered(test, served(test, state, step.item), step.item, len(state.items) % 2)
    used = usage(test, state, snapshot)
    assert used.items == state.items
    assert used.barred
    assert not set(used.barred) & set(used.items)


def test_sub_banks_share_no_item() -> None:
    test = prepare(exposure={"rotation": 3}, constraint=BLUEPRINT)
    done = simulate(test, np.zeros(200), 1)
    parts = {int(test.machine.part[done.items[p, 0]]) for p in range(200)}
    assert parts == {0, 1, 2}
    for p in range(200):
        assert len(set(test.machine.part[done.items[p, : done.length[p]]].tolist())) == 1


@pytest.mark.parametrize("method", ["eligibility", "sympson-hetter", "progressive-restricted"])
def test_a_target_that_needs_every_item_equally_is_held(method: str) -> None:
    """12 of 120 items is 0.1: no test can hold the greatest rate lower."""
    test = prepare(exposure={"method": method, "rate": 12 / N}, stop={"min": 12, "max": 12})
    theta = np.random.default_rng(8).normal(size=3000)
    done, _ = follow(test, theta, 2, seeded(test, 0.0, 1.0, seed=1))
    rates = np.bincount(done.items[done.items >= 0], minlength=N) / len(theta)
    assert rates.max() < 12 / N + 0.025
    assert rates.min() > 12 / N - 0.05


def test_open_items_are_enough_for_the_longest_test() -> None:
    """A precise sitting may be short, but nobody's test ends early for want of open items."""
    stop = {"min": 4, "max": 20, "se": 0.01}
    test = prepare(exposure={"method": "eligibility", "rate": 0.1}, stop=stop)
    theta = np.random.default_rng(9).normal(size=300)
    done, _ = follow(test, theta, 2, seeded(test, 0.0, 1.0, seed=1))
    assert (done.length == 20).all()
