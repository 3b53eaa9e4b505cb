"""The expressions of QTI's response processing: what they read, and what they make of it.

A value is None (QTI's NULL) or a `Value`: a container of plain values with a base type.

References
----------
1EdTech (2022). QTI 3.0 Assessment, Section and Item information model, expressions.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from item_bank.content import Area, Node, Outcome, Response
from item_bank.mapping import inside, mapped, normal, number

__all__ = [
    "ARITY",
    "EXPRESSIONS",
    "STATISTICS",
    "State",
    "Value",
    "as_number",
    "attribute",
    "corners",
    "evaluated",
    "is_true",
    "numeric",
]

MOST_VALUES = 1000
"""Values that one container may hold: repeated repeats grow without end."""


@dataclass(frozen=True, slots=True)
class Value:
    """One or several values of one base type."""

    base_type: str
    values: tuple[str, ...]
    ordered: bool = False


@dataclass(slots=True)
class State:
    """What an expression may read: the responses declared and given, the outcomes as they stand."""

    responses: Mapping[str, Response]
    given: Mapping[str, Sequence[str]]
    outcomes: dict[str, Value | None]
    declared: Mapping[str, Outcome] = field(default_factory=dict)


ARITY = {
    **dict.fromkeys(("base-value", "variable", "correct", "default", "null"), (0, 0)),
    **dict.fromkeys(("map-response", "map-response-point", "exit-response"), (0, 0)),
    **dict.fromkeys(("is-null", "not", "index", "container-size", "inside", "round", "truncate"), (1, 1)),
    **dict.fromkeys(("round-to", "integer-to-float", "stats-operator"), (1, 1)),
    **dict.fromkeys(("set-outcome-value", "lookup-outcome-value"), (1, 1)),
    **dict.fromkeys(("match", "member", "contains", "equal", "equal-rounded", "string-match"), (2, 2)),
    **dict.fromkeys(("substring", "gt", "gte", "lt", "lte", "subtract", "divide"), (2, 2)),
    **dict.fromkeys(("integer-divide", "integer-modulus", "power", "delete"), (2, 2)),
}
"""How many operands an expression or a rule takes, where it is not any number from 1."""


def evaluated(node: Node, state: State) -> Value | None:
    """Return what `node` says as things stand."""
    return EXPRESSIONS[node.name](node, state)


def _all(node: Node, state: State) -> list[Value | None]:
    return [evaluated(child, state) for child in node.children]


def attribute(node: Node, name: str, default: str = "") -> str:
    """Return an attribute of a node."""
    return dict(node.attributes).get(name, default)


def numeric(figure: float) -> Value:
    """Return a number as a value."""
    return Value("float", (repr(float(figure)),))


def _said(truth: bool) -> Value:
    return Value("boolean", ("true" if truth else "false",))


def is_true(value: Value | None) -> bool:
    """Return whether a value is the boolean true."""
    return value is not None and value.values == ("true",)


def as_number(value: Value | None) -> float | None:
    """Return the number that a value is, or None."""
    return None if value is None or len(value.values) != 1 else number(value.values[0])


def _variable(node: Node, state: State) -> Value | None:
    name = attribute(node, "identifier")
    if name in state.responses:
        r = state.responses[name]
        values = tuple(state.given.get(name, ()))
        return Value(r.base_type, values, r.cardinality == "ordered") if values else None
    return state.outcomes.get(name)


def _correct(node: Node, state: State) -> Value | None:
    r = state.responses[attribute(node, "identifier")]
    return Value(r.base_type, r.correct, r.cardinality == "ordered") if r.correct else None


def _map(node: Node, state: State) -> Value:
    name = attribute(node, "identifier")
    values = state.given.get(name, ())
    return numeric(mapped(state.responses[name], values) if values else 0.0)


def _figures(node: Node, state: State) -> list[float] | None:
    found: list[float] = []
    for value in _all(node, state):
        if value is None:
            return None
        for part in value.values:
            figure = number(part)
            if figure is None:
                return None
            found.append(figure)
    return found


def _arithmetic(compute: Callable[[list[float]], float]) -> Callable[[Node, State], Value | None]:
    def run(node: Node, state: State) -> Value | None:
        figures = _figures(node, state)
        if figures is None:
            return None
        try:
            result = compute(figures)
        except (ArithmeticError, ValueError, IndexError):
            return None
        return numeric(result) if math.isfinite(result) else None

    return run


def _compare(holds: Callable[[float, float], bool]) -> Callable[[Node, State], Value | None]:
    def run(node: Node, state: State) -> Value | None:
        one, other = (as_number(value) for value in _all(node, state))
        return None if one is None or other is None else _said(holds(one, other))

    return run


def _bag(value: Value, base_type: str) -> list[str]:
    parts = [normal(base_type, part) for part in value.values]
    return parts if value.ordered else sorted(parts)


def _match(node: Node, state: State) -> Value | None:
    one, other = _all(node, state)
    if one is None or other is None:
        return None
    return _said(_bag(one, one.base_type) == _bag(other, one.base_type))


def _member(node: Node, state: State) -> Value | None:
    one, other = _all(node, state)
    if one is None or other is None:
        return None
    return _said(normal(one.base_type, one.values[0]) in _bag(other, one.base_type))


def _contains(node: Node, state: State) -> Value | None:
    whole, part = _all(node, state)
    if whole is None or part is None:
        return None
    left = _bag(whole, whole.base_type)
    sought = _bag(part, whole.base_type)
    if whole.ordered:
        n = len(sought)
        return _said(any(left[i : i + n] == sought for i in range(len(left) - n + 1)))
    for entry in sought:
        if entry not in left:
            return _said(False)
        left.remove(entry)
    return _said(True)


def _equal(node: Node, state: State) -> Value | None:
    one, other = (as_number(value) for value in _all(node, state))
    if one is None or other is None:
        return None
    mode = attribute(node, "tolerance-mode", "exact")
    if mode == "exact":
        return _said(one == other)
    parts = [float(part) for part in attribute(node, "tolerance", "0").split()] or [0.0]
    below, above = parts[0], parts[-1]
    if mode == "relative":
        below, above = abs(one) * below / 100.0, abs(one) * above / 100.0
    low = other > one - below or (_flag(node, "include-lower-bound") and other == one - below)
    high = other < one + above or (_flag(node, "include-upper-bound") and other == one + above)
    return _said(low and high)


def _flag(node: Node, name: str) -> bool:
    return attribute(node, name, "true") == "true"


def _equal_rounded(node: Node, state: State) -> Value | None:
    figures = int(attribute(node, "figures", "0"))
    mode = attribute(node, "rounding-mode", "significantFigures")
    one, other = (as_number(value) for value in _all(node, state))
    if one is None or other is None:
        return None
    return _said(_rounded(one, figures, mode) == _rounded(other, figures, mode))


def _rounded(value: float, figures: int, mode: str) -> float:
    """Round half up, as QTI does."""
    if value == 0.0:
        return 0.0
    if mode == "significantFigures":
        figures -= 1 + math.floor(math.log10(abs(value)))
    figures = max(-300, min(300, figures))
    return math.floor(value * 10.0**figures + 0.5) / 10.0**figures


def _round_to(node: Node, state: State) -> Value | None:
    figure = as_number(evaluated(node.children[0], state))
    if figure is None:
        return None
    mode = attribute(node, "rounding-mode", "significantFigures")
    return numeric(_rounded(figure, int(attribute(node, "figures", "0")), mode))


def _power(figures: list[float]) -> float:
    return math.pow(*figures)


def _integers(figures: list[float]) -> list[int]:
    if any(not figure.is_integer() or abs(figure) > 2**53 for figure in figures):
        raise ValueError("no integers")
    return [int(figure) for figure in figures]


def _statistic(node: Node, state: State) -> Value | None:
    figures = _figures(node, state)
    try:
        return None if not figures else numeric(STATISTICS[attribute(node, "name")](figures))
    except statistics.StatisticsError:  # too few values
        return None


STATISTICS: dict[str, Callable[[list[float]], float]] = {
    "mean": statistics.fmean,
    "sampleVariance": statistics.variance,
    "sampleSD": statistics.stdev,
    "popVariance": statistics.pvariance,
    "popSD": statistics.pstdev,
}
"""What ``stats-operator`` may be asked for, by its ``name``."""


def _delete(node: Node, state: State) -> Value | None:
    """Return the second operand without every value that equals the first."""
    one, many = _all(node, state)
    if one is None or many is None:
        return None
    gone = normal(many.base_type, one.values[0])
    left = tuple(value for value in many.values if normal(many.base_type, value) != gone)
    return Value(many.base_type, left, many.ordered) if left else None


def _repeat(node: Node, state: State) -> Value | None:
    held = [value for value in _all(node, state) if value is not None]
    values = tuple(part for value in held for part in value.values) * int(
        attribute(node, "number-repeats", "1")
    )
    return Value(held[0].base_type, values[:MOST_VALUES], True) if values else None


def _string_match(node: Node, state: State) -> Value | None:
    one, other = _all(node, state)
    if one is None or other is None:
        return None
    fold = attribute(node, "case-sensitive", "true") == "false"
    a, b = (normal("string", value.values[0], fold) for value in (one, other))
    return _said(b in a if attribute(node, "substring") == "true" else a == b)


def _substring(node: Node, state: State) -> Value | None:
    one, other = _all(node, state)
    if one is None or other is None:
        return None
    fold = attribute(node, "case-sensitive", "true") == "false"
    return _said(normal("string", one.values[0], fold) in normal("string", other.values[0], fold))


def corners(node: Node) -> tuple[float, ...]:
    """Return the coordinates of a node's area."""
    return tuple(float(part) for part in attribute(node, "coords").replace(",", " ").split())


