"""A published test, made ready for sittings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from api.catalogue.document import SCHEMA, content_hash, from_bytes, rebuilt
from api.sittings.timing import Rules
from cat_engine import session as engine
from cat_engine.design import Design
from cat_engine.pool import ItemPool
from cat_engine.session import AdaptiveTest
from item_bank.content import Item, Stimulus
from item_bank.render import pictures

__all__ = ["Level", "LiveTest", "Scale", "live", "rehearse"]


@dataclass(frozen=True, slots=True)
class Level:
    """A level of the framework: its code and its name by language."""

    code: str
    label: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Scale:
    """How theta is reported: ``origin + unit * theta``, rounded to whole points, kept within bounds."""

    name: str
    origin: float
    unit: float
    low: int
    high: int

    def points(self, theta: float) -> int:
        """Return `theta` in points."""
        return min(max(round(self.origin + self.unit * theta), self.low), self.high)

    def error(self, se: float) -> int:
        """Return a standard error in points, rounded up to be honest, and 1 at least."""
        return max(1, -int(-self.unit * se // 1))


@dataclass(frozen=True, slots=True, eq=False)
class LiveTest:
    """All that a sitting needs of a published test; shared, immutable.

    Attributes
    ----------
    id
        The row that holds it.
    items, index
        Content in the order of the pool, and each item's position in it.
    media
        Name of a picture -> its SHA-256 and media type.
    illustrated
        Items that show a picture.
    adaptive
        The engine's test on every item; `adaptive_for` has the one that a person with a need sits.
    """

    id: str
    code: str
    version: int
    content_hash: str
    title: Mapping[str, str]
    languages: tuple[str, ...]
    demonstration: bool
    rules: Rules
    design: Design
    adaptive: AdaptiveTest
    items: tuple[Item, ...]
    index: Mapping[str, int]
    stimuli: Mapping[str, Stimulus]
    media: Mapping[str, tuple[str, str]]
    illustrated: frozenset[str]
    levels: tuple[Level, ...]
    scale: Scale
    domains: Mapping[str, Mapping[str, Any]]
    valid_days: int
    _accommodated: dict[str, AdaptiveTest] = field(default_factory=dict, repr=False)

    def adaptive_for(self, need: str | None) -> AdaptiveTest:
        """Return the engine's test for a person with `need`, worked out once.

        Raises
        ------
        InputError
            Where the design does not offer the test for that need.
        """
        if need is None:
            return self.adaptive
        ready = self._accommodated.get(need)
        if ready is None:
            ready = self._accommodated.setdefault(need, self.adaptive.accommodated(need))
        return ready

    @property
    def needs(self) -> tuple[str | None, ...]:
        """None, for who needs nothing, and every need that the design offers the test for."""
        return (None, *self.design.accommodation.needs)

    def item(self, id: str) -> Item:
        """Return the item called `id`."""
        return self.items[self.index[id]]


def live(id: str, code: str, version: int, data: bytes) -> LiveTest:
    """Make the test in `data` (the bytes of a document) ready.

    Raises
    ------
    ValueError
        For a document of another schema.
    """
    document = from_bytes(data)
    if document["schema"] != SCHEMA:
        raise ValueError(f"expected a test document {SCHEMA}, got {document['schema']}")
    items: tuple[Item, ...] = rebuilt(document["items"])
    design = Design.from_mapping(document["design"])
    pool = ItemPool.from_rows(document["parameters"])
    stimuli: dict[str, Stimulus] = rebuilt(document["stimuli"])
    return LiveTest(
        id=id,
        code=code,
        version=version,
        content_hash=content_hash(data),
        title=document["title"],
        languages=tuple(document["languages"]),
        demonstration=document["demonstration"],
        rules=Rules.from_mapping(document["time"]),
        design=design,
        adaptive=AdaptiveTest.prepare(pool, design, document["attributes"]),
        items=items,
        index={item.id: i for i, item in enumerate(items)},
        stimuli=stimuli,
        media={name: (entry[0], entry[1]) for name, entry in document["media"].items()},
        illustrated=frozenset(
            item.id for item in items if any(pictures(item, stimuli.get(item.stimulus)).values())
        ),
        levels=tuple(Level(level["code"], level["label"]) for level in document["levels"]),
        scale=Scale(**document["scale"]),
        domains=document["domains"],
        valid_days=document["valid_days"],
    )


def rehearse(test: LiveTest) -> None:
    """Go through the first steps of a sitting and its end: compiled code is loaded before it counts.

    So are the items that suit each need: nobody waits because of one.
    """
    for adaptive in map(test.adaptive_for, test.needs):
        state = engine.start(adaptive, seed=bytes(16))
        for category in (0, 1, 0):  # a shadow test that is bettered needs other code than the first one
            step = engine.next_item(adaptive, state)
            if not isinstance(step, engine.Serve):
                break
            state = engine.served(adaptive, state, step.item, step.assembled)
            state = engine.answered(adaptive, state, step.item, category)
        engine.conclude(adaptive, state, "rehearsed")
