"""``acquis simulate``: study a test design on simulated people, or on given answers."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from api.commands.inputs import add_language, add_reading, read_answers
from api.commands.outputs import own_folder

if TYPE_CHECKING:
    from calibration.study import Plan

__all__: list[str] = []

_FILES = ("report.html", "sittings.csv", "responses.csv", "items.csv", "summary.json", "exposure.json")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``acquis simulate``."""
    add = parser.add_argument
    add("--params", required=True, metavar="PARAMS.json", help="item parameters")
    add("--design", required=True, metavar="DESIGN.toml", help="the test design")
    add("--bank", metavar="BANK.csv", help="item attributes: 'item' and domain, enemies, stimulus, time, ...")
    add(
        "--responses",
        metavar="RESPONSES",
        help="replay given answers, one sitting a row; an item that a person did not answer is not available "
        "to that person",
    )
    add("--n", required=True, type=_whole(1, 100_000_000), metavar="N", help="number of sittings")
    add("--seed", required=True, type=_whole(0, 2**63 - 1), metavar="S", help="of all chance")
    add("--group", help="whose ability distribution, where the parameters hold several groups")
    add("--scheduler", metavar="ADDRESS", help="run on the Dask cluster at this address; same results")
    add("--out", dest="folder", required=True, metavar="DIR", help="for report.html, sittings.csv, ...")
    add_language(parser)
    add_reading(parser)
    add("--json", action="store_true", help="print the summary on stdout, and nothing else there")


def _whole(low: int, high: int) -> Any:
    def number(text: str) -> int:
        if not text.isascii() or not text.isdecimal() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(
                f"expected a whole number between {low} and {high}, got '{text}'"
            )
        return int(text)

    return number


def _plan(args: argparse.Namespace) -> tuple[Plan, list[str] | None]:
    from calibration.study import Plan, given_matrix, read_bank, read_design
    from cat_engine.errors import InputError
    from item_bank.parameters import read_parameters

    parameters = read_parameters(args.params)
    if len(parameters.dimensions) != 1:
        raise InputError(
            f"expected parameters of one dimension, got {len(parameters.dimensions)} in {args.params}; "
            "simulate each dimension with parameters of its own"
        )
    design = read_design(args.design)
    pool = parameters.pool()
    population = parameters.group(args.group)
    attributes = read_bank(args.bank, pool.ids, parameters.left_out) if args.bank else {}
    given, persons = None, None
    if args.responses:
        given, persons = given_matrix(read_answers(args, parameters)[0], parameters, args.n)
    return (
        Plan(
            pool.rows(),
            design,
            args.n,
            args.seed,
            population.mean[0],
            population.sd,
            attributes,
            given,
        ),
        persons,
    )


def run(args: argparse.Namespace) -> None:
    """Read, simulate and write."""
    own_folder(args.folder, "--out", _FILES, "summary.json", "acquis/study/")
    from tqdm import tqdm

    from calibration.study import shadow_tests, study, write_study
    from calibration.study.report import write_report

    plan, persons = _plan(args)
    reason = shadow_tests(plan.test)
    if reason:
        print(
            f"this design needs shadow tests ({reason}): from one to some milliseconds a choice, not "
            "microseconds; nested or disjoint counts of items would do without them",
            file=sys.stderr,
        )
    with tqdm(total=plan.n, unit=" sittings", disable=not sys.stderr.isatty(), leave=False) as bar:
        done = study(plan, scheduler=args.scheduler, progress=bar.update)
    summary = write_study(args.folder, done, persons)
    write_report(args.folder, done, summary, args.language)
    if args.json:
        print(json.dumps(summary, ensure_ascii=False, allow_nan=False))
    else:
        print(_said(summary, args.folder))


def _said(summary: dict[str, Any], out: str) -> str:
    lines = [
        f"{out}: {summary['n']} sittings of {summary['mean_length']:.1f} items on average, RMSE "
        f"{summary['rmse']:.3f}, bias {summary['bias']:+.3f}, "
        f"{summary['sittings_per_second']:.0f} sittings a second",
        f"exposure at most {summary['max_exposure']:.3f} ({summary['most_exposed']}), overlap "
        f"{summary['overlap_rate'] or 0.0:.3f}, {summary['unused']} of {summary['n_items']} items unused; "
        f"{summary['constraints_violated']} constraints violated",
    ]
    if summary["shadow_tests"]:
        cost = 1_000.0 * summary["seconds"] / (summary["n"] * max(summary["mean_length"], 1.0))
        lines.append(
            f"shadow tests, for {summary['shadow_tests']}: {cost:.2f} ms an item, at most "
            f"{summary['shadow_lack']:.2%} below the best"
        )
    level = summary["classification"]
    if level:
        lines.append(
            f"levels right in {level['accuracy']:.1%} of sittings, decided with the design's confidence in "
            f"{level['decided']:.1%}"
        )
    if summary["price"]:
        lines.append(f"price in a test of {summary['price']['length']} items: {_prices(summary['price'])}")
    for pool in summary["accommodation"]:
        simulated, enough = pool["simulated"], pool["as_precise"]
        advice = "no length is" if enough is None else f"{enough} items would be"
        lines.append(
            f"'{pool['need']}' ({pool['items']} items suit it): {simulated['length']:.1f} items, "
            f"standard error {simulated['se']:.3f} (predicted {pool['predicted']['se']:.3f}; whole bank "
            f"{summary['mean_se']:.3f}, by the prediction {advice} as precise)"
        )
    return "\n".join(lines)


def _prices(price: dict[str, Any]) -> str:
    """What each rule costs, in items and in standard error."""
    return "; ".join(
        f"{'all of them' if other['rule'] == 'all' else other['rule']} {other['items']:.1f} items "
        f"(standard error {price['se']:.3f} instead of {other['se']:.3f}, "
        f"{price['points']:.0%} of the points instead of {other['points']:.0%})"
        for other in price["without"]
    )
