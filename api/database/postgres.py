"""PostgreSQL through psycopg 3: batches travel in one round trip each (pipeline mode).

A plan's reads see the committed state without locking anything. Its writes go as one pipeline, BEGIN and
COMMIT included, so that an answer costs two round trips. Statements are prepared on first use: a
connection pooler in front must keep sessions (PgBouncer: ``max_prepared_statements`` > 0).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncConnection, errors
from sqlalchemy import Dialect
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from api.database.durability import POSTGRES_SETTINGS, check_postgres
from api.database.plans import (
    ATTEMPTS,
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
from api.database.pool import Pool
from cat_engine.errors import InputError

__all__ = ["PostgreSQL"]

T = TypeVar("T")
_Start = Callable[..., Plan[T]]
_RETRY = (errors.UniqueViolation, errors.SerializationFailure, errors.DeadlockDetected)


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
        self.dialect: Dialect = PGDialect_psycopg()  # type: ignore[no-untyped-call]
        self.pool = Pool(conninfo, connections, waiting, patience)
        self._durable = durable

    async def open(self) -> None:
        """Connect and check the server's durability."""
        async with self.pool.connection() as connection:
            settings = {
                name: str((await (await connection.execute(f"SHOW {name}")).fetchone() or ("",))[0])
                for name in POSTGRES_SETTINGS
            }
        try:
            if self._durable:
                check_postgres(settings)
        except InputError:
            await self.close()
            raise

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
                return await self._attempt(plan, args, kwargs, writing=True)
            except Conflict:
                continue
        return await self._attempt(plan, args, kwargs, writing=True)

    async def _attempt(
        self, plan: _Start[T], args: tuple[Any, ...], kwargs: dict[str, Any], writing: bool
    ) -> T:
        try:
            async with self.pool.connection() as connection:
                steps = plan(*args, **kwargs)
                step = begin(steps)
                while not isinstance(step, Commit):
                    step = resume(steps, await self._batch(connection, step))
                if not writing:
                    return read_only(step)
                if step.writes:
                    await self._commit(connection, step.writes)
                return step.value
        except _RETRY as error:
            raise Conflict(str(error)) from error
        except errors.IntegrityError as error:
            raise Conflict(str(error)) from error
        except psycopg.OperationalError as error:
            raise Unavailable(str(error)) from error

    async def _batch(self, connection: AsyncConnection[Any], calls: Sequence[Call]) -> list[Rows]:
        if len(calls) == 1:
            sql, values = calls[0].bound(self.dialect)
            cursor = await connection.execute(sql, values, prepare=True, binary=True)
            return [await cursor.fetchall()]
        async with connection.pipeline():
            cursors = []
            for call in calls:
                sql, values = call.bound(self.dialect)
                cursors.append(await connection.execute(sql, values, prepare=True, binary=True))
            return [await cursor.fetchall() for cursor in cursors]

    async def _commit(self, connection: AsyncConnection[Any], calls: Sequence[Call]) -> None:
        try:
            async with connection.pipeline():
                await connection.execute("BEGIN", prepare=True)
                for call in calls:
                    sql, values = call.bound(self.dialect)
                    await connection.execute(sql, values, prepare=True)
                await connection.execute("COMMIT", prepare=True)
        except psycopg.Error:
            if not connection.broken:
                await connection.rollback()
            raise
