"""The working parameters that move, in columns: the form in which persons' scores are added up."""

from __future__ import annotations

import numpy as np

from calibration.em.structure import Structure

__all__ = ["Columns", "category_slopes"]


class Columns:
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

    def __init__(self, structure: Structure) -> None:
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


def category_slopes(structure: Structure, slopes: list[np.ndarray], nodes: int) -> np.ndarray:
    """Return derivatives of log-probabilities by category, ``(categories, Q, P)``, moving ones first."""
    widest = max(block.width for block in structure.blocks)
    out = np.zeros((structure.n_categories, nodes, widest), np.float32)
    for block, slope in zip(structure.blocks, slopes, strict=True):
        moving = np.concatenate([block.own_map, block.common_map], axis=2).any(axis=2)
        order = np.argsort(~moving, axis=1, kind="stable")
        sorted_slopes = np.take_along_axis(slope, order[:, None, :, None], axis=2)
        end = block.place + block.size * block.n_cat
        shape = (block.size * block.n_cat, nodes, block.width)
        out[block.place : end, :, : block.width] = np.swapaxes(sorted_slopes, 2, 3).reshape(shape)
    return out
