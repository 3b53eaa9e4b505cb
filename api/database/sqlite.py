"""SQLite inside the process: one process, one writer thread, durable at every commit.

Writes go through one thread, each in BEGIN IMMEDIATE ... COMMIT with ``synchronous=FULL`` in WAL mode;
readers have connections of their own and never wait for the writer. A lock beside the database file
keeps a second server out. Python's own ``sqlite3`` is often linked to a library with the WAL-reset bug
(mended in SQLite 3.51.3), so the newest of ``sqlite3`` and ``pysqlite3`` is used.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from sqlalchemy import Dialect
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from api.database.durability import check_sqlite
from api.database.plans import (
    ATTEMPTS,
    Busy,
    Call,
    Commit,
    Conflict,
    Plan,
    Rows,
    Unavailable,
    begin,
    read_only,
    resume,
)
from cat_engine.errors import InputError

__all__ = ["SQLite", "driver"]

T = TypeVar("T")
_Start = Callable[..., Plan[T]]
_Job = tuple[_Start[Any], tuple[Any, ...], dict[str, Any], "asyncio.Future[Any]", asyncio.AbstractEventLoop]

READERS = 4
CHECKPOINT_PAGES = 1000


def driver() -> ModuleType:
    """Return the DB-API module with the newest SQLite library."""
    import sqlite3

    try:
        import pysqlite3.dbapi2 as other
    except ImportError:
        return sqlite3
    if other.sqlite_version_info > sqlite3.sqlite_version_info:
        return other  # type: ignore[no-any-return]
    return sqlite3


class SQLite:
    """A database in one file.

    Parameters
    ----------
    path
        The file; it is made when it does not exist.
    waiting
        How many writes may wait for the writer thread before `Busy` is raised.
    module
        The DB-API module; tests hand in one that records or fails.
    durable
        Whether weak durability is refused; only the tests' controls say no.
    reading
        Whether to read alone, beside a server that writes.
    synchronous
        ``FULL``; only the tests' controls say otherwise.
    readers
        How many connections read beside the writer; with 0 the writer reads, too.
    """

    def __init__(
        self,
        path: Path,
        waiting: int = 256,
        module: ModuleType | None = None,
        durable: bool = True,
        synchronous: str = "FULL",
        reading: bool = False,
        readers: int = READERS,
    ) -> None:
        self.path = path
        self.dialect: Dialect = SQLiteDialect_pysqlite(paramstyle="named")
        self._module = module or driver()
        self._durable = durable
        self._synchronous = synchronous
        self._reading = reading
        self._reader_count = readers
        self._jobs: queue.Queue[_Job | None] = queue.Queue(waiting)
        self._writer: threading.Thread | None = None
        self._readers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._lock: int | None = None

    async def open(self) -> None:
        """Open the file, check its durability, start the writer."""
        self._lock = None if self._reading else _lock_file(self.path)
        connection = self._connect()
        try:
            if self._durable:
                check_sqlite(connection, self._module.sqlite_version_info)
        except BaseException:
            connection.close()
            self._unlock()
            raise
        for _ in range(self._reader_count):
            reader = self._connect()
            reader.execute("PRAGMA query_only = ON")
            self._readers.put(reader)
        if self._reading:
            connection.close()
            return
        self._writer = threading.Thread(target=self._write_loop, args=(connection,), name="sqlite-writer")
        self._writer.start()

    async def close(self) -> None:
        """Let the writer finish what waits, then close."""
        if self._writer is not None:
            while True:  # a full queue empties soon
                try:
                    self._jobs.put_nowait(None)
                    break
                except queue.Full:
                    await asyncio.sleep(0.01)
            await asyncio.to_thread(self._writer.join)
            self._writer = None
        for _ in range(self._readers.qsize()):
            self._readers.get().close()
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _connect(self) -> Any:
        try:
            connection = self._module.connect(
                str(self.path), isolation_level=None, check_same_thread=False, timeout=5.0
            )
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {self._synchronous}")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        except self._module.Error as error:
            raise Unavailable(f"SQLite cannot open {self.path}: {error}") from error
        return connection

    async def read(self, plan: _Start[T], /, *args: Any, **kwargs: Any) -> T:
        """Run a plan that writes nothing, in a reader's connection."""
        if self._reader_count == 0:
            return await self.write(plan, *args, **kwargs)
        return await asyncio.to_thread(self._read, plan, args, kwargs)

    def _read(self, plan: _Start[T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
        try:
            connection = self._readers.get(timeout=2.0)
        except queue.Empty:
            raise Busy("all readers are busy") from None
        try:
            connection.execute("BEGIN")
            try:
                return read_only(self._run(connection, plan(*args, **kwargs)))
            finally:
                connection.execute("ROLLBACK")
        except self._module.Error as error:
            raise Unavailable(str(error)) from error
        finally:
            self._readers.put(connection)

    async def write(self, plan: _Start[T], /, *args: Any, **kwargs: Any) -> T:
        """Run a plan in the writer thread; durable when this returns."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        try:
            self._jobs.put_nowait((plan, args, kwargs, done, loop))
        except queue.Full:
            raise Busy("too many writes are waiting") from None
        return await done

    def _write_loop(self, connection: Any) -> None:
        while (job := self._jobs.get()) is not None:
            plan, args, kwargs, done, loop = job
            value: Any = None
            failure: BaseException | None = None
            try:
                value = self._write(connection, plan, args, kwargs)
            except BaseException as error:  # noqa: BLE001 - belongs to the caller, who waits for it
                failure = error
            with contextlib.suppress(RuntimeError):  # the loop may be gone when the server stops
                loop.call_soon_threadsafe(_settle, done, value, failure)
        connection.close()

    def _write(self, connection: Any, plan: _Start[T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
        for attempt in range(ATTEMPTS):
            try:
                connection.execute("BEGIN IMMEDIATE")
                try:
                    commit = self._run(connection, plan(*args, **kwargs))
                    for call in commit.writes:
                        connection.execute(*call.named(self.dialect))
                    connection.execute("COMMIT")
                    return commit.value
                finally:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
            except self._module.IntegrityError as error:
                if "UNIQUE" not in str(error) or attempt == ATTEMPTS - 1:
                    raise Conflict(str(error)) from error
            except self._module.Error as error:
                raise Unavailable(str(error)) from error
        raise AssertionError("unreachable")

    def _run(self, connection: Any, plan: Plan[T]) -> Commit[T]:
        step = begin(plan)
        while not isinstance(step, Commit):
            step = resume(plan, self._batch(connection, step))
        return step

    def _batch(self, connection: Any, calls: Sequence[Call]) -> list[Rows]:
        return [connection.execute(*call.named(self.dialect)).fetchall() for call in calls]


def _settle(done: asyncio.Future[Any], value: Any, failure: BaseException | None) -> None:
    if done.cancelled():
        return
    if failure is not None:
        done.set_exception(failure)
    else:
        done.set_result(value)


def _lock_file(path: Path) -> int | None:
    """Keep every other server away from `path`; the operating system lets go when this process ends."""
    try:
        import fcntl
    except ImportError:  # Windows: for trying things out, without this guard
        return None
    lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise InputError(
            f"another server is using {path}; SQLite takes one server process: stop the other one, "
            "or use PostgreSQL"
        ) from None
    return lock
