"""Charts of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np

from calibration.report.plots.style import BLUE, GREEN, GREY, INK, ORANGE, RED, Chart, data, styled
from calibration.study.words import StudyWords

__all__ = ["plot_exposure", "plot_length", "plot_levels", "plot_precision", "plot_price", "plot_scatter"]

_WIDTH = 840
_CURVES = [INK, BLUE, ORANGE, GREEN, GREY]
_DASHES = [[1, 0], [7, 3], [2, 2], [9, 3, 2, 3], [5, 5]]
_LEVELS = ["#c9dff2", "#7fb2dc", "#2f7dbd", "#174f82", "#0b2d4d"]


def plot_precision(summary: Mapping[str, Any], words: StudyWords) -> Chart:
    """Draw RMSE, standard error and bias by ability, with the target where there is one."""
    keys = [("rmse", "rmse"), ("se", "mean_se"), ("bias", "bias")]
    rows = [
        {"t": tenth["theta"], "v": tenth[key], "what": words(name)}
        for tenth in summary["conditional"]
        for name, key in keys
    ]
    names = [words(name) for name, _ in keys]
    base = alt.Chart(data(rows)).encode(
        x=alt.X(
            "t:Q",
            title=words("theta_axis"),
            scale=alt.Scale(nice=True, zero=False),
            axis=alt.Axis(tickCount=9),
        ),
        y=alt.Y("v:Q", title=words("size_axis")),
        color=alt.Color(
            "what:N",
            sort=names,
            scale=alt.Scale(domain=names, range=[BLUE, ORANGE, GREY]),
            legend=alt.Legend(title=None, orient="top", symbolType="stroke", symbolStrokeWidth=3),
        ),
        strokeDash=alt.StrokeDash(
            "what:N", sort=names, scale=alt.Scale(domain=names, range=[[1, 0], [6, 3], [2, 2]]), legend=None
        ),
    )
    zero = alt.Chart(data([{"v": 0.0}])).mark_rule(color="#c5ccd3").encode(y="v:Q")
    chart = zero + base.mark_line(strokeWidth=2.2) + base.mark_point(filled=True, size=40, strokeDash=[1, 0])
    if summary["se_target"] is not None:
        rule = alt.Chart(data([{"v": summary["se_target"], "l": words("target")}]))
        chart += rule.mark_rule(color=RED, strokeWidth=1.4).encode(y="v:Q")
        chart += rule.mark_text(color=RED, align="left", dx=5, fontSize=12).encode(
            x=alt.value(_WIDTH), y="v:Q", text="l:N"
        )
    return styled(chart, _WIDTH, 240)


def plot_length(summary: Mapping[str, Any], words: StudyWords) -> Chart:
    """Draw the distribution of the number of items."""
    counts = summary["length"]["counts"]
    rows = [
        {"k": int(k), "from": int(k) - 0.45, "to": int(k) + 0.45, "n": n, "o": 0} for k, n in counts.items()
    ]
    low, high = min(row["k"] for row in rows), max(row["k"] for row in rows)
    step = max(1, (high - low) // 15)
    chart = (
        alt.Chart(data(rows))
        .mark_bar(color=BLUE)
        .encode(
            x=alt.X(
                "from:Q",
                title=words("length_axis"),
                scale=alt.Scale(domain=[low - 0.7, high + 0.7], nice=False),
                axis=alt.Axis(values=list(range(low, high + 1, step)), format="d", grid=False),
            ),
            x2="to:Q",
            y=alt.Y("n:Q", title=words("persons_axis")),
            y2="o:Q",
        )
    )
    return styled(chart, _WIDTH, 170)


def plot_exposure(exposure: Sequence[float], target: float | None, words: StudyWords) -> Chart:
    """Draw exposure rates in descending order, with the target line."""
    rows = [
        {"from": k + 0.5, "to": k + 1.5, "e": e, "o": 0.0}
        for k, e in enumerate(sorted(exposure, reverse=True))
    ]
    x = alt.X(
        "from:Q",
        title=words("rank_axis"),
        scale=alt.Scale(domain=[0.5, len(rows) + 0.5], nice=False),
        axis=alt.Axis(grid=False, format="d"),
    )
    y = alt.Y("e:Q", title=words("exposure_axis"), axis=alt.Axis(format="%"), scale=alt.Scale(domainMin=0))
    chart: Chart = (
        alt.Chart(data(rows)).mark_rect(color=BLUE, opacity=0.75).encode(x=x, x2="to:Q", y=y, y2="o:Q")
    )
    if target is not None:
        line = alt.Chart(data([{"e": target, "l": words("target")}]))
        chart += line.mark_rule(color=RED, strokeWidth=1.4).encode(y="e:Q")
        chart += line.mark_text(color=RED, align="left", dx=5, fontSize=12).encode(
            x=alt.value(_WIDTH), y="e:Q", text="l:N"
        )
    return styled(chart, _WIDTH, 220)


def plot_price(price: Mapping[str, Any], words: StudyWords) -> Chart:
    """Draw the mean standard error by number of items, with the design's rules and without them."""
    curves = {words("with_all"): price["curve"]}
    for other in price["without"]:
        curves[words("without", rule=words.name(other["rule"]))] = other["curve"]
    rows = [
        {"k": k, "v": v, "what": name} for name, curve in curves.items() for k, v in enumerate(curve) if k
    ]
    names = list(curves)
    chart = (
        alt.Chart(data(rows))
        .mark_line(strokeWidth=2.2)
        .encode(
            x=alt.X("k:Q", title=words("length_axis"), axis=alt.Axis(format="d", tickMinStep=1)),
            y=alt.Y("v:Q", title=words("curve_axis"), scale=alt.Scale(zero=False)),
            color=alt.Color(
                "what:N",
                sort=names,
                scale=alt.Scale(domain=names, range=_CURVES[: len(names)]),
                legend=alt.Legend(
                    title=None, orient="top", symbolType="stroke", symbolStrokeWidth=3, columns=3
                ),
            ),
            strokeDash=alt.StrokeDash(
                "what:N", sort=names, scale=alt.Scale(domain=names, range=_DASHES[: len(names)]), legend=None
            ),
        )
    )
    return styled(chart, _WIDTH, 240)


