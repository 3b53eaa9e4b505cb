"""Two servers, one PostgreSQL, many candidates behind a proxy of faults, and something that kills."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg

from api.accounts.invitations import invite
from api.catalogue.store import Tests
from api.database.migrate import migrate
from api.database.postgres import PostgreSQL
from api.ids import new_code, new_id
from api.keys.secret import load_or_make
from api.results.claims import Person
from api.runtime import Runtime
from api.settings import Settings
from api.sittings.receipt import Receipt
from api.sittings.replay import replay
from tests.api.sample import CODE, ORGANISATION, prepare
from tests.chaos.candidates import ACTS, Diary, candidate
from tests.chaos.proxy import FAULTS, FaultProxy
from tests.databases import insist, start_postgres, with_database
from tests.ports import reserved

__all__ = ["Report", "postgres", "revive_postgres", "storm"]

ROOT = Path(__file__).absolute().parent.parent.parent
ITEMS = 12

WEAKEN = {
    "no synchronous commit": (
        "ALTER DATABASE {name} SET synchronous_commit = off",
        "ALTER SYSTEM SET wal_writer_delay = '10s'",  # what is killed has something to lose
        "SELECT pg_reload_conf()",
    ),
    "no unique keys": (
        "ALTER TABLE event DROP CONSTRAINT event_pk",
        "DROP INDEX event_served_key, event_answered_key, event_idempotency_key",
    ),
}
"""Controls that are made in the database, and in its server, which is the storm's own."""

DOUBLED = """
    SELECT EXISTS (
        SELECT 1 FROM event WHERE kind = 'answered' GROUP BY session_id, position HAVING count(*) > 1
    )
"""

CONTROLS = {
    "no synchronous commit": ("database",),
    "no unique keys": ("server",),
    "redrawing": ("server",),
    "unrevoked": ("server",),
}
"""Builds that are broken on purpose, and what has to be killed for it to show."""


@dataclass(slots=True)
class Report:
    """What a storm has shown.

    Attributes
    ----------
    noticed
        The controls whose fault was noticed while it went on.
    """

    seconds: float = 0.0
    noticed: set[str] = field(default_factory=set)
    acknowledged: int = 0
    finished: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    refused: dict[str, int] = field(default_factory=dict)
    without_retry_after: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    heeded: list[str] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    stuck: list[str] = field(default_factory=list)

    @property
    def bad(self) -> list[str]:
        """Everything that must not happen."""
        return self.lost + self.doubled + self.different + self.broken + self.heeded + self.stuck

    def told(self) -> str:
        """Return it for people."""
        return "\n".join(
            [
                f"{self.acknowledged} acknowledged answers in {self.finished} sittings, {self.seconds:.0f} s",
                f"kills: {dict(self.kills)}",
                f"faults: {dict(self.faults)}",
                f"candidates: {dict(self.done)}",
                f"refusals: {self.refused}, without Retry-After: {self.without_retry_after}",
                f"lost {len(self.lost)}, doubled {len(self.doubled)}, "
                f"different item {len(self.different)}, broken logs {len(self.broken)}, "
                f"former browsers heeded {len(self.heeded)}, stuck {len(self.stuck)}",
                *self.bad[:10],
            ]
        )


@contextlib.contextmanager
def postgres() -> Iterator[Any]:
    """A PostgreSQL server of our own, to kill."""
    folder = Path(tempfile.mkdtemp(prefix="acquis-chaos-"))
    server = start_postgres(folder)
    try:
        yield server
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def kill_postgres(server: Any) -> None:
    """SIGKILL the whole server, as a machine that stops would."""
    kill_family(psutil.Process(server.get_pid()))


def kill_family(first: psutil.Process) -> None:
    """SIGKILL a process and all that it has begun, and wait until they are gone."""
    first.suspend()  # or it might begin another one meanwhile
    processes = [first, *first.children(recursive=True)]
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, 60)


def revive_postgres(server: Any) -> None:
    """Start the server again."""
    insist(server, server.ensure_postgres_running)


