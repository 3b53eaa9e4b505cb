"""A response file in fixed ranges of rows, each of which can be read by itself, on any machine.

The ranges follow from the file alone, and no person's rows are parted, so that what is added up range by
range does not depend on who read which.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cat_engine.errors import InputError
from item_bank.layout import LONG, is_long
from item_bank.responses import Responses, uncoded_responses
from item_bank.tabular import (
    Table,
    checked_names,
    damaged_parquet,
    first_bytes,
    no_rows,
    read_csv,
    read_parquet,
    separator_of,
)

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Ranges", "cut_persons", "ranges_of"]

CELLS_A_RANGE = 100_000
"""Cells that a range of a wide file or a matrix has at least: answers are packed there, a cell is cheap."""

RESPONSES_A_RANGE = 40_000
"""Responses that a range has at least where each is a row of its own."""

RANGES = 16
LARGE = 2_500_000
"""There are at most `RANGES` ranges, or as many as have `LARGE` cells each."""

BLOCK = 1 << 24  # bytes of a CSV file that are looked at together


def _pieces(cells: int, least: int) -> int:
    """Return the number of ranges: a power of two, which any usual number of threads shares evenly."""
    pieces = int(np.clip(cells // least, 1, max(RANGES, cells // LARGE)))
    return 1 << (pieces.bit_length() - 1)


def cut_persons(responses: Responses) -> np.ndarray:
    """Return where persons in memory are cut, as the ranges of their file are, ``(pieces + 1,)``."""
    if responses.is_sparse:
        total = responses.n_responses
        pieces = _pieces(total, RESPONSES_A_RANGE)
        targets = [total * k // pieces for k in range(1, pieces)]
        inner = np.searchsorted(responses.indptr, targets)
        return np.unique(np.concatenate([[0], inner, [responses.n_persons]])).astype(np.int64)
    n = responses.n_persons
    pieces = _pieces(n * responses.n_items, CELLS_A_RANGE)
    return np.array([n * k // pieces for k in range(pieces + 1)], np.int64)


@dataclass(frozen=True)
class Ranges:
    """Where the ranges of a file begin.

    Attributes
    ----------
    path
        The file.
    size
        Its bytes.
    names
        Its columns.
    rows
        First row of each range, and the number of rows.
    places
        First byte of each range of a CSV file, and its end; empty for Parquet.
    header
        The first line of a CSV file.
    """

    path: Path
    size: int
    names: tuple[str, ...]
    rows: tuple[int, ...]
    places: tuple[int, ...] = ()
    header: str = ""

    def __len__(self) -> int:
        return len(self.rows) - 1

    @property
    def long(self) -> bool:
        """Whether the file holds one response a row."""
        return is_long(self.names)

    def read(self, k: int) -> Responses:
        """Read range `k`; its category codes are not yet compared with those of other ranges.

        Raises
        ------
        InputError
            The file is not there, has changed since it was cut, or does not hold responses.
        """
        first_bytes(self.path)
        if self.path.stat().st_size != self.size:
            raise InputError(
                f"expected {self.path} to have {self.size} bytes as when it was cut into ranges, got "
                f"{self.path.stat().st_size}; leave the file alone until the calibration has ended, and "
                "give every worker the same file"
            )
        low, high = self.rows[k], self.rows[k + 1]
        if not self.places:
            return uncoded_responses(read_parquet(self.path, low, high, LONG if self.long else None))
        table = read_csv(self.path, self.header + _text(self.path, *self.places[k : k + 2]), low)
        if table.height != high - low:
            raise InputError(
                f"expected {high - low} rows from line {low + 2} of {self.path} on, one a line, got "
                f"{table.height}; remove line breaks inside quotes"
            )
        return uncoded_responses(table)


def ranges_of(path: str | Path) -> Ranges:
    """Cut a response file, CSV or Parquet, wide or long, into ranges of rows.

    Raises
    ------
    InputError
        No such file, one that cannot be read in parts (compressed CSV), or a long one whose person column
        cannot be followed.
    """
    path = Path(path).resolve()
    kind = first_bytes(path)
    if kind[:2] in (b"\x1f\x8b", b"PK"):
        raise InputError(
            f"expected a file that can be read in parts, CSV or Parquet, got a compressed one in {path}; "
            "unpack it"
        )
    return _of_parquet(path) if kind == b"PAR1" else _of_csv(path)


def _targets(height: int, names: tuple[str, ...]) -> list[int]:
    if is_long(names):
        pieces = _pieces(height, RESPONSES_A_RANGE)
    else:
        pieces = _pieces(height * len([name for name in names if name != "person"]), CELLS_A_RANGE)
    return [height * k // pieces for k in range(1, pieces)]


def _of_parquet(path: Path) -> Ranges:
    import polars as pl

    try:
        rows: pl.LazyFrame = pl.scan_parquet(path, glob=False)
        names = tuple(checked_names(path, rows.collect_schema().names()))
        height = int(rows.select(pl.len()).collect().item())
    except pl.exceptions.PolarsError as error:
        raise damaged_parquet(path, error) from None
    if not height:
        raise no_rows(path)
    cuts = _targets(height, names)
    if is_long(names):

        def window(low: int, size: int) -> Table:
            return read_parquet(path, low, min(low + size, height), ["person"])

        cuts = [_next_person(cut, height, window) for cut in cuts]
    return Ranges(path, path.stat().st_size, names, _distinct([0, *cuts, height]))


def _next_person(row: int, height: int, window: Callable[[int, int], Table]) -> int:
    """Return the first row from `row` on that is not of the person of the row before."""
    size = 1024
    while True:
        persons = window(row - 1, size).texts("person")
        other = next((k for k, person in enumerate(persons) if person != persons[0]), None)
        if other is not None:
            return row - 1 + other
        if row - 1 + size >= height:
            return height
        size *= 16


def _distinct(cuts: list[int]) -> tuple[int, ...]:
    return tuple(sorted(set(cuts)))


def _of_csv(path: Path) -> Ranges:
    lines = _Lines(path)
    header = _text(path, 0, lines.start)
    cells = next(csv.reader([header.rstrip("\r\n")], delimiter=separator_of(header)))
    names = tuple(checked_names(path, cells))
    if not lines.height:
        raise no_rows(path)
    cuts = _targets(lines.height, names)
    if is_long(names):

        def window(low: int, size: int) -> Table:
            high = min(low + size, lines.height)
            return read_csv(path, header + _text(path, lines.place(low), lines.place(high)), low)

        cuts = [_next_person(cut, lines.height, window) for cut in cuts]
    rows = _distinct([0, *cuts, lines.height])
    return Ranges(path, path.stat().st_size, names, rows, tuple(map(lines.place, rows)), header)


class _Lines:
    """Where the lines under the header of a text file begin.

    Attributes
    ----------
    start
        First byte under the header.
    height
        Number of lines from there to the last that is not empty.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        end = _end_of_text(path)
        with path.open("rb") as file:
            self.start = min(len(file.readline()), end)
        self._end = end
        self._blocks = [*range(self.start, end, BLOCK), end]
        counts = [int(np.count_nonzero(self._block(b) == 10)) for b in range(len(self._blocks) - 1)]
        self._before = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        self.height = int(self._before[-1]) + (end > self.start)

    def _block(self, b: int) -> np.ndarray:
        low, high = self._blocks[b : b + 2]
        with self._path.open("rb") as file:
            file.seek(low)
            return np.frombuffer(file.read(high - low), np.uint8)

    def place(self, line: int) -> int:
        """Return the first byte of a line, counted from 0 under the header."""
        if line == 0:
            return self.start
        if line >= self.height:
            return self._end
        b = int(np.searchsorted(self._before, line)) - 1
        breaks = np.flatnonzero(self._block(b) == 10)
        return int(self._blocks[b] + breaks[line - 1 - self._before[b]] + 1)


def _end_of_text(path: Path) -> int:
    """Return where the text of a file ends, line breaks at its end left out."""
    size = path.stat().st_size
    with path.open("rb") as file:
        for low in range(max(size - BLOCK, 0), -1, -BLOCK):
            file.seek(low)
            kept = file.read(BLOCK).rstrip(b"\r\n")
            if kept:
                return low + len(kept)
    return 0


def _text(path: Path, low: int, high: int) -> str:
    with path.open("rb") as file:
        file.seek(low)
        raw = file.read(high - low)
    try:
        return raw.decode("utf-8-sig" if low == 0 else "utf-8")
    except UnicodeDecodeError:
        raise InputError(f"expected CSV in UTF-8, got other bytes in {path}; save it as CSV UTF-8") from None
