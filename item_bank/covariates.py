"""Groups, weights and other columns of a second file, joined to the persons of the responses."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np

from cat_engine.errors import InputError
from item_bank.tabular import listed, read_table

__all__ = ["Covariate", "People", "join_column", "read_groups", "read_weights"]


class People(Protocol):
    """Whoever has persons: their ids, or None, and how many they are."""

    @property
    def persons(self) -> Sequence[str] | None: ...
    @property
    def n_persons(self) -> int: ...


class Covariate:
    """One column of a covariate file.

    The file is joined on ``person`` when both files have that column, else by row order, which asks for
    equal lengths. Absent values are ``""``.

    Parameters
    ----------
    path, column
        Which one.
    person
        What the responses call the column of persons; the file may call it so, too.

    Raises
    ------
    InputError
        The file cannot be read or has no such column.
    """

    def __init__(self, path: str | Path, column: str, person: str = "person") -> None:
        self._path, self._column = path, column
        table = read_table(path)
        self._values = table.texts(column)
        self._row_of: dict[str, int] | None = None
        self._again = ""  # an error only where persons have ids to be joined on
        name = "person" if "person" in table.names else person
        if name in table.names:
            self._row_of = {}
            for row, who in enumerate(table.texts(name)):
                if self._row_of.setdefault(who, row) != row:
                    self._again = self._again or f"got '{who}' again in {table.place(row)}"

    @classmethod
    def named(cls, spec: str, what: str, example: str, person: str = "person") -> Covariate:
        """Return the covariate that ``FILE:COLUMN`` names; `what` it is and an `example`, for the error."""
        path, colon, column = spec.rpartition(":")
        if not colon or not path or not column:
            raise InputError(f"expected {what} as FILE:COLUMN, got '{spec}'; for example {example}")
        stat = Path(path).stat() if Path(path).is_file() else None
        return _remembered(path, column, person, (stat.st_mtime_ns, stat.st_size) if stat else None)

    def of(self, people: People, first: int = 0, total: int | None = None) -> list[str]:
        """Return one text a person.

        Parameters
        ----------
        people
            The persons.
        first, total
            How many stand before them, and how many there are in all, where they are a part of a file.

        Raises
        ------
        InputError
            The lengths differ, or a person has no row or two.
        """
        if people.persons is not None and self._row_of is not None:
            if self._again:
                raise InputError(f"expected one row a person, {self._again}; remove one")
            rows = [self._row_of.get(person) for person in people.persons]
            lacking = [person for person, row in zip(people.persons, rows, strict=True) if row is None]
            if lacking:
                raise InputError(
                    f"expected a row for every person in {self._path}, got none for {listed(lacking)}; "
                    "add them"
                )
            return [self._values[row] for row in rows if row is not None]
        total = people.n_persons if total is None else total
        if len(self._values) != total:
            raise InputError(
                f"expected {total} rows in {self._path}, one a person in the order of the responses, "
                f"got {len(self._values)}; add a column 'person' to both files or match the rows"
            )
        return self._values[first : first + people.n_persons]

    def groups(self, people: People, first: int = 0, total: int | None = None) -> list[str]:
        """Return the group of each person, as `of`; an absent one is an error."""
        groups = self.of(people, first, total)
        if "" in groups:
            row = groups.index("")
            who = f"person '{people.persons[row]}'" if people.persons else f"row {first + row + 1}"
            raise InputError(
                f"expected a group for every person in '{self._column}' of {self._path}, got none for {who}; "
                "fill it in, with a name such as 'unknown' where it is not known"
            )
        return groups

    def weights(self, people: People, first: int = 0, total: int | None = None) -> np.ndarray:
        """Return the number of each person, as `of`; another text is an error."""
        try:
            return np.array([float(text) for text in self.of(people, first, total)])
        except ValueError:
            raise InputError(
                f"expected a number for every person in '{self._column}' of {self._path}, got other text; "
                "correct it"
            ) from None


@lru_cache(maxsize=4)
def _remembered(path: str, column: str, person: str, stamp: tuple[int, int] | None) -> Covariate:
    """Read a covariate once, however many parts of the persons ask for it."""
    return Covariate(path, column, person)


def join_column(path: str | Path, column: str, responses: People) -> list[str]:
    """Return one text a person from a covariate file, as :class:`Covariate` joins it."""
    return Covariate(path, column).of(responses)


def read_groups(spec: str, responses: People, person: str = "person") -> list[str]:
    """Return the group of each person from ``FILE:COLUMN``, joined as :class:`Covariate` says.

    Raises
    ------
    InputError
        The specification is not FILE:COLUMN, or a person has no group.
    """
    return Covariate.named(spec, "groups", "people.csv:gender", person).groups(responses)


def read_weights(spec: str, responses: People, person: str = "person") -> np.ndarray:
    """Return the sampling weight of each person from ``FILE:COLUMN``.

    Raises
    ------
    InputError
        The specification is not FILE:COLUMN, or a person has no number.
    """
    return Covariate.named(spec, "weights", "people.csv:weight", person).weights(responses)
