"""Connections to PostgreSQL: never too many, none leaked, none that is unfit."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest
from sqlalchemy import text

from api.database import postgres
from api.database.connect import connect
from api.database.durability import NotDurable
from api.database.plans import Commit, Database, Plan, Query, Unavailable
from api.database.pool import Pool
from api.database.wire import Connection
from tests.databases import with_database

SLEEP = Query(text("SELECT 1 FROM pg_sleep(0.02)"))
WRITE = Query(text("CREATE TABLE IF NOT EXISTS scratch (n integer)"))

RESET = Query(text("DEALLOCATE ALL"))


def sleep() -> Plan[int]:
    (rows,) = yield [SLEEP()]
    return Commit(rows[0][0])


def write() -> Plan[None]:
    yield []
    return Commit(None, [WRITE()])


def reset() -> Plan[None]:
    yield [RESET()]
    return Commit(None)


async def unchecked(connection: Connection) -> None:
    """Take every connection."""


@contextlib.asynccontextmanager
async def opened(url: str, size: int = 2) -> AsyncIterator[Database]:
    database = connect(url, connections=size, waiting=1000)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


def connections(url: str) -> int:
    """Return how many there are to this database, ours apart."""
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() AND usename IS NOT NULL"
        ).fetchone()
    return row[0] if row else 0


async def there_are(expected: range, url: str) -> None:
    """Wait until there are so many connections: those that were closed take a moment to go."""
    async with asyncio.timeout(60):
        while await asyncio.to_thread(connections, url) not in expected:
            await asyncio.sleep(0.01)


@contextlib.contextmanager
def changed(url: str, change: str, back: str) -> Iterator[None]:
    """Change a setting for new connections to this database."""
    told(url, change)
    try:
        yield
    finally:
        told(url, back)


def told(url: str, statement: str) -> None:
    """Execute a statement that names the database and the role."""
    with psycopg.connect(url, autocommit=True, options="-c default_transaction_read_only=off") as admin:
        row = admin.execute("SELECT current_database(), current_user").fetchone()
        assert row is not None
        admin.execute(statement.format(database=row[0], role=row[1]).encode())


def forget(url: str) -> None:
    """Hang up on everybody, so that they connect again."""
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def lose_patience(pool: Pool, seconds: float) -> None:
    """From now on the server may say nothing for so long, on connections that are there and on new ones."""
    pool.silence = seconds
    for connection in pool._made:
        connection._silence = seconds


def test_whoever_comes_first_does_not_push_in(postgres_url: str) -> None:
    """One waits, the connection comes back, and another asks before the first one has woken up."""

    async def scenario() -> None:
        pool = Pool(postgres_url, 1, 10, 100.0, unchecked, 100.0)
        taken = []

        async def use(name: str) -> None:
            async with pool.connection() as connection:
                taken.append((name, connection))
                await asyncio.sleep(0.01)

        async with pool.connection() as first:
            waiting = asyncio.create_task(use("waiting"))
            await asyncio.sleep(0)
        await use("late")
        await waiting
        assert taken == [("waiting", first), ("late", first)]
        await pool.close()

    asyncio.run(scenario())


def test_requests_that_are_given_up_anywhere_leave_the_pool_whole(postgres_url: str) -> None:
    async def scenario() -> None:
        draw = random.Random(5)
        async with opened(postgres_url) as database:

            async def impatient() -> None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(draw.uniform(0.0, 0.08)):
                        await database.read(sleep)

            for _ in range(8):
                await asyncio.gather(*(impatient() for _ in range(15)))
            async with asyncio.timeout(60):
                assert await asyncio.gather(*(database.read(sleep) for _ in range(8))) == [1] * 8
            await there_are(range(1, 3), postgres_url)
        await there_are(range(1), postgres_url)

    asyncio.run(scenario())


WEAK = [
    ("ALTER ROLE {role} SET synchronous_commit = off", "ALTER ROLE {role} RESET synchronous_commit"),
    (
        'ALTER ROLE {role} IN DATABASE "{database}" SET synchronous_commit = off',
        'ALTER ROLE {role} IN DATABASE "{database}" RESET synchronous_commit',
    ),
    (
        'ALTER DATABASE "{database}" SET synchronous_commit = off',
        'ALTER DATABASE "{database}" RESET synchronous_commit',
    ),
]


@pytest.mark.parametrize(("change", "back"), WEAK)
def test_a_connection_that_may_lose_commits_is_refused_at_any_time(
    postgres_url: str, change: str, back: str
) -> None:
    async def scenario() -> None:
        async with opened(postgres_url) as database:
            with changed(postgres_url, change, back):
                with pytest.raises(NotDurable, match="synchronous_commit"):
                    await connect(postgres_url).open()
                await database.write(write)  # a connection that was made before keeps what it was given
                await asyncio.to_thread(forget, postgres_url)
                for _ in range(3):
                    with pytest.raises(Unavailable):
                        await database.write(write)
            await database.write(write)

    asyncio.run(scenario())


def test_an_address_that_asks_for_weak_commits_is_refused(postgres_url: str) -> None:
    sign = "&" if "?" in postgres_url else "?"
    url = f"{postgres_url}{sign}options=-c%20synchronous_commit%3Doff"
    with pytest.raises(NotDurable, match="synchronous_commit"):
        asyncio.run(connect(url).open())


@pytest.mark.parametrize("met", [None, [1], [1, 2]], ids=["by session", "one for two", "two for one"])
def test_a_pooler_that_shares_out_connections_by_transaction_is_refused(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, met: list[int] | None
) -> None:
    """`met`: the processes of the server that answer in turn; None: those that do."""

    async def whole() -> None:
        async with opened(postgres_url) as database:
            assert await database.write(write) is None

    monkeypatch.setattr(Connection, "pid", 0)  # a pooler tells a number of its own
    if met is None:
        asyncio.run(whole())
        return
    turns = itertools.cycle(met)

    async def answers(connection: Connection) -> int:
        return next(turns)

    monkeypatch.setattr(postgres, "_process", answers)
    with pytest.raises(NotDurable, match="pooler"):
        asyncio.run(whole())


def test_a_session_that_was_reset_is_unavailable_once(postgres_url: str) -> None:
    async def whole() -> None:
        async with opened(postgres_url, size=1) as database:
            assert await database.read(sleep) == 1
            await database.read(reset)
            with pytest.raises(Unavailable, match="prepared statement"):
                await database.read(sleep)
            assert await database.read(sleep) == 1

    asyncio.run(whole())


def test_a_server_that_only_reads_is_unavailable_and_its_connections_are_not_kept(postgres_url: str) -> None:
    """A server that has become a standby, say: the next connection may lead to its successor."""
    name = 'ALTER DATABASE "{database}"'

    async def scenario() -> None:
        with changed(
            postgres_url,
            f"{name} SET default_transaction_read_only = on",
            f"{name} RESET default_transaction_read_only",
        ):
            database = connect(postgres_url, connections=1)
            await database.open()
            with pytest.raises(Unavailable, match="read-only"):
                await database.write(write)
        await database.write(write)
        await database.close()

    asyncio.run(scenario())


def test_a_database_that_is_not_there_is_unavailable(postgres_url: str) -> None:
    with pytest.raises(Unavailable, match="does not exist"):
        asyncio.run(connect(with_database(postgres_url, "no_such_database")).open())
