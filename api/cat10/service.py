"""Sections and sessions of another test player.

A session is a sitting: the same log, the same fold, the same engine. Its `sessionState` is a receipt
(`api.sittings.receipt`): an old one cannot rewind, the same results sent again with it get the same reply,
and one that the log does not come up to any more shows that answers were lost.

A section ends when it is told to, or at the moment that its configuration names (``until``): its sessions
then have until that moment, like a sitting with a time limit. Without one it stays open: players open
sections when a test is published, and never end them.
"""

from __future__ import annotations

import json
import secrets
from bisect import bisect_right
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, insert, select, update

from api.accounts.clients import Client
from api.cat10.wire import ImsProblem, Scored, outcome
from api.catalogue.live import LiveTest
from api.catalogue.store import latest, with_test
from api.database import tables
from api.database.clock import NOW, now_us
from api.database.plans import Commit, Plan, Query
from api.ids import new_id
from api.moments import iso
from api.problems import Problem
from api.sittings.conditions import begin
from api.sittings.exposure import seen_by
from api.sittings.fold import FINISHED, Sitting
from api.sittings.receipt import Receipt, receipt
from api.sittings.service import time_out
from api.sittings.timing import Rules
from api.sittings.turn import Turn, before, lost, request_digest, turn
from cat_engine import session as engine

if TYPE_CHECKING:
    from api.runtime import Runtime

__all__ = ["Told", "create_section", "create_session", "end_section", "end_session", "read_section", "submit"]

RANKED = 4
"""How many items are offered, the best first: a player that loses us can go on with the next one."""

_SECTION = Query(
    select(
        tables.section.c.organisation_id,
        tables.section.c.test_id,
        tables.section.c.request,
        tables.section.c.ended_at,
        now_us(),
    ).where(tables.section.c.id == bindparam("id"))
)
_INSERT_SECTION = Query(insert(tables.section))
_END_SECTION = Query(
    update(tables.section).where(tables.section.c.id == bindparam("section")).values(ended_at=bindparam("at"))
)
_END_SESSIONS = Query(
    update(tables.session)
    .where(tables.session.c.section_id == bindparam("section"), tables.session.c.status != FINISHED)
    .values(due_at=bindparam("at"))
)
_INSERT_SESSION = Query(insert(tables.session))
_SESSION = Query(select(tables.session.c.section_id).where(tables.session.c.id == bindparam("id")))


@dataclass(frozen=True, slots=True)
class Told:
    """What a call on a session answers, and the sitting to keep."""

    sitting: Sitting
    body: Mapping[str, Any]


def _unknown(what: str) -> ImsProblem:
    return ImsProblem(404, f"there is no such {what}")


def create_section(client: Client, code: str | None, request: str, until: int | None = None) -> Plan[str]:
    """Plan: open a section on the newest version of a test; its identifier.

    Parameters
    ----------
    until
        When it ends by itself.

    Raises
    ------
    ImsProblem
        When there is no such test, or `until` is over.
    """
    test = None if code is None else (yield from latest(code)).value
    if test is None:
        raise ImsProblem(404, 'sectionConfiguration names no test of ours: base64 over {"test": "CODE"}')
    (time,) = yield [NOW()]
    if until is not None and until <= time[0][0]:
        raise ImsProblem(422, "until: expected a moment to come")
    id = new_id()
    row = _INSERT_SECTION(
        id=id,
        organisation_id=client.organisation,
        test_id=test,
        request=request,
        created_at=time[0][0],
        ended_at=until,
    )
    return Commit(id, [row])


@dataclass(frozen=True, slots=True)
class _Section:
    """A section at the moment when it was looked at."""

    test: str
    request: str
    ends: int | None
    now: int

    @property
    def ended(self) -> bool:
        return self.ends is not None and self.ends <= self.now


def _section(runtime: Runtime, client: Client, id: str) -> Generator[Any, Any, _Section]:
    (rows,) = yield [_SECTION(id=id)]
    if not rows or rows[0][0] != client.organisation:
        raise _unknown("section")
    _, test, request, ends, now = rows[0]
    return _Section(test, request, ends, now + runtime.skew)


def _open_section(runtime: Runtime, client: Client, id: str) -> Generator[Any, Any, _Section]:
    section = yield from _section(runtime, client, id)
    if section.ended:
        raise _unknown("section")
    return section


def read_section(runtime: Runtime, client: Client, id: str) -> Plan[dict[str, Any]]:
    """Plan: the items that a section may ask for, and how it was asked for."""
    section = yield from _open_section(runtime, client, id)
    test = yield from with_test(runtime.tests, section.test)
    items = {"itemIdentifiers": list(test.adaptive.pool.ids)}
    return Commit({"items": items, "section": json.loads(section.request)})


