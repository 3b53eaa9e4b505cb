"""The pictures of the page: what is offered against what is accepted, and an overload second by second."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import altair as alt

from benchmarks.load.exam import Row
from calibration.report.plots.style import BLUE, INK, ORANGE, data, stacked

__all__ = ["ladder", "seconds"]

WIDTH, HEIGHT = 620, 190
KINDS = ("accepted", "refused")
_COLOUR = alt.Color("kind:N", title=None, scale=alt.Scale(domain=KINDS, range=[BLUE, ORANGE]))


def ladder(steps: Sequence[Row], good: float) -> Any:
    """Draw accepted and refused answers a second, and p99, over what was offered.

    Parameters
    ----------
    steps
        In rising order of what was offered.
    good
        Milliseconds that p99 should stay under.
    """
    rates = [{"x": row.offered, "kind": kind, "y": getattr(row, kind)} for row in steps for kind in KINDS]
    most = max(row.offered for row in steps)
    x = alt.X("x:Q", title="answers offered a second", scale=alt.Scale(domain=[0, most], nice=True))
    ideal = alt.Chart(data([{"x": 0, "y": 0}, {"x": most, "y": most}]))
    upper = alt.layer(
        ideal.mark_line(color=INK, strokeDash=[4, 3], strokeWidth=1).encode(x=x, y="y:Q"),
        alt.Chart(data(rates))
        .mark_line(point={"size": 45, "filled": True}, strokeWidth=2)
        .encode(x=x, y=alt.Y("y:Q", title="a second"), color=_COLOUR),
    )
    return _two(upper, [{"x": row.offered, "y": row.p99_ms} for row in steps], x, good)


def seconds(row: Row, good: float) -> Any:
    """Draw an overload second by second."""
    rates = [
        {"x": at, "kind": kind, "y": count}
        for at, (accepted, refused, _) in enumerate(row.second)
        for kind, count in (("accepted", accepted), ("refused", refused))
    ]
    x = alt.X("x:Q", title="second", scale=alt.Scale(nice=False), axis=alt.Axis(tickMinStep=1))
    upper = (
        alt.Chart(data(rates))
        .mark_area(interpolate="step-after", opacity=0.85)
        .encode(x=x, y=alt.Y("y:Q", title="replies a second", stack="zero"), color=_COLOUR, order="kind:N")
    )
    times = [{"x": at, "y": p99} for at, (_, _, p99) in enumerate(row.second) if p99 == p99]
    return _two(upper, times, x, good)


def _two(upper: Any, times: Iterable[Mapping[str, float]], x: alt.X, good: float) -> Any:
    """Put p99 under another panel, with a line at what is good."""
    p99 = alt.layer(
        alt.Chart(data([{"y": good}])).mark_rule(color=INK, strokeDash=[4, 3]).encode(y="y:Q"),
        alt.Chart(data(list(times)))
        .mark_line(point={"size": 45, "filled": True}, strokeWidth=2, color=BLUE)
        .encode(x=x, y=alt.Y("y:Q", title="p99 of accepted (ms)", scale=alt.Scale(zero=True))),
    )
    size = {"width": WIDTH, "height": HEIGHT}
    return stacked(alt.vconcat(upper.properties(**size), p99.properties(**size), spacing=18))
