"""The migrations make the tables that the code knows."""

from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from api.database.migrate import MIGRATIONS, engine_for, migrate
from api.database.tables import REVISION, metadata
from cat_engine.errors import InputError


def test_migrated_database_and_tables_are_the_same(database_url: str) -> None:
    engine = engine_for(database_url)
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
    engine.dispose()
    assert differences == []


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
