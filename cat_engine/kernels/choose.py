"""The last step of a choice for all active seats: bar what may not be served, apply the rule."""

from typing import NamedTuple

import numpy as np

from cat_engine.compile import jit
from cat_engine.kernels.ending import GO_ON
from cat_engine.kernels.pick import LOWEST, bar, pick, walk


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
def row_at(ranked, theta):
    """Return the row that serves the node nearest to theta."""
    last = ranked.row.size - 1
    place = (theta - ranked.low) / (ranked.high - ranked.low) * last
    return ranked.row[np.int64(min(max(place + 0.5, 0.0), np.float64(last)))]


@jit
def choose_by_value(
    rule,
    number,
    strength,
    control,
    keys,
    values,
    masks,
    rows,
    group,
    fits,
    several,
    verdict,
    work,
    scratch,
    items,
    worth,
):
    """Choose from computed values, one row an active seat; writes items (-1: none) and their values."""
    for a in range(rows.size):
        if verdict[a] != GO_ON:
            continue
        for i in range(work.size):
            work[i] = values[a, i]
        bar(work, masks[rows[a]], group, fits[a], several)
        items[a] = pick(rule, number, strength, control, keys[a], work, scratch)
        worth[a] = values[a, items[a]] if items[a] >= 0 else LOWEST


@jit
def choose_by_rank(
    rule,
    number,
    control,
    keys,
    ranked,
    thetas,
    masks,
    rows,
    group,
    fits,
    several,
    verdict,
    work,
    scratch,
    items,
    worth,
):
    """Choose from rows ranked beforehand at the node nearest to theta."""
    table = ranked.table
    order = ranked.order
    for a in range(rows.size):
        if verdict[a] != GO_ON:
            continue
        g = row_at(ranked, thetas[a])
        usable = masks[rows[a]]
        item = walk(rule, number, control, keys[a], order[g], usable, group, fits[a], several)
        if item < 0 and order.shape[1] < usable.size:  # only the best items are ranked
            for i in range(usable.size):
                work[i] = table[g, i]
            bar(work, usable, group, fits[a], several)
            item = pick(rule, number, 0.0, control, keys[a], work, scratch)
        items[a] = item
        worth[a] = table[g, item] if item >= 0 else LOWEST


@jit
def most_information(ranked, thetas, usable, active, out):
    """Write the greatest information of an item still usable, at the node nearest to theta."""
    for a in range(active.size):
        g = row_at(ranked, thetas[a])
        out[a] = 0.0
        for r in range(ranked.order.shape[1]):
            i = ranked.order[g, r]
            if usable[active[a], i] != 0:
                out[a] = ranked.table[g, i] * 1e-6
                break


@jit
def most_exact(values, usable, active, out):
    """Write the greatest of computed information values of an item still usable."""
    for a in range(active.size):
        top = np.int64(0)
        for i in range(values.shape[1]):
            top = max(top, values[a, i] if usable[active[a], i] != 0 else np.int64(0))
        out[a] = top * 1e-6


@jit
def gather(ranked, thetas, out):
    """Write the tabled values at the node nearest to each theta."""
    for a in range(thetas.size):
        row = ranked.table[row_at(ranked, thetas[a])]
        for i in range(row.size):
            out[a, i] = row[i]