def _inside(node: Node, state: State) -> Value | None:
    value = evaluated(node.children[0], state)
    if value is None:
        return None
    area = Area("", attribute(node, "shape"), corners(node))
    return _said(any(inside(area, tuple(float(p) for p in part.split())) for part in value.values))


def _container(ordered: bool) -> Callable[[Node, State], Value | None]:
    def run(node: Node, state: State) -> Value | None:
        held = [value for value in _all(node, state) if value is not None]
        values = tuple(part for value in held for part in value.values)
        return Value(held[0].base_type, values, ordered) if values else None

    return run


def _index(node: Node, state: State) -> Value | None:
    value = evaluated(node.children[0], state)
    position = int(attribute(node, "n", "1"))
    if value is None or not 1 <= position <= len(value.values):
        return None
    return Value(value.base_type, (value.values[position - 1],))


def _size(node: Node, state: State) -> Value:
    value = evaluated(node.children[0], state)
    return numeric(0 if value is None else len(value.values))


def _any_n(node: Node, state: State) -> Value:
    held = sum(is_true(value) for value in _all(node, state))
    return _said(int(attribute(node, "min", "0")) <= held <= int(attribute(node, "max", "0")))


def _not(node: Node, state: State) -> Value | None:
    value = evaluated(node.children[0], state)
    return None if value is None else _said(not is_true(value))


