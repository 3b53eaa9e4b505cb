"""One transaction, written once, does the same on both databases."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import bindparam, insert, select

from api.database import tables
from api.database.connect import connect
from api.database.durability import check_postgres, check_sqlite
from api.database.plans import (
    Busy,
    Commit,
    Conflict,
    Database,
    Plan,
    Query,
    Refused,
    Unavailable,
    Unstorable,
)
from api.database.sqlite import SQLite, driver
from cat_engine.errors import InputError

ORGANISATION = Query(select(tables.organisation.c.name).where(tables.organisation.c.id == bindparam("id")))
ADD = Query(insert(tables.organisation))


def add(id: str, name: str) -> Plan[str]:
    yield []
    return Commit(id, [ADD(id=id, name=name, created_at=1)])


def add_twice(id: str) -> Plan[None]:
    yield []
    return Commit(None, [ADD(id=id, name="a", created_at=1), ADD(id=id, name="b", created_at=1)])


def name_of(id: str) -> Plan[str | None]:
    (rows,) = yield [ORGANISATION(id=id)]
    return Commit(rows[0][0] if rows else None)


@contextlib.asynccontextmanager
async def opened(url: str, **options: Any) -> AsyncIterator[Database]:
    database = connect(url, **options)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


def test_a_plan_reads_what_another_wrote(database_url: str) -> None:
    async def scenario() -> None:
        async with opened(database_url) as database:
            assert await database.write(add, "o1", "Hôpital") == "o1"
            assert await database.read(name_of, "o1") == "Hôpital"
            assert await database.read(name_of, "o2") is None

    asyncio.run(scenario())


def test_a_transaction_happens_whole_or_not_at_all(database_url: str) -> None:
    async def scenario() -> None:
        async with opened(database_url) as database:
            with pytest.raises(Conflict):
                await database.write(add_twice, "o1")
            assert await database.read(name_of, "o1") is None
            await database.write(add, "o1", "after")  # the connection is sound again
            assert await database.read(name_of, "o1") == "after"

    asyncio.run(scenario())


def test_a_plan_that_meets_a_unique_key_begins_anew_and_reads_what_the_other_wrote(database_url: str) -> None:
    runs = 0

    def add_unless_there(id: str) -> Plan[str]:
        nonlocal runs
        runs += 1
        (rows,) = yield [ORGANISATION(id=id)]
        if rows and runs > 1:
            return Commit(f"found {rows[0][0]}")
        return Commit("added", [ADD(id=id, name="mine", created_at=1)])

    async def scenario() -> None:
        async with opened(database_url) as database:
            await database.write(add, "o1", "theirs")
            assert await database.write(add_unless_there, "o1") == "found theirs"
            assert runs == 2

    asyncio.run(scenario())


def test_of_many_that_add_the_same_row_one_wins(database_url: str) -> None:
    def add_or_read(id: str, name: str) -> Plan[str]:
        (rows,) = yield [ORGANISATION(id=id)]
        return Commit(rows[0][0]) if rows else Commit(name, [ADD(id=id, name=name, created_at=1)])

    async def scenario() -> None:
        async with opened(database_url, connections=6) as database:
            names = await asyncio.gather(*[database.write(add_or_read, "o1", f"n{i}") for i in range(40)])
            assert len(set(names)) == 1

    asyncio.run(scenario())


def test_a_reader_that_writes_is_a_mistake_of_ours(database_url: str) -> None:
    async def scenario() -> None:
        async with opened(database_url) as database:
            with pytest.raises(AssertionError, match="writes"):
                await database.read(add, "o1", "x")

    asyncio.run(scenario())


def test_an_exception_in_a_plan_writes_nothing_and_passes_through(database_url: str) -> None:
    def fails() -> Plan[None]:
        yield [ORGANISATION(id="o1"), ORGANISATION(id="o2")]
        raise KeyError("ours")

    async def scenario() -> None:
        async with opened(database_url) as database:
            with pytest.raises(KeyError):
                await database.write(fails)
            await database.write(add, "o1", "x")

    asyncio.run(scenario())


def test_too_much_waiting_is_refused_at_once_and_the_rest_is_done(database_url: str) -> None:
    async def scenario() -> None:
        async with opened(database_url, connections=1, waiting=5) as database:
            outcomes = await asyncio.gather(
                *[database.write(add, f"o{i}", "x") for i in range(100)], return_exceptions=True
            )
            done = [o for o in outcomes if isinstance(o, str)]
            assert {type(o) for o in outcomes} == {str, Busy}
            assert len(done) >= 5
            for id in done:
                assert await database.read(name_of, id) == "x"

    asyncio.run(scenario())


def test_an_attempt_that_meets_a_unique_key_is_not_begun_anew(database_url: str) -> None:
    async def scenario() -> None:
        async with opened(database_url) as database:
            assert await database.attempt(add, "o1", "theirs") == "o1"
            with pytest.raises(Conflict):
                await database.attempt(add, "o1", "mine")
            assert await database.read(name_of, "o1") == "theirs"

    asyncio.run(scenario())


def test_of_writes_that_wait_together_each_fails_alone(database_url: str) -> None:
    def refuses(id: str) -> Plan[None]:
        yield []
        raise KeyError(id)

    async def scenario() -> None:
        async with opened(database_url) as database:
            outcomes = await asyncio.gather(
                database.write(add, "o1", "x"),
                database.write(add_twice, "o2"),
                database.write(refuses, "o3"),
                database.write(add, "o4", "x"),
                return_exceptions=True,
            )
            assert [type(outcome) for outcome in outcomes] == [str, Refused, KeyError, str]
            names = [await database.read(name_of, f"o{n}") for n in (1, 2, 4)]
            assert names == ["x", None, "x"]

    asyncio.run(scenario())


def test_postgres_that_goes_away_is_unavailable_and_found_again_at_once(postgres_url: str) -> None:
    async def scenario() -> None:
        async with opened(postgres_url, connections=3) as database:
            await asyncio.gather(*[database.write(add, f"o{i}", "x") for i in range(12)])
            with psycopg.connect(postgres_url, autocommit=True) as admin:
                admin.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            with pytest.raises(Unavailable):
                await database.read(name_of, "o1")
            assert await database.read(name_of, "o1") == "x"

    asyncio.run(scenario())


def test_an_address_without_a_server_is_unavailable(tmp_path: Path) -> None:
    async def scenario() -> None:
        with pytest.raises(Unavailable):
            await connect(f"postgresql:///none?host={tmp_path}").open()

    asyncio.run(scenario())


def test_a_second_server_on_one_sqlite_file_is_refused(sqlite_url: str) -> None:
    async def scenario() -> None:
        async with opened(sqlite_url):
            with pytest.raises(InputError, match="another server"):
                await connect(sqlite_url).open()
        async with opened(sqlite_url):
            pass

    asyncio.run(scenario())


@pytest.mark.parametrize("synchronous", ["NORMAL", "OFF"])
def test_sqlite_that_does_not_sync_is_refused(sqlite_url: str, synchronous: str) -> None:
    async def scenario() -> None:
        database = SQLite(Path(sqlite_url.removeprefix("sqlite:///")), synchronous=synchronous)
        with pytest.raises(InputError, match="synchronous"):
            await database.open()

    asyncio.run(scenario())


def test_an_old_sqlite_library_is_refused() -> None:
    connection = driver().connect(":memory:")
    with pytest.raises(InputError, match=r"3\.51\.3"):
        check_sqlite(connection, (3, 51, 2))
    with pytest.raises(InputError, match="wal"):
        check_sqlite(connection, (3, 51, 3))
    connection.close()


@pytest.mark.parametrize("name", ["fsync", "full_page_writes", "synchronous_commit"])
def test_postgres_that_may_lose_commits_is_refused(name: str) -> None:
    sound = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}
    check_postgres(sound)
    with pytest.raises(InputError, match=name):
        check_postgres({**sound, name: "off"})


@pytest.mark.parametrize(
    ("commit", "sound"), [("on", True), ("remote_apply", True), ("remote_write", True), ("local", False)]
)
def test_a_commit_has_to_reach_the_standby_that_is_named(commit: str, sound: bool) -> None:
    settings = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": commit}
    check_postgres({**settings, "synchronous_standby_names": ""})
    named = {**settings, "synchronous_standby_names": "elsewhere"}
    if sound:
        check_postgres(named)
    else:
        with pytest.raises(InputError, match="got local: commits do not wait for it"):
            check_postgres(named)


def test_the_server_refuses_a_postgres_database_with_synchronous_commit_off(postgres_url: str) -> None:
    async def scenario() -> None:
        with psycopg.connect(postgres_url, autocommit=True) as admin:
            row = admin.execute("SELECT current_database()").fetchone()
            assert row is not None
            admin.execute(f'ALTER DATABASE "{row[0]}" SET synchronous_commit = off')
        with pytest.raises(InputError, match="synchronous_commit"):
            await connect(postgres_url).open()

    asyncio.run(scenario())


@pytest.mark.parametrize("url", ["mysql://x/y", "sqlite://", "sqlite:///:memory:", "nonsense"])
def test_other_addresses_are_refused_with_one_sentence(url: str) -> None:
    with pytest.raises(InputError, match="expected"):
        connect(url)


def test_a_text_with_nul_is_refused_by_both_and_cut_by_neither(database_url: str) -> None:
    async def scenario() -> None:
        async with opened(database_url) as database:
            for writing in (database.write, database.attempt):
                with pytest.raises(Unstorable):
                    await writing(add, "o1", "Durand\0, who is somebody else")
            with pytest.raises(Unstorable):
                await database.read(name_of, "o1\0")
            assert await database.read(name_of, "o1") is None
            await database.write(add, "o1", "Durand")

    asyncio.run(scenario())


def test_a_second_server_is_refused_by_whatever_name_it_calls_the_file(
    sqlite_url: str, tmp_path: Path
) -> None:
    link = tmp_path / "elsewhere" / "another.db"
    link.parent.mkdir()
    link.symlink_to(sqlite_url.removeprefix("sqlite:///"))

    async def scenario() -> None:
        async with opened(sqlite_url):
            with pytest.raises(InputError, match="another server"):
                await connect(f"sqlite:///{link}").open()

    asyncio.run(scenario())


def test_a_read_does_not_wait_for_other_work_of_the_process(sqlite_url: str) -> None:
    release = threading.Event()

    async def scenario() -> None:
        async with opened(sqlite_url) as database:
            others = [asyncio.create_task(asyncio.to_thread(release.wait, 200)) for _ in range(100)]
            await asyncio.sleep(0)
            try:
                async with asyncio.timeout(100):
                    assert await database.read(name_of, "o1") is None
            finally:
                release.set()
            await asyncio.gather(*others)

    asyncio.run(scenario())
