"""The manifest of a content package: what it holds, and where; with patience for how others write it.

Addresses are percent-encoded or not, absolute or relative to ``xml:base``, with backslashes, in another case
than the file's name. A package without a manifest is looked through file by file.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from lxml import etree

from cat_engine.errors import InputError
from item_bank.content import ACCESS, FEATURES
from item_bank.qti.xml import attribute, children, local, parse, refuse
from item_bank.qti.zipped import Archive

__all__ = ["ITEM", "MANIFEST", "PURPOSE", "STIMULUS", "USAGE", "Entry", "Manifest", "read_manifest"]

MANIFEST = "imsmanifest.xml"
USAGE = "qtiusagedata/xml"
"""Type of a resource that is usage data."""

ITEM = re.compile(r"imsqti_(?:apip)?item(?:root)?_xmlv(?:2p\d|3p\d)\w*\Z")
STIMULUS = re.compile(r"imsqti_stimulus_xmlv\dp\d\w*\Z")
PURPOSE = "accessibility restrictions"
"""The purpose of a LOM classification that says what an item takes and offers (LOM v1.0, 9.1)."""

_BASE = "{http://www.w3.org/XML/1998/namespace}base"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")
_ROOT = re.compile(
    rb"<(?:[\w.\-]+:)?(?:qti-)?(assessment-?item|assessment-?stimulus|questestinterop)\b", re.I
)
_HEAD = 16 * 1024
_FOUND = {
    "assessmentitem": "imsqti_item_xmlv3p0",
    "assessmentstimulus": "imsqti_stimulus_xmlv3p0",
    "questestinterop": "imsqti_xmlv1p2",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A resource: its identifier, its type, its file in the archive, and where the manifest names it."""

    name: str
    kind: str
    file: str
    line: int | None
    access: tuple[str, ...] = ()
    features: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a package holds; `path` is empty where it has no manifest."""

    archive: Archive
    path: str
    entries: tuple[Entry, ...]

    @property
    def base(self) -> str:
        """The folder that the manifest stands in."""
        return posixpath.dirname(self.path)

    def resolve(self, origin: str, address: str) -> str:
        """Return the name in the archive that `address` means as seen from the file `origin`."""
        return _resolve(self.archive, self.base, posixpath.dirname(origin), address)


def read_manifest(archive: Archive) -> Manifest:
    """Return what `archive` holds.

    Raises
    ------
    InputError
        No manifest and nothing of QTI either; a manifest that is damaged or names a resource twice.
    """
    found = [name for name in archive.names if posixpath.basename(name).lower() == MANIFEST]
    if not found:
        looked = tuple(_looked_through(archive))
        if not looked:
            raise InputError(f"{archive.where}: expected a QTI content package, got no {MANIFEST} in it")
        return Manifest(archive, "", looked)
    path = min(found, key=lambda name: (name.count("/"), name))
    root = parse(archive.read(path), path, 32 * 1024 * 1024, 500_000)
    if local(root) != "manifest":
        refuse(path, root.sourceline, f"expected <manifest>, got <{local(root)[:40]}>")
    entries = list(_entries(archive, path, root))
    if not any(ITEM.match(entry.kind) for entry in entries):  # items by another name, or none
        entries += [entry for entry in _looked_through(archive) if entry.kind == _FOUND["assessmentitem"]]
    return Manifest(archive, path, tuple(entries))


def _entries(archive: Archive, path: str, root: etree._Element) -> Iterator[Entry]:
    seen: set[str] = set()
    base = posixpath.dirname(path)
    for holder in children(root, "resources"):
        for element in children(holder, "resource"):
            name = attribute(element, "identifier", path)
            if name in seen:
                refuse(path, element.sourceline, f"the resource '{name}' is there twice")
            seen.add(name)
            address = element.get("href") or next(
                (file.get("href") for file in children(element, "file") if file.get("href")), ""
            )
            here = posixpath.join(base, *(part.get(_BASE) or "" for part in (root, holder, element)))
            file = _resolve(archive, base, here, address)
            access, features = _accessibility(element)
            yield Entry(name, element.get("type") or "", file, element.sourceline, access, features)


def _accessibility(resource: etree._Element) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the access modes and the features that the metadata of a resource say, of those we know."""
    said = {
        (one.text or "").strip()
        for holder in children(resource, "metadata")
        for one in holder.iter("{*}accessMode", "{*}accessibilityFeature", "{*}adaptationType")
    }
    for holder in children(resource, "metadata"):
        for one in holder.iter("{*}classification"):
            purposes = {(value.text or "").strip() for value in one.iter("{*}value")}
            if PURPOSE in purposes:
                said |= {(taxon.text or "").strip() for taxon in one.iter("{*}id")}
    return tuple(n for n in ACCESS if n in said), tuple(n for n in FEATURES if n in said)


def _resolve(archive: Archive, base: str, here: str, address: str) -> str:
    plain = address.strip().replace("\\", "/")
    if not plain or _SCHEME.match(plain):
        return plain
    raw = plain.partition("#")[0].partition("?")[0]
    origin = base if raw.startswith("/") else here
    decoded, literal = (
        posixpath.normpath(posixpath.join(origin, n.lstrip("/"))) for n in (unquote(raw), plain)
    )
    return archive.name(decoded) or archive.name(literal) or decoded


def _looked_through(archive: Archive) -> Iterator[Entry]:
    for name in archive.names:
        if not name.lower().endswith(".xml") or name.startswith("__MACOSX/"):
            continue
        root = _ROOT.search(archive.read(name, _HEAD).replace(b"\x00", b""))
        if root:
            kind = _FOUND[root[1].decode().lower().replace("-", "")]
            yield Entry(posixpath.splitext(name)[0], kind, name, None)
