"""A QTI 3 item or stimulus (or a QTI 2.x item) from XML."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lxml import etree

from item_bank.content import Content, Image, Interaction, Mapped, Response
from item_bank.markup import TAGS
from item_bank.qti.interactions import NAMES, Reading, area, read_interaction, slot
from item_bank.qti.names import TOOL, from_file
from item_bank.qti.rules import read_processing
from item_bank.qti.upgrade import is_qti2, pictures, upgrade
from item_bank.qti.xml import (
    QTI_1,
    XML_LANG,
    Unsupported,
    attribute,
    children,
    figure,
    local,
    parse,
    refuse,
)

__all__ = [
    "PICTURE",
    "RATIONALE",
    "SLOT",
    "ItemFile",
    "StimulusFile",
    "no_script",
    "read_item",
    "read_stimulus",
]

RATIONALE = "acquis-rationale"
"""Class of the block that only people who write and score may see."""

SLOT = "acquis-slot"
"""Class of the block that exists only because QTI wants one around a control of a sentence."""

PICTURE = "acquis-picture"
"""Class of the figure that is a stimulus's picture."""

_CARDINALITIES = ("single", "multiple", "ordered")
_BASE_TYPES = ("identifier", "pair", "directedPair", "string", "integer", "float", "point")
_DROPPED = {
    "feedback-inline": "feedback",
    "feedback-block": "feedback",
    "modal-feedback": "feedback",
    "rubric-block": "instructions for others than the candidate",
    "stylesheet": "a style sheet",
    "catalog-info": "a catalogue of alternative content",
    "companion-materials-info": "companion materials",
}
_IMPOSSIBLE = {
    "template-declaration": "it makes its values by chance (a template)",
    "template-processing": "it makes its values by chance (a template)",
    "template-block": "it makes its content by chance (a template)",
    "template-inline": "it makes its content by chance (a template)",
    "printed-variable": "it prints a variable",
    "object": "it embeds an object",
    "audio": "it plays sound",
    "video": "it plays a film",
    "iframe": "it embeds a page",
    "math": "it uses MathML",
    "svg": "it draws in the text (SVG)",
    "include": "it includes another file",
    "form": "it holds a form",
    "input": "it holds a form",
}


@dataclass(frozen=True, slots=True)
class ItemFile:
    """What one item file says; `notes` lists what was left out."""

    id: str
    language: str
    content: Content
    stimuli: tuple[str, ...]
    """Addresses of the stimuli it refers to, as the file writes them."""
    notes: tuple[tuple[int, str], ...]
    says_language: bool = True


@dataclass(frozen=True, slots=True)
class StimulusFile:
    """What one stimulus file says."""

    id: str
    language: str
    title: str
    html: str
    image: Image | None


def read_item(
    data: bytes,
    where: str,
    picture: Callable[[str], str],
    language: str = "",
    *,
    size: Callable[[str], tuple[int, int] | None] = lambda name: None,
    template: Callable[[str], bytes | None] = lambda address: None,
) -> ItemFile:
    """Read one item.

    Parameters
    ----------
    picture
        From a picture's address as the file writes it to its name in the bank.
    language
        Of a file that does not say its own.
    size
        From a picture's name to its width and height, for a file that does not say them.
    template
        From the address of a response processing template of the file's own to what it holds.

    Raises
    ------
    InputError
        A file that no reader could make sense of, or a hostile one; with its line.
    Unsupported
        An item that means something we cannot show or score.
    """
    root = _opened(data, where)
    if local(root) != "assessment-item":
        refuse(where, root.sourceline, f"expected <qti-assessment-item>, got <{local(root)[:40]}>")
    if (root.get("adaptive") or "false") == "true":
        raise Unsupported("it is adaptive: it goes on after an answer", root.sourceline)
    name = attribute(root, "identifier", where)
    notes = _set_aside(root)
    responses = _responses(root, where, notes)
    bodies = children(root, "item-body")
    if len(bodies) != 1:
        refuse(where, root.sourceline, f"expected one <qti-item-body>, got {len(bodies)}")
    reading = Reading(where, picture, size, ours=root.get("tool-name") == TOOL)
    rationale = _rationale(bodies[0], reading)
    interactions = _interactions(bodies[0], responses, reading)
    notes += _outside(bodies[0])
    processing, rules, said = read_processing(root, responses, where, template)
    content = Content(
        title=root.get("title") or name,
        body=_trimmed(reading.html(bodies[0])),
        interactions=interactions,
        responses=responses,
        processing=processing,
        rationale=rationale,
        rules=rules,
    )
    refs = tuple(
        ref.get("href") or "" for ref in children(root, "assessment-stimulus-ref") if ref.get("href")
    )
    spoken = _language(root, "") or _language(bodies[0], "")
    return ItemFile(name, spoken or language, content, refs, (*notes, *said), bool(spoken))


