"""Integration where each item measures one dimension: a window of nodes for each person."""

from __future__ import annotations

from typing import Any

import numpy as np

from calibration.em.columns import Columns
from calibration.em.structure import Structure
from calibration.em.threads import share, workers
from calibration.kernels.windows import expect_windows, spread_windows
from calibration.multidimensional.integral import Expected
from calibration.multidimensional.population import Moments
from item_bank.responses import Responses

__all__ = ["MOST_DIMENSIONS", "Windows"]

MOST_DIMENSIONS = 6
"""Most correlated dimensions: the sum has some hundred thousand terms a person there."""

SPACING = {2: 0.6, 3: 0.6, 4: 0.7, 5: 0.85, 6: 1.0}
"""Distance of the nodes in posterior standard deviations, where dimensions correlate by up to a half. With 1
the rectangle rule would be off by about exp(-2 pi**2) = 3e-9 for a normal posterior; one of a few
answers is less smooth."""

RADIUS = {2: 7.0, 3: 6.6, 4: 6.2, 5: 6.2, 6: 6.4}
"""How many posterior standard deviations the sum reaches in every direction: beyond lie 1e-7 of a normal
posterior at most, and perhaps 1e-6 of one of a few answers."""

COARSE = 1.15, 4.0
"""Spacing and radius with which a climb in four dimensions or more begins."""

LOOSE = 0.6
"""Posterior correlation up to which these serve."""

TIGHTEST = 0.99
"""Posterior correlation from which nodes come no closer."""

LATTICE = np.linspace(-9.0, 9.0, 361)
"""Where items are tabulated."""

MOVED = 0.35, 0.1
"""Windows are renewed when a person has moved by so many standard deviations, or their spread in some
direction by this share: on the way, and at the end."""


