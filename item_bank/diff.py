"""What changed between two banks, in lines that people read."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from item_bank.bank import Bank
from item_bank.check import options
from item_bank.content import Area, Content, Interaction, Item, Option, kind_of
from item_bank.markup import text

__all__ = ["differences"]

_PLAIN = tuple(f.name for f in fields(Item) if f.name not in ("id", "versions"))


def differences(before: Bank, after: Bank) -> list[str]:
    """Return the lines: ``+`` what came, ``-`` what went, ``~`` what changed, with the words that did."""
    return [
        *_items(before, after),
        *_named("stimulus", before.stimuli, after.stimuli),
        *_named("picture", before.media, after.media),
        *_named("domain", before.framework.domains, after.framework.domains),
        *_named("skill", before.framework.skills, after.framework.skills),
        *_parameters(before, after),
        *_order(before, after),
    ]


def _items(before: Bank, after: Bank) -> Iterator[str]:
    for name in before.by_id:
        if name not in after.by_id:
            yield f"- item {name}"
    for name, item in after.by_id.items():
        if name not in before.by_id:
            yield f"+ item {name} ({item.skill}, {item.status})"
        elif before.by_id[name] != item:
            yield f"~ item {name}"
            yield from (f"    {line}" for line in _item(before.by_id[name], item))


def _item(one: Item, other: Item) -> Iterator[str]:
    for name in _PLAIN:
        a, b = getattr(one, name), getattr(other, name)
        if a != b:
            yield f"{name}: {_short(a)} -> {_short(b)}"
    for language in one.versions:
        if language not in other.versions:
            yield f"- version {language}"
    for language, content in other.versions.items():
        if language not in one.versions:
            yield f"+ version {language}"
        elif one.versions[language] != content:
            yield from (f"{language} {line}" for line in _content(one.versions[language], content))


def _content(one: Content, other: Content) -> Iterator[str]:
    for what in ("title", "body", "rationale"):
        a, b = text(getattr(one, what)), text(getattr(other, what))
        if a != b:
            yield f"{what}: {_words(a, b)}"
        elif getattr(one, what) != getattr(other, what):
            yield f"{what}: its markup changed"
    for name in {**one.responses, **other.responses}:
        a_key = one.responses[name].correct if name in one.responses else ()
        b_key = other.responses[name].correct if name in other.responses else ()
        if a_key != b_key:
            yield f"key of {name}: {', '.join(a_key) or 'none'} -> {', '.join(b_key) or 'none'}"
    for name in {**one.interactions, **other.interactions}:
        a_options = (
            {o.id: o.html for o in options(one.interactions[name])} if name in one.interactions else {}
        )
        b_options = (
            {o.id: o.html for o in options(other.interactions[name])} if name in other.interactions else {}
        )
        for key in {**a_options, **b_options}:
            a, b = text(a_options.get(key, "")), text(b_options.get(key, ""))
            if a != b:
                yield f"option {key}: {_words(a, b)}"
        if name in one.interactions and name in other.interactions:
            yield from _control(name, one.interactions[name], other.interactions[name])
    if one.processing != other.processing or one.rules != other.rules:
        yield f"scoring: {one.processing} -> {other.processing}"
    mapped = [
        name
        for name in one.responses
        if name in other.responses and one.responses[name].mapping != other.responses[name].mapping
    ]
    yield from (f"worth of the values of {name} changed" for name in mapped)


def _control(name: str, one: Interaction, other: Interaction) -> Iterator[str]:
    """Say what changed in a control beside the words of its options."""
    if type(one) is not type(other):
        yield f"control {name}: {kind_of(one)} -> {kind_of(other)}"
        return
    for part in fields(one):
        a, b = getattr(one, part.name), getattr(other, part.name)
        if a == b:
            continue
        if part.name in ("prompt", "html"):
            yield f"{part.name} of {name}: {_words(text(a), text(b))}"
        elif part.name in ("options", "rows", "columns", "areas"):
            same = [option.id for option in a] == [option.id for option in b]
            order = "" if same else f" ({_named_by(a)} -> {_named_by(b)})"
            if order or [text(getattr(x, "html", "")) for x in a] == [
                text(getattr(x, "html", "")) for x in b
            ]:
                yield f"{part.name} of {name} changed{order}"
        else:
            yield f"{part.name} of {name}: {_short(a)} -> {_short(b)}"


def _named_by(options: Sequence[Option | Area]) -> str:
    return ", ".join(option.id for option in options)


def _words(a: str, b: str) -> str:
    """Show the words that changed: [- gone -] {+ come +}, with a few words around."""
    left, right = a.split(), b.split()
    pieces: list[str] = []
    for kind, i1, i2, j1, j2 in difflib.SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if kind == "equal":
            kept = left[i1:i2]
            pieces += kept if len(kept) <= 8 else [*kept[:3], "...", *kept[-3:]]
            continue
        if i2 > i1:
            pieces.append(f"[-{' '.join(left[i1:i2])}-]")
        if j2 > j1:
            pieces.append(f"{{+{' '.join(right[j1:j2])}+}}")
    return " ".join(pieces)


def _named(what: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"- {what} {name}" for name in before if name not in after)
    for name, value in after.items():
        if name not in before:
            yield f"+ {what} {name}"
        elif before[name] != value:
            yield f"~ {what} {name}"


def _parameters(before: Bank, after: Bank) -> Iterator[str]:
    for name in {**before.rows, **after.rows}:
        a, b = before.rows.get(name), after.rows.get(name)
        if a == b:
            continue
        if a is None or b is None:
            yield f"{'+' if a is None else '-'} parameters of {name}"
            continue
        changed = [key for key in {**a, **b} if a.get(key) != b.get(key)]
        said = ", ".join(f"{key} {_short(a.get(key))} -> {_short(b.get(key))}" for key in changed)
        yield f"~ parameters of {name}: {said}"


def _order(before: Bank, after: Bank) -> Iterator[str]:
    shared = [name for name in before.by_id if name in after.by_id]
    if shared != [name for name in after.by_id if name in before.by_id]:
        yield "~ order of the items"


def _short(value: Any) -> str:
    if isinstance(value, tuple) and all(isinstance(v, str) for v in value):
        return ", ".join(value) or "none"
    said = str(value)
    return said if len(said) <= 80 else said[:77] + "..."
