"""A badge inside a picture: Open Badges 3.0, 5.3 ("Baked Badge"), in SVG and in PNG, and how it is taken out.

A signature by an embedded proof goes in as JSON: in SVG into one ``openbadges:credential`` element directly
after ``<svg>``, in PNG into one uncompressed ``iTXt`` chunk ``openbadgecredential``. The picture around it is
not signed: whoever takes a badge out of one believes what the badge says, and nothing that is drawn.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from typing import Literal

from api.credentials.picture import drawn, painted
from cat_engine.errors import InputError

__all__ = ["Format", "baked", "text_in"]

Format = Literal["svg", "png"]

_NAMESPACE = "https://purl.imsglobal.org/ob/v3p0"
_KEYWORD = b"openbadgecredential"
_PNG = b"\x89PNG\r\n\x1a\n"
_ONE = "expected one badge in the picture, got {n}; download the badge again, as a picture or as JSON"


def baked(badge: str, format: Format) -> bytes:
    """Return a picture of a badge (JSON) with the badge in it."""
    picture = drawn(json.loads(badge))
    if format == "png":
        return _into_png(painted(picture), badge)
    return _into_svg(picture, badge).encode()


def _into_svg(picture: str, badge: str) -> str:
    head, _, rest = picture.partition(">")
    content = badge.replace("]]>", "]]\\u003e")  # within a text of JSON: the same text
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n{head} xmlns:openbadges="{_NAMESPACE}">'
        f"<openbadges:credential><![CDATA[{content}]]></openbadges:credential>{rest}"
    )


def _into_png(picture: bytes, badge: str) -> bytes:
    """Return the picture with its points packed anew, four times as tightly as they come."""
    chunks = list(_chunks(picture))
    points = zlib.decompress(b"".join(content for kind, content in chunks if kind == b"IDAT"))
    parts = [
        (b"IHDR", chunks[0][1]),
        (b"iTXt", _KEYWORD + bytes(5) + badge.encode()),
        (b"IDAT", zlib.compress(points, 9)),
        (b"IEND", b""),
    ]
    return _PNG + b"".join(_chunk(kind, content) for kind, content in parts)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_PNG)
    while at + 8 <= len(png):
        (length,) = struct.unpack_from(">I", png, at)
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += 12 + length


def text_in(content: bytes) -> str:
    """Return the text of a signed file, which may be a picture with a badge in it.

    Raises
    ------
    UnicodeDecodeError
        When it is no text in UTF-8.
    InputError
        When it is a picture that holds no badge, or more than one.
    """
    if content.startswith(_PNG):
        return _only([text.decode() for text in _out_of_png(content)])
    if content.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<"):
        return _only(_out_of_svg(content))
    return content.decode()


def _only(found: list[str]) -> str:
    if len(found) != 1:
        raise InputError(_ONE.format(n=len(found) or "none"))
    return found[0]


def _out_of_png(picture: bytes) -> Iterator[bytes]:
    """Yield the text of each chunk for a badge; one that is compressed is none."""
    for kind, content in _chunks(picture):
        keyword, _, rest = content.partition(b"\0")
        if kind == b"iTXt" and keyword == _KEYWORD and rest[:2] == b"\0\0":
            yield rest[2:].split(b"\0", 2)[-1]


def _out_of_svg(content: bytes) -> list[str]:
    from item_bank.qti.xml import Refused, parse

    try:
        root = parse(content, "the picture")
    except Refused as refused:
        raise InputError(f"expected a picture (SVG) with a badge in it, got {refused}") from refused
    return ["".join(one.itertext()).strip() for one in root.iter(f"{{{_NAMESPACE}}}credential")]
