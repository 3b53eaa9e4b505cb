"""``acquis contest``: a candidate contests a result; a person looks at it again and says what came of it."""

from __future__ import annotations

import argparse

from api.commands.operating import add_database, planned, say

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    def action(name: str, what: str) -> argparse.ArgumentParser:
        made = actions.add_parser(name, help=what, description=what, allow_abbrev=False)
        add_database(made)
        return made

    made = action("list", "the contested results, and what was answered")
    made.add_argument("--organisation", metavar="CODE", help="of one organisation (default: of all)")
    for name, what in (
        ("note", "note in the sitting's log that the candidate contests the result"),
        ("answer", "answer it, after a person has looked at the sitting: 'acquis replay' recomputes it"),
    ):
        made = action(name, what)
        made.add_argument("result", metavar="RESULT", help="its identifier, which the candidate was told")
        made.add_argument("--by", required=True, metavar="NAME", help="who says so")
        made.add_argument("--why", required=True, metavar="TEXT", help="kept in the log")
    outcome = made.add_mutually_exclusive_group(required=True)
    outcome.add_argument("--keep", action="store_true", help="the result stands")
    outcome.add_argument("--revoke", action="store_true", help="it does not; the person can be invited again")


def run(args: argparse.Namespace) -> int:
    """Do what the arguments ask; return the exit status."""
    return {"list": _list, "note": _note, "answer": _answer}[args.action](args)


def _list(args: argparse.Namespace) -> int:
    from api.sittings.contest import contests

    rows = planned(args, contests, args.organisation, writing=False)
    lines = []
    for row in rows:
        lines.append(f"{row['result']}  {row['organisation']}  {row['at']}  {row['by']}: {row['why']}")
        told = row["answer"]
        said = (
            "not answered" if told is None else f"{told['outcome']} {told['at']}  {told['by']}: {told['why']}"
        )
        lines.append(f"  {said}")
    say(args, rows, lines or ["no result is contested"])
    return 0


def _note(args: argparse.Namespace) -> int:
    from api.sittings.contest import contest

    sitting = planned(args, contest, args.result, args.by, args.why)
    told = {"result": args.result, "sitting": sitting}
    say(args, told, [f"noted; look at the sitting with: acquis replay {sitting}"])
    return 0


def _answer(args: argparse.Namespace) -> int:
    from api.sittings.contest import review

    current = planned(args, review, args.result, args.by, args.why, args.revoke)
    outcome = "revoked" if args.revoke else "kept"
    say(args, {"result": current, "outcome": outcome}, [f"result {current} is {outcome}"])
    return 0
