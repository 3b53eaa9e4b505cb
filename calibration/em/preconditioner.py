"""An approximation of the observed information that costs no more than the complete data's.

The complete data's information is block-diagonal by row but for parameters that several rows share.
What the data do not say about theta is taken out of it to first order: for the persons in each short range
of theta, theta is treated as one more unknown, known as well as their answers and the population tell it,
and eliminated. In a joint information matrix of parameters and thetas that is a Schur complement, and it
stays positive definite. Directions that move all items together (location, scale), in which EM crawls,
are then about as long as they should be.

Eliminating each row's own parameters leaves a small system in the shared ones and the ranges, so that a
solve costs about as much as one pass over the rows.
"""

from __future__ import annotations

import numpy as np

from calibration.em.structure import Structure

__all__ = ["Arrow"]

RIDGE = 1e-9


class Arrow:
    """A positive definite matrix in the free parameters, with a solve.

    Parameters
    ----------
    structure
        Rows and the map from free to working parameters.
    information
        Complete data's information of each block's rows in working parameters, ``(R, P, P)``.
    cross
        Information that they share with theta in each range, ``(R, P, B)``.
    latent
        Information of each group's latent parameters, ``(L, L)``.
    latent_cross
        Information that they share with theta in each range, ``(L, B)``.
    theta
        Information about theta in each range, from answers and population, ``(B,)``.
    """

    def __init__(
        self,
        structure: Structure,
        information: list[np.ndarray],
        cross: list[np.ndarray],
        latent: list[np.ndarray],
        latent_cross: list[np.ndarray],
        theta: np.ndarray,
    ) -> None:
        self._n_items = structure.n_free
        self._shared, place = structure.shared, structure.shared_place
        n_shared, ranges = len(self._shared), len(theta)
        root = np.sqrt(np.where(theta > 0.0, theta, np.inf))
        corner = np.zeros((n_shared + 1, n_shared + 1))
        border = np.zeros((n_shared + 1, ranges))
        inner = np.eye(ranges)
        self._rows = []
        for block, full, shift in zip(structure.blocks, information, cross, strict=True):
            to_own = np.swapaxes(block.own_map, 1, 2)
            own = to_own @ full @ block.own_map
            diagonal = np.einsum("rmm->rm", own)
            largest = diagonal.max(axis=1, keepdims=True, initial=0.0)
            diagonal += np.where(block.own < 0, 1.0, RIDGE * (largest + 1.0))
            inverse = np.linalg.inv(own)
            moved = to_own @ (shift / root)
            reduced = inverse @ moved
            inner -= _flat(moved).T @ _flat(reduced)
            columns = place[block.common]
            coupled = to_own @ full @ block.common_map
            if columns.size:
                to_common = np.swapaxes(block.common_map, 1, 2)
                to_corner = np.swapaxes(inverse @ coupled, 1, 2)
                square = to_common @ full @ block.common_map - to_corner @ coupled
                np.add.at(corner, (columns[:, :, None], columns[:, None, :]), square)
                np.add.at(border, columns, to_common @ (shift / root) - to_corner @ moved)
            self._rows.append((block.own, inverse, columns, coupled, moved))
        corner, border = corner[:-1, :-1], border[:-1]
        corner += RIDGE * (np.diag(corner).max(initial=0.0) + 1.0) * np.eye(n_shared)
        self._latent = [
            (_pseudo_inverse(full), shift / root) for full, shift in zip(latent, latent_cross, strict=True)
        ]
        with_latent = inner - sum(moved.T @ inverse @ moved for inverse, moved in self._latent)
        self._corner = np.block([[corner, border], [border.T, with_latent]])
        try:
            np.linalg.cholesky(self._corner)
        except np.linalg.LinAlgError:  # far from the maximum, where the posterior is wider than the prior
            self._corner[n_shared:, n_shared:] = inner
            self._latent = [(inverse, np.zeros_like(moved)) for inverse, moved in self._latent]

    def solve(self, gradient: np.ndarray) -> np.ndarray:
        """Return the step that the gradient asks for."""
        n, n_shared = self._n_items, len(self._shared)
        padded = np.zeros(n + 1)
        padded[:n] = gradient[:n]
        right = np.zeros(n_shared + 1)
        right[:-1] = padded[self._shared]
        ranges = np.zeros(len(self._corner) - n_shared)
        alone = []
        for own, inverse, columns, coupled, moved in self._rows:
            step = inverse @ padded[own][:, :, None]
            alone.append(step)
            ranges -= _flat(moved).T @ step.reshape(-1)
            if columns.size:
                np.subtract.at(right, columns, (np.swapaxes(coupled, 1, 2) @ step)[..., 0])
        parts, start = [], n
        for inverse, moved in self._latent:
            parts.append(inverse @ gradient[start : start + len(inverse)])
            ranges -= moved.T @ parts[-1]
            start += len(inverse)
        solved = np.linalg.solve(self._corner, np.concatenate([right[:-1], ranges]))
        shared, ranges = np.append(solved[:n_shared], 0.0), solved[n_shared:]
        out = np.zeros(n + 1)
        for (own, inverse, columns, coupled, moved), step in zip(self._rows, alone, strict=True):
            pull = moved @ ranges
            if columns.size:
                pull += (coupled @ shared[columns][:, :, None])[..., 0]
            out[own] = (step - inverse @ pull[:, :, None])[..., 0]
        out[self._shared] = shared[:-1]
        parts = [
            part - inverse @ (moved @ ranges)
            for part, (inverse, moved) in zip(parts, self._latent, strict=True)
        ]
        return np.concatenate([out[:-1], *parts])


def _flat(rows: np.ndarray) -> np.ndarray:
    return rows.reshape(-1, rows.shape[-1])


def _pseudo_inverse(matrix: np.ndarray) -> np.ndarray:
    """Invert where there is information; directions without any (a weight of next to nothing) do not move."""
    if not len(matrix):
        return matrix
    values, vectors = np.linalg.eigh(matrix)
    known = values > max(1e-10 * values[-1], 1e-12)
    return np.asarray((vectors[:, known] / values[known]) @ vectors[:, known].T)
