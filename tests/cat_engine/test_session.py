"""A sitting is a pure fold of its items and answers."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from cat_engine.answers import Answers
from cat_engine.design import Design
from cat_engine.errors import InputError
from cat_engine.pool import ItemPool
from cat_engine.scoring import score
from cat_engine.session import (
    NOT_REACHED,
    OMITTED,
    AdaptiveTest,
    Course,
    First,
    Serve,
    State,
    Stop,
    answered,
    conclude,
    next_item,
    served,
    set_aside,
    start,
)

DOMAINS = ("D1", "D2", "D3")


def pool(n: int = 60) -> ItemPool:
    rng = np.random.default_rng(5)
    return ItemPool.from_rows(
        [
            {"id": f"i{i}", "model": "2pl", "a": float(rng.lognormal(0, 0.3)), "b": float(rng.normal())}
            for i in range(n)
        ]
    )


def prepare(n: int = 60, **sections: object) -> AdaptiveTest:
    design = Design.from_mapping({"schema": "acquis/design/1", "stop": {"min": 5, "max": 12}, **sections})
    return AdaptiveTest.prepare(pool(n), design, {"domain": [DOMAINS[i % 3] for i in range(n)]})


def sit(test: AdaptiveTest, answers: list[int], state: State | None = None) -> tuple[State, Stop | Serve]:
    state = state or start(test, b"seed")
    for category in answers:
        step = next_item(test, state)
        if isinstance(step, Stop):
            return state, step
        state = answered(test, served(test, state, step.item), step.item, category)
    return state, next_item(test, state)


def same(a: State, b: State) -> bool:
    arrays = ("seat", "usable")
    plain = all(getattr(a, f.name) == getattr(b, f.name) for f in fields(State) if f.name not in arrays)
    return (
        plain
        and a.usable.tobytes() == b.usable.tobytes()
        and all(x.tobytes() == y.tobytes() for x, y in zip(a.seat, b.seat, strict=True))
    )


def test_the_estimate_is_the_posterior_mean_over_the_grid() -> None:
    test = prepare()
    state, _ = sit(test, [1, 0, 1, 1])
    posterior = np.log(test.grid.weights) + sum(
        test.tables.logp[i, c] for i, c in zip(state.items, state.categories, strict=True)
    )
    weight = np.exp(posterior - posterior.max())
    mean = (weight @ test.grid.nodes) / weight.sum()
    assert state.theta == pytest.approx(mean, abs=1e-12)
    assert state.se == pytest.approx(
        np.sqrt((weight @ (test.grid.nodes - mean) ** 2) / weight.sum()), abs=1e-9
    )


def test_the_first_item_is_the_most_informative_at_the_start_and_right_answers_raise_theta() -> None:
    test = prepare(select={"evaluate": "exact"})
    b = np.array([row["b"] for row in test.pool.rows()])
    a = np.array([row["a"] for row in test.pool.rows()])
    p = 1 / (1 + np.exp(a * b))
    step = next_item(test, start(test, b""))
    assert isinstance(step, Serve)
    assert step.item == np.argmax(a * a * p * (1 - p))
    assert step.criterion == round(1e6 * float(np.max(a * a * p * (1 - p))))
    assert sit(test, [1])[0].theta > 0 > sit(test, [0])[0].theta


def test_a_pending_item_is_returned_again() -> None:
    test = prepare()
    state = start(test, b"")
    step = next_item(test, state)
    assert isinstance(step, Serve)
    state = served(test, state, step.item)
    again = next_item(test, state)
    assert isinstance(again, Serve)
    assert again.item == step.item == state.pending


def test_a_sitting_ends_at_its_greatest_length_with_the_blueprint_met() -> None:
    test = prepare(constraint=[{"attribute": "domain", "value": d, "min": 4, "max": 4} for d in DOMAINS])
    state, step = sit(test, [1] * 40)
    assert step == Stop("length")
    assert len(state.items) == len(set(state.items)) == 12
    chosen = [test.attributes["domain"][i] for i in state.items]
    assert [chosen.count(d) for d in DOMAINS] == [4, 4, 4]


def test_precision_ends_a_sitting_only_once_its_minimum_is_met() -> None:
    constraint = [{"attribute": "domain", "value": "D3", "min": 7}]
    state, step = sit(prepare(stop={"min": 5, "max": 12, "se": 0.9}), [0, 1] * 20)
    assert step == Stop("se")
    assert state.asked == 5
    state, step = sit(prepare(stop={"min": 5, "max": 12, "se": 0.9}, constraint=constraint), [0, 1] * 20)
    assert step == Stop("se")
    assert [i % 3 for i in state.items].count(2) == 7


def test_a_bank_too_small_for_the_greatest_length_is_used_up() -> None:
    state, step = sit(prepare(8), [1] * 20)
    assert state.asked == 8
    assert isinstance(step, Stop)


def test_an_absent_answer_counts_as_the_design_says() -> None:
    ignored, lowest = prepare(), prepare(answers={"omitted": "lowest"})
    assert sit(ignored, [OMITTED])[0].theta == 0.0
    assert sit(lowest, [OMITTED])[0].theta == sit(lowest, [0])[0].theta < 0.0
    assert sit(lowest, [OMITTED])[0].categories == (OMITTED,)
    assert sit(ignored, [OMITTED])[0].asked == 1


def test_an_item_not_reached_leaves_its_place_in_the_blueprint_open() -> None:
    state, _ = sit(prepare(), [1, NOT_REACHED])
    assert len(state.items) == 2
    assert state.asked == 1


def test_an_item_set_aside_counts_no_more_whenever_it_was_served() -> None:
    test = prepare()
    state, _ = sit(test, [1, 0, 1])
    without = set_aside(test, state, state.items[1])
    by_hand = start(test, b"seed")
    for item, category in ((state.items[0], 1), (state.items[2], 1)):
        by_hand = answered(test, served(test, by_hand, item), item, category)
    assert without.theta == by_hand.theta
    assert without.asked == 2
    assert np.array_equal(without.seat.counted, by_hand.seat.counted)
    assert not without.seat.usable[0, state.items[1]]
    pending = served(test, state, int(next_item(test, state).item))  # type: ignore[union-attr]
    assert set_aside(test, pending, pending.items[-1]).pending is None


def test_folding_the_log_again_gives_the_same_bits() -> None:
    test = prepare()
    first, _ = sit(test, [1, 0, 0, 1, 1])
    other = prepare()
    again = start(other, b"seed")
    for item, category in zip(first.items, first.categories, strict=True):
        again = answered(other, served(other, again, item), item, category)
    assert same(first, again)
    begun = start(test, b"seed")
    for i in (2, None):  # in one course, an item set aside on the way, as one move at a time
        course, by_move = Course(test, begun), begun
        for item, category in zip(first.items, first.categories, strict=True):
            code = NOT_REACHED if item == first.items[3] else category
            course.serve(item)
            course.answer(item, code)
            by_move = answered(test, served(test, by_move, item), item, code)
            if i is not None and item == first.items[i]:
                course.set_aside(item)
                by_move = set_aside(test, by_move, item)
        assert same(course.state, by_move)
    assert same(begun, start(test, b"seed"))
    assert conclude(test, first).record == conclude(other, again).record


@pytest.mark.parametrize("method", ["map", "ml", "wle"])
def test_the_score_of_record_is_the_root_of_the_exact_derivative_in_any_order(method: str) -> None:
    test = prepare(score={"method": method})
    state, _ = sit(test, [1, 0, 0, 1, 1, 0, 1])
    result = conclude(test, state)
    answers = Answers.from_sparse(np.array([0, 7]), np.array(state.items), np.array(state.categories))
    exact = score(test.pool, answers, method)
    assert result.theta == pytest.approx(float(exact.theta[0]), abs=1e-9)
    assert result.se == pytest.approx(float(exact.se[0]), abs=1e-6)
    assert abs(result.theta - state.theta) < 1e-3  # what chose the items is read from the grid
    turned = start(test, b"seed")
    for item, category in reversed(list(zip(state.items, state.categories, strict=True))):
        turned = answered(test, served(test, turned, item), item, category)
    assert conclude(test, turned).record == result.record
    nothing = conclude(test, start(test, b""))
    assert (nothing.theta, nothing.se) == (0.0, 1.0)
    right = start(test, b"")
    for item in range(4):
        right = answered(test, served(test, right, item), item, 1)
    if method == "ml":
        assert conclude(test, right).theta == test.grid.nodes[-1]


def test_earlier_knowledge_chooses_the_first_item_and_never_enters_the_score() -> None:
    test = prepare()
    low, high = (next_item(test, start(test, b"", First(theta=t))) for t in (-2.5, 2.5))
    assert low != high
    state = start(test, b"", First(theta=2.5))
    plain = start(test, b"")
    for _ in range(2):
        item = next_item(test, state).item  # type: ignore[union-attr]
        state = answered(test, served(test, state, item), item, 1)
        plain = answered(test, served(test, plain, item), item, 1)
    assert conclude(test, state).record == conclude(test, plain).record


def test_items_seen_before_are_not_served_and_too_many_of_them_is_said() -> None:
    test = prepare()
    seen = frozenset(range(30))
    state, _ = sit(test, [1] * 12, start(test, b"", First(seen=seen)))
    assert not seen & set(state.items)
    with pytest.raises(InputError, match="possible"):
        start(test, b"", First(seen=frozenset(range(57))))


def test_moves_that_contradict_the_state_are_refused() -> None:
    test = prepare()
    state = served(test, start(test, b""), 3)
    with pytest.raises(InputError, match="answer it or set it aside"):
        served(test, state, 4)
    with pytest.raises(InputError, match="pending"):
        answered(test, state, 4, 1)
    with pytest.raises(InputError, match="category"):
        answered(test, state, 3, 2)
    with pytest.raises(InputError, match="not served yet"):
        served(test, answered(test, state, 3, 1), 3)
    with pytest.raises(InputError, match="was served"):
        set_aside(test, state, 9)


def test_level_probabilities_split_the_cell_that_holds_a_cut() -> None:
    test = prepare(cuts={"values": [0.0], "confidence": 0.9})
    result = conclude(test, start(test, b""))
    assert result.levels == pytest.approx((0.5, 0.5))
    assert result.decision is None
    up, _ = sit(test, [1] * 12)
    result = conclude(test, up)
    assert result.decision == result.level == 1
    assert result.risk == pytest.approx(1 - result.levels[1])
    shifted = conclude(prepare(cuts={"values": [0.05]}), start(test, b""))
    assert 0.5 < shifted.levels[0] < 0.53


def test_domains_are_told_only_where_reliable() -> None:
    told = prepare(report={"reliability": 0.2})
    state, _ = sit(told, [1, 0] * 6)
    assert {d.value for d in conclude(told, state).domains} <= set(DOMAINS)
    assert conclude(told, state).domains
    assert conclude(prepare(report={"reliability": 0.99}), state).domains == ()
