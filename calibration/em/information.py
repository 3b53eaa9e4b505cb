"""Observed information at a point, and covariance matrices made from it.

By Louis' identity the observed information is the complete data's minus the posterior covariance of the
complete data's score, summed over persons; on one grid this is the same matrix as Oakes' (1999), which
differentiates the EM map. The complete data's second derivatives come from central differences of the
analytic first ones.

References
----------
Louis, T. A. (1982). Finding the observed information matrix when using the EM algorithm. JRSS B, 44,
226-233. Oakes, D. (1999). Direct calculation of the information matrix via the EM algorithm. JRSS B, 61,
479-482. White, H. (1982). Maximum likelihood estimation of misspecified models. Econometrica, 50, 1-25.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calibration.em.likelihood import Likelihood, Point
from calibration.em.threads import share
from calibration.kernels.spread import spread_dense, spread_sparse
from item_bank.responses import Responses

__all__ = ["Information", "observed_information"]

FULL = 6000
"""Most working parameters for which the full matrix is made."""

NARROW = 400
"""Up to this many columns a person's whole score is written out, however little they answered."""

CHUNKS = 4


@dataclass(frozen=True, eq=False)
class Information:
    """Information matrices in the free parameters.

    Attributes
    ----------
    observed
        Minus the second derivatives of what is maximised.
    meat
        Sum over persons of the outer product of their gradients (weights squared).
    """

    observed: np.ndarray
    meat: np.ndarray


def observed_information(problem: Likelihood, point: Point, responses: list[Responses]) -> Information:
    """Return the observed information and the cross-product of the persons' gradients.

    Parameters
    ----------
    problem, point
        Where.
    responses
        The responses of each group, as they were packed.
    """
    structure = problem.structure
    n, total = structure.n_free, problem.n_free
    observed = np.zeros((total, total))
    meat = np.zeros((total, total))
    observed[:n, :n] = _complete(problem, point)
    items_map, columns = _columns(problem)
    flat_slopes, base, width = _category_slopes(problem, point)
    parts = problem.split(point.free)[1]
    start = n
    for group, answers in enumerate(responses):
        latent = problem.latents[group].weights(parts[group], problem.nodes)
        end = start + problem.n_latent[group]
        observed[start:end, start:end] += _latent_complete(problem, group, parts[group], point)
        rows = structure.row_of[group]
        spread, cross = _spread(
            problem, point, group, answers, flat_slopes, base[rows], columns[rows], width[rows],
            latent.slopes, len(items_map),
        )  # fmt: skip
        where = np.concatenate([np.arange(n), np.arange(start, end)])
        full = np.zeros((len(spread), len(where)))
        full[: len(items_map), :n] = items_map
        full[len(items_map) :, n:] = np.eye(end - start)
        observed[np.ix_(where, where)] -= full.T @ spread @ full
        meat[np.ix_(where, where)] += full.T @ cross @ full
        start = end
    return Information(0.5 * (observed + observed.T), meat)


def _columns(problem: Likelihood) -> tuple[np.ndarray, np.ndarray]:
    """Return the map from working columns that move to free parameters, and each row's first column."""
    structure = problem.structure
    columns = np.zeros(len(structure.item_of), np.int64)
    matrix = structure.matrix()
    moving = []
    count = 0
    for block in structure.blocks:
        for r, row in enumerate(block.rows):
            first = block.first + r * block.width
            columns[row] = count
            kept = [first + p for p in _moving(problem, int(row))]
            moving += kept
            count += len(kept)
    return matrix[moving], columns


def _moving(problem: Likelihood, row: int) -> list[int]:
    """Return the working parameters of a row that depend on free ones."""
    block, r = problem.structure.locate(row)
    depends = np.any(block.own_map[r], axis=1) | np.any(block.common_map[r], axis=1)
    return [int(p) for p in np.flatnonzero(depends)]


