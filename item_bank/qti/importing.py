"""A bank from a content package: ours to the last letter; anyone else's, with a list of what is not kept."""

from __future__ import annotations

import base64
import binascii
import hashlib
import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cat_engine.errors import InputError
from item_bank.bank import Bank
from item_bank.categories import attainable
from item_bank.content import Item, Stimulus
from item_bank.media import check_picture, kind, plain_name, size, without_doctype
from item_bank.qti.manifest import ITEM, STIMULUS, USAGE, Entry, Manifest, read_manifest
from item_bank.qti.reading import ItemFile, read_item, read_stimulus
from item_bank.qti.record import NAME, Record, item_of, read_record
from item_bank.qti.usage import read_usage
from item_bank.qti.xml import QTI_1, Hostile, Refused, Unsupported, refuse
from item_bank.qti.zipped import Archive
from item_bank.render import only

__all__ = ["Imported", "Note", "flat", "import_item", "import_package"]

_OTHER = re.compile(r"imsqti_(test|section|assessment\w*|outcomes|rptemplate|fragment)_xmlv\dp\d\w*\Z")
_OLD = re.compile(r"imsqti_(?:\w+_)?xmlv1p")
_INLINE = re.compile(r"data:image/(png|jpe?g|gif|webp|svg\+xml)((?:;[\w=.\-]+)*);base64,(.*)\Z", re.DOTALL)
_LARGEST_MEDIA = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Note:
    """Something of a package that is not as it was: where, and whether the item was kept all the same."""

    file: str
    line: int | None
    message: str
    kept: bool

    @property
    def place(self) -> str:
        """Where it is."""
        return f"{self.file}, line {self.line}" if self.line else self.file

    @property
    def said(self) -> str:
        """What is said of it."""
        return self.message + ("" if self.kept else " (left out)")

    def __str__(self) -> str:
        """One line for people."""
        return f"{self.place}: {self.said}"


@dataclass(frozen=True, slots=True)
class Imported:
    """A bank, and everything that was left out of it."""

    bank: Bank
    notes: tuple[Note, ...]


def import_package(data: bytes | Path | str, language: str = "fr", where: str = "package") -> Imported:
    """Return the bank in a content package (bytes or a path).

    Parameters
    ----------
    language
        Of the files that do not say their own.

    Raises
    ------
    InputError
        A package that is damaged or hostile, or has nothing in it that can be read; what is merely not
        supported, or damaged alone, is listed in the notes.
    """
    archive = Archive(data, where) if isinstance(data, bytes) else Archive.open(data)
    manifest = read_manifest(archive)
    own = posixpath.join(manifest.base, NAME)
    if own in archive:
        return _Ours(manifest, language).run(read_record(archive.read(own), own))
    return _Foreign(manifest, language).run()


def import_item(data: bytes, where: str, language: str = "fr") -> Imported:
    """Return a bank of the one item in an item file; of its pictures it has those that stand in the file."""
    pictures = _Pictures(None)
    try:
        read = read_item(data, where, pictures.naming(where), language, size=pictures.size)
    except Unsupported as problem:
        return Imported(Bank(()), (Note(where, problem.line, problem.what, False),))
    notes = [Note(where, line, message, True) for line, message in read.notes]
    item = Item(read.id, {read.language: read.content}, attainable(read.content))
    return Imported(
        Bank((item,), media=pictures.media), (*pictures.notes, *notes, *_assumed([read], language))
    )


