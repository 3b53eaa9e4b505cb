"""Posterior spread of the complete-data score: what the missing theta takes away from the information.

For person ``i`` the score of the complete data is ``s_i(q)`` at node ``q``, and its posterior mean is the
person's contribution to the gradient. Louis (1982): observed information = expected complete information
minus the sum over persons of the posterior covariance of ``s_i``.
"""

import numpy as np

from calibration.kernels.expect import posterior
from calibration.kernels.lanes import sum_rows
from cat_engine.compile import jit

__all__ = ["posteriors", "spread_dense", "spread_sparse"]

NEGLIGIBLE = 1e-8
"""Posterior mass below which a node is left out."""


@jit(nogil=True)
def posteriors(low, high, indptr, rows, table, log_weight, out, size):
    """Write posterior weights of persons ``low .. high`` into `out` and the number of nodes that matter.

    `out` has shape ``(n_persons, tiles * W)``, `size` ``(n_persons,)``.
    """
    tiles = table.shape[0]
    width = log_weight.size // tiles
    for i in range(low, high):
        line = out[i]
        for t in range(tiles):
            sum_rows(table[t], rows, indptr[i], indptr[i + 1], line, t * width)
        posterior(line, log_weight, 1.0)
        size[i] = 0
        for q in range(line.size):
            if line[q] > NEGLIGIBLE:
                size[i] += 1


@jit(nogil=True)
def _scores(i, item, category, indptr, base, column, width, slopes, latent, line, out, mean):
    """Write the person's score at each node that matters as a row of `out`, and its posterior mean."""
    mean[:] = 0.0
    own = out.shape[1] - latent.shape[0]
    a = 0
    for q in range(slopes.shape[1]):
        weight = line[q]
        if weight > NEGLIGIBLE:
            row = out[a]
            for k in range(indptr[i], indptr[i + 1]):
                j = item[k]
                source = slopes[base[j] + category[k], q]
                for p in range(width[j]):
                    row[column[j] + p] = source[p]
            for p in range(latent.shape[0]):
                row[own + p] = latent[p, q]
            for c in range(row.size):
                mean[c] += weight * row[c]
            a += 1


@jit(nogil=True)
def _centre(line, out, mean, nodes, scale):
    a = 0
    for q in range(nodes):
        if line[q] > NEGLIGIBLE:
            row = out[a]
            root = np.float32(np.sqrt(line[q] * scale))
            for c in range(row.size):
                row[c] = root * (row[c] - mean[c])
            a += 1


@jit(nogil=True)
def spread_dense(
    low,
    high,
    first,
    indptr,
    item,
    category,
    base,
    column,
    width,
    slopes,
    latent,
    lines,
    at,
    weight,
    out,
    means,
):
    """Write the scaled, centred scores of persons ``first + low .. first + high`` as rows of `out`.

    The sum of their outer products is the persons' posterior covariance of the score.

    Parameters
    ----------
    indptr, item, category
        Answers of each person.
    base
        Row of `slopes` of each item's first category.
    column
        First column of each item's working parameters, `width` of which count.
    slopes
        Derivatives of log-probabilities, shape ``(categories, Q, P)``.
    latent
        Derivatives of the log prior weights, shape ``(n_latent, Q)``; the last columns.
    lines, weight
        Posterior weights and sampling weight of each person.
    at
        Rows of `out` of the persons from `first` on: ``at[m] .. at[m + 1]``.
    means
        Posterior mean of the score, a row a person from `first` on.
    """
    for m in range(low, high):
        i = first + m
        part = out[at[m] : at[m + 1]]
        part[:] = 0.0
        _scores(i, item, category, indptr, base, column, width, slopes, latent, lines[i], part, means[m])
        _centre(lines[i], part, means[m], slopes.shape[1], weight[i])


@jit(nogil=True, fastmath={"reassoc", "contract"})
def _dot(x, y, size):
    total = np.float32(0.0)
    for a in range(size):
        total += x[a] * y[a]
    return total


@jit(nogil=True)
def spread_sparse(
    low,
    high,
    bounds,
    indptr,
    item,
    category,
    base,
    column,
    width,
    slopes,
    latent,
    table,
    log_weight,
    rows,
    start,
    weight,
    covariance,
    meat,
):
    """Add the posterior covariances of the chunks ``low .. high`` of persons who answered few items.

    Results a chunk: `covariance` and `meat` (outer products of the mean scores, weights squared), shape
    ``(chunks, C, C)``, lower triangles.
    """  # fmt: skip
    tiles = table.shape[0]
    nodes = slopes.shape[1]
    line = np.zeros(log_weight.size, table.dtype)
    for c in range(low, high):
        for i in range(bounds[c], bounds[c + 1]):
            for t in range(tiles):
                sum_rows(table[t], rows, start[i], start[i + 1], line, t * (line.size // tiles))
            posterior(line, log_weight, 1.0)
            size = 0
            for q in range(nodes):
                if line[q] > NEGLIGIBLE:
                    size += 1
            wide = latent.shape[0]
            for k in range(indptr[i], indptr[i + 1]):
                wide += width[item[k]]
            values = np.empty((wide, size), np.float32)
            places = np.empty(wide, np.int64)
            means = np.empty(wide)
            n = 0
            for k in range(indptr[i], indptr[i + 1]):
                j = item[k]
                for p in range(width[j]):
                    places[n] = column[j] + p
                    a = 0
                    mean = 0.0
                    for q in range(nodes):
                        if line[q] > NEGLIGIBLE:
                            values[n, a] = slopes[base[j] + category[k], q, p]
                            mean += line[q] * values[n, a]
                            a += 1
                    means[n] = mean
                    n += 1
            for p in range(latent.shape[0]):
                places[n] = covariance.shape[1] - latent.shape[0] + p
                a = 0
                mean = 0.0
                for q in range(nodes):
                    if line[q] > NEGLIGIBLE:
                        values[n, a] = latent[p, q]
                        mean += line[q] * values[n, a]
                        a += 1
                means[n] = mean
                n += 1
            a = 0
            for q in range(nodes):
                if line[q] > NEGLIGIBLE:
                    root = np.float32(np.sqrt(line[q] * weight[i]))
                    for n in range(wide):
                        values[n, a] = root * (values[n, a] - np.float32(means[n]))
                    a += 1
            for n in range(wide):
                for m in range(n + 1):
                    high_place = max(places[n], places[m])
                    low_place = min(places[n], places[m])
                    covariance[c, high_place, low_place] += _dot(values[n], values[m], size)
                    meat[c, high_place, low_place] += weight[i] * weight[i] * means[n] * means[m]
