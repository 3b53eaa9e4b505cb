"""Charts of the console as places in a drawing: columns side by side, a scale, a line that marks a target."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Bin", "Chart", "Column", "bins", "chart"]

_TOP, _BOTTOM, _LEFT, _RIGHT = 14.0, 30.0, 46.0, 8.0
_HEIGHT = 220.0
_WIDEST = 64.0


@dataclass(frozen=True, slots=True)
class Bin:
    """How many values lie from `low` up to `high`."""

    low: float
    high: float
    n: int


def bins(values: Sequence[float], step: float) -> list[Bin]:
    """Return the histogram of values, its edges multiples of `step`, without a gap between its ends."""
    if not values:
        return []
    places = [math.floor(round(value / step, 9)) for value in values]
    first, last = min(places), max(places)
    return [Bin(k * step, (k + 1) * step, places.count(k)) for k in range(first, last + 1)]


@dataclass(frozen=True, slots=True)
class Column:
    """One column, in the drawing's units."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Chart:
    """Columns over a base line.

    Attributes
    ----------
    ticks
        Where the scale is marked: y, and the value.
    labels
        Where what stands below is written: x, its anchor, the text.
    across, down
        y of a line across and x of a line down; None without.
    """

    width: float
    height: float
    left: float
    right: float
    base: float
    columns: tuple[Column, ...]
    ticks: tuple[tuple[float, float], ...]
    labels: tuple[tuple[float, str, str], ...]
    across: float | None
    down: float | None


def chart(
    width: int,
    values: Sequence[float],
    labels: Sequence[str] = (),
    across: float | None = None,
    down: float | None = None,
) -> Chart:
    """Return the chart of `values`, all at least 0, `width` units wide.

    Parameters
    ----------
    labels
        Of the columns; where they would touch some are left out.
    across
        A value to be marked by a line.
    down
        A place to be marked by one, counted in columns from the left.
    """
    step = _step(max((*values, across or 0.0)))
    highest = step * max(1, math.ceil(round(max((*values, across or 0.0)) / step, 9)))
    base, right = _HEIGHT - _BOTTOM, width - _RIGHT
    each = min((right - _LEFT) / max(len(values), 1), _WIDEST)
    gap = min(2.0, each / 5)

    def level(value: float) -> float:
        return round(base - (base - _TOP) * value / highest, 1)

    drawn = tuple(
        Column(
            round(_LEFT + k * each + gap / 2, 2),
            level(value),
            round(each - gap, 2),
            round(base - level(value), 1),
        )
        for k, value in enumerate(values)
    )
    every = max(1, math.ceil(9.0 * max(map(len, labels), default=1) / each))
    return Chart(
        width,
        _HEIGHT,
        _LEFT,
        right,
        base,
        drawn,
        tuple((level(k * step), k * step) for k in range(round(highest / step) + 1)),
        tuple(
            (round(_LEFT + (k + 0.5) * each, 1), "middle", text)
            for k, text in enumerate(labels)
            if k % every == 0
        ),
        None if across is None else level(across),
        None if down is None else round(_LEFT + min(max(down, 0.0), len(values)) * each, 1),
    )


def _step(highest: float) -> float:
    """Return 1, 2 or 5 times a power of ten, of which `highest` has at most five."""
    if highest <= 0:
        return 1.0
    power: float = 10.0 ** math.floor(math.log10(highest / 5))
    return next(power * n for n in (1, 2, 5, 10) if highest <= 5 * power * n * (1 + 1e-9))
