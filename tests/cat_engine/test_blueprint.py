"""A test that begins can be completed, whatever is answered: by look-ahead, and by shadow tests."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cat_engine.design import Design
from cat_engine.errors import InputError
from cat_engine.pool import ItemPool
from cat_engine.selection.shadow import GAP
from cat_engine.session import AdaptiveTest, First, Serve, State, Stop, answered, next_item, served, start
from cat_engine.simulation import simulate

N = 60
DOMAIN = [f"D{i % 3}" for i in range(N)]
SKILL = [f"S{i % 3}{i // 3 % 2}" for i in range(N)]
FORMAT = [f"F{i % 4}" for i in range(N)]


def pool(n: int = N) -> ItemPool:
    rng = np.random.default_rng(4)
    return ItemPool.from_rows(
        {"id": f"i{i}", "model": "2pl", "a": float(rng.lognormal(0, 0.3)), "b": float(rng.normal())}
        for i in range(n)
    )


POOL = pool()


def prepare(
    constraint: list[dict[str, Any]], columns: dict[str, Any] | None = None, **more: Any
) -> AdaptiveTest:
    content = {"schema": "acquis/design/1", "stop": {"min": 5, "max": 12}, "constraint": constraint, **more}
    attributes = {"domain": DOMAIN, "skill": SKILL, "format": FORMAT, **(columns or {})}
    return AdaptiveTest.prepare(POOL, Design.from_mapping(content), attributes)


def sit(test: AdaptiveTest, answers: Any, first: First | None = None) -> tuple[State, str]:
    state = start(test, b"", first)
    for k in range(40):
        step = next_item(test, state)
        if isinstance(step, Stop):
            return state, step.reason
        state = answered(test, served(test, state, step.item), step.item, int(answers[k % len(answers)]))
    raise AssertionError("the sitting does not end")


def bound(attribute: str, value: str | None, low: float = 0, high: float | None = None) -> dict[str, Any]:
    return {
        "attribute": attribute,
        **({} if value is None else {"value": value}),
        "min": low,
        **({} if high is None else {"max": high}),
    }


NESTED = [
    *(bound("domain", d, 3, 5) for d in ("D0", "D1", "D2")),
    bound("skill", "S00", 2, 3),
    bound("skill", "S11", 0, 1),
]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 1), min_size=12, max_size=12), st.sets(st.integers(0, N - 1), max_size=20))
def test_nested_bounds_hold_in_every_sitting(answers: list[int], seen: set[int]) -> None:
    test = prepare(NESTED)
    assert test.machine.blueprint.exact
    state, reason = sit(test, answers, First(seen=frozenset(seen)))
    assert reason == "length"
    items = list(state.items)
    assert len(items) == len(set(items)) == 12
    assert not seen & set(items)
    for d in ("D0", "D1", "D2"):
        assert 3 <= [DOMAIN[i] for i in items].count(d) <= 5
    assert 2 <= [SKILL[i] for i in items].count("S00") <= 3
    assert [SKILL[i] for i in items].count("S11") <= 1


SHARES = {"D0": 0.5, "D1": 0.3, "D2": 0.2}


@pytest.mark.parametrize("stimulus", [False, True])
def test_shares_are_kept_from_first_to_last(stimulus: bool) -> None:
    """No value strays by more than an item from its share, unless a stimulus holds the person."""
    shares = [bound("domain", d) | {"share": share} for d, share in SHARES.items()]
    columns = {"stimulus": [f"text {i % 12}" if i < 24 else "" for i in range(N)]} if stimulus else {}
    test = prepare(shares, columns, stop={"min": 12, "max": 12})
    assert test.machine.blueprint.exact
    state, _ = sit(test, [1, 0, 1])
    for k in range(1, 13):
        for d, share in SHARES.items():
            strays = [DOMAIN[i] for i in state.items[:k]].count(d) - k * share
            assert abs(strays) <= (2 if stimulus else 1)


def test_shares_give_way_to_bounds_and_do_without_an_exhausted_value() -> None:
    bounded = [bound("domain", d, high=4) | {"share": share} for d, share in SHARES.items()]
    state, reason = sit(prepare(bounded, stop={"min": 12, "max": 12}), [1, 0])
    assert reason == "length"
    assert [[DOMAIN[i] for i in state.items].count(d) for d in SHARES] == [4, 4, 4]
    with pytest.raises(InputError, match="nested requirements beside a constraint's share, got"):
        prepare([*bounded, bound("words", None, 0, 700)], {"words": [20] * N})


def test_enemies_never_meet_whether_they_share_a_label_or_name_each_other() -> None:
    plain, _ = sit(prepare([]), [1, 0])
    a, b = plain.items[0], plain.items[1]
    label = ["x" if i in (a, b) else "" for i in range(N)]
    named = [POOL.ids[b] if i == a else "" for i in range(N)]
    for column in (label, named):
        items = set(sit(prepare([], {"enemies": column}), [1, 0])[0].items)
        assert not {a, b} <= items
        assert len(items) == 12


def test_items_of_a_stimulus_are_served_one_after_the_other() -> None:
    stimulus = [f"text {i % 12}" for i in range(N)]
    state, _ = sit(prepare([], {"stimulus": stimulus}), [1, 0, 0])
    runs = [stimulus[i] for i in state.items]
    changes = 1 + sum(1 for x, y in pairwise(runs) if x != y)
    assert changes == len(set(runs))


def test_a_stimulus_that_is_used_has_its_least_and_greatest_number_of_items() -> None:
    stimulus = [f"text {i % 12}" for i in range(N)]
    blueprint = {"stimulus_min": 3, "stimulus_max": 4}
    test = prepare([], {"stimulus": stimulus}, blueprint=blueprint, stop={"min": 12, "max": 12})
    assert test.machine.shadow is not None
    state, _ = sit(test, [1, 0, 0])
    runs = [stimulus[i] for i in state.items]
    assert all(3 <= runs.count(text) <= 4 for text in runs)
    assert 1 + sum(1 for x, y in pairwise(runs) if x != y) == len(set(runs))


CROSSED = [
    *(bound("domain", d, 3, 5) for d in ("D0", "D1", "D2")),
    *(bound("format", f, 2, 4) for f in ("F0", "F1", "F2", "F3")),
    bound("words", None, 400, 700),
]


@pytest.mark.parametrize("answers", [[1], [0], [1, 0, 0, 1]])
def test_overlapping_bounds_and_sums_hold_by_shadow_tests(answers: list[int]) -> None:
    words = [20 + 7 * i % 80 for i in range(N)]
    test = prepare(CROSSED, {"words": words, "enemies": [str(i // 4) for i in range(N)]})
    assert test.machine.shadow is not None
    state = start(test, b"")
    for k in range(12):
        step = next_item(test, state)
        assert isinstance(step, Serve)
        assert step.assembled is not None
        assert step.item in step.assembled
        assert test.machine.shadow.holds(np.array(step.assembled))
        state = answered(test, served(test, state, step.item), step.item, answers[k % len(answers)])
    assert next_item(test, state) == Stop("length")
    assert test.machine.shadow.holds(np.array(state.items))
    assert 400 <= sum(words[i] for i in state.items) <= 700


def test_a_sitting_by_shadow_tests_is_the_same_live_simulated_and_alone() -> None:
    """Each shadow test starts from the one before: from the same person's, whoever sits beside."""
    answers = np.random.default_rng(3).integers(0, 2, (4, N)).astype(np.int8)
    test = prepare(CROSSED, {"words": [20 + 7 * i % 80 for i in range(N)]})
    done = simulate(test, np.zeros(4), 1, responses=answers)
    assert 0.0 < done.lack.max() <= GAP
    for p in range(4):
        alone = simulate(test, np.zeros(1), 1, number=p, responses=answers[p : p + 1])
        state, lacks = start(test, b""), [0.0]
        while isinstance(step := next_item(test, state), Serve):
            state = served(test, state, step.item, step.assembled)
            state = answered(test, state, step.item, int(answers[p, step.item]))
            lacks.append(step.lack)
        assert list(state.items) == alone.items[0].tolist() == done.items[p].tolist()
        assert max(lacks) == alone.lack[0] == done.lack[p]


