"""The posterior over a grid, and EAP: table arithmetic that does not know the model.

These kernels are the record path (:mod:`cat_engine.record`) and the batch path at once: sums run in
canonical item order and node by node, so a score is the same to the last bit in a batch of a million,
in a live sitting and with the compiler off.

References
----------
Bock, R. D., & Mislevy, R. J. (1982). Adaptive EAP estimation of ability in a microcomputer environment.
Applied Psychological Measurement, 6, 431-444 (eqs. 3 and 4).
"""

from __future__ import annotations

import math

import numpy as np

from cat_engine.answers import Answers
from cat_engine.arithmetic import TINY, exp, log
from cat_engine.compile import jit
from cat_engine.grid import Grid, GridTables
from cat_engine.threads import over_chunks

__all__ = ["eap", "log_posterior", "moments", "posteriors", "weights"]


@jit
def prior_of(log_prior, lift, info, item, start, stop, out):
    """Write the log-prior over the grid: fixed part + lift x log(information of the items answered)."""
    for q in range(out.size):
        out[q] = log_prior[q]
    if lift != 0.0:
        total = np.zeros(out.size)
        for r in range(start, stop):
            for q in range(out.size):
                total[q] += info[item[r], q]
        for q in range(out.size):
            out[q] += lift * log(max(total[q], TINY))


@jit
def same_items(item, start, stop, other, end):
    """Whether two persons answered the same items."""
    if stop - start != end - other:
        return False
    alike = True
    for r in range(stop - start):
        alike &= item[start + r] == item[other + r]
    return alike


@jit
def log_posterior(logp, base, item, category, start, stop, out):
    """Write log-prior `base` + log-likelihood of the answers ``start .. stop - 1``, shape ``(Q,)``."""
    for q in range(out.size):
        out[q] = base[q]
    r = start
    while r + 3 < stop:  # four rows at a pass, added one after the other
        row1 = logp[item[r], category[r]]
        row2 = logp[item[r + 1], category[r + 1]]
        row3 = logp[item[r + 2], category[r + 2]]
        row4 = logp[item[r + 3], category[r + 3]]
        for q in range(out.size):
            out[q] = (((out[q] + row1[q]) + row2[q]) + row3[q]) + row4[q]
        r += 4
    while r < stop:
        row = logp[item[r], category[r]]
        for q in range(out.size):
            out[q] += row[q]
        r += 1


@jit
def weights(post):
    """Turn a log-posterior into weights ``exp(log_post - max)``, in place (so that it vectorises)."""
    top = post[0]
    for q in range(1, post.size):
        top = post[q] if post[q] > top else top
    for q in range(post.size):
        post[q] = exp(post[q] - top)


@jit
def moments(weight, nodes):
    """Return the mean and the standard deviation of a discrete distribution, and its total weight."""
    total = 0.0
    first = 0.0
    for q in range(weight.size):
        total += weight[q]
        first += weight[q] * nodes[q]
    mean = first / total
    second = 0.0
    for q in range(weight.size):
        gap = nodes[q] - mean
        second += weight[q] * (gap * gap)
    return mean, math.sqrt(second / total), total


@jit(nogil=True)
def _eap(low, high, logp, info, log_prior, lift, nodes, indptr, item, category, theta, se):
    base = np.empty(nodes.size)
    post = np.empty(nodes.size)
    known = -1  # the last person for whom `base` was made
    for p in range(low, high):
        start, stop = indptr[p], indptr[p + 1]
        if known < 0 or (lift != 0.0 and not same_items(item, start, stop, indptr[known], indptr[known + 1])):
            prior_of(log_prior, lift, info, item, start, stop, base)
            known = p
        log_posterior(logp, base, item, category, start, stop, post)
        weights(post)
        theta[p], se[p], _ = moments(post, nodes)


@jit(nogil=True)
def _posteriors(low, high, logp, info, log_prior, lift, indptr, item, category, out):
    base = np.empty(log_prior.size)
    for p in range(low, high):
        start, stop = indptr[p], indptr[p + 1]
        prior_of(log_prior, lift, info, item, start, stop, base)
        log_posterior(logp, base, item, category, start, stop, out[p])


def eap(tables: GridTables, grid: Grid, answers: Answers, lift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return the posterior mean and standard deviation of every person, shapes ``(N,)``.

    Parameters
    ----------
    tables
        The pool over `grid`.
    lift
        0, or 1/2 for Jeffreys' prior on top of the grid's weights.
    """
    theta, se = np.empty(answers.n_persons), np.empty(answers.n_persons)
    over_chunks(
        _eap,
        answers.n_persons,
        tables.logp,
        tables.info,
        grid.log_weights,
        lift,
        grid.nodes,
        *answers,
        theta,
        se,
    )
    return theta, se


def posteriors(tables: GridTables, grid: Grid, answers: Answers, lift: float = 0.0) -> np.ndarray:
    """Return log-prior + log-likelihood of every person over the grid, shape ``(N, Q)``, not normalised."""
    out = np.empty((answers.n_persons, len(grid)))
    over_chunks(
        _posteriors,
        answers.n_persons,
        tables.logp,
        tables.info,
        grid.log_weights,
        lift,
        *answers,
        out,
    )
    return out
