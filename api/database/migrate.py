"""Bring the tables up to date at start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text

from api.database.connect import sqlite_path
from api.database.sqlite import driver
from api.database.tables import REVISION
from cat_engine.errors import InputError

__all__ = ["MIGRATIONS", "engine_for", "migrate"]

MIGRATIONS = Path(__file__).parent / "migrations"


def engine_for(url: str) -> Engine:
    """Return a SQLAlchemy engine for `url`, with the SQLite library and the psycopg that the server uses."""
    if url.startswith("sqlite:"):
        engine = create_engine(f"sqlite:///{sqlite_path(url)}", module=driver())
        event.listen(engine, "connect", _by_hand)
        event.listen(engine, "begin", _begin)
        return engine
    scheme, _, rest = url.partition("://")
    if scheme not in ("postgresql", "postgres", "postgresql+psycopg"):
        raise InputError(
            f"expected a database address that starts with sqlite:/// or postgresql://, got '{scheme}://...'"
        )
    import psycopg

    # libpq reads the address itself: it may name several servers.
    return create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(f"postgresql://{rest}"))


def _by_hand(connection: Any, _: Any) -> None:
    """Leave transactions to SQLAlchemy: Python's driver begins none before a table is made or changed."""
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def migrate(url: str) -> None:
    """Apply the migrations that the database at `url` lacks, all of them or none.

    Servers that start together take turns (an advisory lock on PostgreSQL, a transaction on SQLite).

    Raises
    ------
    InputError
        When the database was made by a newer version of Acquis.
    """
    engine = engine_for(url)
    try:
        if _revision(engine) == REVISION:
            return
        from alembic import command
        from alembic.config import Config
        from alembic.util import CommandError

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.set_main_option("path_separator", "os")
        with engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(4239871)"))
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except CommandError as error:
                raise InputError(
                    f"expected a database of this version of Acquis or an older one, got: {error}; "
                    "install the newer Acquis"
                ) from error
    finally:
        engine.dispose()


def _revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
        return str(row[0]) if row else None
