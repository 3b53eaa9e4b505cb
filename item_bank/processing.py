"""Response processing that a QTI file spells out: a small evaluator of its rules and expressions.

A value is None (QTI's NULL) or a `Value`: a container of plain values with a base type. Only what is listed
in `EXPRESSIONS` and `RULES` is known; a file with anything else is refused when it is read, so that nothing
is scored by guess. There are no loops, so the work is bounded by the number of nodes.

References
----------
1EdTech (2022). QTI 3.0 Assessment, Section and Item information model, expressions and response rules.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from item_bank.content import Area, Node, Outcome, Response, Rules
from item_bank.mapping import inside, mapped, normal, number

__all__ = ["EXPRESSIONS", "RULES", "evaluate", "flaw", "is_number"]


@dataclass(frozen=True, slots=True)
class Value:
    """One or several values of one base type."""

    base_type: str
    values: tuple[str, ...]
    ordered: bool = False


@dataclass(slots=True)
class _State:
    responses: Mapping[str, Response]
    given: Mapping[str, Sequence[str]]
    outcomes: dict[str, Value | None]
    declared: Mapping[str, Outcome] = field(default_factory=dict)


class _Exit(Exception):
    pass


def evaluate(rules: Rules, responses: Mapping[str, Response], given: Mapping[str, Sequence[str]]) -> float:
    """Return the outcome SCORE after `rules`; an unset SCORE is 0."""
    start = {
        o.id: Value(o.base_type, o.default) if o.default else (_of(0.0) if is_number(o) else None)
        for o in rules.outcomes
    }
    state = _State(responses, given, start, {o.id: o for o in rules.outcomes})
    with suppress(_Exit):
        _run(rules.nodes, state)
    total = _figure(state.outcomes.get("SCORE"))
    return 0.0 if total is None else total


def is_number(outcome: Outcome) -> bool:
    """Return whether `outcome` is one number."""
    return outcome.cardinality == "single" and outcome.base_type in ("float", "integer")


_ARITY = {
    **dict.fromkeys(("base-value", "variable", "correct", "default", "null"), (0, 0)),
    **dict.fromkeys(("map-response", "map-response-point", "exit-response"), (0, 0)),
    **dict.fromkeys(("is-null", "not", "index", "container-size", "inside", "round", "truncate"), (1, 1)),
    **dict.fromkeys(("set-outcome-value", "lookup-outcome-value"), (1, 1)),
    **dict.fromkeys(("match", "member", "contains", "equal", "equal-rounded", "string-match"), (2, 2)),
    **dict.fromkeys(("substring", "gt", "gte", "lt", "lte", "subtract", "divide"), (2, 2)),
}
_CORNERS = {"rect": (4, 4), "circle": (3, 3), "ellipse": (4, 4), "poly": (6, 400), "default": (0, 400)}


def flaw(rules: Rules, responses: Mapping[str, Response]) -> str | None:
    """Return what keeps `rules` from being run, in words, or None when they can be."""
    declared = {outcome.id for outcome in rules.outcomes}
    if "SCORE" not in declared:
        return "sets no outcome SCORE"
    try:
        for outcome in rules.outcomes:
            if outcome.table is not None:
                for entry in outcome.table.children:
                    float(_attribute(entry, "source-value", "none"))
                    if not _attribute(entry, "target-value"):
                        return "has a table entry without a target value"
        return _flaw_of(rules.nodes, RULES, declared, responses)
    except ValueError:
        return "holds a number that is none"


def _flaw_of(
    nodes: Sequence[Node],
    allowed: Mapping[str, object],
    declared: set[str],
    responses: Mapping[str, Response],
) -> str | None:
    for node in nodes:
        if node.name not in allowed:
            return f"uses '{node.name}', which is not supported"
        low, high = _ARITY.get(node.name, (1, 1000))
        if node.name in EXPRESSIONS and not low <= len(node.children) <= high:
            return f"gives '{node.name}' {len(node.children)} operands"
        wrong = _flaw_inside(node, declared, responses)
        if wrong:
            return wrong
        for inner, among in _operands(node):
            if inner is None:
                return f"has a '{node.name}' without what it needs"
            wrong = _flaw_of(inner, among, declared, responses)
            if wrong:
                return wrong
    return None


def _flaw_inside(node: Node, declared: set[str], responses: Mapping[str, Response]) -> str | None:
    name = _attribute(node, "identifier")
    match node.name:
        case "variable" if name not in declared and name not in responses:
            return f"reads '{name}', which is not declared"
        case "correct" | "map-response" | "map-response-point" if name not in responses:
            return f"asks for the key of '{name}', which is no response"
        case "set-outcome-value" | "lookup-outcome-value" if name not in declared:
            return f"sets '{name}', which is not declared"
        case "inside":
            corners = _corners(node)
            low, high = _CORNERS.get(_attribute(node, "shape"), (1, 0))
            if not low <= len(corners) <= high or len(corners) % 2 != low % 2:
                return "has an area without its coordinates"
        case "equal-rounded" | "index" | "any-n":
            for key in ("figures", "n", "min", "max"):
                if _attribute(node, key) and not 0 <= int(_attribute(node, key)) <= 1000:
                    return f"has '{node.name}' with {key} out of bounds"
        case "equal":
            for part in _attribute(node, "tolerance", "0").split():
                float(part)
        case _:
            pass
    return None


def _operands(node: Node) -> list[tuple[tuple[Node, ...] | None, Mapping[str, object]]]:
    """Return what stands under `node`, with what may stand there; None where something is missing."""
    if node.name == "response-condition":
        parts: list[tuple[tuple[Node, ...] | None, Mapping[str, object]]] = []
        for branch in node.children:
            if branch.name == "response-else":
                parts.append((branch.children, RULES))
            elif branch.name in ("response-if", "response-else-if") and branch.children:
                parts += [(branch.children[:1], EXPRESSIONS), (branch.children[1:], RULES)]
            else:
                parts.append((None, RULES))
        return parts or [(None, RULES)]
    if node.name == "response-processing-fragment":
        return [(node.children, RULES)]
    if node.name in ("set-outcome-value", "lookup-outcome-value"):
        return [(node.children if len(node.children) == 1 else None, EXPRESSIONS)]
    return [(node.children, EXPRESSIONS)]


def _corners(node: Node) -> tuple[float, ...]:
    return tuple(float(part) for part in _attribute(node, "coords").replace(",", " ").split())


# Rules.


def _run(nodes: Sequence[Node], state: _State) -> None:
    for node in nodes:
        RULES[node.name](node, state)


def _condition(node: Node, state: _State) -> None:
    for branch in node.children:
        if branch.name == "response-else":
            return _run(branch.children, state)
        test, *actions = branch.children
        if _truth(_value(test, state)):
            return _run(actions, state)
    return None


def _set(node: Node, state: _State) -> None:
    state.outcomes[_attribute(node, "identifier")] = _value(node.children[0], state)


def _lookup(node: Node, state: _State) -> None:
    name = _attribute(node, "identifier")
    source = _figure(_value(node.children[0], state))
    table = state.declared[name].table if name in state.declared else None
    if table is None or source is None:
        state.outcomes[name] = None
        return
    entries = [(dict(e.attributes), e) for e in table.children]
    found = dict(table.attributes).get("default-value")
    for entry, _ in entries:
        limit = float(entry["source-value"])
        closed = entry.get("include-boundary", "true") == "true"
        hit = (
            source == limit if table.name == "match-table" else source > limit or (closed and source == limit)
        )
        if hit:
            found = entry["target-value"]
            break
    state.outcomes[name] = None if found is None else Value(state.declared[name].base_type, (found,))


def _leave(node: Node, state: _State) -> None:
    raise _Exit


RULES: dict[str, Callable[[Node, _State], None]] = {
    "response-condition": _condition,
    "set-outcome-value": _set,
    "lookup-outcome-value": _lookup,
    "response-processing-fragment": lambda node, state: _run(node.children, state),
    "exit-response": _leave,
}
"""Response rules by name."""

# Expressions.


def _value(node: Node, state: _State) -> Value | None:
    return EXPRESSIONS[node.name](node, state)


def _all(node: Node, state: _State) -> list[Value | None]:
    return [_value(child, state) for child in node.children]


def _attribute(node: Node, name: str, default: str = "") -> str:
    return dict(node.attributes).get(name, default)


def _of(figure: float) -> Value:
    return Value("float", (repr(float(figure)),))


def _said(truth: bool) -> Value:
    return Value("boolean", ("true" if truth else "false",))


def _truth(value: Value | None) -> bool:
    return value is not None and value.values == ("true",)


def _figure(value: Value | None) -> float | None:
    return None if value is None or len(value.values) != 1 else number(value.values[0])


def _variable(node: Node, state: _State) -> Value | None:
    name = _attribute(node, "identifier")
    if name in state.responses:
        r = state.responses[name]
        values = tuple(state.given.get(name, ()))
        return Value(r.base_type, values, r.cardinality == "ordered") if values else None
    return state.outcomes.get(name)


def _correct(node: Node, state: _State) -> Value | None:
    r = state.responses[_attribute(node, "identifier")]
    return Value(r.base_type, r.correct, r.cardinality == "ordered") if r.correct else None


def _map(node: Node, state: _State) -> Value:
    name = _attribute(node, "identifier")
    values = state.given.get(name, ())
    return _of(mapped(state.responses[name], values) if values else 0.0)


def _figures(node: Node, state: _State) -> list[float] | None:
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


def _arithmetic(compute: Callable[[list[float]], float]) -> Callable[[Node, _State], Value | None]:
    def run(node: Node, state: _State) -> Value | None:
        figures = _figures(node, state)
        if figures is None:
            return None
        try:
            result = compute(figures)
        except (ArithmeticError, ValueError, IndexError):
            return None
        return _of(result) if math.isfinite(result) else None

    return run


def _compare(holds: Callable[[float, float], bool]) -> Callable[[Node, _State], Value | None]:
    def run(node: Node, state: _State) -> Value | None:
        one, other = (_figure(value) for value in _all(node, state))
        return None if one is None or other is None else _said(holds(one, other))

    return run


def _bag(value: Value, base_type: str) -> list[str]:
    parts = [normal(base_type, part) for part in value.values]
    return parts if value.ordered else sorted(parts)


def _match(node: Node, state: _State) -> Value | None:
    one, other = _all(node, state)
    if one is None or other is None:
        return None
    return _said(_bag(one, one.base_type) == _bag(other, one.base_type))


def _member(node: Node, state: _State) -> Value | None:
    one, other = _all(node, state)
    if one is None or other is None:
        return None
    return _said(normal(one.base_type, one.values[0]) in _bag(other, one.base_type))


def _contains(node: Node, state: _State) -> Value | None:
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


def _equal(node: Node, state: _State) -> Value | None:
    one, other = (_figure(value) for value in _all(node, state))
    if one is None or other is None:
        return None
    mode = _attribute(node, "tolerance-mode", "exact")
    if mode == "exact":
        return _said(one == other)
    parts = [float(part) for part in _attribute(node, "tolerance", "0").split()] or [0.0]
    below, above = parts[0], parts[-1]
    if mode == "relative":
        below, above = abs(one) * below / 100.0, abs(one) * above / 100.0
    low = other > one - below or (_flag(node, "include-lower-bound") and other == one - below)
    high = other < one + above or (_flag(node, "include-upper-bound") and other == one + above)
    return _said(low and high)


def _flag(node: Node, name: str) -> bool:
    return _attribute(node, name, "true") == "true"


def _equal_rounded(node: Node, state: _State) -> Value | None:
    figures = int(_attribute(node, "figures", "0"))
    mode = _attribute(node, "rounding-mode", "significantFigures")
    one, other = (_figure(value) for value in _all(node, state))
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


def _string_match(node: Node, state: _State) -> Value | None:
    one, other = _all(node, state)
    if one is None or other is None:
        return None
    fold = _attribute(node, "case-sensitive", "true") == "false"
    a, b = (normal("string", value.values[0], fold) for value in (one, other))
    return _said(b in a if _attribute(node, "substring") == "true" else a == b)


def _substring(node: Node, state: _State) -> Value | None:
    one, other = _all(node, state)
    if one is None or other is None:
        return None
    fold = _attribute(node, "case-sensitive", "true") == "false"
    return _said(normal("string", one.values[0], fold) in normal("string", other.values[0], fold))


def _inside(node: Node, state: _State) -> Value | None:
    value = _value(node.children[0], state)
    if value is None:
        return None
    area = Area("", _attribute(node, "shape"), _corners(node))
    return _said(any(inside(area, tuple(float(p) for p in part.split())) for part in value.values))


def _container(ordered: bool) -> Callable[[Node, _State], Value | None]:
    def run(node: Node, state: _State) -> Value | None:
        held = [value for value in _all(node, state) if value is not None]
        values = tuple(part for value in held for part in value.values)
        return Value(held[0].base_type, values, ordered) if values else None

    return run


def _index(node: Node, state: _State) -> Value | None:
    value = _value(node.children[0], state)
    position = int(_attribute(node, "n", "1"))
    if value is None or not 1 <= position <= len(value.values):
        return None
    return Value(value.base_type, (value.values[position - 1],))


def _size(node: Node, state: _State) -> Value:
    value = _value(node.children[0], state)
    return _of(0 if value is None else len(value.values))


def _any_n(node: Node, state: _State) -> Value:
    held = sum(_truth(value) for value in _all(node, state))
    return _said(int(_attribute(node, "min", "0")) <= held <= int(_attribute(node, "max", "0")))


def _not(node: Node, state: _State) -> Value | None:
    value = _value(node.children[0], state)
    return None if value is None else _said(not _truth(value))


def _default(node: Node, state: _State) -> Value | None:
    outcome = state.declared.get(_attribute(node, "identifier"))
    return Value(outcome.base_type, outcome.default) if outcome and outcome.default else None


EXPRESSIONS: dict[str, Callable[[Node, _State], Value | None]] = {
    "base-value": lambda node, state: Value(_attribute(node, "base-type"), (node.text,)),
    "variable": _variable,
    "correct": _correct,
    "default": _default,
    "null": lambda node, state: None,
    "map-response": _map,
    "map-response-point": _map,
    "is-null": lambda node, state: _said(_value(node.children[0], state) is None),
    "not": _not,
    "and": lambda node, state: _said(all(_truth(value) for value in _all(node, state))),
    "or": lambda node, state: _said(any(_truth(value) for value in _all(node, state))),
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
    "subtract": _arithmetic(lambda figures: figures[0] - figures[1]),
    "divide": _arithmetic(lambda figures: figures[0] / figures[1]),
    "min": _arithmetic(min),
    "max": _arithmetic(max),
    "round": _arithmetic(lambda figures: math.floor(figures[0] + 0.5)),
    "truncate": _arithmetic(lambda figures: math.trunc(figures[0])),
}
"""Expressions by name."""
