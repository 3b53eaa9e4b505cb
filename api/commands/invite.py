"""``acquis invite``: invite people to a test, one or a whole list."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from api.accounts.roll import COLUMNS, Line, read_roll
from api.commands.operating import add_database, planned, say
from cat_engine.errors import InputError

__all__ = ["configure", "run"]

NAMES = COLUMNS[:4]
"""How an organisation names a person."""

_WRONG = {
    "cells": "expected {n} cells, got more",
    "long": "expected at most {n} characters as {column}, got more",
    "type": "expected an identifier_type of small letters, like matricule, got something else",
    "characters": "expected text, got a NUL character",
    "extra": "expected extra time of 0 to 200 percent",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("code", metavar="CODE", help="code of the test; its newest version is sat")
    parser.add_argument("--organisation", required=True, metavar="CODE", help="who invites")
    parser.add_argument(
        "--people",
        metavar="FILE.csv",
        help=f"columns {', '.join(COLUMNS)}; each may be left out",
    )
    for name in NAMES:
        parser.add_argument(f"--{name.replace('_', '-')}", metavar="TEXT", help="of one person")
    parser.add_argument("--extra-time-percent", type=int, default=0, metavar="N", help="of one person")
    parser.add_argument(
        "--need",
        metavar="TEXT",
        help="of one person: a need that the test is offered for ('acquis test list' names them)",
    )
    parser.add_argument("--days", type=int, default=30, help="how long invitations are valid (default 30)")
    parser.add_argument(
        "--base-url",
        metavar="URL",
        default=os.environ.get("ACQUIS_BASE_URL", ""),
        help="public address of the service, for the links (ACQUIS_BASE_URL)",
    )
    add_database(parser)


def run(args: argparse.Namespace) -> int:
    """Invite; print codes and links, which are told once."""
    from api.accounts.invitations import Invitee, invite_all
    from api.ids import new_code, new_id
    from api.results.claims import Person
    from api.sittings.timing import SECOND

    if not 1 <= args.days <= 366:
        raise InputError(f"expected 1 to 366 days, got {args.days}; change --days")
    people = [
        Invitee(
            Person(new_id(), line.identifier, line.identifier_type, line.family_name, line.given_name),
            new_code(),
            line.extra_time_percent,
            line.need,
        )
        for line in _people(args)
    ]
    invited = planned(args, invite_all, args.organisation, args.code, people, args.days * 86_400 * SECOND)
    rows: list[dict[str, Any]] = [
        {
            "identifier": invitee.person.identifier,
            "invitation": one.id,
            "code": one.code,
            "link": f"{args.base_url.rstrip('/')}/i/{one.code}",
        }
        for invitee, one in zip(people, invited, strict=True)
    ]
    say(args, rows, [f"{row['identifier'] or '-':<20} {row['link']}" for row in rows])
    return 0


def _people(args: argparse.Namespace) -> list[Line]:
    if args.people is None:
        if not 0 <= args.extra_time_percent <= 200:
            raise InputError(f"{_WRONG['extra']}, got {args.extra_time_percent}; change --extra-time-percent")
        named: dict[str, Any] = {name: getattr(args, name) or None for name in NAMES}
        return [Line(1, **named, extra_time_percent=args.extra_time_percent, need=args.need)]
    try:
        text = Path(args.people).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"expected a CSV of people in UTF-8, got {args.people}: {error}") from None
    lines = read_roll(text)
    for line in lines:
        for fault, told in line.faults:
            if fault in _WRONG:  # a code for somebody unknown is all right
                raise InputError(f"{_WRONG[fault].format(**told)} in line {line.number} of {args.people}")
    return lines
