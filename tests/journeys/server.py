"""A real server process with the demonstration test and invitations to it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import uvicorn
from fastapi import FastAPI
from sqlalchemy import create_engine, text

from api.accounts.clients import register
from api.accounts.invitations import ORGANISATION, invite
from api.catalogue import demonstration
from api.catalogue.store import publish
from api.ids import new_code, new_id
from api.results.claims import Person
from api.runtime import Runtime
from api.serving import KEEP_ALIVE
from api.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def in_process(app: FastAPI) -> Iterator[str]:
    """Serve `app` from a thread of this process, so that a test can turn its clock; yield its address."""
    config = uvicorn.Config(app, port=0, log_level="critical", timeout_keep_alive=KEEP_ALIVE)
    server = uvicorn.Server(config)
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the application did not start"
        time.sleep(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(60)


class Server:
    """`acquis serve` at a port; can be killed and started again."""

    def __init__(self, database_url: str, folder: Path, port: int, invitations: int = 40) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = folder
        self.settings = Settings(database_url, self.url, folder / "keys")
        self.codes = asyncio.run(self._prepared(invitations))
        self.process: subprocess.Popen[bytes] | None = None

    async def _prepared(self, invitations: int) -> list[str]:
        runtime = Runtime.of(self.settings)
        await runtime.database.open()
        try:
            document, blobs = demonstration.document()
            await runtime.write(publish, demonstration.CODE, document, blobs, 1)
            scopes = "results:read invitations:write webhooks:write"
            await runtime.write(register, ORGANISATION, "Demo", "rh", "rh", "rh-secret", scopes)
            codes = []
            for number in range(invitations):
                code = new_code()
                person = Person(new_id(), f"{number:04}", "matricule", "Durand", "Léa")
                await runtime.write(invite, ORGANISATION, person, demonstration.CODE, code)
                codes.append(code)
            return codes
        finally:
            await runtime.database.close()

    def invitation(self) -> str:
        """Return the address of an invitation that nobody has used."""
        return f"{self.url}/i/{self.codes.pop()}"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        command = [sys.executable, "-c", "from api.command import main; raise SystemExit(main())", "serve"]
        command += ["--database-url", self.settings.database_url, "--base-url", self.url]
        command += ["--keys", str(self.settings.keys), "--port", str(self.port), "--drain", "0"]
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        end = time.monotonic() + 200
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"the server did not start:\n{(self.folder / 'server.log').read_text()}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/ready", timeout=2) as reply:
                return bool(reply.status == 200)
        except OSError:
            return False

    def kill(self) -> None:
        """End the server as a power cut would: kill -9."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def log(self, session: str) -> list[dict[str, Any]]:
        """Return the events of a sitting as they are stored."""
        url = self.settings.database_url
        engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
        try:
            with engine.connect() as connection:
                rows = connection.execute(
                    text("SELECT body FROM event WHERE session_id = :id ORDER BY seq"), {"id": session}
                )
                return [json.loads(row[0]) for row in rows]
        finally:
            engine.dispose()

    def acquis(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the command line."""
        command = [sys.executable, "-c", "from api.command import main; raise SystemExit(main())", *words]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
