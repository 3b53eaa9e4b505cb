"""Signing in at the console, and who is signed in.

A session is a random secret in the browser; the database holds its digest. It ends by the database's clock: a
while after the last request, after a working day at the latest, at once when the password changes. Attempts
are counted before a password is looked at, by account and by address, whether the account exists or not;
each takes the next number of its key, so that attempts side by side cannot share one.
"""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import bindparam, delete, func, insert, literal_column, or_, select, update

from api.accounts.audit import entry
from api.accounts.passwords import holds
from api.accounts.staff import SIGN_OUT_EVERYWHERE, Staff, normal
from api.accounts.totp import matching, opened
from api.database import tables
from api.database.clock import NOW
from api.database.plans import Commit, Plan, Query
from api.ids import digest, new_secret
from api.problems import Problem
from api.sittings.timing import SECOND

if TYPE_CHECKING:
    from api.runtime import Runtime

__all__ = [
    "ABSOLUTE",
    "ATTEMPTS",
    "IDLE",
    "WINDOW",
    "Session",
    "SignIn",
    "change_password",
    "confirm",
    "knows_password",
    "network",
    "open_session",
    "session",
    "set_second_step",
    "sign_in",
    "sign_out",
    "standing",
]

IDLE = 45 * 60 * SECOND
"""Microseconds without a request after which a session is over."""
ABSOLUTE = 12 * 3600 * SECOND
"""Microseconds after which it is over in any case."""
_TOUCH = 60 * SECOND
WINDOW = 15 * 60 * SECOND
"""Microseconds for which an attempt counts."""
ATTEMPTS = {"account": 10, "address": 60, "code": 6}
"""How many attempts count at most: of an account, from an address, at the code of the second step."""

