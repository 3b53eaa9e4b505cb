"""``acquis serve``: the production server."""

from __future__ import annotations

import argparse
import os
from dataclasses import fields

from api.settings import Settings

_NUMBERS = {
    "connections": "connections to PostgreSQL, a worker",
    "waiting": "requests that may wait for the database, a worker",
    "in_flight": "requests a worker takes on at once",
    "sittings": "sittings a worker keeps in memory",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments; each has a variable of the environment (`api.settings`)."""
    parser.add_argument(
        "--database-url",
        metavar="URL",
        default=os.environ.get("ACQUIS_DATABASE_URL"),
        help="postgresql://user@host/name, or sqlite:///file (ACQUIS_DATABASE_URL)",
    )
    parser.add_argument(
        "--base-url",
        metavar="URL",
        default=os.environ.get("ACQUIS_BASE_URL"),
        help="the public address, which is the issuer of results (ACQUIS_BASE_URL)",
    )
    parser.add_argument(
        "--keys",
        metavar="DIR",
        default=os.environ.get("ACQUIS_KEYS", "keys"),
        help="folder of the signing key and the secret, made when missing (ACQUIS_KEYS, default ./keys)",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on (default 8000)")
    parser.add_argument("--workers", type=int, default=1, help="processes, with PostgreSQL (default 1)")
    usual = {field.name: field.default for field in fields(Settings)}
    for name, meaning in _NUMBERS.items():
        variable = f"ACQUIS_{name.upper()}"
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=int,
            default=os.environ.get(variable, str(usual[name])),
            help=f"{meaning} ({variable}, default {usual[name]})",
        )
    parser.add_argument(
        "--upkeep",
        type=int,
        metavar="SECONDS",
        default=int(os.environ.get("ACQUIS_UPKEEP", "2")),
        help="between two looks at overdue sittings, webhooks and rescoring; 0: never (default 2)",
    )
    parser.add_argument(
        "--webhooks-inside",
        action="store_true",
        default=os.environ.get("ACQUIS_WEBHOOKS_INSIDE") in ("1", "True"),
        help="let webhooks go to private addresses and by plain http",
    )
    parser.add_argument(
        "--drain", type=float, default=5.0, help="seconds between SIGTERM and stopping (default 5)"
    )
    parser.add_argument("--log-level", default="INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR"))


def run(args: argparse.Namespace) -> int | None:
    """Serve until told to stop."""
    from pathlib import Path

    from api.database.migrate import migrate
    from api.serving import serve
    from cat_engine.errors import InputError

    if not args.database_url:
        raise InputError(
            "expected the address of a database, got none; give --database-url or set ACQUIS_DATABASE_URL"
        )
    if args.workers < 1:
        raise InputError(f"expected at least one worker, got {args.workers}; give --workers 1 or more")
    settings = Settings(
        database_url=args.database_url,
        base_url=(args.base_url or f"http://{args.host}:{args.port}").rstrip("/"),
        keys=Path(args.keys),
        connections=args.connections,
        waiting=args.waiting,
        in_flight=args.in_flight,
        sittings=args.sittings,
        upkeep=args.upkeep,
        webhooks_inside=args.webhooks_inside,
    )
    os.environ["ACQUIS_LOG_LEVEL"] = args.log_level
    _check(settings.database_url)
    migrate(settings.database_url)
    serve(settings, args.host, args.port, args.workers, args.drain)
    return None


def _check(url: str) -> None:
    """Say in one sentence what is wrong with the database, before any worker starts."""
    import asyncio

    from api.database.connect import connect
    from api.database.plans import Unavailable
    from cat_engine.errors import InputError

    async def opened() -> None:
        database = connect(url, connections=1)
        try:
            await database.open()
        except Unavailable as error:
            raise InputError(f"expected a database at the address given, got none: {error}") from error
        await database.close()

    asyncio.run(opened())
