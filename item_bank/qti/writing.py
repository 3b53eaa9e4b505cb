"""A bank's items and stimuli as QTI 3 XML."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lxml import etree

from item_bank.content import Area, Content, Image, Node, Outcome, Response
from item_bank.qti.controls import graft, spelled, write_image, write_interaction
from item_bank.qti.interactions import INLINE, QTI, tag
from item_bank.qti.names import TOOL, to_file
from item_bank.qti.reading import PICTURE, RATIONALE, SLOT
from item_bank.qti.rules import TEMPLATES, standard
from item_bank.qti.xml import XML_LANG

__all__ = ["write_item", "write_stimulus"]

_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_SCHEMA = f"{QTI} https://purl.imsglobal.org/spec/qti/v3p0/schema/xsd/imsqti_asiv3p0p1_v1p0.xsd"


def write_item(
    name: str,
    language: str,
    content: Content,
    path: Callable[[str], str],
    stimuli: Sequence[tuple[str, str]] = (),
) -> bytes:
    """Return an item as an XML file.

    Parameters
    ----------
    path
        From a picture's name to its address as seen from the item's file.
    stimuli
        Identifier and address of each stimulus it refers to.
    """
    root = _root("assessment-item", name, content.title, language)
    root.set("adaptive", "false")
    root.set("time-dependent", "false")
    for variable, response in content.responses.items():
        root.append(_declaration(variable, response))
    outcomes = content.rules.outcomes if content.rules else (Outcome("SCORE", default=("0",)),)
    for outcome in outcomes:
        root.append(_outcome(outcome))
    for stimulus, address in stimuli:
        etree.SubElement(root, tag("assessment-stimulus-ref"), {"identifier": stimulus, "href": address})
    root.append(_body(content, path))
    root.append(_processing(content))
    return _file(root)


def write_stimulus(
    name: str, language: str, title: str, html: str, image: Image | None, path: Callable[[str], str]
) -> bytes:
    """Return a stimulus as an XML file; see `write_item`."""
    root = _root("assessment-stimulus", name, title, language)
    body = etree.SubElement(root, tag("stimulus-body"))
    graft(body, html, path)
    if image:
        write_image(etree.SubElement(body, f"{{{QTI}}}figure", {"class": PICTURE}), image, path)
    return _file(root)


def _root(kind: str, name: str, title: str, language: str) -> etree._Element:
    root = etree.Element(tag(kind), nsmap={None: QTI, "xsi": _XSI})
    root.set(f"{{{_XSI}}}schemaLocation", _SCHEMA)
    root.set("identifier", name)
    root.set("tool-name", TOOL)
    root.set("title", title)
    root.set(XML_LANG, language)
    return root


def _file(root: etree._Element) -> bytes:
    to_file(root)
    etree.cleanup_namespaces(root, keep_ns_prefixes=["xsi"])
    written: bytes = etree.tostring(root, encoding="UTF-8", xml_declaration=True)
    return written + b"\n"


def _declaration(variable: str, response: Response) -> etree._Element:
    made = etree.Element(
        tag("response-declaration"),
        {
            "identifier": variable,
            "cardinality": response.cardinality,
            "base-type": response.base_type,
        },
    )
    if response.correct:
        holder = etree.SubElement(made, tag("correct-response"))
        for value in response.correct:
            etree.SubElement(holder, tag("value")).text = value
    mapping = response.mapping
    if mapping is None:
        return made
    holder = etree.SubElement(made, tag("area-mapping" if mapping.areas else "mapping"))
    holder.set("default-value", spelled(mapping.default))
    if mapping.lower is not None:
        holder.set("lower-bound", spelled(mapping.lower))
    if mapping.upper is not None:
        holder.set("upper-bound", spelled(mapping.upper))
    for one, worth in mapping.areas:
        etree.SubElement(holder, tag("area-map-entry"), {**_shape(one), "mapped-value": spelled(worth)})
    for key, worth in mapping.values.items():
        entry = etree.SubElement(holder, tag("map-entry"))
        entry.set("map-key", key)
        entry.set("mapped-value", spelled(worth))
        if response.base_type == "string":
            entry.set("case-sensitive", spelled(key not in mapping.caseless))
    return made


def _shape(one: Area) -> dict[str, str]:
    return {"shape": one.shape, "coords": ",".join(spelled(float(c)) for c in one.coords)}


def _outcome(outcome: Outcome) -> etree._Element:
    made = etree.Element(
        tag("outcome-declaration"), {"identifier": outcome.id, "cardinality": outcome.cardinality}
    )
    if outcome.base_type:
        made.set("base-type", outcome.base_type)
    if outcome.default:
        holder = etree.SubElement(made, tag("default-value"))
        for value in outcome.default:
            etree.SubElement(holder, tag("value")).text = value
    if outcome.table is not None:
        made.append(_xml(outcome.table))
    return made


def _body(content: Content, path: Callable[[str], str]) -> etree._Element:
    body = etree.Element(tag("item-body"))
    graft(body, content.body, path)
    for place in list(body.iter(f"{{{QTI}}}slot")):
        name = place.get("name") or ""
        control = content.interactions[name]
        made = write_interaction(control, name, path)
        if isinstance(control, INLINE) and place.getparent() is body:
            block = etree.Element(f"{{{QTI}}}div", {"class": SLOT})
            block.extend(made)
            made = [block]
        made[-1].tail, place.tail = place.tail, None
        parent = place.getparent()
        at = parent.index(place)
        parent.remove(place)
        for offset, element in enumerate(made):
            parent.insert(at + offset, element)
    if content.rationale:
        block = etree.SubElement(
            body,
            tag("rubric-block"),
            {"class": RATIONALE, "use": "scoring", "view": "author scorer tutor"},
        )
        graft(etree.SubElement(block, tag("content-body")), content.rationale, path)
    return body


def _processing(content: Content) -> etree._Element:
    made = etree.Element(tag("response-processing"))
    if content.rules is not None:
        made.extend([_xml(node) for node in content.rules.nodes])
    elif list(content.responses) == ["RESPONSE"] and _is_template(content):
        made.set("template", f"{TEMPLATES}{content.processing}.xml")
    else:
        made.extend([_xml(node) for node in standard(content.processing, content.responses)])
    return made


def _is_template(content: Content) -> bool:
    mapping = content.responses["RESPONSE"].mapping
    match content.processing:
        case "match_correct":
            return True
        case "map_response":
            return mapping is not None and not mapping.areas
        case _:
            return mapping is not None and bool(mapping.areas)


def _xml(node: Node) -> etree._Element:
    made = etree.Element(tag(node.name), dict(node.attributes))
    if node.text:
        made.text = node.text
    made.extend([_xml(child) for child in node.children])
    return made
