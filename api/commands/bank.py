"""``acquis bank``: import, export, check, compare and publish item banks."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cat_engine.errors import InputError

if TYPE_CHECKING:
    from item_bank.bank import Bank
    from item_bank.log import Log
    from item_bank.publication import Evidence, Targets
    from item_bank.qti.importing import Note
    from item_bank.store import Store

__all__ = ["configure", "run"]

_BANK = (
    "demo, a bank's folder, FOLDER@N (its version N), an unpacked QTI package, or a file: .zip (QTI), .xml "
    "(QTI, Moodle), .csv, .gift"
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    def action(name: str, what: str) -> argparse.ArgumentParser:
        return actions.add_parser(name, help=what, description=what, allow_abbrev=False)

    made = action("check", "the writing rules a program can check")
    made.add_argument("bank", metavar="BANK", help=_BANK)
    made.add_argument("--strict", action="store_true", help="warnings fail too")
    made.add_argument("--today", metavar="DATE", help="the day to judge shelf lives by (default: today)")
    made.add_argument(
        "--design",
        metavar="DESIGN.toml",
        help="judge it as a version to publish: parameters and blueprint too",
    )
    made.add_argument("--study", metavar="DIR", help="... and what 'acquis simulate' wrote of that test")
    made.add_argument("--demonstration", action="store_true", help="... for demonstration only")
    made.add_argument("--json", action="store_true", help="machine output")

    made = action("import", "bring items into a bank's folder, which is made when it is not there")
    made.add_argument("source", metavar="SOURCE", help=_BANK)
    made.add_argument("--to", required=True, metavar="FOLDER", help="the bank's folder")
    made.add_argument("--language", default="fr", help="of items that do not say theirs (default: fr)")
    made.add_argument("--parameters", metavar="FILE", help="a parameter file to attach")
    made.add_argument(
        "--scale", metavar="NAME", help="the scale of those parameters (default: the file's name)"
    )
    made.add_argument("--framework", metavar="FILE.toml", help="the framework of the items")
    made.add_argument("--by", metavar="NAME", help="who does it (default: the system's user)")

    made = action(
        "export", "write a bank as a file; its suffix says how: .zip, .csv, .xml (usage data), .json"
    )
    made.add_argument("bank", metavar="BANK", help=_BANK)
    made.add_argument(
        "out", metavar="FILE", help=".zip QTI 3 package, .csv items, .xml usage data, .json parameters"
    )
    made.add_argument("--encoding", default="utf-8-sig", choices=("utf-8-sig", "cp1252"), help="of a CSV")
    made.add_argument(
        "--attributes", action="store_true", help="a .csv of item attributes, for 'acquis simulate --bank'"
    )
    made.add_argument("--eligible", action="store_true", help="only items that may be served today")

    made = action("diff", "what changed between two banks")
    made.add_argument("before", metavar="BEFORE", help=_BANK)
    made.add_argument("after", metavar="AFTER", help=_BANK)

    made = action("publish", "ask for a version (--request), or approve it as a second person (--approve)")
    made.add_argument("folder", metavar="FOLDER", help="the bank's folder")
    which = made.add_mutually_exclusive_group(required=True)
    which.add_argument("--request", action="store_true", help="ask for the draft to be published")
    which.add_argument("--approve", action="store_true", help="agree with the request, and publish")
    made.add_argument("--by", required=True, metavar="NAME", help="who does it")
    made.add_argument("--design", metavar="DESIGN.toml", help="a test that the version must be able to give")
    made.add_argument("--study", metavar="DIR", help="what 'acquis simulate' wrote of that test: evidence")
    made.add_argument("--demonstration", action="store_true", help="for demonstration only")

    made = action("move", "move an item to another status")
    made.add_argument("folder", metavar="FOLDER", help="the bank's folder")
    made.add_argument("item", metavar="ITEM")
    made.add_argument("--to", required=True, metavar="STATUS")
    made.add_argument("--by", required=True, metavar="NAME")
    made.add_argument("--note", default="", metavar="TEXT")

    made = action("review", "say that an item is fit, or not")
    made.add_argument("folder", metavar="FOLDER", help="the bank's folder")
    made.add_argument("item", metavar="ITEM")
    made.add_argument("--by", required=True, metavar="NAME")
    verdict = made.add_mutually_exclusive_group(required=True)
    verdict.add_argument("--accept", action="store_true")
    verdict.add_argument("--reject", action="store_true")
    made.add_argument("--note", default="", metavar="TEXT")

    made = action("answer", "answer an item blind: it is shown without its key")
    made.add_argument("folder", metavar="FOLDER", help="the bank's folder")
    made.add_argument("item", metavar="ITEM")
    made.add_argument("--by", required=True, metavar="NAME")
    made.add_argument("--language", help="of the version to answer (default: the item's first)")
    made.add_argument(
        "--response", metavar="JSON", help='e.g. \'{"RESPONSE": ["B"]}\'; without it the item is shown'
    )

    made = action("neutralise", "take an item out of everybody's score: two people, one after the other")
    made.add_argument("folder", metavar="FOLDER", help="the bank's folder")
    made.add_argument("item", metavar="ITEM")
    made.add_argument("--by", required=True, metavar="NAME")
    which = made.add_mutually_exclusive_group(required=True)
    which.add_argument("--request", metavar="WHY", help="ask for it, and say why")
    which.add_argument("--approve", action="store_true", help="agree")

    made = action("log", "who did what to a bank, and its versions")
    made.add_argument("folder", metavar="FOLDER", help="the bank's folder")


def run(args: argparse.Namespace) -> int:
    """Do what the arguments ask; return the exit status."""
    actions = {
        "check": _check,
        "import": _import,
        "export": _export,
        "diff": _diff,
        "publish": _publish,
        "move": _move,
        "review": _review,
        "answer": _answer,
        "neutralise": _neutralise,
        "log": _log,
    }
    return actions[args.action](args)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _check(args: argparse.Namespace) -> int:
    """Return 3 when the bank is genuine but does not hold to the rules."""
    from item_bank.check import check
    from item_bank.sources import open_bank

    try:
        today = date.fromisoformat(args.today) if args.today else datetime.now(UTC).date()
    except ValueError:
        raise InputError(f"expected a date like 2026-12-31 after --today, got '{args.today}'") from None
    opened = open_bank(args.bank)
    if args.design or args.study or args.demonstration:
        from item_bank.publication import judge

        evidence = _evidence(args.study) if args.study else None
        verdict = judge(opened.bank, _targets(args.design), today, args.demonstration, evidence)
        found = list(verdict.findings)
    else:
        found = check(opened.bank, today)
    errors = sum(finding.severity == "error" for finding in found)
    if args.json:
        rows = [{"severity": f.severity, "rule": f.rule, "item": f.item, "message": f.message} for f in found]
        print(json.dumps({"items": len(opened.bank.items), "findings": rows}, ensure_ascii=False, indent=1))
    else:
        _say(opened.notes)
        wide = min(40, max((len(finding.item) for finding in found), default=0))
        for finding in found:
            print(
                f"{finding.severity:<8}{finding.rule:<14}{finding.item:<{wide}}  {finding.message}".rstrip()
            )
        print(f"{len(opened.bank.items)} items: {errors} errors, {len(found) - errors} warnings")
    return 3 if errors or (args.strict and found) else 0


def _say(notes: Sequence[Note]) -> None:
    """Say each note once, behind all the places that it is about."""
    about: dict[str, list[str]] = {}
    for note in notes:
        about.setdefault(note.said, []).append(note.place)
    for said, places in about.items():
        more = f" and {len(places) - 8} more" * (len(places) > 8)
        print(f"note: {', '.join(places[:8])}{more}: {said}", file=sys.stderr)


def _import(args: argparse.Namespace) -> int:
    from item_bank.bank import Bank
    from item_bank.framework import read_framework
    from item_bank.sources import merged, open_bank
    from item_bank.store import Store
    from item_bank.workflow import bring

    store = Store(args.to) if Store.there(args.to) else None
    draft = None if store is None else store.draft()
    opened = open_bank(args.source, args.language, draft)
    _say(opened.notes)
    bank = opened.bank
    if args.parameters:
        bank = replace(bank, parameters=_attached(bank, args.parameters, args.scale))
    if args.framework:
        bank = replace(bank, framework=read_framework(args.framework))
    bank, replaced = (bank, []) if draft is None else merged(draft, bank)
    by = args.by or os.environ.get("USER") or "somebody"
    before, log = draft or Bank(()), () if store is None else store.log
    log = bring(before, bank, log, by, _now(), Path(args.source).name)
    if store is None:
        Store.create(args.to, bank).record(log)
    else:
        store.record(log)
        store.save(bank)
    again = [name for name in replaced if bank.by_id[name].status == "draft" != before.by_id[name].status]
    if again:
        more = f" and {len(again) - 5} more" if len(again) > 5 else ""
        print(f"note: changed, so drafts again: {', '.join(again[:5])}{more}", file=sys.stderr)
    lost = sum(not note.kept for note in opened.notes)
    said = f"{len(opened.bank.items)} items brought to {args.to}" + (
        f", {len(replaced)} of them replaced" if replaced else ""
    )
    print(f"{said}; {lost} not imported (listed above)" if lost else said)
    return 0


def _attached(bank: Bank, file: str, scale: str | None) -> tuple[Mapping[str, Any], ...]:
    """Return the bank's parameters with those of a file, each saying where it comes from."""
    from item_bank.parameters import read_parameters

    digest = hashlib.sha256(Path(file).read_bytes()).hexdigest() if Path(file).is_file() else ""
    origin = {
        "calibration": f"{Path(file).name} {digest[:12]}",
        "scale": scale or Path(file).stem,
        "date": _now()[:10],
    }
    rows = {str(row["id"]): {**origin, **row} for row in read_parameters(file).items}
    unknown = [name for name in rows if name not in bank.by_id]
    if unknown:
        raise InputError(
            f"expected parameters of items of the bank, got '{unknown[0]}' in {file}; bring the item first"
        )
    if scale:
        rows = {name: {**row, "scale": scale} for name, row in rows.items()}
    return tuple({**bank.rows, **rows}.values())


