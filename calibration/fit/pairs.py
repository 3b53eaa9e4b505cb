"""Local dependence of pairs of items: Q3 and LD-X2.

References
----------
Yen, W. M. (1984). Effects of local item dependence on the fit and equating performance of the
three-parameter logistic model. Applied Psychological Measurement, 8, 125-145. Chen, W.-H., & Thissen, D.
(1997). Local dependence indexes for item pairs using item response theory. Journal of Educational and
Behavioral Statistics, 22, 265-289. Christensen, K. B., Makransky, G., & Horton, M. (2017). Critical values
for Yen's Q3. Applied Psychological Measurement, 41, 178-194.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import chi2

from calibration.fit.evidence import Evidence
from calibration.fit.residuals import sums_at

__all__ = ["LEAST_PAIR", "PairChi2", "ld_x2", "met_both", "pair_tables", "q3", "residual_correlations"]

LEAST_PAIR = 100
"""Persons who must have met both items of a pair for it to say anything."""


class PairChi2(NamedTuple):
    """LD-X2 of every pair, symmetric matrices with NaN on the diagonal.

    Attributes
    ----------
    statistic
        Pearson's X2 between the observed and the expected table of the two items.
    df
        ``(K_i - 1)(K_j - 1)``.
    p
        By the chi-squared distribution (approximate: no allowance for estimation).
    v
        Cramer's V with a sign: positive where the items go together more than the model says.
    """

    statistic: np.ndarray
    df: np.ndarray
    p: np.ndarray
    v: np.ndarray


def q3(evidence: Evidence, theta: np.ndarray | None = None) -> np.ndarray:
    """Return the correlations of the items' residuals, shape ``(n, n)``.

    Parameters
    ----------
    theta
        Shape ``(n_persons,)``; EAP by default.

    Notes
    -----
    Under the model each correlation is about ``-1 / (n - 1)``, not 0: judge it against the mean of all.
    A pair that fewer than `LEAST_PAIR` persons met holds NaN (unless the whole sample is smaller).
    """
    theta = evidence.theta() if theta is None else theta
    return residual_correlations(evidence, sums_at(evidence, theta, residuals=True).residual)


def residual_correlations(evidence: Evidence, residual: np.ndarray) -> np.ndarray:
    """Return the correlations of the items' residuals, one an answer; NaN as `q3` says."""
    n, answers = evidence.n_items, evidence.answers
    person = np.repeat(np.arange(answers.n_persons), np.diff(answers.indptr))
    dense = np.zeros((answers.n_persons, n))
    dense[person, answers.item] = residual
    if len(residual) == dense.size:
        dense -= dense.mean(axis=0)
        cross = dense.T @ dense
        scale = np.sqrt(np.diag(cross))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(cross / np.outer(scale, scale))
    given = np.zeros((answers.n_persons, n))
    given[person, answers.item] = 1.0
    count = given.T @ given
    total = dense.T @ given  # [i, j]: sum of residuals of i over those who met j too
    square = (dense**2).T @ given
    with np.errstate(divide="ignore", invalid="ignore"):
        covariance = dense.T @ dense - total * total.T / count
        variance = square - total**2 / count
        out = covariance / np.sqrt(variance * variance.T)
    least = min(LEAST_PAIR, evidence.n_persons)
    return np.where(count >= least, out, np.nan)


def met_both(evidence: Evidence) -> np.ndarray:
    """Return how many persons met both items of each pair, shape ``(n, n)``."""
    out = np.zeros((evidence.n_items, evidence.n_items))
    for part in evidence.parts:
        met = (part.matrix >= 0).astype(np.float32)
        out += met.T @ met
    return out


def pair_tables(matrix: np.ndarray, width: int) -> np.ndarray:
    """Return the joint counts of every pair of items, shape ``(n, n, K, K)``.

    Parameters
    ----------
    matrix
        Categories, shape ``(N, n)``, negative where there is none.
    """
    n = matrix.shape[1]
    counts = np.zeros((n * width, n * width))
    for start in range(0, len(matrix), 65_536):  # so many counts are exact in single precision
        some = matrix[start : start + 65_536]
        marks = (
            (some[:, :, None] == np.arange(width, dtype=some.dtype)).reshape(len(some), -1).astype(np.float32)
        )
        counts += marks.T @ marks
    return counts.reshape(n, width, n, width).transpose(0, 2, 1, 3)


def _gamma(tables: np.ndarray) -> np.ndarray:
    """Return Goodman and Kruskal's gamma of each table (Yule's Q for two categories)."""
    below = np.zeros_like(tables)
    below[..., 1:, :] = np.cumsum(tables, axis=-2)[..., :-1, :]
    left, right = np.zeros_like(tables), np.zeros_like(tables)
    left[..., 1:] = np.cumsum(below, axis=-1)[..., :-1]
    right[..., :-1] = np.cumsum(below[..., ::-1], axis=-1)[..., -2::-1]
    agree, differ = (tables * left).sum(axis=(-1, -2)), (tables * right).sum(axis=(-1, -2))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((agree - differ) / (agree + differ))


def ld_x2(evidence: Evidence) -> PairChi2:
    """Return LD-X2 of every pair from the persons who met both items.

    What is expected is the model's marginal table over the population, so that who met an item must not
    depend on theta: for adaptive data use `q3`. The sign of `v` compares Goodman and Kruskal's gamma of
    the observed and of the expected table.
    """
    n, width = evidence.n_items, int(evidence.pool.n_cat.max())
    observed, expected = np.zeros((n, n, width, width)), np.zeros((n, n, width, width))
    for part in evidence.parts:
        count = pair_tables(part.matrix, width)
        flat = part.probability.reshape(n * width, -1)
        joint = ((flat * part.grid.weights) @ flat.T).reshape(n, width, n, width).transpose(0, 2, 1, 3)
        observed += count
        expected += count.sum(axis=(2, 3), keepdims=True) * joint
    persons = observed.sum(axis=(2, 3))
    cells = np.where(
        expected > 0.0, (observed - expected) ** 2 / np.where(expected > 0.0, expected, 1.0), 0.0
    )
    statistic = cells.sum(axis=(2, 3))
    with np.errstate(invalid="ignore"):
        sign = np.where(_gamma(observed) >= _gamma(expected), 1.0, -1.0)
    n_cat = evidence.pool.n_cat.astype(np.float64)
    least = np.minimum.outer(n_cat, n_cat) - 1.0
    df = np.outer(n_cat - 1.0, n_cat - 1.0)
    none = (persons == 0) | np.eye(n, dtype=bool)
    statistic[none] = np.nan
    v = sign * np.sqrt(statistic / np.where(none, 1.0, persons * least))
    return PairChi2(statistic, np.where(np.eye(n, dtype=bool), np.nan, df), chi2.sf(statistic, df), v)
