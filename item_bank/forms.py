"""The plain forms of items, from what an author says to a control, a response, and the way it is scored.

Every reader of a plain format (the demonstration bank's TOML, CSV, Moodle XML, GIFT) builds its items here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from item_bank.content import (
    Choice,
    Content,
    InlineChoice,
    Interaction,
    Mapped,
    Match,
    Option,
    Order,
    Response,
    Rules,
    TextEntry,
)

__all__ = [
    "RESPONSE",
    "Form",
    "assemble",
    "inline",
    "lettered",
    "match",
    "multiple",
    "numeric",
    "order",
    "single",
    "typed",
]

RESPONSE = "RESPONSE"
"""The response variable of an item with one control."""


@dataclass(frozen=True, slots=True)
class Form:
    """Controls with their responses, how they are scored, and the worth of each category."""

    interactions: Mapping[str, Interaction]
    responses: Mapping[str, Response]
    processing: str = "match_correct"
    scores: tuple[float, ...] = (0.0, 1.0)
    rules: Rules | None = None


def _one(
    control: Interaction,
    response: Response,
    processing: str = "match_correct",
    scores: tuple[float, ...] = (0.0, 1.0),
) -> Form:
    return Form({RESPONSE: control}, {RESPONSE: response}, processing, scores)


def _steps(n: int) -> tuple[float, ...]:
    return tuple(float(k) for k in range(n + 1))


def single(options: Sequence[Option], key: str, shuffle: bool = False) -> Form:
    """One option is right."""
    return _one(Choice(tuple(options), shuffle=shuffle), Response("single", "identifier", (key,)))


def multiple(options: Sequence[Option], keys: Sequence[str], partial: bool, shuffle: bool = False) -> Form:
    """Several options are right; partial credit is right choices minus wrong ones, not under 0."""
    control = Choice(tuple(options), maximum=0, shuffle=shuffle)
    if not partial:
        return _one(control, Response("multiple", "identifier", tuple(keys)))
    worth = {option.id: 1.0 if option.id in keys else -1.0 for option in options}
    response = Response("multiple", "identifier", tuple(keys), Mapped(worth, lower=0.0))
    return _one(control, response, "map_response", _steps(len(keys)))


def order(options: Sequence[Option], key: Sequence[str]) -> Form:
    """The options in their right order."""
    return _one(Order(tuple(options)), Response("ordered", "identifier", tuple(key)))


def match(
    rows: Sequence[Option],
    columns: Sequence[Option],
    key: Mapping[str, str],
    partial: bool,
    shuffle: bool = False,
) -> Form:
    """Each row has its column; partial credit counts the rows that are right."""
    pairs = tuple(f"{row} {column}" for row, column in key.items())
    control = Match(tuple(rows), tuple(columns), shuffle=shuffle)
    if not partial:
        return _one(control, Response("multiple", "directedPair", pairs))
    response = Response("multiple", "directedPair", pairs, Mapped(dict.fromkeys(pairs, 1.0)))
    return _one(control, response, "map_response", _steps(len(pairs)))


def inline(gaps: Mapping[str, Sequence[Option]], key: Mapping[str, str]) -> Form:
    """Choices inside a sentence, all of which must be right."""
    return Form(
        {name: InlineChoice(tuple(gaps[name])) for name in key},
        {name: Response("single", "identifier", (right,)) for name, right in key.items()},
    )


def numeric(key: str, unit: str = "", whole: bool = True) -> Form:
    """A number to type."""
    control = TextEntry(length=8, unit=unit, pattern="[0-9]+" if whole else "")
    return _one(control, Response("single", "integer" if whole else "float", (key,)))


def typed(worths: Mapping[str, float], caseless: bool) -> Form:
    """A word to type; `worths` says what each accepted answer is worth, 1 for a right one."""
    key = max(worths, key=lambda answer: worths[answer])
    folded = tuple(worths) if caseless else ()
    steps = tuple(sorted({0.0, *worths.values()}))
    response = Response("single", "string", (key,), Mapped(dict(worths), caseless=folded))
    return _one(TextEntry(), response, "map_response", steps)


def assemble(form: Form, title: str, stem: str, rationale: str = "") -> Content:
    """Return the content: the controls behind the stem, unless the stem has their slots already."""
    stem, rationale = stem.strip(" \t\n"), rationale.strip(" \t\n")
    missing = [name for name in form.interactions if f'<slot name="{name}">' not in stem]
    body = stem + "".join(f'<slot name="{name}"></slot>' for name in missing)
    return Content(title, body, form.interactions, form.responses, form.processing, rationale, form.rules)


def lettered(texts: Iterable[str], uses: int = 1) -> tuple[Option, ...]:
    """Return options A, B, C, ... (then A1, B1, ...) with these texts."""
    return tuple(
        Option("ABCDEFGHIJKLMNOPQRSTUVWXYZ"[i % 26] + (str(i // 26) if i >= 26 else ""), html, match_max=uses)
        for i, html in enumerate(texts)
    )
