"""SQLite on a file system that records, or fails: everything of the product but the library is the product's.

`api.database.sqlite.SQLite` takes its DB-API module as a parameter. The one made here stands on apsw, whose
SQLite writes through a virtual file system in Python. What the product sends to SQLite (statements,
transactions, pragmas, its writer thread) is the same; recovery after a crash is done by the library that
the product itself uses. The one difference is ``locking_mode=EXCLUSIVE``, because a file system in Python
has no shared memory; so there are no reader connections here, and the writer reads.
"""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import apsw

__all__ = ["Disk", "Operation", "images", "module_on"]

_NUMBER = itertools.count()
SECTOR = 512


@dataclass(frozen=True, slots=True)
class Operation:
    """A write, a truncation, a sync or a deletion of a file."""

    kind: str
    file: str
    offset: int = 0
    data: bytes = b""


@dataclass(slots=True)
class Disk:
    """What was done to the disk, and what goes wrong with it.

    Attributes
    ----------
    done
        Every operation, in order.
    trouble
        Called before each operation with its kind; raises what SQLite is to be told.
    """

    done: list[Operation] = field(default_factory=list)
    trouble: Callable[[str], None] = lambda kind: None


def module_on(disk: Disk) -> Any:
    """Return a DB-API module (as far as the product uses one) whose files are on `disk`."""
    name = f"recording{next(_NUMBER)}"

    class File(apsw.VFSFile):  # type: ignore[misc]
        def __init__(self, path: Any, flags: Any) -> None:
            self.file = os.path.basename(
                path.filename() if isinstance(path, apsw.URIFilename) else path or ""
            )
            super().__init__("", path, flags)

        def xWrite(self, data: bytes, offset: int) -> None:
            disk.trouble("write")
            super().xWrite(data, offset)
            disk.done.append(Operation("write", self.file, offset, bytes(data)))

        def xSync(self, flags: int) -> None:
            disk.trouble("sync")
            super().xSync(flags)
            disk.done.append(Operation("sync", self.file))

        def xTruncate(self, size: int) -> None:
            disk.trouble("truncate")
            super().xTruncate(size)
            disk.done.append(Operation("truncate", self.file, size))

    class Files(apsw.VFS):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(name, "")

        def xOpen(self, path: Any, flags: Any) -> File:
            return File(path, flags)

        def xDelete(self, path: str, sync: bool) -> None:
            super().xDelete(path, sync)
            disk.done.append(Operation("delete", os.path.basename(path)))

    files = Files()

    def connect(path: str, **options: Any) -> Any:
        connection = apsw.Connection(path, vfs=name)
        connection.set_busy_timeout(5000)
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        return connection

    version = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))
    return SimpleNamespace(
        connect=connect,
        Error=apsw.Error,
        IntegrityError=apsw.ConstraintError,
        sqlite_version_info=version,
        files=files,  # keeps it registered
    )


def images(baseline: dict[str, bytes], done: list[Operation], cuts: list[int], seed: int) -> Any:
    """Yield (cut, files) for a power loss after each of `cuts` operations.

    Synced content is there. Of what was written and not synced, on even cuts nothing is, on odd cuts a random
    part, sector by sector: disks write in any order and tear pages.
    """
    draw = random.Random(seed)
    synced = {name: bytearray(content) for name, content in baseline.items()}
    waiting: dict[str, list[Operation]] = {}
    wanted = set(cuts)
    for number in range(len(done) + 1):
        if number in wanted:
            files = {name: bytes(content) for name, content in synced.items()}
            if number % 2:
                for name, operations in waiting.items():
                    torn = bytearray(files.get(name, b""))
                    for operation in operations:
                        _apply(torn, operation, draw)
                    files[name] = bytes(torn)
            yield number, files
        if number == len(done):
            return
        operation = done[number]
        if operation.kind == "delete":
            synced.pop(operation.file, None)
            waiting.pop(operation.file, None)
        elif operation.kind == "sync":
            content = synced.setdefault(operation.file, bytearray())
            for earlier in waiting.pop(operation.file, []):
                _apply(content, earlier, None)
        else:
            waiting.setdefault(operation.file, []).append(operation)


def _apply(content: bytearray, operation: Operation, draw: random.Random | None) -> None:
    if operation.kind == "truncate":
        if draw is None or draw.random() < 0.5:
            del content[operation.offset :]
        return
    for start in range(0, len(operation.data), SECTOR):
        if draw is not None and draw.random() < 0.5:
            continue
        part = operation.data[start : start + SECTOR]
        place = operation.offset + start
        if len(content) < place:
            content.extend(bytes(place - len(content)))
        content[place : place + len(part)] = part


def written(files: dict[str, bytes], folder: Path) -> None:
    """Write an image into a folder."""
    for name, content in files.items():
        (folder / name).write_bytes(content)
