"""A bank: items with what stands around them, and the hash that says which content it is.

The content is everything that decides what a candidate sees, how an answer is scored and what an item is
said to measure. Two banks with the same content hash are the same to the last letter.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any

from cat_engine.errors import InputError
from item_bank.canonical import canonical
from item_bank.content import ACCESS, FEATURES, Item, Stimulus, kind_of, stored
from item_bank.framework import Framework
from item_bank.render import pictures

__all__ = ["ELIGIBLE", "STATUSES", "Bank", "document", "has_expired"]

STATUSES = ("draft", "in_review", "pilot", "provisional", "operational", "retired")
"""The life of an item, in order."""

ELIGIBLE = ("provisional", "operational")
"""What may be served and scored."""


@dataclass(frozen=True)
class Bank:
    """Items, stimuli, framework, pictures and parameters.

    Attributes
    ----------
    items
        In canonical order: the order of the parameters' pool.
    media
        Bytes by name.
    parameters
        Rows of the parameter file (``acquis/item-parameters/1``), each with its provenance: ``calibration``
        (what estimated it), ``date``, ``scale``, ``n`` and ``se``; ``flags`` holds ``provisional`` where
        nothing was estimated.
    """

    items: tuple[Item, ...]
    stimuli: Mapping[str, Stimulus] = field(default_factory=dict)
    framework: Framework = field(default_factory=Framework)
    media: Mapping[str, bytes] = field(default_factory=dict)
    parameters: tuple[Mapping[str, Any], ...] = ()

    def __post_init__(self) -> None:
        """Refuse two items of one identifier: everything else finds items by it."""
        seen: set[str] = set()
        for item in self.items:
            if item.id in seen:
                raise InputError(
                    f"expected each item identifier once, got '{item.id}' twice in the bank; rename one"
                )
            seen.add(item.id)

    @cached_property
    def by_id(self) -> dict[str, Item]:
        """The items by identifier."""
        return {item.id: item for item in self.items}

    @cached_property
    def rows(self) -> dict[str, Mapping[str, Any]]:
        """The parameter rows by item identifier."""
        return {str(row["id"]): row for row in self.parameters}

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of the canonical content, in hexadecimal."""
        return hashlib.sha256(canonical(document(self))).hexdigest()

    @property
    def provisional(self) -> bool:
        """Whether an eligible item has provisional parameters, or none."""
        return any(
            item.id not in self.rows or "provisional" in self.rows[item.id].get("flags", ())
            for item in self.items
            if item.status in ELIGIBLE
        )

    def eligible(self, today: date) -> tuple[Item, ...]:
        """Return the items that may be served on `today`: by their status and their shelf life."""
        return tuple(i for i in self.items if i.status in ELIGIBLE and not has_expired(i, today))

    def attributes(self, items: Iterable[Item] | None = None) -> dict[str, list[str]]:
        """Return columns for the engine, one value an item, as in an item attribute file.

        ``item, domain, skill, form, stimulus, enemies, status, profession, grade, ai, picture``; enemies are
        parted by blanks, ``form`` is the kind of control (``several`` when they differ), ``ai`` and
        ``picture`` are ``yes`` or ``no``. So are ``needs_MODE`` and ``offers_FEATURE``, for every access mode
        and accessibility feature that an item says; ``accommodation`` says the same as labels that
        a design's pools for people with a need ask for: ``no-MODE`` for what an item that says its modes can
        do without, and its features.
        """
        chosen = self.items if items is None else tuple(items)
        return {
            "item": [i.id for i in chosen],
            "domain": [i.domain for i in chosen],
            "skill": [i.skill for i in chosen],
            "form": [_form(i) for i in chosen],
            "stimulus": [i.stimulus for i in chosen],
            "enemies": [" ".join(i.enemies) for i in chosen],
            "status": [i.status for i in chosen],
            "profession": [i.profession for i in chosen],
            "grade": ["" if i.grade is None else str(i.grade) for i in chosen],
            "ai": ["yes" if "ai" in i.tags else "no" for i in chosen],
            "picture": ["yes" if self._shows_picture(i) else "no" for i in chosen],
            "accommodation": [" ".join(_suits(i)) for i in chosen],
            **{
                f"needs_{mode}": ["yes" if mode in i.access else "no" for i in chosen]
                for mode in ACCESS
                if any(mode in item.access for item in self.items)
            },
            **{
                f"offers_{feature}": ["yes" if feature in i.features else "no" for i in chosen]
                for feature in FEATURES
                if any(feature in item.features for item in self.items)
            },
        }

    def _shows_picture(self, item: Item) -> bool:
        """Whether who cannot see needs a text alternative: in the item, or in what it shares."""
        return any(pictures(item, self.stimuli.get(item.stimulus)).values())


def _suits(item: Item) -> list[str]:
    without = [f"no-{mode}" for mode in ACCESS if mode not in item.access] if item.access else []
    return [*without, *item.features]


def _form(item: Item) -> str:
    kinds = {
        kind_of(control) for content in item.versions.values() for control in content.interactions.values()
    }
    return kinds.pop() if len(kinds) == 1 else "several"


def has_expired(item: Item, today: date) -> bool:
    """Return whether the shelf life of `item` has ended: its last good day lies before `today`.

    Raises
    ------
    InputError
        A shelf life that is no date.
    """
    try:
        return bool(item.expires) and date.fromisoformat(item.expires) < today
    except ValueError:
        raise InputError(
            f"expected a shelf life like 2027-12-31, got '{item.expires}' for '{item.id}'; write a date"
        ) from None


def document(bank: Bank) -> dict[str, Any]:
    """Return the content of `bank` as plain values; pictures by their digest."""
    return {
        "items": [_fields(item) for item in bank.items],
        "stimuli": {name: _fields(stimulus) for name, stimulus in bank.stimuli.items()},
        "framework": bank.framework.tables(),
        "media": {name: hashlib.sha256(body).hexdigest() for name, body in bank.media.items()},
        "parameters": [dict(row) for row in bank.parameters],
    }


def _fields(value: Any) -> Any:
    """Return a content object as plain values; an interaction also says its kind, a mapping its order."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {"": type(value).__name__} | {name: _fields(held) for name, held in stored(value)}
    if isinstance(value, Mapping):
        return [[key, _fields(entry)] for key, entry in value.items()]
    if isinstance(value, list | tuple):
        return [_fields(entry) for entry in value]
    return value
