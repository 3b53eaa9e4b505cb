"""One connection to PostgreSQL, driven by the event loop.

psycopg connects and names the errors; what is said in between goes straight to libpq, through the thin layer
that psycopg has over it (`psycopg.pq`). Statements travel in pipeline mode: however many, they are one round
trip and one transaction, which PostgreSQL commits at the pipeline's end.
Each is prepared when it is first used.

A commit may take for ever: where a synchronous standby is away, PostgreSQL waits for it. Whoever asked is
told after a while that nobody knows; the connection is kept until the server has said what became of it.
Nothing cancels that wait: PostgreSQL would then say that it has committed, on one machine alone.

Values are texts, integers, bytes and None (`api.database.tables`), which keeps the conversions short.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import psycopg
from psycopg import AsyncConnection, errors
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus
from psycopg.pq.abc import PGconn, PGresult

__all__ = ["SILENCE", "Connection", "Statement"]

Statement = tuple[str, Sequence[str | int | bytes | None]]
"""SQL with places ``$1``, ``$2`` ..., and what goes there."""


def _whole(value: bytes) -> int:
    return int.from_bytes(value, "big", signed=True)


_READ: Mapping[int, Callable[[bytes], Any]] = {
    16: lambda value: value != b"\0",  # boolean
    17: bytes,  # bytea
    19: bytes.decode,  # name
    20: _whole,  # bigint
    21: _whole,  # smallint
    23: _whole,  # integer
    25: bytes.decode,  # text
    1043: bytes.decode,  # varchar
}
"""How values arrive, by the object identifier of their type."""

_FAILED = (ExecStatus.FATAL_ERROR, ExecStatus.BAD_RESPONSE)

CONNECTING = 5
"""Seconds that connecting may take."""

SILENCE = 8.0
"""Seconds without a word from the server after which whoever waits is told so."""


class Connection:
    """A connection; use `connect` to make one.

    Attributes
    ----------
    closed
        Whether it can be used no more.
    commit_since
        When writes were sent of which the server has not said yet what became of them, by the event loop's
        clock; None where there are none.
    """

    def __init__(self, made: AsyncConnection[Any], silence: float = SILENCE) -> None:
        self._made = made
        self._silence = silence
        self._heard = 0.0  # when the server last said something
        self._unanswered: asyncio.Future[None] | None = None  # until it has answered all that was sent
        self._timer: asyncio.TimerHandle | None = None
        self._warning = ""
        self._libpq: PGconn = made.pgconn
        self._names: dict[str, bytes] = {}
        self._named = secrets.token_hex(6).encode()  # nobody else's: see `pid`
        self._results: list[PGresult] = []
        self._waiter: asyncio.Future[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._socket = self._libpq.socket
        self.closed = False
        self.commit_since: float | None = None
        self._libpq.notice_handler = self._noticed
        self._libpq.enter_pipeline_mode()
        self._loop.add_reader(self._socket, self._readable)

    @staticmethod
    async def connect(conninfo: str, first: str, silence: float = SILENCE) -> Connection:
        """Connect and execute `first`.

        Raises
        ------
        psycopg.Error
            When there is no server, or it does not want us.
        """
        made = await AsyncConnection.connect(
            conninfo,
            autocommit=True,
            connect_timeout=CONNECTING,
            keepalives_idle=5,
            keepalives_interval=2,
            keepalives_count=3,
            tcp_user_timeout=8000,
        )
        try:
            await made.execute(first)
        except BaseException:  # whoever wanted it may have left
            await made.close()
            raise
        return Connection(made, silence)

    @property
    def pid(self) -> int:
        """Of the server's process, as it was told at the beginning; a pooler in between tells another number.

        Where a pooler gives each transaction to another process, a statement that was prepared in one is not
        there in the next; its name is like no other, so that none is taken for it.
        """
        return self._libpq.backend_pid

    @property
    def idle(self) -> bool:
        """Whether everything that was sent has been answered."""
        return self._waiter is None and not self.closed

    @property
    def unanswered(self) -> bool:
        """Whether the server has been sent a whole transaction and has not said yet what became of it."""
        return self._unanswered is not None and not self.closed

    async def answered(self) -> None:
        """Wait until the server has said what became of a transaction, or the connection is no more."""
        if self._unanswered is not None:
            await self._unanswered

    async def run(
        self, statements: Sequence[Statement], writes: bool = False, ahead: Sequence[str] = ()
    ) -> list[list[tuple[Any, ...]]]:
        """Run `statements` as one transaction; return the rows of each, once it is committed.

        Parameters
        ----------
        writes
            Whether it writes.
        ahead
            SQL that is only prepared, for whoever comes next.

        Raises
        ------
        psycopg.Error
            Nothing was done, or, where the connection is lost or the server is silent, nobody knows.
        """
        self._results, self._warning = [], ""
        waiter = self._waiter = self._loop.create_future()
        plain: list[int] = []  # which results are rows
        prepared: dict[str, tuple[bytes, int]] = {}  # which say that a statement is prepared
        sent = 0
        for sql in (*ahead, *(sql for sql, _ in statements)):
            if sql not in self._names and sql not in prepared:
                name = b"%s_%d" % (self._named, len(self._names) + len(prepared))
                self._libpq.send_prepare(name, sql.encode())
                prepared[sql] = (name, sent)
                sent += 1
        for sql, values in statements:
            name = self._names.get(sql) or prepared[sql][0]
            self._libpq.send_query_prepared(name, *_sent(values), result_format=1)
            plain.append(sent)
            sent += 1
        self._libpq.pipeline_sync()
        try:
            while self._libpq.flush():
                await self._writable()
        except psycopg.Error:
            waiter.cancel()
            raise
        self._unanswered, self._heard = self._loop.create_future(), self._loop.time()
        self.commit_since = self._heard if writes else None
        self._timer = self._loop.call_later(self._silence, self._lose_patience, waiter)
        try:
            await waiter
        finally:
            self._timer.cancel()
        self._waiter = None
        results = self._results
        for sql, (name, place) in prepared.items():
            if results[place].status == ExecStatus.COMMAND_OK:
                self._names[sql] = name
        for result in results:
            if result.status in _FAILED:
                raise self._error(result)
        if self._warning:
            raise psycopg.OperationalError(f"the server has committed, but warns: {self._warning}")
        return [_rows(results[place]) for place in plain]

    async def close(self) -> None:
        """Disconnect."""
        self._forget_socket()
        self._has_answered()
        await self._made.close()

    def _readable(self) -> None:
        """Take what the server has sent; at the pipeline's end wake whoever waits."""
        libpq = self._libpq
        try:
            libpq.consume_input()
            ended = False  # a None ends each statement's results; two say that there is no more
            while not libpq.is_busy():
                result = libpq.get_result()
                if result is None:
                    if ended or self._waiter is None:
                        break
                    ended = True
                    continue
                ended = False
                if result.status == ExecStatus.PIPELINE_SYNC:
                    if self._waiter is not None and not self._waiter.done():
                        self._waiter.set_result(None)
                    self._has_answered()
                    break
                self._results.append(result)
            self._heard = self._loop.time()
            if libpq.status == ConnStatus.BAD:
                raise psycopg.OperationalError("the connection was lost")
        except psycopg.Error as error:
            self._forget_socket()
            if self._waiter is not None and not self._waiter.done():
                failed = [result for result in self._results if result.status in _FAILED]
                self._waiter.set_exception(self._error(failed[0]) if failed else error)
            self._has_answered()

    def _has_answered(self) -> None:
        self.commit_since = None
        if self._unanswered is not None:
            self._unanswered.set_result(None)
            self._unanswered = None

    def _lose_patience(self, waiter: asyncio.Future[None]) -> None:
        """Tell whoever waits that the server has said nothing for too long."""
        left = self._heard + self._silence - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._lose_patience, waiter)
        elif not waiter.done():
            said = (
                f"the server has not answered for {self._silence:g} s; whether it has committed is not known"
            )
            waiter.set_exception(psycopg.OperationalError(said))

    def _noticed(self, notice: PGresult) -> None:
        """Note a warning: a commit that does not reach its standby is one."""
        if notice.error_field(DiagnosticField.SEVERITY_NONLOCALIZED) == b"WARNING":
            self._warning = (notice.error_field(DiagnosticField.MESSAGE_PRIMARY) or b"").decode()

    async def _writable(self) -> None:
        ready: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_writer(self._socket, _done, ready)
        try:
            await ready
        finally:
            self._loop.remove_writer(self._socket)

    def _forget_socket(self) -> None:
        if not self.closed:
            self.closed = True
            self._loop.remove_reader(self._socket)

    def _error(self, result: PGresult) -> psycopg.Error:
        state = (result.error_field(DiagnosticField.SQLSTATE) or b"").decode()
        text = (result.error_field(DiagnosticField.MESSAGE_PRIMARY) or result.error_message).decode()
        try:
            kind: type[psycopg.Error] = errors.lookup(state)
        except KeyError:
            kind = psycopg.OperationalError
        return kind(text)


def _done(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def _sent(values: Sequence[str | int | bytes | None]) -> tuple[list[bytes | None], list[int]]:
    """Return values as libpq takes them: bytes as they are, all else as text."""
    parameters: list[bytes | None] = []
    formats = []
    for value in values:
        if value is None or isinstance(value, bytes):
            parameters.append(value)
            formats.append(1)
        else:
            parameters.append(value.encode() if isinstance(value, str) else b"%d" % value)
            formats.append(0)
    return parameters, formats


def _rows(result: PGresult) -> list[tuple[Any, ...]]:
    width = result.nfields
    if not width:
        return []
    read = [(column, _READ[result.ftype(column)]) for column in range(width)]
    value = result.get_value
    return [
        tuple([None if (v := value(row, column)) is None else known(v) for column, known in read])
        for row in range(result.ntuples)
    ]
