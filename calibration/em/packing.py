"""Responses as lists of table rows, the form in which the E-step reads them.

Where most answers were given, several items go into one *pack*: one row a pattern of their answers.
Where most are missing, each answer is a row of its own and a person costs what they answered.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from calibration.em.threads import share
from calibration.kernels.packs import encode
from item_bank.responses import Responses

__all__ = ["Packed", "pack_responses"]

PATTERNS = 32
"""Most patterns of one pack: the tables of a tile then stay in the first-level cache."""

DENSE = 0.34
"""From this share of given answers on, packs are cheaper than single answers."""

RESPONSES_A_CHUNK = 40_000
CHUNKS = 16


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
    items
        Items of all packs in turn (position among the items given).
    start, radix, missing, offset
        The packs, as in :func:`calibration.kernels.packs.encode`.
    n_rows
        Rows of the table.
    """

    indptr: np.ndarray
    rows: np.ndarray
    weight: np.ndarray
    bounds: np.ndarray
    items: np.ndarray
    start: np.ndarray
    radix: np.ndarray
    missing: np.ndarray
    offset: np.ndarray
    n_rows: int

    @property
    def n_persons(self) -> int:
        """Number of persons."""
        return len(self.indptr) - 1

    def every(self, stride: int) -> Packed:
        """Return every `stride`-th person, weighted to stand for all."""
        chosen = np.arange(0, self.n_persons, stride)
        lengths = self.indptr[chosen + 1] - self.indptr[chosen]
        indptr = np.concatenate([[0], np.cumsum(lengths)])
        places = np.repeat(self.indptr[chosen] - indptr[:-1], lengths) + np.arange(indptr[-1])
        weight = self.weight[chosen]
        weight = weight * (self.weight.sum() / max(weight.sum(), 1e-300))
        return replace(self, indptr=indptr, rows=self.rows[places], weight=weight, bounds=_bounds(indptr))


def pack_responses(responses: Responses, weight: np.ndarray) -> Packed:
    """Return `responses` as table rows, each person with a sampling weight."""
    n_cat = responses.n_cat
    if responses.density >= DENSE:
        matrix = np.ascontiguousarray(responses.dense())
        lacking = responses.counts.sum(axis=1) < len(matrix)
        items, start, radix = _packs(n_cat + lacking)
        offset, n_rows = _offsets(start, radix)
        rows = np.empty((len(matrix), len(offset)), _index_type(n_rows))
        missing = n_cat[items].astype(np.int64)
        share(encode, len(matrix), matrix, items, start, radix, missing, offset, rows, least=4096)
        indptr = np.arange(len(matrix) + 1, dtype=np.int64) * rows.shape[1]
        rows = rows.reshape(-1)
    else:
        items = np.arange(responses.n_items, dtype=np.int64)
        start = np.arange(responses.n_items + 1, dtype=np.int64)
        radix = n_cat.astype(np.int64)
        missing = n_cat.astype(np.int64)
        offset, n_rows = _offsets(start, radix)
        rows = offset.astype(_index_type(n_rows))[responses.item]
        rows += responses.category.astype(rows.dtype)
        indptr = responses.indptr
    return Packed(indptr, rows, weight, _bounds(indptr), items, start, radix, missing, offset, n_rows)


def _packs(digits: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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


def _bounds(indptr: np.ndarray) -> np.ndarray:
    """Cut persons into chunks of about the same number of rows."""
    total = int(indptr[-1])
    chunks = int(np.clip(total // RESPONSES_A_CHUNK, 1, CHUNKS))
    targets = np.arange(1, chunks) * (total / chunks)
    inner = np.searchsorted(indptr, targets)
    return np.concatenate([[0], inner, [len(indptr) - 1]]).astype(np.int64)
