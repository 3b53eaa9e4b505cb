"""Reliability: empirical (of a sample), conditional (at an ability) and marginal (of a population).

With latent variance v and test information I, the conditional reliability is ``v I / (v I + 1)`` at theta
(the squared correlation between theta and an efficient estimate at that precision), and the marginal
reliability is its mean over the population.

References
----------
Bechger, T. M., Maris, G., Verstralen, H. H. F. M., & Beguin, A. A. (2003). Using classical test theory in
combination with item response theory. Applied Psychological Measurement, 27, 319-334. Green, B. F., Bock,
R. D., Humphreys, L. G., Linn, R. L., & Reckase, M. D. (1984). Technical guidelines for assessing
computerized adaptive tests. Journal of Educational Measurement, 21, 347-360.
"""

from __future__ import annotations

import numpy as np

from cat_engine.answers import Answers
from cat_engine.errors import InputError
from cat_engine.information import information_of_test
from cat_engine.pool import ItemPool
from cat_engine.scoring.composite import Population, parts
from cat_engine.scoring.mode import height
from cat_engine.scoring.priors import Prior

__all__ = [
    "conditional_reliability",
    "dimension_reliability",
    "empirical_reliability",
    "marginal_reliability",
]


def empirical_reliability(theta: np.ndarray, se: np.ndarray, method: str = "eap") -> float:
    """Return the reliability of a sample of estimates.

    Parameters
    ----------
    theta, se
        Shape ``(N,)``; persons whose standard error is not finite are left out.
    method
        For ``eap`` and ``map`` estimates, whose variance is that of true ability less what is unknown:
        ``var(theta) / (var(theta) + mean(se**2))``. For ``ml`` and ``wle``, whose variance holds the error
        already: ``1 - mean(se**2) / var(theta)`` (which a poor test can bring below 0).
    """
    theta, se = np.asarray(theta, dtype=np.float64), np.asarray(se, dtype=np.float64)
    known = np.isfinite(theta) & np.isfinite(se)
    if known.sum() < 2:
        raise InputError(
            f"expected at least 2 estimates with a standard error, got {int(known.sum())} for the "
            "reliability; score more people"
        )
    spread, error = float(np.var(theta[known], ddof=1)), float(np.mean(se[known] ** 2))
    if method in ("eap", "map"):
        return spread / (spread + error)
    return 1.0 - error / spread


def conditional_reliability(pool: ItemPool, theta: np.ndarray, prior: Prior | None = None) -> np.ndarray:
    """Return ``v I / (v I + 1)`` at each ability, with v the variance of the (normal) prior."""
    variance = _variance(prior)
    precise = variance * information_of_test(pool, theta)
    return np.asarray(precise / (precise + 1.0))


def dimension_reliability(pool: ItemPool, theta: np.ndarray, cov: np.ndarray) -> np.ndarray:
    """Return the conditional reliability of each of D dimensions, shape ``(M, D)``.

    ``1 - [(I + cov^-1)^-1]_dd / cov_dd`` with I the information matrix of the whole test: what is known of a
    dimension through all the others is counted in. Its mean over abilities of the population is the marginal
    reliability.

    Parameters
    ----------
    theta
        Abilities, shape ``(M, D)``.
    cov
        Covariance matrix of the population, shape ``(D, D)``.
    """
    theta = np.ascontiguousarray(theta, dtype=np.float64)
    population = Population.of(np.zeros(pool.dimensions), cov, pool.dimensions)
    everything = Answers.from_matrix(np.zeros((len(theta), len(pool)), dtype=np.int8))
    info = height(parts(pool, everything), np.arange(len(theta)), theta).info
    unknown = np.linalg.inv(info + population.precision)
    return np.asarray(1.0 - np.diagonal(unknown, axis1=1, axis2=2) / np.diag(population.cov))


def marginal_reliability(pool: ItemPool, prior: Prior | None = None, n: int = 121) -> float:
    """Return the mean conditional reliability over a normal population of any mean and variance."""
    prior = Prior.normal() if prior is None else prior
    _variance(prior)
    grid = prior.grid(n)
    return float(grid.weights @ conditional_reliability(pool, grid.nodes, prior))


def _variance(prior: Prior | None) -> float:
    prior = Prior.normal() if prior is None else prior
    if prior.kind != "normal":
        raise InputError(
            f"expected a normal population for a reliability, got the {prior.kind} prior; give mean and sd"
        )
    return prior.sd * prior.sd