class _Pictures:
    """The pictures that items name: taken from the archive, or from the address where that is the picture."""

    def __init__(self, manifest: Manifest | None) -> None:
        self.manifest = manifest
        self.media: dict[str, bytes] = {}
        self.names: dict[str, str] = {}
        self.notes: list[Note] = []
        self._bytes = 0
        self._sizes: dict[str, tuple[int, int] | None] = {}

    def naming(self, origin: str) -> Callable[[str], str]:
        """Return what gives the name in the bank of a picture that the file `origin` shows."""

        def name(address: str) -> str:
            inline = _INLINE.match(address.strip())
            file = (
                address.strip() if inline or self.manifest is None else self.manifest.resolve(origin, address)
            )
            if file not in self.names:
                self.names[file] = self._inline(origin, inline) if inline else self._keep(origin, file)
            return self.names[file]

        return name

    def size(self, name: str) -> tuple[int, int] | None:
        """Return width and height of the picture called `name`."""
        if name not in self._sizes:
            self._sizes[name] = size(name, self.media[name]) if name in self.media else None
        return self._sizes[name]

    def take(self, name: str, body: bytes) -> None:
        """Put a picture among the media."""
        self.media[name] = body
        self._bytes += len(body)
        if self._bytes > _LARGEST_MEDIA:
            raise InputError(
                f"{name}: expected pictures of at most {_LARGEST_MEDIA:,} bytes; make them smaller"
            )

    def _keep(self, origin: str, file: str) -> str:
        name = flat(file)
        if self.manifest is None or file not in self.manifest.archive:
            there = "in the package" if self.manifest else "in the file"
            self._say(origin, f"its picture '{file[:80]}' is not {there}")
            return name
        body = self.manifest.archive.read(file)
        name = plain_name(name, body)
        if name in self.media:
            name = f"{hashlib.sha256(file.encode()).hexdigest()[:12]}-{name}"
        if kind(name) is None:
            self._say(origin, f"'{file[:80]}' is no picture that is supported")
            return name
        return self._checked(origin, file, name, without_doctype(name, body))

    def _inline(self, origin: str, found: re.Match[str]) -> str:
        try:
            body = base64.b64decode(found[3], validate=False)
        except (binascii.Error, ValueError):
            body = b""
        suffix = {"jpg": "jpeg", "svg+xml": "svg"}.get(found[1], found[1])
        name = plain_name(f"inline-{hashlib.sha256(body).hexdigest()[:12]}.{suffix}", body)
        return self._checked(origin, name, name, without_doctype(name, body))

    def _checked(self, origin: str, file: str, name: str, body: bytes) -> str:
        try:
            check_picture(file, body) if kind(file) == kind(name) else check_picture(name, body)
        except Hostile:
            raise
        except InputError as error:
            self._say(origin, f"its picture is not kept: {error}")
            return name
        self.take(name, body)
        return name

    def _say(self, origin: str, message: str) -> None:
        self.notes.append(Note(origin, None, message, True))


class _Import:
    """What every import has: the manifest, the pictures, and how one file of it is read."""

    def __init__(self, manifest: Manifest, language: str) -> None:
        self.manifest = manifest
        self.archive = manifest.archive
        self.language = language
        self.pictures = _Pictures(manifest)

    def item(self, file: str) -> ItemFile:
        if file not in self.archive:
            raise InputError(f"{self.archive.where}: expected '{file[:80]}', got no such file; add it")

        def template(address: str) -> bytes | None:
            name = self.manifest.resolve(file, address)
            return self.archive.read(name) if name in self.archive else None

        naming = self.pictures.naming(file)
        data = self.archive.read(file)
        return read_item(data, file, naming, self.language, size=self.pictures.size, template=template)

    def stimulus(self, file: str, language: str = "") -> Any:
        if file not in self.archive:
            raise InputError(f"{self.archive.where}: expected '{file[:80]}', got no such file; add it")
        return read_stimulus(
            self.archive.read(file), file, self.pictures.naming(file), language or self.language
        )


