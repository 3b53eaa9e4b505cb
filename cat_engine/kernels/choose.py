"""The last step of a choice for all active seats: bar what may not be served, apply the rule."""

from typing import NamedTuple

import numpy as np

from cat_engine.compile import jit
from cat_engine.information import to_micro
from cat_engine.kernels.ending import GO_ON
from cat_engine.kernels.measures import information_at
from cat_engine.kernels.pick import LOWEST, bar, pick, walk
from cat_engine.kernels.seats import THETA


class Ranked(NamedTuple):
    """Values of record tabled over theta, with the items of each row from the best downwards.

    low, high
        Theta of the first and the last node; nodes are equally spaced.
    row
        Shape ``(G,)``: the row that serves each node.
    table
        Shape ``(rows, n)``.
    order
        Shape ``(rows, depth)``: the best items of each row.
    """

    low: float
    high: float
    row: np.ndarray
    table: np.ndarray
    order: np.ndarray


@jit
def node_at(low, high, size, theta):
    """Return the number of the node nearest to theta."""
    place = (theta - low) / (high - low) * (size - 1)
    return np.int64(min(max(place + 0.5, 0.0), size - 1.0))


class Bounded(NamedTuple):
    """Bounds of a criterion's value of record around tabled nodes, the items by their upper bound.

    low, high, size
        Theta of the first and the last node, and their number; nodes are equally spaced.
    order
        Shape ``(size, depth)``: positions in the pool.
    upper, lower
        Shape ``(size, depth)``: bounds that hold for any theta nearest to the node.
    whole
        Whether every item of the table is ranked.
    """

    low: float
    high: float
    size: int
    order: np.ndarray
    upper: np.ndarray
    lower: np.ndarray
    whole: bool


@jit(nogil=True)
def choose_by_bounds(
    items_table, row_of, bounded, thetas, masks, rows, group, fits, several, verdict, told, items, worth
):
    """Find the item of greatest exact information, evaluating only those that the bounds leave in doubt.

    `items` and `worth` hold the best of other tables before (-1: none), and the best of all afterwards. Where
    the ranked items are used up, the item is -2; returns how often. Values are evaluated even without doubt
    when `told`.
    """
    width = 2
    for i in range(items_table.n_cat.size):
        width = max(width, items_table.n_cat[i])
    lp = np.empty(width)
    slope = np.empty(width)
    lost = 0
    for a in range(rows.size):
        if verdict[a] != GO_ON:
            continue
        if items[a] == -2:
            lost += 1
            continue
        place = (thetas[a] - bounded.low) / (bounded.high - bounded.low) * (bounded.size - 1)
        outside = place < -0.5 or place > bounded.size - 0.5
        g = np.int64(min(max(place + 0.5, 0.0), bounded.size - 1.0))
        best = items[a]
        top = worth[a] if best >= 0 else np.int64(LOWEST)
        held = np.int64(-1)  # the first candidate, not evaluated yet
        least = np.int64(0)
        done = False
        for r in range(bounded.order.shape[1]):
            i = np.int64(bounded.order[g, r])
            if masks[rows[a], i] == 0 or (several and fits[a, group[i]] == 0):
                continue
            upper = np.int64(bounded.upper[g, r])
            if held < 0 and best < 0:
                held = i
                least = np.int64(bounded.lower[g, r])
                continue
            if held >= 0:
                if least > upper and not outside:
                    done = True
                    break
                top = to_micro(information_at(items_table, row_of[held], thetas[a], lp, slope))
                best = held
                held = -1
            if upper < top and not outside:
                done = True
                break
            value = to_micro(information_at(items_table, row_of[i], thetas[a], lp, slope))
            if value > top or (value == top and i < best):
                top = value
                best = i
        if held >= 0:
            best = held
            if told:
                top = to_micro(information_at(items_table, row_of[held], thetas[a], lp, slope))
        items[a] = best
        worth[a] = top
        if not done and not bounded.whole:
            items[a] = -2
            lost += 1
    return lost


@jit(nogil=True)
def choose_by_value(
    rule,
    number,
    strength,
    keys,
    values,
    masks,
    rows,
    group,
    fits,
    several,
    verdict,
    items,
    worth,
):
    """Choose from computed values, one row an active seat; writes items (-1: none) and their values."""
    work = np.empty(values.shape[1], np.int64)
    scratch = np.empty(values.shape[1])
    for a in range(rows.size):
        if verdict[a] != GO_ON:
            continue
        for i in range(work.size):
            work[i] = values[a, i]
        bar(work, masks[rows[a]], group, fits[a], several)
        items[a] = pick(rule, number, strength, keys[a], work, scratch)
        worth[a] = values[a, items[a]] if items[a] >= 0 else LOWEST


@jit(nogil=True)
def choose_by_rank(
    rule,
    number,
    keys,
    ranked,
    thetas,
    masks,
    rows,
    group,
    fits,
    several,
    verdict,
    items,
    worth,
):
    """Choose from rows ranked beforehand at the node nearest to theta."""
    row, table, order = ranked.row, ranked.table, ranked.order
    low, high = ranked.low, ranked.high
    n = masks.shape[1]
    for a in range(rows.size):
        if verdict[a] != GO_ON:
            continue
        g = row[node_at(low, high, row.size, thetas[a])]
        item = walk(rule, number, keys[a], order, g, masks, rows[a], group, fits, a, several)
        if item < 0 and order.shape[1] < n:  # only the best items are ranked
            work = np.empty(n, np.int64)
            scratch = np.empty(n)
            for i in range(n):
                work[i] = table[g, i]
            bar(work, masks[rows[a]], group, fits[a], several)
            item = pick(rule, number, 0.0, keys[a], work, scratch)
        items[a] = item
        worth[a] = table[g, item] if item >= 0 else LOWEST


@jit(nogil=True)
def most_information(ranked, seats, active, out):
    """Write the greatest information of an item still usable, at the node nearest to theta."""
    row, table, order = ranked.row, ranked.table, ranked.order
    now, usable = seats.now, seats.usable
    for a in range(active.size):
        g = row[node_at(ranked.low, ranked.high, row.size, now[active[a], THETA])]
        out[a] = 0.0
        for r in range(order.shape[1]):
            i = order[g, r]
            if usable[active[a], i] != 0:
                out[a] = table[g, i] * 1e-6
                break


@jit(nogil=True)
def most_exact(values, usable, active, out):
    """Write the greatest of computed information values of an item still usable."""
    for a in range(active.size):
        top = np.int64(0)
        for i in range(values.shape[1]):
            top = max(top, values[a, i] if usable[active[a], i] != 0 else np.int64(0))
        out[a] = top * 1e-6


@jit(nogil=True)
def gather(ranked, thetas, out):
    """Write the tabled values at the node nearest to each theta."""
    row, table = ranked.row, ranked.table
    for a in range(thetas.size):
        g = row[node_at(ranked.low, ranked.high, row.size, thetas[a])]
        for i in range(table.shape[1]):
            out[a, i] = table[g, i]