def _opened(data: bytes, where: str) -> etree._Element:
    """Return the root of an item or stimulus file in the names of QTI 3, with nothing in it that acts."""
    root = parse(data, where)
    if local(root) == "questestinterop":
        refuse(where, root.sourceline, QTI_1)
    if is_qti2(root):
        upgrade(root)
    pictures(root)
    for element in root.iter():
        if isinstance(element.tag, str) and _is_control(element) and local(element) not in NAMES:
            raise Unsupported(f"it uses <qti-{local(element)}>, which is not supported", element.sourceline)
    no_script(root, where)
    _no_slots(root)
    from_file(root)
    return root


def _is_control(element: etree._Element) -> bool:
    return local(element).endswith("-interaction")


def read_stimulus(data: bytes, where: str, picture: Callable[[str], str], language: str = "") -> StimulusFile:
    """Read one shared stimulus; see `read_item`."""
    root = _opened(data, where)
    if local(root) != "assessment-stimulus":
        refuse(where, root.sourceline, f"expected <qti-assessment-stimulus>, got <{local(root)[:40]}>")
    name = attribute(root, "identifier", where)
    bodies = children(root, "stimulus-body")
    if len(bodies) != 1:
        refuse(where, root.sourceline, f"expected one <qti-stimulus-body>, got {len(bodies)}")
    body = bodies[0]
    image = None
    for holder in [found for found in body.iter("{*}figure") if found.get("class") == PICTURE]:
        drawn = next(iter(holder.iter("{*}img")), None)
        if drawn is not None:
            image = Image(
                picture(drawn.get("src") or ""),
                int(figure(drawn, "width", where, 0)),
                int(figure(drawn, "height", where, 0)),
                drawn.get("alt") or "",
            )
        _remove(holder)
    title = root.get("title") or name
    return StimulusFile(
        name, _language(root, language), title, _trimmed(Reading(where, picture).html(body)), image
    )


def no_script(root: etree._Element, where: str) -> None:
    """Refuse an active element, an event handler or an active address anywhere under `root`."""
    for element in root.iter():
        if not isinstance(element.tag, str):
            continue
        name = etree.QName(element).localname.lower()
        if name in ("script", "foreignobject", "handler", "listener", "embed", "applet", "base"):
            refuse(where, element.sourceline, f"<{name}> is not accepted; remove it", hostile=True)
        for key, value in element.attrib.items():
            plain = etree.QName(key).localname.lower()
            if plain.startswith("on"):
                what = f"the event handler '{plain[:40]}' is not accepted"
                refuse(where, element.sourceline, what, hostile=True)
            squeezed = "".join(value.split()).lower()
            if plain in ("href", "src", "data", "action") and squeezed.startswith(
                ("javascript:", "vbscript:", "data:text", "data:application", "file:")
            ):
                what = f"the address '{value[:40]}' is not accepted"
                refuse(where, element.sourceline, what, hostile=True)


def _no_slots(root: etree._Element) -> None:
    """A file's own ``<slot>`` must not be taken for one of ours, which mark the controls."""
    for element in list(root.iter("{*}slot", "slot")):
        element.tag = "span"


def _language(root: etree._Element, otherwise: str) -> str:
    """The primary language subtag, in lower case ("fr" for "fr-FR")."""
    said = (root.get(XML_LANG) or "").replace("_", "-").partition("-")[0].lower()
    return said if said.isalpha() and len(said) <= 8 else otherwise


def _trimmed(markup: str) -> str:
    return markup.strip(" \t\n")


def _remove(element: etree._Element) -> None:
    """Remove an element, keeping the text that follows it."""
    parent, before = element.getparent(), element.getprevious()
    if element.tail:
        if before is None:
            parent.text = (parent.text or "") + element.tail
        else:
            before.tail = (before.tail or "") + element.tail
    parent.remove(element)


def _set_aside(root: etree._Element) -> list[tuple[int, str]]:
    """Take out of the item what is not kept, and say it; refuse what changes its meaning."""
    notes: list[tuple[int, str]] = []
    for element in list(root.iter()):
        if not isinstance(element.tag, str) or element is root:
            continue
        name = local(element)
        if name in _IMPOSSIBLE:
            raise Unsupported(_IMPOSSIBLE[name], element.sourceline)
        if name == "rubric-block":
            if element.get("class") == RATIONALE:
                continue
            views = (element.get("view") or "candidate").split()
            if "candidate" in views:
                continue
        if name in _DROPPED and element.getparent() is not None:
            notes.append((element.sourceline, f"{_DROPPED[name]} is not kept"))
            _remove(element)
    return list(dict.fromkeys(notes))


