"""Response processing that a QTI file spells out: a small evaluator of its rules; `expressions` has the rest.

Only what is listed in `RULES` and in `EXPRESSIONS` is known; a file with anything else is refused when it is
read, so that nothing is scored by guess. There are no loops, so the work is bounded by the number of nodes.

References
----------
1EdTech (2022). QTI 3.0 Assessment, Section and Item information model, expressions and response rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from item_bank.content import Node, Outcome, Response, Rules
from item_bank.expressions import (
    ARITY,
    EXPRESSIONS,
    STATISTICS,
    State,
    Value,
    as_number,
    attribute,
    corners,
    evaluated,
    is_true,
    numeric,
)

__all__ = ["RULES", "evaluate", "flaw", "is_number"]


class _Exit(Exception):
    pass


def evaluate(rules: Rules, responses: Mapping[str, Response], given: Mapping[str, Sequence[str]]) -> float:
    """Return the outcome SCORE after `rules`; an unset SCORE is 0."""
    start = {
        o.id: Value(o.base_type, o.default, o.cardinality == "ordered")
        if o.default
        else (numeric(0.0) if is_number(o) else None)
        for o in rules.outcomes
    }
    state = State(responses, given, start, {o.id: o for o in rules.outcomes})
    with suppress(_Exit):
        _run(rules.nodes, state)
    total = as_number(state.outcomes.get("SCORE"))
    return 0.0 if total is None else total


def is_number(outcome: Outcome) -> bool:
    """Return whether `outcome` is one number."""
    return outcome.cardinality == "single" and outcome.base_type in ("float", "integer")


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
                    float(attribute(entry, "source-value", "none"))
                    if not attribute(entry, "target-value"):
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
        low, high = ARITY.get(node.name, (1, 1000))
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
    name = attribute(node, "identifier")
    match node.name:
        case "variable" if name not in declared and name not in responses:
            return f"reads '{name}', which is not declared"
        case "correct" | "map-response" | "map-response-point" if name not in responses:
            return f"asks for the key of '{name}', which is no response"
        case "set-outcome-value" | "lookup-outcome-value" if name not in declared:
            return f"sets '{name}', which is not declared"
        case "inside":
            count = len(corners(node))
            low, high = _CORNERS.get(attribute(node, "shape"), (1, 0))
            if not low <= count <= high or count % 2 != low % 2:
                return "has an area without its coordinates"
        case "stats-operator" if attribute(node, "name") not in STATISTICS:
            return f"asks for the statistic '{attribute(node, 'name')[:40]}'"
        case "equal-rounded" | "round-to" | "index" | "any-n" | "repeat":
            for key in ("figures", "n", "min", "max", "number-repeats"):
                if attribute(node, key) and not 0 <= int(attribute(node, key)) <= 1000:
                    return f"has '{node.name}' with {key} out of bounds"
        case "equal":
            for part in attribute(node, "tolerance", "0").split():
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


# Rules.


def _run(nodes: Sequence[Node], state: State) -> None:
    for node in nodes:
        RULES[node.name](node, state)


def _condition(node: Node, state: State) -> None:
    for branch in node.children:
        if branch.name == "response-else":
            return _run(branch.children, state)
        test, *actions = branch.children
        if is_true(evaluated(test, state)):
            return _run(actions, state)
    return None


def _set(node: Node, state: State) -> None:
    state.outcomes[attribute(node, "identifier")] = evaluated(node.children[0], state)


def _lookup(node: Node, state: State) -> None:
    name = attribute(node, "identifier")
    source = as_number(evaluated(node.children[0], state))
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


def _leave(node: Node, state: State) -> None:
    raise _Exit


RULES: dict[str, Callable[[Node, State], None]] = {
    "response-condition": _condition,
    "set-outcome-value": _set,
    "lookup-outcome-value": _lookup,
    "response-processing-fragment": lambda node, state: _run(node.children, state),
    "exit-response": _leave,
}
"""Response rules by name."""
