"""Maximum expected information: what an item tells at the estimate that each of its answers would lead to.

``sum_k P_k(est) I(theta_k)`` (van der Linden, 1998). Where the answers would lead is found for all items, or
narrowed down to a stretch of the grid; bounds of the information there leave few items to be evaluated.
"""

import numpy as np

from cat_engine.arithmetic import TINY
from cat_engine.compile import jit
from cat_engine.family import curvature as family_curvature
from cat_engine.family import logp as family_logp
from cat_engine.information import to_micro
from cat_engine.kernels.belief import maximum, summit
from cat_engine.kernels.measures import information_at, moments
from cat_engine.kernels.pick import LOWEST


@jit(nogil=True)
def means_after(over, nodes, probability, out):
    """Write ``out[a, k, i]``, the posterior's mean after answer k to item i."""
    sums = np.empty((2, out.shape[2]))
    for a in range(out.shape[0]):
        for k in range(out.shape[1]):
            moments(over.weight[a], nodes, 0.0, over.low[a], over.high[a], probability, k, sums)
            for i in range(out.shape[2]):
                out[a, k, i] = sums[1, i] / max(sums[0, i], TINY)


@jit(inline="always")
def suppose(belief, s, evidence, item, k, out):
    """Write what seat `s` would believe after answer k to an item."""
    for q in range(out.shape[1]):
        out[0, q] = belief[s, 0, q] * evidence[item, k, 0, q]
    for f in range(1, out.shape[0]):
        for q in range(out.shape[1]):
            out[f, q] = belief[s, f, q] + evidence[item, k, f, q]


@jit(nogil=True)
def maxima_after(method, n_cat, evidence, seats, active, weights, nodes, prior, wanted, out):
    """Write ``out[a, k, i]``, the estimate that maximises after answer k to item i, where it is `wanted`."""
    belief = seats.belief
    after = np.empty(belief.shape[1:])
    for a in range(active.size):
        for i in range(n_cat.size):
            if wanted[a, i]:
                for k in range(n_cat[i]):
                    suppose(belief, active[a], evidence, i, k, after)
                    out[a, k, i], _ = maximum(method, after, weights, nodes, prior)


@jit(nogil=True)
def summits_after(method, n_cat, evidence, seats, active, weights, nodes, prior, out):
    """Write ``out[a, k, i]``, the node from which on `maxima_after` lies."""
    belief = seats.belief
    after = np.empty(belief.shape[1:])
    for a in range(active.size):
        for i in range(n_cat.size):
            for k in range(n_cat[i]):
                suppose(belief, active[a], evidence, i, k, after)
                out[a, k, i] = summit(method, after, weights, nodes, prior)


@jit(nogil=True)
def nodes_near(low, high, size, after, n_cat, out):
    """Write the number of the node nearest to each estimate."""
    for a in range(after.shape[0]):
        for i in range(n_cat.size):
            for k in range(n_cat[i]):
                place = (after[a, k, i] - low) / (high - low) * (size - 1)
                out[a, k, i] = np.int64(min(max(place + 0.5, 0.0), size - 1.0))


@jit(nogil=True)
def bounds(most, place, at, n_cat, out):
    """Write a bound of every item's value: `most`, shape ``(K or 1, n, G)``, where each answer leads."""
    for a in range(out.shape[0]):
        for i in range(n_cat.size):
            total = 0.0
            for k in range(n_cat[i]):
                total += at[a, k, i] * most[min(k, most.shape[0] - 1), i, place[a, k, i]]
            out[a, i] = to_micro(total) + 2


@jit(nogil=True)
def in_doubt(upper, values, masks, rows, group, fits, several, wanted):
    """Mark the items that may be the best.

    Those open to each seat whose bound reaches the greatest of the known `values` (`LOWEST`: not known).
    Where none is known, the item of the greatest bound.
    """
    for a in range(upper.shape[0]):
        top = np.int64(LOWEST)
        most = np.int64(LOWEST)
        first = -1
        for i in range(upper.shape[1]):
            wanted[a, i] = 0
            if masks[rows[a], i] == 0 or (several and fits[a, group[i]] == 0):
                continue
            top = max(top, values[a, i])
            if upper[a, i] > most:
                most = upper[a, i]
                first = i
        if top == LOWEST:
            if first >= 0:
                wanted[a, first] = 1
            continue
        for i in range(upper.shape[1]):
            keep = masks[rows[a], i] != 0 and (not several or fits[a, group[i]] != 0)
            wanted[a, i] = 1 if keep and upper[a, i] >= top else 0


@jit(nogil=True)
def expected_exact(items, index, observed, at, after, wanted, out):
    """Write ``sum_k P_k(est) I(theta_k)`` of the items that are `wanted`.

    With the observed information of answer k or the expected information. `at` holds the chances, `after` the
    estimates.
    """
    width = at.shape[1]
    lp = np.empty(width)
    slope = np.empty(width)
    for a in range(out.shape[0]):
        for r in range(index.size):
            i = index[r]
            if not wanted[a, i]:
                continue
            total = 0.0
            for k in range(items.n_cat[r]):
                if observed:
                    family_logp(items, r, after[a, k, i], lp)
                    family_curvature(items, r, after[a, k, i], lp, slope)
                    total -= at[a, k, i] * slope[k]
                else:
                    total += at[a, k, i] * information_at(items, r, after[a, k, i], lp, slope)
            out[a, i] = to_micro(total)


@jit(nogil=True)
def expected_tabled(low, high, table, n_cat, at, after, wanted, out):
    """`expected_exact` from a table ``(K or 1, n, G)``: the cubic through the four nearest nodes."""
    size = table.shape[2]
    for a in range(out.shape[0]):
        for i in range(n_cat.size):
            if not wanted[a, i]:
                continue
            total = 0.0
            for k in range(n_cat[i]):
                place = (after[a, k, i] - low) / (high - low) * (size - 1)
                place = min(max(place, 0.0), size - 1.0)
                first = min(max(np.int64(place) - 1, 0), size - 4)
                t = place - first
                u = t - 1.0
                v = t - 2.0
                w = t - 3.0
                row = min(k, table.shape[0] - 1)
                total += at[a, k, i] * (
                    u * v * w / -6.0 * table[row, i, first]
                    + t * v * w / 2.0 * table[row, i, first + 1]
                    + t * u * w / -2.0 * table[row, i, first + 2]
                    + t * u * v / 6.0 * table[row, i, first + 3]
                )
            out[a, i] = to_micro(total)


@jit
def observed_of(items, index, nodes, out):
    """Write ``out[k, i, g]``, the observed information of answer k at each node, for one table."""
    lp = np.empty(out.shape[0])
    bend = np.empty(out.shape[0])
    for r in range(index.size):
        for g in range(nodes.size):
            family_logp(items, r, nodes[g], lp)
            family_curvature(items, r, nodes[g], lp, bend)
            for k in range(items.n_cat[r]):
                out[k, index[r], g] = -bend[k]
