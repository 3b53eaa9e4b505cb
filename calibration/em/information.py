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

NARROW = 400
"""Up to this many columns a person's whole score is written out, however little they answered."""

CHUNKS = 4

NUMBERS = 60_000_000
"""Most numbers that the chunks' matrices hold together, if one chunk does with fewer: half a gigabyte."""

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


def observed_information(
    problem: Likelihood, point: Point, responses: list[Responses], *, cross: bool = False
) -> Information:
    """Return the observed information and the cross-product of the persons' gradients.

    Parameters
    ----------
    problem, point
        Where.
    responses
        The responses of each group, as they were packed.
    cross
        Whether the cross-product is wanted.
    """
    structure = problem.structure
    n, total = structure.n_free, problem.n_free
    observed = np.zeros((total, total))
    meat = np.zeros((total * cross, total * cross))
    observed[:n, :n] = _complete(problem, point)
    columns = _Columns(problem)
    flat_slopes = _category_slopes(problem, point)
    parts = problem.split(point.free)[1]
    start = n
    for group, answers in enumerate(responses):
        latent = problem.latents[group].weights(parts[group], problem.nodes)
        end = start + problem.n_latent[group]
        observed[start:end, start:end] += _latent_complete(problem, group, parts[group], point)
        chosen, first = columns.of(structure.row_of[group])
        spread, outer = _spread(
            problem, point, group, answers, flat_slopes, columns, first, latent.slopes, cross
        )
        columns.add(observed, -spread, chosen, n, start, end)
        if outer is not None:
            columns.add(meat, outer, chosen, n, start, end)
        start = end
    return Information(0.5 * (observed + observed.T), meat if cross else None)


class _Columns:
    """The working parameters that move, in columns: where each row's begin and what they map to.

    Attributes
    ----------
    first, width
        First column and number of columns of each row.
    kept
        Moving working parameters of each row.
    size
        Number of columns.
    """

    def __init__(self, problem: Likelihood) -> None:
        structure = problem.structure
        rows = len(structure.item_of)
        self.first, self.width = np.zeros(rows, np.int64), np.zeros(rows, np.int64)
        self.kept: list[list[int]] = [[]] * rows
        triples: list[tuple[int, int, float]] = []
        self.size = 0
        for block in structure.blocks:
            maps = np.concatenate([block.own_map, block.common_map], axis=2)
            index = np.concatenate([block.own, block.common], axis=1)
            moving: np.ndarray = np.any(maps, axis=2)
            for r, row in enumerate(block.rows.tolist()):
                self.kept[row] = np.flatnonzero(moving[r]).tolist()
                self.first[row], self.width[row] = self.size, len(self.kept[row])
                for p in self.kept[row]:
                    used = np.flatnonzero(maps[r, p])
                    triples += [(self.size, int(index[r, m]), float(maps[r, p, m])) for m in used]
                    self.size += 1
        column, free, value = zip(*triples, strict=True) if triples else ((), (), ())
        self._column, self._free = np.array(column, np.int64), np.array(free, np.int64)
        self._value = np.array(value)
        self._plain = bool(len(self._column) == self.size and np.all(self._value == 1.0))
        self._plain = self._plain and len(np.unique(self._free)) == self.size

    def of(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return which columns belong to `rows`, in their order, and where each row's begin among those."""
        width = self.width[rows]
        first = np.cumsum(width) - width
        return np.repeat(self.first[rows] - first, width) + np.arange(width.sum()), first

    def add(
        self, target: np.ndarray, matrix: np.ndarray, chosen: np.ndarray, n: int, start: int, end: int
    ) -> None:
        """Add a matrix in the columns `chosen` (latent ones last) to one in free parameters."""
        latent = np.arange(start, end)
        if self._plain:
            where = np.concatenate([self._free[chosen], latent])
            target[np.ix_(where, where)] += matrix
            return
        where = np.concatenate([np.arange(n), latent])
        full = np.zeros((self.size + end - start, len(where)))
        full[self._column, self._free] = self._value
        full[self.size :, n:] = np.eye(end - start)
        full = full[np.concatenate([chosen, np.arange(self.size, len(full))])]
        target[np.ix_(where, where)] += full.T @ matrix @ full


def _category_slopes(problem: Likelihood, point: Point) -> np.ndarray:
    """Return derivatives of log-probabilities by category, ``(categories, Q, P)``, moving ones first."""
    structure = problem.structure
    widest = max(block.width for block in structure.blocks)
    out = np.zeros((structure.n_categories, len(problem.nodes), widest), np.float32)
    for block, slopes in zip(structure.blocks, point.slopes, strict=True):
        moving = np.concatenate([block.own_map, block.common_map], axis=2).any(axis=2)
        order = np.argsort(~moving, axis=1, kind="stable")
        sorted_slopes = np.take_along_axis(slopes, order[:, None, :, None], axis=2)
        end = block.place + block.size * block.n_cat
        shape = (block.size * block.n_cat, len(problem.nodes), block.width)
        out[block.place : end, :, : block.width] = np.swapaxes(sorted_slopes, 2, 3).reshape(shape)
    return out


def _complete(problem: Likelihood, point: Point) -> np.ndarray:
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


def _spread(
    problem: Likelihood,
    point: Point,
    group: int,
    answers: Responses,
    slopes: np.ndarray,
    columns: _Columns,
    first: np.ndarray,
    latent: np.ndarray,
    cross: bool,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the posterior covariance of the score, and its means' cross-product, in the group's columns."""
    packed, structure = problem.data[group], problem.structure
    rows = structure.row_of[group]
    width = columns.width[rows]
    size = int(width.sum()) + len(latent)
    log_weight = problem.latents[group].weights(problem.split(point.free)[1][group], problem.nodes).log
    table, padded = problem.table(group, point.flat, log_weight, double=False)
    persons = (packed.indptr, packed.rows, table, padded, packed.weight)
    answered = (answers.indptr, answers.item, answers.category)
    where = (structure.place[rows], first, width, slopes)
    slopes_latent = latent.astype(np.float32)
    n = packed.n_persons
    wide = size > NARROW and answers.density < 0.34
    chunks = int(np.clip(n * size // 100_000, 1, max(1, min(CHUNKS, NUMBERS // size**2))))
    bounds = np.linspace(0, n, chunks + 1).astype(np.int64)
    covariance, meat = np.zeros((chunks, size, size)), np.zeros((chunks, size * cross, size * cross))
    kernel = spread_sparse if wide else spread_dense
    share(kernel, chunks, bounds, *persons, *answered, *where, slopes_latent, covariance, meat)
    return _mirrored(covariance), _mirrored(meat) if cross else None


def _mirrored(parts: np.ndarray) -> np.ndarray:
    """Return the symmetric matrix whose lower triangle is the sum of `parts`, which serve as scratch."""
    lower: np.ndarray = parts[0]
    for part in parts[1:]:
        lower += part
    for end in range(0, len(lower), BLOCK):
        rows = slice(end, end + BLOCK)
        lower[:end, rows] = lower[rows, :end].T
        square = lower[rows, rows]
        lower[rows, rows] = np.tril(square) + np.tril(square, -1).T
    return lower
