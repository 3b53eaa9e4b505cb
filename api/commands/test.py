"""``acquis test``: publish tests, list them, take an item out of everybody's score."""

from __future__ import annotations

import argparse
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api.commands.operating import add_database, planned, read_toml, say
from cat_engine.errors import InputError

if TYPE_CHECKING:
    from item_bank.bank import Bank

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    def action(name: str, what: str) -> argparse.ArgumentParser:
        made = actions.add_parser(name, help=what, description=what, allow_abbrev=False)
        add_database(made)
        return made

    made = action(
        "publish", "publish a bank's version, a design and a definition as the next version of a test"
    )
    made.add_argument("definition", metavar="TEST.toml", help="code, title, levels, scale, time, validity")
    made.add_argument("--bank", required=True, metavar="FOLDER@N", help="a bank's published version, or demo")
    made.add_argument(
        "--design",
        required=True,
        metavar="DESIGN.toml",
        help="how it adapts, its blueprint and its cut scores",
    )
    made.add_argument(
        "--exposure",
        metavar="FILE",
        help="first exposure counts, exposure.json of 'acquis simulate' (default: simulated now)",
    )
    action("list", "the published tests")
    made = action(
        "neutralise",
        "take items that a bank has neutralised out of every score of a test, past ones included",
    )
    made.add_argument("code", metavar="CODE", help="code of the test")
    made.add_argument(
        "--bank", required=True, metavar="FOLDER", help="the bank whose log holds the two people's decision"
    )


def run(args: argparse.Namespace) -> int:
    """Do what the arguments ask; return the exit status."""
    return {"publish": _publish, "list": _list, "neutralise": _neutralise}[args.action](args)


def _publish(args: argparse.Namespace) -> int:
    from time import time_ns

    from api.catalogue.document import content_hash, to_bytes
    from api.catalogue.live import live
    from api.catalogue.publication import Definition, document
    from api.catalogue.store import publish

    definition = Definition.from_mapping(read_toml(args.definition, "a test's definition"))
    design = read_toml(args.design, "a design")
    bank, version, demonstration = _published(args.bank)
    content, blobs = document(bank, definition, design, _today(), demonstration, version)
    data = to_bytes(content)
    adaptive = live("", definition.code, 0, data).adaptive
    counts = _first_counts(args.exposure, adaptive, content_hash(data))
    id = planned(args, publish, definition.code, content, blobs, time_ns() // 1000, counts)
    (row,) = [row for row in _tests(args) if row["id"] == id]
    say(args, row, [f"{_line(row)}: {len(content['items'])} items"])
    return 0


def _today() -> date:
    return datetime.now(UTC).date()


def _published(name: str) -> tuple[Bank, str, bool]:
    """Return a published version of a bank, its hash, and whether it is for demonstration only."""
    from item_bank.sources import open_bank
    from item_bank.store import Store

    folder, at, number = name.rpartition("@")
    if name == "demo":
        return open_bank("demo").bank, "", True
    if not (at and number.isdigit()):
        raise InputError(
            f"expected a published version of a bank like FOLDER@1, or demo, got '{name}'; "
            "publish one with 'acquis bank publish'"
        )
    store = Store(folder)
    bank = store.version(int(number))
    version = store.versions()[int(number) - 1]
    return bank, version.hash, version.demonstration


def _first_counts(path: str | None, adaptive: Any, seed: str) -> Any:
    import json

    from cat_engine.counting import counts, seeded
    from cat_engine.selection.exposure import Snapshot

    if not counts(adaptive):
        if path is not None:
            raise InputError(
                "expected no exposure counts, for the design's rule looks at none; leave --exposure"
            )
        return None
    if path is None:
        mean, sd = adaptive.design.score.prior
        return seeded(adaptive, mean, sd, int(seed[:15], 16))
    try:
        snapshot = Snapshot.from_json(json.loads(Path(path).read_text(encoding="utf-8")))
    except OSError as error:
        raise InputError(
            f"expected exposure counts, got '{error.strerror}' for {path}; check the path"
        ) from None
    except ValueError as error:
        raise InputError(f"expected exposure counts in JSON, got something else in {path}: {error}") from None
    snapshot.check(len(adaptive.pool), len(adaptive.bounds) + 1)
    return snapshot


def _tests(args: argparse.Namespace) -> list[dict[str, Any]]:
    from api.catalogue.store import published
    from api.moments import iso

    rows = planned(args, published, writing=False)
    return [row | {"published_at": iso(row["published_at"])} for row in rows]


def _line(row: dict[str, Any]) -> str:
    shown = ", demonstration" if row["demonstration"] else ""
    return (
        f"{row['code']} version {row['version']}{shown}, content {row['content'][:12]}, "
        f"published {row['published_at']}, {row['sittings']} sittings"
    )


def _list(args: argparse.Namespace) -> int:
    from api.catalogue.store import newest_versions

    newest = planned(args, newest_versions, _today(), writing=False)
    rows = [row | newest.get(row["id"], {"needs": [], "expired": []}) for row in _tests(args)]
    lines = []
    for row in rows:
        lines.append(_line(row))
        if row["needs"]:
            lines.append(f"  offered for needs: {', '.join(row['needs'])} (acquis invite --need)")
        if row["expired"]:
            lines.append(
                f"  {len(row['expired'])} of its items are past their shelf life ({row['expired'][0]}, ...): "
                "publish it anew without them"
            )
    say(args, rows, lines or ["no test is published"])
    return 0


def _neutralise(args: argparse.Namespace) -> int:
    from api.catalogue.neutralisation import neutralise
    from item_bank.publication import neutralised
    from item_bank.store import Store

    decided = neutralised(Store(args.bank).log)
    if not decided:
        raise InputError(
            f"expected items neutralised by two people in {args.bank}, got none; "
            "see 'acquis bank neutralise --help'"
        )
    found = planned(args, neutralise, args.code, tuple(decided.values()))
    say(
        args,
        found,
        [
            f"{row['item']}: {row['sittings']} sittings had begun on tests with it; "
            + ("their results are made anew by the server" if row["new"] else "taken out before")
            for row in found
        ],
    )
    return 0
