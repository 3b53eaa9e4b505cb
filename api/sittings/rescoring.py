"""New results for sittings that met an item which was taken out of everybody's score since.

Every finished sitting that began before is looked at once, in a transaction of its own: where its outcome
changes, the log gets the event ``rescored`` and the result a new version that supersedes the one before. What
has been looked at is noted in the same transaction, so that the work goes on where it stopped. A
sitting in progress is looked at once it is over. Sittings that begin later are never served the item.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, exists, insert, select, update

from api.database import tables
from api.database.clock import now_us
from api.database.plans import Call, Commit, Plan, Query
from api.results.issue import issue
from api.sittings.fold import FINISHED, Sitting
from api.sittings.sweep import sweep
from api.sittings.timing import SECOND
from api.sittings.turn import outcome, turn
from cat_engine import session as engine

if TYPE_CHECKING:
    from api.runtime import Runtime

__all__ = ["Work", "renew", "rescore", "waiting"]

MARGIN = 60 * SECOND
"""How long after a neutralisation a sitting may have begun without having seen it."""

_neutral, _session, _rescored = tables.neutralisation, tables.session, tables.rescored
_BEFORE = _session.c.started_at < _neutral.c.made_at + MARGIN
_WAITING = Query(
    select(_neutral.c.id, _neutral.c.item, _session.c.id)
    .join(tables.test, tables.test.c.code == _neutral.c.test_code)
    .join(_session, _session.c.test_id == tables.test.c.id)
    .where(
        _neutral.c.done_at.is_(None),
        _session.c.status == FINISHED,
        _session.c.person_id.is_not(None),
        _BEFORE,
        ~exists().where(
            _rescored.c.neutralisation_id == _neutral.c.id, _rescored.c.session_id == _session.c.id
        ),
    )
    .order_by(_session.c.id, _neutral.c.made_at, _neutral.c.id)
    .limit(bindparam("most"))
)
_DONE = Query(
    update(_neutral)
    .where(
        _neutral.c.done_at.is_(None),
        _neutral.c.made_at + MARGIN < now_us(),
        ~exists()
        .where(tables.test.c.code == _neutral.c.test_code)
        .where(_session.c.test_id == tables.test.c.id, _session.c.person_id.is_not(None), _BEFORE)
        .where(
            ~exists().where(
                _rescored.c.neutralisation_id == _neutral.c.id, _rescored.c.session_id == _session.c.id
            )
        ),
    )
    .values(done_at=now_us())
)
_OPEN = Query(select(_neutral.c.id).where(_neutral.c.done_at.is_(None)).limit(1))
_STATUS = Query(
    select(tables.result.c.status).where(
        tables.result.c.session_id == bindparam("session_id"), tables.result.c.current == 1
    )
)
_MARK = Query(insert(_rescored))

Work = tuple[str, str, str]
"""A neutralisation, its item, and a sitting to look at."""


async def rescore(runtime: Runtime, some: int = 100) -> int:
    """Look at some finished sittings that neutralisations wait for; return how many were looked at."""
    if not await runtime.read(_open):
        return 0
    looked_at = await sweep(runtime, waiting, renew, some)
    if not looked_at:
        await runtime.write(_finish)
    return looked_at


def _open() -> Plan[bool]:
    (rows,) = yield [_OPEN()]
    return Commit(bool(rows))


def waiting(most: int) -> Plan[list[Work]]:
    """Plan: what is to be looked at, in the order of the sittings."""
    (rows,) = yield [_WAITING(most=most)]
    return Commit([(row[0], row[1], row[2]) for row in rows])


def _finish() -> Plan[None]:
    """Plan: note which neutralisations have been through every sitting."""
    yield []
    return Commit(None, [_DONE()])


def renew(runtime: Runtime, work: Work) -> Plan[Sitting]:
    """Plan: take a neutralised item out of one finished sitting."""
    neutralisation, item, session = work
    now_turn = yield from turn(runtime, session)
    test, sitting = now_turn.test, now_turn.sitting
    (status,) = yield [_STATUS(session_id=session)]
    issued: list[Call] = []
    position = test.index.get(item)
    if sitting.finished is not None and position in sitting.state.items and status == [("valid",)]:
        state = engine.set_aside(test.adaptive_for(sitting.need), sitting.state, position)
        aside = sitting._replace(state=state)
        again = outcome(test, aside, sitting.finished["reason"])
        if any(sitting.finished[name] != value for name, value in again.items()):
            now_turn.add("rescored", {"neutralisation": neutralisation, "item": item, **again})
            issued = yield from issue(runtime, test, now_turn.sitting)
    mark = _MARK(neutralisation_id=neutralisation, session_id=session, changed=int(bool(issued)))
    return Commit(now_turn.sitting, [*now_turn.writes(), *issued, mark])
