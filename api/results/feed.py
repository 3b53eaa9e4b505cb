"""The feed of results for HR systems: every change once, in order, safe to read again.

A *position* numbers every change of any result: a new one, one superseded, revoked or erased. Positions
become visible in their order (`api.results.issue`), so that "all after the last position I saw" misses
nothing. A result stands in the feed at its latest change; one that is no longer valid stays there as
a tombstone, with what is left of it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, select

from api.database import tables
from api.database.plans import Commit, Plan, Query
from api.keys.ring import Keyring
from api.keys.store import BELIEVED, believed
from api.moments import iso
from api.problems import Problem
from api.results.credential import stored
from api.results.issue import FEED

__all__ = ["COLUMNS", "CURSOR", "LIMIT", "Page", "credential", "entry", "one", "page"]

LIMIT = 500
"""Most results on one page."""

CURSOR = "^(1-[0-9]{15})?$"
"""What a cursor looks like; the empty one stands before the first result."""

COLUMNS = (
    tables.result.c.feed_position,
    tables.result.c.id,
    tables.result.c.version,
    tables.result.c.status,
    tables.result.c.status_at,
    tables.result.c.person_id,
    tables.result.c.document,
)
_PAGE = Query(
    select(*COLUMNS)
    .where(
        tables.result.c.organisation_id == bindparam("organisation_id"),
        tables.result.c.feed_position > bindparam("after"),
        tables.result.c.status_at >= bindparam("updated_after"),
    )
    .order_by(tables.result.c.feed_position)
    .limit(bindparam("most"))
)
_LAST = Query(select(tables.feed.c.position).where(tables.feed.c.name == FEED))
_ONE = Query(
    select(*COLUMNS, tables.result.c.jws).where(
        tables.result.c.organisation_id == bindparam("organisation_id"), tables.result.c.id == bindparam("id")
    )
)


@dataclass(frozen=True, slots=True)
class Page:
    """Some results, and where to go on."""

    results: list[dict[str, Any]]
    cursor: str
    more: bool


def _position(cursor: str) -> int:
    """Return the position that a cursor of ours holds."""
    if not cursor.isascii() or re.fullmatch(CURSOR, cursor) is None:
        raise Problem("invalid_cursor", "Send back the cursor of the page before, as it came.")
    return int(cursor[2:] or 0)


def _cursor(position: int) -> str:
    return f"1-{position:015d}"


def page(organisation: str, cursor: str, updated_after: int, limit: int) -> Plan[Page]:
    """Plan: the results of an organisation after `cursor` (empty: from the first on).

    Raises
    ------
    Problem
        ``invalid_cursor``; ``cursor_ahead`` where the database was put back to a copy from before the cursor:
        a reader who went on from it would miss everything until the feed has come as far again.
    """
    after = _position(cursor)
    rows, reached = yield [
        _PAGE(organisation_id=organisation, after=after, updated_after=updated_after, most=limit + 1),
        _LAST(),
    ]
    if after > reached[0][0]:
        raise Problem("cursor_ahead", "Begin again without a cursor: reading again is safe.")
    more = len(rows) > limit
    rows = rows[:limit]
    last = rows[-1][0] if rows else after
    return Commit(Page([entry(row) for row in rows], _cursor(last), more))


def one(organisation: str, id: str) -> Plan[dict[str, Any]]:
    """Plan: one result as it stands in the feed.

    Raises
    ------
    Problem
        ``not_found``
    """
    (rows,) = yield [_ONE(organisation_id=organisation, id=id)]
    if not rows:
        raise Problem("not_found", "There is no such result.")
    return Commit(entry(rows[0][:-1]))


def credential(ring: Keyring, organisation: str, id: str) -> Plan[str]:
    """Plan: the signed file of a result, by a key that is believed.

    Raises
    ------
    Problem
        ``not_found``, also when the result was erased.
    """
    rows, keys = yield [_ONE(organisation_id=organisation, id=id), BELIEVED()]
    if not rows or rows[0][-1] is None:
        raise Problem("not_found", "There is no such result, or it was erased.")
    return Commit(stored(rows[0][-2], rows[0][-1], believed(keys), ring))


def entry(row: tuple[Any, ...]) -> dict[str, Any]:
    """Return an entry of the feed from a row of `COLUMNS`."""
    _, id, version, status, status_at, person, document = row
    told: dict[str, Any] = {
        "id": id,
        "version": version,
        "status": status,
        "status_at": iso(status_at),
        "person_id": person,
        "credential": None,
        "badge": None,
        "result": None,
    }
    if document is not None:
        told["credential"] = f"/api/v1/results/{id}/credential"
        told["badge"] = f"/api/v1/results/{id}/badge"
        told["result"] = json.loads(document)
    return told
