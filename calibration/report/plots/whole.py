"""Plots of the test as a whole: precision, persons beside items, scores, dimensions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np

from calibration.report.plots.style import BLUE, INK, LIGHT, ORANGE, Chart, data, stacked, styled
from calibration.report.words import Words

__all__ = ["plot_dimensions", "plot_information", "plot_scores", "plot_wright_map"]


def plot_information(precision: Mapping[str, Any], words: Words | None = None, width: int = 840) -> Chart:
    """Draw the test's information and, under it, the standard error of measurement."""
    words = words or Words("en")
    rows = [
        {"t": round(t, 3), "i": round(i, 4), "se": round(1.0 / np.sqrt(max(i, 1e-9)), 4)}
        for t, i in zip(precision["theta"], precision["information"], strict=True)
    ]
    ceiling = min(1.5, max(row["se"] for row in rows))
    domain = [rows[0]["t"], rows[-1]["t"]]
    scale = alt.Scale(domain=domain, nice=False)
    above = (
        alt.Chart(data(rows))
        .mark_area(color=BLUE, opacity=0.25, line={"color": BLUE, "strokeWidth": 2.2})
        .encode(
            x=alt.X("t:Q", title=None, scale=scale, axis=alt.Axis(labels=False, ticks=False, tickCount=9)),
            y=alt.Y("i:Q", title=words("information_axis")),
        )
        .properties(width=width, height=170)
    )
    below = (
        alt.Chart(data([row for row in rows if row["se"] <= ceiling]))
        .mark_line(color=ORANGE, strokeWidth=2.2)
        .encode(
            x=alt.X("t:Q", title=words("theta_axis"), scale=scale, axis=alt.Axis(tickCount=9)),
            y=alt.Y(
                "se:Q",
                title=words("error_axis"),
                scale=alt.Scale(domain=[0, ceiling]),
                axis=alt.Axis(tickCount=5),
            ),
        )
        .properties(width=width, height=140)
    )
    return stacked(alt.vconcat(above, below, spacing=8))


