"""A browser for all tests, and a server on each kind of database."""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from selenium.common.exceptions import WebDriverException

from tests.databases import with_database
from tests.journeys.chromium import AXE, CHROMIUM, DRIVER, Chromium
from tests.journeys.gallery import create_gallery
from tests.journeys.server import Server, in_process
from tests.ports import reserved


def _absent(what: str) -> None:
    """Skip on a developer's machine; in continuous integration fail."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="session")
def open_chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Chromium]]:
    """Open a browser with a profile of its own; all are closed at the end."""
    for path in (CHROMIUM, DRIVER):
        if not Path(path).exists():
            _absent(f"no browser at {path}: apt install chromium chromium-driver")
    opened: list[Chromium] = []

    def one(javascript: bool = True) -> Chromium:
        for _ in range(3):  # a browser that does not come up says nothing of ours
            with contextlib.suppress(WebDriverException):
                chromium = Chromium(tmp_path_factory.mktemp("profile"), javascript)
                opened.append(chromium)
                return chromium
        raise AssertionError("Chromium does not start")

    yield one
    for chromium in opened:
        chromium.close()


@pytest.fixture(scope="session")
def _chromium(open_chromium: Callable[..., Chromium]) -> Chromium:
    return open_chromium()


@pytest.fixture
def chromium(_chromium: Chromium) -> Chromium:
    """A browser that has been nowhere."""
    _chromium.reset()
    return _chromium


@pytest.fixture(scope="session")
def other_chromium(open_chromium: Callable[..., Chromium]) -> Chromium:
    """Another device."""
    return open_chromium()


@pytest.fixture(scope="session")
def axe() -> None:
    """The accessibility checker is there."""
    if not AXE.exists():
        _absent(f"no axe-core at {AXE}: make node_modules/.installed")


@pytest.fixture(scope="session")
def gallery() -> Iterator[str]:
    """Address of the gallery of interactions."""
    with in_process(create_gallery()) as address:
        yield address


@pytest.fixture(scope="session")
def sqlite_journey(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on SQLite."""
    folder = tmp_path_factory.mktemp("server")
    shutil.copy(sqlite_template, folder / "acquis.db")
    yield from _served(f"sqlite:///{folder / 'acquis.db'}", folder)


@pytest.fixture(scope="session")
def postgresql_journey(
    postgres_server: str, postgres_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server on PostgreSQL."""
    name = f"acquis_journey_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{postgres_template}"')
        yield from _served(with_database(postgres_server, name), tmp_path_factory.mktemp("server"))
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _served(database_url: str, folder: Path) -> Iterator[Server]:
    with reserved() as port:
        server = Server(database_url, folder, port)
        server.start()
        try:
            yield server
        finally:
            server.kill()


@pytest.fixture(params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest) -> Server:
    """A server on each kind of database in turn."""
    found: Server = request.getfixturevalue(f"{request.param}_journey")
    return found