class Windows:
    """Persons whose answers factor by dimension, each in a window of the lattice.

    Attributes
    ----------
    error
        About how much the log-likelihood may be off because nodes are too far apart across the ridge that
        correlated dimensions make: the rectangle rule's error for a normal posterior.

    Parameters
    ----------
    structure
        Items as one-dimensional models, each along its own dimension.
    answers, weight, bounds
        Persons, their weights and their chunks.
    dim
        Dimension of each item.
    quadrature
        Nodes a dimension; None: what the posteriors need, within `NODES`.
    """

    def __init__(
        self,
        structure: Structure,
        answers: Responses,
        weight: np.ndarray,
        bounds: np.ndarray,
        dim: np.ndarray,
        quadrature: int | None = None,
    ) -> None:
        self.quadrature = quadrature
        self.structure, self.answers, self.weights, self.bounds = structure, answers, weight, bounds
        self.nodes = LATTICE
        self.dim = np.asarray(dim, np.int64)
        self.dims = int(self.dim.max()) + 1
        self.place = structure.place[structure.row_of[0]]
        n = answers.n_persons
        self.n_persons, self.weight = n, float(weight.sum())
        self.n_rows = n * 8 ** (self.dims - 2)
        self.mean, self.cov = np.zeros((n, self.dims)), np.tile(np.eye(self.dims), (n, 1, 1))
        self._place_windows()

    @property
    def _lattice_step(self) -> float:
        return float(LATTICE[1] - LATTICE[0])

    def _place_windows(self) -> None:
        """Centre each person's window where the person was last seen."""
        tight = self._tightness()
        finer = max(1.0, float(1.0 / np.sqrt(2.0 * (1.0 - min(tight, TIGHTEST)))))
        spacing, radius = SPACING[self.dims] / finer, RADIUS[self.dims]
        if self.quadrature:
            spacing = 2.0 * radius / (self.quadrature - 1)
        self._fine = self._window(spacing, radius)
        self.error = self.weight * float(np.exp(-4.0 * np.pi**2 * (1.0 - tight) / spacing**2))
        rough = self.dims > 3 and tight < LOOSE
        self._coarse = self._window(*COARSE) if rough else self._fine

    def _window(self, spacing: float, radius: float) -> tuple[Any, ...]:
        """Return what `expect_windows` wants to know of windows, for nodes `spacing` deviations apart."""
        step = self._lattice_step
        width = 4 * int(np.ceil((2.0 * radius / spacing + 1.0) / 4.0))  # whole vectors
        sd = np.sqrt(np.diagonal(self.cov, axis1=1, axis2=2))
        stride = np.clip(np.ceil(spacing * sd / step), 1, (len(LATTICE) - 1) // (width - 1)).astype(np.int64)
        room = (stride * (width - 1) + 1) // 2
        middle = np.rint((self.mean - LATTICE[0]) / step).astype(np.int64)
        centre = np.clip(middle, room, len(LATTICE) - 1 - room)
        root = np.linalg.cholesky(self.cov)
        return centre, stride, width, self.mean.copy(), root, radius

    def _tightness(self) -> float:
        """Return the posterior correlation that nearly everybody's stay below."""
        scale = 1.0 / np.sqrt(np.diagonal(self.cov, axis1=1, axis2=2))
        corr = np.abs(self.cov * scale[:, :, None] * scale[:, None, :])
        corr[:, range(self.dims), range(self.dims)] = 0.0
        return float(np.quantile(corr.max(axis=(1, 2)), 0.99))

    def follow(self, last: bool = False) -> bool:
        """Move the windows to where the persons are now; say whether that was needed."""
        middle, root = self._fine[3:5]
        inverse, most = np.linalg.inv(root), MOVED[last]
        moved = (np.einsum("nde,ne->nd", inverse, self.mean - middle) ** 2).sum(axis=1)
        spread = np.linalg.eigvalsh(inverse @ self.cov @ inverse.transpose(0, 2, 1))
        if not ((moved > most**2).any() or (np.abs(0.5 * np.log(spread)) > most).any()):
            return False
        self._place_windows()
        return True

    def expect(self, flat: np.ndarray, mean: np.ndarray, cov: np.ndarray, fine: bool = True) -> Expected:
        """Do the E-step."""
        window = self._fine if fine else self._coarse
        chunks, dims = len(self.bounds) - 1, self.dims
        table = flat.reshape(-1, len(LATTICE))
        counts = np.zeros((chunks, *table.shape))
        moments, loglik = np.zeros((chunks, dims + 1, dims)), np.zeros(chunks)
        seen = np.empty_like(self.mean), np.empty_like(self.cov)
        share(
            expect_windows, chunks, self.bounds, *self._persons(), table, LATTICE, *window, mean,
            np.linalg.inv(cov), float(np.linalg.slogdet(cov)[1]), counts, moments, loglik, *seen,
        )  # fmt: skip
        if np.isfinite(loglik).all() and all(np.isfinite(x).all() for x in seen):
            self.mean, self.cov = seen
            self.cov += np.eye(self.dims) * (0.1 * self._lattice_step) ** 2  # one node may hold everything
        total = np.zeros(table.shape)
        for part in counts:
            total += part
        both = moments.sum(axis=0)
        return Expected(float(loglik.sum()), total.reshape(-1), Moments(self.weight, both[dims], both[:dims]))

    def spread(self, flat: np.ndarray, slopes: np.ndarray, mean: np.ndarray, cov: np.ndarray) -> np.ndarray:
        """Return the posterior covariance of the scores, lower triangle, in the columns of `Columns`."""
        columns = Columns(self.structure)
        rows = self.structure.row_of[0]
        wide, first = columns.width[rows], columns.first[rows]
        total = np.zeros((columns.size, columns.size))
        table = flat.reshape(-1, len(LATTICE))
        size = workers()
        for start in range(0, len(self.bounds) - 1, size):
            bounds = self.bounds[start : start + size + 1]
            found = np.zeros((len(bounds) - 1, *total.shape))
            share(
                spread_windows, len(bounds) - 1, bounds, *self._persons(), table, LATTICE, *self._fine, mean,
                np.linalg.inv(cov), first, wide, slopes, found,
            )  # fmt: skip
            for part in found:
                total += part
        return total

    def _persons(self) -> tuple[np.ndarray, ...]:
        answers = self.answers
        return (
            answers.indptr, answers.item, answers.category, self.weights, self.place, self.dim
        )  # fmt: skip