_staff, _session, _attempt = tables.staff, tables.staff_session, tables.sign_in_attempt
_LAST = Query(
    select(_attempt.c.number, _attempt.c.at)
    .where(_attempt.c.key == bindparam("key"))
    .order_by(_attempt.c.number.desc())
    .limit(bindparam("most"))
)
_COUNT = Query(insert(_attempt))
_FORGET_KEY = Query(delete(_attempt).where(_attempt.c.key == bindparam("key")))
_FORGET_ATTEMPTS = Query(delete(_attempt).where(_attempt.c.at < bindparam("before")))
_FORGET_SESSIONS = Query(
    delete(_session).where(
        or_(_session.c.created_at < bindparam("created"), _session.c.seen_at < bindparam("seen"))
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
    """

    staff: Staff
    waits: bool
    digest: str


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


async def sign_in(runtime: Runtime, login: str, password: str, address: str) -> SignIn:
    """Return what comes of a login and a password from an address."""
    login = normal(login)[:300]
    keys = {
        "account": runtime.mac("sign-in account", login),
        "address": runtime.mac("sign-in address", network(address)),
    }
    if "\0" in login or not await runtime.write(_counted, keys, runtime.skew):
        return SignIn("wait" if "\0" not in login else "wrong")
    found = await runtime.read(_by_login, login)
    id, organisation, stored, second = found or ("", "", None, None)
    if not await holds(stored, password):
        return SignIn("wrong")
    with contextlib.suppress(Problem):  # another worker tidies up at the same time
        await runtime.write(_tidied, runtime.skew)
    token = new_secret()
    waits = second is not None
    if not await runtime.write(_signed_in, id, organisation, stored, token, waits, keys["account"]):
        return SignIn("wrong")
    return SignIn("code" if waits else "in", token)


def network(address: str) -> str:
    """Return what an address counts as: IPv6 gives one household 2**64 of them."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is None:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


def _counted(keys: dict[str, str], skew: int) -> Plan[bool]:
    """Plan: count one more attempt under each key; False, and nothing is counted, where one is full."""
    *found, time = yield [
        *(_LAST(key=key, most=ATTEMPTS[kind]) for kind, key in keys.items()),
        NOW(),
    ]
    now = time[0][0] + skew
    for kind, rows in zip(keys, found, strict=True):
        if len(rows) == ATTEMPTS[kind] and rows[-1][1] > now - WINDOW:
            return Commit(False)
    return Commit(
        True,
        [
            _COUNT(key=key, number=rows[0][0] + 1 if rows else 1, at=now)
            for key, rows in zip(keys.values(), found, strict=True)
        ],
    )


def _by_login(login: str) -> Plan[tuple[str, str, str | None, str | None] | None]:
    (rows,) = yield [_BY_LOGIN(login=login)]
    return Commit(rows[0] if rows else None)


def _tidied(skew: int) -> Plan[None]:
    """Plan: forget attempts that count no more and sessions that are over."""
    (time,) = yield [NOW()]
    now = time[0][0] + skew
    return Commit(
        None,
        [_FORGET_ATTEMPTS(before=now - WINDOW), _FORGET_SESSIONS(created=now - ABSOLUTE, seen=now - IDLE)],
    )


def _signed_in(
    id: str, organisation: str, stored: str | None, token: str, waits: bool, counted: str
) -> Plan[bool]:
    """Plan: open a session, unless the password was changed or forgotten while it was looked at."""
    (rows,) = yield [_SECRETS(account=id)]
    if not rows or rows[0][1] != stored:
        return Commit(False)
    commit = yield from open_session(id, organisation, token, waits, counted)
    return Commit(True, [_STILL_HOLDS(account=id, password=stored), *commit.writes])


def open_session(id: str, organisation: str, token: str, waits: bool, counted: str = "") -> Plan[None]:
    """Plan: open a session of an account; attempts counted under the key `counted` are forgotten."""
    (time,) = yield [NOW()]
    now = time[0][0]
    writes = [_OPEN(digest=digest(token), staff_id=id, waits=int(waits), created_at=now, seen_at=now)]
    if counted and not waits:
        writes.append(_FORGET_KEY(key=counted))
    if not waits:
        writes.append(entry(organisation, id, "signed_in", id, now))
    return Commit(None, writes)


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


async def session(runtime: Runtime, token: str) -> Session | None:
    """Return the session whose secret a browser shows, where it holds."""
    if not token or len(token) > 100:
        return None
    found, stale = await runtime.read(_standing, digest(token), runtime.skew)
    if found is not None and stale:
        await runtime.write(_seen, found.digest, runtime.skew)
    return found


def _standing(session: str, skew: int) -> Plan[tuple[Session | None, bool]]:
    rows, time = yield [_SESSION(digest=session), NOW()]
    if not rows:
        return Commit((None, False))
    waits, created_at, seen_at, id, organisation, organisation_name, name, login, roles, second = rows[0]
    now = time[0][0] + skew
    if now >= created_at + ABSOLUTE or now >= seen_at + IDLE:
        return Commit((None, False))
    staff = Staff(id, organisation, organisation_name, name, login, frozenset(roles.split()), bool(second))
    return Commit((Session(staff, bool(waits), session), now >= seen_at + _TOUCH))


def _seen(session: str, skew: int) -> Plan[None]:
    (time,) = yield [NOW()]
    return Commit(None, [_TOUCHED(session=session, at=time[0][0] + skew)])


async def confirm(runtime: Runtime, held: Session, typed: str) -> SignIn:
    """Return what comes of the code of the second step: a new session replaces the one that waits."""
    staff = held.staff
    if not await runtime.write(_counted, {"code": runtime.mac("sign-in code", staff.id)}, runtime.skew):
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
    # A code counts once: of two who use it at the same moment the key of the attempts refuses one.
    return Commit(
        True,
        [
            _COUNT(key=f"{staff.id} {step}", number=1, at=now),
            _STEP(account=staff.id, step=step),
            _CLOSE(session=held.digest),
            _OPEN(digest=digest(token), staff_id=staff.id, waits=0, created_at=now, seen_at=now),
            _FORGET_KEY(key=runtime.mac("sign-in code", staff.id)),
            _FORGET_KEY(key=runtime.mac("sign-in account", staff.login)),
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
    keys = {
        "account": runtime.mac("sign-in account", staff.login),
        "address": runtime.mac("sign-in address", network(address)),
    }
    if not await runtime.write(_counted, keys, runtime.skew):
        return SignIn("wait")
    found = await runtime.read(_by_login, staff.login)
    return SignIn("in" if found and await holds(found[2], password) else "wrong")


def change_password(held: Session, password_hash: str, token: str) -> Plan[None]:
    """Plan: change the password; every session ends, and a new one with the secret `token` goes on."""
    (time,) = yield [NOW()]
    staff, now = held.staff, time[0][0]
    return Commit(
        None,
        [
            _PASSWORD(account=staff.id, password=password_hash),
            SIGN_OUT_EVERYWHERE(account=staff.id),
            _OPEN(digest=digest(token), staff_id=staff.id, waits=0, created_at=now, seen_at=now),
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
