"""What a sitting depends on beyond its test and its answers; its ``started`` event pins it.

- ``exposure``: digest of the exposure counts that it sees (`api.sittings.exposure`).
- ``closed``: items neutralised for everyone by then, which it is never served.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from sqlalchemy import bindparam, select

from api.catalogue.live import LiveTest
from api.catalogue.store import Tests
from api.database import tables
from api.database.plans import Call, Query, Rows
from api.sittings.exposure import newest

__all__ = ["conditions"]

_NEUTRALISED = Query(
    select(tables.neutralisation.c.item)
    .where(tables.neutralisation.c.test_code == bindparam("test_code"))
    .order_by(tables.neutralisation.c.item)
)


def conditions(tests: Tests, test: LiveTest) -> Generator[Sequence[Call], list[Rows], dict[str, Any]]:
    """Return what the ``started`` event of a sitting that begins now says of them, from inside a plan."""
    (rows,) = yield [_NEUTRALISED(test_code=test.code)]
    found: dict[str, Any] = {}
    closed = [item for (item,) in rows if item in test.index]
    if closed:
        found["closed"] = closed
    digest = yield from newest(tests, test)
    if digest is not None:
        found["exposure"] = digest
    return found
