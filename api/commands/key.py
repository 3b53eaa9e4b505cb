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

    def action(name: str, what: str) -> argparse.ArgumentParser:
        made = actions.add_parser(name, help=what, description=what, allow_abbrev=False)
        add_database(made)
        made.add_argument(
            "--keys",
            metavar="DIR",
            default=os.environ.get("ACQUIS_KEYS", "keys"),
            help="folder of the signing keys that the servers use (ACQUIS_KEYS, default ./keys)",
        )
        return made

    action("list", "the keys, the newest first: which one signs, which wait, are retired or revoked")
    made = action("rotate", "publish a new key, which signs once all copies of the public keys hold it")
    made.add_argument(
        "--now",
        action="store_true",
        help="sign with it at once, and with a key that waits: who keeps a copy of the public keys does not "
        "know it yet",
    )
    made = action("revoke", "believe a key no more that somebody else may have; results are signed anew")
    made.add_argument("kid", metavar="KID", help="one that begins with a dash stands last, after --")


def run(args: argparse.Namespace) -> int:
    """Do what the arguments ask; return the exit status."""
    return {"list": _list, "rotate": _rotate, "revoke": _revoke}[args.action](args)


def _list(args: argparse.Namespace) -> int:
    from api.keys.ring import inside
    from api.keys.store import listed
    from api.moments import iso

    rows: list[dict[str, Any]] = planned(args, listed)
    files = inside(Path(args.keys))
    lines = []
    for row in rows:
        for name in ("created_at", "signs_from", "retired_at", "revoked_at"):
            row[name] = None if row[name] is None else iso(row[name])
        row["file"] = str(files.pop(row["kid"], "")) or None
        since = row["revoked_at"] or row["retired_at"] or row["signs_from"]
        words = [row["kid"], "waits until" if row["state"] == "waits" else row["state"], since]
        if row["state"] in ("waits", "signs") and row["file"] is None:
            words.append(f"(not in {args.keys})")
        lines.append("  ".join(words))
    nothing = dict.fromkeys(("created_at", "signs_from", "retired_at", "revoked_at"))
    for kid, file in files.items():
        rows.append({"kid": kid, "state": "unknown", **nothing, "file": str(file)})
        lines.append(f"{kid}  unknown to the database, in {file}: signs nothing")
    say(args, rows, lines or ["no key yet; the first start of a server makes one"])
    return 0


def _ring(args: argparse.Namespace) -> tuple[Keyring, dict[str, str]]:
    """Return the folder's keys, and the state of each key; the one that signs must be in the folder."""
    from api.keys.ring import Keyring
    from api.keys.store import listed

    states = {row["kid"]: row["state"] for row in planned(args, listed)}
    signs = next((kid for kid, state in states.items() if state == "signs"), None)
    if signs is None:
        raise InputError("expected a key that signs, got none yet; the first start of a server makes it")
    folder = Path(args.keys)
    ring = Keyring(folder) if (folder / "signing-key.pem").exists() else None
    if ring is None or not ring.holds(signs):
        raise InputError(
            f"expected the folder of the servers' keys, got {folder}, where the key that signs ({signs}) is "
            "not; give it with --keys"
        )
    return ring, states


def _tell_here(args: argparse.Namespace, ring: Keyring) -> None:
    """Let ``acquis verify`` know, where this machine keeps public keys of the same issuer."""
    from api.keys.known import follow
    from api.keys.store import key_set

    follow(ring.holds, planned(args, key_set, writing=False))


def _rotate(args: argparse.Namespace) -> int:
    from api.keys.store import hasten, rotate
    from api.moments import iso

    ring, states = _ring(args)
    former = next(kid for kid, state in states.items() if state == "signs")
    waiting = next((kid for kid, state in states.items() if state == "waits"), None)
    if waiting is None:
        made = ring.make().jwk
        kid, at = made["kid"], planned(args, rotate, made, args.now)
    elif not args.now:
        raise InputError(
            f"expected no key that waits to sign, got {waiting}; 'acquis key list' tells how long, "
            "--now signs with it at once"
        )
    elif not ring.holds(waiting):
        raise InputError(
            f"expected the key that waits ({waiting}) in {ring.folder}, got none; bring it there"
        )
    else:
        kid, at = waiting, planned(args, hasten, waiting)
    _tell_here(args, ring)
    lines = [
        f"{kid} signs from now on; who keeps a copy of the public keys does not know it yet"
        if args.now
        else f"{kid} is published, and signs from {iso(at)} on: its file has to be on every server by then",
        f"{former} stays published: what it signs until then still verifies",
    ]
    say(args, {"kid": kid, "signs_from": iso(at), "former": former}, lines)
    return 0


def _revoke(args: argparse.Namespace) -> int:
    from api.keys.store import revoke

    ring, states = _ring(args)
    new = ring.make() if states.get(args.kid) == "signs" else None
    gone = planned(args, revoke, args.kid, None if new is None else new.jwk)
    _tell_here(args, ring)
    signs = next(kid for kid, state in states.items() if state == "signs") if new is None else new.kid
    lines = [
        f"{args.kid} is revoked: what it has signed is refused",
        *(f"{kid} waited in the same folder, and is revoked with it" for kid in gone[1:]),
        f"{signs} signs from now on; whoever downloads a result or a badge again gets one that holds",
    ]
    say(args, {"revoked": gone, "kid": signs}, lines)
    return 0
