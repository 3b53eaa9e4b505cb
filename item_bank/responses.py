"""Responses: who answered what, in which category.

Files are CSV or Parquet, wide (a header of item ids, an optional column ``person``, one row a person)
or long (columns ``person,item,response``), told apart by the header. Categories count from 0; an empty
cell or ``NA`` is a response that was not asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from cat_engine.errors import InputError
from item_bank.codes import RECODINGS, category_maps, coded_counts, column_counts, new_codes
from item_bank.covariates import join_column, read_groups, read_weights
from item_bank.kernels import arrange, count, count_pairs, first_repeat
from item_bank.layout import PLAIN, Layout, is_long
from item_bank.tabular import (
    LARGEST,
    MISSING,
    Table,
    damaged_parquet,
    first_bytes,
    listed,
    read_parquet,
    read_table,
)

__all__ = [
    "MISSING",
    "RECODINGS",
    "Responses",
    "join_column",
    "read_groups",
    "read_responses",
    "read_weights",
    "uncoded_responses",
]

BATCH = 2_000_000
"""Rows of a long Parquet file that are held as text at a time."""


class Responses:
    """Responses of `n_persons` persons to `n_items` items, sparse by person or dense as they came.

    Attributes
    ----------
    items
        Item ids.
    persons
        Person ids, or None where the source has none.
    n_cat
        Number of categories of each item, shape ``(n_items,)``, at least 2.
    recoded
        Original codes, in order of the new ones, of each item that was recoded.
    """

    def __init__(
        self,
        items: Sequence[str],
        n_cat: np.ndarray,
        *,
        persons: Sequence[str] | None = None,
        matrix: np.ndarray | None = None,
        sparse: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None,
        recoded: Mapping[str, list[int]] | None = None,
        counts: np.ndarray | None = None,
    ) -> None:
        if (matrix is None) == (sparse is None):
            raise ValueError("give either a matrix or a sparse triple (indptr, item, category)")
        self.items = list(items)
        self.persons = None if persons is None else list(persons)
        self.n_cat = np.asarray(n_cat, dtype=np.int64)
        self.recoded: dict[str, list[int]] = dict(recoded or {})
        self._matrix = matrix
        self._given = sparse
        if counts is not None:
            self.counts = counts

    @classmethod
    def from_dense(
        cls,
        matrix: Any,
        items: Sequence[str] | None = None,
        persons: Sequence[str] | None = None,
        *,
        recode: str | None = None,
        known: Mapping[str, Sequence[int]] | None = None,
    ) -> Responses:
        """Check a matrix, one row a person and one column an item.

        Parameters
        ----------
        matrix
            Category codes from 0, shape ``(n_persons, n_items)``; `MISSING` or NaN for no response.
        items, persons
            Ids; items are called ``I1, I2, ...`` by default.
        recode, known
            As in :func:`read_responses`.

        Raises
        ------
        InputError
            The codes are not whole numbers from 0, or break the rules of :func:`read_responses`.
        """
        values = np.asarray(matrix)
        if values.ndim != 2 or not values.size:
            raise InputError(
                f"expected responses as a matrix of persons by items, got shape {values.shape}; reshape them"
            )
        if values.dtype.kind not in "iub":
            try:
                values = np.asarray(values, dtype=np.float64)
            except (TypeError, ValueError):
                raise InputError(
                    f"expected whole numbers as responses, got type {values.dtype}; score them first"
                ) from None
            values = np.where(np.isnan(values), MISSING, values)
        bad = (values < MISSING) | (values > LARGEST)
        if values.dtype.kind == "f":
            bad |= values != np.floor(values)
        if bad.any():
            row, column = np.argwhere(bad)[0]
            raise InputError(
                f"expected categories between 0 and {LARGEST}, or {MISSING} or NaN for none, got "
                f"{values[row, column]} in row {row}, column {column}; correct the matrix"
            )
        names = [f"I{j + 1}" for j in range(values.shape[1])] if items is None else list(items)
        if len(names) != values.shape[1] or len(set(names)) != len(names):
            raise InputError(
                f"expected {values.shape[1]} different item ids, got {len(set(names))}; give one a column"
            )
        if persons is not None and len(persons) != len(values):
            raise InputError(
                f"expected {len(values)} person ids, one a row, got {len(persons)}; give one a row"
            )
        matrix8 = np.ascontiguousarray(values, dtype=np.int8)
        uncoded = cls(names, np.full(len(names), LARGEST + 1), persons=persons, matrix=matrix8)
        return uncoded.coded(*category_maps(names, uncoded.counts, recode, known, "the responses"))

    @property
    def n_items(self) -> int:
        """Number of items."""
        return len(self.items)

    @property
    def n_persons(self) -> int:
        """Number of persons, those without a single response included."""
        if self._matrix is not None:
            return len(self._matrix)
        assert self._given is not None
        return len(self._given[0]) - 1

    @property
    def n_responses(self) -> int:
        """Number of responses that were given."""
        if self._given is not None:
            return len(self._given[1])
        return int(self.counts.sum())

    @property
    def density(self) -> float:
        """Share of all person-item pairs that hold a response."""
        return self.n_responses / max(1, self.n_persons * self.n_items)

    @cached_property
    def _sparse(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if self._given is not None:
            return self._given
        matrix = self.dense()
        if self.is_complete:
            indptr = np.arange(len(matrix) + 1, dtype=np.int64) * self.n_items
            return indptr, np.tile(np.arange(self.n_items, dtype=np.int32), len(matrix)), matrix.ravel()
        given = matrix != MISSING
        indptr = np.zeros(len(matrix) + 1, np.int64)
        np.cumsum(given.sum(axis=1), out=indptr[1:])
        item = np.nonzero(given)[1].astype(np.int32)
        return indptr, item, matrix[given]

    @property
    def indptr(self) -> np.ndarray:
        """Person ``i`` holds responses ``indptr[i]`` to ``indptr[i + 1]``; int64, shape (n_persons + 1,)."""
        return self._sparse[0]

    @property
    def item(self) -> np.ndarray:
        """Item position of each response, int32, shape (n_responses,)."""
        return self._sparse[1]

    @property
    def category(self) -> np.ndarray:
        """Category of each response, int8, shape (n_responses,)."""
        return self._sparse[2]

    @cached_property
    def lengths(self) -> np.ndarray:
        """Number of responses of each person, shape (n_persons,)."""
        if self._matrix is None:
            return np.diff(self.indptr)
        if self.is_complete:
            return np.full(self.n_persons, self.n_items)
        return np.asarray((self._matrix != MISSING).sum(axis=1))

    @property
    def is_sparse(self) -> bool:
        """Whether only responses that were given are stored."""
        return self._matrix is None

    @property
    def is_complete(self) -> bool:
        """Whether every person answered every item."""
        return self.n_responses == self.n_persons * self.n_items

    def dense(self) -> np.ndarray:
        """Return categories as int8, shape (n_persons, n_items), `MISSING` where none was given."""
        if self._matrix is not None:
            return self._matrix
        indptr, item, category = self._sparse
        matrix = np.full((self.n_persons, self.n_items), MISSING, np.int8)
        matrix[np.repeat(np.arange(self.n_persons), np.diff(indptr)), item] = category
        return matrix

    @cached_property
    def counts(self) -> np.ndarray:
        """Number of responses of each item in each category, shape (n_items, largest n_cat)."""
        width = int(self.n_cat.max())
        if self._matrix is not None:
            return column_counts(self._matrix, width)
        assert self._given is not None
        _, item, category = self._given
        counts = np.zeros((self.n_items, width), np.int64)
        count_pairs(item, category, counts)
        return counts

    def coded(self, maps: Mapping[int, list[int]], n_cat: np.ndarray) -> Responses:
        """Return the responses with categories named anew and their numbers settled.

        Parameters
        ----------
        maps
            Codes of an item, by its position, in the order of the new codes 0, 1, 2, ...
        n_cat
            Number of categories of each item.
        """
        matrix, sparse = self._matrix, self._given
        if maps:
            tables = np.tile(new_codes(list(range(LARGEST + 1))), (self.n_items, 1))
            for j, codes in maps.items():
                tables[j] = new_codes(codes)
            if matrix is not None:
                matrix = matrix.copy()
                for j in maps:
                    matrix[:, j] = tables[j][matrix[:, j]]
            else:
                indptr, item, category = self._sparse
                sparse = indptr, item, tables[item, category]
        recoded = {self.items[j]: codes for j, codes in maps.items()}
        return Responses(
            self.items,
            n_cat,
            persons=self.persons,
            matrix=matrix,
            sparse=sparse,
            recoded=recoded,
            counts=coded_counts(self.counts, maps, n_cat),
        )

    @property
    def nbytes(self) -> int:
        """Bytes that the responses take."""
        return self._matrix.nbytes if self._matrix is not None else sum(a.nbytes for a in self._sparse)

    def among(self, items: Sequence[str]) -> Responses:
        """Return the same responses among `items`, which have these and others."""
        place = {name: j for j, name in enumerate(items)}
        where = np.array([place[name] for name in self.items], np.int32)
        n_cat = np.full(len(items), int(self.n_cat.max()))
        n_cat[where] = self.n_cat
        indptr, item, category = self._sparse
        return Responses(items, n_cat, persons=self.persons, sparse=(indptr, where[item], category))

    def take(self, rows: np.ndarray) -> Responses:
        """Return the persons at positions `rows` (or where a mask is true), in that order."""
        rows = np.asarray(rows)
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows
        persons = None if self.persons is None else [self.persons[r] for r in rows]
        if self._matrix is not None:
            return Responses(
                self.items, self.n_cat, persons=persons, matrix=self._matrix[rows], recoded=self.recoded
            )
        indptr, item, category = self._sparse
        lengths = indptr[rows + 1] - indptr[rows]
        starts = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(lengths, out=starts[1:])
        positions = np.repeat(indptr[rows] - starts[:-1], lengths) + np.arange(starts[-1])
        sparse = (starts, item[positions], category[positions])
        return Responses(self.items, self.n_cat, persons=persons, sparse=sparse, recoded=self.recoded)

    def select(self, columns: Sequence[int] | np.ndarray) -> Responses:
        """Return the items at positions `columns`, in that order, for every person."""
        columns = np.asarray(columns, dtype=np.int64)
        items = [self.items[j] for j in columns]
        if self._matrix is not None:
            matrix = np.ascontiguousarray(self._matrix[:, columns])
            return Responses(
                items, self.n_cat[columns], persons=self.persons, matrix=matrix, recoded=self.recoded
            )
        indptr, item, category = self._sparse
        place = np.full(self.n_items, -1, np.int32)
        place[columns] = np.arange(len(columns), dtype=np.int32)
        keep = place[item] >= 0
        kept = np.zeros(len(item) + 1, np.int64)
        np.cumsum(keep, out=kept[1:])
        sparse = (kept[indptr], place[item[keep]], category[keep])
        return Responses(
            items, self.n_cat[columns], persons=self.persons, sparse=sparse, recoded=self.recoded
        )


def read_responses(
    path: str | Path,
    *,
    recode: str | None = None,
    known: Mapping[str, Sequence[int]] | None = None,
    layout: Layout = PLAIN,
) -> Responses:
    """Read a response file and check every cell.

    Parameters
    ----------
    path
        CSV (comma, semicolon or tab; ``.gz`` allowed) or Parquet.
    recode
        One of `RECODINGS`: how to mend codes that do not start at 0 or have gaps; None refuses them.
    known
        The codes of categories 0, 1, ... by item id, where a calibration has settled them already
        (:meth:`item_bank.parameters.ParameterSet.codes`): others are refused, and so is an item that is not
        in it. `recode` is about items whose codes are 0, 1, ...
    layout
        Who answered, what is no item, what stands for no response.

    Returns
    -------
    Responses
        Persons in the order of the file (of first appearance in a long file), items likewise. An item
        with a single observed category is let through: calibration flags it.

    Raises
    ------
    InputError
        One sentence: what was expected, what came, where, what to do.
    """
    if recode is not None and recode not in RECODINGS:
        raise InputError(f"expected a recoding of {listed(RECODINGS)}, got '{recode}'; choose one of them")
    path = Path(path)
    height = long_height(path, layout)
    if height is None:
        uncoded = uncoded_responses(layout.of(read_table(path)))
    else:
        bounds = [*range(0, height, BATCH), height]
        whole = replace(layout, leave_out=())  # other columns are not read
        parts = (read_parquet(path, low, high, layout.long) for low, high in pairwise(bounds))
        tables = map(whole.of, parts)
        uncoded = _from_long(tables, height)
    return uncoded.coded(*category_maps(uncoded.items, uncoded.counts, recode, known, str(path)))


def uncoded_responses(table: Table) -> Responses:
    """Return what a table says, wide or long, its category codes not yet compared with each other."""
    if is_long(table.names):
        return _from_long([table], table.height)
    return _from_wide(table)


def long_height(path: Path, layout: Layout = PLAIN) -> int | None:
    """Return the number of rows of a long Parquet file; None for every other file."""
    if first_bytes(path) != b"PAR1":
        return None
    import polars as pl

    try:
        rows = pl.scan_parquet(path, glob=False)
        if not is_long(layout.names(rows.collect_schema().names())):
            return None
        return int(rows.select(pl.len()).collect().item())
    except pl.exceptions.PolarsError as error:
        raise damaged_parquet(path, error) from None


def _from_wide(table: Table) -> Responses:
    items = [name for name in table.names if name != "person"]
    if not items:
        raise InputError(
            f"expected at least one item in {table.path}, got the column 'person' alone; add items"
        )
    persons = None
    if "person" in table.names:
        persons = _checked_persons(table)
    matrix = np.empty((table.height, len(items)), np.int8)
    for j, name in enumerate(items):
        matrix[:, j] = table.codes(name)
    return Responses(items, np.full(len(items), LARGEST + 1), persons=persons, matrix=matrix)


def _checked_persons(table: Table) -> list[str]:
    persons = table.texts("person")
    seen: dict[str, int] = {}
    for row, person in enumerate(persons):
        if not person:
            raise InputError(
                f"expected an id in column 'person', got an empty cell in {table.place(row)}; fill it in"
            )
        if seen.setdefault(person, row) != row:
            raise InputError(
                f"expected one row a person, got person '{person}' again in {table.place(row)} "
                f"(first: {table.place(seen[person])}); merge the rows or rename one"
            )
    return persons


def _from_long(tables: Iterable[Table], height: int) -> Responses:
    """Put tables of one response a row, `height` rows in all, together."""
    person, item = np.empty(height, np.int32), np.empty(height, np.int32)
    category = np.empty(height, np.int8)
    persons: dict[str, int] = {}
    items: dict[str, int] = {}
    at, table = 0, None
    for table in tables:
        part = slice(at, at + table.height)
        at += table.height
        for name, known, out in (("person", persons, person), ("item", items, item)):
            positions, texts = table.factor(name)
            if (positions == MISSING).any():
                row = int(np.argmax(positions == MISSING))
                raise InputError(
                    f"expected an id in column '{name}', got an empty cell in {table.place(row)}; fill it in"
                )
            place = np.array([known.setdefault(text, len(known)) for text in texts], np.int32)
            out[part] = place[positions]
        category[part] = table.codes("response")
    assert table is not None
    given = np.zeros(len(persons) + 1, np.int64)
    count(person, given[1:])
    indptr = np.cumsum(given)
    rows = person, item
    if (person[1:] < person[:-1]).any():
        unordered = item, category
        item, category = np.empty_like(item), np.empty_like(category)
        arrange(person, *unordered, indptr[:-1].copy(), item, category)
    again = int(first_repeat(indptr, item, len(items)))
    if again >= 0:
        who, what = int(np.searchsorted(indptr, again, "right")) - 1, int(item[again])
        row = int(np.flatnonzero((rows[0] == who) & (rows[1] == what))[1])
        raise InputError(
            f"expected one response a person and item, got person '{list(persons)[who]}' and item "
            f"'{list(items)[what]}' again in {replace(table, first=0).place(row)}; keep one of them"
        )
    if (category == MISSING).any():  # not administered: the row says nothing
        keep = category != MISSING
        kept = np.zeros(len(item) + 1, np.int64)
        np.cumsum(keep, out=kept[1:])
        indptr, item, category = kept[indptr], item[keep], category[keep]
    most = np.full(len(items), LARGEST + 1)
    return Responses(list(items), most, persons=list(persons), sparse=(indptr, item, category))
