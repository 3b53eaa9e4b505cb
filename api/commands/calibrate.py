"""``acquis calibrate``: item parameters from responses."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import TYPE_CHECKING, Any

from api.commands.inputs import about, add_reading, add_report, domains_of, groups_of, read_answers, sets_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from calibration.em.estimate import Progress
    from calibration.result import Calibration
    from item_bank.responses import Responses

__all__: list[str] = []


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``acquis calibrate``."""
    add = parser.add_argument
    add("responses", metavar="RESPONSES", help="responses, CSV or Parquet, wide or long")
    add(
        "--model",
        required=True,
        action="append",
        metavar="MODEL|ITEM=MODEL",
        help="rasch, 1pl, 2pl, 3pl, 4pl, grm, gpcm, pcm, rsm or nrm; with --dimensions m2pl, m3pl, mgrm or "
        "mgpcm; ITEM=MODEL for single items",
    )
    add("--out", required=True, metavar="PARAMS.json", help="where to write the item parameters")
    add(
        "--tol", type=float, default=1e-6, help="bound on the remaining gain in log-likelihood (default 1e-6)"
    )
    add(
        "--quadrature",
        type=int,
        metavar="N",
        help="nodes on mean +- 6 sd (default 61; with --dimensions nodes a dimension, as many as are needed)",
    )
    add(
        "--dimensions",
        metavar="FILE",
        help="what each item measures: columns item and one a dimension, of 0 and 1; 'general': bifactor",
    )
    add("--orthogonal", action="store_true", help="with --dimensions: correlations are 0")
    add(
        "--prior",
        action="append",
        default=[],
        metavar="SPEC",
        help="'a=lognormal(0,0.5)', 'c[ITEM]=beta(5,17)', ...; 'none' drops the defaults of 3pl and 4pl",
    )
    add("--sets", metavar="FILE:COLUMN", help="rsm: each item's rating scale (columns item and COLUMN)")
    add("--groups", metavar="FILE:COLUMN", help="each person's group")
    add(
        "--invariance",
        default="full",
        choices=("full", "slopes", "none"),
        help="what groups share: all item parameters (default), slopes alone, or nothing",
    )
    add("--weights", metavar="FILE:COLUMN", help="each person's sampling weight; then use --se sandwich")
    add(
        "--latent",
        default="normal",
        metavar="SHAPE",
        help="normal (default), davidian, davidian:K or histogram",
    )
    add(
        "--estimator",
        default="marginal",
        choices=("marginal", "conditional"),
        help="conditional: rasch, pcm and rsm without assuming a population",
    )
    add("--reference", metavar="GROUP", help="group with mean 0 (default: alphabetically first)")
    add("--fixed", metavar="PARAMS.json", help="hold the items of this file; the population is freed")
    add(
        "--se",
        default="oakes",
        choices=("oakes", "louis", "crossproduct", "sandwich", "none"),
        help="standard errors (default: oakes)",
    )
    add(
        "--covariance",
        metavar="COV.parquet",
        help="also write the covariance matrix of the estimates (slopes, intercepts, ..., population)",
    )
    add(
        "--scheduler",
        metavar="ADDRESS",
        help="add up persons on the Dask cluster at this address, whose workers read RESPONSES; same result",
    )
    add("--cross-check", action="store_true", help="refit with girth and say where the two disagree")
    add("--json", action="store_true", help="print the parameter file on stdout, and nothing else there")
    add_reading(parser)
    add_report(parser)


def run(args: argparse.Namespace) -> None:
    """Read, calibrate and write."""
    from calibration.estimation import calibrate
    from cat_engine.errors import InputError
    from item_bank.parameters import read_parameters
    from item_bank.responses import read_weights

    if args.dimensions:
        _refuse_in_dimensions(args)
    model, item_models = _models(args.model)
    fixed = read_parameters(args.fixed) if args.fixed else None
    sets = sets_of(args.sets)

    def marginal(responses: Responses | str, groups: list[str] | str | None, weights: Any) -> Calibration:
        return calibrate(
            responses,
            model,
            item_models=item_models,
            prior=args.prior,
            groups=groups,
            reference=args.reference,
            invariance=args.invariance,
            fixed=fixed,
            sets=sets,
            weights=weights,
            latent=args.latent,
            quadrature=args.quadrature,
            tol=args.tol,
            errors=args.se,
            watch=_bar() if sys.stderr.isatty() else None,
            recode=args.recode,
            scheduler=args.scheduler,
            dimensions=args.dimensions,
            correlated=not args.orthogonal,
        )

    if args.scheduler:
        _refuse_on_cluster(args)
        _write(args, marginal(args.responses, args.groups, args.weights))
        return
    responses, options = read_answers(args)
    groups = groups_of(args, responses)
    if args.estimator == "conditional":
        from calibration.conditional import calibrate_conditional

        if item_models or args.prior or groups or fixed or sets or args.weights or args.latent != "normal":
            raise InputError(
                "expected nothing but a model (rasch, pcm or rsm) with --estimator conditional, got models "
                "of items, priors, groups, sets, weights, fixed items or a latent shape; leave them out"
            )
        result = calibrate_conditional(responses, model)
    else:
        weights = read_weights(args.weights, responses, args.person) if args.weights else None
        result = marginal(responses, groups, weights)
    second: list[str] = []
    if args.cross_check:
        result, second = _second_opinion(responses, result)
    _write(args, result, second)
    if args.report:
        from calibration.report import write_report

        page = write_report(
            args.report,
            responses,
            result.parameters,
            groups,
            language=args.language,
            options=options,
            domains=domains_of(args.attributes),
            about=about(args, [args.responses]),
            notes=result.notes,
        )
        print(f"report: {page}", file=sys.stderr if args.json else sys.stdout)


