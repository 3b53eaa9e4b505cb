"""What an item would tell, from tables over the grid: one value of record an item, greater is better.

Tables have the item as their last axis, so that the sum over the grid runs node by node while the
items fill the processor's lanes: each item's sum is sequential, hence the same everywhere. Nodes whose
weight is below 2**-40 of the greatest are left out.
"""

from typing import NamedTuple

import numpy as np

from cat_engine.arithmetic import TINY, exp, log
from cat_engine.compile import jit
from cat_engine.family import chances as family_chances
from cat_engine.family import information as family_information
from cat_engine.family import logp as family_logp
from cat_engine.family import score as family_score
from cat_engine.information import to_micro
from cat_engine.kernels.pick import mix
from cat_engine.kernels.seats import SE, THETA

LIKELIHOOD, POSTERIOR, NORMAL = 0, 1, 2

_FAINT = 2.0**-40


class Spread(NamedTuple):
    """Weights over the grid, one row a person, summing to 1 between ``low`` and ``high``."""

    weight: np.ndarray
    low: np.ndarray
    high: np.ndarray


@jit(nogil=True)
def spread(where, seats, active, weights, rule, nodes, out):
    """Write the weights under which items are judged.

    `where` is `LIKELIHOOD` (times the quadrature `rule`), `POSTERIOR` (times the prior's `weights`) or
    `NORMAL` (the normal density with the estimate's mean and standard deviation; Owen, 1975).
    """
    for a in range(active.size):
        s = active[a]
        w = out.weight[a]
        top = 0.0
        for q in range(nodes.size):
            if where == LIKELIHOOD:
                w[q] = seats.belief[s, 0, q] * rule[q]
            elif where == POSTERIOR:
                w[q] = seats.belief[s, 0, q] * weights[q]
            else:
                z = (nodes[q] - seats.now[s, THETA]) / max(seats.now[s, SE], 1e-3)
                w[q] = exp(-0.5 * z * z) * rule[q]
            top = max(top, w[q])
        low = 0
        while w[low] < top * _FAINT:
            low += 1
        high = nodes.size
        while w[high - 1] < top * _FAINT:
            high -= 1
        total = 0.0
        for q in range(low, high):
            total += w[q]
        for q in range(low, high):
            w[q] /= total
        out.low[a] = low
        out.high[a] = high


@jit
def expectation(w, low, high, table, out):
    """Write ``out[i] = sum_q w[q] table[q, i]``."""
    for i in range(out.size):
        out[i] = 0.0
    for q in range(low, high):
        weight = w[q]
        row = table[q]
        for i in range(out.size):
            out[i] += weight * row[i]


@jit
def moments(w, nodes, center, low, high, table, k, out):
    """Write ``out[m, i] = sum_q w[q] (nodes[q] - center)**m table[k, q, i]`` for as many m as `out` has."""
    for m in range(out.shape[0]):
        for i in range(out.shape[1]):
            out[m, i] = 0.0
    for q in range(low, high):
        x = nodes[q] - center
        w0 = w[q]
        w1 = w0 * x
        w2 = w1 * x
        if out.shape[0] == 3:
            for i in range(out.shape[1]):
                p = table[k, q, i]
                out[0, i] += w0 * p
                out[1, i] += w1 * p
                out[2, i] += w2 * p
        else:
            for i in range(out.shape[1]):
                p = table[k, q, i]
                out[0, i] += w0 * p
                out[1, i] += w1 * p


@jit
def micro_all(values, out):
    """Write the integers of record of `values`."""
    for i in range(values.size):
        out[i] = to_micro(values[i])


@jit(nogil=True)
def weighted(over, table, out):
    """Expected value of a table over the weights: MLWI and MPWI when it holds information."""
    scratch = np.empty((1, table.shape[1]))
    for a in range(out.shape[0]):
        expectation(over.weight[a], over.low[a], over.high[a], table, scratch[0])
        micro_all(scratch[0], out[a])


