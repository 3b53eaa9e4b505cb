"""kill -9 in the middle of what makes a whole database: it is done, or it is not and can be done again."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from api.command import main
from api.database.migrate import migrate
from api.database.tables import REVISION
from item_bank import demo
from item_bank.bank import Bank
from item_bank.publication import Targets, approve, request
from item_bank.store import Store
from tests.api.commands.test_operating import DESIGN, PUBLISH, TEST
from tests.databases import with_database

ROOT = Path(__file__).resolve().parents[3]


def killed(folder: Path, every: int, *command: str) -> int:
    """Kill a command at every so many-th statement; return how often it was."""
    script = [sys.executable, "-m", "tests.api.database.killed", str(folder), str(every), *command]
    done = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return int(done.stdout.split()[-1])


def content(file: Path) -> list[str]:
    """Everything in a SQLite database, as SQL."""
    with contextlib.closing(sqlite3.connect(file)) as connection:
        return list(connection.iterdump())


def shape(file: Path) -> list[str]:
    """Every table and index of a SQLite database, and what Alembic calls it."""
    with contextlib.closing(sqlite3.connect(file)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master ORDER BY name")]
        if names:
            names += connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return names


def test_a_migration_is_done_or_not(tmp_path: Path, sqlite_template: Path) -> None:
    whole = shape(sqlite_template)
    tries = killed(tmp_path, 23, "migrate", "sqlite:///{}.db")
    assert tries >= 5
    for n in range(tries):
        file = tmp_path / f"{n}.db"
        assert shape(file) in ([], whole)
        migrate(f"sqlite:///{file}")
        assert shape(file) == whole


def test_a_copy_and_what_is_made_of_it_are_there_whole_or_not_at_all(
    tmp_path: Path, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    original = shutil.copy(sqlite_template, tmp_path / "original.db")
    whole = content(original)
    assert main(["backup", str(tmp_path / "copy"), "--database-url", f"sqlite:///{original}"]) == 0
    for command in (
        ["backup", "{}.out", "--database-url", f"sqlite:///{original}"],
        ["restore", "copy", "--database-url", "sqlite:///{}.out"],
    ):
        tries = killed(tmp_path, 3, *command)
        assert tries >= 5
        assert content(tmp_path / f"{tries}.out") == whole
        for n in range(tries):
            assert not (tmp_path / f"{n}.out").exists()
            assert main([word.replace("{}", str(n)) for word in command]) == 0
            assert content(tmp_path / f"{n}.out") == whole
        for made in tmp_path.glob("*.out*"):
            made.unlink()


def test_a_test_is_published_or_not_and_can_be_published_again(
    tmp_path: Path, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(TRIES):
        shutil.copy(sqlite_template, tmp_path / f"{n}.db")

    def rows(n: int) -> tuple[int, ...]:
        with contextlib.closing(sqlite3.connect(tmp_path / f"{n}.db")) as connection:
            return tuple(connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in MADE)

    monkeypatch.chdir(tmp_path)
    is_published_or_not("sqlite:///{}.db", 25, rows)


def test_a_test_is_published_or_not_on_postgresql(
    tmp_path: Path, postgres_server: str, postgres_template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"acquis_killed_{uuid.uuid4().hex[:8]}_"
    url = with_database(postgres_server, f"{name}{{}}")

    def rows(n: int) -> tuple[int, ...]:
        with psycopg.connect(url.replace("{}", str(n))) as connection:
            counted = (connection.execute(f"SELECT count(*) FROM {made}".encode()) for made in MADE)
            return tuple(row[0] for cursor in counted if (row := cursor.fetchone()) is not None)

    monkeypatch.chdir(tmp_path)
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        for n in range(TRIES):
            admin.execute(f'CREATE DATABASE "{name}{n}" TEMPLATE "{postgres_template}"'.encode())
        try:
            is_published_or_not(url, 22, rows)
        finally:
            for n in range(TRIES):
                admin.execute(f'DROP DATABASE "{name}{n}" WITH (FORCE)'.encode())


TRIES = 10
MADE = ("test", "blob")


def bank_with_pictures() -> None:
    """Make a bank of some items that each have a picture, with a published version."""
    whole = demo.load().bank()
    one_each = {one.stimulus: one for one in whole.items if one.stimulus and one.n_cat == 2}
    items = tuple(replace(one, status="operational", enemies=()) for one in list(one_each.values())[:10])
    rows = tuple({"id": one.id, "model": "2pl", "a": 1.0, "b": 0.0, "scale": "s"} for one in items)
    bank = Bank(items, whole.stimuli, whole.framework, whole.media, rows)
    store = Store.create("bank", bank)
    _, log = request(store.draft(), store.log, "Al", "2026-11-22", Targets())
    version, log = approve(store.draft(), log, "Bo", "2026-11-22")
    store.publish(version, store.draft(), log)


def is_published_or_not(url: str, every: int, rows: Callable[[int], tuple[int, ...]]) -> None:
    """Publish a test, killed in the middle; `rows` counts what a try left in the database."""
    bank_with_pictures()
    Path("design.toml").write_text(DESIGN)
    Path("test.toml").write_text(TEST)
    command = [*PUBLISH, "--database-url", url]
    tries = killed(Path.cwd(), every, *command)
    assert 4 <= tries < TRIES
    whole = rows(tries)
    assert whole[0] == 1
    assert whole[1] >= 10
    left = [rows(n) for n in range(tries)]
    assert set(left) <= {(0, 0), whole}
    assert left[0] == (0, 0)
    for n in range(tries):
        assert main([word.replace("{}", str(n)) for word in command]) == 0
        assert rows(n) == whole


def test_workers_that_start_together_migrate_once(postgres_server: str) -> None:
    with fresh(postgres_server) as url:
        with ThreadPoolExecutor(4) as workers:
            list(workers.map(migrate, [url] * 4))
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(REVISION,)]


def test_a_worker_that_is_killed_while_it_migrates_leaves_it_to_the_next(postgres_server: str) -> None:
    """PostgreSQL changes tables in transactions; the lock goes with the connection of who held it."""
    with fresh(postgres_server) as url:
        script = [sys.executable, "-c", DYING, url]
        done = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, timeout=500, check=False)
        assert done.returncode == -9, done.stderr
        with psycopg.connect(url) as connection:
            assert connection.execute(TABLES).fetchone() == (0,)
        migrate(url)
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(REVISION,)]


TABLES = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
DYING = """
import os, signal, sys
from sqlalchemy import event
from api.database import migrate
from api.database.migrate import engine_for

def mortal(url):
    engine, seen = engine_for(url), []
    def count(connection, cursor, statement, *_):
        seen.append(statement)
        if sum(text.lstrip().startswith("CREATE TABLE") for text in seen) == 12:
            os.kill(os.getpid(), signal.SIGKILL)
    event.listen(engine, "after_cursor_execute", count)
    return engine

migrate.engine_for = mortal
migrate.migrate(sys.argv[1])
"""


@contextlib.contextmanager
def fresh(server: str) -> Iterator[str]:
    """Address of a PostgreSQL database without a table."""
    name = f"acquis_killed_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
        yield with_database(server, name)
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
