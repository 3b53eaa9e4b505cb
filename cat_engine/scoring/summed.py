"""EAP from summed scores: what a total of category numbers says about ability.

References
----------
Lord, F. M., & Wingersky, M. S. (1984). Comparison of IRT true-score and equipercentile observed-score
"equatings". Applied Psychological Measurement, 8, 453-461. Thissen, D., Pommerich, M., Billeaud, K., &
Williams, V. S. L. (1995). Item response theory for scores on tests including polytomous items with ordered
responses. Applied Psychological Measurement, 19, 39-49.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from cat_engine.grid import Grid, tabulate
from cat_engine.pool import ItemPool
from cat_engine.scoring.priors import Prior

__all__ = ["SummedScores", "summed_score_likelihood", "summed_scores"]


class SummedScores(NamedTuple):
    """One row a summed score.

    Attributes
    ----------
    total
        0, 1, ..., the largest sum of category numbers; shape ``(S,)``.
    theta, se
        Posterior mean and standard deviation given the sum, shape ``(S,)``.
    probability
        How often the prior population obtains the sum, shape ``(S,)``.
    """

    total: np.ndarray
    theta: np.ndarray
    se: np.ndarray
    probability: np.ndarray


def summed_score_likelihood(logp: np.ndarray, n_cat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the likelihood of each summed score over a grid, and the log of its scale.

    Parameters
    ----------
    logp
        Shape ``(n, K, Q)``.
    n_cat
        Shape ``(n,)``.

    Returns
    -------
    likelihood
        Shape ``(S, Q)``, each row divided by its largest value, so that a test of thousands of items does
        not underflow.
    scale
        Shape ``(S,)``: ``log P(S = s | theta_q) = log(likelihood[s, q]) + scale[s]``.
    """
    size = logp.shape[2]
    rows, scale = np.ones((1, size)), np.zeros(1)
    for item, k in zip(logp, n_cat, strict=True):
        longer = len(rows) + k - 1
        grown, new = np.zeros((longer, size)), np.full(longer, -np.inf)
        for c in range(k):
            np.maximum(new[c : c + len(rows)], scale, out=new[c : c + len(rows)])
        for c in range(k):
            part = np.exp(scale - new[c : c + len(rows)])
            grown[c : c + len(rows)] += rows * part[:, None] * np.exp(item[c])
        top = grown.max(axis=1)
        rows, scale = grown / top[:, None], new + np.log(top)
    return rows, scale


def summed_scores(
    pool: ItemPool,
    prior: Prior | None = None,
    items: Iterable[int] | None = None,
    grid: Grid | None = None,
) -> SummedScores:
    """Return EAP scores of every summed score of a fixed set of items.

    Parameters
    ----------
    prior
        Standard normal by default (Jeffreys' prior is taken as uniform on its range).
    items
        Positions of the items that were asked; all by default. A person with missing answers needs the
        table of the items that person answered.
    """
    prior = Prior.normal() if prior is None else prior
    grid = prior.grid() if grid is None else grid
    chosen = np.arange(len(pool)) if items is None else np.fromiter(items, dtype=np.int64)
    tables = tabulate(pool, grid)
    rows, scale = summed_score_likelihood(tables.logp[chosen], tables.n_cat[chosen])
    joint = rows * grid.weights
    total = joint.sum(axis=1)
    theta = joint @ grid.nodes / total
    se = np.sqrt((joint * (grid.nodes - theta[:, None]) ** 2).sum(axis=1) / total)
    probability = np.exp(np.log(total) + scale)
    return SummedScores(np.arange(len(rows)), theta, se, probability / probability.sum())
