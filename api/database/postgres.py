"""PostgreSQL: each batch of a plan is one round trip, and so is the transaction at its end.

A plan's reads see the committed state without locking anything. Statements are prepared on first use: a
connection pooler in front must keep sessions (PgBouncer: ``max_prepared_statements`` > 0).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import psycopg
from psycopg import errors
from sqlalchemy import Dialect
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg

from api.database.durability import POSTGRES_SETTINGS, STANDBYS, NotDurable, check_postgres
from api.database.plans import (
    ATTEMPTS,
    Call,
    Commit,
    Commits,
    Conflict,
    Plan,
    Query,
    Refused,
    Rows,
    Unavailable,
    Unconfirmed,
    begin,
    read_only,
    resume,
)
from api.database.pool import Pool
from api.database.wire import Connection

__all__ = ["PostgreSQL"]

T = TypeVar("T")
log = logging.getLogger("acquis.database")
_Start = Callable[..., Plan[T]]
_CONFLICT = (
    errors.IntegrityError,
    errors.SerializationFailure,
    errors.DeadlockDetected,
    errors.DivisionByZero,  # what a write stands on does not hold (`api.sittings.turn`)
)
_FAILURE = (
    psycopg.OperationalError,
    psycopg.InternalError,
    errors.InvalidSqlStatementName,  # the session was reset, or a pooler gives us others' (`open`)
    NotDurable,
)


class PostgreSQL:
    """A PostgreSQL database.

    Parameters
    ----------
    conninfo
        ``postgresql://...`` or any other form that libpq reads.
    connections
        How many this process holds at most.
    waiting
        How many requests may wait for a connection before `Busy` is raised.
    patience
        Seconds that one of them waits at most.
    durable
        Whether weak durability is refused; only the tests' controls say no.
    """

    def __init__(
        self,
        conninfo: str,
        connections: int = 8,
        waiting: int = 256,
        patience: float = 2.0,
        durable: bool = True,
    ) -> None:
        # Of SQLAlchemy's dialects the one that writes $1 and every parameter's type, as libpq wants it.
        self.dialect: Dialect = PGDialect_asyncpg()  # type: ignore[no-untyped-call]
        self.pool = Pool(conninfo, connections, waiting, patience, self._check)
        self._durable = durable

    async def open(self) -> None:
        """Connect, which checks the server's durability; refuse a pooler that shares out connections."""
        try:
            async with self.pool.connection() as connection:
                if await _process(connection) != connection.pid:
                    await self._refuse_shared(connection)
        except NotDurable:
            await self.close()
            raise

    async def _refuse_shared(self, one: Connection) -> None:
        """Refuse a pooler that gives each transaction to any process of the server.

        What was checked and set on a connection would hold for one transaction alone: others could have
        turned `synchronous_commit` off in the process that gets the next answer. A process that serves two
        connections, or a connection that meets two processes, tells.
        """
        try:
            other = await Connection.connect(self.pool.conninfo, "SELECT 1")
        except psycopg.Error as error:
            raise Unavailable(str(error)) from error
        try:
            met = [{await _process(connection) for _ in range(3)} for connection in (one, other, one, other)]
        finally:
            await other.close()
        if len(met[0] | met[2]) > 1 or len(met[1] | met[3]) > 1 or met[0] & met[1]:
            raise NotDurable(
                "expected a connection to PostgreSQL of its own, got one that a pooler shares out by "
                "transaction or by statement: whether a commit lasts cannot be checked there; name "
                "PostgreSQL itself (a worker keeps few connections, see --connections) or a pooler in "
                "session mode"
            )

    async def prepare(self, queries: Sequence[Query]) -> None:
        """Open every connection and prepare `queries` on each: otherwise a crowd waits while both is done.

        Where the server gives fewer, those are used.
        """
        texts = [query.sql(self.dialect).text for query in queries]

        async def one() -> None:
            async with self.pool.connection() as connection:
                await connection.run([], ahead=texts)

        opened = await asyncio.gather(*(one() for _ in range(self.pool.size)), return_exceptions=True)
        failed = [error for error in opened if error is not None]
        if failed:
            fields = {"missing": len(failed), "why": str(failed[0])}
            log.warning("fewer connections than asked for", extra={"fields": fields})

    def commits(self) -> Commits:
        """Return what is under way and what waits."""
        return self.pool.commits()

    async def _check(self, connection: Connection) -> None:
        """Refuse a connection whose commits may be lost: settings change while we run, or with the server."""
        names = (*POSTGRES_SETTINGS, STANDBYS)
        shown = await connection.run([(f"SHOW {name}", ()) for name in names])
        if self._durable:
            check_postgres({name: rows[0][0] for name, rows in zip(names, shown, strict=True)})

    async def close(self) -> None:
        """Close every connection."""
        await self.pool.close()

    async def read(self, plan: _Start[T], /, *args: Any, **kwargs: Any) -> T:
        """Run a plan that writes nothing."""
        return await self._attempt(plan, args, kwargs, writing=False)

    async def write(self, plan: _Start[T], /, *args: Any, **kwargs: Any) -> T:
        """Run a plan; durable when this returns."""
        for _ in range(ATTEMPTS - 1):
            try:
                return await self.attempt(plan, *args, **kwargs)
            except Conflict:
                continue
        return await self.attempt(plan, *args, **kwargs)

    async def attempt(self, plan: _Start[T], /, *args: Any, **kwargs: Any) -> T:
        """Run a plan once; durable when this returns."""
        return await self._attempt(plan, args, kwargs, writing=True)

    async def _attempt(
        self, plan: _Start[T], args: tuple[Any, ...], kwargs: dict[str, Any], writing: bool
    ) -> T:
        failure = Unavailable
        try:
            async with self.pool.connection() as connection:
                steps = plan(*args, **kwargs)
                step = begin(steps)
                while not isinstance(step, Commit):
                    step = resume(steps, await self._run(connection, step) if step else [])
                if not writing:
                    return read_only(step)
                if step.writes:
                    failure = Unconfirmed
                    await self._run(connection, step.writes, writes=True)
                return step.value
        except _CONFLICT as error:
            raise Refused(str(error)) from error
        except _FAILURE as error:
            raise failure(str(error)) from error

    async def _run(self, connection: Connection, calls: Sequence[Call], writes: bool = False) -> list[Rows]:
        return await connection.run([call.ordered(self.dialect) for call in calls], writes)


async def _process(connection: Connection) -> int:
    """Return the number of the process that answers on `connection`, as it says now."""
    (rows,) = await connection.run([("SELECT pg_backend_pid()", ())])
    return int(rows[0][0])
