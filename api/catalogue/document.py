"""The document of a published test (``acquis/test/1``): all that a sitting needs, in one JSON text.

It is stored once, under the SHA-256 of its bytes, and never changes. Sittings pin it, so that an upgrade
of the program or of the bank leaves those in progress, and the replay of old ones, alone.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import is_dataclass
from types import MappingProxyType
from typing import Any

from item_bank import content

__all__ = ["SCHEMA", "content_hash", "from_bytes", "pack", "plain", "rebuilt", "to_bytes", "unpack"]

SCHEMA = "acquis/test/1"

_CLASSES: Mapping[str, type] = MappingProxyType(
    {
        name: getattr(content, name)
        for name in content.__all__
        if isinstance(getattr(content, name), type) and is_dataclass(getattr(content, name))
    }
)


def plain(value: Any) -> Any:
    """Return item content (dataclasses) as JSON values; a class is told by the key ``is``."""
    if is_dataclass(value) and not isinstance(value, type):
        return {"is": type(value).__name__} | {name: plain(held) for name, held in content.stored(value)}
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value


def rebuilt(value: Any) -> Any:
    """Return what `plain` was given."""
    if isinstance(value, list):
        return tuple(rebuilt(inner) for inner in value)
    if isinstance(value, dict):
        inner = {key: rebuilt(part) for key, part in value.items() if key != "is"}
        return _CLASSES[value["is"]](**inner) if "is" in value else inner
    return value


def to_bytes(document: Mapping[str, Any]) -> bytes:
    """Return `document` as the bytes that are hashed.

    Mappings keep their order, which means something: the first language is the original, the first entry
    that fits an answer says its worth.
    """
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode()


def from_bytes(data: bytes) -> dict[str, Any]:
    """Return the document that `data` holds."""
    document: dict[str, Any] = json.loads(data)
    return document


def content_hash(data: bytes) -> str:
    """Return the name of a document: SHA-256 of its bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def pack(data: bytes) -> bytes:
    """Return `data` as it is stored."""
    return zlib.compress(data, 6)


def unpack(stored: bytes) -> bytes:
    """Return the bytes that `pack` was given."""
    return zlib.decompress(stored)