def locations(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return where each item, or each of its thresholds, lies on the scale of theta."""
    out = []
    for row in rows:
        if row.get("status") == "left-out" or row.get("b") is None:
            continue
        values = np.atleast_1d(np.array(row["b"], dtype=np.float64))
        if "tau" in row:
            values = values + np.array(row["tau"])
        for k, value in enumerate(values):
            name = str(row["id"]) if len(values) == 1 else f"{row['id']}.{k + 1}"
            out.append({"item": str(row["id"]), "label": name, "b": float(value)})
    return out


def plot_wright_map(
    persons: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    words: Words | None = None,
    width: int = 840,
) -> Chart:
    """Draw persons and item difficulties on one vertical scale."""
    words = words or Words("en")
    edges, counts = persons["theta_edges"], persons["theta_counts"]
    places = [place for place in locations(rows) if abs(place["b"]) <= 6.0]
    low = min([edges[0], *(place["b"] for place in places)]) - 0.2
    high = max([edges[-1], *(place["b"] for place in places)]) + 0.2
    height = 420
    bars = [
        {"low": round(a, 4), "high": round(b, 4), "n": -n, "zero": 0}
        for a, b, n in zip(edges[:-1], edges[1:], counts, strict=True)
    ]
    most = max(max(counts), 1)
    scale = alt.Scale(domain=[low, high], nice=False)
    left = (
        alt.Chart(data(bars))
        .mark_bar(color=BLUE, opacity=0.55, stroke="white", strokeWidth=0.5)
        .encode(
            y=alt.Y("low:Q", title=words("theta_axis"), scale=scale, axis=alt.Axis(tickCount=8)),
            y2="high:Q",
            x=alt.X(
                "n:Q",
                title=words("persons_axis"),
                scale=alt.Scale(domain=[-most, 0]),
                axis=alt.Axis(labelExpr="format(abs(datum.value), '~s')", tickCount=4),
            ),
            x2="zero:Q",
        )
        .properties(width=int(width * 0.4), height=height)
    )
    right_width = width - int(width * 0.4) - 10
    labelled = _spread(places, low, high, height, right_width)
    base = alt.Chart(data(labelled))
    y = alt.Y("b:Q", scale=scale, axis=None)
    x = alt.X(
        "column:Q",
        scale=alt.Scale(
            domain=[-0.15, max(place["columns"] for place in labelled) if labelled else 1], nice=False
        ),
        axis=None,
    )
    right = (
        (
            base.mark_tick(color=ORANGE, thickness=2, size=9, orient="horizontal").encode(x=x, y=y)
            + base.transform_filter("datum.text != ''")
            .mark_text(align="left", dx=8, fontSize=11, color=INK)
            .encode(x=x, y=y, text="text:N")
        ).properties(width=right_width, height=height)
        if labelled
        else None
    )
    chart = alt.hconcat(left, right, spacing=6) if right is not None else left
    return stacked(chart)


def _spread(
    places: list[dict[str, Any]], low: float, high: float, height: int, room: int
) -> list[dict[str, Any]]:
    """Give each label the first column in which it touches no other; too many lose their text, not their
    mark."""
    line = 13.0 * (high - low) / height
    longest = max((len(place["label"]) for place in places), default=1)
    columns = max(1, min(12, int(room / (7 * longest + 20))))
    last = [-1e9] * columns
    out = []
    for place in sorted(places, key=lambda place: float(place["b"])):
        free = [c for c in range(columns) if place["b"] - last[c] >= line]
        column = free[0] if free else int(np.argmin(last))
        text = place["label"] if free else ""
        if free:
            last[column] = place["b"]
        out.append({"b": round(place["b"], 4), "column": column, "text": text, "columns": columns})
    return out


def plot_scores(counts: Sequence[int], words: Words | None = None, width: int = 840) -> Chart:
    """Draw the distribution of total scores."""
    words = words or Words("en")
    rows = [{"s": s - 0.5, "e": s + 0.5, "n": n, "zero": 0} for s, n in enumerate(counts)]
    chart = (
        alt.Chart(data(rows))
        .mark_bar(color=BLUE, opacity=0.6, stroke="white", strokeWidth=0.6)
        .encode(
            x=alt.X(
                "s:Q",
                title=words("score_axis"),
                scale=alt.Scale(domain=[-0.5, len(rows) - 0.5], nice=False),
                axis=alt.Axis(format="d", tickMinStep=1),
            ),
            x2="e:Q",
            y=alt.Y("n:Q", title=words("persons_axis")),
            y2="zero:Q",
        )
    )
    return styled(chart, width, 170)


def plot_dimensions(shape: Mapping[str, Any], words: Words | None = None, width: int = 840) -> Chart:
    """Draw the eigenvalues beside those of shuffled data (parallel analysis)."""
    words = words or Words("en")
    rows = [
        {"f": k + 1, "o": o, "c": c, "real": k < shape["factors"]}
        for k, (o, c) in enumerate(zip(shape["eigenvalues"], shape["eigenvalues_by_chance"], strict=True))
    ]
    base = alt.Chart(data(rows))
    x = alt.X("f:O", title=words("factor"), axis=alt.Axis(labelAngle=0))
    y = alt.Y("o:Q", title=words("eigenvalue"))
    chart = (
        base.mark_line(color=LIGHT, strokeWidth=1.5).encode(x=x, y=y)
        + base.mark_line(color=ORANGE, strokeDash=[5, 3], strokeWidth=1.8).encode(x=x, y="c:Q")
        + base.mark_point(size=80, strokeWidth=2, color=BLUE, filled=False).encode(x=x, y=y)
        + base.transform_filter("datum.real")
        .mark_point(size=80, color=BLUE, filled=True, opacity=1)
        .encode(x=x, y=y)
        + alt.Chart(data([{"f": len(rows), "c": rows[-1]["c"], "t": words("chance")}]))
        .mark_text(align="right", dy=-9, color=ORANGE, fontSize=12)
        .encode(x="f:O", y="c:Q", text="t:N")
    )
    return styled(chart, width, 200)
