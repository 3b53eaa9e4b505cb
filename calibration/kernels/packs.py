"""Between items and the E-step's table: rows for patterns of several items, and back.

A *pack* is a few items whose joint answers are numbered in mixed radix, first item fastest; the last
digit of an item that somebody lacks stands for "no answer" and adds nothing. One table row then serves
several answers at once (the four Russians' method).
"""

import numpy as np

from cat_engine.compile import jit

__all__ = ["encode", "fill", "unfill"]


@jit(nogil=True)
def encode(low, high, matrix, item, start, radix, missing, offset, out):
    """Write the table rows of persons ``low .. high``.

    Parameters
    ----------
    matrix
        Categories, shape ``(n_persons, n_items)``, negative for none.
    item
        Items of all packs in turn; pack ``p`` holds ``item[start[p] : start[p + 1]]``.
    radix
        Number of digits of each item of `item`.
    missing
        Digit that stands for "no answer" of each item of `item` (unused where everyone answered).
    offset
        First row of each pack.
    out
        Shape ``(n_persons, n_packs)``.
    """
    packs = offset.size
    for i in range(low, high):
        for p in range(packs):
            row = 0
            scale = 1
            for m in range(start[p], start[p + 1]):
                x = np.int64(matrix[i, item[m]])
                row += scale * (x if x >= 0 else missing[m])
                scale *= radix[m]
            out[i, p] = offset[p] + row


@jit(nogil=True)
def fill(table, place, cats, start, radix, offset, flat, nodes, width):
    """Write the E-step's table from log-probabilities.

    Parameters
    ----------
    table
        Shape ``(tiles, n_rows * width)``.
    place
        Position in `flat` of the first category's log-probabilities of each item of the packs.
    cats
        Number of categories of each item of the packs.
    start, radix, offset
        As for `encode`.
    flat
        Log-probabilities, `nodes` numbers a category.
    """
    tiles = table.shape[0]
    total = np.zeros(tiles * width)
    for p in range(offset.size):
        patterns = 1
        for m in range(start[p], start[p + 1]):
            patterns *= radix[m]
        for s in range(patterns):
            for q in range(nodes):
                total[q] = 0.0
            rest = s
            for m in range(start[p], start[p + 1]):
                k = rest % radix[m]
                rest //= radix[m]
                if k < cats[m]:
                    at = place[m] + k * nodes
                    for q in range(nodes):
                        total[q] += flat[at + q]
            at = (offset[p] + s) * width
            for t in range(tiles):
                for q in range(width):
                    table[t, at + q] = total[t * width + q]


@jit(nogil=True)
def unfill(counts, place, cats, start, radix, offset, flat, nodes, width):
    """Add the E-step's counts, shape ``(tiles, n_rows * width)``, to counts a category in `flat`."""
    tiles = counts.shape[0]
    total = np.empty(tiles * width)
    for p in range(offset.size):
        patterns = 1
        for m in range(start[p], start[p + 1]):
            patterns *= radix[m]
        for s in range(patterns):
            at = (offset[p] + s) * width
            for t in range(tiles):
                for q in range(width):
                    total[t * width + q] = counts[t, at + q]
            rest = s
            for m in range(start[p], start[p + 1]):
                k = rest % radix[m]
                rest //= radix[m]
                if k < cats[m]:
                    at_item = place[m] + k * nodes
                    for q in range(nodes):
                        flat[at_item + q] += total[q]