def _default(node: Node, state: State) -> Value | None:
    outcome = state.declared.get(attribute(node, "identifier"))
    return Value(outcome.base_type, outcome.default) if outcome and outcome.default else None


EXPRESSIONS: dict[str, Callable[[Node, State], Value | None]] = {
    "base-value": lambda node, state: Value(attribute(node, "base-type"), (node.text,)),
    "variable": _variable,
    "correct": _correct,
    "default": _default,
    "null": lambda node, state: None,
    "map-response": _map,
    "map-response-point": _map,
    "is-null": lambda node, state: _said(evaluated(node.children[0], state) is None),
    "not": _not,
    "and": lambda node, state: _said(all(is_true(value) for value in _all(node, state))),
    "or": lambda node, state: _said(any(is_true(value) for value in _all(node, state))),
    "any-n": _any_n,
    "match": _match,
    "member": _member,
    "contains": _contains,
    "equal": _equal,
    "equal-rounded": _equal_rounded,
    "string-match": _string_match,
    "substring": _substring,
    "inside": _inside,
    "multiple": _container(ordered=False),
    "ordered": _container(ordered=True),
    "index": _index,
    "container-size": _size,
    "gt": _compare(lambda one, other: one > other),
    "gte": _compare(lambda one, other: one >= other),
    "lt": _compare(lambda one, other: one < other),
    "lte": _compare(lambda one, other: one <= other),
    "sum": _arithmetic(math.fsum),
    "product": _arithmetic(math.prod),
    "integer-divide": _arithmetic(lambda figures: math.floor(figures[0] / figures[1])),
    "integer-modulus": _arithmetic(
        lambda figures: figures[0] - figures[1] * math.floor(figures[0] / figures[1])
    ),
    "power": _arithmetic(_power),
    "integer-to-float": _arithmetic(lambda figures: figures[0]),
    "gcd": _arithmetic(lambda figures: float(math.gcd(*_integers(figures)))),
    "lcm": _arithmetic(lambda figures: float(math.lcm(*_integers(figures)))),
    "round-to": _round_to,
    "stats-operator": _statistic,
    "delete": _delete,
    "repeat": _repeat,
    "subtract": _arithmetic(lambda figures: figures[0] - figures[1]),
    "divide": _arithmetic(lambda figures: figures[0] / figures[1]),
    "min": _arithmetic(min),
    "max": _arithmetic(max),
    "round": _arithmetic(lambda figures: math.floor(figures[0] + 0.5)),
    "truncate": _arithmetic(lambda figures: math.trunc(figures[0])),
}
"""Expressions by name."""
