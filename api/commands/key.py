"""``acquis key``: the keys that sign results."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api.commands.operating import add_database, planned, say
from cat_engine.errors import InputError

if TYPE_CHECKING:
    from api.keys.ring import Keyring

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    def action(name: str, what: str, keys: bool = True) -> argparse.ArgumentParser:
        made = actions.add_parser(name, help=what, description=what, allow_abbrev=False)
        add_database(made)
        if keys:
            made.add_argument(
                "--keys",
                metavar="DIR",
                default=os.environ.get("ACQUIS_KEYS", "keys"),
                help="folder of the signing keys that the servers use (ACQUIS_KEYS, default ./keys)",
            )
        return made

    action("list", "the keys, the newest first: which one signs, which are retired or revoked", keys=False)
    action("rotate", "sign with a new key from now on; what the others have signed still verifies")
    made = action("revoke", "believe a key no more that somebody else may have; results are signed anew")
    made.add_argument("kid", metavar="KID", help="one that begins with a dash stands last, after --")


def run(args: argparse.Namespace) -> int:
    """Do what the arguments ask; return the exit status."""
    return {"list": _list, "rotate": _rotate, "revoke": _revoke}[args.action](args)


def _list(args: argparse.Namespace) -> int:
    from api.keys.store import listed
    from api.moments import iso

    rows: list[dict[str, Any]] = planned(args, listed)
    for row in rows:
        for name in ("created_at", "retired_at", "revoked_at"):
            row[name] = None if row[name] is None else iso(row[name])
    lines = [
        f"{row['kid']}  {row['state']}  {row['revoked_at'] or row['retired_at'] or row['created_at']}"
        for row in rows
    ]
    say(args, rows, lines or ["no key yet; the first start of a server makes one"])
    return 0


def _ring(args: argparse.Namespace) -> tuple[Keyring, str]:
    """Return the folder's keys, and the ``kid`` of the one that signs, which must be there."""
    from api.keys.ring import Keyring
    from api.keys.store import listed

    signs = next((row["kid"] for row in planned(args, listed) if row["state"] == "signs"), None)
    if signs is None:
        raise InputError("expected a key that signs, got none yet; the first start of a server makes it")
    folder = Path(args.keys)
    ring = Keyring(folder) if (folder / "signing-key.pem").exists() else None
    if ring is None or not ring.holds(signs):
        raise InputError(
            f"expected the folder of the servers' keys, got {folder}, where the key that signs ({signs}) is "
            "not; give it with --keys"
        )
    return ring, signs


def _rotate(args: argparse.Namespace) -> int:
    from api.keys.store import rotate

    ring, former = _ring(args)
    new = ring.make()
    planned(args, rotate, new.jwk)
    say(
        args,
        {"kid": new.kid, "retired": former},
        [
            f"{new.kid} signs from now on",
            f"{former} is retired and stays published: what it has signed still verifies",
        ],
    )
    return 0


def _revoke(args: argparse.Namespace) -> int:
    from api.keys.store import revoke

    ring, signs = _ring(args)
    new = ring.make() if args.kid == signs else None
    planned(args, revoke, args.kid, None if new is None else new.jwk)
    signs = signs if new is None else new.kid
    say(
        args,
        {"revoked": args.kid, "kid": signs},
        [
            f"{args.kid} is revoked: what it has signed is refused",
            f"{signs} signs from now on; whoever downloads a result or a badge again gets one that holds",
        ],
    )
    return 0
