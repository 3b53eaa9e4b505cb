"""Connections to PostgreSQL, shared by the requests of one process.

Why not a library's pool: after an outage that must not make requests wait for a reconnection schedule.
Here a request connects when it needs to, a failure is told at once, and the first request after the
database is back finds it.
"""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable

import psycopg

from api.database.plans import Busy, Commits, Unavailable
from api.database.wire import SILENCE, Connection

__all__ = ["Pool"]

_ON_CONNECT = (
    "SET statement_timeout = '10s'; SET lock_timeout = '5s'; SET idle_in_transaction_session_timeout = '10s'"
)


class Pool:
    """At most `size` connections; at most `waiting` requests in the queue, for `patience` seconds each.

    A request that has a connection is told when the server says nothing for `silence` seconds. `check` looks
    at each new connection before it is used, and raises where it may not be.
    """

    def __init__(
        self,
        conninfo: str,
        size: int,
        waiting: int,
        patience: float,
        check: Callable[[Connection], Awaitable[None]],
        silence: float = SILENCE,
    ) -> None:
        self.conninfo = conninfo
        self.size = size
        self.waiting = waiting
        self.patience = patience
        self.silence = silence
        self._check = check
        self._places = asyncio.Semaphore(size)  # fair: who has waited longest is next
        self._queued = 0
        self._idle: list[Connection] = []  # the last used is used next: it is warm
        self._made: weakref.WeakSet[Connection] = weakref.WeakSet()
        self._unanswered: dict[Connection, asyncio.Task[None]] = {}
        self._closed = False

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection.

        One that comes back in the middle of something is closed, once the server has said what became of
        it: until then it keeps its place, so that a server on which commits wait has never more than `size`
        of them. One on which the server failed is closed, too; where it has hung up, so are the idle ones,
        which have failed as well.
        """
        await self._place()
        try:
            connection = await self._connected()
        except BaseException:
            self._places.release()
            raise
        sound = True
        try:
            yield connection
        except psycopg.Error as error:
            sound = isinstance(error, psycopg.IntegrityError | psycopg.DataError)  # refused, as it should be
            if connection.closed:
                await self._drop_idle()
            raise
        finally:
            if connection.unanswered:
                self._unanswered[connection] = asyncio.create_task(self._outlast(connection))
            elif connection.idle and sound and not self._closed:
                self._idle.append(connection)
                self._places.release()
            else:
                await self._drop(connection)

    def commits(self) -> Commits:
        """Return what has been sent and is not confirmed yet, and who waits for a connection."""
        since = [made.commit_since for made in self._made if made.commit_since is not None]
        oldest = asyncio.get_running_loop().time() - min(since) if since else 0.0
        return Commits(len(since), self._queued, oldest)

    async def _place(self) -> None:
        """Wait for one of the places."""
        if not self._places.locked():
            await self._places.acquire()
            return
        if self._queued >= self.waiting:
            raise Busy("too many requests are waiting for the database")
        self._queued += 1
        try:
            async with asyncio.timeout(self.patience):
                await self._places.acquire()
        except TimeoutError:
            raise Busy("no connection to the database was free in time") from None
        finally:
            self._queued -= 1

    async def _connected(self) -> Connection:
        """Return an idle connection, or a new one."""
        while self._idle:
            connection = self._idle.pop()
            if connection.idle:
                return connection
            await connection.close()  # the server has hung up
        try:
            connection = await Connection.connect(self.conninfo, _ON_CONNECT, self.silence)
            try:
                await self._check(connection)
            except BaseException:
                await connection.close()
                raise
        except psycopg.Error as error:
            raise Unavailable(f"PostgreSQL does not answer: {' '.join(str(error).split())}") from error
        self._made.add(connection)
        return connection

    async def _outlast(self, connection: Connection) -> None:
        await connection.answered()
        del self._unanswered[connection]
        await self._drop(connection)

    async def _drop(self, connection: Connection) -> None:
        try:
            await connection.close()
        finally:
            self._places.release()

    async def _drop_idle(self) -> None:
        idle, self._idle = self._idle, []
        for connection in idle:
            await connection.close()

    async def close(self) -> None:
        """Close the idle connections and those that the server does not answer; lent ones close later."""
        self._closed = True
        await self._drop_idle()
        for connection, task in list(self._unanswered.items()):
            await connection.close()
            await task
