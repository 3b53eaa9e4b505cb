"""``acquis restore``: make a new database of a copy."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from cat_engine.errors import InputError


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("file", type=Path, metavar="FILE", help="a copy that 'acquis backup' made")
    parser.add_argument(
        "--database-url",
        metavar="URL",
        default=os.environ.get("ACQUIS_DATABASE_URL"),
        help="the new database: a file that does not exist, or an empty PostgreSQL database",
    )


def run(args: argparse.Namespace) -> None:
    """Restore."""
    from api.database.backup import restore

    if not args.database_url:
        raise InputError(
            "expected the address of a database, got none; give --database-url or set ACQUIS_DATABASE_URL"
        )
    restore(args.database_url, args.file)
    print("Restored. Now 'acquis replay --all' computes every score anew and compares.")
