"""Responses: who answered what, in which category.

Files are CSV or Parquet, wide (a header of item ids, an optional column ``person``, one row a person)
or long (columns ``person,item,response``), told apart by the header. Categories count from 0; an empty
cell or ``NA`` is a response that was not asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from cat_engine.errors import InputError
from item_bank.tabular import LARGEST, MISSING, Table, listed, read_table

__all__ = ["MISSING", "RECODINGS", "Responses", "join_column", "read_groups", "read_responses"]

RECODINGS = ("rank", "shift")
"""How to mend codes: ``rank`` makes an item's codes 0, 1, ... in their order; ``shift`` makes the file's
smallest code 0."""

_LONG = ("person", "item", "response")


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
        known: Mapping[str, int] | None = None,
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
        counts = _column_counts(matrix8)
        maps, n_cat = _category_maps(names, counts, recode, known, "the responses")
        if maps:
            matrix8 = matrix8.copy() if matrix8 is matrix else matrix8
            for j, codes in maps.items():
                matrix8[:, j] = _new_codes(codes)[matrix8[:, j]]
        recoded = {names[j]: codes for j, codes in maps.items()}
        return cls(names, n_cat, persons=persons, matrix=matrix8, recoded=recoded)

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
            return _column_counts(self._matrix, width)
        assert self._given is not None
        _, item, category = self._given
        return _pair_counts(item, category, self.n_items, width)

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
    path: str | Path, *, recode: str | None = None, known: Mapping[str, int] | None = None
) -> Responses:
    """Read a response file and check every cell.

    Parameters
    ----------
    path
        CSV (comma, semicolon or tab; ``.gz`` allowed) or Parquet.
    recode
        One of `RECODINGS`: how to mend codes that do not start at 0 or have gaps; None refuses them.
    known
        Number of categories by item id, where a calibration has settled it already: codes are then
        checked against it and nothing else is asked of them (unless they are recoded); an item that is
        not in it is refused.

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
    table = read_table(path)
    if recode is not None and recode not in RECODINGS:
        raise InputError(f"expected a recoding of {listed(RECODINGS)}, got '{recode}'; choose one of them")
    if all(name in table.names for name in _LONG):
        return _from_long(table, recode, known)
    return _from_wide(table, recode, known)


def _from_wide(table: Table, recode: str | None, known: Mapping[str, int] | None) -> Responses:
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
    maps, n_cat = _category_maps(items, _column_counts(matrix), recode, known, str(table.path))
    for j, codes in maps.items():
        matrix[:, j] = _new_codes(codes)[matrix[:, j]]
    recoded = {items[j]: codes for j, codes in maps.items()}
    return Responses(items, n_cat, persons=persons, matrix=matrix, recoded=recoded)


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


def _from_long(table: Table, recode: str | None, known: Mapping[str, int] | None) -> Responses:
    person, persons = table.factor("person")
    item, items = table.factor("item")
    for name, positions in (("person", person), ("item", item)):
        if (positions == MISSING).any():
            row = int(np.argmax(positions == MISSING))
            raise InputError(
                f"expected an id in column '{name}', got an empty cell in {table.place(row)}; fill it in"
            )
    category = table.codes("response").astype(np.int8)
    order = np.lexsort((item, person)) if np.any(np.diff(person) < 0) else None
    rows = order
    if order is not None:
        person, item, category = person[order], item[order], category[order]
    indptr = np.zeros(len(persons) + 1, np.int64)
    np.cumsum(np.bincount(person, minlength=len(persons)), out=indptr[1:])
    again = _repeated(person, item, len(items))
    if again is not None:
        row = int(rows[again]) if rows is not None else again
        raise InputError(
            f"expected one response a person and item, got person '{persons[person[again]]}' and item "
            f"'{items[item[again]]}' again in {table.place(row)}; keep one of them"
        )
    if (category == MISSING).any():  # not administered: the row says nothing
        keep = category != MISSING
        kept = np.zeros(len(item) + 1, np.int64)
        np.cumsum(keep, out=kept[1:])
        indptr, item, category = kept[indptr], item[keep], category[keep]
    counts = _pair_counts(item, category, len(items), LARGEST + 1)
    maps, n_cat = _category_maps(items, counts, recode, known, str(table.path))
    if maps:
        tables = np.tile(np.arange(LARGEST + 1, dtype=np.int8), (len(items), 1))
        for j, codes in maps.items():
            tables[j] = _new_codes(codes)[: LARGEST + 1]
        category = tables[item, category]
    recoded = {items[j]: codes for j, codes in maps.items()}
    return Responses(items, n_cat, persons=persons, sparse=(indptr, item, category), recoded=recoded)


def _repeated(person: np.ndarray, item: np.ndarray, n_items: int) -> int | None:
    """Return the position of a pair that came before, or None."""
    key = person.astype(np.int64) * n_items + item
    order = None
    if np.any(key[1:] <= key[:-1]):
        order = np.argsort(key, kind="stable")
        key = key[order]
    twins = np.flatnonzero(key[1:] == key[:-1])
    if not twins.size:
        return None
    later = int(twins[0]) + 1
    return later if order is None else int(order[later])