class _Ours(_Import):
    """A package of ours: the record says what is what, and everything must be there."""

    def run(self, record: Record) -> Imported:
        base = self.manifest.base
        own = posixpath.join(base, NAME)
        for name in record.media:
            file = posixpath.join(base, "media", name)
            if file not in self.archive or flat(name) != name:
                raise InputError(f"{own}: expected the picture '{name[:80]}' in media/, got none; add it")
            body = self.archive.read(file)
            check_picture(file, body)
            self.pictures.take(name, body)
            self.pictures.names[file] = name
        stimuli = {row["id"]: self._stimulus(row["id"], row["files"]) for row in record.stimuli}
        notes: list[Note] = []
        items: list[Item] = []
        for row in record.items:
            versions = {}
            for language, file in row["files"].items():
                where = posixpath.join(base, file)
                try:
                    read = self.item(where)
                except Unsupported as problem:
                    notes.append(Note(where, problem.line, problem.what, False))
                    continue
                notes += [Note(where, line, message, True) for line, message in read.notes]
                versions[language] = read.content
            if versions:
                items.append(item_of(row, versions))
        found = self.pictures.media
        media = {name: found[name] for name in record.media} | found
        bank = Bank(tuple(items), stimuli, record.framework, media, record.parameters)
        return Imported(bank, (*self.pictures.notes, *notes))

    def _stimulus(self, name: str, files: dict[str, str]) -> Stimulus:
        title, html, image = {}, {}, {}
        for language, address in files.items():
            read = self.stimulus(posixpath.join(self.manifest.base, address), language)
            title[language], html[language] = read.title, read.html
            if read.image:
                image[language] = read.image
        return Stimulus(name, title, html, image)


