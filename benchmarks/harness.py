"""The little that every benchmark needs: medians of repeats, peers that may be absent, tables with ratios."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import Any

__all__ = ["Report", "Table", "median_seconds", "once_seconds", "peer"]


def median_seconds(
    work: Callable[[], Any],
    repeats: int = 7,
    least: float = 0.02,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Return the median seconds of one call of `work`, after one call that does not count.

    Calls shorter than `least` seconds are timed in batches that last as long. The clock on the wall, or
    ``time.process_time`` for work of one thread whose cost should not depend on what else runs.
    """
    work()
    start = clock()
    work()
    once = clock() - start
    calls = max(1, int(least / max(once, 1e-9)))
    times = []
    for _ in range(repeats):
        start = clock()
        for _ in range(calls):
            work()
        times.append((clock() - start) / calls)
    return sorted(times)[repeats // 2]


def once_seconds(work: Callable[[], Any]) -> float:
    """Return the wall-clock seconds of one call, for work too slow to repeat."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def peer(name: str) -> ModuleType | None:
    """Return an installed peer's module, or None."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _amount(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size or unit == "us":
            return f"{seconds / size:.3g} {unit}"
    raise AssertionError


class Report:
    """Prints each table as soon as it is measured, and keeps the figures.

    Attributes
    ----------
    figures
        Seconds by table and row.
    only
        What the names of rows contain, for benchmarks that can leave rows out; empty: all rows.
    """

    def __init__(self, only: str = "") -> None:
        self.only = only
        self.figures: dict[str, dict[str, float]] = {}

    def table(self, title: str, limit: float | None = None) -> Table:
        """Begin a table; `limit` is what we promise, in seconds."""
        print(f"\n{title}" + (f"  (promise: under {_amount(limit)})" if limit else ""), flush=True)
        return Table(self.figures.setdefault(title, {}))


class Table:
    """Rows of one comparison; the first row is ours, and the others are given as multiples of it."""

    def __init__(self, figures: dict[str, float]) -> None:
        self._figures = figures

    def row(self, name: str, seconds: float, note: str = "") -> None:
        """Print one measurement."""
        self._figures[name] = seconds
        ours = next(iter(self._figures.values()))
        ratio = "" if len(self._figures) == 1 else f"{seconds / ours:,.1f} x"
        print(f"  {name:<44}{_amount(seconds):>12}{ratio:>14}  {note}".rstrip(), flush=True)

    def peer(
        self,
        package: str,
        name: str,
        measure: Callable[[ModuleType], float | tuple[float, str]],
        note: str = "",
    ) -> None:
        """Measure and print a peer, or say that it is not there; it may bring a note of its own."""
        module = peer(package)
        try:
            which = f"{package.split('.')[0]} {version(package.split('.')[0])}"
        except PackageNotFoundError:
            which = package
        label = f"{name} ({which})" if name else which
        if module is None:
            print(f"  {label:<44}{'not installed':>12}  (make bench installs it)", flush=True)
            return
        measured = measure(module)
        seconds, said = measured if isinstance(measured, tuple) else (measured, note)
        self.row(label, seconds, said)
