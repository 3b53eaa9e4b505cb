"""The database's clock: one clock for all workers, whatever theirs say."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import BigInteger, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from api.database.plans import Commit, Plan, Query

__all__ = ["NOW", "DatabaseClock", "moment", "now_us"]

BACK = 60_000_000
"""Microseconds by which no reading is late: one that is so much older says that the clock was put back."""


class now_us(FunctionElement[int]):
    """Microseconds since 1970 (UTC); SQLite's clock ticks in milliseconds."""

    type = BigInteger()
    inherit_cache = True
    name = "now_us"


@compiles(now_us, "postgresql")
def _postgresql(element: now_us, compiler: Any, **options: Any) -> str:
    return "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"


@compiles(now_us, "sqlite")
def _sqlite(element: now_us, compiler: Any, **options: Any) -> str:
    return "CAST(round(unixepoch('subsec') * 1000) AS INTEGER) * 1000"


NOW = Query(select(now_us()))


def moment() -> Plan[int]:
    """Plan: what the database's clock shows."""
    (rows,) = yield [NOW()]
    return Commit(rows[0][0])


class DatabaseClock:
    """What the database's clock shows, from what it has said before; whoever writes by it lets it be checked.

    A reading is old when it is heard, so that of all readings the latest moment is the nearest.
    """

    def __init__(self) -> None:
        self._ahead: int | None = None  # of this machine's own clock that never goes back

    def heard(self, now: int) -> None:
        """Note what the database's clock said just now."""
        ahead = now - time.monotonic_ns() // 1000
        if self._ahead is None or not self._ahead - BACK <= ahead <= self._ahead:
            self._ahead = ahead

    def now(self) -> int | None:
        """Return what it shows, in microseconds; None where nothing is known."""
        return None if self._ahead is None else time.monotonic_ns() // 1000 + self._ahead

    def forget(self) -> None:
        """Begin anew: the database did not agree."""
        self._ahead = None