class _Foreign(_Import):
    """A package of anyone else: what can be read is kept, the rest is listed."""

    def __init__(self, manifest: Manifest, language: str) -> None:
        super().__init__(manifest, language)
        self.notes: list[Note] = []
        self.errors: list[InputError] = []
        self.stimuli: dict[str, Stimulus] = {}
        self.by_file: dict[str, str] = {}
        self.items: dict[str, list[ItemFile]] = {}
        self.facts: dict[str, Item] = {}
        self.parameters: dict[str, dict[str, Any]] = {}

    def run(self) -> Imported:
        entries = self.manifest.entries
        if not self.manifest.path:
            self._say(self.archive.where, "it has no manifest: its files were looked through")
        for entry in entries:
            if STIMULUS.match(entry.kind):
                self._guarded(entry, self._stimulus)
            elif entry.kind == USAGE:
                self._guarded(entry, self._usage)
            elif entry.kind.startswith("imsqti_") and not ITEM.match(entry.kind):
                self._other(entry)
        seen: set[str] = set()
        for entry in entries:
            if ITEM.match(entry.kind) and entry.file not in seen:
                seen.add(entry.file)
                self._guarded(entry, self._item)
        if not self.items and (self.errors or not seen):
            nothing = InputError(f"{self.archive.where}: expected QTI items, got a package without any")
            raise next(iter(self.errors), nothing)
        items = tuple(
            replace(self.facts[name], versions={file.language: file.content for file in files})
            for name, files in self.items.items()
        )
        self._speak(items)
        rows = tuple(row for name, row in self.parameters.items() if name in self.items)
        read = [file for files in self.items.values() for file in files]
        bank = Bank(items, self.stimuli, media=self.pictures.media, parameters=rows)
        return Imported(bank, (*self.pictures.notes, *self.notes, *_assumed(read, self.language)))

    def _speak(self, items: tuple[Item, ...]) -> None:
        """Give each stimulus the languages of its items, where it does not say its own or has only one."""
        for item in items:
            stimulus = self.stimuli.get(item.stimulus)
            for language in item.versions:
                if stimulus and language not in stimulus.title:
                    one = only(stimulus, language)
                    said = next(iter(stimulus.title))
                    self._say(
                        stimulus.id, f"it has no '{language}' as its items have: '{said}' is taken for it"
                    )
                    stimulus = self.stimuli[stimulus.id] = Stimulus(
                        stimulus.id,
                        {**stimulus.title, **one.title},
                        {**stimulus.html, **one.html},
                        {**stimulus.image, **one.image},
                    )

    def _say(self, file: str, message: str, kept: bool = True, line: int | None = None) -> None:
        self.notes.append(Note(file, line, message, kept))

    def _guarded(self, entry: Entry, read: Callable[[Entry], None]) -> None:
        """Read one entry; list it where it is not supported or damaged. What is hostile goes no further."""
        try:
            if entry.file not in self.archive:
                missing = f"the file '{entry.file[:80]}' is not in the package; add it"
                refuse(self.manifest.path, entry.line, missing)
            read(entry)
        except Unsupported as problem:
            self._say(entry.file, problem.what, False, problem.line)
        except Hostile:
            raise
        except Refused as error:
            self.errors.append(error)
            self._say(error.where, error.what, False, error.line)
        except InputError as error:
            self.errors.append(error)
            self._say(entry.file, str(error), False)

    def _other(self, entry: Entry) -> None:
        if _OLD.match(entry.kind):
            self.errors.append(Refused(self.manifest.path or entry.file, entry.line, QTI_1))
            self._say(entry.file, QTI_1, False)
            return
        other = _OTHER.match(entry.kind)
        if other is None or other[1] != "rptemplate":
            self._say(entry.file, f"{f'a {other[1]}' if other else repr(entry.kind[:40])} is not kept", False)

    def _usage(self, entry: Entry) -> None:
        rows, said = read_usage(self.archive.read(entry.file), entry.file)
        for line, message in said:
            self._say(entry.file, message, False, line)
        for row in rows:
            if row["id"] in self.parameters:
                self._say(
                    entry.file, f"parameters of '{row['id'][:40]}' came before: these are not kept", False
                )
            else:
                self.parameters[row["id"]] = row

    def _stimulus(self, entry: Entry) -> None:
        read = self.stimulus(entry.file)
        before = self.stimuli.get(read.id, Stimulus(read.id, {}, {}))
        if read.language in before.title:
            refuse(entry.file, None, f"the stimulus '{read.id}' ({read.language}) is there twice; rename one")
        image = {read.language: read.image} if read.image else {}
        self.stimuli[read.id] = Stimulus(
            read.id,
            {**before.title, read.language: read.title},
            {**before.html, read.language: read.html},
            {**before.image, **image},
        )
        self.by_file[entry.file] = read.id

    def _item(self, entry: Entry) -> None:
        read = self.item(entry.file)
        name, scores = read.id, attainable(read.content)
        same = self.items.get(name, [])
        if any(other.language == read.language for other in same) or (same and not _agree(same[0], read)):
            name = entry.name
            if name in self.items:
                refuse(entry.file, None, f"the item '{read.id}' ({read.language}) is there twice; rename one")
            what = f"its identifier '{read.id[:40]}' is another item's: it is called '{name[:40]}'"
            self._say(entry.file, what)
        self.items.setdefault(name, []).append(read)
        for line, message in read.notes:
            self._say(entry.file, message, True, line)
        fresh = Item(name, {}, scores, access=entry.access, features=entry.features)
        known = self.facts.setdefault(name, fresh)
        for address in read.stimuli:
            target = self.manifest.resolve(entry.file, address)
            if target in self.archive and target not in self.by_file:
                self._guarded(Entry(target, "", target, None), self._stimulus)
            if target in self.by_file:
                self.facts[name] = replace(known, stimulus=self.by_file[target])
            else:
                self._say(entry.file, f"its stimulus '{address[:80]}' is not there")


def _agree(one: ItemFile, other: ItemFile) -> bool:
    return one.content.responses == other.content.responses


def _assumed(files: list[ItemFile], language: str) -> list[Note]:
    """Say of how many items the language was taken for granted."""
    silent = [file.id for file in files if not file.says_language]
    if not silent:
        return []
    which = f"the item '{silent[0][:40]}' does" if len(silent) == 1 else f"{len(silent)} items do"
    return [Note("language", None, f"{which} not say it: taken for '{language}' (--language)", True)]


def flat(address: str) -> str:
    """Return a plain file name for a path."""
    name = re.sub(r"[^A-Za-z0-9_.\-]", "_", posixpath.basename(address))
    return name.lstrip(".-") or "picture"
