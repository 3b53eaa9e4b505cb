"""The complete data's information: block-diagonal by row but for parameters that several rows share.

Eliminating each row's own parameters leaves a small system in the shared ones (a Schur complement), so
that a solve costs about as much as one pass over the rows.
"""

from __future__ import annotations

import numpy as np

from calibration.em.structure import Structure

__all__ = ["Arrow"]

RIDGE = 1e-9


class Arrow:
    """The matrix ``A' I A`` for the information `I` of every row, with a solve.

    Parameters
    ----------
    structure
        Rows and the map from free to working parameters.
    information
        Information of each block's rows in working parameters, ``(R, P, P)``.
    latent
        Information of each group's latent parameters.
    """

    def __init__(self, structure: Structure, information: list[np.ndarray], latent: list[np.ndarray]) -> None:
        self._structure = structure
        shared = sorted({int(k) for block in structure.blocks for k in np.unique(block.common) if k >= 0})
        place = np.full(structure.n_free + 1, len(shared))
        place[shared] = np.arange(len(shared))
        corner = np.zeros((len(shared) + 1, len(shared) + 1))
        self._shared = np.array(shared, np.int64)
        self._parts = []
        for block, full in zip(structure.blocks, information, strict=True):
            own = np.swapaxes(block.own_map, 1, 2) @ full @ block.own_map
            unused = block.own < 0
            diagonal = np.einsum("rmm->rm", own)
            largest = diagonal.max(axis=1, keepdims=True, initial=0.0)
            diagonal += np.where(unused, 1.0, RIDGE * (largest + 1.0))
            inverse = np.linalg.inv(own)
            columns = place[block.common]
            cross = np.swapaxes(block.own_map, 1, 2) @ full @ block.common_map
            reduced = inverse @ cross
            if columns.size:
                square = np.swapaxes(block.common_map, 1, 2) @ full @ block.common_map
                square -= np.swapaxes(cross, 1, 2) @ reduced
                np.add.at(corner, (columns[:, :, None], columns[:, None, :]), square)
            self._parts.append((block.own, inverse, columns, cross, reduced))
        self._corner = corner[:-1, :-1]
        if len(shared):
            scale = np.diag(self._corner).max() + 1.0
            self._corner = np.linalg.inv(self._corner + RIDGE * scale * np.eye(len(shared)))
        self._latent = [_pseudo_inverse(h) for h in latent if len(h)]

    def solve(self, gradient: np.ndarray) -> np.ndarray:
        """Return the step ``(A' I A)^-1 gradient``."""
        n = self._structure.n_free
        padded = np.append(gradient[:n], 0.0)
        out = np.zeros(n + 1)
        right = np.append(padded[self._shared], 0.0)
        for own, _, columns, _, reduced in self._parts:
            if columns.size and own.size:
                np.subtract.at(right, columns, (np.swapaxes(reduced, 1, 2) @ padded[own][:, :, None])[..., 0])
        shared = np.append(self._corner @ right[:-1], 0.0) if len(self._shared) else np.zeros(1)
        for own, inverse, columns, _, reduced in self._parts:
            if not own.size:
                continue
            step = (inverse @ padded[own][:, :, None])[..., 0]
            if columns.size:
                step -= (reduced @ shared[columns][:, :, None])[..., 0]
            out[own] = step
        out[self._shared] = shared[:-1]
        parts, start = [out[:-1]], n
        for inverse in self._latent:
            parts.append(inverse @ gradient[start : start + len(inverse)])
            start += len(inverse)
        return np.concatenate(parts)


def _pseudo_inverse(matrix: np.ndarray) -> np.ndarray:
    """Invert where there is information; directions without any (a weight of next to nothing) do not move."""
    values, vectors = np.linalg.eigh(matrix)
    known = values > max(1e-10 * values[-1], 1e-12)
    return np.asarray((vectors[:, known] / values[known]) @ vectors[:, known].T)
