"""What the answers so far say about theta, over the grid: likelihood, its moments, its maximum.

The likelihood is kept as a product of probabilities, scaled by a power of two when it becomes small, so
that one answer costs one pass over the grid. Sums run in eight interleaved lanes added in one fixed
order: the order is part of the source, hence of the result, on every machine.

For the estimators that look for a maximum, the derivative of the log-likelihood is summed at every node
beside it; the root between two nodes is that of the polynomial through the six nearest.
"""

from typing import NamedTuple

import numpy as np

from cat_engine.arithmetic import exp
from cat_engine.compile import jit
from cat_engine.family import curvature as family_curvature
from cat_engine.family import logp as family_logp
from cat_engine.family import score as family_score
from cat_engine.kernels.seats import BEFORE, SCORED, SE, THETA

EAP, MAP, ML, WLE = 0, 1, 2, 3
ROWS = (1, 3, 3, 4)
"""Rows of `Seats.belief` by method: likelihood; derivative and information; Warm's J."""

_SMALL = 2.0**-300
_SCALE = 2.0**300
_LOG_SCALE = 207.94415416798358  # 300 ln 2
_NEGLIGIBLE = 2.0**-600
_BISECTIONS = 34


class Estimator(NamedTuple):
    """How theta is estimated.

    method
        `EAP`, `MAP`, `ML` or `WLE`.
    evidence
        Shape ``(n, K, F, Q)``: what each answer contributes.
    logp_points
        Shape ``(n, K, P)``: log-probabilities at the points that classification compares.
    weights, first, second
        Shape ``(Q,)``: the prior's weights, and these times the nodes and their squares.
    nodes, prior
        The grid; the prior's mean and standard deviation.
    """

    method: int
    evidence: np.ndarray
    logp_points: np.ndarray
    weights: np.ndarray
    first: np.ndarray
    second: np.ndarray
    nodes: np.ndarray
    prior: np.ndarray


@jit
def evidence_of(items, index, nodes, out):
    """Write what one answer contributes, ``out[i, k, f, q]``, for the items of one table."""
    width = out.shape[1]
    lp = np.empty(width)
    slope = np.empty(width)
    bend = np.empty(width)
    for r in range(index.size):
        i = index[r]
        for q in range(nodes.size):
            family_logp(items, r, nodes[q], lp)
            for k in range(items.n_cat[r]):
                out[i, k, 0, q] = exp(lp[k])
            if out.shape[2] > 1:
                family_score(items, r, nodes[q], lp, slope)
                family_curvature(items, r, nodes[q], lp, bend)
                info = 0.0
                warm = 0.0
                for k in range(items.n_cat[r]):
                    first = out[i, k, 0, q] * slope[k]
                    info += first * slope[k]
                    warm += first * (bend[k] + slope[k] * slope[k])
                for k in range(items.n_cat[r]):
                    out[i, k, 1, q] = slope[k]
                    out[i, k, 2, q] = info
                    if out.shape[2] > 3:
                        out[i, k, 3, q] = warm


@jit
def logp_at(items, index, points, out):
    """Write ``out[i, k, p] = log P(X_i = k | points[p])`` for the items of one table."""
    lp = np.empty(out.shape[1])
    for r in range(index.size):
        for p in range(points.size):
            family_logp(items, r, points[p], lp)
            for k in range(items.n_cat[r]):
                out[index[r], k, p] = lp[k]


@jit
def dot(a, b):
    """Return the sum of ``a b`` in eight interleaved lanes."""
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0
    whole = (a.size >> 3) << 3
    for q in range(0, whole, 8):
        s0 += a[q] * b[q]
        s1 += a[q + 1] * b[q + 1]
        s2 += a[q + 2] * b[q + 2]
        s3 += a[q + 3] * b[q + 3]
        s4 += a[q + 4] * b[q + 4]
        s5 += a[q + 5] * b[q + 5]
        s6 += a[q + 6] * b[q + 6]
        s7 += a[q + 7] * b[q + 7]
    for q in range(whole, a.size):
        s0 += a[q] * b[q]
    return ((s0 + s4) + (s2 + s6)) + ((s1 + s5) + (s3 + s7))


