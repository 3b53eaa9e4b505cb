"""What only one process may do at a time, whichever database and however many workers there are.

A lease has terms; the newest one says who holds it and until when, by the database's clock. Who wants it
writes the next term, and the unique key lets one through. Unlike an advisory lock it needs no connection
of its own, passes through a pooler, and an operator can read who holds it. A holder that was asleep for
longer than its term may meet the next one at work: so what is done under a lease is safe to do twice.
"""

from __future__ import annotations

from sqlalchemy import bindparam, delete, insert, select

from api.database import tables
from api.database.clock import NOW
from api.database.plans import Call, Commit, Plan, Query

__all__ = ["give_up", "hold"]

_NEWEST = Query(
    select(tables.lease.c.term, tables.lease.c.holder, tables.lease.c.until)
    .where(tables.lease.c.name == bindparam("name"))
    .order_by(tables.lease.c.term.desc())
    .limit(1)
)
_INSERT = Query(insert(tables.lease))
_FORMER = Query(
    delete(tables.lease).where(
        tables.lease.c.name == bindparam("lease"), tables.lease.c.term < bindparam("before")
    )
)


def hold(name: str, holder: str, microseconds: int) -> Plan[bool]:
    """Plan: take a lease, or keep it; False where another one holds it.

    A term is renewed once half of it is over, so that holding costs few writes.
    """
    newest, time = yield [_NEWEST(name=name), NOW()]
    term, now = 0, time[0][0]
    if newest:
        term, by, until = newest[0]
        if until > now and by != holder:
            return Commit(False)
        if by == holder and until - now > microseconds // 2:
            return Commit(True)
    return Commit(True, _next(name, term + 1, holder, now + microseconds))


def give_up(name: str, holder: str) -> Plan[None]:
    """Plan: let a lease go, so that another process need not wait for its end."""
    (newest,) = yield [_NEWEST(name=name)]
    if not newest or newest[0][1] != holder:
        return Commit(None)
    return Commit(None, _next(name, newest[0][0] + 1, holder, 0))


def _next(name: str, term: int, holder: str, until: int) -> list[Call]:
    return [_INSERT(name=name, term=term, holder=holder, until=until), _FORMER(lease=name, before=term)]
