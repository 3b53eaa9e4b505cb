"""What a candidate may see of an item: no key, no rationale, no source, no parameters.

Order is drawn from the seed given (the sitting's), so that a reload shows the same.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from item_bank.content import (
    Choice,
    Content,
    GapMatch,
    Image,
    InlineChoice,
    Interaction,
    Item,
    Match,
    Option,
    Order,
    Stimulus,
    kind_of,
)
from item_bank.markup import text

__all__ = ["SLOT", "Slot", "View", "asked", "only", "pictures", "present", "redirected", "renamed", "slots"]

SLOT = re.compile(r'<slot name="([^"]+)"\s*(?:/>|></slot>)')
"""Where a control or a gap stands in canonical HTML."""

_SRC = re.compile(r'(<img\b[^>]*?\bsrc=")([^"]+)(")')


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


def renamed(view: View, name: Callable[[str], str]) -> View:
    """Return `view` with every picture under the name that `name` gives for its own."""
    return replace(
        view,
        parts=tuple(
            replace(part, interaction=_with(part.interaction, name))
            if isinstance(part, Slot)
            else redirected(part, name)
            for part in view.parts
        ),
        stimulus=None if view.stimulus is None else _with(view.stimulus, name),
    )


def pictures(item: Item, stimulus: Stimulus | None = None) -> dict[str, list[str]]:
    """Return the names of the pictures that `item` shows, by language, each once."""
    found: dict[str, dict[str, None]] = {}
    for language in item.versions:
        names = found.setdefault(language, {})
        seen = present(item, language, b"", None if stimulus is None else only(stimulus, language))
        renamed(seen, lambda name, names=names: names.setdefault(name) or name)  # type: ignore[misc]
    return {language: list(names) for language, names in found.items()}


def only(stimulus: Stimulus, language: str) -> Stimulus:
    """Return a stimulus in one language; in its original one where it has no version in `language`."""
    spoken = language if language in stimulus.title else next(iter(stimulus.title), language)
    image = stimulus.image.get(spoken)
    return Stimulus(
        stimulus.id,
        {language: stimulus.title.get(spoken, "")},
        {language: stimulus.html.get(spoken, "")},
        {language: image} if image else {},
    )


def _with(shown: Any, name: Callable[[str], str]) -> Any:
    """Return an interaction, an option or a stimulus with its pictures renamed."""
    changed: dict[str, Any] = {}
    for one in fields(shown):
        held = getattr(shown, one.name)
        if isinstance(held, Image):
            changed[one.name] = replace(held, name=name(held.name))
        elif one.name in ("prompt", "html") and isinstance(held, str):
            changed[one.name] = redirected(held, name)
        elif one.name in ("options", "rows", "columns"):
            changed[one.name] = tuple(_with(option, name) for option in held)
        elif one.name in ("html", "image") and isinstance(held, Mapping):
            changed[one.name] = {
                key: redirected(part, name) if isinstance(part, str) else replace(part, name=name(part.name))
                for key, part in held.items()
            }
    return replace(shown, **changed)


def redirected(markup: str, name: Callable[[str], str]) -> str:
    """Return canonical HTML with every picture under the address that `name` gives for its name."""
    return _SRC.sub(lambda found: found[1] + name(found[2]) + found[3], markup)


def asked(content: Content) -> str:
    """Return what an item says before its options, as plain text: its body, prompts, texts with gaps."""
    controls = content.interactions.values()
    parts = [content.body, *(getattr(c, "prompt", "") for c in controls)]
    parts += [getattr(c, "html", "") for c in controls]
    return "\n".join(said for said in map(text, parts) if said)


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
