"""Answers: who answered which item in which category, as kernels read it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cat_engine.compile import jit
from cat_engine.errors import InputError
from cat_engine.pool import ItemPool
from cat_engine.threads import over_chunks

__all__ = ["Answers"]


@jit(nogil=True)
def _fill(low, high, matrix, indptr, item, category):
    for p in range(low, high):
        r = indptr[p]
        for j in range(matrix.shape[1]):
            if matrix[p, j] >= 0:
                item[r] = j
                category[r] = matrix[p, j]
                r += 1


@jit(nogil=True)
def _count(low, high, matrix, indptr):
    for p in range(low, high):
        given = 0
        for j in range(matrix.shape[1]):
            given += matrix[p, j] >= 0
        indptr[p + 1] = given


@jit(nogil=True)
def _flaws(low, high, indptr, item, category, n_cat, out):
    """Write the position of each person's first answer that is impossible or out of order, or -1."""
    for p in range(low, high):
        out[p] = -1
        before = -1
        for r in range(indptr[p], indptr[p + 1]):
            i = item[r]
            if i <= before or i >= n_cat.size or category[r] < 0 or category[r] >= n_cat[i]:
                out[p] = r
                break
            before = i


class Answers(NamedTuple):
    """Sparse by person; each person's items ascend, so that sums run in canonical order.

    Attributes
    ----------
    indptr
        Shape ``(N + 1,)``, int64: person `p` gave the answers ``indptr[p] .. indptr[p + 1] - 1``.
    item
        Shape ``(answers,)``, int32: the item's position in the pool.
    category
        Shape ``(answers,)``, int8.
    """

    indptr: np.ndarray
    item: np.ndarray
    category: np.ndarray

    @property
    def n_persons(self) -> int:
        """Number of persons, those without an answer included."""
        return len(self.indptr) - 1

    @classmethod
    def from_matrix(cls, matrix: np.ndarray) -> Answers:
        """Make answers from a matrix, one row a person and one column an item; negative: none given."""
        matrix = np.ascontiguousarray(np.atleast_2d(matrix), dtype=np.int8)
        indptr = np.zeros(len(matrix) + 1, np.int64)
        over_chunks(_count, len(matrix), matrix, indptr)
        np.cumsum(indptr, out=indptr)
        answers = cls(indptr, np.empty(indptr[-1], np.int32), np.empty(indptr[-1], np.int8))
        over_chunks(_fill, len(matrix), matrix, *answers)
        return answers

    @classmethod
    def from_sparse(
        cls,
        indptr: np.ndarray,
        item: np.ndarray,
        category: np.ndarray,
        position: np.ndarray | None = None,
    ) -> Answers:
        """Make answers from sparse arrays in any order; `position` maps their items to the pool's."""
        indptr = np.ascontiguousarray(indptr, dtype=np.int64)
        item = np.asarray(item) if position is None else np.asarray(position)[item]
        person = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
        key = person * (int(item.max(initial=0)) + 1) + item
        category = np.asarray(category)
        if (key[1:] < key[:-1]).any():
            order = np.argsort(key, kind="stable")
            item, category = item[order], category[order]
        return cls(
            indptr,
            np.ascontiguousarray(item, dtype=np.int32),
            np.ascontiguousarray(category, dtype=np.int8),
        )

    def take(self, persons: np.ndarray) -> Answers:
        """Return the answers of the persons at the positions `persons`, in that order."""
        persons = np.asarray(persons, dtype=np.int64)
        length = self.indptr[persons + 1] - self.indptr[persons]
        indptr = np.zeros(len(persons) + 1, np.int64)
        np.cumsum(length, out=indptr[1:])
        at = np.arange(indptr[-1]) + np.repeat(self.indptr[persons] - indptr[:-1], length)
        return Answers(indptr, self.item[at], self.category[at])

    def by_block(self, pool: ItemPool) -> list[Answers]:
        """Return the answers to the items of each block of `pool`, the items as rows of the block's table."""
        parts: list[Answers] = []
        for block in pool.blocks:
            if len(block.index) == len(pool):
                parts.append(self)
                continue
            row = np.full(len(pool), -1, np.int32)
            row[block.index] = np.arange(len(block.index), dtype=np.int32)
            rows = row[self.item]
            inside = rows >= 0
            before = np.zeros(len(rows) + 1, np.int64)
            np.cumsum(inside, out=before[1:])
            parts.append(Answers(before[self.indptr], rows[inside], self.category[inside]))
        return parts

    def check(self, pool: ItemPool) -> None:
        """Raise InputError where an answer is impossible for `pool` or an item is answered twice."""
        flaws = np.empty(self.n_persons, np.int64)
        over_chunks(_flaws, self.n_persons, *self, pool.n_cat, flaws)
        person = int(flaws.argmax()) if len(flaws) else 0
        if not len(flaws) or flaws[person] < 0:
            return
        r = int(flaws[person])
        j, k = int(self.item[r]), int(self.category[r])
        if not 0 <= j < len(pool):
            got, want = f"position {j}", f"items at positions 0 to {len(pool) - 1}"
        elif not 0 <= k < pool.n_cat[j]:
            got, want = f"{k} at item '{pool.ids[j]}'", f"categories 0 to {pool.n_cat[j] - 1}"
        else:
            got, want = f"'{pool.ids[j]}' out of order or twice", "each item once, in ascending order"
        raise InputError(
            f"expected {want}, got {got} in the answers of person number {person + 1}; correct them"
        )
