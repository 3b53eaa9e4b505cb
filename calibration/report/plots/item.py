"""Plots of items: their curves, and what their options do; one by one, or side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np

from calibration.report.plots.style import BLUE, CATEGORIES, INK, Chart, data, stacked, styled
from calibration.report.words import Words
from cat_engine.grid import Grid, tabulate
from cat_engine.pool import ItemPool

__all__ = ["plot_all_options", "plot_item", "plot_items", "plot_options", "wilson"]


def _curves(row: Mapping[str, Any], low: float, high: float, n: int = 61) -> tuple[np.ndarray, np.ndarray]:
    grid = Grid.uniform(low, high, n)
    return grid.nodes, np.exp(tabulate(ItemPool.from_rows([row]), grid).logp)[0]


def wilson(share: np.ndarray, n: np.ndarray, z: float = 1.96) -> tuple[np.ndarray, np.ndarray]:
    """Return the limits of Wilson's interval for proportions."""
    with np.errstate(divide="ignore", invalid="ignore"):
        middle = (share + z * z / (2 * n)) / (1 + z * z / n)
        reach = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return middle - reach, middle + reach


def _rows(
    row: Mapping[str, Any], observed: Mapping[str, Any] | None, low: float, high: float, n: int
) -> tuple[list[dict[str, Any]], list[int]]:
    """Return the curves (``c``) and what was observed (``o``) of one item, and the categories drawn."""
    nodes, p = _curves(row, low, high, n)
    shown = [1] if len(p) == 2 else list(range(len(p)))
    rows = [
        {"kind": "c", "t": round(float(t), 3), "k": k, "p": round(float(p[k, q]), 4)}
        for k in shown
        for q, t in enumerate(nodes)
    ]
    if observed:
        theta = np.array([np.nan if x is None else x for x in observed["theta"]], dtype=np.float64)
        size = np.array(observed["n"], dtype=np.float64)
        share = np.array([[np.nan if x is None else x for x in b] for b in observed["share"]], np.float64)
        bottom, top = wilson(share, size[:, None])
        rows += [
            {
                "kind": "o",
                "t": round(float(theta[b]), 3),
                "k": k,
                "p": round(float(share[b, k]), 4),
                "low": round(float(bottom[b, k]), 4),
                "high": round(float(top[b, k]), 4),
            }
            for b in np.flatnonzero(size > 0)
            for k in shown
            if low <= theta[b] <= high
        ]
    return rows, shown


def _layers(shown: Sequence[int], low: float, high: float, words: Words, *, small: bool = False) -> Chart:
    """Return lines, intervals and dots for rows of `_rows`; the data come from what holds the chart."""
    several = len(shown) > 1
    ticks = [0, 0.5, 1] if small else [0, 0.2, 0.4, 0.6, 0.8, 1]
    x = alt.X(
        "t:Q",
        title=None if small else words("theta_axis"),
        scale=alt.Scale(domain=[low, high], nice=False),
        axis=alt.Axis(tickCount=5 if small else 9),
    )
    y = alt.Y(
        "p:Q",
        title=None if small else words("probability" if several else "correct"),
        scale=alt.Scale(domain=[0, 1]),
        axis=alt.Axis(values=ticks, format=".1f"),
    )
    curve: Any = alt.value(BLUE)
    dot: Any = alt.value(INK)
    if several:
        legend = alt.Legend(
            orient="top", direction="horizontal", title=words("category"), symbolType="stroke"
        )
        palette = [CATEGORIES[k % len(CATEGORIES)] for k in shown]
        curve = dot = alt.Color("k:O", scale=alt.Scale(domain=list(shown), range=palette), legend=legend)
    lines = alt.Chart().transform_filter("datum.kind == 'c'").mark_line(strokeWidth=1.6 if small else 2.2)
    found = alt.Chart().transform_filter("datum.kind == 'o'")
    rule = found.mark_rule(strokeWidth=1 if small else 1.4, opacity=0.45 if several else 1)
    dots = found.mark_circle(size=14 if small else 40, opacity=1)
    return alt.layer(
        lines.encode(x=x, y=y, color=curve),
        rule.encode(x=x, y=alt.Y("low:Q"), y2="high:Q", color=dot),
        dots.encode(x=x, y=y, color=dot),
    )


def plot_item(
    row: Mapping[str, Any],
    observed: Mapping[str, Any] | None = None,
    words: Words | None = None,
    width: int = 330,
    height: int = 210,
    reach: float = 4.0,
) -> Chart:
    """Draw an item's curve, or those of its categories, beside what was observed.

    Parameters
    ----------
    row
        One row of a parameter file.
    observed
        ``theta``, ``n`` and ``share`` of the item's bins, from the findings.
    reach
        Theta is drawn from ``-reach`` to ``reach``.
    """
    words = words or Words("en")
    rows, shown = _rows(row, observed, -reach, reach, 61)
    chart = _layers(shown, -reach, reach, words).properties(data=data(rows))
    return styled(chart, width, height)


