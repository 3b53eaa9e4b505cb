"""What the answers so far say about theta: the likelihood over the grid, its moments with the prior.

The likelihood is kept as a product of probabilities, scaled by powers of two when it becomes small, so
that one answer costs one pass over the grid. Sums run in eight interleaved lanes that are added in one
fixed order: the order is part of the source, hence of the result, on every machine.
"""

import numpy as np

from cat_engine.arithmetic import exp
from cat_engine.compile import jit

SMALL = 2.0**-300
SCALE = 2.0**300
NEGLIGIBLE = 2.0**-600


@jit
def absorb(row, like):
    """Multiply `like` by one category's probabilities `row` over the grid, in place."""
    top = 0.0
    for q in range(like.size):
        like[q] *= row[q]
        top = max(top, like[q])
    if top < SMALL:
        for q in range(like.size):
            like[q] = like[q] * SCALE if like[q] > NEGLIGIBLE else 0.0


@jit
def lane_sums(like, weight, nodes, out):
    """Write the sums of ``like weight nodes**m`` for m = 0, 1, 2 into `out`."""
    lanes = np.zeros((3, 8))
    for q in range(like.size):
        j = q & 7
        v = like[q] * weight[q]
        first = v * nodes[q]
        lanes[0, j] += v
        lanes[1, j] += first
        lanes[2, j] += first * nodes[q]
    for m in range(3):
        a = lanes[m]
        out[m] = ((a[0] + a[1]) + (a[2] + a[3])) + ((a[4] + a[5]) + (a[6] + a[7]))


@jit
def moments(like, weight, nodes):
    """Return mean and standard deviation of the posterior ``like weight`` over `nodes`."""
    sums = np.empty(3)
    lane_sums(like, weight, nodes, sums)
    mean = sums[1] / sums[0]
    return mean, np.sqrt(max(sums[2] / sums[0] - mean * mean, 0.0))


@jit
def levels(like, weight, nodes, step, cuts, out):
    """Write the posterior mass between consecutive `cuts` into `out` (one more than cuts).

    A node stands for the cell of width `step` around it; the mass of a cell that holds a cut is split
    in proportion to the lengths on either side.
    """
    out[:] = 0.0
    total = 0.0
    for q in range(like.size):
        v = like[q] * weight[q]
        total += v
        left = nodes[q] - 0.5 * step
        below = 0.0
        for c in range(cuts.size):
            share = min(max((cuts[c] - left) / step, below), 1.0)
            out[c] += v * (share - below)
            below = share
        out[cuts.size] += v * (1.0 - below)
    for c in range(out.size):
        out[c] /= total


@jit
def probabilities(logp, out):
    """Write ``exp(logp)`` into `out`, both of shape ``(n, K, Q)``."""
    for i in range(logp.shape[0]):
        for k in range(logp.shape[1]):
            for q in range(logp.shape[2]):
                out[i, k, q] = exp(logp[i, k, q])