def end_section(runtime: Runtime, client: Client, id: str) -> Plan[None]:
    """Plan: close a section; its sessions can no longer go on, and the sweep ends them."""
    section = yield from _open_section(runtime, client, id)
    at = section.now
    return Commit(None, [_END_SECTION(section=id, at=at), _END_SESSIONS(section=id, at=at)])


def create_session(runtime: Runtime, client: Client, section: str, first_theta: int | None) -> Plan[Told]:
    """Plan: begin a session and draw its first items."""
    opened = yield from _open_section(runtime, client, section)
    test, now = (yield from with_test(runtime.tests, opened.test)), opened.now
    limit = None if opened.ends is None else opened.ends - now
    rules = Rules(limit, silence=limit or 0, give_back=0, abandon=test.rules.abandon)
    new = Turn(runtime, test, None, now, new_id())
    started: dict[str, Any] = {
        "test": test.id,
        "content": test.content_hash,
        "seed": secrets.token_hex(16),
        "language": "",
        "device": "",
        "time": rules.data(),
        "section": section,
    }
    if first_theta is not None:
        started["first_theta"] = first_theta
    yield from begin(new, started)
    yield from new.serve()
    row = _INSERT_SESSION(
        id=new.sitting.id,
        organisation_id=client.organisation,
        invitation_id=None,
        person_id=None,
        section_id=section,
        test_id=test.id,
        status=new.sitting.phase,
        started_at=now,
        changed_at=now,
        due_at=new.due(),
    )
    body = {"sessionIdentifier": new.sitting.id, **(yield from _next(runtime, test, new.sitting))}
    return Commit(Told(new.sitting, body), [row, *new.writes()])


def _session(runtime: Runtime, client: Client, section: str, id: str) -> Generator[Any, Any, Turn]:
    """Begin a turn of a session; not where its section was ended before the session's own time was up."""
    opened = yield from _section(runtime, client, section)
    (rows,) = yield [_SESSION(id=id)]
    if not rows or rows[0][0] != section:
        raise _unknown("session")
    try:
        now_turn = yield from turn(runtime, id)
    except Problem as problem:
        raise _unknown("session") from problem
    if opened.ended and opened.ends != now_turn.sitting.clock.deadline:
        raise _unknown("section")
    return now_turn


def submit(
    runtime: Runtime, client: Client, section: str, id: str, results: Sequence[Scored], state: str | None
) -> Plan[Told]:
    """Plan: take in results and draw the next items.

    The result of the item that was offered first comes first. Results of other items that were not asked
    before are taken in as well: a player that could not reach us went on alone.

    Raises
    ------
    ImsProblem
        For a session state that is not the latest, an item that is not in the test or was asked before.
    """
    now_turn = yield from _session(runtime, client, section, id)
    test, sitting = now_turn.test, now_turn.sitting
    request = request_digest(*(f"{one.identifier}={one.score}" for one in results))
    seq = sitting.seq if state is None else _seq(runtime, sitting, state)
    known = sitting.keys.get(f"seq {seq}")
    if known is not None and known.request == request:
        then = yield from _after(runtime, test, id, known.first)
        return Commit(Told(sitting, (yield from _reply(runtime, test, then))), now_turn.writes())
    if known is not None or seq != sitting.seq:
        raise ImsProblem(409, "the session has moved on since this sessionState was given")
    if sitting.phase == FINISHED or not results:
        return Commit(Told(sitting, (yield from _reply(runtime, test, sitting))), now_turn.writes())
    if sitting.clock.too_late(now_turn.now):
        yield from time_out(now_turn, f"seq {seq}", request)
        results = ()
    key: dict[str, Any] = {"key": f"seq {seq}", "request": request}
    pending = sitting.pending
    ordered = sorted(results, key=lambda one: pending is None or one.identifier != pending.item)
    for one in ordered:
        _take(now_turn, one, key)
        key = {}
    if ordered:
        yield from now_turn.serve()
    reply = yield from _reply(runtime, test, now_turn.sitting)
    return Commit(Told(now_turn.sitting, reply), now_turn.writes())


def _take(now_turn: Turn, one: Scored, key: Mapping[str, Any]) -> None:
    test, sitting = now_turn.test, now_turn.sitting
    if one.identifier not in test.index:
        raise ImsProblem(404, f"the section has no item '{one.identifier}'")
    pending = sitting.pending
    if pending is None or pending.item != one.identifier:
        if test.index[one.identifier] in sitting.state.items:
            raise ImsProblem(409, f"item '{one.identifier}' was asked before")
        if pending is not None:
            now_turn.add(
                "item_set_aside",
                {"position": pending.position, "by": "client", "reason": "another item was presented"},
            )
        now_turn.add(
            "item_served",
            {
                "position": now_turn.sitting.position + 1,
                "item": one.identifier,
                "criterion": None,
                "handle": secrets.token_urlsafe(12),
                "by": "client",
            },
        )
    category: int | str = "omitted"
    if one.score is not None:
        scores = test.item(one.identifier).scores
        category = max(0, bisect_right(scores, one.score + 1e-9) - 1)
    now_turn.add(
        "answered",
        {"position": now_turn.sitting.position, "response": None, "category": category, **key},
    )


