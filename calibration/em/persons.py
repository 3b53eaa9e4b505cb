"""The persons, and the sums over them that estimation asks for, wherever the persons are.

Persons come in chunks that the data alone fix. Each chunk is added up by itself, and the chunks' sums are
added in order: what comes out does not depend on the threads or machines that worked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import numpy as np

from calibration.em.columns import Columns, category_slopes
from calibration.em.packing import Layout, Packed
from calibration.em.structure import Structure
from calibration.em.threads import share, workers
from calibration.kernels.expect import expect
from calibration.kernels.items import tabulate
from calibration.kernels.lanes import lanes_of
from calibration.kernels.packs import fill, unfill
from calibration.kernels.spread import spread_dense, spread_sparse
from item_bank.responses import Responses

__all__ = [
    "Expected",
    "Here",
    "Part",
    "Persons",
    "Setting",
    "Spread",
    "added",
    "scratch",
    "tabulated",
]

ROWS_A_THREAD = 24

NARROW = 400
"""Up to this many columns a person's whole score is written out, however little they answered."""


NUMBERS = 60_000_000
"""Most numbers that the matrices of the chunks at work hold together, if one chunk does with fewer: half a
gigabyte."""


@dataclass(frozen=True, eq=False)
class Setting:
    """Where a sum over persons is taken.

    Attributes
    ----------
    working
        The items' working parameters.
    nodes
        Quadrature nodes.
    log_weights
        Log weight of each node, by group.
    double
        Whether the E-step runs in double precision.
    tables
        The items' log-probabilities and their slopes there, as `tabulated` returns them, where they are
        known already.
    """

    working: np.ndarray
    nodes: np.ndarray
    log_weights: Sequence[np.ndarray]
    double: bool
    tables: tuple[np.ndarray, list[np.ndarray]] | None = None

    def bare(self) -> Setting:
        """Return what another machine needs to know."""
        return replace(self, tables=None)


class Part(NamedTuple):
    """What one chunk of one group's persons adds up to: counts a table row, mass a node, log-likelihood."""

    counts: np.ndarray
    mass: np.ndarray
    loglik: float


class Expected(NamedTuple):
    """What all persons add up to: log-likelihood, counts a category and node, mass a node by group."""

    loglik: float
    counts: np.ndarray
    masses: list[np.ndarray]


Spread = tuple[np.ndarray, np.ndarray]
"""Posterior covariance of the scores and cross-product of their means (empty when not asked for)."""


class Persons(Protocol):
    """Everybody, in groups."""

    @property
    def n_persons(self) -> int:
        """Number of persons."""

    @property
    def n_rows(self) -> int:
        """Number of table rows of all persons."""

    @property
    def weight(self) -> float:
        """Sum of the sampling weights."""

    def expect(self, at: Setting) -> Expected:
        """Do the E-step."""

    def spread(self, at: Setting, latent: Sequence[np.ndarray], cross: bool) -> list[Spread]:
        """Return each group's spread of the score, the slopes of its latent distribution given."""


def scratch(structure: Structure) -> list[Any]:
    """Return item tables for `tabulated` to write to."""
    return [block.model.empty(np.full(block.size, block.n_cat)) for block in structure.blocks]


