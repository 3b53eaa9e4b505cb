"""Every rule that ends a sitting, and every way to tell levels apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cat_engine.design import Design
from cat_engine.pool import ItemPool
from cat_engine.session import AdaptiveTest, Serve, State, Stop, answered, conclude, next_item, served, start
from cat_engine.stopping import CLASSIFIERS, REASONS

RNG = np.random.default_rng(6)
POOL = ItemPool.from_rows(
    [
        {
            "id": f"i{i}",
            "model": ("2pl", "grm")[i % 2],
            "a": float(RNG.lognormal(0.2, 0.3)),
            "b": np.sort(RNG.normal(size=2)).tolist() if i % 2 else float(RNG.normal()),
        }
        for i in range(60)
    ]
)


def prepare(stop: dict[str, Any], columns: dict[str, Any] | None = None, **sections: Any) -> AdaptiveTest:
    content = {"schema": "acquis/design/1", "stop": {"min": 2, "max": 40, **stop}, **sections}
    return AdaptiveTest.prepare(POOL, Design.from_mapping(content), columns)


def sit(test: AdaptiveTest, able: bool | None = None) -> tuple[State, str, list[State]]:
    state, states = start(test, b""), []
    while isinstance(step := next_item(test, state), Serve):
        top = int(POOL.n_cat[step.item]) - 1
        right = len(state.items) % 2 == 0 if able is None else able
        state = answered(test, served(test, state, step.item), step.item, top if right else 0)
        states.append(state)
    return state, step.reason, states


def test_a_standard_error_small_enough_ends_it_at_once() -> None:
    state, reason, states = sit(prepare({"se": 0.4}))
    assert reason == "se"
    assert state.se <= 0.4 < states[-2].se


def test_an_estimate_that_moves_no_more_ends_it() -> None:
    _, reason, states = sit(prepare({"change": 0.05}), able=True)
    assert reason == "change"
    assert abs(states[-1].theta - states[-2].theta) <= 0.05


def test_nothing_left_to_learn_ends_it() -> None:
    test = prepare({"information": 0.5})
    state, reason, _ = sit(test)
    assert reason == "information"
    info = np.empty((1, len(POOL)), dtype=np.int64)
    test.machine.material.information(np.array([state.theta]), info)
    assert (info[0, state.seat.usable[0] == 1] * 1e-6).max() < 0.52  # tabled at the nearest node


def test_expected_time_ends_it() -> None:
    state, reason, _ = sit(prepare({"time": 300.0}, {"time": ["45"] * 60}))
    assert reason == "time"
    assert len(state.items) == 7


def test_rules_may_have_to_agree() -> None:
    either, _, _ = sit(prepare({"se": 0.5, "change": 0.02}))
    both, reason, _ = sit(prepare({"se": 0.5, "change": 0.02, "combine": "all"}))
    assert reason == "combined"
    assert len(both.items) > len(either.items)


@pytest.mark.parametrize("method", [name for name in CLASSIFIERS if name != "none"])
def test_every_classifier_tells_able_from_unable_people_and_says_so(method: str) -> None:
    test = prepare({"classify": method}, cuts={"values": [-0.5, 0.5], "confidence": 0.9})
    for able, level in ((True, 2), (False, 0)):
        state, reason, states = sit(test, able)
        assert reason == "classified"
        result = conclude(test, state)
        assert result.level == result.decision == level
        assert result.risk == pytest.approx(1.0 - result.levels[level])
        assert len(states) < 40
    undecided = conclude(test, sit(test)[0])
    assert sit(test)[1] in ("length", "classified")
    assert sum(undecided.levels) == pytest.approx(1.0)


def test_the_sequential_ratio_is_the_one_of_the_two_sides_of_the_cut() -> None:
    """Stops at the first answer where Wald's bounds are passed, computed by hand."""
    test = prepare({"classify": "sprt"}, cuts={"values": [0.0], "delta": 0.3, "alpha": 0.05, "beta": 0.1})
    _, reason, states = sit(test, able=True)
    assert reason == "classified"
    accept = np.log((1 - 0.1) / 0.05)
    ratios = []
    for state in states:
        total = 0.0
        for item in state.items:
            row = POOL.rows()[item]
            top = row["b"][-1] if isinstance(row["b"], list) else row["b"]
            p = [1 / (1 + np.exp(-row["a"] * (x - top))) for x in (-0.3, 0.3)]
            total += np.log(p[1] / p[0])
        ratios.append(total)
    assert ratios[-1] >= accept > ratios[-2]


def test_a_posterior_decision_is_the_one_of_record() -> None:
    """A sitting that ends because a level is sure enough has that decision in its result."""
    test = prepare({"classify": "posterior"}, cuts={"values": [0.3], "confidence": 0.95})
    for able in (True, False):
        result = conclude(test, sit(test, able)[0])
        assert result.reason == "classified"
        assert result.levels[result.level] >= 0.95


def test_reasons_are_told_apart() -> None:
    assert len(set(REASONS.values())) == len(REASONS)
    assert sit(prepare({"max": 4}))[1] == "length"
    assert isinstance(next_item(prepare({"max": 4}), sit(prepare({"max": 4}))[0]), Stop)
