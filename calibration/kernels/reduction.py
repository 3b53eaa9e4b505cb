"""The E-step over a grid of general and specific nodes: bifactor models by dimension reduction.

Given the general dimension the specific ones are independent, so that a person's likelihood is

    sum_g W_g prod_s sum_u w_u prod_{j in s} P_j(x_j | g, u)            (Gibbons & Hedeker, 1992, eq. 11)

and costs what two dimensions cost, however many specific ones there are (Cai, Yang & Hansen, 2011). With a
single node u it is the plain sum over a grid, in any number of dimensions.
"""

import numpy as np

from cat_engine.arithmetic import exp
from cat_engine.compile import jit

__all__ = ["expect_reduced", "spread_reduced"]

NEGLIGIBLE = 1e-11
"""Posterior mass below which a node is left out of the spread."""

LEAST = 1e-14
"""And below which a general node is left out of the counts."""


@jit(nogil=True)
def _posterior(rows, i, start, table, log_general, specific, line, general):
    """Write the posterior of the general nodes, and of (g, u) in each set; return the log-likelihood.

    `line` has shape ``(S, G * U)``. Packs ``start[s] .. start[s + 1]`` hold the items of the specific s.
    """
    sets = start.size - 1
    width = specific.size
    for g in range(general.size):
        general[g] = log_general[g]
    for s in range(sets):
        line[s, :] = 0.0
        for p in range(start[s], start[s + 1]):
            row = table[rows[i, p]]
            for q in range(row.size):
                line[s, q] += row[q]
        if width == 1:
            for g in range(general.size):
                general[g] += line[s, g]
            continue
        for g in range(general.size):
            part = line[s, g * width : (g + 1) * width]
            top = part[0]
            for u in range(1, width):
                top = max(top, part[u])
            total = 0.0
            for u in range(width):
                part[u] = exp(part[u] - top) * specific[u]
            for u in range(width):
                total += part[u]
            general[g] += top + np.log(total)
            for u in range(width):
                part[u] /= total
    top = general[0]
    for g in range(1, general.size):
        top = max(top, general[g])
    total = 0.0
    for g in range(general.size):
        general[g] = exp(general[g] - top)
    for g in range(general.size):
        total += general[g]
    for g in range(general.size):
        general[g] /= total
    for s in range(sets):
        for g in range(general.size):
            share = general[g] if general[g] > LEAST else 0.0
            for u in range(width):
                q = g * width + u
                line[s, q] = share if width == 1 else line[s, q] * share
    return top + np.log(total)


@jit(nogil=True)
def expect_reduced(
    low, high, bounds, rows, weight, start, table, log_general, specific, counts, mass, loglik
):  # fmt: skip
    """Do the E-step for the chunks ``low .. high`` of persons.

    Parameters
    ----------
    bounds, rows, weight
        Chunks of persons; each person's table rows, ``(N, packs)``; their weights.
    start
        First pack of each set of items that share a specific dimension.
    table
        Log-probabilities of the packs' patterns, ``(n_rows, G * U)``, specific nodes fastest.
    log_general, specific
        Log weights of the general nodes and weights of the specific ones, ``(G,)`` and ``(U,)``.
    counts, mass, loglik
        Results a chunk: shapes ``(chunks, n_rows, G * U)``, ``(chunks, G)`` and ``(chunks,)``.
    """
    line = np.empty((start.size - 1, table.shape[1]))
    general = np.empty(log_general.size)
    for c in range(low, high):
        for i in range(bounds[c], bounds[c + 1]):
            value = _posterior(rows, i, start, table, log_general, specific, line, general)
            loglik[c] += weight[i] * value
            for g in range(general.size):
                mass[c, g] += weight[i] * general[g]
            for s in range(start.size - 1):
                for p in range(start[s], start[s + 1]):
                    row = counts[c, rows[i, p]]
                    for q in range(row.size):
                        row[q] += weight[i] * line[s, q]


@jit(nogil=True)
def spread_reduced(
    low, high, bounds, rows, weight, start, table, log_general, specific, indptr, item, category, place,
    item_set, first, wide, slopes, covariance,
):  # fmt: skip
    """Add the posterior covariance of the persons' scores (Louis, 1982) for the chunks ``low .. high``.

    Parameters
    ----------
    indptr, item, category
        Answers of each person.
    place, item_set, first, wide
        First category, set, first column and number of columns of each item.
    slopes
        Derivatives of the log-probabilities of each category, ``(categories, G * U, P)``.
    covariance
        Result a chunk, ``(chunks, columns, columns)``, lower triangle.
    """
    sets, width, size = start.size - 1, specific.size, log_general.size
    columns = covariance.shape[1]
    line = np.empty((sets, table.shape[1]))
    general = np.empty(size)
    column_of = np.empty(columns, np.int64)
    ends = np.empty(sets + 1, np.int64)
    score = np.empty(columns)
    given = np.empty((size, columns))
    whole = np.empty(columns)
    both = np.empty((columns, columns))
    for c in range(low, high):
        for i in range(bounds[c], bounds[c + 1]):
            _posterior(rows, i, start, table, log_general, specific, line, general)
            n = 0
            for s in range(sets):
                ends[s] = n
                for a in range(indptr[i], indptr[i + 1]):
                    if item_set[item[a]] == s:
                        for p in range(wide[item[a]]):
                            column_of[n] = first[item[a]] + p
                            n += 1
            ends[sets] = n
            both[:n, :n] = 0.0
            given[:, :n] = 0.0
            for g in range(size):
                if general[g] <= NEGLIGIBLE:
                    continue
                for s in range(sets):
                    for u in range(width):
                        q = g * width + u
                        share = line[s, q]
                        if share <= NEGLIGIBLE * 0.01:
                            continue
                        n = ends[s]
                        for a in range(indptr[i], indptr[i + 1]):
                            j = item[a]
                            if item_set[j] == s:
                                for p in range(wide[j]):
                                    score[n] = slopes[place[j] + category[a], q, p]
                                    n += 1
                        for x in range(ends[s], n):
                            scaled = share * score[x]
                            given[g, x] += scaled
                            for y in range(ends[s], x + 1):
                                both[x, y] += scaled * score[y]
            n = ends[sets]
            whole[:n] = 0.0
            for g in range(size):
                for x in range(n):
                    whole[x] += given[g, x]
            for s in range(1, sets):  # sets are independent given g
                for g in range(size):
                    if general[g] > NEGLIGIBLE:
                        for x in range(ends[s], ends[s + 1]):
                            scaled = given[g, x] / general[g]
                            for y in range(ends[s]):
                                both[x, y] += scaled * given[g, y]
            for x in range(n):
                for y in range(x + 1):
                    high_column = max(column_of[x], column_of[y])
                    low_column = min(column_of[x], column_of[y])
                    value = weight[i] * (both[x, y] - whole[x] * whole[y])
                    covariance[c, high_column, low_column] += value
