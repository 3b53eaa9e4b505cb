"""How plots look: colours, type, and drawing without a browser."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

__all__ = ["Chart", "data", "stacked", "styled", "svg"]

INK, GREY, LIGHT = "#1f2933", "#7b8794", "#d9dee4"
BLUE, ORANGE, RED, GREEN = "#1f6fb2", "#c46210", "#b3261e", "#2e7d5b"
CATEGORIES = ["#7b8794", "#1f6fb2", "#c46210", "#2e7d5b", "#7a4fa3", "#a33b5c", "#5a6b1e", "#00707a"]
"""Colours that stay apart for colour-blind readers and on grey printers, in this order."""

DECISIONS = {"keep": GREEN, "watch": ORANGE, "drop": RED}
CLASSES = {"A": GREY, "B": ORANGE, "C": RED, "": LIGHT}

FONT = "Liberation Sans, Arial, Helvetica, sans-serif"

Chart = Any


def data(rows: Sequence[Mapping[str, Any]]) -> alt.InlineData:
    """Return rows as a chart's data, inside the chart (as text: Altair copies objects again and again)."""
    text = json.dumps([dict(row) for row in rows], ensure_ascii=False)
    return alt.InlineData(values=text, format=alt.JsonDataFormat(type="json"))


_AXIS = {
    "labelFontSize": 12,
    "titleFontSize": 13,
    "titleFontWeight": "normal",
    "labelColor": INK,
    "titleColor": INK,
    "gridColor": "#edf0f3",
    "domainColor": GREY,
    "tickColor": GREY,
    "labelOverlap": True,
}
_LEGEND = {"labelFontSize": 12, "titleFontSize": 12, "labelColor": INK, "titleColor": INK, "symbolSize": 90}


def stacked(chart: Chart) -> Chart:
    """Give a chart of several parts the house's look; each part has its own size."""
    return (
        chart.properties(background="transparent")
        .configure(font=FONT, padding=4, aria=False)
        .configure_view(stroke=None)
        .configure_axis(**_AXIS)
        .configure_legend(**_LEGEND)
    )


def styled(chart: Chart, width: int, height: int) -> Chart:
    """Give a chart the house's look and a size in pixels."""
    return stacked(chart.properties(width=width, height=height))


def svg(chart: Chart, language: str = "en") -> str:
    """Draw a chart as SVG, with the decimal sign of the language."""
    import vl_convert

    french = language == "fr"
    return str(
        vl_convert.vegalite_to_svg(
            chart.to_dict(), format_locale="fr-FR" if french else "en-US", allowed_base_urls=[]
        )
    )
