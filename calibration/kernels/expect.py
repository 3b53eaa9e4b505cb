"""The E-step: expected counts of every table row at every node, for persons given as lists of rows.

A person's log-likelihood over the nodes is a sum of table rows, the posterior is added back to the same
rows. What a row stands for (one category of one item, or one pattern of several items) is the caller's
affair; the cost is one vector load and one vector store a row and tile.
"""

import numpy as np

from calibration.kernels.lanes import add_to_rows, exp_negative, highest, sum_rows
from cat_engine.compile import jit

BATCH = 128
"""Persons whose posteriors are held at a time: they stay in the second-level cache."""

FLUSH = 4096
"""Persons after which counts in working precision are added to counts in double."""

CUT = -60.0
"""Posterior weights below e**CUT of the largest are 0: no denormal number slows a vector down."""


# Inlined, as every function that may reorder sums: of two compiled copies the one that was loaded first would
# serve all callers, and what a process did before would show in the last digits.
@jit(nogil=True, forceinline=True, fastmath=True)
def posterior(line, log_weight, scale):
    """Turn log-likelihoods into posterior weights times `scale`; return the log marginal."""
    size = line.size
    for q in range(size):
        line[q] += log_weight[q]
    top = highest(line)
    floor = line.dtype.type(CUT)
    tiny = exp_negative(floor)
    none = line.dtype.type(0.0)
    total = line.dtype.type(0.0)
    for q in range(size):
        e = max(exp_negative(max(line[q] - top, floor)) - tiny, none)
        line[q] = e
        total += e
    factor = line.dtype.type(scale) / total
    for q in range(size):
        line[q] *= factor
    return np.float64(top) + np.log(np.float64(total))


@jit(nogil=True)
def expect(low, high, bounds, indptr, rows, table, log_weight, weight, counts, mass, loglik):
    """Do the E-step for the chunks ``low .. high`` of persons.

    Parameters
    ----------
    bounds
        Shape ``(chunks + 1,)``: persons ``bounds[c] .. bounds[c + 1]`` are chunk ``c``.
    indptr, rows
        Rows of person ``i`` are ``rows[indptr[i] : indptr[i + 1]]``.
    table
        Log-probabilities, shape ``(tiles, n_rows * W)``; its type is the working precision.
    log_weight
        Log prior weight of each node, shape ``(tiles * W,)``, very negative at padding.
    weight
        Sampling weight of each person.
    counts, mass, loglik
        Results a chunk: shapes ``(chunks, tiles, n_rows * W)``, ``(chunks, tiles * W)``, ``(chunks,)``.
    """
    tiles = table.shape[0]
    width = log_weight.size // tiles
    lines = np.zeros((BATCH, tiles * width), table.dtype)
    flat = lines.reshape(BATCH * tiles * width)
    part = np.zeros(table.shape, table.dtype)
    some = np.zeros(tiles * width, table.dtype)
    for c in range(low, high):
        total = 0.0
        since = 0
        for first in range(bounds[c], bounds[c + 1], BATCH):
            size = min(BATCH, bounds[c + 1] - first)
            for t in range(tiles):
                tile = table[t]
                for i in range(size):
                    start, stop = indptr[first + i], indptr[first + i + 1]
                    sum_rows(tile, rows, start, stop, flat, (i * tiles + t) * width)
            for i in range(size):
                total += weight[first + i] * posterior(lines[i], log_weight, weight[first + i])
            for t in range(tiles):
                tile = part[t]
                for i in range(size):
                    start, stop = indptr[first + i], indptr[first + i + 1]
                    add_to_rows(tile, rows, start, stop, flat, (i * tiles + t) * width)
            for i in range(size):
                line = lines[i]
                for q in range(some.size):
                    some[q] += line[q]
            since += size
            if since >= FLUSH or first + size == bounds[c + 1]:
                since = 0
                for t in range(tiles):
                    source, target = part[t], counts[c, t]
                    for r in range(source.size):
                        target[r] += source[r]
                        source[r] = 0.0
                for q in range(some.size):
                    mass[c, q] += some[q]
                    some[q] = 0.0
        loglik[c] = total
