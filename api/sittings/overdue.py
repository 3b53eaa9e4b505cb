"""Sittings whose time is up end by themselves, though nobody comes back to them.

What the sweep does is what the candidate would meet on coming back: a sitting that was in progress when its
time ran out ends, with its result. One that fell silent before may have been cut off: that is noted as an
interruption, and the candidate may come back for as long as the rules give time back by themselves. Beyond
that a person decides. A time that a person has given ends like any other.

A session of another test player ends when its section was ended, with what was answered.

A sitting in which nothing happens for very long (``abandon`` in `api.sittings.timing`) ends with what was
answered, whatever it waits for: a candidate who never comes back, or a decision that nobody takes.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, select, update

from api.database import tables
from api.database.clock import now_us
from api.database.plans import Commit, Plan, Query
from api.sittings.fold import FINISHED, ITEM, Sitting
from api.sittings.service import time_out
from api.sittings.turn import Turn, turn

if TYPE_CHECKING:
    from api.runtime import Runtime

__all__ = ["overdue", "settle"]

_OVERDUE = Query(
    select(tables.session.c.id)
    .where(tables.session.c.due_at.is_not(None), tables.session.c.due_at < now_us() + bindparam("skew"))
    .order_by(tables.session.c.due_at)
    .limit(bindparam("most"))
)
_LATER = Query(
    update(tables.session).where(tables.session.c.id == bindparam("session")).values(due_at=bindparam("due"))
)

_SECTION = Query(select(tables.section.c.ended_at).where(tables.section.c.id == bindparam("section")))


def overdue(skew: int, most: int = 100) -> Plan[list[str]]:
    """Plan: the sittings to look at, the longest overdue first."""
    (rows,) = yield [_OVERDUE(skew=skew, most=most)]
    return Commit([id for (id,) in rows])


def settle(runtime: Runtime, session: str) -> Plan[Sitting]:
    """Plan: do what the time demands of one sitting; nothing where someone else was faster."""
    now_turn = yield from turn(runtime, session)
    if (yield from _section_ended(now_turn)):
        yield from now_turn.close("ended", why="the section was ended")
    else:
        yield from _settled(now_turn)
    later = [_LATER(session=session, due=now_turn.due())]
    writes = now_turn.writes() if now_turn.events else later
    return Commit(now_turn.sitting, writes)


def _section_ended(now_turn: Turn) -> Generator[Any, Any, bool]:
    """Whether another test player has ended the section of a session in progress, before its own time."""
    sitting = now_turn.sitting
    if sitting.section is None or sitting.phase == FINISHED:
        return False
    (rows,) = yield [_SECTION(section=sitting.section)]
    ends = rows[0][0]
    return ends is not None and ends <= now_turn.now and ends != sitting.clock.deadline


def _settled(now_turn: Turn) -> Generator[Any, Any, None]:
    sitting, now = now_turn.sitting, now_turn.now
    if sitting.phase == FINISHED:
        return
    deadline, due = sitting.clock.deadline, now_turn.up_at()
    if deadline is None or due is None or now <= due:
        if sitting.clock.abandoned(sitting.at, now):
            yield from now_turn.close("abandoned")
        return
    since = sitting.silent_since(now) if sitting.phase == ITEM else sitting.interrupted_at
    cut_off = since is not None and since < deadline and sitting.granted is None
    if cut_off and sitting.phase == ITEM:
        now_turn.add("interrupted", {"reason": "silence", "since": since})
        if now <= (now_turn.up_at() or now):
            return
    if cut_off:
        gap = now - now_turn.sitting.interrupted_at
        given_back = now_turn.sitting.clock.returned(now_turn.sitting.interrupted_at, now)
        now_turn.add("referred", {"gap": gap, "given_back": given_back})
        return
    yield from time_out(now_turn)
