"""``acquis invite``: invite people to a test, one or a whole list."""

from __future__ import annotations

import argparse
import csv
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from api.commands.operating import add_database, planned, say
from cat_engine.errors import InputError

__all__ = ["configure", "run"]

COLUMNS = ("identifier", "identifier_type", "family_name", "given_name")
"""How an organisation names a person."""

_AGREED = ("extra_time_percent", "need")
"""What was agreed on with a person."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("code", metavar="CODE", help="code of the test; its newest version is sat")
    parser.add_argument("--organisation", required=True, metavar="CODE", help="who invites")
    parser.add_argument(
        "--people",
        metavar="FILE.csv",
        help=f"columns {', '.join((*COLUMNS, *_AGREED))}; each may be left out",
    )
    for name in COLUMNS:
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
            Person(new_id(), *(row.get(name) or None for name in COLUMNS)),
            new_code(),
            _extra(row),
            (row.get("need") or "").strip() or None,
        )
        for row in _people(args)
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


def _people(args: argparse.Namespace) -> Iterator[dict[str, str]]:
    if args.people is None:
        yield {name: getattr(args, name) or "" for name in (*COLUMNS, *_AGREED)}
        return
    try:
        with Path(args.people).open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            reader = csv.DictReader(file, delimiter=";" if first.count(";") > first.count(",") else ",")
            unknown = set(reader.fieldnames or ()) - {*COLUMNS, *_AGREED}
            if unknown or not reader.fieldnames:
                raise InputError(
                    f"expected columns among {', '.join((*COLUMNS, *_AGREED))} in {args.people}, "
                    f"got {', '.join(sorted(map(str, unknown))) or 'none'}; rename them"
                )
            yield from reader
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"expected a CSV of people in UTF-8, got {args.people}: {error}") from None


def _extra(row: dict[str, Any]) -> int:
    text = str(row.get("extra_time_percent") or 0)
    if not text.isdigit() or int(text) > 200:
        raise InputError(f"expected extra time of 0 to 200 percent, got '{text}'; mend extra_time_percent")
    return int(text)
