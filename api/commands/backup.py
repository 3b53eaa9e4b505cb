"""``acquis backup``: copy the whole database while the server runs."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from cat_engine.errors import InputError


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("file", type=Path, metavar="FILE", help="where to; a new file")
    parser.add_argument(
        "--database-url",
        metavar="URL",
        default=os.environ.get("ACQUIS_DATABASE_URL"),
        help="the database (default: ACQUIS_DATABASE_URL)",
    )


def run(args: argparse.Namespace) -> None:
    """Back up."""
    from api.database.backup import back_up

    if not args.database_url:
        raise InputError(
            "expected the address of a database, got none; give --database-url or set ACQUIS_DATABASE_URL"
        )
    back_up(args.database_url, args.file)
    print(f"{args.file}: {args.file.stat().st_size} bytes. Keep the folder of the keys as well, elsewhere.")
