"""Posterior spread of the complete-data score: what the missing theta takes away from the information.

For person ``i`` the score of the complete data is ``s_i(q)`` at node ``q``, and its posterior mean is the
person's contribution to the gradient. Louis (1982): observed information = expected complete information
minus the sum over persons of the posterior covariance of ``s_i``.

The posterior is narrow and the score smooth in theta, so its covariance has few dimensions: expanded in
polynomials that are orthonormal under the posterior, ``s_i = sum_r c_ir pi_r``, it is the sum of
``c_ir c_ir'`` over ``r > 0``. Terms are added until what they leave out is below `RESIDUE` of the variance.
"""

import numpy as np

from calibration.kernels.expect import posterior
from calibration.kernels.lanes import sum_rows
from cat_engine.compile import jit

__all__ = ["TERMS", "spread_dense", "spread_sparse"]

NEGLIGIBLE = 1e-8
"""Posterior mass below which a node is left out."""

TERMS = 24
"""Most terms of the expansion."""

RESIDUE = 1e-6

ROOM = 8192
PERSONS = 2048
"""Terms and persons held before they are added to a large matrix, block of rows by block of rows."""

BLOCK = 64
"""Rows of that matrix written to at a time."""

BATCH = 1024
"""Rows whose outer products are added up in single precision before they join the sum in double."""


@jit(nogil=True, forceinline=True)
def _posterior_nodes(i, indptr, rows, table, log_weight, line, mass):
    """Write the posterior mass of the nodes that matter to a person; return the first and their number."""
    tiles = table.shape[0]
    width = log_weight.size // tiles
    for t in range(tiles):
        sum_rows(table[t], rows, indptr[i], indptr[i + 1], line, t * width)
    posterior(line, log_weight, 1.0)
    first = 0
    while line[first] <= NEGLIGIBLE:
        first += 1
    last = line.size - 1
    while line[last] <= NEGLIGIBLE:
        last -= 1
    size = last + 1 - first
    total = 0.0
    for a in range(size):
        mass[a] = line[first + a]
        total += mass[a]
    for a in range(size):
        mass[a] /= total
    return first, size


@jit(nogil=True, forceinline=True, fastmath={"reassoc", "contract"})
def _next_polynomial(size, mass, current, before):
    """Replace the orthonormal polynomial `current` by the next one (Stieltjes); False when none is left.

    The variable is the number of the node.
    """
    centre = 0.0
    back = 0.0
    for a in range(size):
        centre += mass[a] * a * current[a] * current[a]
        back += mass[a] * a * current[a] * before[a]
    norm = 0.0
    for a in range(size):
        value = (a - centre) * current[a] - back * before[a]
        before[a] = current[a]
        current[a] = value
        norm += mass[a] * value * value
    if norm < 1e-20:
        return False
    root = 1.0 / np.sqrt(norm)
    for a in range(size):
        current[a] *= root
    return True


@jit(nogil=True, forceinline=True, fastmath={"reassoc", "contract"})
def _add_scaled(factor, source, target, size):
    for c in range(size):
        target[c] += factor * source[c]


@jit(nogil=True, forceinline=True, fastmath={"reassoc", "contract"})
def _square(x, size):
    total = np.float32(0.0)
    for c in range(size):
        total += x[c] * x[c]
    return total


@jit(nogil=True, forceinline=True, fastmath={"reassoc", "contract"})
def _centre(x, mean, size):
    """Subtract the mean and return the sum of squares of what is left."""
    total = np.float32(0.0)
    for c in range(size):
        x[c] -= mean[c]
        total += x[c] * x[c]
    return total


@jit(nogil=True, forceinline=True, fastmath={"reassoc", "contract"})
def _four(x0, x1, x2, x3, r0, r1, r2, r3, target, size):
    for c in range(size):
        target[c] += (x0 * r0[c] + x1 * r1[c]) + (x2 * r2[c] + x3 * r3[c])


@jit(nogil=True, forceinline=True)
def _combine(factor, scores, size, target, width):
    """Write ``factor[:size] @ scores[:size]`` to `target`; rows of `scores` up to whole fours are zero."""
    target[:width] = 0.0
    for a in range(0, size, 4):
        _four(
            factor[a], factor[a + 1], factor[a + 2], factor[a + 3],
            scores[a], scores[a + 1], scores[a + 2], scores[a + 3], target, width,
        )  # fmt: skip


