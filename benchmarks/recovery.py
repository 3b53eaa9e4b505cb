"""How well item parameters are recovered: bias, error, coverage of 95 % intervals, by model and sample size.

``make recovery`` (``python -m benchmarks.recovery --help``). People with known theta answer a test with known
parameters, the test is calibrated with the defaults, and the estimates are held against the truth.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import altair as alt
import numpy as np

from benchmarks.replication import Test, generator, repeat, standard_error
from calibration import calibrate
from calibration.report.html import Figures, style
from calibration.report.plots.style import CATEGORIES, INK, data, stacked
from item_bank.responses import Responses

__all__ = ["MODELS", "Row", "main", "measure", "summarise", "truth"]

MODELS = ("rasch", "2pl", "3pl", "4pl", "grm", "gpcm", "pcm", "rsm", "nrm")
SIZES = (250, 1000, 4000)
ITEMS = 20
NOMINAL = 0.95
Z = 1.959963984540054

SPREAD = {"rasch": 1.2, "pcm": 1.2, "rsm": 1.2}
"""Standard deviation of theta where the model leaves it free; 1 elsewhere."""

NAMES = ("a", "b", "c", "d", "tau", "alpha", "delta")


def truth(model: str) -> list[dict[str, Any]]:
    """Return the true items: slopes and asymptotes evenly spread, and unrelated to the difficulties."""

    def spread(low: float, high: float, step: int) -> np.ndarray:
        return low + (high - low) * (step * np.arange(ITEMS) % ITEMS) / (ITEMS - 1)

    a, wide, narrow = spread(0.7, 1.8, 7), np.linspace(-2.0, 2.0, ITEMS), np.linspace(-1.2, 1.2, ITEMS)
    c, d = spread(0.10, 0.25, 11), spread(0.90, 0.98, 3)
    steps = np.array([-0.9, 0.1, 0.8])
    options = np.array([-0.9, -0.3, 0.4, 0.8])
    rows = []
    for k in range(ITEMS):
        row: dict[str, Any] = {"id": f"i{k + 1}", "model": model}
        if model in ("rasch", "2pl", "3pl", "4pl"):
            row |= {"a": 1.0 if model == "rasch" else a[k], "b": wide[k]}
            row |= {"c": c[k]} if model in ("3pl", "4pl") else {}
            row |= {"d": d[k]} if model == "4pl" else {}
        elif model in ("grm", "gpcm", "pcm"):
            row |= {"a": 1.0 if model == "pcm" else a[k], "b": (narrow[k] + steps).tolist()}
        elif model == "rsm":
            row |= {"a": 1.0, "b": narrow[k], "tau": steps.tolist(), "set": "all"}
        else:
            push = np.roll([-0.4, 0.1, 0.1, 0.2], k)
            row |= {"alpha": (a[k] * options).tolist(), "delta": (push - a[k] * narrow[k] * options).tolist()}
        rows.append(row)
    return rows


@cache
def _test(model: str) -> Test:
    return Test(truth(model))


class Replicate(NamedTuple):
    """One calibration beside the truth.

    Attributes
    ----------
    converged
        Whether the estimation says that it has.
    flagged
        Share of the items that carry a flag.
    error, se
        By kind of parameter: estimate minus truth, and standard error, one value a parameter.
    """

    converged: bool
    flagged: float
    error: dict[str, np.ndarray]
    se: dict[str, np.ndarray]


def measure(job: tuple[str, int, int, int]) -> Replicate:
    """Simulate, calibrate with the defaults, compare.

    Parameters
    ----------
    job
        Model, number of persons, number of the replicate, seed.
    """
    model, n, number, seed = job
    test, sd = _test(model), SPREAD.get(model, 1.0)
    random = generator(seed, MODELS.index(model), n, number)
    matrix = test.answer(random, random.normal(0.0, sd, n))
    found = calibrate(Responses(test.ids, test.pool.n_cat, matrix=matrix), model)
    error, se = defaultdict(list), defaultdict(list)
    by_id = {row["id"]: row for row in found.parameters.items}
    shared = model == "rsm"  # one tau for all items: compared once
    for k, true in enumerate(test.rows):
        row = by_id[true["id"]]
        for name in NAMES:
            if name not in true or (name == "a" and model in SPREAD) or (name == "tau" and shared and k):
                continue
            error[name].append(np.atleast_1d(row[name] if row.get(name) is not None else np.nan) - true[name])
            spread = np.array(row.get("se", {}).get(name, np.nan), dtype=np.float64)
            se[name].append(np.broadcast_to(spread, np.shape(np.atleast_1d(true[name]))))
    if model in SPREAD:
        population = found.parameters.population[0]
        error["variance"].append(np.array([population.cov[0][0] - sd * sd]))
        se["variance"].append(np.array([population.se.get("var", np.nan)], dtype=np.float64))
    flagged = float(np.mean([bool(row.get("flags")) for row in found.parameters.items]))
    return Replicate(
        found.converged,
        flagged,
        {name: np.concatenate(values) for name, values in error.items()},
        {name: np.concatenate(values) for name, values in se.items()},
    )


class Row(NamedTuple):
    """How well one kind of parameter is recovered.

    Attributes
    ----------
    replicates, not_converged
        Calibrations, and how many of them did not converge; those count nowhere else.
    flagged
        Share of the items with a flag; they count like all others.
    without_se
        Share of the estimates without a standard error; they count nowhere else.
    bias, rmse
        Mean, and root mean square, of estimate minus truth.
    bias_single
        Root mean square of the single parameters' biases, without what the simulation adds: biases of
        opposite sign do not hide each other in it.
    se_ratio
        Standard errors (root mean square) over the standard deviation of the estimates between replicates.
    coverage
        Share of the intervals of 1.96 standard errors that hold the truth.
    bias_mcse, rmse_mcse, coverage_mcse
        Monte Carlo standard errors, from the spread between replicates.
    """

    model: str
    n: int
    parameter: str
    replicates: int
    not_converged: int
    flagged: float
    without_se: float
    bias: float
    bias_mcse: float
    bias_single: float
    rmse: float
    rmse_mcse: float
    se_ratio: float
    coverage: float
    coverage_mcse: float


def summarise(model: str, n: int, found: Iterable[Replicate]) -> list[Row]:
    """Return one row for each kind of parameter."""
    found = list(found)
    used = [one for one in found if one.converged]
    rows = []
    for name in used[0].error if used else ():
        error, se = (np.array([getattr(one, side)[name] for one in used]) for side in ("error", "se"))
        known = np.isfinite(error) & np.isfinite(se)
        if not known.any():
            rows.append(Row(model, n, name, len(found), len(found) - len(used), 1.0, 1.0, *[np.nan] * 8))
            continue
        error, se = np.where(known, error, np.nan), np.where(known, se, np.nan)
        held = np.where(known, np.abs(error) <= Z * se, np.nan)
        some = known.any(axis=1)
        bias, square, share = (np.nanmean(x[some], axis=1) for x in (error, error**2, held))
        rmse = float(np.sqrt(square.mean()))
        often = known.sum(axis=0) > 1
        spread = np.nanvar(error[:, often], axis=0, ddof=1) if often.any() else np.full(1, np.nan)
        each = np.nanmean(error[:, often], axis=0) ** 2 - spread / known[:, often].sum(axis=0)
        rows.append(
            Row(
                model,
                n,
                name,
                len(found),
                len(found) - len(used),
                float(np.mean([one.flagged for one in used])),
                float(1.0 - known.mean()),
                float(bias.mean()),
                standard_error(bias),
                float(np.sqrt(max(each.mean(), 0.0))) if often.any() else float("nan"),
                rmse,
                standard_error(square) / (2.0 * rmse),
                float(np.sqrt(np.nanmean(se**2) / spread.mean())),
                float(share.mean()),
                standard_error(share),
            )
        )
    return rows


def table(rows: Iterable[Row]) -> str:
    """Return the rows as text."""
    head = (
        f"{'model':<6}{'n':>6}  {'parameter':<10}{'bias':>8}{'+-':>7}{'single':>8}{'RMSE':>8}{'+-':>7}"
        f"{'SE/SD':>7}{'coverage':>10}{'+-':>6}{'flagged':>9}{'no SE':>7}{'failed':>8}"
    )
    lines = [
        f"{row.model:<6}{row.n:>6}  {row.parameter:<10}{row.bias:>8.3f}{row.bias_mcse:>7.3f}"
        f"{row.bias_single:>8.3f}{row.rmse:>8.3f}{row.rmse_mcse:>7.3f}{row.se_ratio:>7.2f}"
        f"{row.coverage:>10.3f}{row.coverage_mcse:>6.3f}{row.flagged:>9.1%}{row.without_se:>7.1%}"
        f"{row.not_converged:>4}/{row.replicates}"
        for row in rows
    ]
    return "\n".join([head, *lines])


def _panels(rows: list[Row], field: str, title: str, scale: alt.Scale, axis: alt.Axis) -> Any:
    """One panel a model: a figure over the sample size, a line for each kind of parameter."""
    values = [
        {
            "model": row.model,
            "n": row.n,
            "p": row.parameter,
            "y": getattr(row, field),
            "low": getattr(row, field) - Z * getattr(row, f"{field}_mcse"),
            "high": getattr(row, field) + Z * getattr(row, f"{field}_mcse"),
        }
        for row in rows
        if np.isfinite(getattr(row, f"{field}_mcse"))
    ]
    kinds = [name for name in (*NAMES, "variance") if any(v["p"] == name for v in values)]
    sizes = sorted({row.n for row in rows})
    colour = alt.Color(
        "p:N", title="parameter", scale=alt.Scale(domain=kinds, range=CATEGORIES[1:] + CATEGORIES[:1])
    )
    x = alt.X(
        "n:Q",
        title="persons",
        scale=alt.Scale(type="log", domain=[sizes[0] / 1.3, sizes[-1] * 1.3], nice=False),
        axis=alt.Axis(values=sizes, format=",d", grid=False),
    )
    panels = []
    for model in dict.fromkeys(row.model for row in rows):
        base = alt.Chart(data([v for v in values if v["model"] == model]))
        y = alt.Y("y:Q", title=title, scale=scale, axis=axis)
        layers = [
            base.mark_rule(strokeWidth=1.4).encode(
                x=x, y=alt.Y("low:Q", title=title, scale=scale, axis=axis), y2="high:Q", color=colour
            ),
            base.mark_line(point={"size": 40, "filled": True}, strokeWidth=1.8).encode(
                x=x, y=y, color=colour
            ),
        ]
        if field == "coverage":
            line = alt.Chart(data([{"y": NOMINAL}])).mark_rule(color=INK, strokeDash=[4, 3])
            layers.insert(0, line.encode(y=alt.Y("y:Q", title=title, scale=scale, axis=axis)))
        panels.append(
            alt.layer(*layers).properties(
                width=235, height=150, title=alt.Title(model, anchor="start", fontSize=14, color=INK)
            )
        )
    return stacked(alt.concat(*panels, columns=3, spacing=26))


def plot_coverage(rows: list[Row]) -> Any:
    """Draw the coverage of 95 % intervals over the sample size."""
    low = min([0.9, *(row.coverage - 2 * row.coverage_mcse for row in rows if row.coverage_mcse < 1)])
    scale = alt.Scale(domain=[np.floor(low * 50) / 50, 1.0], nice=False)
    return _panels(rows, "coverage", "coverage", scale, alt.Axis(tickCount=5, format=".2f"))


def plot_error(rows: list[Row]) -> Any:
    """Draw the root mean square error over the sample size."""
    known = [row.rmse for row in rows if np.isfinite(row.rmse)]
    scale = alt.Scale(type="log", domain=[min(known) / 1.3, max(known) * 1.5], nice=False, clamp=True)
    axis = alt.Axis(values=[0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10], format="~g")
    return _panels(rows, "rmse", "RMSE (log scale)", scale, axis)


_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>How well item parameters are recovered</title><style>{style}</style></head>
<body><header><h1>How well item parameters are recovered</h1>
<p class="sub">{about}</p></header><main>
<h2>Coverage of 95 % intervals</h2>
<p class="help">Share of intervals (estimate ± 1.96 standard errors) that hold the true value; the dashed line
is what is promised. Bars are 95 % Monte Carlo intervals.</p>
<div class="card"><figure>{coverage}</figure></div>
<h2>Error</h2><p class="help">Root mean square of estimate minus truth. An error that falls by half when the
sample grows fourfold is a straight line.</p><div class="card"><figure>{error}</figure></div>
<h2>Figures</h2><div class="card scroll"><table><thead><tr>{head}</tr></thead><tbody>
{body}
</tbody></table></div></main></body></html>
"""


