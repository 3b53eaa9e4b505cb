"""What QTI has no place for: ``acquis/bank.json`` in a package (``acquis/bank/1``).

Domain, skill, enemies, source, status, categories, framework, parameters, and the order of it all. Read with
the same distrust as the rest of a package: every value is checked before it is used.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from cat_engine.errors import InputError
from item_bank.bank import Bank
from item_bank.content import Content, Item, Source
from item_bank.framework import Framework
from item_bank.markup import printable

__all__ = ["NAME", "SCHEMA", "Record", "item_of", "read_record", "write_record"]

NAME = "acquis/bank.json"
SCHEMA = "acquis/bank/1"

_TEXTS = ("domain", "skill", "stimulus", "profession", "status", "expires")
_LISTS = ("enemies", "tags", "authors", "access", "features")
_SOURCE = ("text", "article", "date", "says", "checked", "read")


@dataclass(frozen=True, slots=True)
class Record:
    """A checked record: plain values, every one of the type that its name promises."""

    items: list[dict[str, Any]]
    stimuli: list[dict[str, Any]]
    media: list[str]
    framework: Framework
    parameters: tuple[Mapping[str, Any], ...]


def write_record(
    bank: Bank, item_files: Mapping[str, Mapping[str, str]], stimulus_files: Mapping[str, Mapping[str, str]]
) -> bytes:
    """Return the record of `bank`; the files say where each language version stands in the package."""
    items = [
        {
            "id": item.id,
            "files": dict(item_files[item.id]),
            "scores": list(item.scores),
            "grade": item.grade,
            "source": None if item.source is None else asdict(item.source),
            **{name: getattr(item, name) for name in _TEXTS},
            **{name: list(getattr(item, name)) for name in _LISTS},
        }
        for item in bank.items
    ]
    content = {
        "schema": SCHEMA,
        "items": items,
        "stimuli": [{"id": name, "files": dict(stimulus_files[name])} for name in bank.stimuli],
        "media": list(bank.media),
        "framework": bank.framework.tables(),
        "parameters": [dict(row) for row in bank.parameters],
    }
    return json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False).encode() + b"\n"


def read_record(data: bytes, where: str) -> Record:
    """Return a checked record.

    Raises
    ------
    InputError
        No JSON, another schema, or a value of another type than its name promises.
    """
    try:
        content = json.loads(data, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: expected JSON, got something else ({error}); write it anew") from None
    if _unprintable(content):
        raise InputError(f"{where}: expected texts without control characters; remove them")
    top = _Reader(where, "").mapping(content)
    schema = top.get("schema")
    if schema != SCHEMA:
        raise InputError(f"{where}: expected schema '{SCHEMA}', got {str(schema)[:40]!r}; write it anew")
    read = _Reader(where, "items")
    items = [_item(read, row) for row in read.sequence(top.get("items", []))]
    read = _Reader(where, "stimuli")
    stimuli = [
        {"id": read.text(row, "id"), "files": _files(read, row)}
        for row in map(read.mapping, read.sequence(top.get("stimuli", [])))
    ]
    read = _Reader(where, "media")
    media = [read.plain(name) for name in read.sequence(top.get("media", []))]
    return Record(items, stimuli, media, _framework(top, where), _parameters(top, where))


def item_of(row: Mapping[str, Any], versions: Mapping[str, Content]) -> Item:
    """Return the item of a checked row of the record with its content."""
    source = None if row["source"] is None else Source(**row["source"])
    texts: dict[str, Any] = {name: row[name] for name in _TEXTS}
    lists: dict[str, Any] = {name: tuple(row[name]) for name in _LISTS}
    return Item(
        id=row["id"],
        versions=versions,
        scores=tuple(row["scores"]),
        grade=row["grade"],
        source=source,
        **texts,
        **lists,
    )


class _Reader:
    """Checks types, and says where a value is wrong."""

    def __init__(self, where: str, part: str) -> None:
        self.where = where
        self.part = part

    def fail(self, expected: str, got: object) -> InputError:
        return InputError(
            f"{self.where}: expected {expected} in '{self.part}', got {str(got)[:60]!r}; correct it"
        )

    def mapping(self, value: object) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.fail("an object", value)
        return value

    def sequence(self, value: object) -> list[Any]:
        if not isinstance(value, list):
            raise self.fail("a list", value)
        return value

    def plain(self, value: object) -> str:
        if not isinstance(value, str):
            raise self.fail("a text", value)
        return value

    def text(self, row: Mapping[str, Any], name: str, default: str | None = None) -> str:
        value = row.get(name, default)
        if not isinstance(value, str):
            raise self.fail(f"a text under '{name}'", value)
        return value

    def texts(self, row: Mapping[str, Any], name: str) -> list[str]:
        return [self.plain(value) for value in self.sequence(row.get(name, []))]


def _item(read: _Reader, value: object) -> dict[str, Any]:
    row = read.mapping(value)
    grade = row.get("grade")
    if grade is not None and (isinstance(grade, bool) or not isinstance(grade, int)):
        raise read.fail("a whole number under 'grade'", grade)
    scores = read.sequence(row.get("scores", [0.0, 1.0]))
    numeric = all(isinstance(x, int | float) and not isinstance(x, bool) for x in scores)
    if not numeric or len(scores) < 2 or scores != sorted(set(scores)) or len(scores) > 127:
        raise read.fail("ascending numbers under 'scores'", scores)
    source = row.get("source")
    if source is not None:
        source = {name: read.text(read.mapping(source), name, "") for name in _SOURCE}
    return {
        "id": read.text(row, "id"),
        "files": _files(read, row),
        "scores": [float(x) for x in scores],
        "grade": grade,
        "source": source,
        **{name: read.text(row, name, "") for name in _TEXTS},
        **{name: read.texts(row, name) for name in _LISTS},
    }


def _files(read: _Reader, row: Mapping[str, Any]) -> dict[str, str]:
    files = read.mapping(row.get("files"))
    for language in files:
        if not (language.isascii() and language.isalpha() and language.islower() and len(language) <= 8):
            raise read.fail("a language like 'fr' under 'files'", language)
    return {language: read.plain(name) for language, name in files.items()}


def _framework(top: Mapping[str, Any], where: str) -> Framework:
    read = _Reader(where, "framework")
    content = read.mapping(top.get("framework", {}))
    head = read.mapping(content.get("framework", {}))
    domains = [_flat(read, row) for row in read.sequence(content.get("domain", []))]
    skills = [_flat(read, row) for row in read.sequence(content.get("skill", []))]
    return Framework.from_tables(
        read.text(head, "id", ""), read.text(head, "version", ""), domains, skills, where
    )


def _flat(read: _Reader, value: object) -> dict[str, Any]:
    row = read.mapping(value)
    for key, entry in row.items():
        if not isinstance(entry, str | bool | int | float):
            raise read.fail(f"a plain value under '{key}'", entry)
    return row


def _parameters(top: Mapping[str, Any], where: str) -> tuple[Mapping[str, Any], ...]:
    read = _Reader(where, "parameters")
    rows = [read.mapping(row) for row in read.sequence(top.get("parameters", []))]
    seen: set[str] = set()
    for row in rows:
        name = read.text(row, "id")
        read.text(row, "model")
        read.texts(row, "flags")
        if name in seen:
            raise read.fail("each item once", name)
        seen.add(name)
    return tuple(rows)


def _unprintable(value: Any) -> bool:
    if isinstance(value, str):
        return printable(value) != value
    if isinstance(value, dict):
        return any(_unprintable(key) or _unprintable(entry) for key, entry in value.items())
    return isinstance(value, list) and any(_unprintable(entry) for entry in value)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")
