"""Plots of judgement: fit of items and persons, differences between groups, drift of anchors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np

from calibration.report.plots.style import BLUE, CLASSES, GREY, LIGHT, RED, Chart, data, styled
from calibration.report.words import Words

__all__ = ["plot_dif", "plot_drift", "plot_item_fit", "plot_person_fit"]


def plot_item_fit(
    rows: Sequence[Mapping[str, Any]], words: Words | None = None, width: int = 840, most: int = 40
) -> Chart:
    """Draw each item's RMSEA, the worst first.

    Parameters
    ----------
    rows
        ``item``, ``rmsea``, ``significant``.
    """
    words = words or Words("en")
    known = [{**row, "zero": 0} for row in rows if row["rmsea"]]  # those at 0 are fine and need no line
    known = known or [{**row, "zero": 0} for row in rows if row["rmsea"] is not None][:3]
    shown = sorted(known, key=lambda r: -r["rmsea"])[:most]
    order = [r["item"] for r in shown]
    base = alt.Chart(data(shown))
    ticks = [0, 0.03, 0.05, 0.08, 0.1, 0.15, 0.2, 0.3]
    top = max([0.1, *(r["rmsea"] for r in shown)]) * 1.05
    x = alt.X(
        "rmsea:Q",
        title=words("rmsea_axis"),
        scale=alt.Scale(domain=[0, top], nice=False),
        axis=alt.Axis(values=ticks, format=".2f"),
    )
    y = alt.Y("item:N", sort=order, title=None, axis=alt.Axis(labelOverlap=False, labelLimit=160))
    bounds = (
        alt.Chart(data([{"x": 0.03}, {"x": 0.08}])).mark_rule(color=GREY, strokeDash=[4, 3]).encode(x="x:Q")
    )
    chart = (
        bounds
        + base.mark_rule(color=LIGHT, strokeWidth=2).encode(x="zero:Q", x2="rmsea:Q", y=y)
        + base.mark_point(size=70, strokeWidth=2, color=BLUE, opacity=1).encode(
            x=x, y=y, fill=alt.condition("datum.significant", alt.value(BLUE), alt.value("white"))
        )
    )
    return styled(chart, width - 120, max(60, 17 * len(shown)))


def plot_dif(entry: Mapping[str, Any], words: Words | None = None, width: int = 840, most: int = 40) -> Chart:
    """Draw the size of each item's difference between groups, the largest first."""
    words = words or Words("en")
    rows = [
        {
            "item": row["id"],
            "d": row["difference"],
            "zero": 0,
            "class": row["class"] or "A",
            "flagged": row["flagged"],
        }
        for row in entry["items"]
        if row.get("difference") is not None
    ]
    rows = sorted(rows, key=lambda r: -abs(r["d"]))[:most]
    order = [r["item"] for r in sorted(rows, key=lambda r: -r["d"])]
    reach = max([0.15, *(abs(r["d"]) for r in rows)]) * 1.1
    base = alt.Chart(data(rows))
    y = alt.Y("item:N", sort=order, title=None, axis=alt.Axis(labelOverlap=False, labelLimit=160))
    x = alt.X(
        "d:Q",
        title=words("dif_axis"),
        scale=alt.Scale(domain=[-reach, reach], nice=False),
        axis=alt.Axis(tickCount=9),
    )
    colour = alt.Color(
        "class:N",
        scale=alt.Scale(domain=["A", "B", "C"], range=[CLASSES[c] for c in "ABC"]),
        legend=alt.Legend(orient="top", direction="horizontal", title=words("class")),
    )
    chart = (
        alt.Chart(data([{"x": 0}])).mark_rule(color=GREY).encode(x="x:Q")
        + base.mark_rule(strokeWidth=2).encode(x="zero:Q", x2="d:Q", y=y, color=colour)
        + base.mark_point(size=75, strokeWidth=2, filled=False, opacity=1, fill="white").encode(
            x=x, y=y, color=colour
        )
        + base.transform_filter("datum.flagged")
        .mark_point(size=75, filled=True, opacity=1)
        .encode(x=x, y=y, color=colour)
    )
    return styled(chart, width - 120, max(60, 17 * len(rows)))


def plot_drift(
    entry: Mapping[str, Any], words: Words | None = None, width: int = 840, most: int = 40
) -> Chart:
    """Draw the displacement of each anchor with its 95 % interval."""
    words = words or Words("en")
    rows = []
    for row in entry["drift"]:
        d, error = row.get("displacement"), row.get("displacement_se")
        if d is not None:
            reach = 1.96 * (error or 0.0)
            rows.append(
                {"item": row["id"], "d": d, "low": d - reach, "high": d + reach, "drifted": row["drifted"]}
            )
    rows = sorted(rows, key=lambda r: -abs(r["d"]))[:most]
    order = [r["item"] for r in sorted(rows, key=lambda r: -r["d"])]
    # An anchor that is hardly known has an interval of tens of units, beside which nothing else shows.
    edge = 1.1 * max(
        [0.5, *(abs(r["d"]) for r in rows), 2.0 * float(np.median([r["high"] - r["d"] for r in rows]))]
    )
    rows = [{**r, "low": max(r["low"], -edge), "high": min(r["high"], edge)} for r in rows]
    base = alt.Chart(data(rows))
    y = alt.Y("item:N", sort=order, title=None, axis=alt.Axis(labelOverlap=False, labelLimit=160))
    colour = alt.condition("datum.drifted", alt.value(RED), alt.value(BLUE))
    chart = (
        alt.Chart(data([{"x": 0}])).mark_rule(color=GREY).encode(x="x:Q")
        + base.mark_rule(strokeWidth=1.6).encode(x="low:Q", x2="high:Q", y=y, color=colour)
        + base.mark_point(size=70, filled=True, opacity=1).encode(
            x=alt.X(
                "d:Q", title=words("displacement_axis"), scale=alt.Scale(domain=[-edge, edge], nice=False)
            ),
            y=y,
            color=colour,
        )
    )
    return styled(chart, width - 120, max(60, 17 * len(rows)))


def plot_person_fit(persons: Mapping[str, Any], words: Words | None = None, width: int = 840) -> Chart:
    """Draw the distribution of lz* with the bound that one fitting person in a hundred passes."""
    words = words or Words("en")
    edges, counts = persons["lz_star_edges"], persons["lz_star_counts"]
    cut = persons["cutoffs"].get("0.01")
    rows = [
        {"low": round(a, 3), "high": round(b, 3), "n": n, "zero": 0, "out": cut is not None and b <= cut}
        for a, b, n in zip(edges[:-1], edges[1:], counts, strict=True)
    ]
    chart = (
        alt.Chart(data(rows))
        .mark_bar(stroke="white", strokeWidth=0.6)
        .encode(
            x=alt.X(
                "low:Q",
                title=words("lz_axis"),
                scale=alt.Scale(domain=[edges[0], edges[-1]], nice=False),
                axis=alt.Axis(tickCount=11),
            ),
            x2="high:Q",
            y=alt.Y("n:Q", title=words("persons_axis")),
            y2="zero:Q",
            color=alt.condition("datum.out", alt.value(RED), alt.value("#8fb7d9")),
        )
    )
    if cut is not None:
        chart += alt.Chart(data([{"x": cut}])).mark_rule(color=RED, strokeDash=[4, 3]).encode(x="x:Q")
    return styled(chart, width, 160)
