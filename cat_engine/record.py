"""The score of record: the same bits on every machine, for years.

It is a pure function of the bank's tables, the published prior over a fixed grid and the answers:
float64, ``+ - * /`` and square roots, our own exp and log, items in canonical order, sums one after the
other; no vendor's mathematics library, no fused multiply-add, no parallel reduction, no denormal number.
``docs/decisions/score-of-record.md`` says what that rests on, and tests compare the bytes under ten
settings of processor, compiler and threads, and with a second implementation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cat_engine.answers import Answers
from cat_engine.compile import jit
from cat_engine.errors import InputError
from cat_engine.grid import Grid, GridTables
from cat_engine.information import to_micro
from cat_engine.pool import ItemPool
from cat_engine.scoring.levels import level_masses
from cat_engine.scoring.maximum import Sums, climb
from cat_engine.scoring.posterior import log_posterior, moments, weights
from cat_engine.scoring.priors import Prior

__all__ = ["RECORD_VERSION", "Record", "maxima_of_record", "score_of_record"]

RECORD_VERSION = 1
"""Stored with every score; a change that moves a bit of any score makes it another number."""

_NO_CUTS = np.empty(0)


class Record(NamedTuple):
    """A score of record.

    Attributes
    ----------
    theta, se
        Mean and standard deviation of the posterior.
    levels
        Probability of each level, shape ``(cuts + 1,)``.
    posterior
        Weight of each node, sum 1, shape ``(Q,)``.
    theta_micro, se_micro
        `theta` and `se` in millionths, rounded half to even: the integers that are stored and compared.
    """

    theta: float
    se: float
    levels: np.ndarray
    posterior: np.ndarray
    theta_micro: int
    se_micro: int


@jit
def record_kernel(logp, log_prior, nodes, item, category, cuts, levels, posterior):
    """Write levels and posterior; return theta, se and their integers, or a negative code in the last.

    Whole-sitting kernels call this one: `item` and `category` may be longer than the answers, so give
    slices. Codes: -1 an item that is not in the pool, -2 a category that the item has not, -3 an item twice.
    """
    size = item.size
    ordered = np.empty(size, np.int64)
    chosen = np.empty(size, np.int64)
    for r in range(size):
        i = np.int64(item[r])
        k = np.int64(category[r])
        if i < 0 or i >= logp.shape[0]:
            return 0.0, 0.0, 0, -1
        if k < 0 or k >= logp.shape[1] or logp[i, k, 0] == -np.inf:
            return 0.0, 0.0, 0, -2
        s = r
        while s > 0 and ordered[s - 1] > i:
            ordered[s] = ordered[s - 1]
            chosen[s] = chosen[s - 1]
            s -= 1
        if s > 0 and ordered[s - 1] == i:
            return 0.0, 0.0, 0, -3
        ordered[s] = i
        chosen[s] = k
    log_post = np.empty(nodes.size)
    log_posterior(logp, log_prior, ordered, chosen, 0, size, log_post)
    for q in range(nodes.size):
        posterior[q] = log_post[q]
    weights(posterior)
    theta, se, total = moments(posterior, nodes)
    for q in range(nodes.size):
        posterior[q] = posterior[q] / total
    level_masses(log_post, nodes, cuts, levels)
    return theta, se, to_micro(theta), to_micro(se)


_FLAWS = {
    -1: "items of the pool",
    -2: "categories that the items have",
    -3: "each item once",
}


def score_of_record(
    tables: GridTables,
    grid: Grid,
    item: np.ndarray | Sequence[int],
    category: np.ndarray | Sequence[int],
    cuts: np.ndarray | Sequence[float] = _NO_CUTS,
) -> Record:
    """Return the score of record of one sitting.

    Parameters
    ----------
    tables, grid
        The bank over the design's grid (:func:`cat_engine.grid.tabulate`); the grid holds the published
        prior.
    item, category
        The answers that count, in any order: positions in the pool and categories.
    cuts
        Ascending cut scores.

    Raises
    ------
    InputError
        For answers that the pool cannot have, and for cuts that do not ascend.
    """
    item = np.ascontiguousarray(item, dtype=np.int64)
    category = np.ascontiguousarray(category, dtype=np.int64)
    cuts = np.ascontiguousarray(cuts, dtype=np.float64)
    if item.shape != category.shape or item.ndim != 1:
        raise InputError(
            f"expected one category for each item, got {category.shape} categories and {item.shape} "
            "items in a sitting; correct the answers"
        )
    if cuts.size > 1 and not (cuts[1:] > cuts[:-1]).all():
        raise InputError(f"expected cut scores that ascend, got {cuts.tolist()}; order them")
    levels, posterior = np.empty(cuts.size + 1), np.empty(len(grid))
    theta, se, theta_micro, se_micro = record_kernel(
        tables.logp, grid.log_weights, grid.nodes, item, category, cuts, levels, posterior
    )
    if se_micro < 0:
        raise InputError(
            f"expected {_FLAWS[int(se_micro)]}, got items {item.tolist()} and categories "
            f"{category.tolist()} in a sitting; correct the answers"
        )
    return Record(float(theta), float(se), levels, posterior, int(theta_micro), int(se_micro))


def maxima_of_record(
    pool: ItemPool, tables: GridTables, grid: Grid, answers: Answers, method: str, prior: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Return every person's estimate of record by ``map``, ``ml`` or ``wle``, and its standard error.

    The root of the exact derivative, found as by :func:`cat_engine.scoring.score` from the best node of
    the grid: the same bits whatever order the answers came in and whoever is scored beside.

    Parameters
    ----------
    tables, grid
        The bank over the design's grid. Where the derivative has no root between the grid's ends, the
        estimate is the end.
    prior
        Mean and standard deviation: for ``map``, and for people without an answer that counts.

    Returns
    -------
    theta, se
        Shape ``(N,)``. `se` is one over the root of the expected information at theta (``map``: and the
        prior's), a million where there is none.
    """
    mean, sd = prior
    belief = Prior.normal(mean, sd, float(grid.nodes[0]), float(grid.nodes[-1]))
    sums = Sums(pool, answers)
    theta, values, _ = climb(pool, sums, answers, method, belief, (tables, grid))
    information = values[:, 2] + (belief.precision if method == "map" else 0.0)
    se = 1.0 / np.sqrt(np.maximum(information, 1e-12))
    empty = answers.indptr[1:] == answers.indptr[:-1]
    theta[empty], se[empty] = mean, sd
    return theta, se