@jit(nogil=True, forceinline=True)
def _expand(size, width, mass, scores, scale, before, current, factor, mean, out):
    """Write the expansion's terms, scaled, to rows of `out` and the mean to `mean`; return their number.

    `scores` holds the score at each node that matters, a row a node, and is centred here.
    """
    for a in range(size):
        factor[a] = np.float32(mass[a])
    for a in range(size, size + 3):
        factor[a] = np.float32(0.0)
        scores[a, :width] = 0.0
    _combine(factor, scores, size, mean, width)
    whole = 0.0
    for a in range(size):
        whole += mass[a] * _centre(scores[a], mean, width)
    before[:size] = 0.0
    current[:size] = 1.0
    terms = 0
    left = whole
    while terms < min(size - 1, out.shape[0]) and left > RESIDUE * whole:
        if not _next_polynomial(size, mass, current, before):
            break
        for a in range(size):
            factor[a] = np.float32(mass[a] * current[a] * scale)
        row = out[terms]
        _combine(factor, scores, size, row, width)
        left -= _square(row, width) / (scale * scale)
        terms += 1
    return terms


@jit(nogil=True)
def _write_scores(slopes, scores, first, width, size):
    """Copy an item's slopes at the nodes that matter to its columns."""
    if width == 1:
        for a in range(size):
            scores[a, first] = slopes[a, 0]
        return
    if width == 2:
        for a in range(size):
            scores[a, first] = slopes[a, 0]
            scores[a, first + 1] = slopes[a, 1]
        return
    for a in range(size):
        for p in range(width):
            scores[a, first + p] = slopes[a, p]


@jit(nogil=True, forceinline=True)
def _outer(rows, count, part, out):
    """Add the lower triangle of ``rows[:count]' rows[:count]`` to `out`; `part` is scratch.

    Our own and not BLAS: its threads and ours would wait for each other.
    """
    width = part.shape[0]
    for r in range(count, count + 3):  # whole fours: the caller leaves room
        rows[r] = 0.0
    part[:] = 0.0
    for r in range(0, count, 4):
        r0, r1, r2, r3 = rows[r], rows[r + 1], rows[r + 2], rows[r + 3]
        for c in range(width):
            _four(r0[c], r1[c], r2[c], r3[c], r0, r1, r2, r3, part[c], c + 1)
    for c in range(width):
        for d in range(c + 1):
            out[c, d] += part[c, d]


@jit(nogil=True)
def spread_dense(
    low,
    high,
    bounds,
    indptr,
    rows,
    table,
    log_weight,
    weight,
    start,
    item,
    category,
    base,
    column,
    width,
    slopes,
    latent,
    covariance,
    meat,
):
    """Add up the posterior covariance of the score, for the chunks ``low .. high`` of persons.

    Results a chunk: `covariance` and `meat` (outer products of the weighted mean scores; size 0 when not
    wanted), shape ``(chunks, C, C)``, lower triangles.

    Parameters
    ----------
    bounds
        Persons ``bounds[c] .. bounds[c + 1]`` are chunk ``c``.
    indptr, rows, table, log_weight, weight
        As for the E-step.
    start, item, category
        Answers of each person: ``start[i] .. start[i + 1]``.
    base
        Row of `slopes` of each item's first category.
    column
        First column of each item's working parameters, `width` of which count.
    slopes
        Derivatives of log-probabilities, shape ``(categories, Q, P)``.
    latent
        Derivatives of the log prior weights, shape ``(n_latent, Q)``; the last columns.
    """  # fmt: skip
    nodes = slopes.shape[1]
    size_c = covariance.shape[2]
    own = size_c - latent.shape[0]
    line = np.zeros(log_weight.size, table.dtype)
    mass = np.empty(nodes)
    before = np.empty(nodes)
    current = np.empty(nodes)
    factor = np.empty(nodes + 3, np.float32)
    scores = np.empty((nodes + 3, size_c), np.float32)
    terms = np.empty((BATCH + TERMS + 4, size_c), np.float32)
    means = np.empty((BATCH + 4, size_c), np.float32)
    part = np.empty((size_c, size_c), np.float32)
    for c in range(low, high):
        at = 0
        last = 0
        for i in range(bounds[c], bounds[c + 1]):
            low_node, size = _posterior_nodes(i, indptr, rows, table, log_weight, line, mass)
            scores[:size] = 0.0
            for k in range(start[i], start[i + 1]):
                j = item[k]
                _write_scores(slopes[base[j] + category[k], low_node:], scores, column[j], width[j], size)
            for p in range(latent.shape[0]):
                for a in range(size):
                    scores[a, own + p] = latent[p, low_node + a]
            mean = means[last]
            scale = np.sqrt(weight[i])
            room = terms[at : at + TERMS]
            at += _expand(size, size_c, mass, scores, scale, before, current, factor, mean, room)
            for p in range(size_c):
                mean[p] *= np.float32(weight[i])
            last += 1
            if at >= BATCH or i + 1 == bounds[c + 1]:
                _outer(terms, at, part, covariance[c])
                at = 0
            if last == BATCH or i + 1 == bounds[c + 1]:
                if meat.size > 0:
                    _outer(means, last, part, meat[c])
                last = 0


