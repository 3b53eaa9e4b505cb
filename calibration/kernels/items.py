"""Items over the nodes: log-probabilities and their derivatives, and what the E-step's counts say of them.

`tabulate` is compiled once a table type; everything after it works on arrays of numbers.
"""

import numpy as np

from cat_engine.arithmetic import exp
from cat_engine.compile import jit
from cat_engine.family import assign, gradient, logp

__all__ = ["assign_rows", "contract", "tabulate"]


@jit(nogil=True)
def assign_rows(items, working):
    """Write every row of a table from its working parameters, shape ``(n, P)``."""
    for i in range(working.shape[0]):
        assign(items, i, working[i])


@jit(nogil=True)
def tabulate(low, high, items, working, nodes, out_logp, out_gradient):
    """Write rows ``low .. high`` from `working`, and what they say over the nodes.

    Parameters
    ----------
    out_logp
        Shape ``(n, K, Q)``: ``log P(X = k | node)``.
    out_gradient
        Shape ``(n, K, P, Q)``: its derivatives in the working parameters; size 0 when not wanted.
    """
    size = out_logp.shape[1]
    lp = np.empty(size)
    slopes = np.empty((size, working.shape[1]))
    for i in range(low, high):
        assign(items, i, working[i])
        for q in range(len(nodes)):
            logp(items, i, nodes[q], lp)
            for k in range(size):
                out_logp[i, k, q] = lp[k]
            if out_gradient.size > 0:
                gradient(items, i, nodes[q], lp, slopes)
                for k in range(size):
                    for p in range(slopes.shape[1]):
                        out_gradient[i, k, p, q] = slopes[k, p]


@jit(nogil=True)
def _probabilities(lp, total, out):
    for q in range(out.size):
        out[q] = total[q] * exp(lp[q])


@jit(nogil=True, forceinline=True, fastmath={"reassoc", "contract"})
def _dot(x, y):
    value = 0.0
    for q in range(x.size):
        value += x[q] * y[q]
    return value


@jit(nogil=True, forceinline=True, fastmath={"reassoc", "contract"})
def _dot3(x, y, z):
    value = 0.0
    for q in range(x.size):
        value += x[q] * y[q] * z[q]
    return value


@jit(nogil=True)
def _tilted(lp, weight, step, out):
    """Write ``weight * dlp/dtheta`` by differences between nodes `step` apart."""
    last = lp.size - 1
    out[0] = weight[0] * (lp[1] - lp[0]) / step
    for q in range(1, last):
        out[q] = weight[q] * (lp[q + 1] - lp[q - 1]) / (2.0 * step)
    out[last] = weight[last] * (lp[last] - lp[last - 1]) / step


@jit(nogil=True)
def contract(low, high, lp, slopes, counts, step, out_gradient, out_information, out_cross, out_theta):
    """Write gradient and expected information of the complete data, in working parameters.

    With expected counts ``r_kq`` and ``n_q = sum_k r_kq``, the gradient is ``sum_kq r_kq dlp_kq`` and the
    information ``sum_q n_q sum_k P_kq dlp_kq dlp_kq'`` (Fisher scoring; the matrix is never indefinite).

    Parameters
    ----------
    lp, counts
        Shape ``(n, K, Q)``.
    slopes
        Shape ``(n, K, P, Q)``.
    step
        Distance between nodes.
    out_gradient, out_information
        Shapes ``(n, P)`` and ``(n, P, P)``.
    out_cross, out_theta
        Information that the working parameters share with theta, and that theta has, summed over the nodes
        of each of B ranges: shapes ``(n, P, B)`` and ``(n, B)``. Nodes are split evenly, the last range
        may be shorter.
    """
    _, size, width, nodes = slopes.shape
    ranges = out_theta.shape[1]
    stride = (nodes + ranges - 1) // ranges
    total = np.empty(nodes)
    weight = np.empty(nodes)
    tilt = np.empty(nodes)
    for i in range(low, high):
        for q in range(nodes):
            total[q] = 0.0
        for k in range(size):
            for q in range(nodes):
                total[q] += counts[i, k, q]
        out_gradient[i] = 0.0
        out_information[i] = 0.0
        out_cross[i] = 0.0
        out_theta[i] = 0.0
        for k in range(size):
            _probabilities(lp[i, k], total, weight)
            _tilted(lp[i, k], weight, step, tilt)
            for p in range(width):
                out_gradient[i, p] += _dot(counts[i, k], slopes[i, k, p])
                for s in range(p + 1):
                    out_information[i, p, s] += _dot3(weight, slopes[i, k, p], slopes[i, k, s])
            for b in range(ranges):
                for q in range(b * stride, min((b + 1) * stride, nodes)):
                    if weight[q] > 0.0:
                        out_theta[i, b] += tilt[q] * tilt[q] / weight[q]
                    for p in range(width):
                        out_cross[i, p, b] += tilt[q] * slopes[i, k, p, q]
        for p in range(width):
            for s in range(p):
                out_information[i, s, p] = out_information[i, p, s]
