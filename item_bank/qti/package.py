"""QTI content packages: a whole bank as a zip, and a bank (with what is not kept) from anyone's zip.

A package of ours holds one item file a language, the stimuli, the pictures, the parameters as QTI usage data,
and ``acquis/bank.json`` with what QTI has no place for. From it the bank comes back to the last letter. A
package of anyone else gives the items that are supported; `Imported.notes` lists the rest, item by item.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from lxml import etree

from cat_engine.errors import InputError
from item_bank.bank import Bank
from item_bank.categories import attainable
from item_bank.content import Content, Hotspot, Image, Item, SelectPoint, Stimulus
from item_bank.media import check_picture, kind
from item_bank.qti.reading import ItemFile, read_item, read_stimulus
from item_bank.qti.record import NAME, Record, item_of, read_record, write_record
from item_bank.qti.usage import read_usage, write_usage
from item_bank.qti.writing import write_item, write_stimulus
from item_bank.qti.xml import Unsupported, attribute, children, local, parse, refuse
from item_bank.qti.zipped import Archive, write_archive

__all__ = ["Imported", "Note", "import_item", "import_package", "package"]

_CP = "http://www.imsglobal.org/xsd/qti/qtiv3p0/imscp_v1p1"
_LOM = "http://ltsc.ieee.org/xsd/LOM"
_ITEM = re.compile(r"imsqti_(?:apip)?item(?:root)?_xmlv(?:2p\d|3p0)\Z")
_STIMULUS = re.compile(r"imsqti_stimulus_xmlv\dp\d\Z")
_OTHER = re.compile(r"imsqti_(test|section|assessment\w*|outcomes|rptemplate|fragment)_xmlv\dp\d\Z")
_USAGE = "qtiusagedata/xml"
_LARGEST_MEDIA = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Note:
    """Something of a package that is not as it was: where, and whether the item was kept all the same."""

    file: str
    line: int | None
    message: str
    kept: bool

    def __str__(self) -> str:
        """One line for people."""
        place = f"{self.file}, line {self.line}" if self.line else self.file
        return f"{place}: {self.message}" + ("" if self.kept else " (left out)")


@dataclass(frozen=True, slots=True)
class Imported:
    """A bank, and everything that was left out of it."""

    bank: Bank
    notes: tuple[Note, ...]


# Out.


def package(bank: Bank) -> bytes:
    """Return `bank` as a QTI 3 content package; equal banks give equal bytes."""
    files: dict[str, bytes] = {}
    resources: list[etree._Element] = []
    item_files: dict[str, dict[str, str]] = {}
    stimulus_files: dict[str, dict[str, str]] = {}

    def path(name: str) -> str:
        return f"../media/{name}"

    for name, stimulus in bank.stimuli.items():
        stimulus_files[name] = {}
        for language, title in stimulus.title.items():
            file = f"stimuli/{_safe(name)}.{language}.xml"
            image = stimulus.image.get(language)
            files[file] = write_stimulus(name, language, title, stimulus.html.get(language, ""), image, path)
            stimulus_files[name][language] = file
            needs = [image.name] if image else []
            resources.append(_resource(f"{name}.{language}", "imsqti_stimulus_xmlv3p0", file, needs))
    for item in bank.items:
        item_files[item.id] = {}
        for language, content in item.versions.items():
            file = f"items/{_safe(item.id)}.{language}.xml"
            shared = stimulus_files.get(item.stimulus, {}).get(language)
            refs = [(item.stimulus, f"../{shared}")] if shared else []
            files[file] = write_item(item.id, language, content, path, refs)
            item_files[item.id][language] = file
            resource = _resource(
                f"{item.id}.{language}",
                "imsqti_item_xmlv3p0",
                file,
                [image.name for image in _images(content)],
                [f"{item.stimulus}.{language}"] if shared else [],
            )
            if language == next(iter(item.versions)):
                resource.insert(0, _classification(item, bank.framework.id, language))
            resources.append(resource)
    for name, body in bank.media.items():
        files[f"media/{name}"] = body
        resources.append(_resource(f"media.{name}", "webcontent", f"media/{name}"))
    if bank.parameters:
        files["acquis/usage.xml"] = write_usage(bank.parameters)
        resources.append(_resource("usage", _USAGE, "acquis/usage.xml"))
    files[NAME] = write_record(bank, item_files, stimulus_files)
    resources.append(_resource("acquis", "webcontent", NAME))
    return write_archive({"imsmanifest.xml": _manifest(resources), **files})


def _safe(name: str) -> str:
    """Return `name` as a part of a file name; one that had to be changed gets a digest, to stay itself."""
    plain = re.sub(r"[^A-Za-z0-9_.\-]|\.{2,}", "_", name).lstrip(".")[:80]
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _images(content: Content) -> list[Image]:
    drawn = [c.image for c in content.interactions.values() if isinstance(c, Hotspot | SelectPoint)]
    return list({image.name: image for image in drawn}.values())


def _cp(name: str) -> str:
    return f"{{{_CP}}}{name}"


def _resource(
    name: str, kind: str, file: str, media: Iterable[str] = (), others: Iterable[str] = ()
) -> etree._Element:
    made = etree.Element(_cp("resource"), {"identifier": f"R-{_safe(name)}", "type": kind, "href": file})
    etree.SubElement(made, _cp("file"), {"href": file})
    for needed in (*(f"media.{name}" for name in media), *others):
        etree.SubElement(made, _cp("dependency"), {"identifierref": f"R-{_safe(needed)}"})
    return made


def _classification(item: Item, framework: str, language: str) -> etree._Element:
    """Say the skill in IEEE LOM, for readers that know no more than that."""
    holder = etree.Element(_cp("metadata"))
    lom = etree.SubElement(holder, f"{{{_LOM}}}lom", nsmap={"lom": _LOM})

    def add(parent: etree._Element, name: str, text: str = "") -> etree._Element:
        made = etree.SubElement(parent, f"{{{_LOM}}}{name}")
        made.text = text or None
        return made

    general = add(lom, "general")
    add(general, "language", language)
    one = add(lom, "classification")
    purpose = add(one, "purpose")
    add(purpose, "source", "LOMv1.0")
    add(purpose, "value", "competency")
    route = add(one, "taxonPath")
    add(add(route, "source"), "string", framework)
    for code in (item.domain, item.skill):
        add(add(route, "taxon"), "id", code)
    return holder


def _manifest(resources: list[etree._Element]) -> bytes:
    root = etree.Element(_cp("manifest"), {"identifier": "acquis-bank"}, nsmap={None: _CP, "lom": _LOM})
    metadata = etree.SubElement(root, _cp("metadata"))
    etree.SubElement(metadata, _cp("schema")).text = "QTI Package"
    etree.SubElement(metadata, _cp("schemaversion")).text = "3.0.0"
    etree.SubElement(root, _cp("organizations"))
    holder = etree.SubElement(root, _cp("resources"))
    holder.extend(resources)
    etree.indent(root)
    written: bytes = etree.tostring(root, encoding="UTF-8", xml_declaration=True)
    return written + b"\n"


# In.


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    kind: str
    file: str
    line: int | None


def import_package(data: bytes | Path | str, language: str = "fr", where: str = "package") -> Imported:
    """Return the bank in a content package (bytes or a path).

    Parameters
    ----------
    language
        Of the files that do not say their own.

    Raises
    ------
    InputError
        A package that is damaged or hostile; what is merely unsupported is listed in the notes.
    """
    archive = Archive(data, where) if isinstance(data, bytes) else Archive.open(data)
    return _Import(archive, language).run()


def import_item(data: bytes, where: str, language: str = "fr") -> Imported:
    """Return a bank of the one item in an item file; its pictures are not there."""
    notes: list[Note] = []

    def picture(address: str) -> str:
        name = _flat(address)
        notes.append(Note(where, None, f"its picture '{name}' is not in the file", True))
        return name

    read = _item_file(data, where, picture, language, notes)
    items = (_foreign_item([read]),) if read else ()
    return Imported(Bank(items), tuple(notes))


class _Import:
    """One import: the archive, what has been seen of it, and what is to be said of it."""

    def __init__(self, archive: Archive, language: str) -> None:
        self.archive = archive
        self.language = language
        self.notes: list[Note] = []
        self.media: dict[str, bytes] = {}
        self.names: dict[str, str] = {}
        manifests = [n for n in archive.names if posixpath.basename(n) == "imsmanifest.xml"]
        if not manifests:
            raise InputError(f"{archive.where}: expected a QTI content package, got no imsmanifest.xml in it")
        self.manifest = min(manifests, key=lambda name: (name.count("/"), name))
        self.base = posixpath.dirname(self.manifest)

    def run(self) -> Imported:
        entries = self._entries()
        own = posixpath.join(self.base, NAME)
        if own in self.archive:
            record = read_record(self.archive.read(own), own)
            return self._ours(record)
        return self._foreign(entries)

    def _entries(self) -> list[_Entry]:
        root = parse(self.archive.read(self.manifest), self.manifest, 32 * 1024 * 1024, 500_000)
        if local(root) != "manifest":
            refuse(self.manifest, root.sourceline, f"expected <manifest>, got <{local(root)[:40]}>")
        found: dict[str, _Entry] = {}
        for holder in children(root, "resources"):
            for element in children(holder, "resource"):
                name = attribute(element, "identifier", self.manifest)
                if name in found:
                    refuse(self.manifest, element.sourceline, f"the resource '{name}' is there twice")
                address = element.get("href") or next(
                    (file.get("href") for file in children(element, "file") if file.get("href")), ""
                )
                file = self._resolve(self.manifest, address)
                found[name] = _Entry(name, element.get("type") or "", file, element.sourceline)
        return list(found.values())

    def _resolve(self, origin: str, address: str) -> str:
        """Return the name in the archive that `address` means as seen from the file `origin`."""
        plain = unquote(address.partition("#")[0].partition("?")[0])
        return posixpath.normpath(posixpath.join(posixpath.dirname(origin), plain)) if plain else ""

    def _read(self, entry: _Entry) -> bytes:
        if entry.file not in self.archive:
            refuse(self.manifest, entry.line, f"the file '{entry.file[:80]}' is not in the package; add it")
        return self.archive.read(entry.file)

    def _picture(self, origin: str) -> Callable[[str], str]:
        def name(address: str) -> str:
            file = self._resolve(origin, address)
            if file not in self.names:
                self.names[file] = self._keep(origin, file)
            return self.names[file]

        return name

    def _keep(self, origin: str, file: str) -> str:
        name = _flat(file)
        if name in self.media:
            name = re.sub(r"[^A-Za-z0-9_.\-]", "_", file).lstrip(".-") or "picture"
        if file not in self.archive:
            self.notes.append(Note(origin, None, f"its picture '{file[:80]}' is not in the package", True))
        elif kind(name) is None:
            self.notes.append(Note(origin, None, f"'{file[:80]}' is no picture that is supported", True))
        else:
            body = self.archive.read(file)
            check_picture(file, body)
            self._take(name, body)
        return name

    def _take(self, name: str, body: bytes) -> None:
        self.media[name] = body
        if sum(map(len, self.media.values())) > _LARGEST_MEDIA:
            raise InputError(f"{self.archive.where}: expected pictures of at most {_LARGEST_MEDIA:,} bytes")

    # A package of ours.

    def _ours(self, record: Record) -> Imported:
        own = posixpath.join(self.base, NAME)
        for name in record.media:
            file = posixpath.join(self.base, "media", name)
            if file not in self.archive or _flat(name) != name:
                raise InputError(f"{own}: expected the picture '{name[:80]}' in media/, got none; add it")
            body = self.archive.read(file)
            check_picture(file, body)
            self._take(name, body)
            self.names[file] = name
        stimuli: dict[str, Stimulus] = {}
        for row in record.stimuli:
            stimuli[row["id"]] = self._stimulus(row["id"], row["files"])
        items: list[Item] = []
        for row in record.items:
            versions = {}
            for language, file in row["files"].items():
                read = self._item(posixpath.join(self.base, file))
                if read is not None:
                    versions[language] = read.content
            if versions:
                items.append(item_of(row, versions))
        media = {name: self.media.pop(name) for name in record.media} | self.media
        bank = Bank(tuple(items), stimuli, record.framework, media, record.parameters)
        return Imported(bank, tuple(self.notes))

    def _stimulus(self, name: str, files: dict[str, str]) -> Stimulus:
        title, html, image = {}, {}, {}
        for language, address in files.items():
            file = posixpath.join(self.base, address)
            if file not in self.archive:
                raise InputError(f"{self.archive.where}: expected '{file[:80]}', got no such file; add it")
            read = read_stimulus(self.archive.read(file), file, self._picture(file), language)
            title[language], html[language] = read.title, read.html
            if read.image:
                image[language] = read.image
        return Stimulus(name, title, html, image)

    def _item(self, file: str) -> ItemFile | None:
        if file not in self.archive:
            raise InputError(f"{self.archive.where}: expected '{file[:80]}', got no such file; add it")
        return _item_file(self.archive.read(file), file, self._picture(file), self.language, self.notes)

    # A package of anyone else.

    def _foreign(self, entries: list[_Entry]) -> Imported:
        stimuli: dict[str, Stimulus] = {}
        by_file: dict[str, str] = {}
        found: dict[str, list[ItemFile]] = {}
        shared: dict[str, str] = {}
        parameters: list[dict[str, Any]] = []
        for entry in entries:
            if _STIMULUS.match(entry.kind):
                self._shared(entry, stimuli, by_file)
            elif entry.kind.startswith("imsqti_") and not _ITEM.match(entry.kind):
                other = _OTHER.match(entry.kind)
                what = f"a {other[1]}" if other else f"'{entry.kind[:40]}'"
                self.notes.append(Note(entry.file, None, f"{what} is not kept", False))
            elif entry.kind == _USAGE:
                rows, said = read_usage(self._read(entry), entry.file)
                parameters += rows
                self.notes += [Note(entry.file, line, message, False) for line, message in said]
        for entry in entries:
            if not _ITEM.match(entry.kind):
                continue
            self._read(entry)
            read = self._item(entry.file)
            if read is None:
                continue
            same = found.setdefault(read.id, [])
            if any(other.language == read.language for other in same):
                refuse(entry.file, 1, f"the item '{read.id}' ({read.language}) is there twice; rename one")
            if same and not _agree(same[0], read):
                self.notes.append(
                    Note(entry.file, None, f"it is no translation of the other item '{read.id}'", False)
                )
                continue
            same.append(read)
            for address in read.stimuli:
                target = self._resolve(entry.file, address)
                if target in self.archive and target not in by_file:
                    self._shared(_Entry(target, "", target, None), stimuli, by_file)
                if target in by_file:
                    shared[read.id] = by_file[target]
                else:
                    self.notes.append(
                        Note(entry.file, None, f"its stimulus '{address[:80]}' is not there", True)
                    )
        items = tuple(
            replace(_foreign_item(files), stimulus=shared.get(name, ""))
            for name, files in found.items()
            if files
        )
        known = {item.id for item in items}
        kept = tuple(row for row in parameters if row["id"] in known)
        return Imported(Bank(items, stimuli, media=self.media, parameters=kept), tuple(self.notes))

    def _shared(self, entry: _Entry, stimuli: dict[str, Stimulus], by_file: dict[str, str]) -> None:
        read = read_stimulus(self._read(entry), entry.file, self._picture(entry.file), self.language)
        before = stimuli.get(read.id)
        if before and read.language in before.title:
            refuse(entry.file, 1, f"the stimulus '{read.id}' ({read.language}) is there twice; rename one")
        stimuli[read.id] = Stimulus(
            read.id,
            {**(before.title if before else {}), read.language: read.title},
            {**(before.html if before else {}), read.language: read.html},
            {
                **(before.image if before else {}),
                **({read.language: read.image} if read.image else {}),
            },
        )
        by_file[entry.file] = read.id


def _item_file(
    data: bytes, where: str, picture: Callable[[str], str], language: str, notes: list[Note]
) -> ItemFile | None:
    try:
        read = read_item(data, where, picture, language)
    except Unsupported as problem:
        notes.append(Note(where, problem.line, problem.what, False))
        return None
    notes += [Note(where, line, message, True) for line, message in read.notes]
    return read


def _foreign_item(files: list[ItemFile]) -> Item:
    versions = {file.language: file.content for file in files}
    return Item(id=files[0].id, versions=versions, scores=attainable(files[0].content))


def _agree(one: ItemFile, other: ItemFile) -> bool:
    return one.content.responses == other.content.responses


def _flat(address: str) -> str:
    """Return a plain file name for a path."""
    name = re.sub(r"[^A-Za-z0-9_.\-]", "_", posixpath.basename(address))
    return name.lstrip(".-") or "picture"