def write(folder: Path, rows: list[Row], about: str) -> None:
    """Write ``recovery.csv``, the figures (SVG) and ``recovery.html`` into a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "recovery.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Row._fields)
        writer.writerows([f"{x:.6g}" if isinstance(x, float) else x for x in row] for row in rows)
    figure = Figures("en")
    pictures = {"coverage": plot_coverage(rows), "error": plot_error(rows)}
    drawn = {name: figure(chart, name) for name, chart in pictures.items()}
    for name, picture in drawn.items():
        (folder / f"{name}.svg").write_text(str(picture), encoding="utf-8")
    cells = "\n".join(
        "<tr>"
        + "".join(
            f'<td class="n">{x:.3f}</td>' if isinstance(x, float) else f'<td class="n">{x}</td>' for x in row
        )
        + "</tr>"
        for row in rows
    )
    head = "".join(f'<th scope="col" class="n">{name.replace("_", " ")}</th>' for name in Row._fields)
    page = _PAGE.format(style=style(), about=about, head=head, body=cells, **drawn)
    (folder / "recovery.html").write_text(page, encoding="utf-8")


def study(
    models: Iterable[str], sizes: Iterable[int], replicates: int, seed: int, processes: int | None = None
) -> list[Row]:
    """Run all replicates, one of every cell in turn, and return the rows."""
    cells = [(model, n) for model in models for n in sizes]
    jobs = [(model, n, k, seed) for k in range(replicates) for model, n in cells]
    found: Mapping[tuple[str, int], list[Replicate]] = defaultdict(list)
    for (model, n, *_), one in repeat(measure, jobs, processes):
        found[model, n].append(one)
    return [row for model, n in cells for row in summarise(model, n, found[model, n])]


def main(arguments: list[str] | None = None) -> int:
    """Run, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recovery", description=__doc__)
    parser.add_argument("--replicates", type=int, default=200)
    parser.add_argument("--models", nargs="+", default=MODELS, choices=MODELS)
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES, metavar="N")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, help="by default the processors there are")
    parser.add_argument("--out", type=Path, default=Path("build/recovery"), metavar="DIR")
    args = parser.parse_args(arguments)
    rows = study(args.models, args.sizes, args.replicates, args.seed, args.processes)
    about = f"{max((row.replicates for row in rows), default=0)} replicates, {ITEMS} items, seed {args.seed}"
    print(about)
    print(table(rows))
    if rows:
        write(args.out, rows, about)
        print(f"written to {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
