"""A connection to PostgreSQL: one transaction a run, and no acknowledgement before its commit."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest
from psycopg import errors

from api.database.wire import Connection


@contextlib.asynccontextmanager
async def opened(url: str, silence: float = 8.0) -> AsyncIterator[Connection]:
    made = "CREATE TEMPORARY TABLE t (n integer, body text, raw bytea)"
    connection = await Connection.connect(url, made, silence)
    try:
        yield connection
    finally:
        await connection.close()


@contextlib.contextmanager
def locked(url: str) -> Iterator[None]:
    """While this lasts, who runs `WAIT` waits."""
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("SELECT pg_advisory_lock(7)")
        yield


WAIT = ("SELECT pg_advisory_lock(7)::text", ())
INSERT = "INSERT INTO t VALUES ($1, $2, $3)"
COUNT = "SELECT count(*) FROM t"


def test_values_come_back_as_they_went(postgres_url: str) -> None:
    values = [(1, "é'\\ ", b"\0\xff"), (None, None, None), (-(2**31), "", b"")]

    async def scenario() -> None:
        async with opened(postgres_url) as connection:
            await connection.run([(INSERT, row) for row in values])
            (rows,) = await connection.run([("SELECT * FROM t", ())])
            assert rows == values

    asyncio.run(scenario())


def test_a_run_happens_whole_or_not_at_all_and_the_connection_stays(postgres_url: str) -> None:
    async def scenario() -> None:
        async with opened(postgres_url) as connection:
            for _ in range(2):  # the statements prepared, and not prepared
                with pytest.raises(errors.DivisionByZero):
                    await connection.run(
                        [(INSERT, (1, "x", b"")), ("SELECT 1 / $1::integer", (0,)), (INSERT, (2, "x", b""))]
                    )
                assert connection.idle
                assert await connection.run([(COUNT, ())]) == [[(0,)]]

    asyncio.run(scenario())


def test_what_fails_at_the_commit_itself_is_not_acknowledged(postgres_url: str) -> None:
    async def scenario() -> None:
        async with opened(postgres_url) as connection:
            await connection.run([("ALTER TABLE t ADD UNIQUE (n) DEFERRABLE INITIALLY DEFERRED", ())])
            for statements in ([(INSERT, (1, "x", b""))] * 2, [(INSERT, (1, "x", b"")), (COUNT, ())] * 2):
                with pytest.raises(errors.UniqueViolation):
                    await connection.run(statements)
                assert await connection.run([(COUNT, ())]) == [[(0,)]]

    asyncio.run(scenario())


def test_more_than_a_socket_holds_at_once_is_sent_and_read(postgres_url: str) -> None:
    large = "x" * 20_000_000

    async def scenario() -> None:
        async with opened(postgres_url) as connection:
            _, (rows,) = await connection.run([(INSERT, (1, large, b"")), ("SELECT body FROM t", ())])
            assert rows == (large,)

    asyncio.run(scenario())


def test_a_connection_left_in_the_middle_is_not_idle(postgres_url: str) -> None:
    async def scenario() -> None:
        async with opened(postgres_url) as connection:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await connection.run([("SELECT 1 FROM pg_sleep($1::integer)", (60,))])
            assert not connection.idle

    asyncio.run(scenario())


def test_a_server_that_hangs_up_is_noticed_while_nobody_asks(postgres_url: str) -> None:
    async def scenario() -> None:
        async with opened(postgres_url) as connection:
            ((row,),) = await connection.run([("SELECT pg_backend_pid()", ())])
            with psycopg.connect(postgres_url) as admin:
                admin.execute("SELECT pg_terminate_backend(%s, 5000)", row)
            async with asyncio.timeout(60):
                while not connection.closed:
                    await asyncio.sleep(0.01)
            with pytest.raises(psycopg.OperationalError):
                await connection.run([(COUNT, ())])

    asyncio.run(scenario())


def test_who_waits_for_a_silent_server_is_told_and_the_connection_learns_the_end(postgres_url: str) -> None:
    async def scenario() -> None:
        async with opened(postgres_url) as connection:
            connection._silence = 0.1
            with locked(postgres_url):
                with pytest.raises(psycopg.OperationalError, match=r"not answered for 0\.1 s.*not known"):
                    await connection.run([WAIT])
                assert connection.unanswered
            async with asyncio.timeout(60):
                await connection.answered()
            assert not connection.unanswered

    asyncio.run(scenario())


class Turned(asyncio.SelectorEventLoop):
    """An event loop whose clock can be put forward."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead


def test_a_server_that_goes_on_speaking_is_not_silent(postgres_url: str) -> None:
    speaks = "SELECT repeat('x', 10000) FROM pg_advisory_lock($1::integer)"  # as soon as it is let go on

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, Turned)
        with psycopg.connect(postgres_url, autocommit=True) as admin:
            for n in range(3):
                admin.execute("SELECT pg_advisory_lock(%s)", [n])
            async with opened(postgres_url, silence=100.0) as connection:
                run = asyncio.create_task(connection.run([(speaks, (n,)) for n in range(3)]))
                while not connection.unanswered:
                    await asyncio.sleep(0.001)
                for n in range(3):
                    loop.ahead += 60.0
                    turned = loop.time()
                    admin.execute("SELECT pg_advisory_unlock(%s)", [n])
                    while connection._heard < turned and not run.done():
                        await asyncio.sleep(0.001)
                assert len(await run) == 3

    with asyncio.Runner(loop_factory=Turned) as runner:
        runner.run(scenario())


def test_what_the_server_warns_of_is_no_acknowledgement(postgres_url: str) -> None:
    warn = "DO $$ BEGIN RAISE WARNING 'on this machine alone'; END $$"

    async def scenario() -> None:
        async with opened(postgres_url) as connection:
            with pytest.raises(psycopg.OperationalError, match="on this machine alone"):
                await connection.run([(INSERT, (1, "x", b"")), (warn, ())])
            assert await connection.run([(COUNT, ())]) == [[(1,)]]

    asyncio.run(scenario())
