"""From an address to a `Database`."""

from __future__ import annotations

from pathlib import Path

from api.database.plans import Database
from cat_engine.errors import InputError

__all__ = ["connect", "sqlite_path"]


def sqlite_path(url: str) -> Path:
    """Return the file that ``sqlite:///file`` names; one in memory is refused: nothing in it lasts."""
    path = url.removeprefix("sqlite:///")
    if path == url or not path or path.startswith(":memory:") or "?" in path:
        raise InputError(
            f"expected an address like sqlite:///folder/file.db or sqlite:////absolute/file.db, got '{url}'"
        )
    return Path(path)


def connect(url: str, connections: int = 8, waiting: int = 256, reading: bool = False) -> Database:
    """Return the database at `url`, not opened yet.

    Parameters
    ----------
    reading
        For reading alone, beside a running server.

    Raises
    ------
    InputError
        When the address is neither of SQLite nor of PostgreSQL.
    """
    if url.startswith("sqlite:"):
        from api.database.sqlite import SQLite

        path = sqlite_path(url)
        if reading and not path.is_file():
            raise InputError(f"expected a database in {path}, got no such file; check the address")
        return SQLite(path, waiting, reading=reading)
    scheme, _, rest = url.partition("://")
    if scheme in ("postgresql", "postgres", "postgresql+psycopg"):
        from api.database.postgres import PostgreSQL

        return PostgreSQL(f"postgresql://{rest}", connections, waiting)
    raise InputError(
        f"expected a database address that starts with sqlite:/// or postgresql://, got '{scheme}'"
    )
