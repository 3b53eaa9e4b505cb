"""``acquis dif``: differential item functioning between two groups."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from api.commands.inputs import add_language, add_reading, add_to_report, groups_of, read_answers

if TYPE_CHECKING:
    from calibration.dif import Dif

_METHODS = ("mh", "logistic", "lr", "wald", "raju")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``acquis dif``."""
    parser.add_argument("responses", metavar="RESPONSES", help="responses, CSV or Parquet, wide or long")
    parser.add_argument("--groups", required=True, metavar="FILE:COLUMN", help="each person's group")
    parser.add_argument(
        "--method",
        choices=_METHODS,
        required=True,
        help="Mantel-Haenszel, logistic regression, likelihood ratio, Wald, area between curves",
    )
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="MODEL|ITEM=MODEL",
        help="item model (lr, wald, raju, and for matching on theta)",
    )
    parser.add_argument(
        "--reference", metavar="GROUP", help="reference group (default: alphabetically first)"
    )
    parser.add_argument("--focal", metavar="GROUP", help="focal group (needed with more than two groups)")
    parser.add_argument("--anchors", metavar="A,B,...", help="items known to be fair; no purification then")
    parser.add_argument("--no-purify", action="store_true", help="test once, against all other items")
    parser.add_argument(
        "--match",
        choices=("total", "theta"),
        help="what mh and logistic match on (default: the total score of complete responses, else theta)",
    )
    parser.add_argument("--params", metavar="PARAMS.json", help="item parameters for matching on theta")
    parser.add_argument("--no-correction", action="store_true", help="mh without the continuity correction")
    parser.add_argument("--alpha", type=float, default=0.05, help="significance level (default: 0.05)")
    parser.add_argument("--out", required=True, metavar="DIF.json", help="where to write")
    parser.add_argument("--json", action="store_true", help="print the result on stdout")
    parser.add_argument("--report", metavar="DIR", help="add to the report in this folder (see calibrate)")
    add_language(parser)
    add_reading(parser)


def _say(found: Dif, out: str) -> None:
    print(f"{out}: {found.method}, {found.focal} against {found.reference}, {len(found.rows)} items")
    notes = found.about["purification"]
    if notes["kind"] == "purified":
        rounds = f"{notes['rounds']} round{'s' * (notes['rounds'] != 1)}"
        end = f"after {rounds}" if notes["converged"] else f"not settled: {notes['note']}"
        print(f"purification: {_left_out(len(notes['not_anchors']))}, {end}")
    if "caution" in found.about:
        print(f"caution: {found.about['caution']}")
    for row in found.rows:
        if row["flagged"]:
            favoured = found.focal if row["favours"] == "focal" else found.reference
            print(f"{row['id']}: class {row['class']}, p = {row['p_adjusted']:.4f}, easier for {favoured}")
    if not found.flagged:
        print("no item is flagged")


def _left_out(n: int) -> str:
    if not n:
        return "every item stays an anchor"
    return "1 item is no anchor" if n == 1 else f"{n} items are no anchors"


def run(args: argparse.Namespace) -> None:
    """Read, test, write."""
    from api.commands.inputs import write_json
    from calibration.dif import detect
    from cat_engine.errors import InputError
    from item_bank.parameters import read_parameters

    if not 0.0 < args.alpha < 1.0:
        raise InputError(f"expected a significance level between 0 and 1, got {args.alpha}; 0.05 is usual")
    plain = [word for word in args.model if "=" not in word]
    named = dict(word.rsplit("=", 1) for word in args.model if "=" in word)
    if len(plain) > 1:
        raise InputError(
            f"expected one model for all items, got {', '.join(plain)}; write ITEM=MODEL for one item"
        )
    responses, _ = read_answers(args)
    found = detect(
        responses,
        groups_of(args, responses) or [],
        args.method,
        reference=args.reference,
        focal=args.focal,
        model=plain[0] if plain else None,
        item_models=named,
        anchors=[name.strip() for name in args.anchors.split(",")] if args.anchors else None,
        purify=not args.no_purify,
        match=args.match,
        parameters=read_parameters(args.params) if args.params else None,
        correction=not args.no_correction,
        level=args.alpha,
    )
    write_json(args.out, found.to_dict())
    if args.json:
        json.dump(found.to_dict(), sys.stdout, ensure_ascii=False, allow_nan=False)
        print()
    else:
        _say(found, args.out)
    if args.report:
        page = add_to_report(args.report, "dif", found.to_dict(), args.language)
        print(f"report: {page}", file=sys.stderr if args.json else sys.stdout)
