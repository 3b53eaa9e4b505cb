"""Measure starts and answers a second, and check that every acknowledged answer is stored."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import psycopg

from api.accounts.invitations import invite
from api.database.migrate import migrate
from api.ids import new_code, new_id
from api.results.claims import Person
from api.runtime import Runtime
from api.settings import Settings
from benchmarks.load.profile import told as shares_of
from tests.api.sample import CODE, ORGANISATION, prepare
from tests.databases import start_postgres, with_database

HERE = Path(__file__).absolute().parent
BANK, LENGTH = 600, 30
FASTEST = 3000
"""Answers a second for which sittings are begun."""
DESIGN = {
    "schema": "acquis/design/1",
    "constraint": [
        {"attribute": "domain", "value": "D1", "min": 12, "max": 18},
        {"attribute": "domain", "value": "D2", "min": 12, "max": 18},
    ],
    "stop": {"min": LENGTH, "max": LENGTH},
    "cuts": {"values": [0.0]},
}


@dataclass(frozen=True, slots=True)
class Setup:
    """What is measured."""

    url: str
    workers: int
    clients: int
    seconds: int
    in_flight: int = 400
    database: int | None = None
    """Process of the database server."""
    profile: bool = False
    """Whether to look where the worker's time goes, which costs some."""

    @property
    def name(self) -> str:
        """How lines begin."""
        workers = f"{self.workers} worker{'s' * (self.workers > 1)}"
        return f"{self.url.partition(':')[0]:<10} {workers}, {self.clients} clients"


async def invited(settings: Settings, folder: Path, clients: int, each: int) -> None:
    """Publish the test, and write the codes of `each` invitations for each client to files."""
    runtime = Runtime.of(settings)
    await runtime.database.open()
    try:
        await prepare(runtime, n_items=BANK, design=DESIGN)
        for client in range(1, clients + 1):
            codes = [new_code() for _ in range(each)]
            for some in range(0, each, 32):
                await asyncio.gather(
                    *(
                        runtime.write(invite, ORGANISATION, Person(new_id()), CODE, code)
                        for code in codes[some : some + 32]
                    )
                )
            (folder / f"{client}.codes").write_text("\n".join(codes))
    finally:
        await runtime.database.close()


def processor_seconds(pid: int | None) -> float:
    """Return what a process and its children have used of the processors."""
    if pid is None:
        return 0.0
    whole = psutil.Process(pid)
    times = [process.cpu_times() for process in (whole, *whole.children(recursive=True))]
    return sum(one.user + one.system for one in times)


def generator_seconds() -> float:
    """Return what ended children have used: the generator, while the servers run."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextlib.contextmanager
def served(settings: Settings, folder: Path, workers: int, profile: bool) -> Iterator[tuple[str, int]]:
    """A server as operators run it; its address and process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    address = f"http://127.0.0.1:{port}"
    program = "import sys; from api.command import main; sys.exit(main())"
    if profile:
        program = f"from benchmarks.load.profile import begin; begin('{folder / 'profile'}'); {program}"
    options = f"serve --port {port} --workers {workers} --drain 0 --in-flight {settings.in_flight}"
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-c", program, *options.split()],
            env=os.environ | settings.environment(),
            stderr=log,
        )
    try:
        end = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"{address}/ready", timeout=2).close()
                break
            except (urllib.error.URLError, OSError):
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)
        yield address, server.pid
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


