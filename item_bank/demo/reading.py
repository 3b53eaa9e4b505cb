"""Blind readings of the demonstration bank: the sheet a reader sees, and how far the readers agree.

``python -m item_bank.demo.reading sheet fr`` prints every item with nothing that gives its key away;
``python -m item_bank.demo.reading agreement`` compares ``review/readings.csv`` with the keys.

An answer is written as its form asks: ``B`` (one), ``A C`` (several), ``C A B D`` (an order), ``a=1 b=2``
(rows to columns), ``g1=A g2=C`` (gaps), ``72`` (a number).
"""

from __future__ import annotations

import csv
import html
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cat_engine.errors import InputError
from item_bank.content import Choice, Hotspot, InlineChoice, Item, Match, Option, Order, TextEntry
from item_bank.demo import FOLDER, DemoBank, load
from item_bank.scoring import category

__all__ = ["Reading", "agreement", "read_answers", "response_of", "sheet"]

READINGS = FOLDER / "review" / "readings.csv"


@dataclass(frozen=True, slots=True)
class Reading:
    """One reader's answer to one item, made without sight of the key."""

    item: str
    reader: str
    language: str
    answer: str
    grade: int
    remark: str = ""


def sheet(bank: DemoBank, language: str) -> Iterator[str]:
    """Yield the lines of a reading sheet in `language`: stimuli and items, keys hidden."""
    shown: set[str] = set()
    for item in bank.items:
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


def read_answers(path: Path = READINGS) -> list[Reading]:
    """Read ``item,reader,language,answer,grade,remark`` rows."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Reading(
                row["item"],
                row["reader"],
                row["language"],
                row["answer"],
                int(row["grade"]),
                row["remark"] or "",
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
    """Yield the lines of a report: agreement with the key by reader and domain, and each disagreement."""
    items = {item.id: item for item in bank.items}
    right: Counter[tuple[str, str]] = Counter()
    seen: Counter[tuple[str, str]] = Counter()
    apart: list[str] = []
    grades: list[tuple[int, int]] = []
    for reading in readings:
        item = items.get(reading.item)
        if item is None:
            raise InputError(
                f"expected an item of the bank, got '{reading.item}' in the readings; mend or drop that row"
            )
        full = category(item, response_of(item, reading.answer, reading.language), reading.language)
        agrees = full == item.n_cat - 1
        for place in (item.domain, "all"):
            seen[reading.reader, place] += 1
            right[reading.reader, place] += agrees
        grades.append((item.grade or 0, reading.grade))
        if not agrees:
            apart.append(f"  {reading.item} ({reading.reader}): {reading.answer}  {reading.remark}".rstrip())
    for reader in sorted({reader for reader, _ in seen}):
        parts = [
            f"{place} {right[reader, place]}/{count}" for (who, place), count in seen.items() if who == reader
        ]
        yield f"{reader}: " + ", ".join(sorted(parts))
    unread = sorted(set(items) - {reading.item for reading in readings})
    if unread:
        yield f"not read: {', '.join(unread)}"
    if grades:
        near = sum(abs(a - b) <= 1 for a, b in grades)
        same = sum(a == b for a, b in grades)
        yield f"difficulty: {same} of {len(grades)} ratings on the author's grade, {near} within one grade"
    if apart:
        yield "answers that differ from the key:"
        yield from apart


def main(words: Sequence[str]) -> int:
    """Print a sheet or the agreement."""
    bank = load()
    match list(words):
        case ["sheet", ("fr" | "en") as language]:
            lines = sheet(bank, language)
        case ["agreement"]:
            lines = agreement(bank, read_answers())
        case _:
            print("usage: python -m item_bank.demo.reading sheet fr|en, or agreement", file=sys.stderr)
            return 2
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
