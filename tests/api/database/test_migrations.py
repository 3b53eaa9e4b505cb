"""The migrations make the tables that the code knows."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from api.app import create_app
from api.database.connect import connect
from api.database.migrate import MIGRATIONS, engine_for, migrate
from api.database.tables import REVISION, metadata
from api.settings import Settings
from cat_engine.errors import InputError


def test_migrated_database_and_tables_are_the_same(database_url: str) -> None:
    engine = engine_for(database_url)
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
    engine.dispose()
    assert differences == []


def test_a_second_server_leaves_the_tables_of_a_file_in_use_alone(tmp_path: Path) -> None:
    """Started by any ASGI server: the one that uses the file may be an older program."""
    file = tmp_path / "acquis.db"
    settings = Settings(f"sqlite:///{file}", keys=tmp_path / "keys", upkeep=0)

    async def scenario() -> None:
        app = create_app(settings)
        first = connect(settings.database_url)
        await first.open()
        try:
            with pytest.raises(InputError, match="another server"):
                await app.router.lifespan_context(app).__aenter__()
        finally:
            await first.close()

    asyncio.run(scenario())
    engine = engine_for(settings.database_url)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM sqlite_master")).scalar_one() == 0
    engine.dispose()


def test_the_partial_unique_keys_exist(database_url: str) -> None:
    """Autogeneration does not compare the WHERE of an index; these guard a sitting."""
    engine = engine_for(database_url)
    catalogue = {
        "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL",
        "postgresql": "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    }[engine.dialect.name]
    with engine.connect() as connection:
        found = {
            name: sql.replace("(", "").replace(")", "") for name, sql in connection.execute(text(catalogue))
        }
    engine.dispose()
    for name, where in {
        "event_served_key": "kind = 'item_served'",
        "event_answered_key": "kind = 'answered'",
        "event_idempotency_key": "idempotency_key IS NOT NULL",
        "result_current_key": "current = 1",
    }.items():
        assert "UNIQUE" in found[name]
        assert where in found[name].replace("::text", "")


def test_the_revision_that_start_up_trusts_is_alembics_head() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_heads() == [REVISION]


def test_migrating_twice_changes_nothing(database_url: str) -> None:
    migrate(database_url)
    migrate(database_url)


def test_a_database_of_a_newer_version_is_refused(database_url: str) -> None:
    engine = engine_for(database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(InputError, match="newer"):
        migrate(database_url)


def at_revision(path: Path, revision: str, rows: dict[str, str]) -> str:
    """Make a SQLite database of an older revision with `rows` in it; return its address."""
    url = f"sqlite:///{path}"
    engine = engine_for(url)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    with engine.begin() as connection:
        for table, values in rows.items():
            connection.execute(text(f"INSERT INTO {table} VALUES {values}"))
    engine.dispose()
    return url


def test_the_second_migration_keeps_what_is_stored(tmp_path: Path) -> None:
    """SQLite makes the table anew: rows, keys and partial indexes have to come through."""
    rows = {
        "organisation": "('o', 'O', 1)",
        "person": "('p', 'o', NULL, NULL, NULL, NULL, 1, NULL)",
        "test": "('t', 'T', 1, 'h', 0, x'00', 1)",
        "invitation": "('i', 'o', 'p', 't', 'c', 0, 1, 2, NULL)",
        "session": "('s', 'o', 'i', 'p', 't', 'item', 1, 1, 5)",
        "event": "('s', 1, 'started', NULL, NULL, '{}', x'00')",
    }
    url = at_revision(tmp_path / "old.db", "0001", rows)
    engine = engine_for(url)
    migrate(url)
    with engine.connect() as connection:
        stored = connection.execute(text("SELECT id, person_id, section_id, due_at FROM session")).all()
        index = connection.execute(
            text("SELECT sql FROM sqlite_master WHERE name = 'session_due_idx'")
        ).scalar()
        broken = connection.execute(text("PRAGMA foreign_key_check")).all()
    engine.dispose()
    assert [tuple(row) for row in stored] == [("s", "p", None, 5)]
    assert "due_at IS NOT NULL" in str(index)
    assert broken == []


def test_the_fifth_migration_keeps_results(tmp_path: Path) -> None:
    rows = {
        "organisation": "('o', 'O', 1)",
        "person": "('p', 'o', NULL, NULL, NULL, NULL, 1, NULL)",
        "test": "('t', 'T', 1, 'h', 0, x'00', 1)",
        "session": "('s', 'o', NULL, 'p', 't', 'finished', 1, 1, NULL, NULL)",
        "result": "('r', 'o', 's', 'p', 1, 1, 'valid', 5, 1, 5, '{}', 'j')",
    }
    url = at_revision(tmp_path / "old.db", "0004", rows)
    migrate(url)
    engine = engine_for(url)
    with engine.connect() as connection:
        stored = connection.execute(text("SELECT id, session_id, document FROM result")).all()
        indexes = connection.execute(
            text("SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = 'result'")
        ).scalars()
        found = set(indexes)
        broken = connection.execute(text("PRAGMA foreign_key_check")).all()
    engine.dispose()
    assert [tuple(row) for row in stored] == [("r", "s", "{}")]
    assert {"result_current_key", "result_withdrawn_idx", "result_person_id_idx"} <= found
    assert broken == []
