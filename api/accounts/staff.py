"""People who work at the console: their accounts, roles and one-time links to choose a password."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, delete, insert, null, select, update

from api.accounts.attempts import used
from api.accounts.audit import entry
from api.accounts.roll import legible
from api.database import tables
from api.database.clock import NOW
from api.database.plans import Call, Commit, Plan, Query, Rows
from api.ids import digest, new_id
from api.problems import Problem
from api.sittings.timing import SECOND
from cat_engine.errors import InputError

__all__ = [
    "LINK_LIFETIME",
    "ROLES",
    "SIGN_OUT_EVERYWHERE",
    "Account",
    "Staff",
    "accounts",
    "add",
    "choose",
    "linked",
    "normal",
    "remove",
    "renew",
    "roles_of",
    "set_roles",
]

ROLES = {
    "hr": "invite people, see and export their results",
    "jury": "answer contests, decide interruptions that wait for a person",
    "psychometrician": "see the published tests and their evidence",
    "operator": "manage accounts and programs, read the audit log",
}
"""Every role and what it may do, in its own organisation."""

LINK_LIFETIME = 3 * 86_400 * SECOND
"""How long a one-time link holds, in microseconds."""

_LOGIN = re.compile(r"[^\s@\x00]{1,100}@[^\s@\x00]{1,150}")

_staff = tables.staff
_COLUMNS = (
    _staff.c.id,
    _staff.c.organisation_id,
    _staff.c.name,
    _staff.c.login,
    _staff.c.roles,
    _staff.c.created_at,
    _staff.c.password_hash.is_not(None),
    _staff.c.totp_secret.is_not(None),
)
_HERE = _staff.c.removed_at.is_(None)
_ALL = Query(select(*_COLUMNS).where(_HERE).order_by(_staff.c.organisation_id, _staff.c.login))
_THEIRS = Query(
    select(*_COLUMNS)
    .where(_HERE, _staff.c.organisation_id == bindparam("organisation"))
    .order_by(_staff.c.login)
)
_ONE = Query(
    select(*_COLUMNS).where(
        _HERE, (_staff.c.id == bindparam("account")) | (_staff.c.login == bindparam("login"))
    )
)
_BY_LINK = Query(
    select(
        _staff.c.id, _staff.c.organisation_id, _staff.c.login, _staff.c.name, _staff.c.link_expires_at
    ).where(_HERE, _staff.c.link_digest == bindparam("link"))
)
_ORGANISATION = Query(select(tables.organisation.c.id).where(tables.organisation.c.id == bindparam("id")))
_INSERT_ORGANISATION = Query(insert(tables.organisation))
_INSERT = Query(insert(_staff))
_LINK = Query(
    update(_staff)
    .where(_staff.c.id == bindparam("account"))
    .values(
        password_hash=null(),
        totp_secret=null(),
        totp_step=null(),
        link_digest=bindparam("link"),
        link_expires_at=bindparam("expires_at"),
    )
)
_CHOOSE = Query(
    update(_staff)
    .where(_staff.c.id == bindparam("account"), _staff.c.link_digest == bindparam("link"))
    .values(password_hash=bindparam("password"), link_digest=null(), link_expires_at=null())
)
_ROLES = Query(update(_staff).where(_staff.c.id == bindparam("account")).values(roles=bindparam("to")))
_REMOVE = Query(
    update(_staff)
    .where(_staff.c.id == bindparam("account"))
    .values(
        login=null(),
        password_hash=null(),
        totp_secret=null(),
        totp_step=null(),
        link_digest=null(),
        link_expires_at=null(),
        removed_at=bindparam("at"),
    )
)
SIGN_OUT_EVERYWHERE = Query(
    delete(tables.staff_session).where(tables.staff_session.c.staff_id == bindparam("account"))
)


@dataclass(frozen=True, slots=True)
class Staff:
    """Somebody who is signed in.

    Attributes
    ----------
    second_step
        Whether the account asks for a code after the password.
    """

    id: str
    organisation: str
    organisation_name: str
    name: str
    login: str
    roles: frozenset[str]
    second_step: bool


@dataclass(frozen=True, slots=True)
class Account:
    """An account as those see it who manage it."""

    id: str
    organisation: str
    name: str
    login: str
    roles: tuple[str, ...]
    created_at: int
    ready: bool
    """Whether a password was chosen."""
    second_step: bool


def normal(login: str) -> str:
    """Return a login as it is stored: capitals and surrounding blanks do not matter."""
    return login.strip().lower()


def roles_of(names: Iterable[str]) -> str:
    """Return roles as they are stored.

    Raises
    ------
    InputError
        When one is not known, or there is none.
    """
    given = set(names)
    if not given or not given <= set(ROLES):
        unknown = ", ".join(sorted(given - set(ROLES))) or "none"
        raise InputError(f"expected roles among {', '.join(ROLES)}, got {unknown}; give one at least")
    return " ".join(role for role in ROLES if role in given)


def _account(row: tuple[Any, ...]) -> Account:
    id, organisation, name, login, roles, created_at, ready, second_step = row
    return Account(
        id, organisation, name, login, tuple(roles.split()), created_at, bool(ready), bool(second_step)
    )


def accounts(organisation: str | None = None) -> Plan[list[Account]]:
    """Plan: the accounts of an organisation, or of all."""
    (rows,) = yield [_ALL() if organisation is None else _THEIRS(organisation=organisation)]
    return Commit([_account(row) for row in rows])


def add(
    organisation: str,
    name: str,
    login: str,
    roles: str,
    link: str,
    by: str | None,
    organisation_name: str | None = None,
) -> Plan[Account]:
    """Plan: make an account whose password is chosen by a one-time link.

    Parameters
    ----------
    roles
        As `roles_of` writes them.
    link
        A new secret, to stand in the link.
    by
        The account that does it; None for the command line.
    organisation_name
        Of an organisation that is made where there is none of that code.

    Raises
    ------
    Problem
        ``malformed``; ``conflict`` when the login is taken; ``not_found`` without the organisation.
    """
    login, name = normal(login), " ".join(name.split())
    if not _LOGIN.fullmatch(login):
        raise Problem("malformed", "Expected an e-mail address as login, like alice.martin@example.org.")
    if not 1 <= len(name) <= 200 or not legible(name):
        raise Problem("malformed", "Expected a name of 1 to 200 characters, none of which controls text.")
    known, taken, time = yield [_ORGANISATION(id=organisation), _ONE(account="", login=login), NOW()]
    if taken:
        raise Problem("conflict", "There is an account with this login already; give another login.")
    if not known and organisation_name is None:
        raise Problem("not_found", f"There is no organisation '{organisation}'.")
    now, id = time[0][0], new_id()
    writes = []
    if not known:
        writes.append(_INSERT_ORGANISATION(id=organisation, name=organisation_name, created_at=now))
    writes.append(
        _INSERT(
            id=id,
            organisation_id=organisation,
            name=name,
            login=login,
            roles=roles,
            password_hash=None,
            totp_secret=None,
            totp_step=None,
            link_digest=digest(link),
            link_expires_at=now + LINK_LIFETIME,
            created_at=now,
            removed_at=None,
        )
    )
    writes.append(entry(organisation, by, "account.added", id, now))
    made = Account(id, organisation, name, login, tuple(roles.split()), now, False, False)
    return Commit(made, writes)


def _known(
    account: str, organisation: str | None
) -> Generator[Sequence[Call], list[Rows], tuple[Account, int]]:
    rows, time = yield [_ONE(account=account, login=normal(account)), NOW()]
    found = [one for one in map(_account, rows) if organisation in (None, one.organisation)]
    if not found:
        raise Problem("not_found", f"There is no account '{account}'; 'acquis staff list' names them.")
    return found[0], time[0][0]


def renew(account: str, link: str, by: str | None, organisation: str | None = None) -> Plan[Account]:
    """Plan: give an account (by its identifier or login) another link, and nobody signs in until it is used.

    The password and the second step are forgotten, and the account is signed out everywhere.

    Raises
    ------
    Problem
        ``not_found``, also in another organisation than the one named.
    """
    found, now = yield from _known(account, organisation)
    return Commit(
        found,
        [
            _LINK(account=found.id, link=digest(link), expires_at=now + LINK_LIFETIME),
            SIGN_OUT_EVERYWHERE(account=found.id),
            entry(found.organisation, by, "account.reset", found.id, now),
        ],
    )


def set_roles(account: str, roles: str, by: str, organisation: str) -> Plan[Account]:
    """Plan: give an account other roles, as `roles_of` writes them; it is signed out, and has them after.

    Raises
    ------
    Problem
        ``not_found``; ``conflict`` for one's own: who manages accounts cannot lose that by a slip.
    """
    found, now = yield from _known(account, organisation)
    if found.id == by:
        raise Problem("conflict", "Nobody changes their own roles; ask another operator.")
    if found.roles == tuple(roles.split()):
        return Commit(found)
    return Commit(
        found,
        [
            _ROLES(account=found.id, to=roles),
            SIGN_OUT_EVERYWHERE(account=found.id),
            entry(found.organisation, by, "account.roles", f"{found.id} {roles}", now),
        ],
    )


def remove(account: str, by: str | None, organisation: str | None = None) -> Plan[Account]:
    """Plan: remove an account; its name stays for the audit log, its login is free again.

    Raises
    ------
    Problem
        ``not_found``; ``conflict`` when somebody removes their own.
    """
    found, now = yield from _known(account, organisation)
    if found.id == by:
        raise Problem("conflict", "Nobody removes their own account; ask another operator.")
    return Commit(
        found,
        [
            _REMOVE(account=found.id, at=now),
            SIGN_OUT_EVERYWHERE(account=found.id),
            entry(found.organisation, by, "account.removed", found.id, now),
        ],
    )


def _link(link: str) -> Generator[Sequence[Call], list[Rows], tuple[str, str, str, str, int]]:
    rows, time = yield [_BY_LINK(link=digest(link)), NOW()]
    if not rows or time[0][0] >= rows[0][4]:
        raise Problem("code_expired", "Ask whoever manages the accounts for a new link.")
    id, organisation, login, name, _ = rows[0]
    return id, organisation, login, name, time[0][0]


def linked(link: str) -> Plan[tuple[str, str]]:
    """Plan: the login and name of the account whose one-time link this is.

    Raises
    ------
    Problem
        ``code_expired`` when it was used, renewed or is too old.
    """
    _, _, login, name, _ = yield from _link(link)
    return Commit((login, name))


def choose(link: str, password_hash: str) -> Plan[str]:
    """Plan: set the password of the account whose link this is, once; the account.

    Raises
    ------
    Problem
        ``code_expired``
    """
    id, organisation, _, _, now = yield from _link(link)
    return Commit(
        id,
        [
            used(digest(link), now),
            _CHOOSE(account=id, link=digest(link), password=password_hash),
            SIGN_OUT_EVERYWHERE(account=id),
            entry(organisation, id, "password.chosen", id, now),
        ],
    )
