"""A candidate contests a result, and a person looks at it again: both are said in the log of the sitting.

Who hears of it notes it (``contested``); who has looked at it says what came of it (``reviewed``): the result
is kept, or it is revoked and the person can be invited again. Nobody changes a score by hand: an item that
turns out to be wrong is taken out of everybody's score instead (`api.catalogue.neutralisation`).
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, insert, select, text

from api.database import tables
from api.database.clock import NOW
from api.database.plans import Call, Commit, Plan, Query, Rows
from api.moments import iso
from api.problems import Problem
from api.results.issue import withdrawn
from api.sittings.log import Event, Log

__all__ = ["contest", "contests", "review"]

_event, _result = tables.event, tables.result
_RESULT = Query(select(_result.c.session_id, _result.c.status).where(_result.c.id == bindparam("result")))
_CURRENT = Query(
    select(_result.c.id, _result.c.status).where(
        _result.c.session_id == bindparam("session_id"), _result.c.current == 1
    )
)
_LAST = Query(
    select(_event.c.seq, _event.c.body, _event.c.hash)
    .where(_event.c.session_id == bindparam("session_id"))
    .order_by(_event.c.seq.desc())
    .limit(1)
)
_SAID_OF = text("kind IN ('contested', 'reviewed')")  # as the index has it
_SAID = Query(
    select(_event.c.kind)
    .where(_event.c.session_id == bindparam("session_id"), _SAID_OF)
    .order_by(_event.c.seq.desc())
    .limit(1)
)
_ALL = Query(
    select(tables.session.c.organisation_id, tables.session.c.person_id, _event.c.session_id, _event.c.body)
    .join(tables.session, tables.session.c.id == _event.c.session_id)
    .where(_SAID_OF)
    .order_by(_event.c.session_id, _event.c.seq)
)
_APPEND = Query(insert(_event))


@dataclass(frozen=True, slots=True)
class _Log:
    """The end of the log that a result came of."""

    session: str
    end: Log
    now: int
    open: bool
    """Whether the result is contested, and nobody has looked at it since."""


def _log_of(result: str) -> Generator[Sequence[Call], list[Rows], _Log]:
    found, time = yield [_RESULT(result=result), NOW()]
    if not found or found[0][1] == "erased":
        raise Problem("not_found", f"There is no result '{result}', or it was erased.")
    session = found[0][0]
    last, said = yield [_LAST(session_id=session), _SAID(session_id=session)]
    seq, body, head = last[0]
    log = Log(session, seq, json.loads(body)["at"], bytes(head))
    return _Log(session, log, time[0][0], said == [("contested",)])


def _append(event: Event) -> Call:
    return _APPEND(
        session_id=event.session,
        seq=event.seq,
        kind=event.kind,
        position=None,
        idempotency_key=None,
        body=event.body,
        hash=event.hash,
    )


def contest(result: str, by: str, why: str) -> Plan[str]:
    """Plan: note that a candidate contests a result; the sitting.

    Raises
    ------
    Problem
        ``not_found``; ``conflict`` where that is noted and not answered yet.
    """
    log = yield from _log_of(result)
    if log.open:
        raise Problem("conflict", f"The result '{result}' is contested already; answer it.")
    said = {"result": result, "by": by, "why": why, "salt": secrets.token_hex(16)}
    return Commit(log.session, [_append(log.end.append("contested", log.now, said))])


def review(result: str, by: str, why: str, revoke: bool) -> Plan[str]:
    """Plan: answer a contest; the result in force is kept, or revoked. Its identifier.

    Raises
    ------
    Problem
        ``not_found``; ``conflict`` where nobody contests the result.
    """
    log = yield from _log_of(result)
    if not log.open:
        raise Problem("conflict", f"Nobody contests the result '{result}'; note it first.")
    ((current, status),) = (yield [_CURRENT(session_id=log.session)])[0]
    outcome = "revoked" if revoke else "kept"
    said = {"result": current, "by": by, "why": why, "outcome": outcome, "salt": secrets.token_hex(16)}
    writes = [_append(log.end.append("reviewed", log.now, said))]
    if revoke and status == "valid":
        writes += withdrawn(current, "revoked", log.now)
    return Commit(current, writes)


def contests(organisation: str | None = None) -> Plan[list[dict[str, Any]]]:
    """Plan: every contest of an organisation, or of all, with its answer where there is one."""
    (rows,) = yield [_ALL()]
    found: list[dict[str, Any]] = []
    for of, person, session, body in rows:
        event = json.loads(body)
        data = event["data"]
        told = {"at": iso(event["at"]), "by": data.get("by"), "why": data.get("why")}
        if event["kind"] == "contested":
            found.append(
                {
                    "result": data["result"],
                    "organisation": of,
                    "person": person,
                    "sitting": session,
                    **told,
                    "answer": None,
                }
            )
        else:
            found[-1]["answer"] = told | {"outcome": data["outcome"], "result": data["result"]}
    return Commit([one for one in found if organisation in (None, one["organisation"])])
