"""What an item is: its content in each language, its key, and what must be known about it.

The shapes follow QTI 3 closely enough that a codec is a translation, but know nothing of XML. A body is
sanitised HTML in which ``<slot name="RESPONSE"></slot>`` marks where the interaction that fills the
response variable RESPONSE stands, so that any layout survives and inline controls stay in their sentence.

A response is ``{response: [values]}`` in QTI's value syntax: ``"B"`` (identifier), ``"r1 c2"`` (directed
pair), ``"72"`` (number or text), ``"102 113"`` (point).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any

__all__ = [
    "ACCESS",
    "FEATURES",
    "LATER",
    "Area",
    "Choice",
    "Content",
    "GapMatch",
    "Hotspot",
    "Image",
    "InlineChoice",
    "Interaction",
    "Item",
    "Mapped",
    "Match",
    "Node",
    "Option",
    "Order",
    "Outcome",
    "Response",
    "Rules",
    "SelectPoint",
    "Source",
    "Stimulus",
    "TextEntry",
    "kind_of",
    "stored",
]


LATER = MappingProxyType({"later": True})
"""Marks a field that came after banks had been published: at its default it has no part in their hash."""


ACCESS = ("textual", "visual", "auditory", "tactile", "color", "position", "orientation", "itemSize")
"""Access modes of 1EdTech AccessForAll 3.0 (``accessMode``): what an item asks of the senses and the hand."""

FEATURES = (
    "alternativeText",
    "longDescription",
    "transcript",
    "captions",
    "audioDescription",
    "signLanguage",
    "braille",
    "tactileGraphic",
    "largePrint",
    "highContrastDisplay",
    "readingOrder",
    "unlocked",
    "simplifiedLanguage",
    "glossary",
)
"""Accessibility features by the names of schema.org's ``accessibilityFeature`` and of AccessForAll 3.0."""


def stored(value: Any) -> Iterator[tuple[str, Any]]:
    """Return the fields of a content object that are stored: all but the `LATER` ones at their default."""
    for one in fields(value):
        held = getattr(value, one.name)
        if held != one.default or "later" not in one.metadata:
            yield one.name, held


@dataclass(frozen=True, slots=True)
class Option:
    """One thing to choose: an identifier and its sanitised HTML."""

    id: str
    html: str
    fixed: bool = False
    """Stays in its place when the others are shuffled."""
    match_max: int = 1
    """How many associations it may enter (match and gap match); 0: any number."""


@dataclass(frozen=True, slots=True)
class Image:
    """A picture by its name in the bank's media, its size in its own units, and its text alternative."""

    name: str
    width: int
    height: int
    alt: str


@dataclass(frozen=True, slots=True)
class Area:
    """A part of a picture: QTI shape (rect, circle, poly, ellipse, default) and coordinates."""

    id: str
    shape: str
    coords: tuple[float, ...]
    label: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """Single (``maximum == 1``) or multiple choice; ``maximum == 0`` means any number."""

    options: tuple[Option, ...]
    prompt: str = ""
    minimum: int = 0
    maximum: int = 1
    shuffle: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """Put the options in order."""

    options: tuple[Option, ...]
    prompt: str = ""
    shuffle: bool = True


@dataclass(frozen=True, slots=True)
class Match:
    """Give each row its column, or its columns (directed pairs "row column")."""

    rows: tuple[Option, ...]
    columns: tuple[Option, ...]
    prompt: str = ""
    maximum: int = 0
    shuffle: bool = False
    blanks: bool = field(default=False, metadata=LATER)
    """Rows may stay without a column."""


@dataclass(frozen=True, slots=True)
class InlineChoice:
    """A choice inside a sentence."""

    options: tuple[Option, ...]
    label: str = ""
    shuffle: bool = False


@dataclass(frozen=True, slots=True)
class TextEntry:
    """A word or a number to type; `pattern` is a hint for the control, never the key."""

    label: str = ""
    length: int = 20
    unit: str = ""
    pattern: str = ""


@dataclass(frozen=True, slots=True)
class Hotspot:
    """Choose areas of a picture."""

    image: Image
    areas: tuple[Area, ...]
    prompt: str = ""
    maximum: int = 1


