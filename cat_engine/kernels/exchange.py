"""Whole tests by exchange: one item out, one in, either or both, until all bounds hold and no worth is added.

Amounts and bounds are whole numbers of millionths, so that whether a test meets them is beyond doubt.
"""

from typing import NamedTuple

import numpy as np

from cat_engine.compile import jit


class Rows(NamedTuple):
    """What binds a test, column by column (int64).

    start, row, amount
        Column `j` adds ``amount[p]`` to ``row[p]`` for p in ``start[j] .. start[j + 1] - 1``.
    low, high
        Shape ``(rows,)``: bounds of each row's sum.
    unit
        Shape ``(rows,)``, float: the greatest amount in each row.
    """

    start: np.ndarray
    row: np.ndarray
    amount: np.ndarray
    low: np.ndarray
    high: np.ndarray
    unit: np.ndarray


_MOVES = 20
"""Exchanges after which a test that keeps breaking bounds is given up."""

_NOTHING = 1e-12
"""Below any breach: amounts and bounds are whole."""


@jit
def breach(rows, r, total):
    """How far a row's sum is outside its bounds, in units of the greatest amount in it."""
    over = max(rows.low[r] - total, total - rows.high[r])
    return over / rows.unit[r] if over > 0 else 0.0


@jit
def shift(rows, column, times, sums, breaches):
    """Add a column (-1: none) `times` 1 or -1 to the sums; return by how much more they break bounds."""
    more = 0.0
    if column >= 0:
        for p in range(rows.start[column], rows.start[column + 1]):
            r = rows.row[p]
            sums[r] += times * rows.amount[p]
            now = breach(rows, r, sums[r])
            more += now - breaches[r]
            breaches[r] = now
    return more


@jit
def add_up(rows, chosen, sums, breaches):
    """Write the sums of the chosen columns, and by how much each breaks its bounds."""
    sums[:] = 0
    for j in range(chosen.size):
        if chosen[j]:
            for p in range(rows.start[j], rows.start[j + 1]):
                sums[rows.row[p]] += rows.amount[p]
    for r in range(sums.size):
        breaches[r] = breach(rows, r, sums[r])


@jit
def exchange(rows, out, enter, chosen, sums, breaches):
    """Take column `out` from the chosen ones and `enter` into them."""
    shift(rows, out, -1, sums, breaches)
    shift(rows, enter, 1, sums, breaches)
    if out >= 0:
        chosen[out] = 0
    if enter >= 0:
        chosen[enter] = 1


@jit(nogil=True)
def meets(rows, chosen):
    """Whether the chosen columns keep every bound."""
    sums = np.empty(rows.low.size, np.int64)
    breaches = np.empty(rows.low.size)
    add_up(rows, chosen, sums, breaches)
    return breaches.max() == 0.0


@jit(nogil=True)
def mend(rows, worth, free, order, chosen):
    """Exchange columns of `chosen` (in place) for those that break bounds least; return whether none breaks.

    Among equals the exchange that adds most worth is taken. Arguments are those of `improve`.
    """
    sums = np.empty(rows.low.size, np.int64)
    breaches = np.empty(rows.low.size)
    add_up(rows, chosen, sums, breaches)
    for _ in range(_MOVES):
        if breaches.max() == 0.0:
            return True
        least = -_NOTHING
        gain = np.int64(0)
        out = np.int64(-1)
        enter = np.int64(-1)
        for leaving in range(-1, chosen.size):  # -1: none leaves
            if leaving >= 0 and not (chosen[leaving] and free[leaving]):
                continue
            loss = worth[leaving] if leaving >= 0 else np.int64(0)
            before = shift(rows, leaving, -1, sums, breaches)
            if leaving >= 0 and (before < least or (before == least and -loss > gain)):
                least, gain, out, enter = before, -loss, leaving, np.int64(-1)
            for coming in order:
                if not chosen[coming]:
                    more = before + shift(rows, coming, 1, sums, breaches)
                    shift(rows, coming, -1, sums, breaches)
                    if more < least or (more == least and worth[coming] - loss > gain):
                        least, gain, out, enter = more, worth[coming] - loss, leaving, coming
            shift(rows, leaving, 1, sums, breaches)
        if out < 0 and enter < 0:
            return False
        exchange(rows, out, enter, chosen, sums, breaches)
    return breaches.max() == 0.0


@jit(nogil=True)
def improve(rows, worth, free, order, chosen):
    """Exchange columns of `chosen` (in place) for those that add most, until no exchange adds worth.

    Parameters
    ----------
    worth
        Whole numbers.
    free
        Columns that may leave.
    order
        Columns that may enter, in descending order of worth.
    chosen
        A choice that keeps every bound; it still does afterwards.
    """
    sums = np.empty(rows.low.size, np.int64)
    breaches = np.empty(rows.low.size)
    add_up(rows, chosen, sums, breaches)
    while True:
        most = np.int64(0)
        out = np.int64(-1)
        enter = np.int64(-1)
        for leaving in range(-1, chosen.size):  # -1: none leaves
            if leaving >= 0 and not (chosen[leaving] and free[leaving]):
                continue
            loss = worth[leaving] if leaving >= 0 else np.int64(0)
            before = shift(rows, leaving, -1, sums, breaches)
            if leaving >= 0 and -loss > most and before < _NOTHING:
                most, out, enter = -loss, leaving, np.int64(-1)
            for coming in order:
                if worth[coming] - loss <= most:
                    break
                if not chosen[coming]:
                    more = before + shift(rows, coming, 1, sums, breaches)
                    shift(rows, coming, -1, sums, breaches)
                    if more < _NOTHING:
                        most, out, enter = worth[coming] - loss, leaving, coming
                        break
            shift(rows, leaving, 1, sums, breaches)
        if most == 0:
            return
        exchange(rows, out, enter, chosen, sums, breaches)