def _category_slopes(problem: Likelihood, point: Point) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return derivatives of log-probabilities by category, ``(categories, Q, P)``, moving ones first."""
    structure = problem.structure
    widest = max(block.width for block in structure.blocks)
    out = np.zeros((structure.n_categories, len(problem.nodes), widest), np.float32)
    width = np.zeros(len(structure.item_of), np.int64)
    for block, slopes in zip(structure.blocks, point.slopes, strict=True):
        for r, row in enumerate(block.rows):
            kept = _moving(problem, int(row))
            width[row] = len(kept)
            place = structure.place[row]
            out[place : place + block.n_cat, :, : len(kept)] = np.swapaxes(slopes[r][:, kept], 1, 2)
    return out, structure.place, width


def _complete(problem: Likelihood, point: Point) -> np.ndarray:
    """Minus the expected second derivatives of the complete data's log-likelihood and the log prior."""
    structure = problem.structure
    size = len(problem.nodes)
    prior = problem.priors.hessian(point.working)
    matrix = structure.matrix()
    out = np.zeros((structure.n_free, structure.n_free))
    steps = [1e-5 * (1.0 + np.abs(block.working(point.working))) for block in structure.blocks]
    widest = max(block.width for block in structure.blocks)
    hessians = [-h for h in prior]
    for p in range(widest):
        sides = []
        for sign in (1.0, -1.0):
            moved = point.working.copy()
            for block, step in zip(structure.blocks, steps, strict=True):
                if p < block.width:
                    block.working(moved)[:, p] += sign * step[:, p]
            slopes = problem.tabulate(moved)[1]
            sides.append(
                [
                    np.einsum("rkpq,rkq->rp", slope, block.tables(point.counts, size))
                    for block, slope in zip(structure.blocks, slopes, strict=True)
                ]
            )
        for b, block in enumerate(structure.blocks):
            if p < block.width:
                hessians[b][:, :, p] -= (sides[0][b] - sides[1][b]) / (2.0 * steps[b][:, p, None])
    for b, block in enumerate(structure.blocks):
        full = 0.5 * (hessians[b] + np.swapaxes(hessians[b], 1, 2))
        broken = ~np.isfinite(full).all(axis=(1, 2))
        full[broken] = point.information[b][broken]
        for r in range(block.size):
            first = block.first + r * block.width
            rows = matrix[first : first + block.width]
            moved = np.flatnonzero(rows.any(axis=0))
            out[np.ix_(moved, moved)] += rows[:, moved].T @ full[r] @ rows[:, moved]
    return out


def _latent_complete(problem: Likelihood, group: int, free: np.ndarray, point: Point) -> np.ndarray:
    latent, mass = problem.latents[group], point.masses[group]
    out = np.empty((len(free), len(free)))
    for p in range(len(free)):
        step = np.zeros(len(free))
        step[p] = 1e-5
        above = latent.weights(free + step, problem.nodes).slopes @ mass
        below = latent.weights(free - step, problem.nodes).slopes @ mass
        out[:, p] = -(above - below) / 2e-5
    return out


def _spread(
    problem: Likelihood,
    point: Point,
    group: int,
    answers: Responses,
    slopes: np.ndarray,
    base: np.ndarray,
    column: np.ndarray,
    width: np.ndarray,
    latent: np.ndarray,
    n_columns: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the posterior covariance of the score and the cross-product of its means, in columns."""
    packed = problem.data[group]
    size = n_columns + len(latent)
    log_weight = problem.latents[group].weights(problem.split(point.free)[1][group], problem.nodes).log
    table, padded = problem.table(group, point.flat, log_weight, double=False)
    persons = (packed.indptr, packed.rows, table, padded, packed.weight)
    answered = (answers.indptr, answers.item, answers.category, base, column, width, slopes)
    slopes_latent = latent.astype(np.float32)
    n = packed.n_persons
    wide = size > NARROW and answers.density < 0.34
    chunks = int(np.clip(n * size // 100_000, 1, CHUNKS))
    bounds = np.linspace(0, n, chunks + 1).astype(np.int64)
    covariance, meat = np.zeros((chunks, size, size)), np.zeros((chunks, size, size))
    kernel = spread_sparse if wide else spread_dense
    share(kernel, chunks, bounds, *persons, *answered, slopes_latent, covariance, meat)
    return _mirrored(covariance), _mirrored(meat)


def _mirrored(parts: np.ndarray) -> np.ndarray:
    lower: np.ndarray = parts.sum(axis=0)
    return np.asarray(lower + np.tril(lower, -1).T)
