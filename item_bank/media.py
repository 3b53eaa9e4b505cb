"""Pictures of a bank: which kinds there are, and that a file is the picture it claims to be."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from lxml import etree

from cat_engine.errors import InputError
from item_bank.qti.xml import local, parse, refuse

__all__ = ["KINDS", "check_picture", "kind", "plain_name", "size", "without_doctype"]

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
_SVG_DOCTYPE = re.compile(rb"<!DOCTYPE\s+svg[^\[<>]*>")
_LENGTH = re.compile(r"\s*([0-9]*\.?[0-9]+)\s*(?:px)?\s*\Z")
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
                acts = what.startswith(("<script>", "the event handler", "the address 'javascript:"))
                refuse(name, element.sourceline, f"{what} is not accepted in a picture; remove it", acts)


def plain_name(name: str, data: bytes) -> str:
    """Return `name` with the suffix of what `data` is, where it says another kind of picture."""
    for said, starts in _STARTS.items():
        if data.startswith(starts) and kind(name) != said:
            suffix = next(suffix for suffix, media_type in KINDS.items() if media_type == said)
            return f"{name.rpartition('.')[0] or name}{suffix}"
    return name


def without_doctype(name: str, data: bytes) -> bytes:
    """Return an SVG without the DOCTYPE that drawing programs write, when it defines nothing."""
    if kind(name) != "image/svg+xml":
        return data
    head, _, rest = data.partition(b"<svg")
    return _SVG_DOCTYPE.sub(b"", head) + data[len(head) :] if rest else data


def size(name: str, data: bytes) -> tuple[int, int] | None:
    """Return width and height of a picture in its own units, or None where it does not say them."""
    try:
        match kind(name):
            case "image/png":
                found = struct.unpack(">II", data[16:24])
            case "image/gif":
                found = struct.unpack("<HH", data[6:10])
            case "image/jpeg":
                found = next(_frames(data))
            case "image/webp":
                found = _webp(data)
            case "image/svg+xml":
                found = _drawn(parse(data, name))
            case _:
                return None
    except (struct.error, StopIteration, ValueError):
        return None
    width, height = (round(side) for side in found)
    return (width, height) if 0 < width <= 100_000 and 0 < height <= 100_000 else None


def _frames(data: bytes) -> Iterator[tuple[int, int]]:
    """Width and height in the frame headers (SOF0 to SOF15) of a JPEG."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            yield width, height
        at += 2 + int(struct.unpack(">H", data[at + 2 : at + 4])[0])


def _webp(data: bytes) -> tuple[int, int]:
    match data[12:16]:
        case b"VP8 ":
            width, height = struct.unpack("<HH", data[26:30])
            return width & 0x3FFF, height & 0x3FFF
        case b"VP8L":
            (bits,) = struct.unpack("<I", data[21:25])
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X":
            wide, high = data[24:27], data[27:30]
            return int.from_bytes(wide, "little") + 1, int.from_bytes(high, "little") + 1
    raise ValueError("no WebP")


def _drawn(root: etree._Element) -> tuple[float, float]:
    lengths = [_LENGTH.match(root.get(side) or "") for side in ("width", "height")]
    if all(lengths):
        return float(lengths[0][1]), float(lengths[1][1])  # type: ignore[index]
    box = [float(part) for part in (root.get("viewBox") or "").replace(",", " ").split()]
    if len(box) != 4:
        raise ValueError("no size")
    return box[2], box[3]


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