def test_at_the_limit_of_nodes_a_sitting_says_what_it_may_lack() -> None:
    words = {"words": [20 + 37 * i % 83 for i in range(N)]}
    narrow = [*CROSSED[:-1], bound("words", None, 600, 620)]
    lacks = {}
    for nodes in (1, 200):
        test = prepare(narrow, words, blueprint={"nodes": nodes})
        lacks[nodes] = simulate(test, np.linspace(-1.0, 1.0, 5), 1).lack.max()
    assert lacks[200] <= GAP < lacks[1] < 1.0


def test_a_shadow_test_costs_no_more_information_than_a_worse_rule_would() -> None:
    """With bounds that do not bind, shadow tests serve what plain maximum information serves."""
    free, _ = sit(prepare([]), [1, 0, 1])
    loose = [bound("domain", d, 0, 12) for d in ("D0", "D1", "D2")]
    shadow, _ = sit(prepare(loose, blueprint={"method": "shadow"}), [1, 0, 1])
    assert shadow.items == free.items


def test_a_precise_sitting_finishes_its_minima_and_no_more() -> None:
    minima = [bound("domain", "D0", 6), bound("format", "F1", 5)]
    stop = {"min": 3, "max": 20, "se": 0.95}
    state, reason = sit(prepare(minima, stop=stop), [1, 0])
    assert reason == "se"
    assert [DOMAIN[i] for i in state.items].count("D0") >= 6
    assert [FORMAT[i] for i in state.items].count("F1") >= 5
    assert len(state.items) <= 12  # some items serve both minima


