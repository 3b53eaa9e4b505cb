"""A full disk, a failing disk, a database that goes away, far too many clients: 503, then all is well."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import httpx
import psycopg
import pytest

from api.app import create_app
from api.problems import Problem
from api.runtime import Runtime
from api.settings import Settings
from api.sittings import service
from api.sittings.replay import replay
from api.sittings.view import View
from tests.api.sample import invited, prepare
from tests.chaos.recording import Disk, module_on
from tests.chaos.storm import kill_postgres, revive_postgres
from tests.databases import start_postgres, with_database


class Sitter:
    """A candidate in this process who repeats what was refused for the moment, and notes how that was."""

    def __init__(self, runtime: Runtime, refusals: Counter[str]) -> None:
        self.runtime = runtime
        self.refusals = refusals
        self.acknowledged: list[tuple[str, str]] = []
        self.token = ""

    async def insist(self, act: Callable[[], Any]) -> Any:
        """Do `act` until it is not refused with 503; anything else is a failure."""
        while True:
            try:
                return await act()
            except Problem as problem:
                if problem.status != 503 or not problem.retry_after:
                    raise
                self.refusals[problem.code] += 1
                await asyncio.sleep(random.uniform(0.01, 0.1))

    async def sit(self, code: str) -> View:
        """Sit the whole test."""
        entry = await self.insist(lambda: service.enter(self.runtime, code))
        self.token, view = entry.token, entry.view
        while view.phase == "item":
            view = await self.insist(lambda view=view: self.answer(view))
        return view

    async def answer(self, view: View) -> View:
        """Answer once."""
        key = view.handle or ""
        after = await service.answer(
            self.runtime, self.token, handle=key, response={"RESPONSE": ["B"]}, key=key
        )
        if (view.sitting, key) not in self.acknowledged:
            self.acknowledged.append((view.sitting, key))
        return after


async def all_there(runtime: Runtime, sitters: list[Sitter]) -> None:
    """Every acknowledged answer is in a log that holds."""
    for sitter in sitters:
        session = sitter.token.split(".")[0]
        found = await runtime.database.read(replay, runtime.tests, session)
        assert found.holds, found.differences
        view = await service.current(runtime, sitter.token)
        assert view.answered == len(sitter.acknowledged)


@pytest.mark.parametrize("error", [apsw.FullError, apsw.IOError])
@pytest.mark.parametrize("operation", ["write", "sync"])
def test_a_disk_in_trouble_refuses_and_recovers(
    sqlite_url: str, tmp_path: Path, error: type[Exception], operation: str
) -> None:
    from api.database.sqlite import SQLite

    async def scenario() -> None:
        disk = Disk()
        runtime = Runtime.of(Settings(sqlite_url, keys=tmp_path / "keys"))
        path = Path(sqlite_url.removeprefix("sqlite:///"))
        runtime.database = SQLite(path, module=module_on(disk), readers=0)
        await runtime.database.open()
        refusals: Counter[str] = Counter()
        sitters = [Sitter(runtime, refusals) for _ in range(8)]
        try:
            await prepare(runtime)
            codes = [(await invited(runtime, identifier=f"M-{n}")).code for n in range(8)]
            people = [asyncio.create_task(s.sit(c)) for s, c in zip(sitters, codes, strict=True)]
            while sum(len(s.acknowledged) for s in sitters) < 10:
                await asyncio.sleep(0.001)

            def trouble(kind: str) -> None:
                if kind == operation:
                    raise error("no")

            disk.trouble = trouble
            await asyncio.sleep(0.3)
            before = sum(len(s.acknowledged) for s in sitters)
            await asyncio.sleep(0.1)
            assert sum(len(s.acknowledged) for s in sitters) == before
            assert set(refusals) == {"unavailable"}
            disk.trouble = lambda kind: None
            async with asyncio.timeout(5.0):
                await asyncio.gather(*people)
            await all_there(runtime, sitters)
        finally:
            disk.trouble = lambda kind: None
            await runtime.database.close()

    asyncio.run(scenario())


def test_two_connections_and_two_hundred_clients(postgres_url: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        runtime = Runtime.of(Settings(postgres_url, keys=tmp_path / "keys", connections=2, waiting=30))
        await runtime.database.open()
        try:
            await prepare(runtime, design=_short())
            codes = [(await invited(runtime, identifier=f"M-{n}")).code for n in range(200)]
            refusals: Counter[str] = Counter()
            sitters = [Sitter(runtime, refusals) for _ in codes]
            views = await asyncio.gather(*(s.sit(c) for s, c in zip(sitters, codes, strict=True)))
            assert {view.phase for view in views} == {"finished"}
            assert set(refusals) == {"busy"}
            await all_there(runtime, sitters)
        finally:
            await runtime.database.close()

    asyncio.run(scenario())


def test_twice_the_candidates_that_a_worker_takes_on(database_url: str, tmp_path: Path) -> None:
    limit, statuses = 6, Counter[int]()
    acknowledged: list[str] = []

    async def asked(http: httpx.AsyncClient, address: str, **told: Any) -> Any:
        while True:
            reply = await http.post(address, **told)
            statuses[reply.status_code] += 1
            if reply.status_code != 503:
                assert reply.is_success, reply.text
                return reply.json()
            assert reply.json()["code"] == "busy"
            assert reply.headers["retry-after"] in ("1", "2", "3")
            await asyncio.sleep(random.uniform(0.01, 0.05))

    async def sit(http: httpx.AsyncClient, code: str) -> None:
        entry = await asked(http, "/api/v1/sittings", json={"code": code})
        sitting, token = entry["sitting"], {"Authorization": f"Bearer {entry['token']}"}
        while sitting["phase"] == "item":
            key = sitting["handle"]
            sitting = await asked(
                http,
                "/api/v1/sittings/current/answers",
                headers=token | {"Idempotency-Key": key},
                json={"handle": key, "response": {"RESPONSE": ["B"]}},
            )
            acknowledged.append(sitting["sitting"])

    async def scenario() -> None:
        app = create_app(Settings(database_url, keys=tmp_path / "keys", in_flight=limit))
        async with app.router.lifespan_context(app):
            runtime: Runtime = app.state.runtime
            await prepare(runtime, design=_short())
            codes = [(await invited(runtime, identifier=f"M-{n}")).code for n in range(2 * limit)]
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
                await asyncio.gather(*(sit(http, code) for code in codes))
            for session in set(acknowledged):
                found = await runtime.database.read(replay, runtime.tests, session)
                assert found.holds, found.differences
                assert found.items == acknowledged.count(session) == 2

    asyncio.run(scenario())
    assert len(set(acknowledged)) == 2 * limit
    assert set(statuses) == {200, 201, 503}


def _short() -> dict[str, Any]:
    return {"schema": "acquis/design/1", "stop": {"min": 2, "max": 2}, "cuts": {"values": [0.0]}}


def test_a_database_that_comes_back_is_found_within_five_seconds(
    mortal_postgres: Any, tmp_path: Path
) -> None:
    name = "acquis_comes_back"
    with psycopg.connect(mortal_postgres.get_uri(), autocommit=True) as admin:
        admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        admin.execute(f'CREATE DATABASE "{name}"')
    url = with_database(mortal_postgres.get_uri(), name)

    async def scenario() -> None:
        from api.database.migrate import migrate

        await asyncio.to_thread(migrate, url)
        runtime = Runtime.of(Settings(url, keys=tmp_path / "keys", connections=4))
        await runtime.database.open()
        try:
            await prepare(runtime)
            refusals: Counter[str] = Counter()
            sitter = Sitter(runtime, refusals)
            code = (await invited(runtime)).code
            entry = await service.enter(runtime, code)
            sitter.token = entry.token
            view = await sitter.answer(entry.view)
            await asyncio.to_thread(kill_postgres, mortal_postgres)
            with pytest.raises(Problem, match="unavailable"):
                await sitter.answer(view)
            await asyncio.to_thread(revive_postgres, mortal_postgres)
            back = time.monotonic()
            view = await sitter.insist(lambda: sitter.answer(view))
            assert time.monotonic() - back < 5.0
            while view.phase == "item":
                view = await sitter.answer(view)
            await all_there(runtime, [sitter])
        finally:
            await runtime.database.close()

    asyncio.run(scenario())


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system in memory with room for one PostgreSQL server; only root may mount one."""
    folder = Path(tempfile.mkdtemp(prefix="acquis-small-"))
    mount = ["mount", "-t", "tmpfs", "-o", "size=140m,mode=755", "acquis-small", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        folder.rmdir()
        pytest.skip("a small disk needs the right to mount one")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()


def test_postgres_on_a_full_disk_refuses_and_recovers(small_disk: Path, tmp_path: Path) -> None:
    server = start_postgres(small_disk)
    try:
        asyncio.run(_fill_and_free(server, small_disk / "filler", tmp_path))
    finally:
        server.cleanup()


async def _fill_and_free(server: Any, filler: Path, tmp_path: Path) -> None:
    from api.database.migrate import migrate

    url = server.get_uri()
    await asyncio.to_thread(migrate, url)
    runtime = Runtime.of(Settings(url, keys=tmp_path / "keys", connections=4))
    await runtime.database.open()
    refusals: Counter[str] = Counter()
    sitters: list[Sitter] = []
    try:
        await prepare(runtime)
        codes = [(await invited(runtime, identifier=f"M-{n}")).code for n in range(200)]

        async def one_after_the_other(until: int) -> None:
            while len(codes) > until:
                sitter = Sitter(runtime, refusals)
                sitters.append(sitter)
                await sitter.sit(codes.pop())

        def acknowledged() -> int:
            return sum(len(s.acknowledged) for s in sitters)

        await one_after_the_other(195)
        await asyncio.to_thread(_fill, filler)
        people = [asyncio.create_task(one_after_the_other(0)) for _ in range(8)]
        before = -1
        while before != acknowledged():  # what is allocated already is still used
            before = acknowledged()
            await asyncio.sleep(0.5)
        assert refusals, "everybody had finished before the disk was full"
        filler.unlink()
        await asyncio.to_thread(revive_postgres, server)  # where it had to stop altogether
        freed = time.monotonic()
        while acknowledged() == before and time.monotonic() - freed < 5.0:
            await asyncio.sleep(0.01)
        assert time.monotonic() - freed < 5.0
        await asyncio.gather(*people)
        assert set(refusals) <= {"unavailable", "busy"}
        await all_there(runtime, sitters)
    finally:
        await runtime.database.close()


def _fill(filler: Path) -> None:
    """Write until the disk is full: what there is room for at once, then the rest."""
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        room = os.statvfs(filler.parent)
        os.posix_fallocate(file.fileno(), 0, max(room.f_bavail - 32, 1) * room.f_frsize)
        file.seek(0, os.SEEK_END)
        while file.write(bytes(4096)):
            pass
