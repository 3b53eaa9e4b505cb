"""Identifiers that XML allows: one that starts with a digit gets an underscore, and loses it on return."""

from __future__ import annotations

import re
from collections.abc import Callable

from lxml import etree

from item_bank.qti.xml import local

__all__ = ["TOOL", "from_file", "to_file"]

TOOL = "Acquis"
"""``tool-name`` of the files that we write: in them, and only there, underscores were added."""

_ADDED = re.compile(r"_(?=_*\d)")
_NAMED = ("identifier", "pair", "directedPair")


def to_file(root: etree._Element) -> None:
    """Make every identifier under `root` one that XML allows, in place."""
    _rename(root, lambda name: f"_{name}" if name.lstrip("_")[:1].isdigit() else name)


def from_file(root: etree._Element) -> None:
    """Undo `to_file` in a file of ours; leave any other alone."""
    if root.get("tool-name") == TOOL:
        _rename(root, lambda name: _ADDED.sub("", name, count=1) if _ADDED.match(name) else name)


def _rename(root: etree._Element, how: Callable[[str], str]) -> None:
    def each(text: str) -> str:
        return " ".join(how(part) for part in text.split())

    for element in root.iter():
        if not isinstance(element.tag, str):
            continue
        for key in ("identifier", "response-identifier"):
            if element.get(key):
                element.set(key, how(element.get(key)))
        if local(element) in ("response-declaration", "base-value") and element.get("base-type") in _NAMED:
            if local(element) == "base-value":
                element.text = each(element.text or "")
            for value in element.iter("{*}qti-value"):
                value.text = each(value.text or "")
            for entry in element.iter("{*}qti-map-entry"):
                entry.set("map-key", each(entry.get("map-key") or ""))