def _export(args: argparse.Namespace) -> int:
    from item_bank.sources import open_bank

    bank = open_bank(args.bank).bank
    if args.eligible:
        bank = _eligible(bank)
    out = Path(args.out)
    if args.attributes and out.suffix.lower() != ".csv":
        raise InputError(f"expected a .csv for --attributes, got '{out}'; name it so")
    match out.suffix.lower():
        case ".zip":
            from item_bank.qti.package import package

            data = package(bank)
        case ".csv" if args.attributes:
            from item_bank.table import write_attributes

            bank = replace(bank, items=tuple(item for item in bank.items if item.id in bank.rows))
            data = write_attributes(bank)
        case ".csv":
            from item_bank.table import write_csv

            data, notes = write_csv(bank, args.encoding)
            _say(notes)
        case ".xml":
            from item_bank.qti.usage import write_usage

            data = write_usage(bank.parameters)
        case ".json":
            from item_bank.parameters import ParameterSet, write_parameters

            write_parameters(out, ParameterSet([dict(row) for row in bank.parameters]))
            print(f"{len(bank.parameters)} items' parameters written to {out}")
            return 0
        case suffix:
            raise InputError(f"expected a file with .zip, .csv, .xml or .json, got '{suffix}'; name it so")
    try:
        out.write_bytes(data)
    except OSError as error:
        raise InputError(f"expected a place to write to, got '{error.strerror}' for {out}") from None
    print(f"{len(bank.items)} items written to {out} (content {bank.content_hash[:12]})")
    return 0


