"""CSV and Parquet files as named columns of text and of whole numbers.

Small or quoted CSV goes through Python's own reader (no import to pay for); large plain CSV and Parquet
through polars. Both roads refuse the same things with the same sentences.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cat_engine.errors import InputError

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "ABSENT",
    "LARGEST",
    "MISSING",
    "Table",
    "checked_names",
    "damaged_parquet",
    "decoded",
    "first_bytes",
    "listed",
    "no_rows",
    "read_csv",
    "read_parquet",
    "read_table",
    "separator_of",
]

MISSING = -1
"""Stands for an absent cell in a column of whole numbers."""

ABSENT = ("", "NA")
"""What an absent cell looks like in a file."""

LARGEST = 126
"""The largest category code: categories are stored in one byte."""

_SMALL = 1 << 19  # bytes: below this, importing polars costs more than it saves
_EMPTY_HINT = "leave the cell of a missing response empty, or name what stands for it with --missing"
_BLANKS = frozenset((".", "-", "*", "?", "na", "n/a", "#n/a", "nan", "null", "none", "missing"))
"""What other programs write where a response is missing, in lower case."""

_OTHERS = {
    b"PK": "a spreadsheet or archive",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet",
    b"$FL": "an SPSS file",
    b"<stata_dta>": "a Stata file",
    b"RDX": "an R file",
    b"X\n": "an R file",
}
"""How files of other programs begin."""


@dataclass(frozen=True)
class Table:
    """Columns of one file.

    Attributes
    ----------
    path
        Where it came from, for messages.
    names
        Column names, unique and not empty.
    columns
        One sequence of texts (or a polars series) a column.
    height
        Number of rows.
    lines
        Whether row ``r`` is line ``r + 2`` of a text file (for messages).
    first
        Rows of the file that stand before this table's (for messages).
    missing
        What stands for an absent response, beside `ABSENT`; a number also stands for its other spellings.
    """

    path: Path
    names: list[str]
    columns: list[Any]
    height: int
    lines: bool
    first: int = 0
    missing: tuple[str, ...] = ()

    def place(self, row: int) -> str:
        """Say where row `row` (from 0) stands in the file."""
        row += self.first
        return f"line {row + 2} of {self.path}" if self.lines else f"row {row + 1} of {self.path}"

    def column(self, name: str) -> Any:
        """Return the column called `name` or say which there are."""
        if name not in self.names:
            raise InputError(
                f"expected a column '{name}' in {self.path}, got {listed(self.names)}; name one of these"
            )
        return self.columns[self.names.index(name)]

    def texts(self, name: str) -> list[str]:
        """Return the column as texts without surrounding blanks; absent cells are ``""``."""
        column = self.column(name)
        if isinstance(column, Sequence):
            stripped = [text.strip() for text in column]
        else:
            import polars as pl

            stripped = column.cast(pl.String).str.strip_chars().fill_null("").to_list()
        return ["" if text in ABSENT else text for text in stripped]

    def factor(self, name: str) -> tuple[np.ndarray, list[str]]:
        """Return the column as positions in its distinct texts, in order of first appearance.

        Absent cells are position `MISSING`.
        """
        column = self.column(name)
        if isinstance(column, Sequence):
            seen: dict[str, int] = dict.fromkeys(ABSENT, MISSING)
            codes = np.empty(len(column), np.int32)
            for row, text in enumerate(column):
                text = text.strip()
                code = seen.get(text)
                if code is None:
                    code = seen[text] = len(seen) - len(ABSENT)
                codes[row] = code
            return codes, [text for text in seen if text not in ABSENT]
        return _factor_series(column)

    def codes(self, name: str, what: str = "a category") -> np.ndarray:
        """Return the column as small whole numbers from 0, absent and `missing` cells as `MISSING`.

        Raises
        ------
        InputError
            A cell is not a whole number between 0 and `LARGEST`; the sentence names the cell.
        """
        column = self.column(name)
        if isinstance(column, Sequence):
            lookup = _Codes(self.missing)
            codes = np.fromiter(map(lookup.__getitem__, column), np.int16, len(column))
        else:
            codes = _codes_of_series(_without(column, self.missing), self.missing)
        bad = np.flatnonzero(codes < MISSING)
        if bad.size:
            row = int(bad[0])
            raise InputError(self._complaint(name, row, str(column[row]).strip(), what))
        return codes

    def answers(self, name: str) -> list[str]:
        """Return the column as texts without surrounding blanks; absent and `missing` cells are ``""``."""
        numbers = _numbers(self.missing)
        absent = {text for text in {*self.texts(name)} if text in self.missing or _number(text) in numbers}
        return ["" if text in absent else text for text in self.texts(name)]

    def _complaint(self, name: str, row: int, text: str, what: str) -> str:
        came = f"got '{text}' in column '{name}', {self.place(row)}"
        number = _number(text)
        column = f"say --person {name} if the column says who answered, --leave-out {name} if it is no item"
        if "item" in self.names and "person" not in self.names:
            return (
                f"expected one row a person and one column an item, {came}; exchange rows and columns, or "
                "give the columns person,item,response"
            )
        if number is not None and number > LARGEST:
            return f"expected {what} between 0 and {LARGEST}, {came}; {column}; {_EMPTY_HINT}"
        if number is not None and number < 0:
            return f"expected {what} counted from 0, {came}; {_EMPTY_HINT}"
        if text.lower() in _BLANKS:
            return f"expected {what} as a whole number from 0, or an empty cell or NA, {came}; {_EMPTY_HINT}"
        return (
            f"expected {what} as a whole number from 0, or an empty cell or NA, {came}; correct the cell, or "
            f"score chosen options with --key; {column}"
        )


def listed(names: Sequence[str], most: int = 6) -> str:
    """Quote a few names and say how many more there are."""
    shown = ", ".join(f"'{name}'" for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")


def read_table(path: str | Path) -> Table:
    """Read a CSV (``,`` ``;`` or tab; may be gzipped) or Parquet file, told apart by content.

    Raises
    ------
    InputError
        No such file, an empty or ragged file, no rows, an unnamed column or two of one name.
    """
    path = Path(path)
    if first_bytes(path) == b"PAR1":
        return read_parquet(path)
    raw = path.read_bytes()
    if raw[:2] == b"\x1f\x8b":
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError):
            raise InputError(
                f"expected a whole gzip file, got a damaged one in {path}; copy it again"
            ) from None
    for start, what in _OTHERS.items():
        if raw.startswith(start):
            raise InputError(f"expected CSV or Parquet, got {what} in {path}; save it as CSV")
    text = decoded(raw)
    if not text.strip():
        raise InputError(
            f"expected a header of item ids and one row a person, got an empty file {path}; check the export"
        )
    return read_csv(path, text)


def decoded(data: bytes) -> str:
    """Return the text of a file that a spreadsheet saved: UTF-8, UTF-16 or, failing these, cp1252."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def first_bytes(path: Path) -> bytes:
    """Return the first four bytes of a file, which say what it is, or why it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(4)
    except FileNotFoundError:
        raise InputError(f"expected a CSV or Parquet file, there is no file {path}; check the path") from None
    except OSError as error:
        raise InputError(
            f"expected a readable CSV or Parquet file, got '{error.strerror}' for {path}; check the path"
        ) from None


def separator_of(header: str) -> str:
    """Return what separates the cells of a header: comma, semicolon or tab."""
    return max(",;\t", key=header.count)


def read_csv(path: Path, text: str, first: int = 0) -> Table:
    """Read CSV `text`, a header and the rows of the file at `path` from row `first` on."""
    header = text.split("\n", 1)[0]
    separator = separator_of(header)
    plain = '"' not in text[len(header) :]
    if len(text) > _SMALL and plain:
        return _read_large_csv(path, text, separator, first)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    except csv.Error as error:
        raise InputError(
            f"expected CSV with balanced quotes, got '{error}' in {path}; export it again"
        ) from None
    while rows and not rows[-1]:
        rows.pop()
    names = checked_names(path, rows[0])
    width = len(names)
    for number, row in enumerate(rows[1:], start=first + 2):
        if len(row) != width:
            if not row and width == 1:
                row.append("")
                continue
            raise _ragged(path, number, len(row), width)
    if len(rows) < 2:
        raise no_rows(path)
    return Table(path, names, list(zip(*rows[1:], strict=True)), len(rows) - 1, True, first)


def _read_large_csv(path: Path, text: str, separator: str, first_row: int) -> Table:
    import polars as pl

    text = text.rstrip("\r\n") + "\n"
    first = next(csv.reader([text.split("\n", 1)[0].rstrip("\r")], delimiter=separator))
    names = checked_names(path, first)
    height, width = text.count("\n") - 1, len(names)
    if not height:
        raise no_rows(path)
    # polars fills short rows in silence and refuses long ones: the count of separators tells.
    separators = text.count(separator) - text.split("\n", 1)[0].count(separator)
    frame = None
    if separators == height * (width - 1):
        try:
            frame = pl.read_csv(
                io.BytesIO(text.encode()),
                separator=separator,
                has_header=False,
                skip_rows=1,
                new_columns=names,
                infer_schema=False,
                quote_char=None,
            )
        except pl.exceptions.PolarsError:
            frame = None
    if frame is None or frame.height != height or frame.width != width:
        for number, line in enumerate(text.splitlines()[1:], start=first_row + 2):
            if line.count(separator) != width - 1:
                raise _ragged(path, number, line.count(separator) + 1 if line else 0, width)
        raise InputError(
            f"expected rows of {width} cells in {path}, got lines that end in mixed ways; export it again"
        )
    return Table(path, names, frame.get_columns(), height, True, first_row)


def read_parquet(
    path: Path, low: int = 0, high: int | None = None, columns: Sequence[str] | None = None
) -> Table:
    """Read rows ``low .. high`` of a Parquet file (by default all of them), all columns or some."""
    import polars as pl

    try:
        rows = pl.scan_parquet(path, glob=False)
        if high is not None:
            rows = rows.slice(low, high - low)
        frame = (rows if columns is None else rows.select(columns)).collect()
    except pl.exceptions.PolarsError as error:
        raise damaged_parquet(path, error) from None
    names = checked_names(path, frame.columns)
    if not frame.height:
        raise no_rows(path)
    return Table(path, names, frame.get_columns(), frame.height, False, low)


def damaged_parquet(path: Path, error: Exception) -> InputError:
    """Say that a file is not the Parquet file that it seems to be."""
    reason = str(error).splitlines()[0]
    return InputError(f"expected a Parquet file, got '{reason}' in {path}; write it again")


def checked_names(path: Path, names: Sequence[str]) -> list[str]:
    """Return the names of columns without surrounding blanks, or say that one lacks or comes twice."""
    names = [name.strip() for name in names]
    if names and names[0].lower().startswith("sep="):
        raise InputError(
            f"expected a header on the first line of {path}, got '{names[0]}', which only a spreadsheet "
            "reads; delete that line"
        )
    repeated = next((name for k, name in enumerate(names) if name and name in names[:k]), None)
    if repeated is not None:
        where = ", ".join(str(k + 1) for k, name in enumerate(names) if name == repeated)
        hint = (
            "the first line looks like data: put a header of item ids above it"
            if all(_number(name) is not None or name in ABSENT for name in names)
            else "rename or remove one"
        )
        raise InputError(
            f"expected every column of {path} to have a name of its own, got '{repeated}' "
            f"for columns {where}; {hint}"
        )
    if "" in names:
        raise InputError(
            f"expected every column of {path} to have a name, got none for column {names.index('') + 1}; "
            "name it, or remove row names (in R: write.csv(..., row.names = FALSE))"
        )
    return names


def _ragged(path: Path, number: int, got: int, width: int) -> InputError:
    return InputError(
        f"expected {width} cell{'s' * (width != 1)} on every line of {path}, as in its header, "
        f"got {got} on line {number}; "
        "complete the line (a missing response is an empty cell)"
    )


def no_rows(path: Path) -> InputError:
    """Say that a file holds a header alone."""
    return InputError(f"expected one row a person under the header of {path}, got none; check the export")


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if value == value and abs(value) != float("inf") and "_" not in text else None


def _numbers(texts: Sequence[str]) -> set[float]:
    return {number for number in map(_number, texts) if number is not None}


class _Codes(dict[str, int]):
    """Text of a cell -> code, `MISSING`, or -2 for what cannot be a code."""

    def __init__(self, missing: Sequence[str] = ()) -> None:
        self._absent, self._numbers = {*ABSENT, *missing}, _numbers(missing)

    def __missing__(self, text: str) -> int:
        stripped = text.strip()
        if stripped in self._absent or (self._numbers and _number(stripped) in self._numbers):
            code = MISSING
        elif stripped.isascii() and stripped.isdigit():
            code = int(stripped) if len(stripped) < 5 else LARGEST + 1
        else:  # "1.0" or "1,0" is how tools write whole numbers beside missing ones
            number = _number(stripped.replace(",", "."))
            code = int(number) if number is not None and number >= 0 and number.is_integer() else -2
        self[text] = code = code if code <= LARGEST else -2
        return code


def _without(column: pl.Series, missing: Sequence[str]) -> pl.Series:
    """Return the column without the numbers that stand for no response (texts are looked up one by one)."""
    import polars as pl

    if not missing or not column.dtype.is_numeric():
        return column
    absent = column.cast(pl.Float64).is_in(sorted(_numbers(missing)))
    return column.set(absent.fill_null(False), None)


def _codes_of_series(column: pl.Series, missing: Sequence[str] = ()) -> np.ndarray:
    import polars as pl

    if column.dtype == pl.Boolean or column.dtype.is_integer():
        wide = column.cast(pl.Int64, strict=False)
        if column.dtype == pl.UInt64:
            wide = wide.fill_null(-2).set(column.is_null(), None)
        wide = pl.select(pl.when((wide < 0) | (wide > LARGEST)).then(-2).otherwise(wide)).to_series()
        return wide.cast(pl.Int16).fill_null(MISSING).to_numpy()
    if column.dtype.is_numeric():
        values = column.cast(pl.Float64).fill_null(np.nan).to_numpy()
        absent = np.isnan(values)
        fine = ~absent & (values >= 0) & (values <= LARGEST) & (values == np.floor(values))
        return np.where(absent, MISSING, np.where(fine, np.where(fine, values, 0), -2)).astype(np.int16)
    texts = column if column.dtype == pl.String else column.cast(pl.String)
    quick = texts.cast(pl.Int16, strict=False)
    if not missing and quick.null_count() == texts.null_count() and (not len(quick) or _within(quick)):
        return quick.fill_null(MISSING).to_numpy()
    lookup = _Codes(missing)
    distinct = texts.unique().drop_nulls()
    codes = [lookup[text] for text in distinct]
    mapped = texts.replace_strict(distinct, codes, default=MISSING, return_dtype=pl.Int16)
    return mapped.fill_null(MISSING).to_numpy()


def _within(series: pl.Series) -> bool:
    return bool(series.drop_nulls().is_between(0, LARGEST).all())


def _factor_series(column: pl.Series) -> tuple[np.ndarray, list[str]]:
    """Work on runs of equal cells where there are long ones: a person's answers mostly stand together."""
    starts = (column != column.shift(1)).fill_null(True).arg_true()
    if 2 * len(starts) > len(column):
        return _factor_distinct(column)
    codes, texts = _factor_distinct(column.gather(starts))
    return np.repeat(codes, np.diff(starts.to_numpy(), append=len(column))), texts


def _factor_distinct(column: pl.Series) -> tuple[np.ndarray, list[str]]:
    import polars as pl

    if column.dtype in (pl.Categorical, pl.Enum):
        column = column.cast(pl.String)
    distinct = column.unique(maintain_order=True).drop_nulls()
    if column.dtype == pl.String:
        positions = column.cast(pl.Enum(distinct)).to_physical().cast(pl.Int32)
    else:
        numbers = pl.Series(np.arange(len(distinct), dtype=np.int32))
        positions = column.replace_strict(distinct, numbers, default=None, return_dtype=pl.Int32)
    seen: dict[str, int] = {}
    lookup = np.full(len(distinct) + 1, MISSING, np.int32)  # the last place, reached as -1: no cell
    for code, text in enumerate(distinct.cast(pl.String)):
        stripped = text.strip()
        if stripped not in ABSENT:
            lookup[code] = seen.setdefault(stripped, len(seen))
    return lookup[positions.fill_null(MISSING).to_numpy()], list(seen)
