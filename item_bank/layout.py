"""How a response file departs from the plain form: who answered, what is no item, what means no response."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cat_engine.errors import InputError
from item_bank.tabular import Table

__all__ = ["LONG", "PLAIN", "Layout", "is_long"]

LONG = ("person", "item", "response")
"""The columns of a file of one response a row."""


@dataclass(frozen=True)
class Layout:
    """What is said about a response file beside its header.

    Attributes
    ----------
    person
        The column that says who answered.
    leave_out
        Columns that are no items.
    missing
        Codes that stand for no response, as texts; ``9`` is also ``9.0``.
    """

    person: str = "person"
    leave_out: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    def names(self, names: Sequence[str]) -> list[str]:
        """Return the columns that count, the one that says who answered called ``person``."""
        kept = [name for name in names if name not in self.leave_out]
        return ["person" if name == self.person else name for name in kept]

    @property
    def long(self) -> tuple[str, ...]:
        """The columns of a file of one response a row, as the file calls them."""
        return (self.person, *LONG[1:])

    def of(self, table: Table) -> Table:
        """Return a file's columns in the plain form.

        Raises
        ------
        InputError
            The file lacks a column that is named, or has two that say who answered.
        """
        named = (*self.leave_out, *([self.person] if self.person != "person" else []))
        for name in named:
            table.column(name)
        names = self.names(table.names)
        if names.count("person") > 1:
            raise InputError(
                f"expected one column of {table.path} to say who answered, got 'person' and "
                f"'{self.person}'; leave one out with --leave-out"
            )
        columns = [
            column
            for name, column in zip(table.names, table.columns, strict=True)
            if name not in self.leave_out
        ]
        return replace(table, names=names, columns=columns, missing=self.missing)


PLAIN = Layout()


def is_long(names: Sequence[str]) -> bool:
    """Whether columns of these names hold one response a row."""
    return all(name in names for name in LONG)
