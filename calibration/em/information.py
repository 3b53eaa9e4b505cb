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

from calibration.em.columns import Columns
from calibration.em.likelihood import Likelihood, Point

__all__ = ["Information", "complete_information", "mirrored", "observed_information"]

BLOCK = 256


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
    meat: np.ndarray | None


def observed_information(problem: Likelihood, point: Point, *, cross: bool = False) -> Information:
    """Return the observed information and the cross-product of the persons' gradients.

    Parameters
    ----------
    problem, point
        Where.
    cross
        Whether the cross-product is wanted.
    """
    structure = problem.structure
    n, total = structure.n_free, problem.n_free
    observed = np.zeros((total, total))
    meat = np.zeros((total * cross, total * cross))
    observed[:n, :n] = complete_information(problem, point)
    columns = Columns(structure)
    parts = problem.split(point.free)[1]
    weights = [
        latent.weights(part, problem.nodes) for latent, part in zip(problem.latents, parts, strict=True)
    ]
    spreads = problem.persons.spread(problem.setting(point, weights), [w.slopes for w in weights], cross)
    start = n
    for group, (spread, outer) in enumerate(spreads):
        end = start + problem.n_latent[group]
        observed[start:end, start:end] += _latent_complete(problem, group, parts[group], point)
        chosen, _ = columns.of(structure.row_of[group])
        columns.add(observed, -mirrored(spread), chosen, n, start, end)
        if cross:
            columns.add(meat, mirrored(outer), chosen, n, start, end)
        start = end
    return Information(0.5 * (observed + observed.T), meat if cross else None)


def complete_information(problem: Likelihood, point: Point) -> np.ndarray:
    """Minus the expected second derivatives of the complete data's log-likelihood and the log prior."""
    structure = problem.structure
    size = len(problem.nodes)
    prior = problem.priors.hessian(point.working)
    out = np.zeros((structure.n_free + 1, structure.n_free + 1))
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
        index = np.concatenate([block.own, block.common], axis=1)
        maps = np.concatenate([block.own_map, block.common_map], axis=2)
        reduced = np.swapaxes(maps, 1, 2) @ full @ maps
        padded = np.where(index < 0, structure.n_free, index)
        np.add.at(out, (padded[:, :, None], padded[:, None, :]), reduced)
    return out[:-1, :-1]


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


def mirrored(lower: np.ndarray) -> np.ndarray:
    """Return the symmetric matrix with the lower triangle of `lower`, in its place."""
    for end in range(0, len(lower), BLOCK):
        rows = slice(end, end + BLOCK)
        lower[:end, rows] = lower[rows, :end].T
        square = lower[rows, rows]
        lower[rows, rows] = np.tril(square) + np.tril(square, -1).T
    return lower