@jit(nogil=True)
def chances_tabled(logp, nodes, thetas, out):
    """Write ``out[a, k, i]``, the probability of each category at theta, from a table of its logarithm.

    The cubic through the four nearest nodes.
    """
    for a in range(thetas.size):
        place = (thetas[a] - nodes[0]) / (nodes[nodes.size - 1] - nodes[0]) * (nodes.size - 1)
        place = min(max(place, 0.0), nodes.size - 1.0)
        first = min(max(np.int64(place) - 1, 0), nodes.size - 4)
        t = place - first
        u = t - 1.0
        v = t - 2.0
        w = t - 3.0
        l0 = u * v * w / -6.0
        l1 = t * v * w / 2.0
        l2 = t * u * w / -2.0
        l3 = t * u * v / 6.0
        for k in range(logp.shape[0]):
            row = out[a, k]
            for i in range(row.size):
                row[i] = exp(
                    l0 * logp[k, first, i]
                    + l1 * logp[k, first + 1, i]
                    + l2 * logp[k, first + 2, i]
                    + l3 * logp[k, first + 3, i]
                )


@jit(nogil=True)
def chances_exact(items, index, thetas, out):
    """Write ``out[a, k, i] = P(X_i = k | theta_a)`` for the items of one table."""
    buffer = np.zeros((out.shape[1], index.size))
    for a in range(thetas.size):
        family_chances(items, thetas[a], buffer)
        for k in range(out.shape[1]):
            for r in range(index.size):
                out[a, k, index[r]] = buffer[k, r]


@jit(nogil=True)
def divergence(over, logp, n_cat, at, out):
    """Kullback-Leibler information between the estimate and the grid (Chang & Ying, 1996).

    ``sum_q w_q sum_k P_k(est) (log P_k(est) - log P_k(q))``; `at` holds the probabilities at the estimate.
    """
    scratch = np.empty((2, n_cat.size))
    for a in range(out.shape[0]):
        for i in range(n_cat.size):
            scratch[1, i] = 0.0
        for k in range(logp.shape[0]):
            expectation(over.weight[a], over.low[a], over.high[a], logp[k], scratch[0])
            for i in range(n_cat.size):
                here = at[a, k, i] * (log(max(at[a, k, i], TINY)) - scratch[0, i])
                scratch[1, i] += here if k < n_cat[i] else 0.0
        micro_all(scratch[1], out[a])


@jit(nogil=True)
def expected_variance(over, nodes, probability, n_cat, at, predictive, out):
    """Minus the expected posterior variance after the item (van der Linden, 1998).

    Category k leaves the posterior ``w P_k``. The chance of each category is the posterior's own when
    `predictive`, and that at the estimate otherwise (as catR and mirtCAT have it).
    """
    size = n_cat.size
    sums = np.empty((3, size))
    total = np.empty(size)
    for a in range(out.shape[0]):
        w = over.weight[a]
        low = over.low[a]
        high = over.high[a]
        center = 0.0
        for q in range(low, high):
            center += w[q] * nodes[q]
        for i in range(size):
            total[i] = 0.0
        for k in range(probability.shape[0]):
            moments(w, nodes, center, low, high, probability, k, sums)
            for i in range(size):
                mass = sums[0, i]
                safe = max(mass, TINY)
                mean = sums[1, i] / safe
                variance = sums[2, i] / safe - mean * mean
                chance = mass if predictive else at[a, k, i]
                total[i] -= chance * variance if k < n_cat[i] else 0.0
        micro_all(total, out[a])


@jit(nogil=True)
def mutual(over, probability, minus_entropy, n_cat, out):
    """Expected fall of the posterior's entropy = mutual information of answer and theta.

    (Wang & Chang, 2011): ``sum_q w_q sum_k P_k log P_k - sum_k M_k log M_k``, M_k = sum_q w_q P_k.
    """
    scratch = np.empty((2, n_cat.size))
    for a in range(out.shape[0]):
        w = over.weight[a]
        expectation(w, over.low[a], over.high[a], minus_entropy, scratch[1])
        for k in range(probability.shape[0]):
            expectation(w, over.low[a], over.high[a], probability[k], scratch[0])
            for i in range(n_cat.size):
                mass = max(scratch[0, i], TINY)
                term = mass * log(mass)  # under no condition, so that items run side by side
                scratch[1, i] -= term if k < n_cat[i] else 0.0
        micro_all(scratch[1], out[a])


