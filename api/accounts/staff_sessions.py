"""Signing in at the console, and who is signed in.

A session is a random secret in the browser; the database holds its digest. It ends by the database's clock: a
while after the last request unless its owner asked to keep it, after twenty hours at the latest, at once
when the password changes. `attempts` says how often a password may be wrong.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import and_, bindparam, delete, func, insert, literal_column, or_, select, update

from api.accounts.attempts import Place, forgotten, given_back, network, outdated, taken, used
from api.accounts.audit import entry
from api.accounts.passwords import holds
from api.accounts.staff import SIGN_OUT_EVERYWHERE, Staff, normal
from api.accounts.totp import matching, opened
from api.database import tables
from api.database.clock import NOW
from api.database.plans import Call, Commit, Plan, Query
from api.ids import digest, new_secret
from api.problems import Problem
from api.sittings.timing import SECOND

if TYPE_CHECKING:
    from api.runtime import Runtime

__all__ = [
    "ABSOLUTE",
    "IDLE",
    "Opening",
    "Session",
    "SignIn",
    "change_password",
    "confirm",
    "knows_password",
    "open_session",
    "session",
    "set_second_step",
    "sign_in",
    "sign_out",
    "standing",
]

IDLE = 45 * 60 * SECOND
"""Microseconds without a request after which a session is over that its owner has not asked to keep."""
ABSOLUTE = 20 * 3600 * SECOND
"""Microseconds after which it is over in any case: a shorter limit would have to be one that people can
extend (WCAG 2.2, 2.2.1); NIST SP 800-63B-4 allows a day."""
_TOUCH = 60 * SECOND

_staff, _session = tables.staff, tables.staff_session
_FORGET_SESSIONS = Query(
    delete(_session).where(
        or_(
            _session.c.created_at < bindparam("created"),
            and_(_session.c.kept == 0, _session.c.seen_at < bindparam("seen")),
        )
    )
)
_BY_LOGIN = Query(
    select(_staff.c.id, _staff.c.organisation_id, _staff.c.password_hash, _staff.c.totp_secret).where(
        _staff.c.login == bindparam("login")
    )
)
_SECRETS = Query(
    select(_staff.c.organisation_id, _staff.c.password_hash, _staff.c.totp_secret, _staff.c.totp_step).where(
        _staff.c.id == bindparam("account"), _staff.c.removed_at.is_(None)
    )
)
_SESSION = Query(
    select(
        _session.c.waits,
        _session.c.kept,
        _session.c.created_at,
        _session.c.seen_at,
        _staff.c.id,
        _staff.c.organisation_id,
        tables.organisation.c.name,
        _staff.c.name,
        _staff.c.login,
        _staff.c.roles,
        _staff.c.totp_secret.is_not(None),
    )
    .join(_staff, _staff.c.id == _session.c.staff_id)
    .join(tables.organisation, tables.organisation.c.id == _staff.c.organisation_id)
    .where(_session.c.digest == bindparam("digest"), _staff.c.removed_at.is_(None))
)
_ONE_PART = literal_column("1").op("/")(func.count())
"""Divides by zero where nothing is found: PostgreSQL then refuses the whole transaction. SQLite, where what
was read cannot change before the write, has null for it and goes on."""
_STANDS = Query(select(_session.c.digest).where(_session.c.digest == bindparam("session")))
_STILL_STANDS = Query(select(_ONE_PART).where(_session.c.digest == bindparam("session")))
_STILL_HOLDS = Query(
    select(_ONE_PART).where(
        _staff.c.id == bindparam("account"), _staff.c.password_hash == bindparam("password")
    )
)
_OPEN = Query(insert(_session))
_TOUCHED = Query(
    update(_session).where(_session.c.digest == bindparam("session")).values(seen_at=bindparam("at"))
)
_CLOSE = Query(delete(_session).where(_session.c.digest == bindparam("session")))
_STEP = Query(
    update(_staff)
    .where(
        _staff.c.id == bindparam("account"),
        or_(_staff.c.totp_step.is_(None), _staff.c.totp_step < bindparam("step")),
    )
    .values(totp_step=bindparam("step"))
)
_SECOND = Query(
    update(_staff)
    .where(_staff.c.id == bindparam("account"))
    .values(totp_secret=bindparam("sealed"), totp_step=bindparam("step"))
)
_PASSWORD = Query(
    update(_staff).where(_staff.c.id == bindparam("account")).values(password_hash=bindparam("password"))
)


@dataclass(frozen=True, slots=True)
class Session:
    """A session that holds.

    Attributes
    ----------
    waits
        Whether the code of the second step is still to come: until then it opens nothing else.
    kept
        Whether it stays open without activity: its owner asked for it when signing in.
    ends_at
        When it ends if nothing more is done in it, in microseconds since 1970 (UTC).
    left
        Microseconds until then.
    last
        Whether nothing can make it any longer.
    """

    staff: Staff
    waits: bool
    kept: bool
    digest: str
    ends_at: int
    left: int
    last: bool


@dataclass(frozen=True, slots=True)
class SignIn:
    """What came of an attempt: ``in``, ``code`` (the second step comes next), ``wrong``, ``wait`` (too many).

    Attributes
    ----------
    token
        The session's secret, where there is one.
    """

    outcome: Literal["in", "code", "wrong", "wait"]
    token: str = ""


@dataclass(frozen=True, slots=True)
class Opening:
    """A session to be opened: its secret, and what it is, as `Session` has it."""

    token: str
    waits: bool = False
    kept: bool = False


async def sign_in(runtime: Runtime, login: str, password: str, address: str, kept: bool = False) -> SignIn:
    """Return what comes of a login and a password from an address; `kept` as a `Session` has it."""
    login = normal(login)[:300]
    if "\0" in login:
        return SignIn("wrong")
    places = await runtime.write(taken, _keys(runtime, login, address), runtime.skew)
    if places is None:
        return SignIn("wait")
    found = await runtime.read(_by_login, login)
    id, organisation, stored, second = found or ("", "", None, None)
    if not await holds(stored, password):
        return SignIn("wrong")
    with contextlib.suppress(Problem):  # another worker tidies up at the same time
        await runtime.write(_tidied, runtime.skew)
    token = new_secret()
    waits = second is not None
    opening = Opening(token, waits, kept)
    if not await runtime.write(_signed_in, id, organisation, stored, opening, places):
        return SignIn("wrong")
    return SignIn("code" if waits else "in", token)


def _keys(runtime: Runtime, login: str, address: str) -> dict[str, str]:
    """Return what the failures of an attempt count under."""
    return {
        "account": runtime.mac("sign-in account", login),
        "address": runtime.mac("sign-in address", network(address)),
    }


def _by_login(login: str) -> Plan[tuple[str, str, str | None, str | None] | None]:
    (rows,) = yield [_BY_LOGIN(login=login)]
    return Commit(rows[0] if rows else None)


def _tidied(skew: int) -> Plan[None]:
    """Plan: forget attempts that count no more and sessions that are over."""
    (time,) = yield [NOW()]
    now = time[0][0] + skew
    return Commit(
        None,
        [outdated(now), _FORGET_SESSIONS(created=now - ABSOLUTE, seen=now - IDLE)],
    )


def _signed_in(
    id: str, organisation: str, stored: str | None, opening: Opening, places: Sequence[Place]
) -> Plan[bool]:
    """Plan: open a session, unless the password was changed or forgotten while it was looked at."""
    (rows,) = yield [_SECRETS(account=id)]
    if not rows or rows[0][1] != stored:
        return Commit(False)
    commit = yield from open_session(id, organisation, opening)
    freed = given_back(places)
    if not opening.waits:
        freed.append(forgotten(places[0][0]))
    return Commit(True, [_STILL_HOLDS(account=id, password=stored), *commit.writes, *freed])


def open_session(id: str, organisation: str, opening: Opening) -> Plan[None]:
    """Plan: open a session of an account."""
    (time,) = yield [NOW()]
    now = time[0][0]
    writes = [_opened(id, opening, now)]
    if not opening.waits:
        writes.append(entry(organisation, id, "signed_in", id, now))
    return Commit(None, writes)


def _opened(id: str, opening: Opening, now: int) -> Call:
    return _OPEN(
        digest=digest(opening.token),
        staff_id=id,
        waits=int(opening.waits),
        kept=int(opening.kept),
        created_at=now,
        seen_at=now,
    )


def standing(session: str, plan: Callable[..., Plan[Any]], /, *with_: Any) -> Plan[Any]:
    """Plan: what `plan` does, by somebody whose session (its digest) holds as it is written.

    Between the look at a session and the act an operator may have removed or reset the account.

    Raises
    ------
    Problem
        ``unauthenticated``
    """
    (rows,) = yield [_STANDS(session=session)]
    if not rows:
        raise Problem("unauthenticated", "Sign in.")
    commit: Commit[Any] = yield from plan(*with_)
    if not commit.writes:
        return commit
    return Commit(commit.value, [_STILL_STANDS(session=session), *commit.writes])


async def session(runtime: Runtime, token: str, touch: bool = True) -> Session | None:
    """Return the session whose secret a browser shows, where it holds.

    Parameters
    ----------
    touch
        Whether this is something that its owner does, which makes the session last; looking how long it
        lasts is not.
    """
    if not token or len(token) > 100:
        return None
    found = await runtime.read(_standing, digest(token), runtime.skew)
    if found is not None and touch and not found.last and found.left <= IDLE - _TOUCH:
        await runtime.write(_seen, found.digest, runtime.skew)
        return await runtime.read(_standing, found.digest, runtime.skew)
    return found


def _standing(session: str, skew: int) -> Plan[Session | None]:
    rows, time = yield [_SESSION(digest=session), NOW()]
    if not rows:
        return Commit(None)
    waits, kept, created_at, seen_at, id, organisation, called, name, login, roles, second = rows[0]
    now, last = time[0][0] + skew, created_at + ABSOLUTE
    ends_at = last if kept and not waits else min(last, seen_at + IDLE)
    if now >= ends_at:
        return Commit(None)
    staff = Staff(id, organisation, called, name, login, frozenset(roles.split()), bool(second))
    return Commit(Session(staff, bool(waits), bool(kept), session, ends_at, ends_at - now, ends_at == last))


def _seen(session: str, skew: int) -> Plan[None]:
    (time,) = yield [NOW()]
    return Commit(None, [_TOUCHED(session=session, at=time[0][0] + skew)])


async def confirm(runtime: Runtime, held: Session, typed: str) -> SignIn:
    """Return what comes of the code of the second step: a new session replaces the one that waits."""
    staff = held.staff
    key = {"code": runtime.mac("sign-in code", staff.id)}
    if await runtime.write(taken, key, runtime.skew) is None:
        return SignIn("wait")
    token = new_secret()
    right = await runtime.write(standing, held.digest, _confirmed, runtime, held, typed[:20], token)
    return SignIn("in", token) if right else SignIn("wrong")


def _confirmed(runtime: Runtime, held: Session, typed: str, token: str) -> Plan[bool]:
    staff = held.staff
    rows, time = yield [_SECRETS(account=staff.id), NOW()]
    now = time[0][0] + runtime.skew
    if not rows or rows[0][2] is None:
        return Commit(False)
    step = matching(opened(runtime, staff.id, rows[0][2]), typed, now, rows[0][3])
    if step is None:
        return Commit(False)
    return Commit(
        True,
        [
            used(f"{staff.id} {step}", now),  # a code counts once
            _STEP(account=staff.id, step=step),
            _CLOSE(session=held.digest),
            _opened(staff.id, Opening(token, kept=held.kept), now),
            forgotten(runtime.mac("sign-in code", staff.id)),
            forgotten(runtime.mac("sign-in account", staff.login)),
            entry(staff.organisation, staff.id, "signed_in", staff.id, now),
        ],
    )


def sign_out(held: Session) -> Plan[None]:
    """Plan: end a session."""
    (time,) = yield [NOW()]
    staff = held.staff
    return Commit(
        None,
        [
            _CLOSE(session=held.digest),
            entry(staff.organisation, staff.id, "signed_out", staff.id, time[0][0]),
        ],
    )


async def knows_password(runtime: Runtime, staff: Staff, password: str, address: str) -> SignIn:
    """Return whether somebody who is signed in knows their password: ``in``, ``wrong``, ``wait``."""
    places = await runtime.write(taken, _keys(runtime, staff.login, address), runtime.skew)
    if places is None:
        return SignIn("wait")
    found = await runtime.read(_by_login, staff.login)
    if not found or not await holds(found[2], password):
        return SignIn("wrong")
    await runtime.write(_right, places)
    return SignIn("in")


def _right(places: Sequence[Place]) -> Plan[None]:
    """Plan: count an attempt no more."""
    yield []
    return Commit(None, given_back(places))


def change_password(held: Session, password_hash: str, token: str) -> Plan[None]:
    """Plan: change the password; every session ends, and a new one with the secret `token` goes on."""
    (time,) = yield [NOW()]
    staff, now = held.staff, time[0][0]
    return Commit(
        None,
        [
            _PASSWORD(account=staff.id, password=password_hash),
            SIGN_OUT_EVERYWHERE(account=staff.id),
            _opened(staff.id, Opening(token, kept=held.kept), now),
            entry(staff.organisation, staff.id, "password.chosen", staff.id, now),
        ],
    )


def set_second_step(staff: Staff, sealed: str | None, step: int | None) -> Plan[None]:
    """Plan: ask for a code from now on, whose secret is `sealed`; None: no more."""
    (time,) = yield [NOW()]
    action = "second_step.off" if sealed is None else "second_step.on"
    return Commit(
        None,
        [
            _SECOND(account=staff.id, sealed=sealed, step=step),
            entry(staff.organisation, staff.id, action, staff.id, time[0][0]),
        ],
    )
