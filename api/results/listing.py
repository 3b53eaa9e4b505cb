"""Results of an organisation for people who look at them: the latest first, filtered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Text, bindparam, or_, select

from api.database import tables
from api.database.plans import Commit, Plan, Query
from api.results.claims import Person
from api.results.feed import COLUMNS, entry

__all__ = ["STATUSES", "Filter", "listed", "people"]

STATUSES = ("valid", "superseded", "revoked", "erased")
"""How a result stands."""

_result = tables.result
_LIST = Query(
    select(*COLUMNS)
    .outerjoin(tables.session, tables.session.c.id == _result.c.session_id)
    .outerjoin(tables.test, tables.test.c.id == tables.session.c.test_id)
    .where(
        _result.c.organisation_id == bindparam("organisation"),
        _result.c.id < bindparam("before"),
        _result.c.issued_at >= bindparam("since"),
        _result.c.issued_at < bindparam("until"),
        or_(bindparam("status", type_=Text) == "", _result.c.status == bindparam("status", type_=Text)),
        or_(bindparam("test", type_=Text) == "", tables.test.c.code == bindparam("test", type_=Text)),
    )
    .order_by(_result.c.id.desc())
    .limit(bindparam("most"))
)

_PERSON = Query(
    select(
        tables.person.c.id,
        tables.person.c.identifier,
        tables.person.c.identifier_type,
        tables.person.c.family_name,
        tables.person.c.given_name,
    ).where(
        tables.person.c.id == bindparam("person"),
        tables.person.c.organisation_id == bindparam("organisation"),
        tables.person.c.erased_at.is_(None),
    )
)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which results: to the test with this code, of this status, issued since a moment and before another."""

    test: str = ""
    status: str = ""
    since: int = 0
    until: int = 2**62


def listed(
    organisation: str, wanted: Filter, before: str = "~", limit: int = 50
) -> Plan[tuple[list[dict[str, Any]], bool]]:
    """Plan: results as they stand in the feed, the latest first, and whether there are older ones.

    Parameters
    ----------
    before
        The last one that was seen.
    """
    (rows,) = yield [
        _LIST(
            organisation=organisation,
            before=before,
            since=wanted.since,
            until=wanted.until,
            status=wanted.status,
            test=wanted.test,
            most=limit + 1,
        )
    ]
    return Commit(([entry(row) for row in rows[:limit]], len(rows) > limit))


def people(organisation: str, ids: Sequence[str]) -> Plan[dict[str, Person]]:
    """Plan: how an organisation names its people, by their numbers; those who were erased are left out."""
    found = yield [_PERSON(person=id, organisation=organisation) for id in dict.fromkeys(ids)]
    return Commit({rows[0][0]: Person(*rows[0]) for rows in found if rows})
