"""Level probabilities and plausible values of many persons."""

from __future__ import annotations

import numpy as np

from cat_engine.answers import Answers
from cat_engine.compile import jit
from cat_engine.errors import InputError
from cat_engine.grid import Grid, tabulate
from cat_engine.pool import ItemPool
from cat_engine.scoring.levels import draw, level_masses
from cat_engine.scoring.posterior import posteriors
from cat_engine.scoring.priors import Prior
from cat_engine.threads import over_chunks

__all__ = ["level_probabilities", "plausible_values"]


@jit(nogil=True)
def _levels(low, high, log_post, nodes, cuts, out):
    for p in range(low, high):
        level_masses(log_post[p], nodes, cuts, out[p])


@jit(nogil=True)
def _draws(low, high, log_post, nodes, uniforms, out):
    for p in range(low, high):
        draw(log_post[p], nodes, uniforms[p], out[p])


def _posteriors(
    pool: ItemPool, answers: Answers, prior: Prior | None, grid: Grid | None
) -> tuple[np.ndarray, Grid]:
    answers.check(pool)
    prior = Prior.normal() if prior is None else prior
    grid = prior.grid() if grid is None else grid
    return posteriors(tabulate(pool, grid), grid, answers, prior.lift), grid


def level_probabilities(
    pool: ItemPool,
    answers: Answers,
    cuts: np.ndarray,
    prior: Prior | None = None,
    grid: Grid | None = None,
) -> np.ndarray:
    """Return each person's probability of each level, shape ``(N, cuts + 1)``.

    Parameters
    ----------
    cuts
        Ascending cut scores; level 0 is below the first. A grid cell that holds a cut is split at it.
    """
    cuts = np.ascontiguousarray(cuts, dtype=np.float64)
    if not (cuts[1:] > cuts[:-1]).all():
        raise InputError(f"expected cut scores that ascend, got {cuts.tolist()}; order them")
    log_post, grid = _posteriors(pool, answers, prior, grid)
    out = np.empty((answers.n_persons, len(cuts) + 1))
    over_chunks(_levels, len(out), log_post, grid.nodes, cuts, out)
    return out


def plausible_values(
    pool: ItemPool,
    answers: Answers,
    uniforms: np.ndarray,
    prior: Prior | None = None,
    grid: Grid | None = None,
) -> np.ndarray:
    """Return draws from each person's posterior, shape ``(N, M)``.

    Parameters
    ----------
    uniforms
        Shape ``(N, M)``, numbers in (0, 1) from a generator of the caller's: ``rng.random((N, M))``.
    """
    uniforms = np.ascontiguousarray(uniforms, dtype=np.float64)
    if uniforms.ndim != 2 or len(uniforms) != answers.n_persons:
        raise InputError(
            f"expected uniforms of shape ({answers.n_persons}, M), got {uniforms.shape} for plausible "
            "values; draw one row a person"
        )
    log_post, grid = _posteriors(pool, answers, prior, grid)
    out = np.empty(uniforms.shape)
    over_chunks(_draws, len(out), log_post, grid.nodes, uniforms, out)
    return out
