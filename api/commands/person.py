"""``acquis person``: what is held about somebody, shown, exported, erased."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api.commands.operating import add_database, planned, say
from cat_engine.errors import InputError

if TYPE_CHECKING:
    from api.accounts.people import Erasure, Known

__all__ = ["configure", "run"]

_DAY = 86_400_000_000


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    def action(name: str, what: str, nargs: Any = None) -> argparse.ArgumentParser:
        made = actions.add_parser(name, help=what, description=what, allow_abbrev=False)
        made.add_argument(
            "person",
            metavar="IDENTIFIER",
            nargs=nargs,
            help="what the organisation calls the person; or a person's number or a result's identifier here",
        )
        made.add_argument("--organisation", required=True, metavar="CODE", help="who invited the person")
        add_database(made)
        return made

    action("show", "in short what is held about a person")
    made = action("export", "everything held about a person, as one JSON (GDPR, articles 15 and 20)")
    made.add_argument(
        "--out", metavar="FILE.json", help="a new file that you alone can read (default: print)"
    )
    made.add_argument(
        "--keys",
        metavar="DIR",
        default=os.environ.get("ACQUIS_KEYS", "keys"),
        help="folder of the signing keys (ACQUIS_KEYS, default ./keys): what a key signed that was revoked "
        "since is signed anew; without the folder it stands there unsigned",
    )
    made = action("erase", "erase a person (GDPR, article 17); without --yes, tell what would go", "?")
    made.add_argument("--answers", action="store_true", help="the sittings go with the answers, too")
    made.add_argument(
        "--older-than",
        type=int,
        metavar="DAYS",
        help="instead of one person: everybody with whom nothing has happened for so long",
    )
    made.add_argument("--yes", action="store_true", help="erase; nothing brings it back but a backup")


def run(args: argparse.Namespace) -> int:
    """Do what the arguments ask; return the exit status."""
    return {"show": _show, "export": _export, "erase": _erase}[args.action](args)


def _found(args: argparse.Namespace) -> Known:
    from api.accounts.people import find

    people = planned(args, find, args.organisation, args.person, writing=False)
    if len(people) == 1:
        return people[0]
    if not people:
        raise InputError(
            f"expected somebody whom '{args.organisation}' calls '{args.person}', got nobody; "
            "check the organisation's code and the identifier"
        )
    listed = "; ".join(map(str, people))
    raise InputError(f"expected one person, got {len(people)} ({listed}); name the one meant by 'person ...'")


def _held(args: argparse.Namespace, keys: str = "") -> dict[str, Any]:
    from api.accounts.people import held
    from api.keys.ring import Keyring

    folder = Path(keys)
    ring = Keyring(folder) if keys and (folder / "signing-key.pem").exists() else None
    return planned(args, held, _found(args).id, ring, writing=False)


def _show(args: argparse.Namespace) -> int:
    content = _held(args)
    person = content["person"]
    name = " ".join(part for part in (person["given_name"], person["family_name"]) if part) or "not named"
    lines = [f"{name}, {person['organisation']}, person {person['id']}, since {person['created_at']}"]
    if person["erased_at"]:
        lines.append(f"erased     {person['erased_at']}")
    for one in content["invitations"]:
        agreed = [f"{one['extra_time_percent']} % more time"] * bool(one["extra_time_percent"])
        agreed += ["a need"] * bool(one["need"])
        lines.append(
            f"invitation {one['id']}  {_test(one)}, valid until {one['expires_at']}"
            + "".join(f", {text}" for text in agreed)
        )
    lines += [
        f"sitting    {one['id']}  {_test(one)}, {one['status']} {one['changed_at']}, "
        f"{len(one['events'])} events"
        for one in content["sittings"]
    ]
    lines += [
        f"result     {one['id']}  version {one['version']}, {one['status']} {one['status_at']}, "
        f"sent to {len(one['sent_to'])} addresses"
        for one in content["results"]
    ]
    say(args, {name: content[name] for name in content if name != "left_out"}, lines)
    return 0


def _test(one: dict[str, Any]) -> str:
    return f"{one['test']['code']} version {one['test']['version']}"


def _export(args: argparse.Namespace) -> int:
    text = json.dumps(_held(args, args.keys), ensure_ascii=False, indent=1)
    if args.out is None:
        print(text)
        return 0
    try:
        file = os.open(args.out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise InputError(
            f"expected the path of a new file, got '{error.strerror}' for {args.out}; give another --out"
        ) from None
    with os.fdopen(file, "w", encoding="utf-8") as out:
        out.write(text + "\n")
    say(args, {"file": str(Path(args.out))}, [f"everything is in {args.out}"])
    return 0


def _erase(args: argparse.Namespace) -> int:
    from api.accounts.people import erase

    if (args.person is None) == (args.older_than is None):
        raise InputError("expected one person, or --older-than DAYS; give one of the two")
    people = [_found(args).id] if args.person is not None else _idle(args)
    erasures: list[Erasure] = [
        planned(args, erase, person, args.answers, not args.yes, writing=args.yes) for person in people
    ]
    lines = [line for one in erasures for line in _told(one, args.yes)] or ["nobody is to be erased"]
    if erasures and not args.yes:
        lines.append("Nothing was erased: add --yes to do it. Backups made before keep what they hold.")
    say(args, [_plain(one, args.yes) for one in erasures], lines)
    return 0


def _idle(args: argparse.Namespace) -> list[str]:
    from api.accounts.people import idle

    if args.older_than < 1:
        raise InputError(f"expected at least 1 day, got {args.older_than}; change --older-than")
    return planned(args, idle, args.organisation, args.older_than * _DAY, writing=False)


def _plain(one: Erasure, done: bool) -> dict[str, Any]:
    return {
        "person": one.person.id,
        "erased": done,
        "invitations": one.invitations,
        "results": list(one.results),
        "sittings_cut": dict(one.cut),
        "sittings_deleted": list(one.deleted),
        "sittings_adjusted": list(one.adjusted),
    }


def _told(one: Erasure, done: bool) -> list[str]:
    """Say what goes and what stays; once it is done, the name is not said again."""
    lines = [
        f"{f'person {one.person.id}' if done else one.person}: {'erased' if done else 'would be erased'}"
    ]
    lines.append(
        f"  goes   name and identifier; {one.invitations} invitations with code, extra time and need"
    )
    lines += [f"  goes   content and signature of result {id}" for id in one.results]
    lines += [f"  goes   sitting {id} with its answers" for id in one.deleted]
    for id, events in one.cut.items():
        lines.append(f"  goes   what is personal in {events} events of sitting {id}")
    if one.results:
        lines.append(
            "  stays  each result's identifier, dates and the word 'erased', so that HR systems follow"
        )
    for id in one.cut:
        lines.append(f"  stays  the answers of sitting {id}, under a number alone (--answers: they go, too)")
        if id in one.adjusted:
            lines.append(
                "         it was sat with a need or extra time, at which the items met and the duration hint"
            )
    return lines