def _responses(root: etree._Element, where: str, notes: list[tuple[int, str]]) -> dict[str, Response]:
    found: dict[str, Response] = {}
    used = _named(root)
    paired = {
        element.get("response-identifier")
        for element in root.iter("{*}*", "*")
        if local(element) in ("match-interaction", "gap-match-interaction")
    }
    for element in children(root, "response-declaration"):
        name = attribute(element, "identifier", where)
        if name in found:
            refuse(where, element.sourceline, f"the response '{name}' is declared twice; rename one")
        if used is not None and name not in used:
            notes.append((element.sourceline, f"its response '{name}' is used by nothing: it is not kept"))
            continue
        cardinality = element.get("cardinality") or ""
        base_type = element.get("base-type") or ""
        if cardinality not in _CARDINALITIES or base_type not in _BASE_TYPES:
            raise Unsupported(
                f"its response '{name}' is {cardinality or '?'} {base_type or '?'}", element.sourceline
            )
        correct = tuple(
            " ".join((value.text or "").split()) if base_type != "string" else (value.text or "").strip()
            for holder in children(element, "correct-response")
            for value in children(holder, "value")
        )
        if cardinality == "single" and len(correct) > 1:
            notes.append((element.sourceline, f"its key of '{name}' holds several values: the first is kept"))
            correct = correct[:1]
        if name in paired and base_type in ("identifier", "pair"):
            what = f"its response '{name}' is declared as {base_type}: it holds directed pairs"
            notes.append((element.sourceline, what))
            base_type = "directedPair"
        found[name] = Response(cardinality, base_type, correct, _mapping(element, base_type, where))
    return found


def _named(root: etree._Element) -> set[str] | None:
    """Return the responses that a control fills or a rule reads; None where a template may read any."""
    rules = [rule for block in children(root, "response-processing") for rule in block.iter("{*}*", "*")]
    if len(rules) < 2:
        return None
    filled = {element.get("response-identifier") for element in root.iter("{*}*", "*")}
    return {str(name) for name in filled | {rule.get("identifier") for rule in rules} if name}


def _mapping(element: etree._Element, base_type: str, where: str) -> Mapped | None:
    for holder in children(element, "mapping"):
        values: dict[str, float] = {}
        caseless: list[str] = []
        for entry in children(holder, "map-entry"):
            key = entry.get("map-key")
            if key is None:
                refuse(where, entry.sourceline, "expected 'map-key' on <qti-map-entry>, got none; add it")
            key = " ".join(key.split()) if base_type != "string" else key.strip()
            if key not in values:
                values[key] = figure(entry, "mapped-value", where)
                if base_type == "string" and entry.get("case-sensitive", "true").lower() == "false":
                    caseless.append(key)
        return Mapped(values, *_bounds(holder, where), caseless=tuple(caseless))
    for holder in children(element, "area-mapping"):
        areas = tuple(
            (area(entry, "", where), figure(entry, "mapped-value", where))
            for entry in children(holder, "area-map-entry")
        )
        return Mapped({}, *_bounds(holder, where), areas=areas)
    return None


def _bounds(holder: etree._Element, where: str) -> tuple[float, float | None, float | None]:
    lower = figure(holder, "lower-bound", where) if holder.get("lower-bound") else None
    upper = figure(holder, "upper-bound", where) if holder.get("upper-bound") else None
    return figure(holder, "default-value", where, 0.0), lower, upper


def _rationale(body: etree._Element, reading: Reading) -> str:
    html = ""
    for block in [found for found in body.iter() if found.get("class") == RATIONALE]:
        inner = children(block, "content-body")
        html += reading.html(inner[0] if inner else block)
        _remove(block)
    return _trimmed(html)


def _interactions(
    body: etree._Element, responses: dict[str, Response], reading: Reading
) -> dict[str, Interaction]:
    found: dict[str, Interaction] = {}
    for element in [one for one in body.iter() if isinstance(one.tag, str) and _is_control(one)]:
        name = attribute(element, "response-identifier", reading.where)
        if name in found:
            refuse(reading.where, element.sourceline, f"two controls fill the response '{name}'")
        if name not in responses:
            refuse(reading.where, element.sourceline, f"the response '{name}' is not declared")
        found[name] = read_interaction(element, responses[name], reading)
        slot(element, name)
        parent = element.getparent()
        if parent is not None and parent.get("class") == SLOT and len(parent) == 1:
            tail = parent.tail
            slot(parent, name)
            parent.tail = tail
    if not found:
        raise Unsupported("it has no control to answer with", body.sourceline)
    for name in responses:
        if name not in found:
            raise Unsupported(f"no control fills its response '{name}'", body.sourceline)
    return {name: found[name] for name in responses}


def _outside(body: etree._Element) -> list[tuple[int, str]]:
    """Say which elements of the body the sanitiser will drop (their text stays)."""
    known = TAGS | {"slot", "item-body", "content-body", "rubric-block", "prompt"}
    dropped = {
        local(element): element.sourceline
        for element in reversed([e for e in body.iter() if isinstance(e.tag, str)])
        if local(element) not in known
    }
    return [(line, f"<{name[:40]}> is not kept, its text is") for name, line in dropped.items()]
