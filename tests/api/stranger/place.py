"""A real server process, a test to sit, and an organisation for each role."""

from __future__ import annotations

import base64
import contextlib
import functools
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from api.accounts.clients import SCOPES, register
from api.app import create_app
from api.settings import Settings
from tests.api.browser import browser
from tests.api.desk import call, runtime_of
from tests.api.sample import prepare
from tests.api.stranger.office import SEEN, TIMED, Office, furnish
from tests.ports import reserved

__all__ = ["PEERS", "ROLES", "Place", "acquis", "broken"]

_ALL = " ".join(SCOPES)
PEERS = {"everything": _ALL, "elsewhere": _ALL}
"""Two organisations of which neither may see what the other has made."""
ROLES = {
    "nobody": "",
    "candidate": "",
    "viewer": "",
    "graduate": "",
    "secret": "",
    **{scope.replace(":", "-"): scope for scope in SCOPES},
    "everything": _ALL,
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

    def __init__(self, port: int, folder: Path, roles: Mapping[str, str]) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = folder
        self.settings = Settings(f"sqlite:///{folder}/acquis.db", self.url, folder / "keys", upkeep=0)
        self.offices = self._furnished(roles)

    @staticmethod
    @contextlib.contextmanager
    def open(folder: Path, command: Command = acquis, roles: Mapping[str, str] = ROLES) -> Iterator[Place]:
        """Prepare a database in `folder`, with an organisation for each of `roles`; serve it."""
        with reserved() as port:
            place = Place(port, folder, roles)
            with (folder / "server.log").open("ab") as log:
                process = subprocess.Popen(
                    [sys.executable, *command(port)],
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
                process.wait()

    def _furnished(self, roles: Mapping[str, str]) -> dict[str, Office]:
        with browser(create_app(self.settings), self.url) as client:
            runtime = runtime_of(client)
            call(client, prepare, runtime)
            call(client, functools.partial(prepare, runtime, "TIMED", time=TIMED))
            call(client, functools.partial(prepare, runtime, "SEEN", **SEEN))
            for role, scopes in roles.items():
                call(client, runtime.write, register, role.upper(), role, role, role, _SECRET, scopes)
            return {role: furnish(client, role.upper()) for role in roles}

    def wait(self, process: subprocess.Popen[bytes]) -> None:
        """Wait until the server answers."""
        end = time.monotonic() + 200
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/ready", timeout=2):
                    return
            except OSError:
                if process.poll() is not None or time.monotonic() > end:
                    log = (self.folder / "server.log").read_text()
                    raise AssertionError(f"the server did not start:\n{log}") from None
            time.sleep(0.05)

    def operations(self) -> dict[str, str]:
        """Return the identifiers of the document's operations, by method and path."""
        with urllib.request.urlopen(f"{self.url}/openapi.json", timeout=60) as reply:
            paths = json.load(reply)["paths"]
        return {
            f"{method.upper()} {path}": told["operationId"]
            for path, methods in paths.items()
            for method, told in methods.items()
        }

    def shown(self, role: str) -> str:
        """Return what a role shows of itself: an ``Authorization``; nobody shows nothing."""
        match role:
            case "nobody":
                return ""
            case "candidate" | "viewer" | "graduate":
                return getattr(self.offices[role], role)
            case "secret":
                return self._basic(role)
        address, form = f"{self.url}/api/v1/oauth/token", b"grant_type=client_credentials"
        request = urllib.request.Request(address, form, {"Authorization": self._basic(role)})
        with urllib.request.urlopen(request, timeout=60) as reply:
            return f"Bearer {json.load(reply)['access_token']}"

    @staticmethod
    def _basic(role: str) -> str:
        return f"Basic {base64.b64encode(f'{role}:{_SECRET}'.encode()).decode()}"
