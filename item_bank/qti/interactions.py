"""The interactions of QTI, from XML to what `item_bank.content` holds; `controls` writes them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from lxml import etree

from cat_engine.errors import InputError
from item_bank.content import (
    Area,
    Choice,
    GapMatch,
    Hotspot,
    Image,
    InlineChoice,
    Interaction,
    Match,
    Option,
    Order,
    Response,
    SelectPoint,
    TextEntry,
)
from item_bank.markup import to_html
from item_bank.qti.xml import Unsupported, attribute, children, local, refuse, whole

__all__ = [
    "INLINE",
    "NAMES",
    "QTI",
    "UNIT",
    "Reading",
    "area",
    "numbers",
    "read_interaction",
    "slot",
    "tag",
]

QTI = "http://www.imsglobal.org/xsd/imsqtiasi_v3p0"
UNIT = "acquis-unit"
"""Class of the element that shows the unit of a number entry, right behind it."""

INLINE = (InlineChoice, TextEntry)
"""What stands in a sentence."""

_PIXELS = re.compile(r"\s*([0-9]{1,6}(?:\.[0-9]+)?)\s*(?:px)?\s*\Z")
_WIDEST = 100_000
_SHAPES = {"rect": 4, "circle": 3, "ellipse": 4, "poly": None, "default": 0}


@dataclass(frozen=True, slots=True)
class Reading:
    """What reading a part of an item needs to know.

    Attributes
    ----------
    where
        The file's name, for messages.
    picture
        From a picture's address to its name in the bank.
    size
        From a picture's name to its width and height, where they are known.
    ours
        Whether we wrote the file.
    """

    where: str
    picture: Callable[[str], str]
    size: Callable[[str], tuple[int, int] | None] = lambda name: None
    ours: bool = False

    def html(self, element: etree._Element) -> str:
        """Return the content of `element` as canonical HTML, its pictures by their names in the bank."""
        for image in element.iter("{*}img"):
            if image.get("src"):
                image.set("src", self.picture(image.get("src")))
        try:
            return to_html(element)
        except InputError as error:
            refuse(self.where, element.sourceline, str(error))


def tag(name: str) -> str:
    """Return the qualified name of a QTI 3 element."""
    return f"{{{QTI}}}qti-{name}"


def numbers(text: str, where: str, line: int | None) -> tuple[float, ...]:
    """Return comma- or blank-separated coordinates."""
    try:
        found = tuple(float(part) for part in text.replace(",", " ").split())
        if not all(abs(value) < 1e9 for value in found):
            raise ValueError
    except ValueError:
        refuse(where, line, f"expected coordinates as numbers, got '{text[:60]}'; correct them")
    return found


def area(element: etree._Element, name: str, where: str) -> Area:
    """Return the area that the attributes ``shape`` and ``coords`` say."""
    shape = element.get("shape") or "rect"
    coords = numbers(element.get("coords") or "", where, element.sourceline)
    if shape not in _SHAPES:
        refuse(where, element.sourceline, f"expected a shape among {', '.join(_SHAPES)}, got '{shape[:20]}'")
    expected = _SHAPES[shape]
    whole_polygon = shape == "poly" and len(coords) >= 6 and len(coords) % 2 == 0
    if not whole_polygon and len(coords) != expected and shape != "default":
        refuse(where, element.sourceline, f"a {shape} with {len(coords)} coordinates; correct them")
    if shape == "ellipse" and min(coords[2:]) <= 0.0:
        refuse(where, element.sourceline, "an ellipse without an extent; correct its coordinates")
    label = element.get("hotspot-label") or element.get("aria-label") or ""
    return Area(name, shape, coords if shape != "default" else (), label)


# Reading.


def read_interaction(element: etree._Element, response: Response, reading: Reading) -> Interaction:
    """Return the interaction of `element`.

    Raises
    ------
    Unsupported
        An interaction that is none of ours, or a use of one that is.
    InputError
        Something that no reader could make sense of (two options of one identifier, ...).
    """
    name = local(element)
    if name not in _READERS:
        raise Unsupported(f"it uses <qti-{name}>, which is not supported", element.sourceline)
    reader, base_types = _READERS[name]
    if response.base_type not in base_types:
        raise Unsupported(f"its <qti-{name}> fills a '{response.base_type}'", element.sourceline)
    return reader(element, response, reading)


def _flag(element: etree._Element, name: str, default: bool = False) -> bool:
    return (element.get(name) or str(default)).lower() == "true"


def _prompt(element: etree._Element, reading: Reading) -> str:
    found = children(element, "prompt")
    return reading.html(found[0]) if found else ""


def _options(element: etree._Element, name: str, reading: Reading) -> tuple[Option, ...]:
    found: dict[str, Option] = {}
    for child in children(element, name):
        key = attribute(child, "identifier", reading.where)
        if key in found:
            refuse(reading.where, child.sourceline, f"the option '{key}' is there twice; rename one")
        html = reading.html(child)
        found[key] = Option(
            key,
            html,
            _flag(child, "fixed"),
            whole(child, "match-max", reading.where, 1),
        )
    if not found:
        refuse(reading.where, element.sourceline, f"expected a <qti-{name}>, got none; add options")
    return tuple(found.values())


def _at_most(element: etree._Element, name: str, response: Response, reading: Reading) -> int:
    """Return how many values may be given (0: any number); never fewer than the key holds."""
    maximum = whole(element, name, reading.where, 0)
    if response.cardinality == "single":
        return 1
    return 0 if maximum < len(response.correct) else maximum


def _choice(element: etree._Element, response: Response, reading: Reading) -> Choice:
    maximum = _at_most(element, "max-choices", response, reading)
    return Choice(
        _options(element, "simple-choice", reading),
        _prompt(element, reading),
        whole(element, "min-choices", reading.where, 0),
        maximum,
        _flag(element, "shuffle"),
    )


def _order(element: etree._Element, response: Response, reading: Reading) -> Order:
    options = _options(element, "simple-choice", reading)
    bounds = {whole(element, name, reading.where, 0) for name in ("max-choices", "min-choices")}
    if bounds - {0, len(options)}:
        raise Unsupported("it orders a part of its options only", element.sourceline)
    return Order(options, _prompt(element, reading), _flag(element, "shuffle"))


def _match(element: etree._Element, response: Response, reading: Reading) -> Match:
    sets = children(element, "simple-match-set")
    if len(sets) != 2:
        refuse(reading.where, element.sourceline, f"expected two sets to match, got {len(sets)}")
    rows, columns = (_options(one, "simple-associable-choice", reading) for one in sets)
    lowest = whole(element, "min-associations", reading.where, len(rows) if reading.ours else 0)
    each = all(
        whole(row, "match-min", reading.where, 0) > 0 for row in children(sets[0], "simple-associable-choice")
    )
    return Match(
        rows,
        columns,
        _prompt(element, reading),
        _at_most(element, "max-associations", response, reading),
        _flag(element, "shuffle"),
        blanks=not each and lowest < len(rows),
    )


def _inline_choice(element: etree._Element, response: Response, reading: Reading) -> InlineChoice:
    options = _options(element, "inline-choice", reading)
    return InlineChoice(options, element.get("label") or "", _flag(element, "shuffle"))


def _text_entry(element: etree._Element, response: Response, reading: Reading) -> TextEntry:
    after = element.getnext()
    unit = ""
    if after is not None and after.get("class") == UNIT and not (element.tail or "").strip():
        unit = "".join(after.itertext()).strip()
        element.tail = after.tail
        parent = after.getparent()
        after.tail = None
        parent.remove(after)
    if _flag(element, "multiline"):
        raise Unsupported("it wants a text of several lines", element.sourceline)
    return TextEntry(
        element.get("label") or element.get("aria-label") or "",
        whole(element, "expected-length", reading.where, 20) or 20,
        unit,
        element.get("pattern-mask") or "",
    )


def _image(element: etree._Element, reading: Reading) -> Image:
    found = next(iter(element.iter("{*}img")), None)
    if found is None:
        raise Unsupported("its picture is not an <img>", element.sourceline)
    name = reading.picture(attribute(found, "src", reading.where))
    said = [_PIXELS.match(found.get(side) or "") for side in ("width", "height")]
    known = reading.size(name)
    if all(said):
        width, height = (round(float(side[1])) for side in said if side)
    elif known:
        width, height = known
    else:
        raise Unsupported("its picture does not say its size", found.sourceline)
    if not (0 < width <= _WIDEST and 0 < height <= _WIDEST):
        raise Unsupported(f"its picture is {width} by {height}", found.sourceline)
    return Image(name, width, height, found.get("alt") or "")


def _hotspot(element: etree._Element, response: Response, reading: Reading) -> Hotspot:
    areas: dict[str, Area] = {}
    for child in children(element, "hotspot-choice"):
        key = attribute(child, "identifier", reading.where)
        if key in areas:
            refuse(reading.where, child.sourceline, f"the area '{key}' is there twice; rename one")
        areas[key] = area(child, key, reading.where)
    if not areas:
        refuse(reading.where, element.sourceline, "expected a <qti-hotspot-choice>, got none; add areas")
    return Hotspot(
        _image(element, reading),
        tuple(areas.values()),
        _prompt(element, reading),
        _at_most(element, "max-choices", response, reading),
    )


def _select_point(element: etree._Element, response: Response, reading: Reading) -> SelectPoint:
    maximum = _at_most(element, "max-choices", response, reading)
    areas = len(response.mapping.areas) if response.mapping else 0
    return SelectPoint(
        _image(element, reading), _prompt(element, reading), maximum or max(1, len(response.correct), areas)
    )


def _gap_match(element: etree._Element, response: Response, reading: Reading) -> GapMatch:
    if children(element, "gap-img"):
        raise Unsupported("it puts pictures into gaps", element.sourceline)
    options = _options(element, "gap-text", reading)
    prompt = _prompt(element, reading)
    for child in children(element, "prompt", "gap-text"):
        element.remove(child)
    gaps: list[str] = []
    required = 0
    for gap in [found for found in element.iter() if isinstance(found.tag, str) and local(found) == "gap"]:
        key = attribute(gap, "identifier", reading.where)
        if key in gaps:
            refuse(reading.where, gap.sourceline, f"the gap '{key}' is there twice; rename one")
        gaps.append(key)
        required += _flag(gap, "required")
        slot(gap, key)
    lowest = whole(element, "min-associations", reading.where, len(gaps) if reading.ours else 0)
    blanks = max(required, lowest) < len(gaps)
    element.text = None
    html = reading.html(element).strip()
    return GapMatch(options, tuple(gaps), html, prompt, _flag(element, "shuffle"), blanks)


def slot(element: etree._Element, name: str) -> None:
    """Turn `element` into the slot called `name`, in place."""
    tail = element.tail
    for child in list(element):
        element.remove(child)
    element.attrib.clear()
    element.text, element.tail = None, tail
    element.tag = "slot"
    element.set("name", name)


_READERS: dict[str, tuple[Callable[[etree._Element, Response, Reading], Interaction], tuple[str, ...]]] = {
    "choice-interaction": (_choice, ("identifier",)),
    "order-interaction": (_order, ("identifier",)),
    "match-interaction": (_match, ("directedPair",)),
    "inline-choice-interaction": (_inline_choice, ("identifier",)),
    "text-entry-interaction": (_text_entry, ("string", "integer", "float")),
    "hotspot-interaction": (_hotspot, ("identifier",)),
    "select-point-interaction": (_select_point, ("point",)),
    "gap-match-interaction": (_gap_match, ("directedPair",)),
}
NAMES = tuple(_READERS)
"""Interactions that are supported, by their names without ``qti-``."""
