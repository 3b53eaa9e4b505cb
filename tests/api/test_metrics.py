"""What operators see of a database that is away, busy, or does not say whether a commit will last."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from api.app import create_app
from api.database.plans import Commit, Plan, Query
from api.database.postgres import PostgreSQL
from api.observe import DATABASE_FAILURES
from api.problems import Problem
from api.settings import Settings
from tests.api.browser import Browser, browser
from tests.api.database.test_pool import lose_patience
from tests.api.database.test_wire import locked
from tests.api.desk import call, runtime_of

SLOW = Query(text("SELECT 1 FROM pg_sleep(1)"))
STUCK = Query(text("SELECT pg_advisory_lock(7)::text"))


@pytest.fixture
def client(postgres_url: str, tmp_path: Path) -> Iterator[Browser]:
    """An application with one connection to PostgreSQL."""
    settings = Settings(postgres_url, keys=tmp_path / "keys", connections=1, upkeep=0)
    with browser(create_app(settings), settings.base_url) as client:
        yield client


def failures(client: Browser) -> dict[str, float]:
    """What /metrics says, by reason."""
    name = "acquis_database_failures_total"
    lines = [line for line in client.get("/metrics").text.splitlines() if line.startswith(name)]
    return {line.split('"')[1]: float(line.split()[-1]) for line in lines}


def slow_read() -> Plan[None]:
    yield [SLOW()]
    return Commit(None)


def stuck_read() -> Plan[None]:
    yield [STUCK()]
    return Commit(None)


def stuck_write() -> Plan[None]:
    yield []
    return Commit(None, [STUCK()])


async def refused(work: Coroutine[Any, Any, None]) -> str:
    try:
        await work
    except Problem as problem:
        return problem.code
    return ""


def test_a_healthy_database_has_failed_in_nothing(client: Browser) -> None:
    assert client.get("/ready").status_code == 200
    assert failures(client) == dict.fromkeys(DATABASE_FAILURES, 0)


def test_a_commit_of_which_the_server_says_nothing_is_told_from_a_server_that_is_away(
    client: Browser, postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    runtime = runtime_of(client)
    assert isinstance(runtime.database, PostgreSQL)
    lose_patience(runtime.database.pool, 0.3)
    with caplog.at_level(logging.WARNING, "acquis.database"):
        before = failures(client)
        with locked(postgres_url):
            assert call(client, refused, runtime.write(stuck_write)) == "unavailable"
        assert failures(client) == before | {"unconfirmed": before["unconfirmed"] + 1}
        assert caplog.records[-1].__dict__["fields"]["reason"] == "unconfirmed"
        with locked(postgres_url):
            assert call(client, refused, runtime.read(stuck_read)) == "unavailable"
        assert failures(client) == before | {"unconfirmed": 1, "away": before["away"] + 1}
        assert caplog.records[-1].__dict__["fields"]["reason"] == "away"


def test_a_server_that_takes_nobody_is_away(client: Browser, postgres_url: str) -> None:
    row = psycopg.conninfo.conninfo_to_dict(postgres_url)
    server = psycopg.conninfo.make_conninfo(postgres_url, dbname="postgres")
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f'ALTER DATABASE "{row["dbname"]}" ALLOW_CONNECTIONS false'.encode())
        admin.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [row["dbname"]]
        )
        for _ in range(3):
            assert client.get("/ready").status_code == 503
        admin.execute(f'ALTER DATABASE "{row["dbname"]}" ALLOW_CONNECTIONS true'.encode())
    assert failures(client) == {"away": 3, "unconfirmed": 0, "busy": 0}
    assert client.get("/ready").status_code == 200


def test_who_finds_no_connection_free_is_counted(client: Browser) -> None:
    runtime = runtime_of(client)
    assert isinstance(runtime.database, PostgreSQL)
    runtime.database.pool.waiting = 0

    async def at_once() -> list[str]:
        return await asyncio.gather(*(refused(runtime.read(slow_read)) for _ in range(3)))

    assert sorted(call(client, at_once)) == ["", "busy", "busy"]
    assert failures(client) == {"away": 0, "unconfirmed": 0, "busy": 2}