def _column_counts(matrix: np.ndarray, width: int = LARGEST + 1) -> np.ndarray:
    counts = np.zeros((matrix.shape[1], width), np.int64)
    for j in range(matrix.shape[1]):
        counts[j] = np.bincount(matrix[:, j].view(np.uint8), minlength=256)[:width]
    return counts


def _pair_counts(item: np.ndarray, category: np.ndarray, n_items: int, width: int) -> np.ndarray:
    key = item.astype(np.int32, copy=True)
    key *= width
    key += category
    return np.bincount(key, minlength=n_items * width).reshape(n_items, width)


def _new_codes(codes: list[int]) -> np.ndarray:
    """Old code -> new code, with `MISSING` (the last place, reached as -1) kept."""
    table = np.full(256, MISSING, np.int8)
    table[codes] = np.arange(len(codes), dtype=np.int8)
    return table


def _category_maps(
    items: list[str],
    counts: np.ndarray,
    recode: str | None,
    known: Mapping[str, int] | None,
    where: str,
) -> tuple[dict[int, list[int]], np.ndarray]:
    """Return the codes to replace, by item position, and the number of categories of each item."""
    seen = [np.flatnonzero(row).tolist() for row in counts]
    if known is not None and recode is None:
        return {}, _known_categories(items, seen, known, where)
    lowest = min((codes[0] for codes in seen if codes), default=0)
    highest = max((codes[-1] for codes in seen if codes), default=0)
    maps: dict[int, list[int]] = {}
    n_cat = np.full(len(items), 2, np.int64)
    for j, codes in enumerate(seen):
        if not codes:
            continue
        if recode == "rank" and len(codes) > 1 and codes != list(range(len(codes))):
            maps[j] = codes
            codes = list(range(len(codes)))
        elif recode == "shift" and lowest > 0:
            maps[j] = list(range(lowest, codes[-1] + 1))
            codes = [code - lowest for code in codes]
        n_cat[j] = max(2, codes[-1] + 1)
        constant = len(codes) == 1 and (highest > codes[0] or codes[0] <= 1 or recode is not None)
        if constant or codes == list(range(len(codes))):
            continue
        shown = ", ".join(map(str, seen[j]))
        wrong = "start above 0" if codes[0] else "have a gap"
        raise InputError(
            f"expected the categories of item '{items[j]}' in {where} to be 0, 1, 2, ... without a gap, "
            f"got {shown} (they {wrong}); recode them, or ask for it with --recode"
        )
    if known is not None:
        return maps, _known_categories(items, [list(range(n)) for n in n_cat], known, where)
    return maps, n_cat


def _known_categories(
    items: list[str], seen: list[list[int]], known: Mapping[str, int], where: str
) -> np.ndarray:
    for name, codes in zip(items, seen, strict=True):
        if name not in known:
            raise InputError(
                f"expected items that have parameters, got '{name}' in {where} which has none; "
                "remove it or calibrate it"
            )
        if codes and codes[-1] >= known[name]:
            raise InputError(
                f"expected categories 0 to {known[name] - 1} for item '{name}', as in its parameters, "
                f"got {codes[-1]} in {where}; correct the responses"
            )
    return np.array([known[name] for name in items], np.int64)


def join_column(path: str | Path, column: str, responses: Responses) -> list[str]:
    """Return one text a person from a covariate file.

    The file is joined on ``person`` when both have that column, else by row order, which asks for
    equal lengths. Absent values are ``""``.

    Raises
    ------
    InputError
        The column is not there, the lengths differ, or a person has no row or two.
    """
    table = read_table(path)
    values = table.texts(column)
    if responses.persons is not None and "person" in table.names:
        ids = table.texts("person")
        value_of: dict[str, str] = {}
        for row, (person, value) in enumerate(zip(ids, values, strict=True)):
            if person in value_of:
                raise InputError(
                    f"expected one row a person, got '{person}' again in {table.place(row)}; remove one"
                )
            value_of[person] = value
        lacking = [person for person in responses.persons if person not in value_of]
        if lacking:
            raise InputError(
                f"expected a row for every person in {path}, got none for {listed(lacking)}; add them"
            )
        return [value_of[person] for person in responses.persons]
    if table.height != responses.n_persons:
        raise InputError(
            f"expected {responses.n_persons} rows in {path}, one a person in the order of the responses, "
            f"got {table.height}; add a column 'person' to both files or match the rows"
        )
    return values


def read_groups(spec: str, responses: Responses) -> list[str]:
    """Return the group of each person from ``FILE:COLUMN``.

    Raises
    ------
    InputError
        The specification is not FILE:COLUMN, or a person has no group.
    """
    path, colon, column = spec.rpartition(":")
    if not colon or not path or not column:
        raise InputError(f"expected groups as FILE:COLUMN, got '{spec}'; for example people.csv:gender")
    groups = join_column(path, column, responses)
    if "" in groups:
        row = groups.index("")
        who = f"person '{responses.persons[row]}'" if responses.persons else f"row {row + 1}"
        raise InputError(
            f"expected a group for every person in '{column}' of {path}, got none for {who}; fill it in"
        )
    return groups