@jit(inline="always")
def multiply(belief, s, evidence, item, k, weights, first, second):
    """Multiply a seat's likelihood by an answer's; return its sums times `weights`, `first` and `second`.

    One pass; each sum runs as in `dot`. Indices reach into the whole arrays and the code is inlined: a
    view of a row, counted as a reference, costs as much as half the pass.
    """
    a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = 0.0
    b0 = b1 = b2 = b3 = b4 = b5 = b6 = b7 = 0.0
    c0 = c1 = c2 = c3 = c4 = c5 = c6 = c7 = 0.0
    whole = (weights.size >> 3) << 3
    for q in range(0, whole, 8):
        v0 = belief[s, 0, q] * evidence[item, k, 0, q]
        v1 = belief[s, 0, q + 1] * evidence[item, k, 0, q + 1]
        v2 = belief[s, 0, q + 2] * evidence[item, k, 0, q + 2]
        v3 = belief[s, 0, q + 3] * evidence[item, k, 0, q + 3]
        v4 = belief[s, 0, q + 4] * evidence[item, k, 0, q + 4]
        v5 = belief[s, 0, q + 5] * evidence[item, k, 0, q + 5]
        v6 = belief[s, 0, q + 6] * evidence[item, k, 0, q + 6]
        v7 = belief[s, 0, q + 7] * evidence[item, k, 0, q + 7]
        belief[s, 0, q] = v0
        belief[s, 0, q + 1] = v1
        belief[s, 0, q + 2] = v2
        belief[s, 0, q + 3] = v3
        belief[s, 0, q + 4] = v4
        belief[s, 0, q + 5] = v5
        belief[s, 0, q + 6] = v6
        belief[s, 0, q + 7] = v7
        a0 += v0 * weights[q]
        a1 += v1 * weights[q + 1]
        a2 += v2 * weights[q + 2]
        a3 += v3 * weights[q + 3]
        a4 += v4 * weights[q + 4]
        a5 += v5 * weights[q + 5]
        a6 += v6 * weights[q + 6]
        a7 += v7 * weights[q + 7]
        b0 += v0 * first[q]
        b1 += v1 * first[q + 1]
        b2 += v2 * first[q + 2]
        b3 += v3 * first[q + 3]
        b4 += v4 * first[q + 4]
        b5 += v5 * first[q + 5]
        b6 += v6 * first[q + 6]
        b7 += v7 * first[q + 7]
        c0 += v0 * second[q]
        c1 += v1 * second[q + 1]
        c2 += v2 * second[q + 2]
        c3 += v3 * second[q + 3]
        c4 += v4 * second[q + 4]
        c5 += v5 * second[q + 5]
        c6 += v6 * second[q + 6]
        c7 += v7 * second[q + 7]
    for q in range(whole, weights.size):
        v0 = belief[s, 0, q] * evidence[item, k, 0, q]
        belief[s, 0, q] = v0
        a0 += v0 * weights[q]
        b0 += v0 * first[q]
        c0 += v0 * second[q]
    return (
        ((a0 + a4) + (a2 + a6)) + ((a1 + a5) + (a3 + a7)),
        ((b0 + b4) + (b2 + b6)) + ((b1 + b5) + (b3 + b7)),
        ((c0 + c4) + (c2 + c6)) + ((c1 + c5) + (c3 + c7)),
    )


@jit
def rescale(like):
    """Scale a likelihood that has become small by a power of two, which changes no digit.

    Returns the logarithm of the factor.
    """
    top = 0.0
    for q in range(like.size):
        top = max(top, like[q])
    if top >= _SMALL:
        return 0.0
    for q in range(like.size):
        like[q] = like[q] * _SCALE if like[q] > _NEGLIGIBLE else 0.0
    return _LOG_SCALE


@jit
def differences(row):
    """Turn six values at neighbouring nodes into their forward differences, in place."""
    for order in range(1, 6):
        for j in range(5, order - 1, -1):
            row[j] -= row[j - 1]


@jit
def between(row, s):
    """Value at `s` nodes from the first of the polynomial with forward differences `row` (Newton)."""
    value = row[5]
    value = row[4] + (s - 4.0) / 5.0 * value
    value = row[3] + (s - 3.0) / 4.0 * value
    value = row[2] + (s - 2.0) / 3.0 * value
    value = row[1] + (s - 1.0) / 2.0 * value
    return row[0] + s * value