def generated(
    setup: Setup, address: str, phase: str, folder: Path, seconds: int, enough: Callable[[], bool]
) -> dict[str, Any]:
    """Drive the server with wrk, for `seconds` or until there is enough; return its figures."""
    options = f"-t{setup.clients} -c{setup.clients} -d{seconds}s --timeout 10s -s"
    command = ["wrk", *options.split(), str(HERE / "candidates.lua"), address, "--", phase, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as generator:
        while generator.poll() is None:
            time.sleep(0.5)
            if enough():
                generator.send_signal(signal.SIGINT)  # wrk ends as after its time
                break
        out, _ = generator.communicate()
    figures: dict[str, Any] = json.loads(out[out.rindex("{") :])
    return figures


def counter(url: str) -> Callable[[str], tuple[Any, ...]]:
    """Return a function that asks the database at `url` for one row."""

    def row(sql: str) -> tuple[Any, ...]:
        if url.startswith("sqlite"):
            from api.database.sqlite import driver

            connection = driver().connect(url.removeprefix("sqlite:///"))
            with contextlib.closing(connection):
                return tuple(connection.execute(sql).fetchone())
        with psycopg.connect(url) as connection:
            found = connection.execute(sql).fetchone()
            assert found is not None
            return tuple(found)

    return row


STARTED = "SELECT count(*), max(started_at) - min(started_at) FROM session"
ANSWERED = "SELECT count(*) FROM event WHERE kind = 'answered'"


def run(setup: Setup) -> bool:
    """Measure one set-up and print two lines; return whether no answer was lost and nothing failed."""
    folder = Path(tempfile.mkdtemp(prefix="acquis-load-"))
    row = counter(setup.url)
    try:
        migrate(setup.url)
        settings = Settings(setup.url, keys=folder / "keys", in_flight=setup.in_flight)
        each = setup.seconds * FASTEST // LENGTH // setup.clients + 1
        asyncio.run(invited(settings, folder, setup.clients, each))
        with served(settings, folder, setup.workers, setup.profile) as (address, server):
            wanted = setup.clients * each
            begun = generated(setup, address, "starts", folder, 600, lambda: row(STARTED)[0] >= wanted)
            sittings, microseconds = row(STARTED)
            print(
                f"{setup.name}: {sittings / microseconds * 1e6:.0f} starts/s, p99 {begun['p99_ms']} ms, "
                f"failed {begun['failed']}",
                flush=True,
            )
            if setup.profile:
                shares_of(server, folder / "profile")  # of the starts
            before = processor_seconds(server), processor_seconds(setup.database), generator_seconds()
            told = generated(setup, address, "answers", folder, setup.seconds, lambda: False)
            after = processor_seconds(server), processor_seconds(setup.database), generator_seconds()
            shares = shares_of(server, folder / "profile") if setup.profile else ""
        (answers,) = row(ANSWERED)
        parts = ("server", "database", "generator")
        spent = ", ".join(
            f"{part} {1000 * (b - a) / max(1, answers):.2f}"
            for part, a, b in zip(parts, before, after, strict=True)
        )
        print(
            f"{setup.name}: {answers / told['seconds']:.0f} answers/s, "
            f"p50 {told['p50_ms']} ms, p99 {told['p99_ms']} ms, max {told['max_ms']} ms; "
            f"CPU ms an answer: {spent}; acknowledged {told['accepted']}, stored {answers}, "
            f"refused {told['refused']}, failed {told['failed']}",
            flush=True,
        )
        if setup.profile:
            print(f"Of the worker's processor time: {shares}", flush=True)
        sound: bool = told["accepted"] <= answers <= told["accepted"] + setup.clients
        return sound and not told["failed"] and not begun["failed"]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def syncs(folder: Path, seconds: float = 2.0) -> float:
    """Return how often a second the disk of `folder` can be told to keep 4 KiB for good."""
    end, done = time.perf_counter() + seconds, 0
    with (folder / "syncs").open("wb", buffering=0) as file:
        while time.perf_counter() < end:
            file.write(bytes(4096))
            os.fdatasync(file.fileno())
            done += 1
    return done / seconds


def main() -> int:
    """Measure SQLite, PostgreSQL by workers, and more candidates than the server takes on at once."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--workers", default="1,2", help="numbers of workers with PostgreSQL")
    parser.add_argument("--only", choices=("sqlite", "postgresql", "overload", "profile"))
    args = parser.parse_args()
    if shutil.which("wrk") is None:
        print("acquis load: expected the generator wrk, got none; apt install wrk", file=sys.stderr)
        return 2
    folder = Path(tempfile.mkdtemp(prefix="acquis-load-pg-"))
    server = start_postgres(folder)

    def database(name: str) -> str:
        with psycopg.connect(server.get_uri(), autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {name}")
        return with_database(server.get_uri(), name)

    sound = True
    try:
        load = os.getloadavg()[0]
        print(f"{os.cpu_count()} processors, load {load:.1f}; the disk does {syncs(folder):.0f} syncs/s")
        if args.only in (None, "sqlite"):
            sound &= run(Setup(f"sqlite:///{folder / 'load.db'}", 1, args.clients, args.seconds))
        if args.only in (None, "postgresql"):
            for workers in map(int, args.workers.split(",")):
                url = database(f"load{workers}")
                sound &= run(Setup(url, workers, args.clients, args.seconds, database=server.get_pid()))
        if args.only in (None, "profile"):
            print("Where the time of one worker goes (looking costs some of it)")
            setup = Setup(database("profile"), 1, args.clients, min(args.seconds, 20))
            sound &= run(replace(setup, database=server.get_pid(), profile=True))
        if args.only in (None, "overload"):
            limit = args.clients
            print(f"Overload: a worker that takes on {limit} requests at once, {4 * limit} candidates")
            url = database("overload")
            sound &= run(Setup(url, 1, 4 * limit, args.seconds, limit, server.get_pid()))
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
    print("No acknowledged answer is missing." if sound else "Answers are MISSING, or requests FAILED.")
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
