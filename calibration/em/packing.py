"""Responses as lists of table rows, the form in which the E-step reads them.

Where most answers were given, several items go into one *pack*: one row a pattern of their answers.
Where most are missing, each answer is a row of its own and a person costs what they answered.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from calibration.em.threads import share
from calibration.kernels.packs import encode
from item_bank.responses import Responses

__all__ = ["Layout", "Packed", "layout_of", "pack", "packs_of"]

PATTERNS = 32
"""Most patterns of one pack: the tables of a tile then stay in the first-level cache."""

DENSE = 0.34
"""From this share of given answers on, packs are cheaper than single answers."""


@dataclass(frozen=True, eq=False)
class Layout:
    """Which items share table rows.

    Attributes
    ----------
    items
        Items of all packs in turn (position among the items given).
    start, radix, missing, offset
        The packs, as in :func:`calibration.kernels.packs.encode`.
    n_rows
        Rows of the table.
    single
        Whether each answer is a row of its own.
    """

    items: np.ndarray
    start: np.ndarray
    radix: np.ndarray
    missing: np.ndarray
    offset: np.ndarray
    n_rows: int
    single: bool


@dataclass(frozen=True, eq=False)
class Packed:
    """Persons as lists of table rows.

    Attributes
    ----------
    indptr, rows
        Rows of person ``i`` are ``rows[indptr[i] : indptr[i + 1]]``.
    weight
        Sampling weight of each person.
    bounds
        Chunks of persons, fixed by the data alone so that sums do not depend on the threads.
    layout
        What the rows stand for.
    """

    indptr: np.ndarray
    rows: np.ndarray
    weight: np.ndarray
    bounds: np.ndarray
    layout: Layout

    @property
    def n_persons(self) -> int:
        """Number of persons."""
        return len(self.indptr) - 1

    @property
    def n_chunks(self) -> int:
        """Number of chunks."""
        return len(self.bounds) - 1

    @property
    def weights(self) -> list[float]:
        """Sum of the weights of each chunk."""
        return [float(self.weight[a:b].sum()) for a, b in pairwise(self.bounds.tolist())]


def layout_of(n_cat: np.ndarray, answered: np.ndarray, n_persons: int) -> Layout:
    """Return which items share table rows.

    Parameters
    ----------
    n_cat, answered
        Number of categories and of responses of each item.
    n_persons
        Number of persons.
    """
    if answered.sum() >= DENSE * n_persons * len(n_cat):
        lacking = answered < n_persons
        items, start, radix = packs_of(n_cat + lacking)
        offset, n_rows = _offsets(start, radix)
        return Layout(items, start, radix, n_cat[items].astype(np.int64), offset, n_rows, False)
    items = np.arange(len(n_cat), dtype=np.int64)
    start = np.arange(len(n_cat) + 1, dtype=np.int64)
    radix = n_cat.astype(np.int64)
    offset, n_rows = _offsets(start, radix)
    return Layout(items, start, radix, radix, offset, n_rows, True)


def pack(responses: Responses, weight: np.ndarray, layout: Layout, bounds: np.ndarray) -> Packed:
    """Return `responses` as table rows, each person with a sampling weight, in chunks of persons."""
    offset = layout.offset
    if layout.single:
        rows = offset.astype(_index_type(layout.n_rows))[responses.item]
        rows += responses.category.astype(rows.dtype)
        return Packed(responses.indptr, rows, weight, bounds, layout)
    matrix = np.ascontiguousarray(responses.dense())
    rows = np.empty((len(matrix), len(offset)), _index_type(layout.n_rows))
    share(
        encode, len(matrix), matrix, layout.items, layout.start, layout.radix, layout.missing, offset, rows,
        least=4096,
    )  # fmt: skip
    indptr = np.arange(len(matrix) + 1, dtype=np.int64) * rows.shape[1]
    return Packed(indptr, rows.reshape(-1), weight, bounds, layout)


def packs_of(digits: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fill packs with consecutive items as long as they have at most `PATTERNS` patterns."""
    start, patterns = [0], 1
    for j, size in enumerate(digits.tolist()):
        if patterns * size > PATTERNS and j > start[-1]:
            start.append(j)
            patterns = 1
        patterns *= size
    start.append(len(digits))
    return np.arange(len(digits)), np.array(start, np.int64), digits.astype(np.int64)


def _offsets(start: np.ndarray, radix: np.ndarray) -> tuple[np.ndarray, int]:
    sizes = np.multiply.reduceat(radix, start[:-1])
    ends = np.cumsum(sizes)
    return ends - sizes, int(ends[-1])


def _index_type(n_rows: int) -> type[np.unsignedinteger]:
    return np.uint16 if n_rows <= np.iinfo(np.uint16).max else np.uint32