def test_demands_that_no_test_meets_are_named_before_any_sitting() -> None:
    with pytest.raises(
        InputError, match=r"2 that cannot be met together: a length of 5 to 12 items; domain = D1"
    ):
        prepare([bound("domain", "D1", 13), bound("domain", "D0", 2)])
    with pytest.raises(InputError, match="3 that cannot be met together"):
        prepare([bound("domain", "D1", 7), bound("domain", "D0", 6), bound("format", "F0", 1)])
    with pytest.raises(InputError, match="1 that cannot be met together: skill = S00"):
        prepare([bound("skill", "S00", 11)], stop={"max": 40})


def test_unknown_attributes_and_values_are_refused_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match="did you mean 'domain'"):
        prepare([bound("domian", "D1", 1)])
    with pytest.raises(InputError, match="did you mean 'D1'"):
        prepare([bound("domain", "D11", 1)])
    with pytest.raises(InputError, match="a number"):
        prepare([bound("format", None, 0, 10)])
    with pytest.raises(InputError, match="overlap"):
        prepare(CROSSED[:-1], blueprint={"method": "greedy"})


READER = ["reader, no-colour" if i < 20 else "no-colour" if i < 40 else "" for i in range(N)]
BALANCED = [bound("domain", d, 2) for d in ("D0", "D1", "D2")]


def test_a_need_restricts_the_items_and_may_lengthen_the_test() -> None:
    accommodation = {"needs": ["reader", "no-colour"], "max": 15}
    test = prepare(
        BALANCED, {"accommodation": READER}, accommodation=accommodation, stop={"min": 12, "max": 12}
    )
    assert len(sit(test, [1, 0])[0].items) == 12
    for need, suited in (("reader", 20), ("no-colour", 40)):
        items = sit(test.accommodated(need), [1, 0])[0].items
        assert len(items) == 15
        assert max(items) < suited
        assert all([DOMAIN[i] for i in items].count(d) >= 2 for d in ("D0", "D1", "D2"))
    with pytest.raises(
        InputError, match=r"one of accommodation.needs \(reader, no-colour\), got 'large-print'"
    ):
        test.accommodated("large-print")


@pytest.mark.parametrize("method", ["auto", "shadow"])
def test_a_need_that_no_test_can_meet_is_said_before_any_sitting(method: str) -> None:
    columns = {"accommodation": ["reader" if DOMAIN[i] != "D1" else "" for i in range(N)]}
    with pytest.raises(
        InputError, match=r"from the 40 items that suit 'reader', got 1 that .*: domain = D1; relax one"
    ):
        prepare(BALANCED, columns, accommodation={"needs": ["reader"]}, blueprint={"method": method})
    with pytest.raises(InputError, match="did you mean 'reader'"):
        prepare([], columns, accommodation={"needs": ["readr"]})
    with pytest.raises(InputError, match="unknown attribute 'accommodation'"):
        prepare([], accommodation={"needs": ["reader"]})


def test_each_sub_bank_suits_a_need_as_far_as_the_items_go() -> None:
    accommodation = {"needs": ["reader"]}
    rotating = {"accommodation": accommodation, "stop": {"min": 9, "max": 9}}
    test = prepare(BALANCED, {"accommodation": READER}, **rotating, exposure={"rotation": 2})
    reader = test.accommodated("reader")
    first, second = {tuple(np.flatnonzero(start(reader, bytes([k])).usable)) for k in range(20)}
    assert sorted(first + second) == list(range(20))
    assert min(len(first), len(second)) >= 9
    with pytest.raises(InputError, match="3 sub-banks that each make a whole test"):
        prepare(BALANCED, {"accommodation": READER}, **rotating, exposure={"rotation": 3})


def test_a_sitting_does_not_end_because_a_solver_ran_out_of_nodes() -> None:
    words = [20 + 7 * i % 80 for i in range(N)]
    enemies = [str(i // 4) for i in range(N)]
    test = prepare(CROSSED, {"words": words, "enemies": enemies}, blueprint={"nodes": 1})
    state, reason = sit(test, [1, 0, 1])
    assert (len(state.items), reason) == (12, "length")
    assert test.machine.shadow is not None and test.machine.shadow.holds(np.array(state.items))


@pytest.mark.parametrize(
    "select", [{"criterion": "mepv"}, {"criterion": "urry"}, {"criterion": "fixed"}, {"comfort": 0.9}]
)
def test_a_shadow_test_is_as_long_as_allowed_whatever_the_criterions_sign(select: dict[str, Any]) -> None:
    words = [20 + 7 * i % 80 for i in range(N)]
    test = prepare(CROSSED, {"words": words}, select=select)
    state, reason = sit(test, [1, 0])
    assert (len(state.items), reason) == (12, "length")
    assert min(state.items) >= 0 and test.machine.shadow is not None
    assert test.machine.shadow.holds(np.array(state.items))
