"""Ability estimates for any pool: one function, a list of methods.

`ESTIMATORS` is the register: the law tests run over it.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from cat_engine.answers import Answers
from cat_engine.errors import InputError
from cat_engine.grid import Grid, tabulate
from cat_engine.pool import ItemPool
from cat_engine.scoring.maximum import Sums, climb, prior_precision
from cat_engine.scoring.posterior import eap
from cat_engine.scoring.priors import Prior

__all__ = ["ESTIMATORS", "FLAGS", "Scores", "score"]

ESTIMATORS = {
    "eap": "mean of the posterior (Bock & Mislevy, 1982)",
    "map": "mode of the posterior (Samejima, 1969; Jeffreys' prior: Magis, 2015)",
    "ml": "maximum of the likelihood",
    "wle": "weighted likelihood, with the bias of ML taken out to order 1/n (Warm, 1989)",
}
"""Every method and what it is."""

FLAGS = ("", "no_responses", "no_maximum", "no_se")
"""What the codes of `Scores.flag` mean: nothing; nobody can say (theta is the middle of the range, or what
the prior says); no maximum inside the range (theta is its end, the standard error infinite); the observed
information is not positive."""


class Scores(NamedTuple):
    """Estimates of every person.

    Attributes
    ----------
    theta
        Shape ``(N,)``, always finite.
    se
        Shape ``(N,)``; inf where there is none.
    flag
        Shape ``(N,)``, uint8: positions in `FLAGS`.
    """

    theta: np.ndarray
    se: np.ndarray
    flag: np.ndarray


def score(
    pool: ItemPool,
    answers: Answers,
    method: str = "eap",
    prior: Prior | None = None,
    se: Literal["expected", "observed"] = "expected",
    grid: Grid | None = None,
) -> Scores:
    """Estimate the ability of every person.

    Parameters
    ----------
    pool
        Items of any models, mixed as you like.
    answers
        Missing answers are left out.
    method
        One of `ESTIMATORS`.
    prior
        Standard normal by default. ML and WLE use its range alone (mean +- 6 sd unless told).
    se
        Standard error of map, ml and wle: ``"expected"`` (the default) is 1 / sqrt of the expected
        information at the estimate, ``"observed"`` of minus the second derivative of the log-likelihood; map
        adds minus the second derivative of the log-prior to either. EAP: the posterior's standard deviation.
    grid
        For eap: a grid other than the prior's 61 nodes on mean +- 6 sd.

    Returns
    -------
    Scores

    Raises
    ------
    InputError
        For an unknown method or kind of standard error, and for answers that the pool cannot have.
    """
    if method not in ESTIMATORS or se not in ("expected", "observed"):
        raise InputError(
            f"expected a method among {', '.join(ESTIMATORS)} and a standard error 'expected' or "
            f"'observed', got {method!r} and {se!r}; choose from these"
        )
    prior = Prior.normal() if prior is None else prior
    answers.check(pool)
    unanswered = answers.indptr[1:] == answers.indptr[:-1]
    flag = np.where(unanswered, 1, 0).astype(np.uint8)
    if method == "eap":
        grid = prior.grid() if grid is None else grid
        theta, error = eap(tabulate(pool, grid), grid, answers, prior.lift)
        return Scores(theta, error, flag)
    sums = Sums(pool, answers)
    theta, values, at_bound = climb(pool, sums, answers, method, prior)
    info = values[:, 2] if se == "expected" else -values[:, 1]
    if method == "map":
        info = info + prior_precision(sums, theta, prior)
    useful = info > 1e-12
    error = np.where(useful, 1.0 / np.sqrt(np.where(useful, info, 1.0)), np.inf)
    flag[~useful & ~unanswered] = 3
    flag[at_bound & ~unanswered] = 2
    error[at_bound] = np.inf
    if unanswered.any() and not (method == "map" and prior.kind == "normal"):
        theta[unanswered] = prior.mean if prior.kind == "normal" else 0.5 * (prior.low + prior.high)
        error[unanswered] = np.inf
    return Scores(theta, error, flag)
