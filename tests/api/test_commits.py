"""Operators see commits that the database does not confirm, for how long, and who waits behind them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from api.app import create_app
from api.database.plans import Commit, Plan, Query
from api.database.postgres import PostgreSQL
from api.problems import Problem
from api.runtime import Runtime
from api.settings import Settings
from tests.api.browser import Browser, browser
from tests.api.database.test_pool import lose_patience
from tests.api.database.test_wire import locked
from tests.api.desk import call, runtime_of

STUCK = Query(text("SELECT pg_advisory_lock(7)::text"))
ONE = Query(text("SELECT 1"))
QUIET = {"commits": 0.0, "waiting": 0.0, "commit_seconds": 0.0}


def gauges(client: Browser) -> dict[str, float]:
    """What /metrics says of the database's commits."""
    read = dict(
        line.split()
        for line in client.get("/metrics").text.splitlines()
        if line[:1] != "#" and "{" not in line
    )
    return {name: float(read[f"acquis_database_{name}"]) for name in QUIET}


def of(url: str, folder: Path) -> Iterator[Browser]:
    settings = Settings(url, keys=folder / "keys", connections=1, upkeep=0)
    with browser(create_app(settings), settings.base_url) as client:
        yield client


@pytest.fixture
def on_postgres(postgres_url: str, tmp_path: Path) -> Iterator[Browser]:
    """An application with one connection to PostgreSQL."""
    yield from of(postgres_url, tmp_path)


@pytest.fixture
def on_sqlite(sqlite_url: str, tmp_path: Path) -> Iterator[Browser]:
    """An application on a file."""
    yield from of(sqlite_url, tmp_path)


def stuck() -> Plan[None]:
    yield []
    return Commit(None, [STUCK()])


def look() -> Plan[int]:
    (rows,) = yield [ONE()]
    return Commit(rows[0][0])


def database_of(client: Browser) -> PostgreSQL:
    database = runtime_of(client).database
    assert isinstance(database, PostgreSQL)
    return database


async def until(holds: Callable[[], bool]) -> None:
    while not holds():
        await asyncio.sleep(0.001)


def test_a_commit_that_is_not_confirmed_and_who_waits_behind_it(
    on_postgres: Browser, postgres_url: str
) -> None:
    runtime = runtime_of(on_postgres)
    database = database_of(on_postgres)

    async def begin() -> list[asyncio.Task[object]]:
        first = asyncio.create_task(runtime.write(stuck))
        await until(lambda: database.commits().under_way == 1)
        second = asyncio.create_task(runtime.read(look))
        await until(lambda: database.commits().waiting == 1)
        await until(lambda: database.commits().oldest > 0.01)
        return [first, second]  # type: ignore[list-item]

    async def end(tasks: list[asyncio.Task[object]]) -> list[object]:
        return await asyncio.gather(*tasks)

    assert gauges(on_postgres) == QUIET
    with locked(postgres_url):
        tasks = call(on_postgres, begin)
        told = gauges(on_postgres)
        assert (told["commits"], told["waiting"]) == (1.0, 1.0)
        assert told["commit_seconds"] > 0.01
    assert call(on_postgres, end, tasks) == [None, 1]
    call(on_postgres, runtime.write, stuck)  # the lock is its own already
    assert gauges(on_postgres) == QUIET


def test_a_commit_stays_in_sight_after_whoever_asked_was_told_that_nobody_knows(
    on_postgres: Browser, postgres_url: str
) -> None:
    runtime = runtime_of(on_postgres)
    database = database_of(on_postgres)
    lose_patience(database.pool, 0.3)

    async def told(runtime: Runtime) -> str:
        try:
            await runtime.write(stuck)
        except Problem as problem:
            return problem.code
        return ""

    async def confirmed() -> None:
        await until(lambda: database.commits().under_way == 0)

    with locked(postgres_url):
        assert call(on_postgres, told, runtime) == "unavailable"
        assert gauges(on_postgres)["commits"] == 1.0
        assert gauges(on_postgres)["commit_seconds"] >= 0.3
    call(on_postgres, confirmed)
    assert gauges(on_postgres) == QUIET


def test_a_file_that_is_being_written_and_who_waits_for_its_writer(on_sqlite: Browser) -> None:
    runtime = runtime_of(on_sqlite)
    begun, go_on = threading.Event(), threading.Event()

    def held() -> Plan[None]:
        begun.set()
        assert go_on.wait(60)
        yield []
        return Commit(None)

    async def begin() -> list[asyncio.Task[None]]:
        first = asyncio.create_task(runtime.write(held))
        await asyncio.to_thread(begun.wait, 60)
        second = asyncio.create_task(runtime.write(held))
        await until(lambda: runtime.database.commits().waiting == 1)
        await until(lambda: runtime.database.commits().oldest > 0.01)
        return [first, second]

    async def end(tasks: list[asyncio.Task[None]]) -> None:
        go_on.set()
        await asyncio.gather(*tasks)

    assert gauges(on_sqlite) == QUIET
    tasks = call(on_sqlite, begin)
    told = gauges(on_sqlite)
    assert (told["commits"], told["waiting"]) == (1.0, 1.0)
    assert told["commit_seconds"] > 0.01
    call(on_sqlite, end, tasks)
    assert gauges(on_sqlite) == QUIET
