"""Blind readings of the demonstration bank: the sheet a reader sees, and how far the readers agree.

``python -m item_bank.demo.reading sheet fr`` prints every item with nothing that gives its key away;
``sheet fr D1.1-02 D4.8-03`` prints these items alone, ``sheet fr unread`` those that lack two readings.
``record FILE`` takes a reader's answers into ``review/readings.csv``, in the place of what the same reader
said of the same items before, and stamps each with a fingerprint of the text that was read: when an item
changes, its readings no longer count. ``agreement`` compares the readings that count with the keys.

An answer is written as its form asks: ``B`` (one), ``A C`` (several), ``C A B D`` (an order), ``a=1 b=2``
(rows to columns), ``g1=A g2=C`` (gaps), ``72`` (a number).
"""

from __future__ import annotations

import csv
import hashlib
import html
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from cat_engine.errors import InputError
from item_bank.content import Choice, Hotspot, InlineChoice, Item, Match, Option, Order, TextEntry
from item_bank.demo import FOLDER, DemoBank, load
from item_bank.demo.ratings import disagreement
from item_bank.scoring import category

__all__ = [
    "READERS",
    "READINGS",
    "Reading",
    "agreement",
    "current",
    "fingerprint",
    "read_answers",
    "record",
    "response_of",
    "sheet",
    "unread",
]

READINGS = FOLDER / "review" / "readings.csv"
READERS = 2
"""How many blind readings an item must have."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One reader's answer to one item, made without sight of the key."""

    item: str
    reader: str
    language: str
    answer: str
    grade: int
    remark: str = ""
    text: str = ""
    """Fingerprint of the item's text as it was read (:func:`fingerprint`)."""


def sheet(bank: DemoBank, language: str, only: Container[str] | None = None) -> Iterator[str]:
    """Yield the lines of a reading sheet in `language`, keys hidden: of all items, or of those in `only`."""
    shown: set[str] = set()
    for item in bank.items:
        if only is not None and item.id not in only:
            continue
        if item.stimulus and item.stimulus not in shown:
            shown.add(item.stimulus)
            stimulus = bank.stimuli[item.stimulus]
            yield f"== {stimulus.id}: {stimulus.title[language]}"
            yield _plain(stimulus.html[language])
            if language in stimulus.image:
                yield f"(picture) {stimulus.image[language].alt}"
        yield f"\n## {item.id}" + (f"   [{item.stimulus}]" if item.stimulus else "")
        content = item.versions[language]
        yield _plain(
            re.sub(r'<slot name="(\w+)"></slot>', r"[[\1]]", content.body.replace('"RESPONSE"', '""'))
        )
        for name, interaction in content.interactions.items():
            match interaction:
                case Choice():
                    yield (
                        "(choose one)"
                        if interaction.maximum == 1
                        else "(choose all that apply, or as many as asked)"
                    )
                    yield from _listed(interaction.options)
                case Order():
                    yield "(put in order)"
                    yield from _listed(interaction.options)
                case Match():
                    yield "(one column for each row)"
                    yield from _listed(interaction.rows)
                    yield "  -> " + " | ".join(f"{o.id}: {_plain(o.html)}" for o in interaction.columns)
                case InlineChoice():
                    yield f"{name}: " + " | ".join(f"{o.id}: {_plain(o.html)}" for o in interaction.options)
                case TextEntry():
                    yield f"(a whole number) {interaction.unit}"
                case Hotspot():
                    yield "(choose one area)"
                    yield from (f"  {area.id}. {area.label}" for area in interaction.areas)


def _listed(options: Sequence[Option]) -> Iterator[str]:
    return (f"  {option.id}. {_plain(option.html)}" for option in options)


def _plain(text: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", text.replace("</p>", "\n"))).strip()


def fingerprint(bank: DemoBank, item: str, language: str) -> str:
    """Return a short mark of what a reader of `item` sees; spaces, punctuation and capitals do not count."""
    seen = " ".join(re.findall(r"\w+", " ".join(sheet(bank, language, {item})))).casefold()
    return hashlib.sha256(seen.encode()).hexdigest()[:10]


def current(bank: DemoBank, readings: Sequence[Reading]) -> list[Reading]:
    """Return the readings whose item still says what was read."""
    known = {item.id for item in bank.items}
    return [
        reading
        for reading in readings
        if reading.item in known and reading.text == fingerprint(bank, reading.item, reading.language)
    ]


def unread(bank: DemoBank, readings: Sequence[Reading]) -> list[str]:
    """Return the items that fewer than :data:`READERS` readers have read as they stand, in order."""
    readers: defaultdict[str, set[str]] = defaultdict(set)
    for reading in current(bank, readings):
        readers[reading.item].add(reading.reader)
    return [item.id for item in bank.items if len(readers[item.id]) < READERS]


def record(bank: DemoBank, given: Sequence[Reading], path: Path = READINGS) -> int:
    """Write `given` into `path`, stamped with the text as it stands; return how many rows replace older ones.

    Raises
    ------
    InputError
        When a row names no item of the bank.
    """
    order = {item.id: place for place, item in enumerate(bank.items)}
    strange = [reading.item for reading in given if reading.item not in order]
    if strange:
        raise InputError(
            f"expected items of the bank, got '{strange[0]}' in the readings; mend or drop that row"
        )
    rows = {(r.item, r.reader): r for r in read_answers(path)} if path.exists() else {}
    fresh = {(r.item, r.reader): replace(r, text=fingerprint(bank, r.item, r.language)) for r in given}
    replaced = len(rows.keys() & fresh.keys())
    rows.update(fresh)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Reading)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            asdict(row) for row in sorted(rows.values(), key=lambda r: (r.reader, order.get(r.item, -1)))
        )
    return replaced


