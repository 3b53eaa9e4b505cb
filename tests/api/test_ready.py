"""Ready means ready: connections, statements and tests are there before the first candidate is."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from api.catalogue import store
from api.database.plans import Commit, Plan, Query
from api.database.postgres import PostgreSQL
from api.database.wire import Connection
from api.runtime import Runtime
from api.settings import Settings
from api.sittings import service
from api.upkeep import make_tests_ready
from tests.api.sample import CODE, invited, prepare

Run = Callable[[Callable[[Runtime], Coroutine[Any, Any, Any]]], Any]

ONE = Query(text("SELECT 1"))
PREPARED = (
    "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%FROM event%' "
    "OR statement LIKE 'INSERT INTO event%'",
    (),
)


def one() -> Plan[int]:
    (rows,) = yield [ONE()]
    return Commit(rows[0][0])


async def opened(url: str, folder: Path, connections: int) -> Runtime:
    runtime = Runtime.of(Settings(url, keys=folder / "keys", connections=connections))
    await runtime.database.open()
    return runtime


def test_every_connection_is_open_and_knows_what_an_answer_says(postgres_url: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        runtime = await opened(postgres_url, tmp_path, 3)
        assert isinstance(runtime.database, PostgreSQL)
        await prepare(runtime)
        await runtime.make_ready()
        pool = runtime.database.pool
        made = set(pool._idle)
        assert len(made) == pool.size == 3
        async with contextlib.AsyncExitStack() as stack:
            lent = [await stack.enter_async_context(pool.connection()) for _ in range(3)]
            assert set(lent) == made
            for connection in lent:
                ((count,),) = (await connection.run([PREPARED]))[0]
                assert count >= 3
        entry = await service.enter(runtime, (await invited(runtime)).code)
        assert entry.view.phase == "item"
        await runtime.database.close()

    asyncio.run(scenario())


def test_a_server_that_gives_fewer_connections_is_used_with_those(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    connect = Connection.connect
    given = 0

    async def limited(*args: Any, **named: Any) -> Connection:
        nonlocal given
        given += 1
        if given > 2:
            raise psycopg.OperationalError("too many clients already")
        return await connect(*args, **named)

    monkeypatch.setattr(Connection, "connect", limited)

    async def scenario() -> None:
        runtime = await opened(postgres_url, tmp_path, 4)
        with caplog.at_level(logging.WARNING, "acquis.database"):
            await runtime.database.prepare([ONE])
        (entry,) = [r for r in caplog.records if r.message == "fewer connections than asked for"]
        assert entry.__dict__["fields"]["missing"] == 2
        assert await runtime.read(one) == 1
        await runtime.database.close()

    asyncio.run(scenario())


def test_a_test_that_is_published_meanwhile_is_made_ready_once(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(runtime: Runtime) -> None:
        other = store.Tests()  # what another worker knows
        monkeypatch.setattr(runtime, "tests", other)
        assert await make_tests_ready(runtime) == 1
        ready = await runtime.read(store.latest, CODE)
        assert ready is not None and other.get(ready) is not None
        assert await make_tests_ready(runtime) == 0
        again = await prepare(runtime, title="Something else")
        assert again != ready
        assert await make_tests_ready(runtime) == 1
        assert other.get(again) is not None

    run(scenario)


def test_a_test_of_another_version_of_the_program_is_looked_at_once(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(*args: Any) -> None:
        raise ValueError("of another version")

    async def scenario(runtime: Runtime) -> None:
        monkeypatch.setattr(store, "live", unreadable)
        monkeypatch.setattr(runtime, "tests", store.Tests())
        assert [await make_tests_ready(runtime) for _ in range(2)] == [1, 0]

    run(scenario)


def test_of_a_crowd_that_comes_for_a_new_test_one_makes_it_ready(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = []
    live = store.live

    def counted(id: str, *args: Any) -> Any:
        built.append(id)
        return live(id, *args)

    async def scenario() -> None:
        runtime = await opened(postgres_url, tmp_path, 4)
        await prepare(runtime)
        (test,) = await runtime.read(store.newest, store.Tests())
        await runtime.database.prepare([])  # all of its connections, so that four read at once
        monkeypatch.setattr(store, "live", counted)
        tests = store.Tests()
        found = await asyncio.gather(*(runtime.read(store.load, tests, test.id) for _ in range(12)))
        assert built == [test.id]
        assert all(one is found[0] for one in found)
        await runtime.database.close()

    asyncio.run(scenario())
