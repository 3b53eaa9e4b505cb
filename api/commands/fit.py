"""``acquis fit``: item, person and model fit.

What a statistic cannot judge (total scores in adaptive data, too few degrees of freedom) stands under
``not_applicable`` with the reason, and no number is written in its place.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from api.commands.inputs import about, add_report, domains_of

if TYPE_CHECKING:
    from calibration.fit import Fit


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``acquis fit``."""
    parser.add_argument("responses", metavar="RESPONSES", help="responses, CSV or Parquet, wide or long")
    parser.add_argument("--params", required=True, metavar="PARAMS.json", help="item parameters")
    parser.add_argument("--groups", metavar="FILE:COLUMN", help="each person's group in the population")
    parser.add_argument(
        "--theta",
        choices=("eap", "map", "ml", "wle"),
        default="eap",
        help="estimator at which infit, outfit and Zh are taken (default: eap)",
    )
    parser.add_argument(
        "--external",
        action="store_true",
        help="the parameters were not estimated from these responses: no degree of freedom is lost",
    )
    parser.add_argument("--seed", type=int, default=1, help="of plausible values and simulated persons")
    parser.add_argument(
        "--recode", nargs="?", const="rank", metavar="rank|shift", help="mend categories that have gaps"
    )
    parser.add_argument("--out", required=True, metavar="FIT.json", help="where to write")
    parser.add_argument("--json", action="store_true", help="print the result on stdout")
    add_report(parser)


def _say(fit: Fit, out: str) -> None:
    items = len(fit.items["id"])
    print(f"{out}: {items} items, {fit.n_persons} persons, {fit.seconds:.2f} s")
    for kind in ("m2", "m2*", "c2"):
        if kind in fit.model:
            m = fit.model[kind]
            print(
                f"{kind.upper()} = {m['statistic']:.2f}, df {m['df']}, p = {m['p']:.4f}; "
                f"RMSEA {m['rmsea']:.3f} [{m['rmsea_low']:.3f}, {m['rmsea_high']:.3f}], "
                f"CFI {m['cfi']:.3f}, TLI {m['tli']:.3f}"
            )
    for name, reason in fit.not_applicable.items():
        print(f"{name}: not applicable, {reason}")


def run(args: argparse.Namespace) -> None:
    """Read, judge and write."""
    from api.commands.inputs import responses_for, write_json
    from calibration.fit import assess
    from item_bank.parameters import read_parameters
    from item_bank.responses import read_groups

    parameters = read_parameters(args.params)
    options = None
    if args.key:
        from calibration.report.options import read_options

        responses, options = read_options(args.responses, args.key)
    else:
        responses = responses_for(args.responses, parameters, args.recode)
    groups = read_groups(args.groups, responses) if args.groups else None
    fit = assess(responses, parameters, groups, theta=args.theta, estimated=not args.external, seed=args.seed)
    write_json(args.out, fit.to_dict())
    if args.json:
        json.dump(fit.to_dict(), sys.stdout, ensure_ascii=False, allow_nan=False)
        print()
    else:
        _say(fit, args.out)
    if args.report:
        from calibration.report import gather, write_page

        findings = gather(
            responses,
            parameters,
            groups,
            fit=fit,
            options=options,
            domains=domains_of(args.attributes),
            about=about(args, [args.responses, args.params]),
        )
        page = write_page(Path(args.report), findings, args.language)
        print(f"report: {page}", file=sys.stderr if args.json else sys.stdout)