def _eligible(bank: Bank) -> Bank:
    items = bank.eligible(datetime.now(UTC).date())
    names = {item.id for item in items}
    rows = tuple(row for row in bank.parameters if row["id"] in names)
    return replace(bank, items=items, parameters=rows)


def _diff(args: argparse.Namespace) -> int:
    from item_bank.diff import differences
    from item_bank.sources import open_bank

    lines = differences(open_bank(args.before).bank, open_bank(args.after).bank)
    print("\n".join(lines) if lines else "no difference")
    return 0


def _publish(args: argparse.Namespace) -> int:
    from item_bank.publication import approve, request
    from item_bank.store import Store

    store = Store(args.folder)
    bank, log = store.draft(), store.log
    if args.request:
        evidence = _evidence(args.study) if args.study else None
        targets = _targets(args.design)
        verdict, log = request(bank, log, args.by, _now(), targets, args.demonstration, evidence)
        store.record(log)
        for finding in verdict.findings:
            print(f"warning: {finding.item + ': ' if finding.item else ''}{finding.message}", file=sys.stderr)
        warnings = len(verdict.findings)
        print(
            f"requested for content {bank.content_hash[:12]} ({warnings} warnings); another person approves"
        )
        return 0
    version, log = approve(bank, log, args.by, _now())
    path = store.publish(version, bank, log)
    kind = ", for demonstration only" if version.demonstration else ""
    print(f"version {version.number}{kind}: {version.hash}\n{path}")
    return 0


