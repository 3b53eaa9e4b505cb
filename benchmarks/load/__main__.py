"""Measure answers a second, and check that every one of them is stored."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
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
from api.sittings import service
from tests.api.sample import CODE, ORGANISATION, prepare
from tests.databases import start_postgres

HERE = Path(__file__).absolute().parent
BANK, LENGTH = 600, 30
DESIGN = {
    "schema": "acquis/design/1",
    "constraint": [
        {"attribute": "domain", "value": "D1", "min": 12, "max": 18},
        {"attribute": "domain", "value": "D2", "min": 12, "max": 18},
    ],
    "stop": {"min": LENGTH, "max": LENGTH},
    "cuts": {"values": [0.0]},
}


async def begun(settings: Settings, folder: Path, clients: int, each: int) -> float:
    """Begin `each` sittings for each client and write their tokens to files; return starts a second."""
    runtime = Runtime.of(settings)
    await runtime.database.open()
    try:
        await prepare(runtime, n_items=BANK, design=DESIGN)
        codes = [new_code() for _ in range(clients * each)]
        for code in codes:
            await runtime.write(invite, ORGANISATION, Person(new_id()), CODE, code)
        started = time.perf_counter()
        entries = [await service.enter(runtime, code) for code in codes]
        rate = len(codes) / (time.perf_counter() - started)
    finally:
        await runtime.database.close()
    for client in range(clients):
        lines = [f"{e.token} {e.view.handle}\n" for e in entries[client * each : (client + 1) * each]]
        (folder / str(client + 1)).write_text("".join(lines))
    return rate


def free_port() -> int:
    """Return a port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def processor_seconds(pid: int) -> float:
    """Return what a process and its workers have used of the processors."""
    whole = psutil.Process(pid)
    times = [process.cpu_times() for process in (whole, *whole.children(recursive=True))]
    return sum(one.user + one.system for one in times)


def measured(settings: Settings, folder: Path, workers: int, clients: int, seconds: int) -> dict[str, Any]:
    """Serve with `workers` processes and drive them with wrk; return its figures."""
    port = free_port()
    program = "import sys; from api.command import main; sys.exit(main())"
    options = f"serve --port {port} --workers {workers} --log-level WARNING --drain 0"
    server = subprocess.Popen(
        [sys.executable, "-c", program, *options.split()],
        env=os.environ | settings.environment(),
    )
    try:
        end = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=2).close()
                break
            except (urllib.error.URLError, OSError):
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)
        before = processor_seconds(server.pid)
        out = subprocess.run(
            [
                *f"wrk -t{clients} -c{clients} -d{seconds}s --timeout 5s -s".split(),
                str(HERE / "candidates.lua"),
                f"http://127.0.0.1:{port}",
                "--",
                str(folder),
            ],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        figures: dict[str, Any] = json.loads(out[out.rindex("{") :])
        figures["server_ms"] = 1000 * (processor_seconds(server.pid) - before) / max(1, figures["requests"])
        return figures
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


def stored(url: str) -> int:
    """Return how many answers the database holds."""
    if url.startswith("sqlite"):
        from api.database.sqlite import driver

        connection = driver().connect(url.removeprefix("sqlite:///"))
        rows = connection.execute("SELECT count(*) FROM event WHERE kind = 'answered'").fetchall()
        connection.close()
        return int(rows[0][0])
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM event WHERE kind = 'answered'").fetchone()
        assert row is not None
        return int(row[0])


def run(url: str, workers: int, clients: int, seconds: int, each: int) -> None:
    """Measure one set-up and print a line."""
    folder = Path(tempfile.mkdtemp(prefix="acquis-load-"))
    try:
        migrate(url)
        settings = Settings(url, keys=folder / "keys", connections=8)
        starts = asyncio.run(begun(settings, folder, clients, each))
        before = stored(url)
        figures = measured(settings, folder, workers, clients, seconds)
        answers = stored(url) - before
        acknowledged = figures["requests"] - figures["status"]
        kind = url.partition(":")[0]
        print(
            f"{kind:<10} {workers} worker(s), {clients} clients: "
            f"{answers / figures['seconds']:.0f} answers/s, "
            f"p50 {figures['p50_ms']} ms, p99 {figures['p99_ms']} ms, max {figures['max_ms']} ms, "
            f"server {figures['server_ms']:.2f} CPU ms an answer, "
            f"refused or failed {figures['status'] + figures['failed']}, acknowledged {acknowledged}, "
            f"stored {answers}; {starts:.0f} starts/s one after the other",
            flush=True,
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    """Measure SQLite, then PostgreSQL with one and two workers."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--each", type=int, default=100, help="sittings begun for each client")
    args = parser.parse_args()
    if shutil.which("wrk") is None:
        print("acquis load: expected the generator wrk, got none; apt install wrk", file=sys.stderr)
        return 2
    folder = Path(tempfile.mkdtemp(prefix="acquis-load-pg-"))
    server = start_postgres(folder)
    try:
        run(f"sqlite:///{folder / 'load.db'}", 1, args.clients, args.seconds, args.each)
        for workers in (1, 2):
            name = f"load{workers}"
            with psycopg.connect(server.get_uri(), autocommit=True) as admin:
                admin.execute(f"CREATE DATABASE {name}")
            url = server.get_uri().replace("/postgres?", f"/{name}?")
            run(url, workers, args.clients, args.seconds, args.each)
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
