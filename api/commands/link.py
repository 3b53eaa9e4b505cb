"""``acquis link``: put one calibration on the scale of another by the items they share."""

from __future__ import annotations

import argparse
import json
import sys
from math import isnan

from api.commands.inputs import add_language, add_to_report

_METHODS = ("stocking-lord", "haebara", "mean-sigma", "mean-mean")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``acquis link``."""
    parser.add_argument("start", metavar="FROM.json", help="parameters to move")
    parser.add_argument("to", metavar="TO.json", help="parameters whose scale is kept")
    parser.add_argument("--method", choices=_METHODS, default="stocking-lord", help="default: stocking-lord")
    parser.add_argument(
        "--anchors", metavar="A,B,...", help="items that carry the link (default: all in common)"
    )
    parser.add_argument(
        "--weighting",
        choices=("normal", "uniform"),
        default="normal",
        help="abilities over which curves are compared: TO's population, or 40 equal nodes on [-4, 4]",
    )
    parser.add_argument(
        "--symmetric", action="store_true", help="compare the curves on FROM's scale too, and add both"
    )
    parser.add_argument("--robust", action="store_true", help="leave out anchors that drifted")
    parser.add_argument("--out", required=True, metavar="LINKED.json", help="FROM's items on TO's scale")
    parser.add_argument("--json", action="store_true", help="print the result on stdout")
    parser.add_argument("--report", metavar="DIR", help="add to the report in this folder (see calibrate)")
    add_language(parser)


def run(args: argparse.Namespace) -> None:
    """Read both files, link, write."""
    from calibration.linking import Weighting, link
    from cat_engine.errors import InputError
    from item_bank.parameters import read_parameters, write_parameters

    names = [name.strip() for name in args.anchors.split(",")] if args.anchors else None
    found = link(
        read_parameters(args.start),
        read_parameters(args.to),
        args.method,
        anchors=names,
        weighting=Weighting(args.weighting, symmetric=args.symmetric),
        robust=args.robust,
    )
    linked = found.to_parameters()
    try:
        write_parameters(args.out, linked)
    except OSError as error:
        raise InputError(
            f"expected a file that can be written, got {args.out} ({error.strerror}); choose another --out"
        ) from None
    if args.json:
        with open(args.out, encoding="utf-8") as file:
            json.dump(json.load(file), sys.stdout, ensure_ascii=False)
        print()
    else:
        print(f"{args.out}: theta_TO = {found.a:.6f} theta_FROM {found.b:+.6f}  ({found.method})")
        errors = f"standard errors {found.a_se:.4f} and {found.b_se:.4f}"
        if isnan(found.a_se):
            errors = "no standard errors with fewer than 3"
        print(f"{len(found.anchors)} anchor{'s' * (len(found.anchors) > 1)}; {errors}")
        if found.dropped:
            print(f"left out as drifted: {', '.join(found.dropped)}")
        for note in found.notes:
            print(f"note: {note}")
    if args.report:
        page = add_to_report(args.report, "link", linked.fit, args.language)
        print(f"report: {page}", file=sys.stderr if args.json else sys.stdout)