def tabulated(
    structure: Structure, working: np.ndarray, nodes: np.ndarray, tables: list[Any]
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return log-probabilities over the nodes (flat) and their derivatives by block."""
    size = len(nodes)
    flat = np.empty(structure.n_categories * size)
    slopes = []
    for block, table in zip(structure.blocks, tables, strict=True):
        slope = np.empty((block.size, block.n_cat, block.width, size))
        share(
            tabulate, block.size, table, block.working(working), nodes, block.tables(flat, size), slope,
            least=ROWS_A_THREAD,
        )  # fmt: skip
        slopes.append(slope)
    return flat, slopes


def added(
    structure: Structure, layouts: Sequence[Layout], chunks: Sequence[Sequence[Part]], at: Setting
) -> Expected:
    """Add up what the chunks say, in their order; ``chunks[c][g]`` is chunk ``c`` of group ``g``."""
    size = len(at.nodes)
    counts = np.zeros(structure.n_categories * size)
    loglik, masses = 0.0, []
    for group, layout in enumerate(layouts):
        parts = [chunk[group] for chunk in chunks]
        total = parts[0].counts
        for part in parts[1:]:
            total += part.counts
        place, cats = _places(structure, group, layout)
        width = total.shape[1] // layout.n_rows
        unfill(total, place * size, cats, layout.start, layout.radix, layout.offset, counts, size, width)
        loglik += float(np.array([part.loglik for part in parts]).sum())
        masses.append(np.array([part.mass for part in parts]).sum(axis=0)[:size])
    return Expected(loglik, counts, masses)


def _places(structure: Structure, group: int, layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    rows = structure.row_of[group, layout.items]
    return structure.place[rows], structure.n_cat[layout.items].astype(np.int64)


class Here:
    """Persons in this process.

    Parameters
    ----------
    structure
        Rows and free parameters.
    data
        Packed persons of each group, all in the same number of chunks.
    answers
        The responses that were packed.
    """

    def __init__(
        self, structure: Structure, data: Sequence[Packed], answers: Sequence[Responses] = ()
    ) -> None:
        self.structure, self.data, self.answers = structure, list(data), list(answers)
        self.n_persons = sum(packed.n_persons for packed in data)
        self.n_rows = sum(len(packed.rows) for packed in data)
        self.weight = sum(sum(packed.weights) for packed in data)

    @property
    def nbytes(self) -> int:
        """Bytes that the packed persons and their responses take."""
        held = sum(packed.rows.nbytes + packed.indptr.nbytes for packed in self.data)
        return held + sum(answers.nbytes for answers in self.answers)

    def expect(self, at: Setting) -> Expected:
        """Do the E-step."""
        return added(self.structure, [packed.layout for packed in self.data], self.parts(at), at)

    def parts(self, at: Setting) -> list[list[Part]]:
        """Do the E-step and return each chunk's sums, by chunk and group."""
        flat = (at.tables or tabulated(self.structure, at.working, at.nodes, scratch(self.structure)))[0]
        out: list[list[Part]] = [[] for _ in range(self.data[0].n_chunks)]
        for group, packed in enumerate(self.data):
            table, padded = self._table(group, flat, at, at.double)
            found = np.zeros((packed.n_chunks, *table.shape))
            mass = np.zeros((packed.n_chunks, padded.size))
            loglik = np.zeros(packed.n_chunks)
            share(
                expect, packed.n_chunks, packed.bounds, packed.indptr, packed.rows, table, padded,
                packed.weight, found, mass, loglik,
            )  # fmt: skip
            for c in range(packed.n_chunks):
                out[c].append(Part(found[c], mass[c], float(loglik[c])))
        return out

    def _table(
        self, group: int, flat: np.ndarray, at: Setting, double: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the E-step's table of one group and its log weights, padded to whole vectors."""
        layout = self.data[group].layout
        dtype = np.float64 if double else np.float32
        size, width = len(at.nodes), lanes_of(dtype)
        tiles = -(-size // width)
        table = np.empty((tiles, layout.n_rows * width), dtype)
        place, cats = _places(self.structure, group, layout)
        fill(table, place * size, cats, layout.start, layout.radix, layout.offset, flat, size, width)
        padded = np.full(tiles * width, -1e30, dtype)
        padded[:size] = np.maximum(at.log_weights[group], -1e4)
        return table, padded

    def spread(self, at: Setting, latent: Sequence[np.ndarray], cross: bool) -> list[Spread]:
        """Return each group's spread of the score, chunk by chunk, as many at a time as there are threads."""
        flat, slopes = at.tables or tabulated(self.structure, at.working, at.nodes, scratch(self.structure))
        columns = Columns(self.structure)
        by_category = category_slopes(self.structure, slopes, len(at.nodes))
        return [
            self._spread(group, at, flat, by_category, columns, part, cross)
            for group, part in enumerate(latent)
        ]

    def _spread(
        self,
        group: int,
        at: Setting,
        flat: np.ndarray,
        slopes: np.ndarray,
        columns: Columns,
        latent: np.ndarray,
        cross: bool,
    ) -> Spread:
        packed, answers = self.data[group], self.answers[group]
        rows = self.structure.row_of[group]
        _, first_column = columns.of(rows)
        wide = columns.width[rows]
        size = int(wide.sum()) + len(latent)
        table, padded = self._table(group, flat, at, double=False)
        persons = (packed.indptr, packed.rows, table, padded, packed.weight)
        answered = (answers.indptr, answers.item, answers.category)
        where = (self.structure.place[rows], first_column, wide, slopes)
        kernel = spread_sparse if size > NARROW and packed.layout.single else spread_dense
        covariance, meat = np.zeros((size, size)), np.zeros((size, size) if cross else (0, 0))
        width = int(np.clip(NUMBERS // size**2, 1, workers()))
        for first in range(0, packed.n_chunks, width):
            bounds = packed.bounds[first : first + width + 1]
            found = np.zeros((len(bounds) - 1, *covariance.shape))
            crossed = np.zeros((len(bounds) - 1, *meat.shape))
            share(
                kernel, len(bounds) - 1, bounds, *persons, *answered, *where, latent.astype(np.float32),
                found, crossed,
            )  # fmt: skip
            for c in range(len(bounds) - 1):
                covariance += found[c]
                meat += crossed[c]
        return covariance, meat
