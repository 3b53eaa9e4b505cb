"""Mean-square residuals (infit, outfit) of items and persons, at point estimates or over the posterior.

References
----------
Wright, B. D., & Masters, G. N. (1982). Rating scale analysis. MESA Press (ch. 5: eqs. 5.3 to 5.6).
Wilson, E. B., & Hilferty, M. M. (1931). The distribution of chi-square. PNAS, 17, 684-688.
Adams, R. J., & Wu, M. L. (2007). The mixed-coefficients multinomial logit model. In von Davier & Carstensen,
Multivariate and mixture distribution Rasch models (posterior-weighted residuals).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from calibration.fit.evidence import Evidence, Part
from calibration.kernels.fit import N_SUMS, residual_sums
from cat_engine.answers import Answers
from cat_engine.pool import ItemPool

__all__ = ["MeanSquares", "Sums", "mean_squares", "posterior_mean_squares", "sums_at", "sums_of"]


class Sums(NamedTuple):
    """What `residual_sums` adds up, at one theta a person.

    Attributes
    ----------
    by_item
        Shape ``(n_items, N_SUMS)``.
    by_person
        Shape ``(n_persons, N_SUMS)``, in the responses' order.
    residual
        One number an answer of `Evidence.answers`, or of length 0.
    """

    by_item: np.ndarray
    by_person: np.ndarray
    residual: np.ndarray


class MeanSquares(NamedTuple):
    """Mean squares and their standardised values, NaN without answers.

    Attributes
    ----------
    outfit, outfit_z, infit, infit_z
        Expected value 1 and 0; large when answers are more erratic than the model says.
    """

    outfit: np.ndarray
    outfit_z: np.ndarray
    infit: np.ndarray
    infit_z: np.ndarray


def sums_of(pool: ItemPool, answers: Answers, theta: np.ndarray, *, residuals: bool = False) -> Sums:
    """Return sums of residuals and log-probabilities of `answers` at `theta`, shape ``(N,)``."""
    by_item = np.zeros((len(pool), N_SUMS))
    by_person = np.zeros((answers.n_persons, N_SUMS))
    residual = np.zeros(len(answers.item) if residuals else 0)
    for block in pool.blocks:
        row = np.full(len(pool), -1, np.int64)
        row[block.index] = np.arange(len(block.index))
        residual_sums(block.table, row, *answers, theta, by_item, by_person, residual)
    return Sums(by_item, by_person, residual)


def sums_at(evidence: Evidence, theta: np.ndarray, *, residuals: bool = False) -> Sums:
    """Return sums of residuals and log-probabilities at `theta`, shape ``(n_persons,)``."""
    by_item = np.zeros((evidence.n_items, N_SUMS))
    by_person = np.zeros((evidence.n_persons, N_SUMS))
    residual = np.zeros(len(evidence.answers.item) if residuals else 0)
    lengths = np.diff(evidence.answers.indptr)
    for part in evidence.parts:
        sums = sums_of(part.pool, part.answers, theta[part.rows], residuals=residuals)
        by_item += sums.by_item
        by_person[part.rows] = sums.by_person
        if residuals and len(evidence.parts) == 1:
            residual = sums.residual
        elif residuals:
            starts = np.repeat(
                evidence.answers.indptr[part.rows] - part.answers.indptr[:-1], lengths[part.rows]
            )
            residual[starts + np.arange(len(sums.residual))] = sums.residual
    return Sums(by_item, by_person, residual)


def _standardised(mean_square: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Turn a mean square with standard deviation `q` into a nearly normal deviate (cube root)."""
    q = np.minimum(q, 1.4142)
    with np.errstate(divide="ignore", invalid="ignore"):
        out: np.ndarray = (np.cbrt(mean_square) - 1.0) * (3.0 / q) + q / 3.0
    return out


def mean_squares(sums: np.ndarray) -> MeanSquares:
    """Return infit and outfit from rows of `Sums.by_item` or `Sums.by_person`."""
    n = np.where(sums[:, 0] > 0, sums[:, 0], np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        outfit = sums[:, 1] / n
        q_out = np.sqrt(np.maximum(sums[:, 4] / n**2 - 1.0 / n, 0.0))
        infit = sums[:, 2] / sums[:, 3]
        q_in = np.sqrt(np.maximum(sums[:, 5], 0.0)) / sums[:, 3]
    return MeanSquares(outfit, _standardised(outfit, q_out), infit, _standardised(infit, q_in))


def expected_counts(part: Part) -> np.ndarray:
    """Return the expected number of answers in each category at each node, shape ``(n, K, Q)``."""
    n, width, size = part.probability.shape
    person = np.repeat(np.arange(part.n_persons), np.diff(part.answers.indptr))
    if part.complete.all() and part.n_persons:
        out = np.empty((n, width, size))
        matrix = part.matrix
        for k in range(width):
            out[:, k] = (matrix == k).astype(np.float64).T @ part.posterior
        return out
    flat = np.zeros((n * width, size))
    cell = part.answers.item.astype(np.int64) * width + part.answers.category
    order = np.argsort(cell, kind="stable")
    ordered, weights = cell[order], person[order]
    starts = (
        np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(ordered) else np.zeros(0, np.int64)
    )
    for start, stop in zip(starts, np.r_[starts[1:], len(ordered)], strict=True):
        flat[ordered[start]] = part.posterior[weights[start:stop]].sum(axis=0)
    return flat.reshape(n, width, size)


def posterior_mean_squares(evidence: Evidence) -> MeanSquares:
    """Return infit and outfit of every item with the residuals averaged over each person's posterior.

    Their expectation is 1 when the model holds, whatever the length of the test: at a point estimate it is
    less, because the estimate follows the very answers it is compared with.
    """
    sums = np.zeros((evidence.n_items, N_SUMS))
    for part in evidence.parts:
        counts = expected_counts(part)
        at_node = counts.sum(axis=1)
        k = np.arange(counts.shape[1], dtype=np.float64)[None, :, None]
        gap = (k - part.expected[:, None, :]) ** 2
        variance = np.maximum((part.probability * gap).sum(axis=1), 1e-12)
        fourth = (part.probability * gap * gap).sum(axis=1)
        square = (counts * gap).sum(axis=1)
        sums[:, 0] += at_node.sum(axis=1)
        sums[:, 1] += (square / variance).sum(axis=1)
        sums[:, 2] += square.sum(axis=1)
        sums[:, 3] += (at_node * variance).sum(axis=1)
        sums[:, 4] += (at_node * fourth / variance**2).sum(axis=1)
        sums[:, 5] += (at_node * (fourth - variance**2)).sum(axis=1)
    return mean_squares(sums)
