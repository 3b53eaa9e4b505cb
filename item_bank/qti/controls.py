"""Controls of items as QTI 3 elements; `interactions` reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lxml import etree

from item_bank.content import (
    Choice,
    GapMatch,
    Hotspot,
    Image,
    InlineChoice,
    Interaction,
    Match,
    Option,
    Order,
    SelectPoint,
    TextEntry,
)
from item_bank.markup import to_xml
from item_bank.qti.interactions import QTI, UNIT, tag

__all__ = ["graft", "spelled", "write_image", "write_interaction"]


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
        {
            "response_identifier": name,
            "shuffle": control.shuffle,
            "min_associations": "0" if control.blanks else None,
            "max_associations": control.maximum,
        },
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


def write_image(parent: etree._Element, image: Image, path: Callable[[str], str]) -> None:
    etree.SubElement(
        parent,
        f"{{{QTI}}}img",
        {"src": path(image.name), "alt": image.alt, "width": str(image.width), "height": str(image.height)},
    )


def _write_hotspot(control: Hotspot, name: str, path: Callable[[str], str]) -> list[etree._Element]:
    made = _element("hotspot-interaction", {"response_identifier": name, "max_choices": control.maximum})
    _write_prompt(made, control.prompt, path)
    write_image(made, control.image, path)
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
    write_image(made, control.image, path)
    return [made]


def _write_gap_match(control: GapMatch, name: str, path: Callable[[str], str]) -> list[etree._Element]:
    made = _element(
        "gap-match-interaction",
        {
            "response_identifier": name,
            "shuffle": control.shuffle,
            "min_associations": "0" if control.blanks else None,
            "max_associations": 0,
        },
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
