"""Integration where each item measures one dimension: a window of nodes for each person."""

from __future__ import annotations

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
"""Most correlated dimensions: the sum has ``NODES[D] ** D`` terms a person."""

NODES = {2: 64, 3: 24, 4: 20, 5: 14, 6: 10}
"""Most nodes a dimension, by the number of dimensions."""

FINEST = 1.6
"""And by how much they may be more where posteriors are tight ridges."""

COARSE = 8, 4.0
"""Nodes and reach of the windows in which a climb in four dimensions or more begins."""

SPACING = 0.6
"""Distance of the nodes in posterior standard deviations, where dimensions correlate by up to a half. With 1
the rectangle rule would be off by about exp(-2 pi**2) = 3e-9 for a normal posterior; one of a few
answers is less smooth."""

REACH = 6.0, 5.5
"""How many posterior standard deviations a window reaches to each side, and how many it does at least where
`NODES` limit it: what a person is cut off weighs 4e-8 there."""

LOOSE = 0.6
"""Posterior correlation up to which the first, coarse windows serve."""

TIGHTER = 0.05
"""Windows are also renewed when posterior correlations have risen by so much."""

LATTICE = np.linspace(-9.0, 9.0, 361)
"""Where items are tabulated."""

MOVED = 0.35, 0.1
"""Windows are renewed when a person has moved by so many standard deviations, or their spread by this share:
on the way, and at the end."""


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
        self.mean, self.sd = np.zeros((n, self.dims)), np.ones((n, self.dims))
        self.corr = np.full(n, 0.0)
        self._place_windows()

    @property
    def _lattice_step(self) -> float:
        return float(LATTICE[1] - LATTICE[0])

    def _place_windows(self) -> None:
        """Centre each person's window where the person was last seen."""
        self._tight = tight = self._tightness()
        finer = max(1.0, float(1.0 / np.sqrt(2.0 * (1.0 - min(tight, 0.99)))))
        spacing = SPACING / finer
        wanted = 4 * int(np.ceil((2.0 * REACH[0] / spacing + 1.0) / 4.0))  # whole vectors
        most = 2 * int(0.5 * NODES[self.dims] * min(finer, FINEST))
        width = self.quadrature or min(wanted, most)
        spacing = max(spacing, 2.0 * REACH[1] / (width - 1))
        self._fine = self._window(width, spacing)
        self.error = self.weight * float(np.exp(-4.0 * np.pi**2 * (1.0 - tight) / spacing**2))
        coarse, reach = COARSE
        rough = self.dims > 3 and tight < LOOSE
        self._coarse = self._fine if not rough else self._window(coarse, 2.0 * reach / (coarse - 1))
        self._at = LATTICE[self._fine[0]].copy(), self.sd.copy()

    def _window(self, width: int, spacing: float) -> tuple[np.ndarray, np.ndarray, int]:
        """Return each person's centre and stride, and the number of nodes, for a spacing in deviations."""
        step = self._lattice_step
        stride = np.clip(np.ceil(spacing * self.sd / step), 1, (len(LATTICE) - 1) // (width - 1))
        stride = stride.astype(np.int64)
        room = (stride * (width - 1) + 1) // 2
        middle = np.rint((self.mean - LATTICE[0]) / step).astype(np.int64)
        return np.clip(middle, room, len(LATTICE) - 1 - room), stride, width

    def _tightness(self) -> float:
        """Return the posterior correlation that nearly everybody's stay below."""
        return float(np.quantile(self.corr, 0.99))

    def follow(self, last: bool = False) -> bool:
        """Move the windows to where the persons are now; say whether that was needed."""
        centre, sd = self._at
        most = MOVED[last]
        moved = np.abs(self.mean - centre) > most * self.sd + self._lattice_step
        spread = np.abs(np.log(np.maximum(self.sd, 1e-6) / np.maximum(sd, 1e-6))) > most
        if not (moved.any() or spread.any() or self._tightness() > self._tight + TIGHTER):
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
        seen = np.empty_like(self.mean), np.empty_like(self.sd), np.empty_like(self.corr)
        share(
            expect_windows, chunks, self.bounds, *self._persons(), table, LATTICE, *window, mean,
            np.linalg.inv(cov), float(np.linalg.slogdet(cov)[1]), counts, moments, loglik, *seen,
        )  # fmt: skip
        if np.isfinite(loglik).all() and all(np.isfinite(x).all() for x in seen):
            self.mean, self.sd, self.corr = seen
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
