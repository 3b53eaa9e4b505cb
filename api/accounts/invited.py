"""The invitations of an organisation, the latest first, and what came of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, Text, and_, bindparam, func, or_, select

from api.database import tables
from api.database.clock import NOW, now_us
from api.database.plans import Commit, Plan, Query
from api.sittings.fold import FINISHED

__all__ = ["STATES", "Row", "State", "invitations"]

State = Literal["waiting", "started", "finished", "expired", "cancelled"]
STATES: tuple[State, ...] = get_args(State)
"""How an invitation stands: not used yet, a sitting in progress, over, too late, withdrawn."""

_invitation, _person, _session, _result = tables.invitation, tables.person, tables.session, tables.result


@dataclass(frozen=True, slots=True)
class Row:
    """An invitation with its person and its result, where there is one. A need is said nowhere here."""

    id: str
    identifier: str | None
    identifier_type: str | None
    family_name: str | None
    given_name: str | None
    test: str
    version: int
    created_at: int
    expires_at: int
    state: State
    result: str | None


def _is(state: State) -> ColumnElement[bool]:
    unused = and_(_session.c.id.is_(None), _invitation.c.revoked_at.is_(None))
    return {
        "waiting": and_(unused, _invitation.c.expires_at > now_us()),
        "started": and_(_session.c.id.is_not(None), _session.c.status != FINISHED),
        "finished": _session.c.status == FINISHED,
        "expired": and_(unused, _invitation.c.expires_at <= now_us()),
        "cancelled": and_(_session.c.id.is_(None), _invitation.c.revoked_at.is_not(None)),
    }[state]


_WANTED = bindparam("words", type_=Text)
_LIST = (
    select(
        _invitation.c.id,
        _person.c.identifier,
        _person.c.identifier_type,
        _person.c.family_name,
        _person.c.given_name,
        tables.test.c.code,
        tables.test.c.version,
        _invitation.c.created_at,
        _invitation.c.expires_at,
        _invitation.c.revoked_at,
        _session.c.status,
        _result.c.id,
    )
    .join(_person, _person.c.id == _invitation.c.person_id)
    .join(tables.test, tables.test.c.id == _invitation.c.test_id)
    .outerjoin(_session, _session.c.invitation_id == _invitation.c.id)
    .outerjoin(_result, and_(_result.c.session_id == _session.c.id, _result.c.current == 1))
    .where(
        _invitation.c.organisation_id == bindparam("organisation"),
        _invitation.c.id < bindparam("before"),
        _person.c.erased_at.is_(None),
        or_(bindparam("test", type_=Text) == "", tables.test.c.code == bindparam("test", type_=Text)),
        or_(
            func.lower(_person.c.family_name).like(_WANTED, escape="\\"),
            func.lower(_person.c.given_name).like(_WANTED, escape="\\"),
            func.lower(_person.c.identifier).like(_WANTED, escape="\\"),
            _WANTED == "%",
        ),
    )
    .order_by(_invitation.c.id.desc())
    .limit(bindparam("most"))
)
_ALL = Query(_LIST)
_TOLD = tuple(Row.__dataclass_fields__)[:9]
_BY_STATE = {state: Query(_LIST.where(_is(state))) for state in STATES}


def invitations(
    organisation: str,
    state: State | None = None,
    test: str = "",
    words: str = "",
    before: str = "~",
    limit: int = 50,
) -> Plan[tuple[list[Row], bool]]:
    """Plan: invitations of an organisation, and whether there are older ones.

    Parameters
    ----------
    state, test, words
        Only those in this state, to the test with this code, of people whose name or identifier begins so.
    before
        The last one that was seen.
    """
    query = _ALL if state is None else _BY_STATE[state]
    begins = words.strip().lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    rows, time = yield [
        query(organisation=organisation, before=before, test=test, words=f"{begins}%", most=limit + 1),
        NOW(),
    ]
    now = time[0][0]
    found = []
    for row in rows[:limit]:
        *told, revoked_at, status, result = row
        names: dict[str, Any] = dict(zip(_TOLD, told, strict=True))
        state = _state(status, revoked_at, names["expires_at"], now)
        found.append(Row(**names, state=state, result=result))
    return Commit((found, len(rows) > limit))


def _state(status: str | None, revoked_at: int | None, expires_at: int, now: int) -> State:
    if status is not None:
        return "finished" if status == FINISHED else "started"
    if revoked_at is not None:
        return "cancelled"
    return "waiting" if now < expires_at else "expired"
