"""A real server process, a test to sit, and an organisation for each role."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from api.accounts.clients import SCOPES, register
from api.catalogue.demonstration import CODE
from api.database.migrate import migrate
from api.runtime import Runtime
from api.settings import Settings
from tests.api.sample import invited, prepare

__all__ = ["ROLES", "Place", "acquis", "broken"]

ROLES = {
    "nobody": "",
    "candidate": "",
    **{scope.replace(":", "-"): scope for scope in SCOPES},
    "everything": " ".join(SCOPES),
    "elsewhere": " ".join(SCOPES),
}
"""The scopes of every role's client. Each has an organisation of its own, so that they can share a server."""

_SECRET = "a-secret-of-the-tests"
_ROOT = Path(__file__).resolve().parents[3]


Command = Callable[[int], list[str]]


def acquis(port: int) -> list[str]:
    """The product's server."""
    return ["-c", "from api.command import main; raise SystemExit(main())", "serve", "--port", str(port)]


def broken(*promises: str) -> Command:
    """Return a server that breaks promises (`tests.api.stranger.broken`)."""
    return lambda port: ["-m", "tests.api.stranger.broken", str(port), *promises]


class Place:
    """A server on a port of its own; ``with Place.open(folder) as place``."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = folder
        self.settings = Settings(f"sqlite:///{folder}/acquis.db", self.url, folder / "keys", upkeep=0)
        self.code = asyncio.run(self._prepared())

    @staticmethod
    @contextlib.contextmanager
    def open(folder: Path, command: Command = acquis) -> Iterator[Place]:
        """Prepare a database in `folder` and serve it until the end."""
        place = Place(folder)
        with (folder / "server.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *command(place.port)],
                cwd=_ROOT,
                env=os.environ | place.settings.environment(),
                stdout=log,
                stderr=log,
            )
        try:
            place.wait(process)
            yield place
        finally:
            process.kill()
            process.wait(20)

    async def _prepared(self) -> str:
        await asyncio.to_thread(migrate, self.settings.database_url)
        runtime = Runtime.of(self.settings)
        await runtime.database.open()
        try:
            for role, scopes in ROLES.items():
                await runtime.write(register, role.upper(), role, role, role, _SECRET, scopes)
            await prepare(runtime, CODE)
            await runtime.write(register, "HOSPITAL", "", "hospital", "hospital", _SECRET, "")
            return (await invited(runtime, CODE)).code
        finally:
            await runtime.database.close()

    def wait(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until the server answers."""
        end = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/ready", timeout=2):
                    return
            except OSError:
                if process.poll() is not None or time.monotonic() > end:
                    log = (self.folder / "server.log").read_text()
                    raise AssertionError(f"the server did not start:\n{log}") from None
            time.sleep(0.05)

    def token(self, role: str) -> str:
        """Return what a role shows; nobody shows nothing."""
        if role == "nobody":
            return ""
        if role == "candidate":
            body = json.dumps({"code": self.code}).encode()
            return str(self._post("/api/v1/sittings", body, "application/json")["token"])
        basic = base64.b64encode(f"{role}:{_SECRET}".encode()).decode()
        form = "application/x-www-form-urlencoded"
        reply = self._post("/api/v1/oauth/token", b"grant_type=client_credentials", form, f"Basic {basic}")
        return str(reply["access_token"])

    def _post(self, path: str, body: bytes, media_type: str, authorization: str = "") -> Any:
        request = urllib.request.Request(self.url + path, body, {"Content-Type": media_type})
        if authorization:
            request.add_header("Authorization", authorization)
        with urllib.request.urlopen(request, timeout=30) as reply:
            return json.load(reply)
