"""A full disk, a failing disk, a database that goes away, far too many clients: 503, then all is well."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
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
from tests.api.sample import invited, prepare
from tests.chaos.machines import Machine, machines
from tests.chaos.recording import Disk, module_on
from tests.chaos.sitters import Crowd, Sitter, all_there, opened, short
from tests.chaos.storm import kill_postgres, revive_postgres
from tests.databases import with_database


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
        sitters = [Sitter(runtime, Counter()) for _ in range(8)]
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
            at_work = list(zip(sitters, people, strict=True))
            while at_work and not all(s.refusals for s, _ in at_work):  # what was on its way comes through
                await asyncio.sleep(0.001)
                at_work = [(s, p) for s, p in at_work if not p.done()]
            assert at_work
            before = sum(len(s.acknowledged) for s in sitters)
            tried = [s.refusals.total() for s, _ in at_work]
            while not all(s.refusals.total() > n for (s, _), n in zip(at_work, tried, strict=True)):
                await asyncio.sleep(0.001)
            assert sum(len(s.acknowledged) for s in sitters) == before
            assert {code for s in sitters for code in s.refusals} == {"unavailable"}
            disk.trouble = lambda kind: None
            async with asyncio.timeout(60):
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
            await prepare(runtime, design=short())
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
        app.state.gate.patience = 0.0  # nobody waits for a place
        async with app.router.lifespan_context(app):
            runtime: Runtime = app.state.runtime
            await prepare(runtime, design=short())
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


def test_a_database_that_comes_back_is_found_at_once(mortal_postgres: Any, tmp_path: Path) -> None:
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
            view = await sitter.answer(view)  # the first request finds it
            while view.phase == "item":
                view = await sitter.answer(view)
            await all_there(runtime, [sitter])
        finally:
            await runtime.database.close()

    asyncio.run(scenario())


MEGABYTE, PAGE = 1 << 20, 1 << 13
SYS_ADMIN = 1 << 21
"""The right to mount, among the capabilities of Linux."""


def may_mount() -> bool:
    """Whether this process may mount a file system."""
    status = Path("/proc/self/status")
    found = re.search(r"^CapEff:\s*([0-9a-f]+)$", status.read_text() if status.exists() else "", re.MULTILINE)
    return bool(found and int(found[1], 16) & SYS_ADMIN)


class Files:
    """A limit on how long the files of a server may be: nobody needs a right for that.

    Where it is a segment of the log, only tables cannot grow; where it is a page, PostgreSQL cannot write its
    log, and stops.
    """

    def __init__(self, machine: Machine, longest: int) -> None:
        self.machine = machine
        self.longest = longest

    def fill(self) -> None:
        self._limit(str(self.longest))

    def free(self) -> None:
        self._limit("unlimited")

    def _limit(self, longest: str) -> None:
        """Run as the server's user: others have no say in it."""
        limit = f"prlimit --fsize={longest}:unlimited --pid"
        for process in self.machine.processes():  # the first one passes it on to those that it begins
            self.machine.run(f"{limit} {process.pid} || ! kill -0 {process.pid}")


class Filler:
    """A file that takes what room there is on a file system."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "filler"

    def fill(self) -> None:
        """Write until the disk is full, to its last page."""
        with self.file.open("wb", buffering=0) as file:
            for n in (MEGABYTE, PAGE // 2):
                with contextlib.suppress(OSError):
                    while file.write(bytes(n)) == n:
                        pass

    def free(self) -> None:
        self.file.unlink()


@contextlib.contextmanager
def small_disk() -> Iterator[Path]:
    """A file system in memory with room for one PostgreSQL server."""
    folder = Path(tempfile.mkdtemp(prefix="acquis-small-"))
    mount = ["mount", "-t", "tmpfs", "-o", "size=140m,mode=755", "acquis-small", str(folder)]
    subprocess.run(mount, check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()


@pytest.mark.parametrize("room", ["tables", "log", *(["disk"] if may_mount() else [])])
def test_postgres_without_room_refuses_and_recovers(room: str, tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(small_disk()) if room == "disk" else None
        machine = stack.enter_context(machines(folder))(6001)
        machine.made(segment=16 if room == "disk" else 1)
        limits: dict[str, Files | Filler] = {
            "tables": Files(machine, MEGABYTE),
            "log": Files(machine, PAGE),
            "disk": Filler(folder or tmp_path),
        }
        asyncio.run(_fill_and_free(machine, limits[room], tmp_path))


async def _fill_and_free(machine: Machine, limit: Files | Filler, tmp_path: Path) -> None:
    runtime = await opened(machine.uri(), tmp_path / "keys")
    try:
        machine.ask("ALTER TABLE event SET (fillfactor = 10)")  # a table that is soon a megabyte
        crowd = Crowd(runtime)
        crowd.come()
        await crowd.more(30)
        await asyncio.to_thread(limit.fill)
        async with asyncio.timeout(200):
            before = -1
            while before != len(crowd.acknowledged) or not crowd.refusals:
                before = len(crowd.acknowledged)  # what is allocated already is still used
                await asyncio.sleep(0.5)
        await asyncio.to_thread(limit.free)
        await asyncio.to_thread(machine.revive)  # where it had to stop altogether
        await crowd.more(1)
        await crowd.end()
        assert set(crowd.refusals) <= {"unavailable", "busy"}
        await all_there(runtime, crowd.sitters)
    finally:
        await runtime.database.close()
