"""Integration over a fixed grid: bifactor models by dimension reduction, few dimensions by their product."""

from __future__ import annotations

import numpy as np

from calibration.em.columns import Columns
from calibration.em.packing import Layout, pack, packs_of
from calibration.em.structure import Structure
from calibration.em.threads import share, workers
from calibration.kernels.packs import fill, unfill
from calibration.kernels.reduction import expect_reduced, spread_reduced
from calibration.multidimensional.integral import Expected
from calibration.multidimensional.population import Moments
from item_bank.responses import Responses

__all__ = ["MOST_DIMENSIONS", "Grids", "product", "reduction"]

MOST_DIMENSIONS = 3
"""Most dimensions of a product: its nodes are multiplied with each."""

SPAN = 6.0
"""Nodes lie on 0 +- 6 standard deviations."""

NUMBERS = 20_000_000
"""Most numbers that the chunks' counts at work may take."""


class Grids:
    """Persons and a grid of general and specific nodes.

    Make one with `reduction` or `product`.

    Parameters
    ----------
    structure
        Items as compensatory models of the nodes' dimensions.
    answers, weight, bounds
        Persons, their weights and their chunks.
    item_set
        Set of each item: those of one share a specific dimension, and all of it is integrated given the
        general nodes.
    general
        General nodes, shape ``(G, D)``, and the volume of a cell.
    specific
        Nodes and weights of a specific dimension, ``(U,)``; None: there is none.
    """

    def __init__(
        self,
        structure: Structure,
        answers: Responses,
        weight: np.ndarray,
        bounds: np.ndarray,
        item_set: np.ndarray,
        general: tuple[np.ndarray, float],
        specific: tuple[np.ndarray, np.ndarray] | None,
    ) -> None:
        self.structure, self.answers, self.weights = structure, answers, weight
        self.general, self._cell = general
        if specific is None:
            self.nodes, self.specific = self.general, np.ones(1)
        else:
            u, self.specific = specific
            pairs = np.meshgrid(self.general[:, 0], u, indexing="ij")
            self.nodes = np.stack([axis.reshape(-1) for axis in pairs], axis=1)
        self.item_set = np.unique(item_set, return_inverse=True)[1].astype(np.int64)
        self._layout, self._start = _layout(answers, self.item_set)
        packed = pack(answers, weight, self._layout, bounds)
        self._rows = packed.rows.reshape(answers.n_persons, -1)
        self.place = structure.place[structure.row_of[0]]
        self.n_persons, self.weight = answers.n_persons, float(weight.sum())
        self.n_rows = answers.n_persons * self._rows.shape[1] * (len(self.nodes) // 64)
        chunks = int(np.clip(NUMBERS // (self._layout.n_rows * len(self.nodes)), 2, 16))
        self.bounds = np.linspace(0, answers.n_persons, chunks + 1).astype(np.int64)

    def follow(self, last: bool = False) -> bool:
        """Stay: the grid is fixed."""
        return False

    def _table(self, flat: np.ndarray) -> np.ndarray:
        layout, size = self._layout, len(self.nodes)
        table = np.empty((1, layout.n_rows * size))
        cats = self.structure.n_cat[layout.items].astype(np.int64)
        fill(
            table, self.place[layout.items] * size, cats, layout.start, layout.radix, layout.offset, flat,
            size, size,
        )  # fmt: skip
        return table.reshape(layout.n_rows, size)

    def _log_general(self, mean: np.ndarray, cov: np.ndarray) -> np.ndarray:
        dims = self.general.shape[1]
        away = self.general - mean[:dims]
        spread = cov[:dims, :dims]
        square = np.einsum("gd,de,ge->g", away, np.linalg.inv(spread), away)
        constant = np.log(self._cell) - 0.5 * (dims * np.log(2.0 * np.pi) + np.linalg.slogdet(spread)[1])
        return np.asarray(constant - 0.5 * square)

    def expect(self, flat: np.ndarray, mean: np.ndarray, cov: np.ndarray, fine: bool = True) -> Expected:
        """Do the E-step."""
        chunks, size, layout = len(self.bounds) - 1, len(self.nodes), self._layout
        counts = np.zeros((chunks, layout.n_rows, size))
        mass, loglik = np.zeros((chunks, len(self.general))), np.zeros(chunks)
        share(
            expect_reduced, chunks, self.bounds, self._rows, self.weights, self._start, self._table(flat),
            self._log_general(mean, cov), self.specific, counts, mass, loglik,
        )  # fmt: skip
        total = counts[0]
        for part in counts[1:]:
            total += part
        out = np.zeros(flat.shape)
        cats = self.structure.n_cat[layout.items].astype(np.int64)
        unfill(
            total.reshape(1, -1), self.place[layout.items] * size, cats, layout.start, layout.radix,
            layout.offset, out, size, size,
        )  # fmt: skip
        masses = mass.sum(axis=0)
        second = np.einsum("g,gd,ge->de", masses, self.general, self.general)
        return Expected(float(loglik.sum()), out, Moments(self.weight, masses @ self.general, second))

    def spread(self, flat: np.ndarray, slopes: np.ndarray, mean: np.ndarray, cov: np.ndarray) -> np.ndarray:
        """Return the posterior covariance of the scores, lower triangle, in the columns of `Columns`."""
        columns = Columns(self.structure)
        rows = self.structure.row_of[0]
        total = np.zeros((columns.size, columns.size))
        table, log_general, answers = self._table(flat), self._log_general(mean, cov), self.answers
        size = workers()
        for first in range(0, len(self.bounds) - 1, size):
            bounds = self.bounds[first : first + size + 1]
            found = np.zeros((len(bounds) - 1, *total.shape))
            share(
                spread_reduced, len(bounds) - 1, bounds, self._rows, self.weights, self._start, table,
                log_general, self.specific, answers.indptr, answers.item, answers.category, self.place,
                self.item_set, columns.first[rows], columns.width[rows], slopes, found,
            )  # fmt: skip
            for part in found:
                total += part
        return total


def _layout(answers: Responses, item_set: np.ndarray) -> tuple[Layout, np.ndarray]:
    """Return packs of items that do not cross the sets, and the first pack of each set."""
    lacking = answers.counts.sum(axis=1) < answers.n_persons
    digits = answers.n_cat + lacking
    items: list[int] = []
    start, begins = [0], [0]
    for s in range(int(item_set.max()) + 1):
        chosen = np.flatnonzero(item_set == s)
        ends = packs_of(digits[chosen])[1][1:] + len(items)
        items += chosen.tolist()
        start += ends.tolist()
        begins.append(len(start) - 1)
    order, edges = np.array(items), np.array(start, np.int64)
    radix = digits[order].astype(np.int64)
    sizes = np.multiply.reduceat(radix, edges[:-1])
    after = np.cumsum(sizes)
    missing = answers.n_cat[order].astype(np.int64)
    layout = Layout(order, edges, radix, missing, after - sizes, int(after[-1]), False)
    return layout, np.array(begins, np.int64)


def _axis(n: int) -> tuple[np.ndarray, float]:
    nodes = np.linspace(-SPAN, SPAN, n)
    return nodes, float(nodes[1] - nodes[0])


def reduction(
    structure: Structure,
    answers: Responses,
    weight: np.ndarray,
    bounds: np.ndarray,
    item_set: np.ndarray,
    quadrature: int,
) -> Grids:
    """Return the grid of a bifactor model: `quadrature` general by as many specific nodes."""
    nodes, step = _axis(quadrature)
    density = np.exp(-0.5 * nodes**2) * step / np.sqrt(2.0 * np.pi)
    return Grids(
        structure, answers, weight, bounds, item_set, (nodes[:, None], step), (nodes, density)
    )  # fmt: skip


def product(
    structure: Structure,
    answers: Responses,
    weight: np.ndarray,
    bounds: np.ndarray,
    dims: int,
    quadrature: int,
) -> Grids:
    """Return the grid of `dims` dimensions with `quadrature` nodes each."""
    nodes, step = _axis(quadrature)
    mesh = np.meshgrid(*[nodes] * dims, indexing="ij")
    points = np.stack([axis.reshape(-1) for axis in mesh], axis=1)
    alone = np.zeros(answers.n_items, np.int64)
    return Grids(structure, answers, weight, bounds, alone, (points, step**dims), None)
