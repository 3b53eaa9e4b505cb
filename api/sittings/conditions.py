"""What a sitting depends on beyond its test and its answers; its ``started`` event pins it.

- ``exposure``: digest of the exposure counts that it sees (`api.sittings.exposure`).
- ``closed``: items that it is never served: neutralised for everyone by then, or past their shelf life.

What the person needs, where the invitation says so, is pinned beside them (``need``, `api.sittings.service`).
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, select

from api.catalogue.live import LiveTest
from api.catalogue.store import Tests
from api.database import tables
from api.database.plans import Call, Query, Rows
from api.moments import day
from api.problems import Problem
from api.sittings.exposure import newest
from cat_engine.errors import InputError

if TYPE_CHECKING:
    from api.sittings.turn import Turn

__all__ = ["begin"]

_NEUTRALISED = Query(
    select(tables.neutralisation.c.item)
    .where(tables.neutralisation.c.test_code == bindparam("test_code"))
    .order_by(tables.neutralisation.c.item)
)


def begin(turn: Turn, started: Mapping[str, Any]) -> Generator[Sequence[Call], list[Rows], None]:
    """Add the ``started`` event, from inside a plan: what is told of it, and what holds now.

    Raises
    ------
    Problem
        ``test_closed`` when the items that may still be served do not make a whole test.
    """
    depends = yield from _conditions(turn.runtime.tests, turn.test, turn.now)
    try:
        turn.add("started", {**started, **depends})
    except InputError as error:
        raise Problem("test_closed", f"Publish another version of the test: {error}.") from error


def _conditions(
    tests: Tests, test: LiveTest, now: int
) -> Generator[Sequence[Call], list[Rows], dict[str, Any]]:
    (rows,) = yield [_NEUTRALISED(test_code=test.code)]
    found: dict[str, Any] = {}
    today = day(now)
    expired = (item.id for item in test.items if item.expires and item.expires < today)
    closed = {item for (item,) in rows if item in test.index}.union(expired)
    if closed:
        found["closed"] = sorted(closed)
    digest = yield from newest(tests, test)
    if digest is not None:
        found["exposure"] = digest
    return found
