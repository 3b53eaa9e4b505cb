"""Connections to PostgreSQL, shared by the requests of one process.

Why not a library's pool: after an outage that must not make requests wait for a reconnection schedule.
Here a request connects when it needs to, a failure is told at once, and the first request after the
database is back finds it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator

import psycopg

from api.database.plans import Busy, Unavailable
from api.database.wire import SILENCE, Connection

__all__ = ["Pool"]

_ON_CONNECT = (
    "SET statement_timeout = '10s'; SET lock_timeout = '5s'; SET idle_in_transaction_session_timeout = '10s'"
)


class Pool:
    """At most `size` connections; at most `waiting` requests in the queue, for `patience` seconds each.

    A request that has a connection is told when the server says nothing for `silence` seconds.
    """

    def __init__(
        self, conninfo: str, size: int, waiting: int, patience: float, silence: float = SILENCE
    ) -> None:
        self.conninfo = conninfo
        self.size = size
        self.waiting = waiting
        self.patience = patience
        self.silence = silence
        self._idle: list[Connection] = []  # the last used is used next: it is warm
        self._open = 0
        self._promised = 0  # to who has been given a turn and has not taken it yet
        self._unanswered: dict[Connection, asyncio.Task[None]] = {}
        self._queue: deque[asyncio.Future[None]] = deque()

    @property
    def queued(self) -> int:
        """How many requests wait for a connection."""
        return len(self._queue)

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend a connection.

        One that comes back in the middle of something is closed, once the server has said what became of
        it: until then it counts as open, so that a server on which commits wait has never more than `size`
        of them. After a failure of the server the idle ones are closed as well, which have failed, too.
        """
        connection = await self._take()
        try:
            yield connection
        except psycopg.OperationalError:
            if connection.closed:
                await self._drop_idle()
            raise
        finally:
            if connection.idle:
                self._idle.append(connection)
                self._wake()
            elif connection.unanswered:
                self._unanswered[connection] = asyncio.create_task(self._outlast(connection))
            else:
                await self._drop(connection)

    async def _outlast(self, connection: Connection) -> None:
        await connection.answered()
        del self._unanswered[connection]
        await self._drop(connection)

    async def _drop(self, connection: Connection) -> None:
        await connection.close()
        self._open -= 1
        self._wake()

    async def close(self) -> None:
        """Close the idle connections and those that the server does not answer; lent ones close later."""
        self.size = 0
        await self._drop_idle()
        for connection, task in list(self._unanswered.items()):
            await connection.close()
            await task

    async def _drop_idle(self) -> None:
        idle, self._idle = self._idle, []
        self._open -= len(idle)
        for connection in idle:
            await connection.close()

    async def _take(self) -> Connection:
        if self._queue or self._free() <= 0:
            await self._wait()
        while self._idle:
            connection = self._idle.pop()
            if connection.idle:
                return connection
            await connection.close()  # the server has hung up
            self._open -= 1
        self._open += 1
        try:
            connection = await Connection.connect(self.conninfo, _ON_CONNECT, self.silence)
        except BaseException as error:
            self._open -= 1
            self._wake()
            if isinstance(error, psycopg.Error):
                raise Unavailable(f"PostgreSQL does not answer: {' '.join(str(error).split())}") from error
            raise
        return connection

    async def _wait(self) -> None:
        if len(self._queue) >= self.waiting:
            raise Busy("too many requests are waiting for the database")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            async with asyncio.timeout(self.patience):
                await turn
            self._promised -= 1
        except BaseException as error:
            if turn in self._queue:
                self._queue.remove(turn)
            elif turn.done() and not turn.cancelled():
                self._promised -= 1
                self._wake()  # the turn was given to one who has left: pass it on
            if isinstance(error, TimeoutError):
                raise Busy("no connection to the database was free in time") from None
            raise

    def _free(self) -> int:
        """How many connections may still be lent; one that is promised is not."""
        return self.size - self._open + len(self._idle) - self._promised

    def _wake(self) -> None:
        """Give a turn to those in the queue for whom there is a connection."""
        while self._queue and self._free() > 0:
            turn = self._queue.popleft()
            if not turn.done():
                self._promised += 1
                turn.set_result(None)