def plot_items(
    rows: Sequence[Mapping[str, Any]],
    observed: Mapping[str, Mapping[str, Any]],
    words: Words | None = None,
    marks: Mapping[str, str] | None = None,
    columns: int = 4,
    width: int = 190,
    reach: float = 4.0,
) -> Chart:
    """Draw many items side by side, small, in the order given.

    Parameters
    ----------
    rows
        Rows of a parameter file, all of two categories or all of more.
    observed
        By item, as in `plot_item`.
    marks
        A sign to put before an item's name.
    """
    words = words or Words("en")
    points: list[dict[str, Any]] = []
    shown: list[int] = []
    names = []
    for row in rows:
        name = f"{(marks or {}).get(str(row['id']), '')}{row['id']}"
        names.append(name)
        own, categories = _rows(row, observed.get(str(row["id"])), -reach, reach, 33)
        points += [{**point, "item": name} for point in own]
        shown = max(shown, categories, key=len)
    chart = (
        _layers(shown, -reach, reach, words, small=True)
        .properties(width=width, height=round(0.62 * width))
        .facet(
            facet=alt.Facet(
                "item:N",
                sort=names,
                title=None,
                header=alt.Header(labelFontSize=13, labelAnchor="start", labelPadding=4, labelLimit=width),
            ),
            columns=columns,
            data=data(points),
            spacing={"row": 14, "column": 22},
        )
    )
    return stacked(chart)


def _lines(options: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"g": g + 1, "share": round(float(s), 4), "o": str(option["option"]), "key": bool(option["key"])}
        for option in options
        for g, s in enumerate(option["by_group"])
    ]


def _option_layers(names: Sequence[str], words: Words, *, small: bool = False) -> Chart:
    """Return one line an option; the key's is thick and whole, the others' are broken."""
    base = alt.Chart().encode(
        x=alt.X("g:O", title=None if small else words("fifth"), axis=alt.Axis(labelAngle=0)),
        y=alt.Y(
            "share:Q",
            title=None if small else words("share"),
            scale=alt.Scale(domain=[0, 1]),
            axis=alt.Axis(format=".1f", values=[0, 0.5, 1] if small else [0, 0.2, 0.4, 0.6, 0.8, 1]),
        ),
        color=alt.Color(
            "o:N",
            scale=alt.Scale(
                domain=list(names), range=[CATEGORIES[k % len(CATEGORIES)] for k in range(len(names))]
            ),
            sort=list(names),
            legend=alt.Legend(
                orient="top", direction="horizontal", title=words("option"), symbolType="stroke"
            ),
        ),
    )
    return alt.layer(
        base.transform_filter("!datum.key").mark_line(strokeWidth=1.3, strokeDash=[4, 3]),
        base.transform_filter("datum.key").mark_line(strokeWidth=3),
        base.transform_filter("datum.key").mark_circle(size=20 if small else 45, opacity=1),
    )


def plot_options(
    options: Sequence[Mapping[str, Any]], words: Words | None = None, width: int = 330, height: int = 190
) -> Chart:
    """Draw the share of each option in each fifth of the score; the key is the thick line."""
    words = words or Words("en")
    names = sorted({str(option["option"]) for option in options})
    chart = _option_layers(names, words).properties(data=data(_lines(options)))
    return styled(chart, width, height)


def plot_all_options(
    options: Mapping[str, Sequence[Mapping[str, Any]]],
    words: Words | None = None,
    marks: Mapping[str, str] | None = None,
    columns: int = 4,
    width: int = 190,
) -> Chart:
    """Draw the options of many items side by side, small, in the order given."""
    words = words or Words("en")
    names = sorted({str(option["option"]) for row in options.values() for option in row})
    labels = {item: f"{(marks or {}).get(item, '')}{item}" for item in options}
    rows = [{**line, "item": labels[item]} for item, row in options.items() for line in _lines(row)]
    chart = (
        _option_layers(names, words, small=True)
        .properties(width=width, height=round(0.55 * width))
        .facet(
            facet=alt.Facet(
                "item:N",
                sort=list(labels.values()),
                title=None,
                header=alt.Header(labelFontSize=13, labelAnchor="start", labelPadding=4, labelLimit=width),
            ),
            columns=columns,
            data=data(rows),
            spacing={"row": 14, "column": 22},
        )
    )
    return stacked(chart)
