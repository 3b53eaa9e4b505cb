"""Ability estimates in several dimensions: EAP and MAP with the population as the prior."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from cat_engine.answers import Answers
from cat_engine.errors import InputError
from cat_engine.pool import ItemPool
from cat_engine.scoring.adaptive import NODES, adaptive_moments
from cat_engine.scoring.composite import Population, parts, slopes_of
from cat_engine.scoring.mode import height, modes
from cat_engine.scoring.reduction import hub_of, reduced_moments

__all__ = ["DimensionScores", "score_dimensions"]


class DimensionScores(NamedTuple):
    """Estimates of every person in D dimensions.

    Attributes
    ----------
    theta
        Shape ``(N, D)``, always finite.
    se
        Shape ``(N, D)``; inf where there is none.
    cov
        Shape ``(N, D, D)``: covariance matrix of the errors, whose diagonal is ``se**2``.
    flag
        Shape ``(N,)``, uint8: positions in `FLAGS`.
    """

    theta: np.ndarray
    se: np.ndarray
    cov: np.ndarray
    flag: np.ndarray


def score_dimensions(
    pool: ItemPool,
    answers: Answers,
    mean: np.ndarray,
    cov: np.ndarray,
    method: str = "eap",
    se: Literal["expected", "observed"] = "expected",
) -> DimensionScores:
    """Estimate the abilities of every person.

    Parameters
    ----------
    pool
        Items of compensatory models, mixed as you like.
    answers
        Missing answers are left out.
    mean, cov
        Of the normal population, shapes ``(D,)`` and ``(D, D)``: the prior.
    method
        ``"eap"``: the mean of the posterior, with its standard deviations; ``"map"``: its mode.
    se
        Standard errors of map: from the inverse of the precision of the prior plus ``"expected"`` (the
        default) information at the estimate, or plus the ``"observed"``, minus the second derivative of
        the log-likelihood.

    Returns
    -------
    DimensionScores

    Raises
    ------
    InputError
        For another method or kind of standard error, answers that the pool cannot have, a population that
        is none, and for eap in more dimensions than quadrature reaches.

    Notes
    -----
    Where one dimension holds the others together (two dimensions, bifactor patterns) EAP is exact on 61
    nodes a dimension (:mod:`cat_engine.scoring.reduction`); else it is adaptive Gauss-Hermite quadrature
    (:mod:`cat_engine.scoring.adaptive`) in up to 6 dimensions.
    """
    if method not in ("eap", "map") or se not in ("expected", "observed"):
        raise InputError(
            "expected a method among eap, map and a standard error 'expected' or 'observed' in several "
            f"dimensions, got {method!r} and {se!r}; choose from these"
        )
    population = Population.of(mean, cov, pool.dimensions)
    answers.check(pool)
    flag = np.where(answers.indptr[1:] == answers.indptr[:-1], 1, 0).astype(np.uint8)
    if method == "eap":
        theta, error = _eap(pool, answers, population)
    else:
        items, everyone = parts(pool, answers), np.arange(answers.n_persons)
        theta, _ = modes(items, answers.n_persons, population)
        said = height(items, everyone, theta)
        precise = population.precision + (said.info if se == "expected" else -said.second)
        useful = np.linalg.eigvalsh(precise)[:, 0] > 0.0
        precise[~useful] = np.eye(len(population.mean))
        error = np.linalg.inv(precise)
        error[~useful] = np.inf
        flag[~useful] = 3
    spread = np.sqrt(np.diagonal(error, axis1=1, axis2=2))
    return DimensionScores(theta, spread, error, flag)


def _eap(pool: ItemPool, answers: Answers, population: Population) -> tuple[np.ndarray, np.ndarray]:
    hub = hub_of(slopes_of(pool), population.cov)
    if hub is not None:
        return reduced_moments(pool, answers, population, hub)
    if len(population.mean) not in NODES:
        raise InputError(
            f"expected at most {max(NODES)} dimensions that depend on each other for eap, got "
            f"{len(population.mean)}; score by map"
        )
    return adaptive_moments(parts(pool, answers), answers.n_persons, population)
