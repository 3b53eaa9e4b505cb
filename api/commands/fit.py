"""``acquis fit``: item, person and model fit.

What a statistic cannot judge (total scores in adaptive data, too few degrees of freedom) stands under
``not_applicable`` with the reason, and no number is written in its place.
"""

from __future__ import annotations

import argparse
import json
import sys
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

from api.commands.inputs import about, add_reading, add_report, domains_of, groups_of, read_answers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from calibration.fit import Fit
    from cat_engine.design import Design
    from item_bank.parameters import ParameterSet


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
    parser.add_argument(
        "--design",
        metavar="DESIGN.toml",
        help="the adaptive test's design: cut-offs of person fit from simulated sittings",
    )
    parser.add_argument("--bank", metavar="BANK.csv", help="item attributes that the design names")
    parser.add_argument("--seed", type=int, default=1, help="of the simulated persons")
    parser.add_argument("--out", required=True, metavar="FIT.json", help="where to write")
    parser.add_argument("--json", action="store_true", help="print the result on stdout")
    add_reading(parser)
    add_report(parser)


def _say(fit: Fit, out: str) -> None:
    items = len(fit.items["id"])
    print(f"{out}: {items} items, {fit.n_persons} persons, {fit.seconds:.2f} s")
    for kind in ("m2", "m2*", "c2"):
        if kind in fit.model:
            m = fit.model[kind]
            against = f"CFI {m['cfi']:.3f}, TLI {m['tli']:.3f}"
            if isnan(m["cfi"]):
                against = "no CFI or TLI, as unrelated items would fit"
            print(
                f"{kind.upper()} = {m['statistic']:.2f}, df {m['df']}, p = {m['p']:.4f}; "
                f"RMSEA {m['rmsea']:.3f} [{m['rmsea_low']:.3f}, {m['rmsea_high']:.3f}], {against}"
            )
    for name, value in fit.model.get("reliability", {}).items():
        print(f"reliability of {name}: {value:.3f}")
    if "bifactor" in fit.model:
        b = fit.model["bifactor"]
        shares = f"omega hierarchical {b['omega_hierarchical']:.3f} of omega {b['omega']:.3f}"
        print(f"general dimension: ECV {b['ecv']:.3f}, {shares}")
        for name, part in b["subscales"].items():
            shares = f"omega hierarchical {part['omega_hierarchical']:.3f} of omega {part['omega']:.3f}"
            print(f"  {name} beyond it: {shares}")
    how = "in sittings of the design" if fit.cutoffs_from == "sittings" else "on the items that each met"
    flagged = sum(flag != "" for flag in fit.persons["flag"])
    print(
        f"unlikely answers, lz* below the 1 % point of persons simulated {how}: {flagged} of {fit.n_persons}"
    )
    for name, reason in fit.not_applicable.items():
        print(f"{name}: not applicable, {reason}")


def _design(
    args: argparse.Namespace, parameters: ParameterSet
) -> tuple[Design | None, Mapping[str, tuple[str, ...]]]:
    from calibration.study import read_bank, read_design
    from cat_engine.errors import InputError

    if args.design is None:
        if args.bank:
            raise InputError("expected --design beside --bank, got --bank alone; give both, or leave it out")
        return None, {}
    ids = parameters.pool().ids
    return read_design(args.design), read_bank(args.bank, ids, parameters.left_out) if args.bank else {}


def run(args: argparse.Namespace) -> None:
    """Read, judge and write."""
    from api.commands.inputs import write_json
    from calibration.fit import assess
    from cat_engine.errors import InputError
    from item_bank.parameters import read_parameters

    parameters = read_parameters(args.params)
    if args.report and len(parameters.dimensions) > 1:
        raise InputError(
            "expected no --report in several dimensions, got it: the page is made for one; leave it out"
        )
    responses, options = read_answers(args, parameters)
    groups = groups_of(args, responses)
    design, attributes = _design(args, parameters)
    fit = assess(
        responses,
        parameters,
        groups,
        theta=args.theta,
        estimated=not args.external,
        seed=args.seed,
        design=design,
        attributes=attributes,
    )
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