def read_answers(path: Path = READINGS) -> list[Reading]:
    """Read ``item,reader,language,answer,grade,remark`` rows, and the ``text`` column where there is one."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Reading(
                row["item"],
                row["reader"],
                row["language"],
                row["answer"],
                int(row["grade"]),
                row["remark"] or "",
                row.get("text") or "",
            )
            for row in csv.DictReader(file)
        ]


def response_of(item: Item, answer: str, language: str) -> Mapping[str, list[str]]:
    """Return the response that a written answer stands for."""
    content = item.versions[language]
    words = answer.replace(",", " ").split()
    name, interaction = next(iter(content.interactions.items()))
    match interaction:
        case InlineChoice():
            return {gap: [value] for gap, _, value in (word.partition("=") for word in words)}
        case Match():
            return {name: [word.replace("=", " ") for word in words]}
        case TextEntry():
            return {name: ["".join(words)]}
        case _:
            return {name: words}


def agreement(bank: DemoBank, readings: Sequence[Reading]) -> Iterator[str]:
    """Yield the lines of a report on the readings that count: agreement with the key, and with each other."""
    items = {item.id: item for item in bank.items}
    for reading in readings:
        if reading.item not in items:
            raise InputError(
                f"expected an item of the bank, got '{reading.item}' in the readings; mend or drop that row"
            )
    counted = current(bank, readings)
    right: Counter[tuple[str, str]] = Counter()
    seen: Counter[tuple[str, str]] = Counter()
    apart: list[str] = []
    for reading in counted:
        item = items[reading.item]
        full = category(item, response_of(item, reading.answer, reading.language), reading.language)
        agrees = full == item.n_cat - 1
        for place in (item.domain, "all"):
            seen[reading.reader, place] += 1
            right[reading.reader, place] += agrees
        if not agrees:
            apart.append(f"  {reading.item} ({reading.reader}): {reading.answer}  {reading.remark}".rstrip())
    for reader in sorted({reader for reader, _ in seen}):
        parts = [
            f"{place} {right[reader, place]}/{count}" for (who, place), count in seen.items() if who == reader
        ]
        yield f"{reader}: " + ", ".join(sorted(parts))
    waiting = unread(bank, readings)
    yield f"items read {READERS} times as they stand: {len(items) - len(waiting)} of {len(items)}"
    if waiting:
        yield f"to be read (again): {', '.join(waiting)}"
    yield from _grades(bank, counted)
    checked = Counter(item.source.checked for item in bank.items if item.source)
    yield f"sources: {checked['copy']} items from a copy read, {checked['knowledge']} from knowledge"
    if apart:
        yield "answers that differ from the key:"
        yield from apart


def _grades(bank: DemoBank, readings: Sequence[Reading]) -> Iterator[str]:
    ratings = {item.id: [item.grade or 3] for item in bank.items}
    by_reader: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for reading in readings:
        by_reader[reading.reader].append((ratings[reading.item][0], reading.grade))
    for reader, pairs in sorted(by_reader.items()):
        same = sum(a == b for a, b in pairs)
        near = sum(abs(a - b) <= 1 for a, b in pairs)
        apart = sum(b - a for a, b in pairs) / len(pairs)
        yield (
            f"difficulty, {reader}: {same} of {len(pairs)} on the author's grade, {near} within one, "
            f"{apart:+.2f} grades from the author on average"
        )
    for reading in readings:
        ratings[reading.item].append(reading.grade)
    if readings:
        yield f"variance between raters of one item: {disagreement(ratings.values()):.2f}"


def main(words: Sequence[str]) -> int:
    """Print a sheet or the agreement, or take readings in."""
    bank = load()
    match list(words):
        case ["sheet", ("fr" | "en") as language]:
            lines = sheet(bank, language)
        case ["sheet", ("fr" | "en") as language, "unread"]:
            lines = sheet(bank, language, set(unread(bank, read_answers())))
        case ["sheet", ("fr" | "en") as language, *only]:
            lines = sheet(bank, language, set(only))
        case ["agreement"]:
            lines = agreement(bank, read_answers())
        case ["record", path]:
            given = read_answers(Path(path))
            replaced = record(bank, given)
            lines = iter([f"{len(given)} readings taken in, {replaced} in the place of older ones"])
        case _:
            print(
                "usage: python -m item_bank.demo.reading sheet fr|en [unread | ITEM ...] "
                "| record FILE | agreement",
                file=sys.stderr,
            )
            return 2
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
