"""Compiled loops over answers and items: what judging a calibration needs of the models themselves."""

import numpy as np

from cat_engine.arithmetic import exp
from cat_engine.compile import jit
from cat_engine.family import gradient as family_gradient
from cat_engine.family import logp as family_logp
from cat_engine.family import score as family_score

FLOOR = 1e-5**0.5
"""Variances of a response below this are held here, so that one answer against near-certainty does not
decide a mean square by itself."""

N_SUMS = 13
"""Number of sums that `residual_sums` makes: see its docstring."""


@jit(nogil=True)
def residual_sums(items, row, indptr, item, category, theta, by_item, by_person, residual):
    """Add sums over one table's answers, at each person's own theta, by item and by person.

    With ``e = x - E(x)``, ``W = Var(x)`` held above `FLOOR`, ``C = E(x - E x)**4``, ``l = log P``,
    ``s = d l / d theta``, the sums are

    0 number of answers; 1 e**2 / W; 2 e**2; 3 W; 4 C / W**2; 5 C - W**2;
    6 l of the answer; 7 E(l); 8 Var(l); 9 Cov(l, s); 10 Var(s); 11 e; 12 s of the answer

    Parameters
    ----------
    row
        For each item of the pool its row in `items`, or -1 where another table holds it.
    by_item, by_person
        Shapes ``(n, N_SUMS)`` and ``(N, N_SUMS)``.
    residual
        Shape ``(answers,)``: e of each answer; of length 0 when it is not wanted.
    """
    width = 2
    for i in range(items.n_cat.size):
        width = max(width, items.n_cat[i])
    lp = np.empty(width)
    slope = np.empty(width)
    v = np.empty(N_SUMS)
    for p in range(indptr.size - 1):
        x = theta[p]
        for r in range(indptr[p], indptr[p + 1]):
            i = row[item[r]]
            if i < 0:
                continue
            family_logp(items, i, x, lp)
            family_score(items, i, x, lp, slope)
            mean = 0.0
            mean_l = 0.0
            for k in range(items.n_cat[i]):
                w = exp(lp[k])
                mean += k * w
                if w > 0.0:
                    mean_l += w * lp[k]
            variance = 0.0
            fourth = 0.0
            var_l = 0.0
            cov = 0.0
            info = 0.0
            for k in range(items.n_cat[i]):
                w = exp(lp[k])
                gap = (k - mean) * (k - mean)
                variance += w * gap
                fourth += w * gap * gap
                if w > 0.0:
                    var_l += w * (lp[k] - mean_l) * (lp[k] - mean_l)
                    cov += w * (lp[k] - mean_l) * slope[k]
                    info += w * slope[k] * slope[k]
            variance = max(variance, FLOOR)
            e = category[r] - mean
            v[0] = 1.0
            v[1] = e * e / variance
            v[2] = e * e
            v[3] = variance
            v[4] = fourth / (variance * variance)
            v[5] = fourth - variance * variance
            v[6] = lp[category[r]]
            v[7] = mean_l
            v[8] = var_l
            v[9] = cov
            v[10] = info
            v[11] = e
            v[12] = slope[category[r]]
            for m in range(N_SUMS):
                by_item[item[r], m] += v[m]
                by_person[p, m] += v[m]
            if residual.size:
                residual[r] = e


@jit(nogil=True)
def category_slopes(items, nodes, n_working, out):
    """Write ``out[r, p, k, q] = d P(X_r = k | nodes[q]) / d working[p]`` for every row of a table."""
    width = out.shape[2]
    lp = np.empty(width)
    slope = np.zeros((width, out.shape[1]))
    for r in range(items.n_cat.size):
        for q in range(nodes.size):
            family_logp(items, r, nodes[q], lp)
            family_gradient(items, r, nodes[q], lp, slope)
            for k in range(items.n_cat[r]):
                w = exp(lp[k])
                for p in range(n_working[r]):
                    out[r, p, k, q] = w * slope[k, p]


@jit(nogil=True)
def draw_nodes(posterior, uniform, node, place):
    """Draw a node from each person's posterior; `place` is where in the node's cell the draw fell."""
    last = posterior.shape[1] - 1
    for p in range(posterior.shape[0]):
        u = uniform[p]
        q = 0
        while q < last and u >= posterior[p, q]:
            u -= posterior[p, q]
            q += 1
        node[p] = q
        place[p] = q + u / max(posterior[p, q], 1e-300)


@jit(nogil=True)
def simulate_answers(probability, node, indptr, item, uniform, category):
    """Draw an answer to the items each person met, at the node that stands for the person's theta."""
    for p in range(indptr.size - 1):
        for r in range(indptr[p], indptr[p + 1]):
            u = uniform[r]
            k = 0
            while k < probability.shape[1] - 1 and u >= probability[item[r], k, node[p]]:
                u -= probability[item[r], k, node[p]]
                k += 1
            category[r] = k
