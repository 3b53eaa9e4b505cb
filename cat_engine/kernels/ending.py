"""Whether a sitting is over: stopping rules and classification, for one seat at a time.

References
----------
Wald, A. (1947). Sequential analysis. Reckase, M. D. (1983), for the sequential probability ratio test in
adaptive testing; Thompson, N. A. (2009), for the generalised likelihood ratio; Weiss, D. J., & Kingsbury,
G. G. (1984), for the confidence interval.
"""

from typing import NamedTuple

import numpy as np

from cat_engine.arithmetic import log
from cat_engine.compile import jit
from cat_engine.kernels.belief import levels
from cat_engine.kernels.seats import BEFORE, SCORED, SE, THETA
from cat_engine.scoring.levels import level_masses

GO_ON, LENGTH, PRECISION, CHANGE, INFORMATION, CLASSIFIED, TIME_UP, EXHAUSTED, COMBINED = range(9)

_ROUGH = 0.02
"""How far the quick split of the posterior may be from the one of record, which decides."""

NONE, POSTERIOR, SPRT, GLR, INTERVAL = range(5)


class Ending(NamedTuple):
    """Stopping rules as kernels read them; a rule that is off holds a value that cannot be met.

    ruled
        Whether any rule beside length and time is on.
    se, change, information, time
        Thresholds; off: -1 (`time`: infinite).
    together
        Whether all rules that are on must agree, rather than any.
    method
        How levels are told apart: `NONE`, `POSTERIOR`, `SPRT`, `GLR`, `INTERVAL`.
    confidence, accept, reject, quantile
        Posterior probability; bounds of the log-likelihood ratio; half width in standard errors.
    cuts, delta
        Cut scores and half the width of the indifference region.
    """

    ruled: bool
    se: float
    change: float
    information: float
    time: float
    together: bool
    method: int
    confidence: float
    accept: float
    reject: float
    quantile: float
    cuts: np.ndarray
    delta: float


@jit
def ratio(ending, nodes, like, points, c):
    """Log-likelihood ratio of lying above cut `c` against below it.

    SPRT compares the two ends of the indifference region; GLR the best theta on either side of it. The
    last of `points` is the logarithm of what the likelihood was scaled up by.
    """
    below = points[2 * c]
    above = points[2 * c + 1]
    if ending.method == GLR:
        best_low = 0.0
        best_high = 0.0
        for q in range(nodes.size):
            if nodes[q] <= ending.cuts[c] - ending.delta:
                best_low = max(best_low, like[q])
            elif nodes[q] >= ending.cuts[c] + ending.delta:
                best_high = max(best_high, like[q])
        scaled = points[points.size - 1]
        if best_low > 0.0:
            below = max(below, log(best_low) - scaled)
        if best_high > 0.0:
            above = max(above, log(best_high) - scaled)
    return above - below


@jit
def greatest(masses):
    """Return the greatest of some probabilities."""
    top = 0.0
    for mass in masses:
        top = max(top, mass)
    return top


@jit
def classify(ending, weights, nodes, seats, s, masses):
    """Return the level that the classification rule has settled on, or -1."""
    if ending.method == POSTERIOR:
        like = seats.belief[s, 0]
        levels(like, weights, nodes, nodes[1] - nodes[0], ending.cuts, masses)
        if greatest(masses) >= ending.confidence - _ROUGH:
            log_posterior = np.empty(nodes.size)
            for q in range(nodes.size):
                log_posterior[q] = log(like[q] * weights[q])
            level_masses(log_posterior, nodes, ending.cuts, masses)
        for c in range(masses.size):
            if masses[c] >= ending.confidence:
                return c
        return -1
    level = 0
    for c in range(ending.cuts.size):
        if ending.method == INTERVAL:
            reach = ending.quantile * seats.now[s, SE]
            higher = seats.now[s, THETA] - reach > ending.cuts[c]
            lower = seats.now[s, THETA] + reach < ending.cuts[c]
        else:
            r = ratio(ending, nodes, seats.belief[s, 0], seats.points[s], c)
            higher = r >= ending.accept
            lower = r <= ending.reject
        if not higher and not lower:
            return -1
        level += 1 if higher else 0
    return level


@jit
def satisfied(ending, weights, nodes, seats, s, remaining, masses):
    """Return which rule the estimate satisfies, or `GO_ON`; the blueprint is not asked here.

    `remaining` is the greatest information of an item that may still be served. At least one answer
    counts.
    """
    on = 0
    met = 0
    which = GO_ON
    if ending.method != NONE and ending.cuts.size > 0:
        on += 1
        if classify(ending, weights, nodes, seats, s, masses) >= 0:
            met += 1
            which = CLASSIFIED
    if ending.information >= 0.0:
        on += 1
        if remaining < ending.information:
            met += 1
            which = INFORMATION
    if ending.change >= 0.0:
        on += 1
        moved = abs(seats.now[s, THETA] - seats.now[s, BEFORE])
        if seats.tally[s, SCORED] > 1 and moved <= ending.change:
            met += 1
            which = CHANGE
    if ending.se >= 0.0:
        on += 1
        if seats.now[s, SE] <= ending.se:
            met += 1
            which = PRECISION
    if ending.together and on > 1:
        return COMBINED if met == on else GO_ON
    return which
