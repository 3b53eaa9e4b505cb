"""Pictures of a bank: which kinds there are, and that a file is the picture it claims to be."""

from __future__ import annotations

import re

from lxml import etree

from cat_engine.errors import InputError
from item_bank.qti.xml import local, parse, refuse

__all__ = ["KINDS", "check_picture", "kind"]

KINDS = {
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
}
"""Media types of the pictures that a bank may hold, by suffix."""

LARGEST = 8 * 1024 * 1024
"""Bytes of one picture."""

_STARTS = {
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/gif": (b"GIF87a", b"GIF89a"),
    "image/webp": (b"RIFF",),
}
_ACTIVE = frozenset(
    {"script", "foreignobject", "iframe", "object", "embed", "audio", "video", "handler", "listener"}
    | {"set", "animate", "animatemotion", "animatetransform", "animatecolor", "discard"}
)
_REFERENCE = re.compile(r"url\(\s*['\"]?\s*(?!#)", re.IGNORECASE)
_INLINE_PICTURE = re.compile(r"data:image/(?:png|jpeg|gif);base64,[A-Za-z0-9+/=\s]*\Z")


def kind(name: str) -> str | None:
    """Return the media type by the suffix of `name`, or None for what is no picture."""
    return KINDS.get(f".{name.rpartition('.')[2].lower()}")


def check_picture(name: str, data: bytes) -> None:
    """Refuse a picture that is too large, is not what its suffix says, or an SVG that does more than show.

    Raises
    ------
    InputError
        With the line, for an SVG.
    """
    expected = kind(name)
    if expected is None:
        raise InputError(f"{name}: expected a picture ({', '.join(KINDS)}); convert it")
    if len(data) > LARGEST:
        raise InputError(f"{name}: expected at most {LARGEST:,} bytes, got {len(data):,}; make it smaller")
    if expected != "image/svg+xml":
        if not data.startswith(_STARTS[expected]):
            raise InputError(f"{name}: expected {expected}, got something else; give it its own suffix")
        return
    root = parse(data, name)
    if local(root) != "svg":
        refuse(name, root.sourceline, f"expected <svg>, got <{local(root)[:40]}>")
    for element in root.iter():
        if isinstance(element.tag, str):
            what = _forbidden(element)
            if what:
                refuse(name, element.sourceline, f"{what} is not accepted in a picture; remove it")


def _forbidden(element: etree._Element) -> str | None:
    name = local(element).lower()
    if name in _ACTIVE:
        return f"<{name}>"
    if name == "style" and (
        "@import" in (element.text or "").lower() or _REFERENCE.search(element.text or "")
    ):
        return "a style that loads something"
    for key, value in element.attrib.items():
        plain = key.rpartition("}")[2].lower()
        if plain.startswith("on"):
            return f"the event handler '{plain[:40]}'"
        if plain in ("href", "src") and not value.startswith("#") and not _INLINE_PICTURE.match(value):
            return f"the address '{value[:40]}'"
        if _REFERENCE.search(value):
            return f"the address in '{plain[:40]}'"
    return None
