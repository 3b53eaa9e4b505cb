"""What a supervisor may do with a sitting: set the open item aside, decide about an interruption, end it.

Each is an event that names who did it and why, by the client's identifier; none changes what was answered.
"""

from __future__ import annotations

import secrets
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, select

from api.accounts.clients import Client
from api.database import tables
from api.database.clock import now_us
from api.database.plans import Commit, Plan, Query
from api.problems import Problem
from api.sittings.fold import AWAITING, FINISHED, ITEM, Sitting
from api.sittings.turn import Turn, turn

if TYPE_CHECKING:
    from api.runtime import Runtime

__all__ = [
    "LIMIT",
    "Supervised",
    "decide",
    "decision",
    "end",
    "ending",
    "open_sittings",
    "read",
    "set_aside",
]

LIMIT = 500

_OWNER = Query(
    select(tables.session.c.organisation_id, tables.session.c.person_id).where(
        tables.session.c.id == bindparam("session_id")
    )
)
_OPEN = Query(
    select(
        now_us(),
        tables.session.c.id,
        tables.session.c.person_id,
        tables.session.c.test_id,
        tables.session.c.status,
        tables.session.c.started_at,
        tables.session.c.due_at,
    )
    .where(
        tables.session.c.organisation_id == bindparam("organisation_id"),
        tables.session.c.status != FINISHED,
        tables.session.c.person_id.is_not(None),
        tables.session.c.id > bindparam("after"),
    )
    .order_by(tables.session.c.id)
    .limit(bindparam("most"))
)


@dataclass(frozen=True, slots=True)
class Supervised:
    """A sitting as its supervisor sees it: where it stands, not what was asked or answered."""

    sitting: str
    person: str
    phase: str
    seq: int
    position: int
    answered: int
    started_at: int
    changed_at: int
    deadline: int | None
    reason: str | None


def _supervised(person: str, sitting: Sitting) -> Supervised:
    return Supervised(
        sitting.id,
        person,
        sitting.phase,
        sitting.seq,
        sitting.position,
        sitting.answered,
        sitting.clock.started,
        sitting.at,
        sitting.clock.deadline,
        sitting.finished["reason"] if sitting.finished else None,
    )


def _said(client: Client, **why: str) -> dict[str, str]:
    """Return who did it and why; the salt goes with the reason when the person is erased."""
    return {"by": client.id, **why, "salt": secrets.token_hex(16)}


def _owned(runtime: Runtime, client: Client, session: str) -> Generator[Any, Any, tuple[Turn, str]]:
    (rows,) = yield [_OWNER(session_id=session)]
    if not rows or rows[0][0] != client.organisation or rows[0][1] is None:
        raise Problem("not_found", "There is no such sitting.")
    now_turn = yield from turn(runtime, session)
    return now_turn, rows[0][1]


def open_sittings(organisation: str, after: str = "", limit: int = 100) -> Plan[list[dict[str, Any]]]:
    """Plan: sittings that are not over, oldest first; ``overdue`` ones wait for a supervisor."""
    (rows,) = yield [_OPEN(organisation_id=organisation, after=after, most=limit)]
    return Commit(
        [
            {
                "sitting": id,
                "person": person,
                "test": test,
                "phase": status,
                "started_at": started_at,
                "overdue": status == AWAITING or (due_at is not None and now > due_at),
            }
            for now, id, person, test, status, started_at, due_at in rows
        ]
    )


async def read(runtime: Runtime, client: Client, session: str) -> Supervised:
    """Return a sitting of the client's organisation.

    Raises
    ------
    Problem
        ``not_found``
    """
    return await runtime.read(_read, runtime, client, session)


def _read(runtime: Runtime, client: Client, session: str) -> Plan[Supervised]:
    now_turn, person = yield from _owned(runtime, client, session)
    return Commit(_supervised(person, now_turn.sitting))


async def set_aside(runtime: Runtime, client: Client, session: str, position: int, reason: str) -> Supervised:
    """Neutralise the open item, which counts no more; the candidate gets another one.

    Raises
    ------
    Problem
        ``not_found``, ``finished``; ``stale`` when another item is open by now.
    """
    return await runtime.write(_set_aside, runtime, client, session, position, reason)


def _set_aside(
    runtime: Runtime, client: Client, session: str, position: int, reason: str
) -> Plan[Supervised]:
    now_turn, person = yield from _owned(runtime, client, session)
    sitting = now_turn.sitting
    if sitting.phase == FINISHED:
        raise Problem("finished")
    if sitting.phase != ITEM:
        raise Problem("interrupted", "The sitting is interrupted; no item is open.")
    if sitting.pending is None or sitting.pending.position != position:
        raise Problem(
            "stale", "Another item is open by now; read the sitting again.", position=sitting.position
        )
    now_turn.add("item_set_aside", {"position": position, **_said(client, reason=reason)})
    yield from now_turn.serve()
    return Commit(_supervised(person, now_turn.sitting), now_turn.writes())


async def decide(
    runtime: Runtime, client: Client, session: str, give_back: int | None, reason: str
) -> Supervised:
    """Decide how much of an interruption a waiting candidate gets back.

    Parameters
    ----------
    give_back
        At most this many microseconds; None: all of it.

    Raises
    ------
    Problem
        ``not_found``; ``conflict`` when the sitting does not wait for a decision.
    """
    return await runtime.write(decision, runtime, client, session, give_back, reason)


def decision(
    runtime: Runtime, client: Client, session: str, give_back: int | None, reason: str
) -> Plan[Supervised]:
    """Plan: what `decide` does."""
    now_turn, person = yield from _owned(runtime, client, session)
    if now_turn.sitting.phase != AWAITING:
        raise Problem("conflict", "The sitting does not wait for a decision.")
    everything = 10**15 if give_back is None else give_back
    now_turn.add("decided", {"give_back": everything, **_said(client, reason=reason)})
    return Commit(_supervised(person, now_turn.sitting), now_turn.writes())


async def end(runtime: Runtime, client: Client, session: str, reason: str) -> Supervised:
    """End a sitting; what was answered is scored. Ending twice is ending once.

    Raises
    ------
    Problem
        ``not_found``
    """
    return await runtime.write(ending, runtime, client, session, reason)


def ending(runtime: Runtime, client: Client, session: str, reason: str) -> Plan[Supervised]:
    """Plan: what `end` does."""
    now_turn, person = yield from _owned(runtime, client, session)
    if now_turn.sitting.phase != FINISHED:
        yield from now_turn.close("ended", **_said(client, why=reason))
    return Commit(_supervised(person, now_turn.sitting), now_turn.writes())
