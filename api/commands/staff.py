"""``acquis staff``: the people who work at the console."""

from __future__ import annotations

import argparse
import os
from typing import Any

from api.commands.operating import add_database, planned, say

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    from api.accounts.staff import ROLES

    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    def action(name: str, what: str, links: bool = False) -> argparse.ArgumentParser:
        made = actions.add_parser(name, help=what, description=what, allow_abbrev=False)
        if links:
            made.add_argument(
                "--base-url",
                metavar="URL",
                default=os.environ.get("ACQUIS_BASE_URL", ""),
                help="public address of the service, for the link (ACQUIS_BASE_URL)",
            )
        add_database(made)
        return made

    made = action("add", "make an account; a link to choose a password is told once", links=True)
    made.add_argument("login", metavar="LOGIN", help="an e-mail address")
    made.add_argument("--organisation", required=True, metavar="CODE", help="made when it is not there yet")
    made.add_argument("--organisation-name", metavar="NAME", help="of a new one (default: its code)")
    made.add_argument("--name", required=True, metavar="NAME", help="of the person")
    roles = "; ".join(f"{role}: {what}" for role, what in ROLES.items())
    made.add_argument("--role", action="append", default=[], metavar="ROLE", help=f"may be repeated. {roles}")
    made = action("list", "the accounts")
    made.add_argument("--organisation", metavar="CODE", help="of one organisation (default: of all)")
    made = action("reset", "forget the password and the second step; a new link is told once", links=True)
    made.add_argument("login", metavar="LOGIN", help="or the identifier of the account")
    made = action("remove", "remove an account; its name stays for the audit log")
    made.add_argument("login", metavar="LOGIN", help="or the identifier of the account")


def run(args: argparse.Namespace) -> int:
    """Do what the arguments ask; return the exit status."""
    return {"add": _add, "list": _list, "reset": _reset, "remove": _remove}[args.action](args)


def _add(args: argparse.Namespace) -> int:
    from api.accounts.staff import add, roles_of
    from api.ids import new_secret

    link, roles = new_secret(), roles_of(args.role)
    name = args.organisation_name or args.organisation
    account = planned(args, add, args.organisation, args.name, args.login, roles, link, None, name)
    return _linked(args, account, link)


def _reset(args: argparse.Namespace) -> int:
    from api.accounts.staff import renew
    from api.ids import new_secret

    link = new_secret()
    return _linked(args, planned(args, renew, args.login, link, None), link)


def _linked(args: argparse.Namespace, account: Any, link: str) -> int:
    address = f"{args.base_url.rstrip('/')}/console/mot-de-passe/{link}"
    told = {
        "id": account.id,
        "login": account.login,
        "organisation": account.organisation,
        "roles": list(account.roles),
        "link": address,
    }
    lines = [
        f"account  {account.login}  {account.organisation}  {' '.join(account.roles)}",
        f"link     {address}   (told once, for three days: the person chooses a password there)",
    ]
    say(args, told, lines)
    return 0


def _list(args: argparse.Namespace) -> int:
    from api.accounts.staff import accounts
    from api.moments import iso

    rows: list[dict[str, Any]] = [
        {
            "id": one.id,
            "login": one.login,
            "name": one.name,
            "organisation": one.organisation,
            "roles": list(one.roles),
            "created_at": iso(one.created_at),
            "password": one.ready,
            "second_step": one.second_step,
        }
        for one in planned(args, accounts, args.organisation, writing=False)
    ]
    lines = [
        f"{row['login']}  {row['organisation']}  {row['name']}  {' '.join(row['roles'])}"
        + ("" if row["password"] else "  no password chosen yet")
        for row in rows
    ]
    say(args, rows, lines or ["there is no account; 'acquis staff add' makes one"])
    return 0


def _remove(args: argparse.Namespace) -> int:
    from api.accounts.staff import remove

    account = planned(args, remove, args.login, None)
    say(args, {"id": account.id, "login": account.login}, [f"{account.login} is removed"])
    return 0
