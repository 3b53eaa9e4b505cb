"""The server as operators run it, its database, and people with invitations."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil

from api.accounts.invitations import invite
from api.ids import new_code, new_id
from api.results.claims import Person
from api.runtime import Runtime
from api.settings import Settings
from benchmarks.load.profile import told as shares_of
from tests.api.sample import CODE, ORGANISATION, prepare

__all__ = ["BANK", "LENGTH", "Server", "codes", "published", "served", "syncs"]

BANK, LENGTH = 600, 30
_DESIGN = {
    "schema": "acquis/design/1",
    "constraint": [
        {"attribute": "domain", "value": "D1", "min": 12, "max": 18},
        {"attribute": "domain", "value": "D2", "min": 12, "max": 18},
    ],
    "stop": {"min": LENGTH, "max": LENGTH},
    "cuts": {"values": [0.0]},
}
_PROGRAM = "import sys; from api.command import main; sys.exit(main())"


async def published(settings: Settings) -> None:
    """Publish the test that is sat: a bank of `BANK`, `LENGTH` questions, two domains to balance."""
    runtime = Runtime.of(settings)
    await runtime.database.open()
    try:
        await prepare(runtime, n_items=BANK, design=_DESIGN)
    finally:
        await runtime.database.close()


async def codes(settings: Settings, count: int) -> list[str]:
    """Invite `count` people; return their codes."""
    runtime = Runtime.of(settings)
    await runtime.database.open()
    try:
        found = [new_code() for _ in range(count)]
        for some in range(0, count, 64):
            await asyncio.gather(
                *(
                    runtime.write(invite, ORGANISATION, Person(new_id()), CODE, code)
                    for code in found[some : some + 64]
                )
            )
    finally:
        await runtime.database.close()
    return found


class Server:
    """A running server and what it and its neighbours use of the processors.

    Attributes
    ----------
    address
        Where it listens.
    """

    def __init__(self, address: str, pid: int, database: int | None, profile: Path) -> None:
        self.address = address
        self._pid = pid
        self._database = database
        self._profile = profile

    def used(self) -> tuple[float, float, float]:
        """Return the seconds of processor time so far: the server's, the database's, ended generators'."""
        generators = resource.getrusage(resource.RUSAGE_CHILDREN)
        return _used(self._pid), _used(self._database), generators.ru_utime + generators.ru_stime

    def shares(self) -> str:
        """Return where the processor time went since the last time, where the server was told to look."""
        return shares_of(self._pid, self._profile)


def _used(pid: int | None) -> float:
    if pid is None:
        return 0.0
    whole = psutil.Process(pid)
    times = [process.cpu_times() for process in (whole, *whole.children(recursive=True))]
    return sum(one.user + one.system for one in times)


@contextlib.contextmanager
def served(
    settings: Settings, folder: Path, workers: int, database: int | None, profile: bool = False
) -> Iterator[Server]:
    """Run a server; `profile` makes it look where its time goes, which costs some."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    address = f"http://127.0.0.1:{port}"
    shares = folder / "shares"
    look = f"from benchmarks.load.profile import begin; begin('{shares}'); " if profile else ""
    options = f"serve --port {port} --workers {workers} --drain 0"
    with (folder / "server.log").open("ab") as log:
        server = subprocess.Popen(
            [sys.executable, "-c", look + _PROGRAM, *options.split()],
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
        yield Server(address, server.pid, database, shares)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


def syncs(folder: Path, seconds: float = 2.0) -> float:
    """Return how often a second the disk of `folder` can be told to keep 4 KiB for good."""
    end, done = time.perf_counter() + seconds, 0
    with (folder / "syncs").open("wb", buffering=0) as file:
        while time.perf_counter() < end:
            file.write(bytes(4096))
            os.fdatasync(file.fileno())
            done += 1
    return done / seconds
