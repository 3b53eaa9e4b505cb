"""The whole application on a fresh SQLite file, and a browser that follows no redirection by itself."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from api.app import create_app
from api.runtime import Runtime
from api.settings import Settings
from tests.api.browser import Browser, browser
from tests.api.sample import invited, prepare

TIMED = "TIMED"
TIMES = {"limit_s": 600, "grace_s": 10, "silence_s": 100, "give_back_s": 120, "abandon_s": 2_592_000}
BROWSER = {"accept": "text/html", "sec-fetch-site": "same-origin"}


@dataclass
class Site:
    """A client of the application, and codes of invitations to the sample test."""

    client: Browser
    codes: list[str]
    runtime: Runtime

    def get(self, path: str) -> Any:
        """Ask for a page."""
        return self.client.get(path, headers=BROWSER, follow_redirects=False)

    def post(self, path: str, fields: dict[str, Any] | None = None, **headers: str) -> Any:
        """Send a form, with the token that the last page of this browser carried."""
        fields = {"jeton": self.token()} | (fields or {})
        return self.client.post(path, data=fields, headers=BROWSER | headers, follow_redirects=False)

    def token(self) -> str:
        """The token of a form of ours."""
        found = re.search(r'name="jeton" value="([^"]+)"', self.get("/").text)
        assert found
        return found[1]

    def enter(self, code: str = "") -> str:
        """Begin a sitting; return the page of its first question."""
        self.post("/", {"code": code or self.codes[1]})
        self.post("/bienvenue")
        return str(self.get("/question").text)

    def forget(self) -> None:
        """Be another browser."""
        self.client.cookies.clear()

    def wait(self, seconds: int) -> None:
        """Let time pass."""
        self.runtime.skew += seconds * 1_000_000

    def events(self) -> list[dict[str, Any]]:
        """The log of this browser's sitting."""
        sitting = (self.client.cookies.get("acquis_sitting") or "").strip('"').split(".")[0]
        engine = create_engine(self.runtime.settings.database_url)
        try:
            with engine.connect() as connection:
                query = text("SELECT body FROM event WHERE session_id = :id ORDER BY seq")
                return [json.loads(body) for (body,) in connection.execute(query, {"id": sitting})]
        finally:
            engine.dispose()


def handle(page: str) -> str:
    """The handle in a question's form."""
    found = re.search(r'name="question" value="([^"]+)"', page)
    assert found
    return found[1]


@pytest.fixture
def site(sqlite_url: str, tmp_path: Path) -> Iterator[Site]:
    """The application: two invitations to the sample test, one to it with a time limit, another with a third
    more time; passers-by let in."""
    settings = Settings(sqlite_url, base_url="http://testserver", keys=tmp_path / "keys", walk_in=True)

    async def prepared() -> list[str]:
        runtime = Runtime.of(settings)
        await runtime.database.open()
        try:
            await prepare(runtime)
            await prepare(runtime, TIMED, time=TIMES)
            codes = [(await invited(runtime, identifier=f"M-{n}")).code for n in range(2)]
            codes.append((await invited(runtime, TIMED, identifier="M-2")).code)
            return [*codes, (await invited(runtime, TIMED, identifier="M-3", extra=33)).code]
        finally:
            await runtime.database.close()

    codes = asyncio.run(prepared())
    app = create_app(settings)
    with browser(app, settings.base_url) as client:
        yield Site(client, codes, app.state.runtime)
