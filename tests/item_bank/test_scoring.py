"""A response becomes a category, by QTI's own rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cat_engine.errors import InputError
from item_bank.content import Area, Mapped, Node, Outcome, Response, Rules
from item_bank.mapping import inside, is_correct, mapped, normal
from item_bank.processing import evaluate, flaw
from item_bank.scoring import category, is_omitted, score
from tests.item_bank import samples

ITEMS = {item.id: item for item in samples.every()}


def earned(name: str, **response: list[str]) -> int:
    return category(ITEMS[name], response, "fr")


@pytest.mark.parametrize("name", ITEMS)
def test_the_key_earns_the_highest_category(name: str) -> None:
    item = ITEMS[name]
    key = {variable: list(r.correct) for variable, r in item.versions["fr"].responses.items()}
    assert category(item, key, "fr") == item.n_cat - 1


@pytest.mark.parametrize("name", ITEMS)
def test_no_answer_earns_the_lowest_category_and_is_omitted(name: str) -> None:
    assert earned(name) == 0
    assert is_omitted({})
    assert is_omitted({"RESPONSE": ["", " "]})
    assert not is_omitted({"RESPONSE": ["A"]})


def test_multiple_choice_gives_credit_in_parts_never_under_nothing() -> None:
    assert earned("multiple", RESPONSE=["A", "C"]) == 4
    assert earned("multiple", RESPONSE=["A"]) == 2
    assert earned("multiple", RESPONSE=["A", "D"]) == 1
    assert earned("multiple", RESPONSE=["A", "B"]) == 0
    assert earned("multiple", RESPONSE=["B", "D"]) == 0


def test_a_value_given_twice_counts_once() -> None:
    assert earned("multiple", RESPONSE=["A", "A"]) == 2
    assert earned("all-right", RESPONSE=["A", "C", "C"]) == 0


def test_order_matters_where_the_response_is_ordered_alone() -> None:
    assert earned("order", RESPONSE=["C", "A", "B"]) == 1
    assert earned("order", RESPONSE=["A", "C", "B"]) == 0
    assert earned("all-right", RESPONSE=["C", "A"]) == 1


def test_every_response_must_be_right_under_match_correct() -> None:
    assert earned("inline", g1=["A"], g2=["B"]) == 1
    assert earned("inline", g1=["A"], g2=["A"]) == 0
    assert earned("inline", g1=["A"]) == 0


def test_a_response_without_a_mapping_counts_one_when_it_is_right() -> None:
    content = ITEMS["inline-partial"].versions["fr"]
    assert score(content, {"g1": ["A"], "g2": ["B"]}) == 3.0
    assert score(content, {"g1": ["B"], "g2": ["B"]}) == 1.5
    assert score(content, {"g2": ["B"]}) == 1.0


@pytest.mark.parametrize("written", ["72", " 72 ", "72.0", "72,0", "7 2"])
def test_a_number_is_read_as_people_write_it(written: str) -> None:
    assert earned("number", RESPONSE=[written]) == 1


@pytest.mark.parametrize("written", ["73", "seventy-two", "72 h", "", "nan", "inf"])
def test_what_is_no_such_number_is_wrong(written: str) -> None:
    assert earned("number", RESPONSE=[written]) == 0


def test_upper_and_lower_case_matter_unless_the_entry_says_not() -> None:
    assert earned("word", RESPONSE=["Paris"]) == 2
    assert earned("word", RESPONSE=["  Paris "]) == 2
    assert earned("word", RESPONSE=["paris"]) == 0
    assert earned("word", RESPONSE=["PaNaMe"]) == 1


def test_an_area_counts_once_and_points_outside_count_for_nothing() -> None:
    content = ITEMS["point"].versions["fr"]
    assert score(content, {"RESPONSE": ["20 20", "80 80"]}) == 1.0
    assert score(content, {"RESPONSE": ["20 20", "150 60"]}) == 1.5
    assert score(content, {"RESPONSE": ["1 1"]}) == 0.0


def test_an_area_s_default_is_given_for_every_point_outside() -> None:
    area = Area("", "rect", (0.0, 0.0, 10.0, 10.0))
    response = Response("multiple", "point", (), Mapped({}, -1.0, areas=((area, 2.0),)))
    assert mapped(response, ("5 5", "50 50", "60 60")) == 0.0


def test_rules_are_followed() -> None:
    assert earned("rules", RESPONSE=["37.45"]) == 2
    assert earned("rules", RESPONSE=["36.8"]) == 1
    assert earned("rules", RESPONSE=["40"]) == 0
    assert earned("rules", RESPONSE=["warm"]) == 0


def test_unknown_variables_and_too_many_values_are_refused_in_one_sentence() -> None:
    with pytest.raises(InputError, match="got 'OTHER' as well"):
        earned("single", OTHER=["A"])
    with pytest.raises(InputError, match="expected one value, got 2"):
        earned("single", RESPONSE=["A", "B"])
    with pytest.raises(InputError, match="expected a point as two numbers"):
        earned("point", RESPONSE=["here"])
    with pytest.raises(InputError, match="expected a point"):
        earned("point", RESPONSE=["nan 1"])
    with pytest.raises(InputError, match="10,000 characters"):
        earned("word", RESPONSE=["x" * 10_001])


@pytest.mark.parametrize(
    ("shape", "coords", "within", "without"),
    [
        ("rect", (0, 0, 10, 20), (10, 20), (10.1, 5)),
        ("circle", (50, 50, 10), (50, 60), (58, 58)),
        ("ellipse", (50, 50, 20, 10), (70, 50), (66, 58)),
        ("poly", (0, 0, 10, 0, 0, 10), (2, 2), (8, 8)),
        ("default", (), (1e6, -3), None),
    ],
)
def test_shapes(shape: str, coords: tuple[float, ...], within: tuple[float, ...], without: object) -> None:
    area = Area("", shape, tuple(float(c) for c in coords))
    assert inside(area, within)
    if without is not None:
        assert not inside(area, without)  # type: ignore[arg-type]


@given(st.lists(st.sampled_from("ABCD"), unique=True), st.randoms())
def test_the_order_of_a_multiple_response_does_not_matter(values: list[str], chance: object) -> None:
    content = ITEMS["multiple"].versions["fr"]
    shuffled = sorted(values, key=lambda _: chance.random())  # type: ignore[attr-defined]
    assert score(content, {"RESPONSE": values}) == score(content, {"RESPONSE": shuffled})


@given(st.text(max_size=40))
def test_a_typed_answer_never_breaks_scoring(text: str) -> None:
    for name in ("number", "word", "rules"):
        assert 0 <= earned(name, RESPONSE=[text]) < ITEMS[name].n_cat


def test_pairs_of_a_pair_have_no_direction() -> None:
    assert normal("pair", "b  a") == normal("pair", "a b")
    assert normal("directedPair", "b a") != normal("directedPair", "a b")
    assert is_correct(Response("single", "pair", ("a b",)), ("b a",))


# Rules.


def rules(*nodes: Node, **outcomes: str) -> Rules:
    declared = (Outcome("SCORE", default=("0",)), *(Outcome(k, default=(v,)) for k, v in outcomes.items()))
    return Rules(declared, nodes)


def value(kind: str, text: str) -> Node:
    return Node("base-value", (("base-type", kind),), (), text)


def number(text: str) -> Node:
    return value("float", text)


def put(expression: Node, name: str = "SCORE") -> Node:
    return Node("set-outcome-value", (("identifier", name),), (expression,))


def call(operator: str, *operands: Node, **attributes: str) -> Node:
    return Node(operator, tuple((k.replace("_", "-"), v) for k, v in attributes.items()), operands)


def var(name: str = "RESPONSE") -> Node:
    return call("variable", identifier=name)


def yes(test: Node) -> Node:
    return call("response-condition", call("response-if", test, put(number("1"))))


CHOICE = {"RESPONSE": Response("multiple", "identifier", ("A", "C"), Mapped({"A": 1.0, "C": 2.0}))}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (call("sum", number("1"), number("2.5")), 3.5),
        (call("product", number("3"), number("2.5")), 7.5),
        (call("subtract", number("3"), number("5")), -2.0),
        (call("divide", number("3"), number("2")), 1.5),
        (call("divide", number("3"), number("0")), 0.0),
        (call("min", number("3"), number("2")), 2.0),
        (call("max", number("3"), number("2")), 3.0),
        (call("round", number("2.5")), 3.0),
        (call("round", number("-2.5")), -2.0),
        (call("truncate", number("-2.7")), -2.0),
        (call("container-size", var()), 2.0),
        (call("container-size", call("delete", value("identifier", "B"), var())), 1.0),
        (call("container-size", call("repeat", var(), value("identifier", "A"), number_repeats="3")), 9.0),
        (call("integer-divide", number("-7"), number("2")), -4.0),
        (call("integer-modulus", number("-7"), number("2")), 1.0),
        (call("integer-divide", number("7"), number("0")), 0.0),
        (call("power", number("2"), number("0.5")), 2.0**0.5),
        (call("power", number("9e99"), number("9")), 0.0),
        (call("gcd", number("12"), number("18")), 6.0),
        (call("gcd", number("1.5"), number("18")), 0.0),
        (call("lcm", number("4"), number("6")), 12.0),
        (call("integer-to-float", number("4")), 4.0),
        (call("round-to", number("1.26"), rounding_mode="decimalPlaces", figures="1"), 1.3),
        (call("stats-operator", call("multiple", number("2"), number("4")), name="sampleVariance"), 2.0),
        (call("stats-operator", number("2"), name="sampleSD"), 0.0),
        (call("map-response", identifier="RESPONSE"), 2.0),
        (call("null"), 0.0),
        (call("sum", call("null"), number("1")), 0.0),
    ],
)
def test_numbers(expression: Node, expected: float) -> None:
    assert flaw(rules(put(expression)), CHOICE) is None
    assert evaluate(rules(put(expression)), CHOICE, {"RESPONSE": ("C", "B")}) == expected


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        (call("match", var(), call("correct", identifier="RESPONSE")), False),
        (call("contains", var(), call("multiple", value("identifier", "B"))), True),
        (call("contains", var(), call("multiple", value("identifier", "D"))), False),
        (call("member", value("identifier", "C"), var()), True),
        (call("not", call("member", value("identifier", "A"), var())), True),
        (call("is-null", var()), False),
        (call("is-null", call("null")), True),
        (call("and", call("is-null", call("null")), call("is-null", var())), False),
        (call("or", call("is-null", call("null")), call("is-null", var())), True),
        (call("any-n", call("is-null", call("null")), call("is-null", var()), min="1", max="1"), True),
        (call("gt", number("2"), number("1")), True),
        (call("lte", number("2"), number("1")), False),
        (call("equal", number("2"), number("2.04"), tolerance_mode="absolute", tolerance="0.05"), True),
        (call("equal", number("2"), number("2.2"), tolerance_mode="relative", tolerance="5 10"), True),
        (call("equal", number("2"), number("1.8"), tolerance_mode="relative", tolerance="5 10"), False),
        (
            call(
                "equal",
                number("2"),
                number("3"),
                tolerance_mode="absolute",
                tolerance="1",
                include_upper_bound="false",
            ),
            False,
        ),
        (call("equal-rounded", number("3.175"), number("3.183"), figures="2"), True),
        (
            call(
                "equal-rounded",
                number("1.68572"),
                number("1.69"),
                rounding_mode="decimalPlaces",
                figures="2",
            ),
            True,
        ),
        (call("string-match", value("string", "Ab"), value("string", "aB"), case_sensitive="false"), True),
        (call("string-match", value("string", "Ab"), value("string", "aB"), case_sensitive="true"), False),
        (call("substring", value("string", "oo"), value("string", "book"), case_sensitive="true"), True),
        (call("inside", value("point", "5 5"), shape="circle", coords="0,0,10"), True),
        (call("match", call("index", call("ordered", number("1"), number("2")), n="2"), number("2")), True),
    ],
)
def test_tests(test: Node, expected: bool) -> None:
    assert flaw(rules(yes(test)), CHOICE) is None
    assert evaluate(rules(yes(test)), CHOICE, {"RESPONSE": ("C", "B")}) == float(expected)


def test_the_first_branch_that_holds_is_taken_and_an_exit_ends_it_all() -> None:
    true, false = call("is-null", call("null")), call("is-null", number("1"))
    chain = call(
        "response-condition",
        call("response-if", false, put(number("1"))),
        call("response-else-if", true, put(number("2")), call("exit-response")),
        call("response-else", put(number("3"))),
    )
    assert evaluate(rules(chain, put(number("9"))), {}, {}) == 2.0


def test_a_table_is_looked_up() -> None:
    entries = tuple(
        call("interpolation-table-entry", source_value=low, target_value=to)
        for low, to in (("10", "2"), ("5", "1"), ("0", "0"))
    )
    table = call("interpolation-table", *entries, default_value="0")
    looked = Rules(
        (Outcome("RAW", default=("7",)), Outcome("SCORE", table=table)),
        (call("lookup-outcome-value", var("RAW"), identifier="SCORE"),),
    )
    assert flaw(looked, {}) is None
    assert evaluate(looked, {}, {}) == 1.0


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ((put(call("random-float")),), "uses 'random-float', which is not supported"),
        ((call("print"),), "uses 'print'"),
        ((put(var("NOWHERE")),), "reads 'NOWHERE'"),
        ((put(number("1"), "OTHER"),), "sets 'OTHER'"),
        ((put(call("correct", identifier="X")),), "asks for the key of 'X'"),
        ((put(call("subtract", number("1"))),), "gives 'subtract' 1 operands"),
        ((yes(call("inside", var(), shape="rect", coords="1,2")),), "has an area without its coordinates"),
        ((yes(call("equal", number("1"), number("2"), tolerance="x")),), "holds a number that is none"),
        ((yes(call("equal-rounded", number("1"), number("2"), figures="9999")),), "out of bounds"),
        ((put(call("stats-operator", number("1"), name="mode")),), "asks for the statistic 'mode'"),
        ((put(call("repeat", number("1"), number_repeats="9999")),), "out of bounds"),
        ((call("response-condition"),), "without what it needs"),
        ((Node("set-outcome-value", (("identifier", "SCORE"),)),), "without what it needs"),
    ],
)
def test_what_cannot_be_run_is_said_before_it_is_run(nodes: tuple[Node, ...], said: str) -> None:
    assert said in (flaw(rules(*nodes), CHOICE) or "")


def test_without_a_score_there_is_nothing_to_run() -> None:
    assert flaw(Rules((), ()), {}) == "sets no outcome SCORE"
