"""SQLite inside the process: one process, one writer thread, durable before anything is acknowledged.

Writes go through one thread. All that wait when it is free share one transaction, BEGIN IMMEDIATE ... COMMIT
with ``synchronous=FULL`` in WAL mode, each behind a savepoint of its own, and none is told its outcome
before the commit: what costs is the disk's sync, of which ``make load`` prints how many it does a second.
Readers have connections of their own and never wait for the writer. A lock beside the database file keeps
a second server out. Python's own ``sqlite3`` is often linked to a library with the WAL-reset bug
(mended in SQLite 3.51.3), so the newest of ``sqlite3`` and ``pysqlite3`` is used.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Dialect
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from api.database.durability import check_sqlite
from api.database.plans import (
    ATTEMPTS,
    Busy,
    Call,
    Commit,
    Commits,
    Conflict,
    Plan,
    Query,
    Refused,
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
READERS = 4
CHECKPOINT_PAGES = 1000
TOGETHER = 64
"""How many writes share one commit at most."""


class _Job(NamedTuple):
    plan: _Start[Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    attempts: int
    done: asyncio.Future[Any]


_Outcome = tuple[Any, BaseException | None]
"""A value, or what was raised instead."""


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
        How many writes may wait for the writer thread, and how many reads, before `Busy` is raised.
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
        self._waiting = waiting
        self._jobs: queue.Queue[_Job | None] = queue.Queue(waiting)
        self._writer: threading.Thread | None = None
        self._readers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._threads: ThreadPoolExecutor | None = None  # the readers' own: nobody else's work delays them
        self._reads = 0
        self._writing: tuple[int, float] | None = None  # how many, and since when
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
        self._threads = ThreadPoolExecutor(max(1, self._reader_count), "sqlite-reader")
        if self._reading:
            connection.close()
            return
        arguments = (connection, asyncio.get_running_loop())
        self._writer = threading.Thread(target=self._write_loop, args=arguments, name="sqlite-writer")
        self._writer.start()

    async def prepare(self, queries: Sequence[Query]) -> None:
        """Do nothing: connections are open, and a statement is prepared inside the process."""

    def commits(self) -> Commits:
        """Return what is under way and what waits."""
        count, since = self._writing or (0, 0.0)
        return Commits(count, self._jobs.qsize(), time.monotonic() - since if count else 0.0)

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
        if self._threads is not None:
            await asyncio.to_thread(self._threads.shutdown)
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
            connection.execute("PRAGMA secure_delete = ON")  # what is erased is not in the file any more
            connection.execute("PRAGMA temp_store = MEMORY")  # what a savepoint may need again
            connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        except self._module.Error as error:
            raise Unavailable(f"SQLite cannot open {self.path}: {error}") from error
        return connection

    async def read(self, plan: _Start[T], /, *args: Any, **kwargs: Any) -> T:
        """Run a plan that writes nothing, in a reader's connection."""
        if self._reader_count == 0:
            return await self.write(plan, *args, **kwargs)
        if self._reads >= self._waiting:
            raise Busy("too many reads are waiting")
        self._reads += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._read, plan, args, kwargs)
        finally:
            self._reads -= 1

    def _read(self, plan: _Start[T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
        connection = self._readers.get()  # there are as many as threads
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
        return await self._queued(plan, args, kwargs, ATTEMPTS)

    async def attempt(self, plan: _Start[T], /, *args: Any, **kwargs: Any) -> T:
        """Run a plan in the writer thread once; durable when this returns."""
        return await self._queued(plan, args, kwargs, 1)

    async def _queued(
        self, plan: _Start[T], args: tuple[Any, ...], kwargs: dict[str, Any], attempts: int
    ) -> T:
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        try:
            self._jobs.put_nowait(_Job(plan, args, kwargs, attempts, done))
        except queue.Full:
            raise Busy("too many writes are waiting") from None
        return await done

    def _write_loop(self, connection: Any, loop: asyncio.AbstractEventLoop) -> None:
        job = self._jobs.get()
        while job is not None:
            jobs = [job]
            with contextlib.suppress(queue.Empty):
                while len(jobs) < TOGETHER and (job := self._jobs.get_nowait()) is not None:
                    jobs.append(job)
            self._writing = len(jobs), time.monotonic()
            outcomes = self._together(connection, jobs)
            self._writing = None
            with contextlib.suppress(RuntimeError):  # the loop may be gone when the server stops
                loop.call_soon_threadsafe(_settle, jobs, outcomes)
            if job is not None:
                job = self._jobs.get()
        connection.close()

    def _together(self, connection: Any, jobs: Sequence[_Job]) -> Sequence[_Outcome]:
        """Run `jobs` in one transaction; what the database refuses as a whole, it refuses to each."""
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                outcomes = [self._write(connection, job) for job in jobs]
                connection.execute("COMMIT")
                return outcomes
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
        except BaseException as error:  # noqa: BLE001 - belongs to the callers, who wait for it
            if isinstance(error, self._module.Error):
                error = Unavailable(str(error))
            return [(None, error)] * len(jobs)

    def _write(self, connection: Any, job: _Job) -> _Outcome:
        """Run one job behind a savepoint.

        Its own failure is an outcome like another; only a database that fails ends the whole transaction.
        """
        failure: BaseException | None = None
        for _ in range(job.attempts):
            connection.execute("SAVEPOINT job")
            try:
                commit = self._run(connection, job.plan(*job.args, **job.kwargs))
                for call in commit.writes:
                    connection.execute(*call.named(self.dialect))
                connection.execute("RELEASE job")
                return commit.value, None
            except self._module.IntegrityError as error:
                failure = Refused(str(error))
            except self._module.Error:
                raise
            except BaseException as error:  # noqa: BLE001 - belongs to the caller
                failure = error
            connection.execute("ROLLBACK TO job")
            connection.execute("RELEASE job")
            if not isinstance(failure, Conflict):
                break
        return None, failure

    def _run(self, connection: Any, plan: Plan[T]) -> Commit[T]:
        step = begin(plan)
        while not isinstance(step, Commit):
            step = resume(plan, self._batch(connection, step))
        return step

    def _batch(self, connection: Any, calls: Sequence[Call]) -> list[Rows]:
        return [connection.execute(*call.named(self.dialect)).fetchall() for call in calls]


def _settle(jobs: Sequence[_Job], outcomes: Sequence[_Outcome]) -> None:
    for job, (value, failure) in zip(jobs, outcomes, strict=True):
        if job.done.cancelled():
            continue
        if failure is not None:
            job.done.set_exception(failure)
        else:
            job.done.set_result(value)


def _lock_file(path: Path) -> int | None:
    """Keep every other server away from `path`; the operating system lets go when this process ends."""
    try:
        import fcntl
    except ImportError:  # Windows: for trying things out, without this guard
        return None
    path = path.resolve()  # one file, whatever it is called
    lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise InputError(
            f"expected {path} for this process alone (SQLite takes one that writes), got it used by another "
            "server; stop that server, do this, and start it again; or use PostgreSQL"
        ) from None
    return lock
