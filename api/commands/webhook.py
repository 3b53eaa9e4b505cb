"""``acquis webhook``: what could not be delivered to HR systems, and sending it again."""

from __future__ import annotations

import argparse

from api.commands.operating import add_database, planned, say
from cat_engine.errors import InputError

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    def action(name: str, what: str) -> argparse.ArgumentParser:
        made = actions.add_parser(name, help=what, description=what, allow_abbrev=False)
        add_database(made)
        return made

    made = action("list", "the addresses of an organisation, with what waits and what was given up")
    made.add_argument("organisation", metavar="CODE")
    action("dead", "messages that were given up, and why")
    made = action("retry", "send what was given up for an address again")
    made.add_argument("id", metavar="ID", help="of the address")


def run(args: argparse.Namespace) -> int:
    """Do what the arguments ask; return the exit status."""
    return {"list": _list, "dead": _dead, "retry": _retry}[args.action](args)


def _list(args: argparse.Namespace) -> int:
    from api.moments import iso
    from api.webhooks.store import registered

    rows = planned(args, registered, args.organisation, writing=False)
    rows = [row | {"created_at": iso(row["created_at"])} for row in rows]
    lines = [f"{row['id']}  {row['url']}  {row['waiting']} waiting, {row['dead']} given up" for row in rows]
    say(args, rows, lines or ["no address is registered"])
    return 0


def _dead(args: argparse.Namespace) -> int:
    from api.moments import iso
    from api.webhooks.store import dead_letters

    rows = planned(args, dead_letters, writing=False)
    rows = [row | {"dead_at": iso(row["dead_at"])} for row in rows]
    lines = [
        f"{row['dead_at']}  {row['webhook']}  {row['url']}  {row['type']} {row['result']}: {row['told']}"
        for row in rows
    ]
    say(args, rows, lines or ["nothing was given up"])
    return 0


def _retry(args: argparse.Namespace) -> int:
    from api.webhooks.store import send_again

    count = planned(args, send_again, args.id)
    if not count:
        raise InputError(
            f"expected an address with messages that were given up, got '{args.id}'; "
            "'acquis webhook dead' names them"
        )
    say(args, {"webhook": args.id, "messages": count}, [f"{count} messages are sent again"])
    return 0
