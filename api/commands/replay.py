"""``acquis replay``: recompute a sitting from its log and compare."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from cat_engine.errors import InputError

if TYPE_CHECKING:
    from api.sittings.receipt import Receipt
    from api.sittings.replay import Replay


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("session", nargs="?", metavar="SESSION", help="identifier of a sitting")
    parser.add_argument("--all", action="store_true", help="replay every finished sitting")
    parser.add_argument(
        "--database-url",
        metavar="URL",
        default=os.environ.get("ACQUIS_DATABASE_URL"),
        help="the database (default: ACQUIS_DATABASE_URL, else that of 'acquis demo' in ./data)",
    )
    parser.add_argument(
        "--receipt",
        metavar="RECEIPT",
        help="of a reply about the sitting: see whether the log still has all that it had then",
    )
    parser.add_argument(
        "--keys",
        metavar="DIR",
        default=os.environ.get("ACQUIS_KEYS", "keys"),
        help="folder of the server's secret, which receipts are given under (ACQUIS_KEYS, default ./keys)",
    )
    parser.add_argument("--json", action="store_true", help="print what was found as JSON")


def run(args: argparse.Namespace) -> int:
    """Replay; 3 when a sitting does not hold."""
    if args.all == (args.session is not None):
        raise InputError("expected the identifier of one sitting, or --all")
    url = args.database_url or _demonstration()
    receipt = _receipt(args) if args.receipt else None
    found = asyncio.run(_replayed(url, args.session, receipt))
    if args.json:
        print(json.dumps([asdict(one) | {"holds": one.holds} for one in found], indent=1))
    else:
        for one in found:
            print(_told(one))
    return 0 if all(one.holds for one in found) else 3


def _receipt(args: argparse.Namespace) -> Receipt:
    from api.keys.secret import load_or_make
    from api.sittings.receipt import Receipt

    path = Path(args.keys) / "secret"
    if not path.is_file():
        raise InputError(f"expected the server's secret in {path}, got no such file; give --keys")
    try:
        receipt = Receipt.parse(load_or_make(path), args.receipt)
    except ValueError as error:
        raise InputError(
            f"expected a receipt that was given under the secret in {path}, got '{args.receipt}'; "
            "copy it whole from a reply of this deployment"
        ) from error
    if receipt.session != args.session:
        raise InputError(f"expected a receipt of sitting {args.session}, got one of {receipt.session}")
    return receipt


def _demonstration() -> str:
    path = Path("data/acquis.db")
    if not path.is_file():
        raise InputError(
            "expected the address of a database, got none, and there is no ./data/acquis.db; "
            "give --database-url"
        )
    return f"sqlite:///{path}"


async def _replayed(url: str, session: str | None, receipt: Receipt | None) -> list[Replay]:
    from api.catalogue.store import Tests
    from api.database.connect import connect
    from api.database.plans import Unavailable
    from api.sittings.replay import finished_sittings, replay

    database = connect(url, reading=True)
    try:
        await database.open()
    except Unavailable as error:
        raise InputError(f"expected a database at the address given, got none: {error}") from error
    tests = Tests()
    try:
        sessions = [session] if session else await database.read(finished_sittings)
        found = []
        for number, one in enumerate(sessions, 1):
            if sys.stderr.isatty() and not session:
                print(f"\r{number}/{len(sessions)}", end="", file=sys.stderr, flush=True)
            found.append(await database.read(replay, tests, one, receipt))
        if sys.stderr.isatty() and not session:
            print(file=sys.stderr)
        return found
    finally:
        await database.close()


def _told(one: Replay) -> str:
    if not one.holds:
        lines = [f"Sitting {one.session} does not hold:", *(f"  {text}" for text in one.differences)]
        return "\n".join(lines)
    text = f"Sitting {one.session} holds: {one.events} events, {one.items} items"
    if one.finished and one.theta is not None and one.se is not None:
        text += f", theta {one.theta / 1e6:.6f}, standard error {one.se / 1e6:.6f}, {one.results} result"
    else:
        text += ", not finished"
    if one.erased:
        text += "; the person was erased: which items were chosen and why it ended is not recomputed"
    return f"{text}; log head {one.head}"
