"""Which scores an item can earn, so that a score becomes a response category."""

from __future__ import annotations

from itertools import combinations, islice, product

from cat_engine.errors import InputError
from item_bank.content import (
    Choice,
    Content,
    Hotspot,
    InlineChoice,
    Interaction,
    Mapped,
    Node,
    Order,
    Response,
)
from item_bank.mapping import number
from item_bank.scoring import score

__all__ = ["MOST", "attainable"]

MOST = 11
"""The largest number of categories that is made for an imported item."""

_TRIED = 20_000


def attainable(content: Content) -> tuple[float, ...]:
    """Return the scores that can be earned, ascending from the lowest: the worth of each category.

    ``match_correct`` gives (0, 1); mappings, the sums of the worths of their values; rules, what they give
    on every combination of likely answers. More than `MOST` different scores become `MOST` even steps.
    """
    if content.processing == "match_correct":
        return (0.0, 1.0)
    if content.processing == "rules" and content.rules is not None:
        found = _by_trial(content) | _given(content.rules.nodes)
    else:
        found = {0.0}
        for response in content.responses.values():
            found = {a + b for a in found for b in _worths(response)}
            if len(found) > 2000:
                found = {min(found), max(found)} | set(list(found)[:1000])
    steps = sorted({round(value, 6) for value in found if value >= 0.0} | {0.0})
    if len(steps) > MOST:
        top = steps[-1]
        steps = [top * k / (MOST - 1) for k in range(MOST)]
    return tuple(steps) if len(steps) > 1 else (0.0, 1.0)


def _worths(response: Response) -> set[float]:
    mapping = response.mapping
    if mapping is None:
        return {0.0, 1.0}
    each = [worth for _, worth in mapping.areas] or list(mapping.values.values())
    if response.cardinality == "single":
        return {_bounded(worth, mapping) for worth in (*each, mapping.default)} | {0.0}
    sums = {0.0}
    for worth in each:
        sums |= {round(known + worth, 9) for known in sums}
        if len(sums) > 1000:
            break
    return {_bounded(worth, mapping) for worth in sums} | {0.0}


def _bounded(worth: float, mapping: Mapped) -> float:
    low = worth if mapping.lower is None else max(worth, mapping.lower)
    return low if mapping.upper is None else min(low, mapping.upper)


def _given(nodes: tuple[Node, ...]) -> set[float]:
    """Return the figures that rules give to SCORE as they stand."""
    found: set[float] = set()
    for node in nodes:
        if node.name == "set-outcome-value" and dict(node.attributes).get("identifier") == "SCORE":
            found |= {number(child.text) or 0.0 for child in node.children if child.name == "base-value"}
        found |= _given(node.children)
    return found


def _by_trial(content: Content) -> set[float]:
    names = list(content.responses)
    said = _constants(content.rules.nodes if content.rules else ())
    answers = [_answers(content.responses[name], content.interactions[name], said) for name in names]
    found: set[float] = set()
    for given in islice(product(*answers), _TRIED):
        try:
            found.add(score(content, dict(zip(names, given, strict=True))))
        except InputError:
            continue
    key = {name: response.correct for name, response in content.responses.items()}
    return found | {score(content, key)}


def _constants(nodes: tuple[Node, ...]) -> list[tuple[str, str]]:
    """Return the base types and the texts of all values that rules compare with."""
    found = [(dict(n.attributes).get("base-type", ""), n.text) for n in nodes if n.name == "base-value"]
    return found + [pair for node in nodes for pair in _constants(node.children)]


def _answers(response: Response, control: Interaction, said: list[tuple[str, str]]) -> list[tuple[str, ...]]:
    """Return likely answers: none, the key, every single value, every small set, something else."""
    typed = response.base_type in ("string", "integer", "float")
    compared = [text for base_type, text in said if typed and base_type == response.base_type]
    named = [*response.correct, *compared[:20], *(response.mapping.values if response.mapping else ())]
    match control:
        case Choice() | Order() | InlineChoice():
            values = [option.id for option in control.options]
        case Hotspot():
            values = [area.id for area in control.areas]
        case _:
            values = named
    values = list(dict.fromkeys(values))
    found: list[tuple[str, ...]] = [(), response.correct]
    if response.cardinality == "single":
        found += [(value,) for value in values]
    elif response.cardinality == "multiple":
        sizes = range(1, min(len(values), 8) + 1)
        found += [chosen for size in sizes for chosen in islice(combinations(values, size), 300)]
    if typed:
        found.append(("-987654321",))
    return list(dict.fromkeys(found))
