"""ML, MAP and WLE: the root of a derivative, found from the best node of a grid.

The estimators differ in what they add to the derivative of the log-likelihood ``L'(theta)``:

    ml     nothing
    map    the derivative of the log-prior
    wle    J / (2 I), with I = sum P'**2 / P and J = sum P' P'' / P over items and categories

(Warm, 1989, eq. 10, whose J is not I' once there is guessing; polytomous items: Magis, 2015, eq. 16).
All of it derives from the models' `logp`, `score` s and `curvature` c, since P' = P s and
P'' = P (c + s**2).

References
----------
Warm, T. A. (1989). Weighted likelihood estimation of ability in item response theory. Psychometrika,
54, 427-450. Magis, D. (2015). A note on weighted likelihood and Jeffreys modal estimation of proficiency
levels in polytomous item response models. Psychometrika, 80, 200-204.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cat_engine.answers import Answers
from cat_engine.compile import jit
from cat_engine.family import sums as family_sums
from cat_engine.grid import Grid, GridTables, tabulate
from cat_engine.pool import ItemPool
from cat_engine.scoring.posterior import log_posterior, prior_of, same_items
from cat_engine.scoring.priors import Prior
from cat_engine.threads import over_chunks

__all__ = ["Sums", "climb", "derivatives", "prior_precision"]

_LAST_STEP = 1e-6
"""A step this short is the last one: what a Newton or secant step leaves is of the order of its square."""

_ITERATIONS = 200


@jit(nogil=True)
def _start(low, high, logp, info, log_prior, lift, nodes, indptr, item, category, theta, edge):
    """Best node of the objective, moved to the top of the parabola through its neighbours."""
    base = np.empty(nodes.size)
    height = np.empty(nodes.size)
    known = -1
    last = nodes.size - 1
    for p in range(low, high):
        start, stop = indptr[p], indptr[p + 1]
        if known < 0 or (lift != 0.0 and not same_items(item, start, stop, indptr[known], indptr[known + 1])):
            prior_of(log_prior, lift, info, item, start, stop, base)
            known = p
        log_posterior(logp, base, item, category, start, stop, height)
        top = 0
        for q in range(1, nodes.size):
            if height[q] > height[top]:
                top = q
        theta[p] = nodes[top]
        edge[p] = 1.0 if height[last] >= height[0] else -1.0
        if 0 < top < last:
            bend = height[top - 1] - 2.0 * height[top] + height[top + 1]
            if bend < 0.0:
                lean = 0.5 * (height[top - 1] - height[top + 1]) / bend
                theta[p] += lean * (nodes[1] - nodes[0])


@jit(nogil=True)
def _sums(low, high, items, persons, theta, indptr, row, category, out):
    for t in range(low, high):
        p = persons[t]
        family_sums(items, row, category, indptr[p], indptr[p + 1], theta[t], out[t])


class Sums:
    """Sums over a person's answers that every estimator is made of, at any theta.

    Parameters
    ----------
    pool, answers
        Items and answers; the answers are split by the pool's blocks once.
    """

    def __init__(self, pool: ItemPool, answers: Answers) -> None:
        tables: list[Any] = [block.table for block in pool.blocks]
        self._parts = list(zip(tables, answers.by_block(pool), strict=True))

    def at(self, persons: np.ndarray, theta: np.ndarray) -> np.ndarray:
        """Return sums for the persons at the positions `persons`, each at a theta of their own.

        Returns
        -------
        array
            Shape ``(len(persons), 5)``: L', L'', expected information I, sum P s c, sum P s**3.
        """
        out = np.zeros((len(persons), 5))
        for table, part in self._parts:
            over_chunks(_sums, len(persons), table, persons, theta, *part, out)
        return out


def derivatives(
    sums: np.ndarray, theta: np.ndarray, method: str, prior: Prior
) -> tuple[np.ndarray, np.ndarray]:
    """Return what an estimator sets to zero, and an approximation of its slope (exact for ml and map
    with a normal or uniform prior)."""
    first, second, info = sums[:, 0], sums[:, 1], sums[:, 2]
    if method == "ml":
        return first, second
    if method == "map" and prior.kind != "jeffreys":
        return first - (theta - prior.mean) * prior.precision, second - prior.precision
    # J = sum P s (c + s**2); I' = sum P s (2 c + s**2)
    bias = sums[:, 4] + (sums[:, 3] if method == "wle" else 2.0 * sums[:, 3])
    return first + 0.5 * bias / np.maximum(info, 1e-100), -info


def prior_precision(sums: Sums, theta: np.ndarray, prior: Prior) -> np.ndarray:
    """Return minus the second derivative of the log-prior at `theta`, shape ``(N,)``.

    Jeffreys': of ``log(I) / 2``, a central difference of its first derivative.
    """
    if prior.kind != "jeffreys":
        return np.full(len(theta), prior.precision)
    persons, h = np.arange(len(theta)), 1e-4

    def lean(x: np.ndarray) -> np.ndarray:
        values = sums.at(persons, x)
        return np.asarray(derivatives(values, x, "map", prior)[0] - values[:, 0])

    return np.asarray((lean(theta - h) - lean(theta + h)) / (2.0 * h))


def climb(
    pool: ItemPool,
    sums: Sums,
    answers: Answers,
    method: str,
    prior: Prior,
    over: tuple[GridTables, Grid] | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return estimates, `sums` at them, and where there was no maximum inside the prior's range.

    From the best node of a grid over that range (61 nodes, unless `over` brings a tabulated one) each
    person climbs by Newton steps (by secants where the slope is approximate), never farther than two nodes
    at once and never out of the bracket that the signs of the derivative have closed; an estimate that
    leaves the range is put on its end.
    """
    n = answers.n_persons
    penalised = method == "map" and prior.kind == "normal"
    grid = prior.grid() if over is None else over[1]
    tables = tabulate(pool, grid) if over is None else over[0]
    lift = 0.5 if method == "wle" or (method == "map" and prior.kind == "jeffreys") else 0.0
    theta, edge = np.empty(n), np.empty(n)
    over_chunks(
        _start,
        n,
        tables.logp,
        tables.info,
        grid.log_weights if penalised else np.zeros(len(grid)),
        lift,
        grid.nodes,
        *answers,
        theta,
        edge,
    )
    result, at_bound = np.zeros((n, 5)), np.zeros(n, dtype=bool)
    active = np.arange(n)
    x = theta.copy()
    low, high = np.full(n, prior.low), np.full(n, prior.high)
    old_x, old_f = np.full(n, np.nan), np.full(n, np.nan)
    exact = method == "ml" or (method == "map" and lift == 0.0)
    reach = 2.0 * grid.step
    for round_ in range(_ITERATIONS):
        values = sums.at(active, x)
        f, slope = derivatives(values, x, method, prior)
        if not exact:
            with np.errstate(divide="ignore", invalid="ignore"):
                secant = (f - old_f) / (x - old_x)
            slope = np.where(np.isfinite(secant) & (secant < 0.25 * slope), secant, slope)
        low, high = np.where(f >= 0.0, x, low), np.where(f <= 0.0, x, high)
        flat = slope > -1e-100
        step = np.where(flat, np.sign(f) * reach, f / np.where(flat, -1.0, -slope))
        target = x + np.clip(step, -reach, reach)
        target = np.where(target < low, 0.5 * (low + x), target)
        target = np.where(target > high, 0.5 * (high + x), target)
        done = np.abs(step) <= _LAST_STEP if exact or round_ > 0 else np.zeros(len(x), dtype=bool)
        done |= (high - low) <= 1e-10
        theta[active], result[active] = np.where(done, target, x), values
        active, x, low, high = active[~done], target[~done], low[~done], high[~done]
        old_x, old_f = theta[active], f[~done]
        if not len(active):
            break
    gone = theta <= prior.low + 1e-9
    at_bound |= gone
    theta[gone] = prior.low
    gone = theta >= prior.high - 1e-9
    at_bound |= gone
    theta[gone] = prior.high
    if method != "map" or not penalised:
        nowhere = result[:, 2] < 1e-12  # a flat objective has no maximum either
        theta[nowhere] = np.where(edge[nowhere] > 0.0, prior.high, prior.low)
        at_bound |= nowhere
    return theta, result, at_bound