@jit(nogil=True)
def discrimination(over, score, score2, out):
    """Variance over the weights of the expected score (Kaplan, de la Torre & Barrada, 2015)."""
    scratch = np.empty((2, score.shape[1]))
    for a in range(out.shape[0]):
        w = over.weight[a]
        expectation(w, over.low[a], over.high[a], score, scratch[0])
        expectation(w, over.low[a], over.high[a], score2, scratch[1])
        for i in range(score.shape[1]):
            scratch[1, i] -= scratch[0, i] * scratch[0, i]
        micro_all(scratch[1], out[a])


@jit(nogil=True)
def information_exact(items, index, whole, thetas, buffer, out):
    """Write the information of one table's items at each active seat's theta."""
    for a in range(thetas.size):
        family_information(items, thetas[a], buffer)
        row = out[a]
        if whole:
            for r in range(index.size):
                row[r] = to_micro(buffer[r])
        else:
            for r in range(index.size):
                row[index[r]] = to_micro(buffer[r])


@jit(nogil=True)
def nearness(places, thetas, out):
    """Write minus the distance between each item's place on the scale and theta."""
    for a in range(thetas.size):
        for i in range(places.size):
            out[a, i] = to_micro(-abs(places[i] - thetas[a]))


@jit(nogil=True)
def in_stratum(places, stratum, now, thetas, out):
    """Like `nearness`, items of other strata after those of the present one, nearer strata first."""
    for a in range(thetas.size):
        for i in range(places.size):
            away = np.float64(abs(stratum[i] - now))
            out[a, i] = to_micro(-abs(places[i] - thetas[a]) - 1e6 * away)


@jit(nogil=True)
def lottery(keys, out):
    """Write random values: every item has the same chance to be the greatest."""
    for a in range(keys.size):
        for i in range(out.shape[1]):
            out[a, i] = np.int64(mix(keys[a], i) >> np.uint64(2))


@jit
def peaks(items, index, low, high, steps, out):
    """Write the theta at which each item tells most: best of a grid, then golden-section search."""
    width = 2
    for r in range(index.size):
        width = max(width, items.n_cat[r])
    lp = np.empty(width)
    slope = np.empty(width)
    for r in range(index.size):
        best = low
        most = -1.0
        for q in range(steps):
            theta = low + (high - low) * q / (steps - 1)
            value = information_at(items, r, theta, lp, slope)
            if value > most:
                most = value
                best = theta
        left = best - (high - low) / (steps - 1)
        right = best + (high - low) / (steps - 1)
        for _ in range(80):
            x = left + 0.381966011250105 * (right - left)
            y = left + 0.618033988749895 * (right - left)
            if information_at(items, r, x, lp, slope) < information_at(items, r, y, lp, slope):
                left = x
            else:
                right = y
        out[index[r]] = 0.5 * (left + right)


@jit
def information_at(items, r, theta, lp, slope):
    """Expected information of row `r` at theta."""
    family_logp(items, r, theta, lp)
    family_score(items, r, theta, lp, slope)
    total = 0.0
    for k in range(items.n_cat[r]):
        total += exp(lp[k]) * slope[k] * slope[k]
    return total


@jit
def success_at(items, index, theta, out):
    """Write the expected score of every item of a table at theta, as a share of its greatest."""
    width = 2
    for r in range(index.size):
        width = max(width, items.n_cat[r])
    lp = np.empty(width)
    for r in range(index.size):
        family_logp(items, r, theta, lp)
        total = 0.0
        for k in range(1, items.n_cat[r]):
            total += k * exp(lp[k])
        out[index[r]] = total / (items.n_cat[r] - 1)
