"""The database's clock: one clock for all workers, whatever theirs say."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from api.database.plans import Query

__all__ = ["NOW", "now_us"]


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
