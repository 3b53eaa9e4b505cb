"""What must hold before the server starts: an acknowledged answer survives a crash.

Every check refuses with a sentence that names the setting, what it is and what it has to be.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cat_engine.errors import InputError

__all__ = [
    "POSTGRES_SETTINGS",
    "SQLITE_MINIMUM",
    "STANDBYS",
    "NotDurable",
    "check_postgres",
    "check_sqlite",
]

SQLITE_MINIMUM = (3, 51, 3)
"""Older libraries can corrupt a WAL database when a writer and a checkpoint meet (the WAL-reset bug)."""

POSTGRES_SETTINGS: Mapping[str, tuple[str, ...]] = {
    "fsync": ("on",),
    "full_page_writes": ("on",),
    "synchronous_commit": ("on", "local", "remote_write", "remote_apply"),
}
"""What PostgreSQL must be set to; a commit has reached the disk before it is acknowledged."""

STANDBYS = "synchronous_standby_names"
"""PostgreSQL's setting that names the servers which a commit has to reach as well."""


class NotDurable(InputError):
    """A commit on this connection would not survive a crash."""


def check_sqlite(connection: Any, version: tuple[int, ...]) -> None:
    """Raise `NotDurable` unless a commit on this connection is durable.

    Parameters
    ----------
    connection
        A DB-API connection, set up for writing.
    version
        ``sqlite_version_info`` of its module.
    """
    if tuple(version) < SQLITE_MINIMUM:
        raise NotDurable(
            f"expected SQLite {_dotted(SQLITE_MINIMUM)} or newer (older ones can corrupt a WAL database), "
            f"got {_dotted(version)}; install the package pysqlite3, or use PostgreSQL"
        )
    journal = str(connection.execute("PRAGMA journal_mode").fetchone()[0]).lower()
    if journal != "wal":
        raise NotDurable(
            f"expected SQLite's journal_mode to be wal, got {journal}; put the database on a local disk"
        )
    synchronous = int(connection.execute("PRAGMA synchronous").fetchone()[0])
    if synchronous < 2:
        raise NotDurable(
            f"expected SQLite's synchronous to be FULL (2), got {synchronous}; power loss would lose answers"
        )
    if int(connection.execute("PRAGMA foreign_keys").fetchone()[0]) != 1:
        raise NotDurable("expected SQLite's foreign_keys to be on, got off; this build cannot check them")


def check_postgres(settings: Mapping[str, str]) -> None:
    """Raise `NotDurable` unless a commit on this server is durable.

    Parameters
    ----------
    settings
        The values of `POSTGRES_SETTINGS` and of `STANDBYS` as this connection sees them.
    """
    for name, allowed in POSTGRES_SETTINGS.items():
        if settings[name] not in allowed:
            raise NotDurable(
                f"expected PostgreSQL's {name} to be {' or '.join(allowed)}, got {settings[name]}; "
                "a crash would lose acknowledged answers: change it for this database and this role"
            )
    named = settings.get(STANDBYS)
    if named and settings["synchronous_commit"] == "local":
        raise NotDurable(
            f"expected PostgreSQL's synchronous_commit to be on, remote_apply or remote_write ({STANDBYS} "
            f"is {named}), got local: commits do not wait for it, so that losing this server "
            "loses acknowledged answers; change it for this database and this role"
        )


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
