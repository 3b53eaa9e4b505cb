"""Residuals and person fit in several dimensions: an item is one-dimensional along its own composite.

References
----------
Snijders, T. A. B. (2001). Asymptotic null distribution of person fit statistics with estimated person
parameter. Psychometrika, 66, 331-342 (lz* of one theta; here theta is a vector). Albers, C. J., Meijer,
R. R., & Tendeiro, J. N. (2016). Derivation and applicability of asymptotic results for multiple subtests
person-fit statistics. Applied Psychological Measurement, 40, 274-288 (subtests that correlate).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from calibration.fit.dimensions import DimensionPart
from calibration.kernels.fit import N_SUMS, residual_sums, simulate_answers
from cat_engine.answers import Answers
from cat_engine.pool import ItemPool
from cat_engine.scoring import score_dimensions
from cat_engine.scoring.composite import parts, slopes_of

__all__ = ["Along", "along", "lz_dimensions", "simulated_lz_star"]


class Along(NamedTuple):
    """What `residual_sums` says, each answer at the composite of its item.

    Attributes
    ----------
    by_item, by_person, by_answer
        Shapes ``(n, N_SUMS)``, ``(N, N_SUMS)`` and ``(answers, N_SUMS)``.
    """

    by_item: np.ndarray
    by_person: np.ndarray
    by_answer: np.ndarray


def along(pool: ItemPool, answers: Answers, theta: np.ndarray) -> Along:
    """Return sums of residuals and log-probabilities at `theta`, shape ``(N, D)``."""
    n = len(answers.item)
    z = (slopes_of(pool)[answers.item] * theta[_person(answers)]).sum(axis=1)
    by_item, by_answer = np.zeros((len(pool), N_SUMS)), np.zeros((n, N_SUMS))
    for block, part in zip(pool.blocks, parts(pool, answers), strict=True):
        row = np.full(len(pool), -1, np.int64)
        row[block.index] = np.arange(len(block.index))
        residual_sums(
            part.line, row, np.arange(n + 1), answers.item, answers.category, z, by_item, by_answer,
            np.zeros(0),
        )  # fmt: skip
    return Along(by_item, _by_person(answers, by_answer), by_answer)


def _person(answers: Answers) -> np.ndarray:
    return np.repeat(np.arange(answers.n_persons), np.diff(answers.indptr))


def _by_person(answers: Answers, values: np.ndarray) -> np.ndarray:
    """Return sums over each person's answers."""
    out = np.zeros((answers.n_persons, *values.shape[1:]))
    some = np.flatnonzero(np.diff(answers.indptr))
    if len(some):
        out[some] = np.add.reduceat(values, answers.indptr[some], axis=0)
    return out


def lz_dimensions(pool: ItemPool, answers: Answers, sums: Along) -> tuple[np.ndarray, np.ndarray]:
    """Return lz and lz* of every person.

    The part of the surprise that an estimate of theta takes up is its regression on the score vector, whose
    entries are an item's slopes times the score along its composite; NaN where nothing is left.
    """
    slopes = slopes_of(pool)[answers.item]
    covary = _by_person(answers, slopes * sums.by_answer[:, 9:10])
    info = _by_person(answers, slopes[:, :, None] * slopes[:, None, :] * sums.by_answer[:, 10, None, None])
    score = _by_person(answers, slopes * sums.by_answer[:, 12:13])
    c = np.einsum("nde,ne->nd", np.linalg.pinv(info, hermitian=True), covary)
    surprise = sums.by_person[:, 6] - sums.by_person[:, 7]
    spread = sums.by_person[:, 8] - (c * covary).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        lz = surprise / np.sqrt(sums.by_person[:, 8])
        star = (surprise - (c * score).sum(axis=1)) / np.sqrt(np.where(spread > 1e-12, spread, np.nan))
    return lz, star


def simulated_lz_star(part: DimensionPart, seed: int = 1) -> np.ndarray:
    """Return lz* of as many simulated persons of the population, each on the items that a real one met."""
    random = np.random.Generator(np.random.Philox(seed))
    n, weights = part.n_persons, part.grid.weights
    node = np.minimum(np.searchsorted(np.cumsum(weights), random.random(n)), len(weights) - 1)
    category = np.empty(len(part.answers.item), np.int8)
    uniform = random.random(len(category))
    simulate_answers(part.probability, node, part.answers.indptr, part.answers.item, uniform, category)
    answers = Answers(part.answers.indptr, part.answers.item, category)
    theta = score_dimensions(part.pool, answers, part.mean, part.cov, "map").theta
    return lz_dimensions(part.pool, answers, along(part.pool, answers, theta))[1]
