"""MAP in several dimensions: Newton's method for many people at once.

The posterior is log-concave but for items with a lower asymptote, so it mostly has one mode. The climb
begins at the best of ``4 D + 1`` points (the population's mean, and the expectation of theta where one
dimension is 1 or 2 sd below or above its own), goes by Newton steps where the curvature allows, else by
Fisher's scoring, and takes no step down. Where the posterior is not concave at one of these points, it is
climbed from each of them, and the highest top is kept.

References
----------
Samejima, F. (1974). Normal ogive model on the continuous response level in the multidimensional latent
space. Psychometrika, 39, 111-121. Segall, D. O. (1996). Multidimensional adaptive testing. Psychometrika, 61,
331-354 (eqs. 14 to 21).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cat_engine.arithmetic import exp
from cat_engine.compile import jit
from cat_engine.family import curvature as family_curvature
from cat_engine.family import logp as family_logp
from cat_engine.family import score as family_score
from cat_engine.scoring.composite import Part, Population
from cat_engine.threads import over_chunks

__all__ = ["Height", "height", "modes"]

_LAST_STEP = 1e-6  # in population sd; what a Newton step leaves is of the order of its square
_LONGEST_STEP = 2.0
_ROUNDS = 300


class Height(NamedTuple):
    """The log-likelihood at one theta a person.

    Attributes
    ----------
    value
        Shape ``(N,)``.
    first, second
        Derivatives in theta, shapes ``(N, D)`` and ``(N, D, D)``.
    info
        Expected information of the items answered, shape ``(N, D, D)``.
    """

    value: np.ndarray
    first: np.ndarray
    second: np.ndarray
    info: np.ndarray


@jit(nogil=True)
def _add(low, high, line, slopes, indptr, row, category, persons, theta, value, first, second, info):
    size = slopes.shape[1]
    width = 2
    for i in range(line.n_cat.size):
        width = max(width, line.n_cat[i])
    lp = np.empty(width)
    slope = np.empty(width)
    bend = np.empty(width)
    for t in range(low, high):
        for r in range(indptr[persons[t]], indptr[persons[t] + 1]):
            i = row[r]
            z = 0.0
            for d in range(size):
                z += slopes[i, d] * theta[t, d]
            family_logp(line, i, z, lp)
            family_score(line, i, z, lp, slope)
            family_curvature(line, i, z, lp, bend)
            expected = 0.0
            for k in range(line.n_cat[i]):
                expected += exp(lp[k]) * slope[k] * slope[k]
            k = category[r]
            value[t] += lp[k]
            for d in range(size):
                first[t, d] += slopes[i, d] * slope[k]
                for e in range(size):
                    both = slopes[i, d] * slopes[i, e]
                    second[t, d, e] += both * bend[k]
                    info[t, d, e] += both * expected


def height(items: list[Part], persons: np.ndarray, theta: np.ndarray) -> Height:
    """Return the log-likelihood of the persons at the positions `persons`, each at a row of `theta`."""
    n, size = theta.shape
    out = Height(np.zeros(n), np.zeros((n, size)), np.zeros((n, size, size)), np.zeros((n, size, size)))
    for part in items:
        over_chunks(_add, n, part.line, part.slopes, *part.answers, persons, theta, *out)
    return out


class _Slope(NamedTuple):
    """The log-posterior at one theta a person: `Height`, and whether it is concave there; where it is not,
    `second` is that of Fisher's scoring."""

    value: np.ndarray
    first: np.ndarray
    second: np.ndarray
    concave: np.ndarray


def _posterior(items: list[Part], persons: np.ndarray, theta: np.ndarray, population: Population) -> _Slope:
    said = height(items, persons, theta)
    precision = population.precision
    lean = (theta - population.mean) @ precision
    value = said.value - 0.5 * ((theta - population.mean) * lean).sum(axis=1)
    second = said.second - precision
    concave = np.linalg.eigvalsh(second)[:, -1] < 0.0
    second[~concave] = -(said.info[~concave] + precision)
    return _Slope(value, said.first - lean, second, concave)


def _climb(items: list[Part], persons: np.ndarray, theta: np.ndarray, population: Population) -> np.ndarray:
    """Return the tops that the persons reach from the rows of `theta`."""
    theta = theta.copy()
    active = np.arange(len(persons))
    at = _posterior(items, persons, theta, population)
    pace = np.ones(len(persons))
    for _ in range(_ROUNDS):
        step = -np.linalg.solve(at.second, at.first[:, :, None])[:, :, 0]
        length = np.abs(step / population.sd).max(axis=1)
        pace = np.minimum(pace, _LONGEST_STEP / np.maximum(length, 1e-300))
        target = theta[active] + pace[:, None] * step
        going = length > _LAST_STEP
        theta[active[~going]] = target[~going]
        active, target, pace = active[going], target[going], pace[going]
        at = _Slope(*(part[going] for part in at))
        if not len(active):
            break
        there = _posterior(items, persons[active], target, population)
        better = there.value >= at.value
        theta[active[better]] = target[better]
        for now, new in zip(at, there, strict=True):
            now[better] = new[better]
        pace = np.where(better, np.minimum(2.0 * pace, 1.0), 0.5 * pace)
    return theta


def modes(items: list[Part], n: int, population: Population) -> tuple[np.ndarray, np.ndarray]:
    """Return the mode of the posterior of `n` persons, and its precision there.

    Returns
    -------
    theta
        Shape ``(n, D)``.
    precision
        Shape ``(n, D, D)``: minus the second derivative of the log-posterior; where that is not positive
        definite, expected information + precision of the population.
    """
    away = (population.cov / population.sd).T  # row d: what to expect where dimension d is one sd up
    points = population.mean + np.vstack([far * away for far in (0.0, 1.0, -1.0, 2.0, -2.0)])[len(away) - 1 :]
    everyone = np.arange(n)
    best, doubtful = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=bool)
    top = np.full(n, -np.inf)
    for k, point in enumerate(points):
        here = _posterior(items, everyone, np.tile(point, (n, 1)), population)
        best[here.value > top] = k
        top = np.maximum(top, here.value)
        doubtful |= ~here.concave
    theta = _climb(items, everyone, points[best], population)
    again = np.flatnonzero(doubtful)
    for point in points if len(again) else ():
        other = _climb(items, again, np.tile(point, (len(again), 1)), population)
        higher = (
            _posterior(items, again, other, population).value
            > _posterior(items, again, theta[again], population).value
        )
        theta[again[higher]] = other[higher]
    return theta, -_posterior(items, everyone, theta, population).second