def _targets(design: str | None) -> Targets:
    import tomllib

    from item_bank.publication import Targets

    if design is None:
        return Targets()
    from cat_engine.design import Design

    try:
        content = tomllib.loads(Path(design).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"expected a design in TOML at {design}, got: {error}") from None
    return Targets.of(Design.from_mapping(content))


def _evidence(folder: str) -> Evidence:
    """Return what a simulation study found, by the rules of its own report."""
    import csv

    from calibration.study.verdict import judge
    from calibration.study.words import StudyWords
    from item_bank.publication import Evidence

    path = Path(folder)
    try:
        data = (path / "summary.json").read_bytes()
        with (path / "items.csv").open(encoding="utf-8", newline="") as file:
            items = tuple(row["item"] for row in csv.DictReader(file))
        summary = json.loads(data)
        findings = judge(summary, StudyWords("en"))
    except OSError as error:
        raise InputError(
            f"expected a study (summary.json, items.csv) in {path}, got '{error.strerror}'; "
            "run 'acquis simulate --out DIR'"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"expected what 'acquis simulate' writes in {path}, got: {error!r}") from None
    return Evidence(hashlib.sha256(data).hexdigest(), int(summary["n"]), items, tuple(findings))


def _acting(args: argparse.Namespace) -> tuple[Store, Log]:
    from item_bank.store import Store

    store = Store(args.folder)
    return store, store.log


def _move(args: argparse.Namespace) -> int:
    from item_bank.workflow import move

    store, log = _acting(args)
    bank, log = move(store.draft(), log, args.item, args.to, args.by, _now(), args.note)
    store.record(log)
    store.save(bank)
    print(f"{args.item} is {args.to}")
    return 0


def _review(args: argparse.Namespace) -> int:
    from item_bank.workflow import review

    store, log = _acting(args)
    store.record(review(store.draft(), log, args.item, args.by, _now(), args.accept, args.note))
    print(f"{args.item} is {'accepted' if args.accept else 'rejected'} by {args.by}")
    return 0


def _answer(args: argparse.Namespace) -> int:
    from item_bank.workflow import answer_blind, shown

    store, log = _acting(args)
    bank = store.draft()
    item = bank.by_id.get(args.item)
    language = args.language or (next(iter(item.versions)) if item else "")
    if args.response is None:
        print(shown(bank, args.item, language))
        return 0
    try:
        response = json.loads(args.response)
        given = {str(key): [str(v) for v in values] for key, values in response.items()}
    except (ValueError, AttributeError, TypeError):
        raise InputError('expected a response like \'{"RESPONSE": ["B"]}\' after --response') from None
    store.record(answer_blind(bank, log, args.item, args.by, _now(), given, language))
    print("recorded")  # whether it was right is in the log, not told to who answers
    return 0


def _neutralise(args: argparse.Namespace) -> int:
    from item_bank.publication import approve_neutralisation, request_neutralisation

    store, log = _acting(args)
    if args.approve:
        store.record(approve_neutralisation(log, args.item, args.by, _now()))
        print(f"{args.item} is neutralised")
    else:
        store.record(request_neutralisation(store.draft(), log, args.item, args.by, _now(), args.request))
        print(f"requested for {args.item}; another person approves")
    return 0


def _listed(value: object) -> str:
    """Return a fact of an event as people read it; a long list by its first entries."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, list):
        return str(value)
    more = f" and {len(value) - 5} more" if len(value) > 5 else ""
    return ", ".join(map(str, value[:5])) + more


def _log(args: argparse.Namespace) -> int:
    store, log = _acting(args)
    for event in log:
        facts = {k: v for k, v in event.facts.items() if k not in ("content", "response", "targets")}
        said = "; ".join(
            f"{key.replace('_', ' ')} {_listed(value)}"
            for key, value in facts.items()
            if value not in ("", [], None)
        )
        print(f"{event.at}  {event.by}: {event.kind.replace('_', ' ')}" + (f" ({said})" if said else ""))
    for version in store.versions():
        print(f"version {version.number}: {version.hash}")
    return 0