@jit
def slope_at(method, belief, nodes, prior, q):
    """Derivative at node `q` of what the estimator maximises."""
    g = belief[1, q]
    if method == MAP:
        g += (prior[0] - nodes[q]) / (prior[1] * prior[1])
    elif method == WLE:
        g += belief[3, q] / (2.0 * belief[2, q])
    return g


@jit
def summit(method, belief, weights, nodes, prior):
    """Return the node at or before the estimate that maximises, which lies before the next one."""
    size = nodes.size
    top = 0
    most = -1.0
    for q in range(size):
        height = belief[0, q]
        if method == MAP:
            height *= weights[q]
        elif method == WLE:
            height *= np.sqrt(belief[2, q])
        if height > most:
            most = height
            top = q
    while top < size - 1 and slope_at(method, belief, nodes, prior, top) > 0.0:
        top += 1
    while top > 0 and slope_at(method, belief, nodes, prior, top) <= 0.0:
        top -= 1
    return top


@jit
def maximum(method, belief, weights, nodes, prior):
    """Return the estimate that maximises and its standard error; the end of the grid if there is none."""
    size = nodes.size
    top = summit(method, belief, weights, nodes, prior)
    first = min(max(top - 2, 0), size - 6)
    offset = np.float64(top - first)
    row = np.empty(6)
    if slope_at(method, belief, nodes, prior, top) > 0.0 and top < size - 1:
        for j in range(6):
            row[j] = slope_at(method, belief, nodes, prior, first + j)
        differences(row)
        low = offset
        high = offset + 1.0
        for _ in range(_BISECTIONS):
            middle = 0.5 * (low + high)
            if between(row, middle) > 0.0:
                low = middle
            else:
                high = middle
        offset = 0.5 * (low + high)
    for j in range(6):
        row[j] = belief[2, first + j]
    differences(row)
    information = between(row, offset)
    place = first + offset
    if method == MAP:
        information += 1.0 / (prior[1] * prior[1])
    theta = nodes[0] + place * ((nodes[size - 1] - nodes[0]) / (size - 1))
    return theta, 1.0 / np.sqrt(max(information, 1e-12))


@jit(nogil=True)
def take(
    method, evidence, logp_points, weights, first, second, nodes, prior, seats, active, chosen, categories
):
    """Take the answers to `chosen` into the active seats and renew their estimates.

    A negative category counts as no answer. `first` and `second` are ``weights nodes`` and ``weights
    nodes**2``.
    """
    belief, points, now, tally = seats.belief, seats.points, seats.now, seats.tally
    last = points.shape[1] - 1
    for a in range(active.size):
        s = active[a]
        item = chosen[a]
        k = categories[a]
        if k < 0:
            continue
        for f in range(1, belief.shape[1]):
            for q in range(nodes.size):
                belief[s, f, q] += evidence[item, k, f, q]
        for p in range(last + 1):
            points[s, p] += logp_points[item, k, p]
        scored = tally[s, SCORED] + 1
        tally[s, SCORED] = scored
        now[s, BEFORE] = now[s, THETA]
        total, one, two = multiply(belief, s, evidence, item, k, weights, first, second)
        if (scored & 15) == 0:
            scaled = rescale(belief[s, 0])
            if last >= 0:
                points[s, last] += scaled
        if method == EAP:
            theta = one / total
            now[s, THETA] = theta
            now[s, SE] = np.sqrt(max(two / total - theta * theta, 0.0))
        else:
            theta, se = maximum(method, belief[s], weights, nodes, prior)
            now[s, THETA] = theta
            now[s, SE] = se


@jit
def levels(like, weights, nodes, step, cuts, out):
    """Write the posterior mass between consecutive `cuts` into `out` (one more than cuts).

    A node stands for the cell of width `step` around it; the mass of a cell that holds a cut is split
    in proportion to the lengths on either side.
    """
    out[:] = 0.0
    total = 0.0
    for q in range(like.size):
        v = like[q] * weights[q]
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
