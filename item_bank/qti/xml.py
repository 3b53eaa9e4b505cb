"""Reading XML that a stranger made: no DOCTYPE, so no entities; bounded depth, elements and size.

A streaming pass counts and refuses before a tree is built, so a hostile file costs no more than its bytes.
"""

from __future__ import annotations

from typing import NoReturn
from xml.parsers import expat

from lxml import etree

from cat_engine.errors import InputError

__all__ = [
    "LARGEST",
    "MOST",
    "QTI_1",
    "Hostile",
    "Refused",
    "Unsupported",
    "attribute",
    "children",
    "figure",
    "local",
    "parse",
    "refuse",
    "whole",
]

LARGEST = 4 * 1024 * 1024
"""Bytes of one XML file; a real item has some kilobytes."""

_DEEPEST = 64
MOST = 50_000
"""Elements of one XML file."""

_MOST_ATTRIBUTES = 64
QTI_1 = "QTI 1 is not read; export it as QTI 2.1, QTI 3 or Moodle XML"
"""What is said of the generation of QTI whose items have another root and other scoring."""

XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"


class Unsupported(Exception):
    """What an item uses that this program cannot do, and the line where it does."""

    def __init__(self, what: str, line: int | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.line = line


class Refused(InputError):
    """A file that no reader could make sense of: which one, the line, and what is wrong there."""

    def __init__(self, where: str, line: int | None, what: str) -> None:
        super().__init__(f"{where}, line {line}: {what}" if line else f"{where}: {what}")
        self.where = where
        self.line = line
        self.what = what


class Hostile(Refused):
    """A file that would do more than say something: nothing of what it came with is taken."""


def refuse(where: str, line: int | None, what: str, hostile: bool = False) -> NoReturn:
    """Raise the `InputError` that names the file and the line."""
    raise (Hostile if hostile else Refused)(where, line, what)


def parse(data: bytes, where: str, largest: int = LARGEST, most: int = MOST) -> etree._Element:
    """Return the root of an XML file of at most `largest` bytes and `most` elements.

    Raises
    ------
    InputError
        Not well-formed, too large, too deep, too many elements, or a DOCTYPE; with the line.
    """
    if len(data) > largest:
        refuse(where, None, f"expected at most {largest:,} bytes of XML, got {len(data):,}; split it")
    _scan(data, where, most)
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        strip_cdata=True,
        collect_ids=False,
    )
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        refuse(where, error.lineno, f"expected well-formed XML, got: {error.msg}; mend that line")
    except ValueError as error:
        refuse(where, None, f"expected well-formed XML, got: {error}; mend it")
    return root


def _scan(data: bytes, where: str, most: int) -> None:
    reader = expat.ParserCreate()
    depth = count = 0

    def stop(what: str) -> NoReturn:
        refuse(where, reader.CurrentLineNumber, what, hostile=True)

    def start(name: str, attributes: list[str]) -> None:
        nonlocal depth, count
        depth += 1
        count += 1
        if depth > _DEEPEST:
            stop(f"elements stand more than {_DEEPEST} deep; flatten them")
        if count > most:
            stop(f"there are more than {most:,} elements; split the file")
        if len(attributes) > 2 * _MOST_ATTRIBUTES:
            stop(f"an element has more than {_MOST_ATTRIBUTES} attributes; remove some")

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1

    def doctype(name: str, *_: object) -> None:
        if name.rpartition(":")[2] == "questestinterop":
            refuse(where, reader.CurrentLineNumber, QTI_1)
        what = "a DOCTYPE is not accepted (it can define entities); remove it"
        refuse(where, reader.CurrentLineNumber, what)

    reader.ordered_attributes = True
    reader.StartElementHandler = start
    reader.EndElementHandler = end
    reader.StartDoctypeDeclHandler = doctype
    try:
        reader.Parse(data, True)
    except expat.ExpatError as error:
        what = expat.ErrorString(error.code)
        refuse(where, error.lineno, f"expected well-formed XML, got: {what}; mend that line")
    except InputError:
        raise
    except (ValueError, LookupError) as error:  # an encoding that is not known
        refuse(where, reader.CurrentLineNumber, f"expected XML in a known encoding, got: {error}; use UTF-8")


def local(element: etree._Element) -> str:
    """Return the name of an element without its namespace and without ``qti-``."""
    return str(etree.QName(element).localname).removeprefix("qti-")


def children(element: etree._Element, *names: str) -> list[etree._Element]:
    """Return the child elements with one of `names` (all of them when none is given), in order."""
    return [child for child in element if isinstance(child.tag, str) and (not names or local(child) in names)]


def attribute(element: etree._Element, name: str, where: str) -> str:
    """Return an attribute that must be there."""
    value = element.get(name)
    if value is None or not value.strip():
        refuse(where, element.sourceline, f"expected '{name}' on <{_full(element)}>, got none; add it")
    return str(value).strip()


def figure(element: etree._Element, name: str, where: str, default: float | None = None) -> float:
    """Return an attribute as a finite number."""
    text = element.get(name)
    if text is None and default is not None:
        return default
    try:
        value = float(text or "")
        if not abs(value) < float("inf"):
            raise ValueError
    except ValueError:
        refuse(where, element.sourceline, f"expected a number as '{name}', got {text!r}; correct it")
    return value


def whole(element: etree._Element, name: str, where: str, default: int | None = None) -> int:
    """Return an attribute as a whole number from 0 to a million."""
    value = figure(element, name, where, default)
    if value != int(value):
        refuse(where, element.sourceline, f"expected a whole number as '{name}', got {value:g}; correct it")
    if not 0 <= value <= 1_000_000:
        refuse(where, element.sourceline, f"expected '{name}' between 0 and 1,000,000, got {value:g}")
    return int(value)


def _full(element: etree._Element) -> str:
    return str(etree.QName(element).localname)