@dataclass(frozen=True, slots=True)
class SelectPoint:
    """Point at places of a picture."""

    image: Image
    prompt: str = ""
    maximum: int = 1


@dataclass(frozen=True, slots=True)
class GapMatch:
    """Put texts into gaps (directed pairs "text gap"); the gaps stand in `html` as slots."""

    options: tuple[Option, ...]
    gaps: tuple[str, ...]
    html: str
    prompt: str = ""
    shuffle: bool = False
    blanks: bool = field(default=False, metadata=LATER)
    """Gaps may stay without a text."""


Interaction = Choice | Order | Match | InlineChoice | TextEntry | Hotspot | SelectPoint | GapMatch


def kind_of(control: Interaction) -> str:
    """Return the kind of a control: ``choice``, ``order``, ``inline_choice``, ..."""
    return re.sub(r"(?<!^)([A-Z])", r"_\1", type(control).__name__).lower()


@dataclass(frozen=True, slots=True)
class Mapped:
    """QTI mapping: what each value is worth, the worth of any other, and the bounds of the sum."""

    values: Mapping[str, float]
    default: float = 0.0
    lower: float | None = None
    upper: float | None = None
    areas: tuple[tuple[Area, float], ...] = ()
    caseless: tuple[str, ...] = ()
    """Entries of `values` (texts) that are compared without regard to upper and lower case."""


@dataclass(frozen=True, slots=True)
class Response:
    """A response variable: what it may hold and what is right.

    ``cardinality``: single, multiple, ordered. ``base_type``: identifier, pair, directedPair, string,
    integer, float, point.
    """

    cardinality: str
    base_type: str
    correct: tuple[str, ...] = ()
    mapping: Mapped | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """A rule or an expression of QTI response processing; its name is without ``qti-``."""

    name: str
    attributes: tuple[tuple[str, str], ...] = ()
    children: tuple[Node, ...] = ()
    text: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """An outcome variable that rules may set; `table` is a ``match-table`` or an ``interpolation-table``."""

    id: str
    cardinality: str = "single"
    base_type: str = "float"
    default: tuple[str, ...] = ()
    table: Node | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """Response processing that no template says; the outcome ``SCORE`` is the item's score."""

    outcomes: tuple[Outcome, ...]
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Content:
    """An item in one language.

    ``processing`` is ``match_correct`` (every response must equal its key: 1 or 0), ``map_response`` or
    ``map_response_point`` (the sum of the mapped values; a response without a mapping counts 1 when it
    equals its key), or ``rules`` (what `rules` says).
    """

    title: str
    body: str
    interactions: Mapping[str, Interaction]
    responses: Mapping[str, Response]
    processing: str = "match_correct"
    rationale: str = ""
    rules: Rules | None = None


@dataclass(frozen=True, slots=True)
class Stimulus:
    """What several items may share: a text, or a picture with its text alternative."""

    id: str
    title: Mapping[str, str]
    html: Mapping[str, str]
    image: Mapping[str, Image] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Source:
    """What the key rests on, and honestly how that was checked.

    ``checked`` is ``copy`` (a copy was read: where and when in `read`) or ``knowledge`` (to be verified).
    """

    text: str
    article: str = ""
    date: str = ""
    says: str = ""
    checked: str = "knowledge"
    read: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """An item of a bank.

    Attributes
    ----------
    versions
        Content by language code; the first is the original. All share the same response identifiers.
    scores
        The worth of each category, ascending from category 0; ``len(scores)`` categories.
    access
        What a person must be able to do to answer it (`ACCESS`); none is said where it is empty.
    features
        What it offers to those who need it (`FEATURES`).
    """

    id: str
    versions: Mapping[str, Content]
    scores: tuple[float, ...] = (0.0, 1.0)
    domain: str = ""
    skill: str = ""
    stimulus: str = ""
    enemies: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    profession: str = ""
    grade: int | None = None
    source: Source | None = None
    authors: tuple[str, ...] = ()
    status: str = "draft"
    expires: str = ""
    access: tuple[str, ...] = field(default=(), metadata=LATER)
    features: tuple[str, ...] = field(default=(), metadata=LATER)

    @property
    def n_cat(self) -> int:
        """Number of response categories."""
        return len(self.scores)
