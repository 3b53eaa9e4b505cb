"""``acquis client``: programs that may call the service for an organisation."""

from __future__ import annotations

import argparse
from typing import Any

from api.commands.operating import add_database, planned, say
from cat_engine.errors import InputError

__all__ = ["ROLES", "configure", "run"]

ROLES = {
    "hr": ("results:read", "invitations:write", "webhooks:write"),
    "proctor": ("sittings:supervise",),
    "player": ("sections:run",),
}
"""What each role may do; ``--scope`` says it one by one."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    def action(name: str, what: str) -> argparse.ArgumentParser:
        made = actions.add_parser(name, help=what, description=what, allow_abbrev=False)
        add_database(made)
        return made

    made = action("add", "register a client; its secret is told once")
    made.add_argument("--organisation", required=True, metavar="CODE", help="made when it is not there yet")
    made.add_argument("--organisation-name", metavar="NAME", help="of a new one (default: its code)")
    made.add_argument("--name", required=True, metavar="NAME", help="what the program is, for people")
    made.add_argument("--role", action="append", default=[], choices=tuple(ROLES), help="may be repeated")
    made.add_argument("--scope", action="append", default=[], metavar="SCOPE", help="may be repeated")
    made.add_argument("--id", metavar="ID", help="its identifier (default: made)")
    action("list", "the registered clients")
    made = action("renew", "give a client a new secret; the old one is out at once")
    made.add_argument("id", metavar="ID")
    made = action("disable", "shut a client out, within seconds")
    made.add_argument("id", metavar="ID")


def run(args: argparse.Namespace) -> int:
    """Do what the arguments ask; return the exit status."""
    return {"add": _add, "list": _list, "renew": _renew, "disable": _disable}[args.action](args)


def _scopes(args: argparse.Namespace) -> str:
    from api.accounts.clients import SCOPES

    scopes = {scope for role in args.role for scope in ROLES[role]} | set(args.scope)
    unknown = scopes - set(SCOPES)
    if unknown or not scopes:
        raise InputError(
            f"expected roles ({', '.join(ROLES)}) or scopes ({', '.join(SCOPES)}), "
            f"got {', '.join(sorted(unknown)) or 'none'}; give --role or --scope"
        )
    return " ".join(sorted(scopes))


def _add(args: argparse.Namespace) -> int:
    from api.accounts.clients import add
    from api.ids import new_id, new_secret

    id, secret, scopes = args.id or new_id().lower(), new_secret(), _scopes(args)
    planned(
        args,
        add,
        args.organisation,
        args.organisation_name or args.organisation,
        args.name,
        id,
        secret,
        scopes,
    )
    told = {"id": id, "secret": secret, "organisation": args.organisation, "scopes": scopes.split()}
    say(args, told, [f"client  {id}", f"secret  {secret}   (told once)", f"scopes  {scopes}"])
    return 0


def _list(args: argparse.Namespace) -> int:
    from api.accounts.clients import registered
    from api.moments import iso

    rows: list[dict[str, Any]] = planned(args, registered, writing=False)
    for row in rows:
        for name in ("created_at", "disabled_at"):
            row[name] = None if row[name] is None else iso(row[name])
    lines = [
        f"{row['id']}  {row['organisation']}  {row['name']}  {' '.join(row['scopes'])}"
        + (f"  disabled {row['disabled_at']}" if row["disabled_at"] else "")
        for row in rows
    ]
    say(args, rows, lines or ["no client is registered"])
    return 0


def _renew(args: argparse.Namespace) -> int:
    from api.accounts.clients import renew
    from api.ids import new_secret

    secret = new_secret()
    planned(args, renew, args.id, secret)
    say(args, {"id": args.id, "secret": secret}, [f"client  {args.id}", f"secret  {secret}   (told once)"])
    return 0


def _disable(args: argparse.Namespace) -> int:
    from api.accounts.clients import disable

    planned(args, disable, args.id)
    say(args, {"id": args.id}, [f"{args.id} is disabled"])
    return 0