def _after(runtime: Runtime, test: LiveTest, id: str, first: int) -> Generator[Any, Any, Sitting]:
    """Return the sitting as the submission that began with event `first` left it."""
    whole = yield from before(runtime, test, id, 10**9)
    later = [known.first for known in whole.keys.values() if known.first > first]
    until = min(later, default=whole.seq + 1) - 1
    return (yield from before(runtime, test, id, until))


def end_session(runtime: Runtime, client: Client, section: str, id: str) -> Plan[Told]:
    """Plan: end a session; ending twice is ending once."""
    now_turn = yield from _session(runtime, client, section, id)
    sitting = now_turn.sitting
    if sitting.phase != FINISHED:
        if sitting.pending is not None:
            data = {"position": sitting.pending.position, "response": None, "category": "not_reached"}
            now_turn.add("answered", data)
        yield from now_turn.finish("ended", by=client.id, why="the test player ended the session")
    return Commit(Told(now_turn.sitting, {}), now_turn.writes())


def _seq(runtime: Runtime, sitting: Sitting, state: str) -> int:
    """Return the number of the event that a session state was given for."""
    try:
        told = Receipt.parse(runtime.secret, state)
    except ValueError as error:
        raise ImsProblem(409, "sessionState is not one that was given for a session") from error
    if told.session != sitting.id:
        raise ImsProblem(409, "sessionState is not one that was given for this session")
    if told.seq > sitting.seq or (told.seq == sitting.seq and not told.fits(sitting.head)):
        lost(sitting.id, told.seq)
        raise ImsProblem(409, "the session does not hold any more what this sessionState was given for")
    return told.seq


def _ranked(runtime: Runtime, test: LiveTest, sitting: Sitting) -> Generator[Any, Any, list[str]]:
    """Return the pending item and what would be asked instead of it, the best first."""
    if sitting.pending is None:
        return []
    counts = yield from seen_by(runtime.tests, test, sitting.exposure)
    pool, state = test.adaptive, sitting.state
    ranked = [test.index[sitting.pending.item]]
    while len(ranked) < RANKED:
        state = engine.answered(pool, state, ranked[-1], engine.NOT_REACHED)
        step = engine.next_item(pool, state, counts)
        if isinstance(step, engine.Stop):
            break
        ranked.append(step.item)
        state = engine.served(pool, state, step.item)
    return [pool.pool.ids[item] for item in ranked]


def _next(runtime: Runtime, test: LiveTest, sitting: Sitting) -> Generator[Any, Any, dict[str, Any]]:
    ranked = yield from _ranked(runtime, test, sitting)
    return {
        "nextItems": {"itemIdentifiers": ranked, "stageLength": 1},
        "sessionState": receipt(runtime.secret, sitting),
    }


def _reply(runtime: Runtime, test: LiveTest, sitting: Sitting) -> Generator[Any, Any, dict[str, Any]]:
    following = yield from _next(runtime, test, sitting)
    return {**following, "assessmentResult": _assessment(test, sitting)}


def _assessment(test: LiveTest, sitting: Sitting) -> dict[str, Any]:
    """Return what the session says so far: ability, its error, the levels, and at the end why it ended."""
    moment = iso(sitting.at)
    reason = sitting.finished["reason"] if sitting.finished else "unfinished"
    result = engine.conclude(test.adaptive, sitting.state, reason)
    variables = [
        outcome("THETA", round(result.theta, 6)),
        outcome("THETA_SE", round(result.se, 6)),
        outcome("SCALED_SCORE", test.scale.points(result.theta)),
        *(
            outcome(f"LEVEL_PROBABILITY_{level.code}", round(mass, 6))
            for level, mass in zip(test.levels, result.levels, strict=True)
        ),
        outcome("LEVEL", test.levels[result.level].code),
    ]
    if sitting.finished:
        variables.append(outcome("STOP_REASON", reason))
    if test.demonstration:
        variables.append(outcome("NOTICE", "demonstration-without-value"))
    items = [
        {
            "identifier": test.adaptive.pool.ids[item],
            "sequenceIndex": number,
            "datestamp": moment,
            "sessionStatus": "final",
            "outcomeVariables": [outcome("SCORE", test.items[item].scores[category])],
        }
        for number, (item, category) in enumerate(
            zip(sitting.state.items, sitting.state.categories, strict=True), 1
        )
        if category >= 0
    ]
    return {
        "context": {"sessionIdentifiers": [{"sourceID": "acquis", "identifier": sitting.id}]},
        "testResult": {"identifier": test.code, "datestamp": moment, "outcomeVariables": variables},
        "itemResult": items,
        "itemResults": items,  # what clients in the field read
    }
