"""Reading a zip that a stranger made: nothing is extracted, everything is bounded."""

from __future__ import annotations

import io
import re
import stat
import struct
import zipfile
import zlib
from pathlib import Path

from cat_engine.errors import InputError

__all__ = ["Archive", "packed", "write_archive"]

_MOST_ENTRIES = 50_000
_LARGEST_ENTRY = 32 * 1024 * 1024
_LARGEST_SUM = 192 * 1024 * 1024
_LARGEST_DIRECTORY = 6 * 1024 * 1024
_LARGEST_FILE = 96 * 1024 * 1024
_RATIO = 200
_RATIO_FROM = 256 * 1024
_TAIL = 65_557  # the end record and the longest comment
_UNSAFE = re.compile(r"(?:^|/)\.\.?(?:/|$)|^/|^[A-Za-z]:|\\|[\x00-\x1f]|//")


class Archive:
    """The files of a zip, by their names.

    Raises
    ------
    InputError
        No zip, an encrypted or linked entry, a name that leaves the archive or comes twice, too many
        entries, too many bytes, or a suspicious compression; with the entry's name.
    """

    def __init__(self, data: bytes, where: str) -> None:
        self.where = where
        if len(data) > _LARGEST_FILE:
            raise InputError(
                f"{where}: expected at most {_LARGEST_FILE:,} bytes, got {len(data):,}; split it"
            )
        self._check_directory(data)
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except (
            zipfile.BadZipFile,
            ValueError,
            OSError,
            EOFError,
            struct.error,
            NotImplementedError,
        ) as error:
            raise InputError(f"{where}: expected a zip file, got a damaged one ({error})") from None
        self._entries: dict[str, zipfile.ZipInfo] = {}
        self._folded: dict[str, list[str]] = {}
        total = 0
        for entry in self._zip.infolist():
            self._check_entry(entry)
            total += entry.file_size
            if total > _LARGEST_SUM:
                raise InputError(f"{where}: it unpacks to more than {_LARGEST_SUM:,} bytes; split it")
            if not entry.is_dir():
                self._entries[entry.filename] = entry

    @classmethod
    def open(cls, path: str | Path) -> Archive:
        """Return the archive in a file."""
        path = Path(path)
        try:
            if path.stat().st_size > _LARGEST_FILE:
                raise InputError(f"{path}: expected at most {_LARGEST_FILE:,} bytes; split it")
            return cls(path.read_bytes(), str(path))
        except OSError as error:
            raise InputError(
                f"expected a package, got '{error.strerror}' for {path}; check the path"
            ) from None

    def _check_directory(self, data: bytes) -> None:
        """Look at the size of the directory before anything is made of it."""
        at = data.rfind(b"PK\x05\x06", max(0, len(data) - _TAIL))
        if at < 0 or len(data) < at + 22:
            raise InputError(f"{self.where}: expected a zip file, got something else; check the file")
        count, size = struct.unpack_from("<HI", data, at + 10)
        if size > _LARGEST_DIRECTORY or count > _MOST_ENTRIES:
            raise InputError(f"{self.where}: expected at most {_MOST_ENTRIES:,} entries, got more; split it")

    def _check_entry(self, entry: zipfile.ZipInfo) -> None:
        name = entry.orig_filename
        said = f"{self.where}: the entry '{name[:80]!r}'"
        if len(self._entries) >= _MOST_ENTRIES:
            raise InputError(f"{self.where}: expected at most {_MOST_ENTRIES:,} entries, got more; split it")
        if _UNSAFE.search(name) or len(name) > 240:
            raise InputError(f"{said} has a name that is not accepted; use plain names inside the package")
        if entry.filename in self._entries:
            raise InputError(f"{said} is there twice; remove one")
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise InputError(f"{said} is a symbolic link; put the file itself there")
        if entry.flag_bits & 0x1:
            raise InputError(f"{said} is encrypted; remove the password")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise InputError(f"{said} is compressed in an unusual way; use deflate")
        if entry.file_size > _LARGEST_ENTRY:
            raise InputError(f"{said} unpacks to {entry.file_size:,} bytes, more than {_LARGEST_ENTRY:,}")
        if entry.file_size > _RATIO_FROM and entry.file_size > _RATIO * max(1, entry.compress_size):
            raise InputError(f"{said} is compressed more than {_RATIO} times; it looks like a zip bomb")

    @property
    def names(self) -> list[str]:
        """Names of the files, in the order of the archive."""
        return list(self._entries)

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def name(self, sought: str) -> str | None:
        """Return the name of the file that `sought` means: itself, or the only one in another case."""
        if sought in self._entries:
            return sought
        if not self._folded:
            for name in self._entries:
                self._folded.setdefault(name.casefold(), []).append(name)
        alike = self._folded.get(sought.casefold(), [])
        return alike[0] if len(alike) == 1 else None

    def read(self, name: str, most: int = _LARGEST_ENTRY + 1) -> bytes:
        """Return the bytes of one file, `most` of them; never more than its entry says."""
        try:
            with self._zip.open(self._entries[name]) as file:
                return file.read(most)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError) as error:
            raise InputError(f"{self.where}: the entry '{name[:80]}' is damaged ({error})") from None


def packed(folder: Path) -> bytes:
    """Return the files of a folder as an archive; hidden ones and links are left out.

    Raises
    ------
    InputError
        More files or bytes than a package may hold.
    """
    files: dict[str, bytes] = {}
    total = 0
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not path.is_file() or any(part.startswith(".") for part in name.split("/")):
            continue
        total += path.stat().st_size
        if total > _LARGEST_FILE or len(files) >= _MOST_ENTRIES:
            raise InputError(
                f"{folder}: expected at most {_LARGEST_FILE:,} bytes in {_MOST_ENTRIES:,} files; split it"
            )
        files[name] = path.read_bytes()
    return write_archive(files)


def write_archive(files: dict[str, bytes]) -> bytes:
    """Return a zip of `files` in their order, with no dates, so that equal content gives equal bytes."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, body in files.items():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            entry.create_system = 3
            archive.writestr(entry, body)
    return made.getvalue()