class Server:
    """One server process, on a port that is kept for it."""

    def __init__(self, port: int, environment: dict[str, str], controls: tuple[str, ...], log: Path) -> None:
        self.port = port
        self.log = log
        self._environment = environment
        self._controls = controls
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; it serves when it can."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.server", str(self.port), *self._controls],
                cwd=ROOT,
                env=os.environ | self._environment,
                stdout=log,
                stderr=log,
            )

    async def serving(self) -> None:
        """Wait until it accepts connections."""
        waiting = asyncio.create_task(ready(self.port))
        while not waiting.done():
            await asyncio.wait([waiting], timeout=1.0)
            if self.died:
                waiting.cancel()
                raise AssertionError(f"a server did not start:\n{self.log.read_text()}")
        waiting.result()

    def kill(self) -> None:
        """SIGKILL it."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    @property
    def died(self) -> bool:
        """Whether it ended by itself (it cannot start without its database)."""
        return self._process is not None and self._process.poll() is not None


async def ready(port: int, patience: float = 300.0) -> None:
    """Wait until a server accepts connections."""
    end = time.monotonic() + patience
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        if time.monotonic() > end:
            raise TimeoutError(f"no server on port {port} after {patience} s")
        await asyncio.sleep(0.05)


async def prepared(settings: Settings, sittings: int) -> list[str]:
    """Publish the test and invite; return the codes."""
    runtime = Runtime.of(settings)
    await runtime.database.open()
    try:
        design = {
            "schema": "acquis/design/1",
            "stop": {"min": ITEMS, "max": ITEMS},
            "cuts": {"values": [0.0]},
        }
        await prepare(runtime, n_items=2 * ITEMS, design=design)
        codes = [new_code() for _ in range(sittings)]
        for some in range(0, sittings, 50):
            await asyncio.gather(
                *(
                    runtime.write(invite, ORGANISATION, Person(new_id()), CODE, code)
                    for code in codes[some : some + 50]
                )
            )
        return codes
    finally:
        await runtime.database.close()


async def storm(
    server: Any,
    answers: int,
    kills: int,
    seed: int,
    controls: tuple[str, ...] = (),
    victims: tuple[str, ...] = ("server", "server", "database", "everything"),
) -> Report:
    """Run a storm until there are `answers` acknowledged answers and `kills` kills; report.

    It goes on until every fault and every act of candidates has happened. With `controls` it ends as soon as
    each of them was noticed, or, at the latest, after some three times as many answers.
    """
    report, diary, draw = Report(), Diary(), random.Random(seed)
    folder = Path(tempfile.mkdtemp(prefix="acquis-storm-"))
    name = f"storm_{new_id().lower()}"
    with psycopg.connect(server.get_uri(), autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
    url = with_database(server.get_uri(), name)
    migrate(url)
    settings = Settings(url, keys=folder / "keys", connections=6)
    codes = await prepared(settings, 3 * answers // ITEMS + 60)
    with psycopg.connect(url, autocommit=True) as admin:
        for control in WEAKEN.keys() & controls:
            for statement in WEAKEN[control]:
                admin.execute(statement.format(name=name).encode())
    started = time.monotonic()
    with contextlib.ExitStack() as ports:
        servers = [
            Server(ports.enter_context(reserved()), settings.environment(), controls, folder / f"{n}.log")
            for n in range(2)
        ]
        try:
            for one in servers:
                one.start()
            for one in servers:
                await one.serving()
            async with FaultProxy([one.port for one in servers], seed) as proxy:
                await _until_enough(
                    proxy, servers, server, url, codes, diary, report, answers, kills, controls, victims, draw
                )
                report.faults = proxy.done
        finally:
            for one in servers:
                if not one.died:
                    one.kill()
    report.seconds = time.monotonic() - started
    report.acknowledged, report.finished = len(diary.acknowledged), diary.finished
    report.stuck, report.heeded, report.done = diary.stuck, diary.heeded, diary.done
    report.refused, report.without_retry_after = diary.refused, diary.without_retry_after
    await _compared(settings, diary, report)
    shutil.rmtree(folder, ignore_errors=True)
    return report


async def _until_enough(
    proxy: FaultProxy,
    servers: list[Server],
    database: Any,
    url: str,
    codes: list[str],
    diary: Diary,
    report: Report,
    answers: int,
    kills: int,
    controls: tuple[str, ...],
    victims: tuple[str, ...],
    draw: random.Random,
) -> None:
    def enough() -> bool:
        if controls:
            return report.noticed >= set(controls)
        return (
            len(diary.acknowledged) >= answers
            and report.kills.total() >= kills
            and proxy.done.keys() == FAULTS.keys()
            and all(diary.done[act] for act in ACTS)
        )

    async def sitting_after_sitting(number: int) -> None:
        own = random.Random(f"{draw.random()} {number}")
        while codes and not enough():
            await candidate(proxy.port, codes.pop(), diary, own)

    async def killing() -> None:
        between = max(5, answers // (3 * max(1, kills)))  # what dies is always in the middle of something
        while report.kills.total() < kills and not (controls and enough()):
            before = len(diary.acknowledged)
            while len(diary.acknowledged) < before + between:
                await asyncio.sleep(draw.uniform(0.02, 0.2))
            victim = draw.choice(victims)
            if victim in ("database", "everything"):
                if victim == "everything":  # `reviving` starts the servers again
                    for one in servers:
                        one.kill()
                await asyncio.to_thread(kill_postgres, database)
                await asyncio.sleep(draw.uniform(0.0, 0.3))
                await asyncio.to_thread(revive_postgres, database)
                with psycopg.connect(url) as connection:
                    if _lost(connection, diary):
                        report.noticed.add("no synchronous commit")
            else:
                one = draw.choice(servers)
                await ready(one.port)
                one.kill()
                one.start()
            report.kills[victim] += 1

    async def reviving() -> None:
        """Start what could not start while the database was away."""
        while True:
            await asyncio.sleep(0.3)
            for one in servers:
                if one.died:
                    one.start()

    def doubled() -> bool:
        with psycopg.connect(url) as connection:
            return connection.execute(DOUBLED).fetchone() == (True,)

    async def noticing() -> None:
        """Note what the controls of servers have done by now."""
        while True:
            await asyncio.sleep(0.2)
            if diary.redrawn_in_place:
                report.noticed.add("redrawing")
            if diary.heeded:
                report.noticed.add("unrevoked")
            if "no unique keys" in controls and await asyncio.to_thread(doubled):
                report.noticed.add("no unique keys")

    chores = [asyncio.create_task(chore()) for chore in (killing, reviving, noticing)]
    people = [asyncio.create_task(sitting_after_sitting(n)) for n in range(16)]
    try:
        working = {chores[0], *people}
        while working and not (controls and enough()):
            done, working = await asyncio.wait(working, timeout=0.2, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
    finally:
        for task in [*chores, *people]:
            task.cancel()
        await asyncio.gather(*chores, *people, return_exceptions=True)


async def _compared(settings: Settings, diary: Diary, report: Report) -> None:
    """Compare what candidates were told with what the database holds."""
    url, secret = settings.database_url, load_or_make(settings.keys / "secret")
    answered: dict[tuple[str, int], int] = {}
    handles: dict[tuple[str, int], set[str]] = {}
    keys: Counter[tuple[str, str]] = Counter()
    with psycopg.connect(url) as connection:
        for session, position, kind, body in connection.execute(
            "SELECT session_id, position, kind, body FROM event WHERE kind IN ('answered', 'item_served')"
        ):
            data = json.loads(body)["data"]
            if kind == "answered":
                answered[session, position] = answered.get((session, position), 0) + 1
                keys[session, data["key"]] += 1
            else:
                handles.setdefault((session, position), set()).add(data["handle"])
        report.lost = _lost(connection, diary)
        sessions = [row[0] for row in connection.execute("SELECT id FROM session ORDER BY id")]
    report.doubled += [f"{place} was answered {n} times" for place, n in answered.items() if n > 1]
    report.doubled += [f"{place} was served {len(h)} times" for place, h in handles.items() if len(h) > 1]
    report.doubled += [f"the key {key} acted {n} times" for key, n in keys.items() if n > 1]
    acknowledged = Counter((told.session, told.position) for told in diary.acknowledged)
    report.doubled += [f"{place} was acknowledged {n} times" for place, n in acknowledged.items() if n > 1]
    report.different += [f"{place} showed several items" for place in diary.redrawn]
    report.different += [
        f"{place} showed a handle that is not stored"
        for place, items in diary.shown.items()
        if not {handle for handle, _ in items} <= handles.get(place, set())
    ]
    database, tests = PostgreSQL(url, durable=False), Tests()
    await database.open()
    for session in sessions:
        receipt = Receipt.parse(secret, diary.receipts[session][1]) if session in diary.receipts else None
        found = await database.read(replay, tests, session, receipt)
        report.broken += [f"{session}: {text}" for text in found.differences]
    await database.close()


def _lost(connection: psycopg.Connection[Any], diary: Diary) -> list[str]:
    """Return the acknowledged answers that are not stored as they were given."""
    stored = {
        (session, position, key): json.loads(body)["data"]["response"]
        for session, position, key, body in connection.execute(
            "SELECT session_id, position, idempotency_key, body FROM event WHERE kind = 'answered'"
        )
    }
    return [
        f"{told} is not stored"
        for told in diary.acknowledged
        if stored.get((told.session, told.position, told.key)) != {"RESPONSE": [told.choice]}
    ]
