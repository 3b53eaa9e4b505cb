"""A spreadsheet's file as rows, and its cells as what they mean.

Read with ``;``, ``,`` or tabulators, in UTF-8, UTF-16 or cp1252. What a spreadsheet does to a file when it
saves it is undone here: an apostrophe before what would be a formula, dates with slashes, empty rows.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cat_engine.errors import InputError
from item_bank.markup import printable
from item_bank.tabular import decoded, separator_of

__all__ = ["FORMULA", "Lines", "day", "listed", "rows", "words"]

_LARGEST = 16 * 1024 * 1024
_MOST_ROWS = 100_000
FORMULA = re.compile(r"'*[=+\-@\t\r|]")
_SLASHED = re.compile(r"([0-3]?[0-9])/([0-3]?[0-9])/([0-9]{4})\Z")


@dataclass(frozen=True, slots=True)
class Lines:
    """Where a row stands, for messages."""

    where: str
    line: int
    day_first: bool = True
    """Whether dates are written with the day before the month: where a spreadsheet parts cells with ``;``."""

    def fail(self, what: str) -> InputError:
        """Return the error with its place."""
        return InputError(f"{self.where}, line {self.line}: {what}")


def rows(
    data: bytes, where: str, known: Sequence[str], needed: Sequence[str]
) -> Iterator[tuple[Lines, dict[str, str]]]:
    """Return the rows of a file, each with its place; `needed` columns must be there, others be `known`.

    Raises
    ------
    InputError
        With the line: no CSV, a column that is missing or not known, too many cells, rows or bytes.
    """
    if len(data) > _LARGEST:
        raise InputError(f"{where}: expected at most {_LARGEST:,} bytes, got {len(data):,}; split it")
    if b"\x00" in data and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        line = data[: data.index(b"\x00")].count(b"\n") + 1
        raise InputError(f"{where}, line {line}: expected text, got a NUL; save it as CSV")
    content = decoded(data)
    if content.startswith("sep="):  # a spreadsheet's own hint
        content = content.partition("\n")[2]
    first = content.split("\n", 1)[0]
    delimiter = separator_of(first)
    reader = csv.DictReader(io.StringIO(content, newline=""), delimiter=delimiter, strict=True)
    try:
        names = [name.strip() for name in reader.fieldnames or ()]
        reader.fieldnames = names
        missing = [name for name in needed if name not in names]
        if missing:
            raise InputError(
                f"{where}: expected the columns {', '.join(needed)}, got {', '.join(names[:8])}; add "
                f"'{missing[0]}', or give the column that holds it this name"
            )
        unknown = [name for name in names if name not in known]
        if unknown:
            raise InputError(f"{where}: the column '{unknown[0][:40]}' is not known; remove or rename it")
        for count, row in enumerate(reader):
            lines = Lines(where, reader.line_num, delimiter == ";")
            if count >= _MOST_ROWS:
                raise lines.fail(f"expected at most {_MOST_ROWS:,} rows; split the file")
            if None in row:
                raise lines.fail(f"expected {len(names)} cells, got more; quote what holds '{delimiter}'")
            if not any(value and value.strip() for value in row.values()):
                continue
            yield lines, {name: _fused(printable(value or "")) for name, value in row.items()}
    except csv.Error as error:
        raise InputError(f"{where}, line {reader.line_num}: expected CSV, got: {error}") from None


def _fused(value: str) -> str:
    return value[1:] if value.startswith("'") and FORMULA.match(value[1:]) else value


def words(cell: str, names: Sequence[str], column: str, lines: Lines) -> tuple[str, ...]:
    """Return the words of a cell, each one of `names`."""
    found = listed(cell)
    for name in found:
        if name not in names:
            raise lines.fail(f"expected '{column}' among {', '.join(names)}, got '{name[:30]}'")
    return found


def day(cell: str, lines: Lines) -> str:
    """Return a date as ISO writes it; a French spreadsheet makes 31/12/2027 of 2027-12-31 when it saves."""
    written = _SLASHED.match(cell.strip())
    if not written:
        return cell.strip()
    first, second, year = (int(part) for part in written.groups())
    if first <= 12 and second <= 12 and first != second and not lines.day_first:
        raise lines.fail(f"'{cell.strip()}' could be two days; write it as 2027-12-31")
    if second > 12 >= first:
        first, second = second, first
    return f"{year:04d}-{second:02d}-{first:02d}"


def listed(cell: str) -> tuple[str, ...]:
    """Return what commas part in a cell."""
    return tuple(part.strip() for part in cell.split(",") if part.strip())
