"""The interactions of QTI: from XML to what `item_bank.content` holds, and back; a pair of functions each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
from item_bank.markup import to_html, to_xml
from item_bank.qti.xml import Unsupported, attribute, children, local, refuse, whole

__all__ = [
    "INLINE",
    "NAMES",
    "UNIT",
    "Reading",
    "area",
    "graft",
    "numbers",
    "read_interaction",
    "slot",
    "spelled",
    "tag",
    "write_interaction",
]

QTI = "http://www.imsglobal.org/xsd/imsqtiasi_v3p0"
UNIT = "acquis-unit"
"""Class of the element that shows the unit of a number entry, right behind it."""

INLINE = (InlineChoice, TextEntry)
"""What stands in a sentence."""

_SHAPES = {"rect": 4, "circle": 3, "ellipse": 4, "poly": None, "default": 0}


@dataclass(frozen=True, slots=True)
class Reading:
    """What reading a part of an item needs to know: the file's name for messages, and its pictures' names."""

    where: str
    picture: Callable[[str], str]

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


def _choice(element: etree._Element, response: Response, reading: Reading) -> Choice:
    maximum = whole(element, "max-choices", reading.where, 1)
    if (maximum == 1) != (response.cardinality == "single"):
        maximum = 1 if response.cardinality == "single" else 0
    return Choice(
        _options(element, "simple-choice", reading),
        _prompt(element, reading),
        whole(element, "min-choices", reading.where, 0),
        maximum,
        _flag(element, "shuffle"),
    )


def _order(element: etree._Element, response: Response, reading: Reading) -> Order:
    options = _options(element, "simple-choice", reading)
    if element.get("max-choices") or element.get("min-choices"):
        raise Unsupported("it orders a part of its options only", element.sourceline)
    return Order(options, _prompt(element, reading), _flag(element, "shuffle"))


def _match(element: etree._Element, response: Response, reading: Reading) -> Match:
    sets = children(element, "simple-match-set")
    if len(sets) != 2:
        refuse(reading.where, element.sourceline, f"expected two sets to match, got {len(sets)}")
    rows, columns = (_options(one, "simple-associable-choice", reading) for one in sets)
    if any(row.match_max != 1 for row in rows):
        raise Unsupported("it gives a row several columns", element.sourceline)
    return Match(
        rows,
        columns,
        _prompt(element, reading),
        whole(element, "max-associations", reading.where, 1),
        _flag(element, "shuffle"),
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
        element.get("label") or "",
        whole(element, "expected-length", reading.where, 20),
        unit,
        element.get("pattern-mask") or "",
    )


def _image(element: etree._Element, reading: Reading) -> Image:
    found = next(iter(element.iter("{*}img")), None)
    if found is None:
        raise Unsupported("its picture is not an <img>", element.sourceline)
    return Image(
        reading.picture(attribute(found, "src", reading.where)),
        whole(found, "width", reading.where, 0),
        whole(found, "height", reading.where, 0),
        found.get("alt") or "",
    )


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
        whole(element, "max-choices", reading.where, 1),
    )


def _select_point(element: etree._Element, response: Response, reading: Reading) -> SelectPoint:
    return SelectPoint(
        _image(element, reading),
        _prompt(element, reading),
        whole(element, "max-choices", reading.where, 1),
    )


def _gap_match(element: etree._Element, response: Response, reading: Reading) -> GapMatch:
    if children(element, "gap-img"):
        raise Unsupported("it puts pictures into gaps", element.sourceline)
    options = _options(element, "gap-text", reading)
    prompt = _prompt(element, reading)
    for child in children(element, "prompt", "gap-text"):
        element.remove(child)
    gaps: list[str] = []
    for gap in [found for found in element.iter() if isinstance(found.tag, str) and local(found) == "gap"]:
        key = attribute(gap, "identifier", reading.where)
        if key in gaps:
            refuse(reading.where, gap.sourceline, f"the gap '{key}' is there twice; rename one")
        gaps.append(key)
        slot(gap, key)
    element.text = None
    return GapMatch(options, tuple(gaps), reading.html(element).strip(), prompt, _flag(element, "shuffle"))


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


# Writing.


def write_interaction(control: Interaction, name: str, path: Callable[[str], str]) -> list[etree._Element]:
    """Return the elements that stand for `control`, which fills the response variable `name`.

    Parameters
    ----------
    path
        From a picture's name in the bank to its address as seen from the item.
    """
    return _WRITERS[type(control)](control, name, path)


def graft(parent: etree._Element, markup: str, path: Callable[[str], str]) -> None:
    """Append canonical HTML to `parent`, its pictures by their addresses."""
    fragment = to_xml(markup)
    for element in fragment.iter():
        if element.tag == "img" and element.get("src"):
            element.set("src", path(element.get("src")))
        if element is not fragment and not str(element.tag).startswith("{"):
            element.tag = f"{{{QTI}}}{element.tag}"
    last = parent[-1] if len(parent) else None
    if fragment.text:
        if last is None:
            parent.text = (parent.text or "") + fragment.text
        else:
            last.tail = (last.tail or "") + fragment.text
    for child in list(fragment):
        parent.append(child)


def _element(name: str, attributes: Mapping[str, object]) -> etree._Element:
    made = etree.Element(tag(name))
    for key, value in attributes.items():
        if value is not None and value != "":
            made.set(key.replace("_", "-"), spelled(value))
    return made


def spelled(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.17g}" if isinstance(value, float) else str(value)


def _write_prompt(parent: etree._Element, markup: str, path: Callable[[str], str]) -> None:
    if markup:
        prompt = etree.SubElement(parent, tag("prompt"))
        graft(prompt, markup, path)


def _write_options(
    parent: etree._Element,
    name: str,
    options: tuple[Option, ...],
    path: Callable[[str], str],
    matched: bool = False,
) -> None:
    for option in options:
        made = _element(name, {"identifier": option.id, "fixed": option.fixed or None})
        if matched:
            made.set("match-max", str(option.match_max))
        graft(made, option.html, path)
        parent.append(made)


def _write_choice(control: Choice, name: str, path: Callable[[str], str]) -> list[etree._Element]:
    made = _element(
        "choice-interaction",
        {
            "response_identifier": name,
            "shuffle": control.shuffle,
            "min_choices": control.minimum,
            "max_choices": control.maximum,
        },
    )
    _write_prompt(made, control.prompt, path)
    _write_options(made, "simple-choice", control.options, path)
    return [made]


def _write_order(control: Order, name: str, path: Callable[[str], str]) -> list[etree._Element]:
    made = _element("order-interaction", {"response_identifier": name, "shuffle": control.shuffle})
    _write_prompt(made, control.prompt, path)
    _write_options(made, "simple-choice", control.options, path)
    return [made]


def _write_match(control: Match, name: str, path: Callable[[str], str]) -> list[etree._Element]:
    made = _element(
        "match-interaction",
        {"response_identifier": name, "shuffle": control.shuffle, "max_associations": control.maximum},
    )
    _write_prompt(made, control.prompt, path)
    for options in (control.rows, control.columns):
        one = etree.SubElement(made, tag("simple-match-set"))
        _write_options(one, "simple-associable-choice", options, path, matched=True)
    return [made]


def _write_inline_choice(
    control: InlineChoice, name: str, path: Callable[[str], str]
) -> list[etree._Element]:
    made = _element(
        "inline-choice-interaction",
        {"response_identifier": name, "shuffle": control.shuffle, "label": control.label},
    )
    _write_options(made, "inline-choice", control.options, path)
    return [made]


def _write_text_entry(control: TextEntry, name: str, path: Callable[[str], str]) -> list[etree._Element]:
    made = _element(
        "text-entry-interaction",
        {
            "response_identifier": name,
            "expected_length": control.length,
            "pattern_mask": control.pattern,
            "label": control.label,
        },
    )
    if not control.unit:
        return [made]
    unit = etree.Element(f"{{{QTI}}}span", {"class": UNIT})
    unit.text = f" {control.unit}"
    return [made, unit]


def _write_image(parent: etree._Element, image: Image, path: Callable[[str], str]) -> None:
    etree.SubElement(
        parent,
        f"{{{QTI}}}img",
        {"src": path(image.name), "alt": image.alt, "width": str(image.width), "height": str(image.height)},
    )


def _write_hotspot(control: Hotspot, name: str, path: Callable[[str], str]) -> list[etree._Element]:
    made = _element("hotspot-interaction", {"response_identifier": name, "max_choices": control.maximum})
    _write_prompt(made, control.prompt, path)
    _write_image(made, control.image, path)
    for one in control.areas:
        made.append(
            _element(
                "hotspot-choice",
                {
                    "identifier": one.id,
                    "shape": one.shape,
                    "coords": ",".join(spelled(float(c)) for c in one.coords),
                    "hotspot_label": one.label,
                },
            )
        )
    return [made]


def _write_select_point(control: SelectPoint, name: str, path: Callable[[str], str]) -> list[etree._Element]:
    made = _element("select-point-interaction", {"response_identifier": name, "max_choices": control.maximum})
    _write_prompt(made, control.prompt, path)
    _write_image(made, control.image, path)
    return [made]


def _write_gap_match(control: GapMatch, name: str, path: Callable[[str], str]) -> list[etree._Element]:
    made = _element(
        "gap-match-interaction",
        {"response_identifier": name, "shuffle": control.shuffle, "max_associations": 0},
    )
    _write_prompt(made, control.prompt, path)
    _write_options(made, "gap-text", control.options, path, matched=True)
    graft(made, control.html, path)
    for one in list(made.iter(f"{{{QTI}}}slot")):
        one.tag = tag("gap")
        one.set("identifier", one.attrib.pop("name"))
    return [made]


_WRITERS: dict[type, Callable[..., list[etree._Element]]] = {
    Choice: _write_choice,
    Order: _write_order,
    Match: _write_match,
    InlineChoice: _write_inline_choice,
    TextEntry: _write_text_entry,
    Hotspot: _write_hotspot,
    SelectPoint: _write_select_point,
    GapMatch: _write_gap_match,
}
