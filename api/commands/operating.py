"""What the operator's commands share: the database they work on, and how they answer."""

from __future__ import annotations

import asyncio
import json
import os
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from cat_engine.errors import InputError

if TYPE_CHECKING:
    from api.database.plans import Plan

__all__ = ["add_database", "planned", "read_toml", "say"]

T = TypeVar("T")


def add_database(parser: ArgumentParser) -> None:
    """Add the address of the database and ``--json``."""
    parser.add_argument(
        "--database-url",
        metavar="URL",
        default=os.environ.get("ACQUIS_DATABASE_URL"),
        help="postgresql://user@host/name or sqlite:///file (ACQUIS_DATABASE_URL)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def planned(
    args: Namespace, plan: Callable[..., Plan[T]], /, *with_: Any, writing: bool = True, **named: Any
) -> T:
    """Bring the tables up to date and run one plan.

    Raises
    ------
    InputError
        When there is no such database, or the plan refuses.
    """
    from api.database.connect import connect
    from api.database.migrate import migrate
    from api.database.plans import Unavailable
    from api.problems import Problem

    if not args.database_url:
        raise InputError(
            "expected the address of a database, got none; give --database-url or set ACQUIS_DATABASE_URL"
        )

    async def run() -> T:
        database = connect(args.database_url, connections=1, reading=not writing)
        if writing:
            await database.open()
            await asyncio.to_thread(migrate, args.database_url)
        else:
            await database.open()
        try:
            return await (database.write if writing else database.read)(plan, *with_, **named)
        finally:
            await database.close()

    try:
        return asyncio.run(run())
    except Unavailable as error:
        raise InputError(f"expected a database at the address given, got none: {error}") from error
    except Problem as problem:
        raise InputError(problem.detail or problem.title) from problem


def say(args: Namespace, content: Any, lines: Sequence[str]) -> None:
    """Print JSON where it is asked for, otherwise the lines."""
    if args.json:
        print(json.dumps(content, ensure_ascii=False, indent=1))
    elif lines:
        print("\n".join(lines))


def read_toml(path: str, what: str) -> Mapping[str, Any]:
    """Return the content of a TOML file."""
    import tomllib
    from pathlib import Path

    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"expected {what}, got '{error.strerror}' for {path}; check the path") from None
    except ValueError as error:
        raise InputError(f"expected {what} in TOML, got something else in {path} ({error})") from None
