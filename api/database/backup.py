"""Copies of a whole database while it is in use, and databases made of them.

A copy is the state at one moment: SQLite's online backup, or a snapshot by PostgreSQL's own ``pg_dump``. What
is acknowledged later is not in it; where that must not be lost, PostgreSQL keeps its log elsewhere as well.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from psycopg.pq import Conninfo

from api.database.connect import sqlite_path
from api.database.sqlite import driver
from cat_engine.errors import InputError

__all__ = ["back_up", "restore"]

_SQLITE, _POSTGRES = b"SQLite format 3\0", b"PGDMP"


def back_up(url: str, file: Path) -> None:
    """Copy the database at `url` into a new `file`, which is there whole or not at all.

    Raises
    ------
    InputError
        When `file` exists, the database cannot be read, or ``pg_dump`` is missing or fails.
    """
    if file.exists():
        raise InputError(f"expected the name of a new file, got {file}, which exists; choose another name")
    with _whole(file) as part:
        if url.startswith("sqlite:"):
            path = sqlite_path(url)
            if not path.is_file():
                raise InputError(f"expected a database in {path}, got no such file; check the address")
            _copied(path, part)
        else:
            _postgres(url, "pg_dump", "--format=custom", f"--file={part}")


def restore(url: str, file: Path) -> None:
    """Make a new database at `url` of the copy in `file`, which is there whole or not at all.

    Raises
    ------
    InputError
        When there is something at `url` already, or `file` is no copy of such a database.
    """
    with contextlib.suppress(OSError), file.open("rb") as copy:
        begins = copy.read(len(_SQLITE))
        if url.startswith("sqlite:") and begins == _SQLITE:
            path = sqlite_path(url)
            if path.exists():
                raise InputError(
                    f"expected the address of a new file, got {path}, which exists; move it away"
                )
            with _whole(path) as part:
                _copied(file, part)
            return
        if not url.startswith("sqlite:") and begins.startswith(_POSTGRES):
            _refuse_unless_empty(url)
            name = psycopg.conninfo.conninfo_to_dict(url).get("dbname", "postgres")
            options = ("--exit-on-error", "--single-transaction", "--no-owner", f"--dbname={name}")
            _postgres(url, "pg_restore", *options, str(file))
            return
    raise InputError(f"expected a copy that 'acquis backup' made of such a database, got {file}")


@contextlib.contextmanager
def _whole(file: Path) -> Iterator[Path]:
    """Give the name of a file to write, which becomes `file` once it is on the disk."""
    part = file.with_name(file.name + ".part")
    _gone(part)  # of one who was stopped in the middle
    try:
        yield part
        _synced(part)
        part.rename(file)
        if os.name == "posix":  # elsewhere a folder cannot be opened
            _synced(file.parent)
    finally:
        _gone(part)


def _gone(part: Path) -> None:
    for what in ("", "-journal", "-wal", "-shm"):
        part.with_name(part.name + what).unlink(missing_ok=True)


def _synced(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _copied(source: Path, target: Path) -> None:
    """Copy one SQLite database by its online backup, and check the copy."""
    module: Any = driver()
    try:
        with (
            contextlib.closing(module.connect(f"file:{source}?mode=ro", uri=True)) as here,
            contextlib.closing(module.connect(str(target))) as there,
        ):
            here.backup(there)
            said = there.execute("PRAGMA quick_check").fetchone()[0]
            if said != "ok":
                raise InputError(f"expected a sound database in {source}, got: {said}")
    except module.Error as error:
        raise InputError(f"expected a database in {source} that can be copied, got: {error}") from error


def _refuse_unless_empty(url: str) -> None:
    try:
        with psycopg.connect(url) as connection:
            row = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    except psycopg.OperationalError as error:
        raise InputError(f"expected a database at the address given, got none: {error}") from error
    if row is None or row[0]:
        raise InputError("expected an empty database, got one with tables; make a new one with 'createdb'")


def _postgres(url: str, program: str, *options: str) -> None:
    """Run one of PostgreSQL's programs; the address is told in the environment, where no one else sees it."""
    if shutil.which(program) is None:
        raise InputError(f"expected PostgreSQL's {program} among the programs, got none; install its client")
    told = {
        option.envvar.decode(): option.val.decode()
        for option in Conninfo.parse(url.encode())
        if option.envvar and option.val is not None
    }
    command = [program, *options]
    ended = subprocess.run(command, env=os.environ | told, capture_output=True, text=True, check=False)
    if ended.returncode:
        why = " ".join(ended.stderr.split())
        raise InputError(f"expected {program} to succeed, got: {why}")
