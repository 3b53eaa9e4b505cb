"""What a candidate may see of an item: no key, no rationale, no source, no parameters.

Order is drawn from the seed given (the sitting's), so that a reload shows the same.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from item_bank.content import (
    Choice,
    Content,
    GapMatch,
    InlineChoice,
    Interaction,
    Item,
    Match,
    Option,
    Order,
    Stimulus,
    kind_of,
)

__all__ = ["SLOT", "Slot", "View", "present", "slots"]

SLOT = re.compile(r'<slot name="([^"]+)"\s*(?:/>|></slot>)')
"""Where a control or a gap stands in canonical HTML."""


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a control stands: its response identifier, its kind (``choice``, ``order``, ...), itself."""

    response: str
    kind: str
    interaction: Interaction


@dataclass(frozen=True, slots=True)
class View:
    """An item as shown: HTML pieces and controls in reading order."""

    language: str
    title: str
    parts: tuple[str | Slot, ...]
    stimulus: Stimulus | None


def slots(markup: str) -> list[str]:
    """Return the names of the slots in `markup`, in reading order."""
    return SLOT.findall(markup)


def present(item: Item, language: str, seed: bytes, stimulus: Stimulus | None = None) -> View:
    """Return `item` as a candidate sees it in `language`.

    Parameters
    ----------
    seed
        Bytes that belong to one serving (sitting and position); they shuffle what may be shuffled.
    """
    content = item.versions[language]
    return View(language, content.title, tuple(_parts(content, seed)), stimulus)


def _parts(content: Content, seed: bytes) -> Iterator[str | Slot]:
    pieces = SLOT.split(content.body)
    for index, piece in enumerate(pieces):
        if index % 2:
            interaction = _shuffled(content.interactions[piece], seed + piece.encode())
            yield Slot(piece, kind_of(interaction), interaction)
        elif piece:
            yield piece


def _shuffled(interaction: Interaction, seed: bytes) -> Interaction:
    match interaction:
        case Choice() | Order() | InlineChoice() | GapMatch() if interaction.shuffle:
            return replace(interaction, options=_permuted(interaction.options, seed))
        case Match() if interaction.shuffle:
            return replace(interaction, rows=_permuted(interaction.rows, seed))
        case _:
            return interaction


def _permuted(options: Sequence[Option], seed: bytes) -> tuple[Option, ...]:
    """Shuffle all but the fixed options, by the order of a hash of seed and identifier."""
    free = [option for option in options if not option.fixed]
    free.sort(key=lambda option: hashlib.sha256(seed + b"\0" + option.id.encode()).digest())
    return tuple(option if option.fixed else free.pop(0) for option in options)