def _write(args: argparse.Namespace, result: Calibration, second: Sequence[str] = ()) -> None:
    """Write the parameter file and say what came out."""
    from cat_engine.errors import InputError

    if args.covariance:
        from calibration.covariance_file import write_covariance

        write_covariance(args.covariance, result)
    try:
        content = result.to_json(args.out)
    except OSError as error:
        raise InputError(
            f"expected a file that can be written, got {args.out} ({error.strerror}); choose another --out"
        ) from None
    if args.json:
        print(json.dumps(_finite(content), ensure_ascii=False))
    else:
        print("\n".join([_summary(result, args.out), *second]))


def _refuse_in_dimensions(args: argparse.Namespace) -> None:
    """Refuse what is made for one dimension."""
    _refuse(_told(args), "--dimensions", "it is made for one dimension; leave {} out")


def _refuse_on_cluster(args: argparse.Namespace) -> None:
    """Refuse what needs all responses on this machine."""
    why = "it needs all responses on this machine; leave {} out, or --scheduler"
    _refuse({"--key": args.key, **_told(args)}, "--scheduler", why)
    layout = {
        "--missing": args.missing,
        "--person": args.person != "person",
        "--leave-out": args.leave_out,
    }
    _refuse(layout, "--scheduler", "workers read plain files; write RESPONSES without what {} mends")


def _told(args: argparse.Namespace) -> dict[str, object]:
    """Return what is neither for several dimensions nor for a cluster, and whether it was asked for."""
    conditional = args.estimator == "conditional"
    return {
        "--report": args.report,
        "--cross-check": args.cross_check,
        "--estimator conditional": conditional,
    }


def _refuse(options: dict[str, object], beside: str, why: str) -> None:
    from cat_engine.errors import InputError

    for name, given in options.items():
        if given:
            raise InputError(f"expected no {name} with {beside}, got it: {why.format(name)}")


def _second_opinion(responses: Responses, result: Calibration) -> tuple[Calibration, list[str]]:
    """Return the result with what a refit with girth says, and that in words, largest disagreement first."""
    from dataclasses import asdict, replace

    from calibration.crosscheck import cross_check

    found = cross_check(responses, result)
    fit = {**result.parameters.fit, "cross_check": [asdict(d) for d in found]}
    result = replace(result, parameters=replace(result.parameters, fit=fit))
    notable = [difference for difference in found if difference.notable]
    largest = f"{abs(found[0].errors):.2f}" if found else "0"
    lines = [
        f"cross-check with girth: {len(notable)} of {len(found)} parameters differ by more than half a "
        f"standard error, the largest by {largest}"
    ]
    lines += [
        f"  {d.item} {d.parameter}: {d.ours:.4f} here, {d.girth:.4f} there, {d.errors:+.2f} standard errors"
        for d in notable[:20]
    ]
    return result, lines


def _models(specs: list[str]) -> tuple[str, dict[str, str]]:
    """Split ``--model`` into the model of every item and those of single items."""
    from cat_engine.errors import InputError

    general = [spec for spec in specs if "=" not in spec]
    if len(general) > 1:
        raise InputError(
            f"expected one model for all items, got {', '.join(general)}; write ITEM=MODEL for single items"
        )
    items = dict(spec.rsplit("=", 1) for spec in specs if "=" in spec)
    return (general[0] if general else "2pl"), items


def _finite(value: Any) -> Any:
    """Replace what JSON cannot say (NaN, infinity) by null."""
    if isinstance(value, dict):
        return {key: _finite(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    if isinstance(value, float) and value - value != 0.0:
        return None
    return value


def _bar() -> Callable[[Progress], None]:
    """Return what draws one line on stderr: log-likelihood, what is left to gain, time."""
    shown = 0.0

    def draw(progress: Progress) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - shown < 0.1:
            return
        shown = now
        text = (
            f"{progress.stage} {progress.iteration:4d}  log-likelihood {progress.loglik:.3f}  "
            f"to gain {progress.gain:.2g}  {progress.seconds:.1f} s"
        )
        if progress.left is not None:
            text += f", about {progress.left:.0f} s left"
        print(f"\r{text:<78}", end="", file=sys.stderr, flush=True)

    return draw


def _summary(result: Calibration, out: str) -> str:
    from calibration.verdict import flag_lines

    fit = result.parameters.fit
    state = "converged" if fit["converged"] else "NOT CONVERGED"
    lines = [
        f"{out}: {fit['n_items']} items, {fit['n_persons']} persons, log-likelihood {fit['loglik']:.3f}, "
        f"{state} after {fit['iterations']} steps in {fit['seconds']:.2f} s "
        f"(+ {fit['seconds_se']:.2f} s for standard errors)"
    ]
    lines += [f"note: {note}" for note in result.notes]
    flags = flag_lines(result.flagged, fit["n_items"])
    if flags:
        lines += [*flags, f"the flags of every item are in {out}"]
    return "\n".join(lines)
