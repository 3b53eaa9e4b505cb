"""The posterior between its nodes: level probabilities, and draws (plausible values).

The log-posterior is smooth, so a cubic through four neighbouring nodes gives it anywhere; its exponential
is integrated over each cell between two nodes by four-point Gauss-Legendre. A cell that holds a cut score
is split at the cut.

References
----------
Mislevy, R. J. (1991). Randomization-based inference about latent variables from complex samples.
Psychometrika, 56, 177-196 (plausible values).
"""

from __future__ import annotations

import numpy as np

from cat_engine.arithmetic import EXP_FLOOR, exp
from cat_engine.compile import jit

__all__ = ["NEGLIGIBLE", "cell_mass", "draw", "level_masses"]

NEGLIGIBLE = -45.0
"""A cell is empty where the log-posterior is this far below its top at both ends (mass under 1e-18)."""

_GAUSS_1, _GAUSS_2 = 0.06943184420297371, 0.33000947820757187  # nodes on (0, 1); the others mirror them
_WEIGHT_1, _WEIGHT_2 = 0.17392742256872692, 0.32607257743127307


@jit
def density(log_post, top, q, t):
    """Posterior density, relative to its top, at ``nodes[q] + t x step`` for 0 <= t <= 1."""
    j = min(max(q - 1, 0), log_post.size - 4)
    f0 = max(log_post[j] - top, EXP_FLOOR)
    f1 = max(log_post[j + 1] - top, EXP_FLOOR)
    f2 = max(log_post[j + 2] - top, EXP_FLOOR)
    f3 = max(log_post[j + 3] - top, EXP_FLOOR)
    s = (q - j) + t
    d1 = f1 - f0  # Newton's forward differences
    d2 = (f2 - f1) - d1
    d3 = ((f3 - f2) - (f2 - f1)) - d2
    return exp(f0 + s * (d1 + (s - 1.0) / 2.0 * (d2 + (s - 2.0) / 3.0 * d3)))


@jit
def cell_mass(log_post, top, q, share):
    """Mass between ``nodes[q]`` and ``nodes[q] + share x step``, in units of the step."""
    if log_post[q] - top < NEGLIGIBLE and log_post[q + 1] - top < NEGLIGIBLE:
        return 0.0
    outer = density(log_post, top, q, share * _GAUSS_1) + density(log_post, top, q, share * (1.0 - _GAUSS_1))
    inner = density(log_post, top, q, share * _GAUSS_2) + density(log_post, top, q, share * (1.0 - _GAUSS_2))
    return share * (_WEIGHT_1 * outer + _WEIGHT_2 * inner)


@jit
def level_masses(log_post, nodes, cuts, out):
    """Write the probability of each level: theta below the first of the ascending `cuts`, ...

    Parameters
    ----------
    log_post
        Log-posterior at the nodes, shape ``(Q,)``, not normalised; finite near its top.
    nodes
        Equally spaced, shape ``(Q,)``.
    cuts
        Shape ``(L - 1,)``.
    out
        Shape ``(L,)``.
    """
    top = log_post[0]
    for q in range(1, log_post.size):
        top = max(top, log_post[q])
    for level in range(out.size):
        out[level] = 0.0
    total = 0.0
    level = 0
    while level < cuts.size and cuts[level] <= nodes[0]:
        level += 1
    for q in range(nodes.size - 1):
        mass = cell_mass(log_post, top, q, 1.0)
        done = 0.0
        while level < cuts.size and cuts[level] < nodes[q + 1]:
            share = (cuts[level] - nodes[q]) / (nodes[q + 1] - nodes[q])
            below = min(cell_mass(log_post, top, q, share), mass)
            out[level] += below - done
            done = below
            level += 1
        out[level] += mass - done
        total += mass
    for level in range(out.size):
        out[level] = out[level] / total


@jit
def draw(log_post, nodes, uniforms, out):
    """Write the posterior's quantiles at `uniforms`: draws when these are uniform on (0, 1)."""
    top = log_post[0]
    for q in range(1, log_post.size):
        top = max(top, log_post[q])
    below = np.zeros(nodes.size)
    for q in range(nodes.size - 1):
        below[q + 1] = below[q] + cell_mass(log_post, top, q, 1.0)
    step = nodes[1] - nodes[0]
    for m in range(uniforms.size):
        want = uniforms[m] * below[nodes.size - 1]
        q = 0
        while q < nodes.size - 2 and below[q + 1] <= want:
            q += 1
        low, high = 0.0, 1.0
        t = 0.5
        for _ in range(60):
            gap = below[q] + cell_mass(log_post, top, q, t) - want
            if gap > 0.0:
                high = t
            else:
                low = t
            slope = density(log_post, top, q, t)
            move = t - gap / slope if slope > 0.0 else -1.0
            if not low < move < high:
                move = 0.5 * (low + high)
            if abs(move - t) < 1e-12:
                break
            t = move
        out[m] = nodes[q] + t * step