@jit(nogil=True, forceinline=True)
def _scatter(persons, place, wide, at, rows, product, out):
    """Add the outer products of every person's rows to the lower triangle of `out`.

    Block of rows by block of rows, so that what is written to stays in cache: at random places of the
    whole matrix each sum would wait for memory. ``place[i]`` ascends.
    """
    done = np.zeros(persons, np.int64)
    for edge in range(BLOCK, out.shape[0] + BLOCK, BLOCK):
        for i in range(persons):
            n = done[i]
            while n < wide[i] and place[i, n] < edge:
                product[: n + 1] = 0.0
                for r in range(at[i], at[i + 1]):
                    _add_scaled(rows[r, n], rows[r], product, n + 1)
                target = out[place[i, n]]
                for m in range(n + 1):
                    target[place[i, m]] += product[m]
                n += 1
            done[i] = n


@jit(nogil=True)
def _sorted_answers(i, start, item, column, order):
    """Write the person's answers in order of their items' columns to `order`; return how many."""
    size = start[i + 1] - start[i]
    for k in range(size):
        here = start[i] + k
        m = k
        while m > 0 and column[item[order[m - 1]]] > column[item[here]]:
            order[m] = order[m - 1]
            m -= 1
        order[m] = here
    return size


@jit(nogil=True)
def spread_sparse(
    low,
    high,
    bounds,
    indptr,
    rows,
    table,
    log_weight,
    weight,
    start,
    item,
    category,
    base,
    column,
    width,
    slopes,
    latent,
    covariance,
    meat,
):
    """Add up the same for persons who answered few of many items.

    Results a chunk: `covariance` and `meat` (outer products of the weighted mean scores; size 0 when not
    wanted), shape ``(chunks, C, C)``, single precision, lower triangles.
    """  # fmt: skip
    nodes = slopes.shape[1]
    most = 1
    for i in range(bounds[low], bounds[high]):
        most = max(most, start[i + 1] - start[i])
    order = np.empty(most, np.int64)
    most = most * slopes.shape[2] + latent.shape[0]
    line = np.zeros(log_weight.size, table.dtype)
    mass = np.empty(nodes)
    before = np.empty(nodes)
    current = np.empty(nodes)
    factor = np.empty(nodes + 3, np.float32)
    scores = np.empty((nodes + 3, most), np.float32)
    terms = np.empty((ROOM + TERMS, most), np.float32)
    means = np.empty((PERSONS, most), np.float32)
    product = np.empty(most, np.float32)
    place = np.empty((PERSONS, most), np.int32)
    wide = np.zeros(PERSONS, np.int64)
    at = np.zeros(PERSONS + 1, np.int64)
    each = np.arange(PERSONS + 1)
    for c in range(low, high):
        held = 0
        for i in range(bounds[c], bounds[c + 1]):
            low_node, size = _posterior_nodes(i, indptr, rows, table, log_weight, line, mass)
            n = 0
            for k in range(_sorted_answers(i, start, item, column, order)):
                j = item[order[k]]
                for p in range(width[j]):
                    place[held, n + p] = column[j] + p
                _write_scores(slopes[base[j] + category[order[k]], low_node:], scores, n, width[j], size)
                n += width[j]
            for p in range(latent.shape[0]):
                place[held, n] = covariance.shape[1] - latent.shape[0] + p
                for a in range(size):
                    scores[a, n] = latent[p, low_node + a]
                n += 1
            wide[held] = n
            scale = np.sqrt(weight[i])
            room = terms[at[held] : at[held] + TERMS]
            count = _expand(size, n, mass, scores, scale, before, current, factor, means[held], room)
            at[held + 1] = at[held] + count
            for p in range(n):
                means[held, p] *= np.float32(weight[i])
            held += 1
            if held == PERSONS or at[held] >= ROOM or i + 1 == bounds[c + 1]:
                _scatter(held, place, wide, at, terms, product, covariance[c])
                if meat.size > 0:
                    _scatter(held, place, wide, each, means, product, meat[c])
                held = 0
