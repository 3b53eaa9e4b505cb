"""QTI 2.x to the names of QTI 3: the same item with other spellings.

References
----------
1EdTech (2022). QTI 3.0 Migration Guide: element names get the prefix ``qti-`` and dashes, attributes dashes;
``object`` pictures become ``img``.
"""

from __future__ import annotations

import re

from lxml import etree

from item_bank.markup import TAGS

__all__ = ["is_qti2", "pictures", "upgrade"]

_QTI3 = "http://www.imsglobal.org/xsd/imsqtiasi_v3p0"
_OLD = re.compile(r"imsqti_v2p\d|/imsqti_(?:item|test|section)_v2p\d|imsqti_(?:item|metadata)_v2")
_HTML = (TAGS - {"slot"}) | {"a", "object", "param", "h1", "acronym", "address", "big", "tt"}
_ROOTS = ("assessmentItem", "responseProcessing")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def is_qti2(root: etree._Element) -> bool:
    """Return whether `root` is of QTI 2.x: by its namespace, or by its name where it has none."""
    name = etree.QName(root)
    return bool(_OLD.search(name.namespace or "")) or name.localname in (
        "assessmentItem",
        "responseProcessing",
    )


def upgrade(root: etree._Element) -> None:
    """Rename everything under `root`, in place; what is not QTI (MathML, ...) stays."""
    old = etree.QName(root).namespace or ""
    for element in list(root.iter(f"{{{old}}}*")):
        name = etree.QName(element).localname
        if name not in _HTML:
            element.tag = f"{{{_QTI3}}}qti-{_dashed(name)}"
            for key in list(element.attrib):
                if not key.startswith("{") and _dashed(key) != key:
                    value = element.attrib.pop(key)
                    element.set(_dashed(key), value)


def pictures(root: etree._Element) -> None:
    """Turn every ``<object>`` that is a picture into ``<img>``, in place; files of QTI 3 hold some too."""
    for element in list(root.iter("{*}object")):
        if (element.get("type") or "").startswith("image/"):
            _picture(element)


def _dashed(name: str) -> str:
    return _HUMP.sub("-", name).lower()


def _picture(element: etree._Element) -> None:
    """Turn ``<object type="image/png" data="...">alternative</object>`` into ``img``."""
    alternative = " ".join("".join(element.itertext()).split())
    tail = element.tail
    kept = {key: element.get(key) for key in ("width", "height") if element.get(key)}
    source = element.get("data") or ""
    for child in list(element):
        element.remove(child)
    element.attrib.clear()
    element.text, element.tail = None, tail
    element.tag = f"{{{etree.QName(element).namespace or _QTI3}}}img"
    element.set("src", source)
    element.set("alt", alternative)
    for key, value in kept.items():
        element.set(key, str(value))