def _whole(most: int) -> list[int]:
    """Return up to four whole numbers from 1 to `most`, as a root scale spaces them."""
    return sorted({round(1 + (most - 1) * (k / 3) ** 2) for k in range(4)})


def plot_scatter(against: np.ndarray, theta: np.ndarray, se: float, title: str, words: StudyWords) -> Chart:
    """Draw how many people stand at each true and estimated theta, with the 90 % interval."""
    low = float(np.floor(min(against.min(), theta.min())))
    high = float(np.ceil(max(against.max(), theta.max())))
    edges = np.linspace(low, high, int((high - low) * 8) + 1)
    counts, _, _ = np.histogram2d(against, theta, bins=(edges, edges))
    rows = [
        {"x": edges[i], "X": edges[i + 1], "y": edges[j], "Y": edges[j + 1], "n": int(counts[i, j])}
        for i, j in zip(*np.nonzero(counts), strict=True)
    ]
    scale = alt.Scale(domain=[low, high], nice=False)
    cells = (
        alt.Chart(data(rows))
        .mark_rect()
        .encode(
            x=alt.X("x:Q", title=title, scale=scale, axis=alt.Axis(tickCount=9)),
            x2="X:Q",
            y=alt.Y("y:Q", title=words("estimate_axis"), scale=scale, axis=alt.Axis(tickCount=9)),
            y2="Y:Q",
            color=alt.Color(
                "n:Q",
                scale=alt.Scale(type="sqrt", range=["#dbe9f6", "#0b3d68"]),
                legend=alt.Legend(title=words("persons_axis"), format="d", values=_whole(int(counts.max()))),
            ),
        )
    )
    half = 1.6448536269514722 * se
    lines = [
        {"x": low, "y": low, "X": high, "Y": high, "d": 0},
        {"x": low + half, "y": low, "X": high, "Y": high - half, "d": 1},
        {"x": low, "y": low + half, "X": high - half, "Y": high, "d": 1},
    ]
    drawn = (
        alt.Chart(data(lines))
        .mark_rule(color=INK, strokeWidth=1.3)
        .encode(
            x="x:Q",
            y="y:Q",
            x2="X:Q",
            y2="Y:Q",
            strokeDash=alt.condition("datum.d == 1", alt.value([5, 4]), alt.value([1, 0])),
        )
    )
    return styled(cells + drawn, 460, 460)


def plot_levels(against: np.ndarray, levels: np.ndarray, cuts: Sequence[float], words: StudyWords) -> Chart:
    """Draw the mean probability of each level by ability."""
    number = min(24, max(2, len(against) // 20), len(against))
    held = np.array_split(np.argsort(against, kind="stable"), number)
    rows: list[dict[str, Any]] = [
        {"t": float(against[part].mean()), "level": str(k), "p": float(levels[part, k].mean())}
        for part in held
        for k in range(levels.shape[1])
    ]
    size = levels.shape[1]
    names = [str(k) for k in range(size)]
    places = np.linspace(0, len(_LEVELS) - 1, size).round().astype(int)
    low, high = rows[0]["t"], rows[-1]["t"]
    areas = (
        alt.Chart(data(rows))
        .mark_area()
        .encode(
            x=alt.X("t:Q", title=words("theta_axis"), scale=alt.Scale(domain=[low, high], nice=False)),
            y=alt.Y(
                "p:Q",
                stack="zero",
                title=words("probability"),
                scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(format="%"),
            ),
            color=alt.Color(
                "level:N",
                sort=names,
                scale=alt.Scale(domain=names, range=[_LEVELS[p] for p in places]),
                legend=alt.Legend(title=words("level"), orient="right"),
            ),
            order="level:O",
        )
    )
    inside = [{"t": cut} for cut in cuts if low < cut < high]
    chart: Chart = areas
    if inside:
        chart += (
            alt.Chart(data(inside)).mark_rule(color=ORANGE, strokeWidth=2, strokeDash=[5, 4]).encode(x="t:Q")
        )
    return styled(chart, _WIDTH - 70, 220)
