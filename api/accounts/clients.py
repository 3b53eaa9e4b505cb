"""OAuth2 client credentials (RFC 6749, section 4.4): programs that act for an organisation."""

from __future__ import annotations

import hmac
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jwt
from sqlalchemy import bindparam, insert, select, update

from api.database import tables
from api.database.clock import NOW
from api.database.plans import Call, Commit, Plan, Query, Rows
from api.ids import digest, new_id
from api.problems import Problem
from api.sittings.timing import SECOND

if TYPE_CHECKING:
    from api.runtime import Runtime

__all__ = [
    "LIFETIME",
    "SCOPES",
    "Client",
    "Clients",
    "Registered",
    "add",
    "authorise",
    "disable",
    "register",
    "registered",
    "renew",
    "token_for",
]

SCOPES = {
    "results:read": "Read the organisation's results.",
    "invitations:write": "Invite people to tests.",
    "webhooks:write": "Say where the organisation is told of results.",
    "sittings:supervise": "Set items aside, give time, end sittings.",
    "sections:run": "Run adaptive sections for another test player (1EdTech CAT).",
}
"""Every scope and what it allows."""

LIFETIME = 600
"""Seconds that an access token lasts."""

_MEMORY = 5.0
"""Seconds for which a worker trusts what it knows of a client: a disabled one is out after this."""

_CLIENT = Query(
    select(
        tables.client.c.organisation_id,
        tables.client.c.secret_digest,
        tables.client.c.scopes,
        tables.client.c.disabled_at,
    ).where(tables.client.c.id == bindparam("id"))
)
_NAME = Query(
    select(tables.client.c.organisation_id, tables.client.c.name).where(tables.client.c.id == bindparam("id"))
)
_INSERT = Query(insert(tables.client))
_ORGANISATION = Query(select(tables.organisation.c.id).where(tables.organisation.c.id == bindparam("id")))
_INSERT_ORGANISATION = Query(insert(tables.organisation))

_ALL = Query(
    select(
        tables.client.c.id,
        tables.client.c.organisation_id,
        tables.client.c.name,
        tables.client.c.scopes,
        tables.client.c.created_at,
        tables.client.c.disabled_at,
    ).order_by(tables.client.c.organisation_id, tables.client.c.created_at, tables.client.c.id)
)
_RENEW = Query(
    update(tables.client)
    .where(tables.client.c.id == bindparam("client"))
    .values(secret_digest=bindparam("secret"))
)
_DISABLE = Query(
    update(tables.client).where(tables.client.c.id == bindparam("client")).values(disabled_at=bindparam("at"))
)

_NOBODY = digest("")


@dataclass(frozen=True, slots=True)
class Client:
    """A client that has shown a valid access token, and what the token allows."""

    id: str
    organisation: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Registered:
    """A registered client."""

    organisation: str
    secret_digest: str
    scopes: frozenset[str]
    disabled: bool


def register(
    organisation: str, organisation_name: str, name: str, id: str, secret: str, scopes: str
) -> Plan[str]:
    """Plan: register a client of an organisation, which is made when it is new; leave one that exists."""
    known, client, time = yield [_ORGANISATION(id=organisation), _CLIENT(id=id), NOW()]
    now = time[0][0]
    writes = []
    if not known:
        writes.append(_INSERT_ORGANISATION(id=organisation, name=organisation_name, created_at=now))
    if not client:
        writes.append(
            _INSERT(
                id=id,
                organisation_id=organisation,
                name=name,
                secret_digest=digest(secret),
                scopes=scopes,
                created_at=now,
                disabled_at=None,
            )
        )
    return Commit(id, writes)


def add(organisation: str, organisation_name: str, name: str, id: str, secret: str, scopes: str) -> Plan[str]:
    """Plan: register a new client; refuse an identifier that is taken.

    Raises
    ------
    Problem
        ``conflict``
    """
    (known,) = yield [_CLIENT(id=id)]
    if known:
        raise Problem("conflict", f"There is a client '{id}' already; choose another identifier.")
    return (yield from register(organisation, organisation_name, name, id, secret, scopes))


def registered(organisation: str | None = None) -> Plan[list[dict[str, Any]]]:
    """Plan: the clients of an organisation, or all, without what is known of their secrets."""
    (found,) = yield [_ALL()]
    rows = [row for row in found if organisation in (None, row[1])]
    names = ("id", "organisation", "name", "scopes", "created_at", "disabled_at")
    return Commit([dict(zip(names, row, strict=True)) | {"scopes": row[3].split()} for row in rows])


def renew(id: str, secret: str, organisation: str | None = None) -> Plan[str]:
    """Plan: give a client another secret; its name.

    Raises
    ------
    Problem
        ``not_found``, also in another organisation than the one named.
    """
    name, _ = yield from _known(id, organisation)
    return Commit(name, [_RENEW(client=id, secret=digest(secret))])


def disable(id: str, organisation: str | None = None) -> Plan[None]:
    """Plan: shut a client out; workers know it within seconds.

    Raises
    ------
    Problem
        ``not_found``, also in another organisation than the one named.
    """
    _, now = yield from _known(id, organisation)
    return Commit(None, [_DISABLE(client=id, at=now)])


def _known(id: str, organisation: str | None) -> Generator[Sequence[Call], list[Rows], tuple[str, int]]:
    rows, time = yield [_NAME(id=id), NOW()]
    if not rows or organisation not in (None, rows[0][0]):
        raise Problem("not_found", f"There is no client '{id}'; 'acquis client list' names them.")
    return rows[0][1], int(time[0][0])


def _registered(runtime: Runtime, id: str) -> Plan[Registered | None]:
    rows, time = yield [_CLIENT(id=id), NOW()]
    runtime.clock.heard(time[0][0])
    if not rows:
        return Commit(None)
    organisation, secret_digest, scopes, disabled_at = rows[0]
    return Commit(Registered(organisation, secret_digest, frozenset(scopes.split()), disabled_at is not None))


class Clients:
    """What a worker knows of clients, for a few seconds."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, Registered | None]] = {}

    async def get(self, runtime: Runtime, id: str) -> Registered | None:
        """Return the client called `id`, or None."""
        now = time.monotonic()
        known = self._known.get(id)
        if known is None or known[0] < now:
            if len(self._known) > 1000:
                self._known.clear()
            known = self._known[id] = (now + _MEMORY, await runtime.read(_registered, runtime, id))
        return known[1]


async def token_for(runtime: Runtime, id: str, secret: str, scope: str) -> tuple[str, str]:
    """Return an access token and its scope.

    Parameters
    ----------
    scope
        Parted by spaces; empty: all that the client may have.

    Raises
    ------
    Problem
        ``invalid_client``, ``invalid_scope``
    """
    client = await runtime.read(_registered, runtime, id[:100]) if "\0" not in id else None
    right = hmac.compare_digest(client.secret_digest if client else _NOBODY, digest(secret))
    if client is None or client.disabled or not right:
        raise Problem("invalid_client", "Check the client identifier and its secret.")
    wanted = frozenset(scope.split()) or client.scopes
    if not wanted <= client.scopes:
        raise Problem("invalid_scope", f"This client may have: {' '.join(sorted(client.scopes))}.")
    now = await runtime.now() // SECOND
    granted = " ".join(sorted(wanted))
    claims = {
        "iss": runtime.settings.base_url,
        "aud": runtime.settings.base_url,
        "sub": id,
        "client_id": id,
        "scope": granted,
        "iat": now,
        "exp": now + LIFETIME,
        "jti": new_id(),
    }
    token = jwt.encode(claims, runtime.access_key, "HS256", headers={"typ": "at+jwt"})
    return token, granted


async def authorise(runtime: Runtime, token: str, scope: str = "") -> Client:
    """Return the client behind an access token that allows `scope` (empty: whatever it allows).

    Raises
    ------
    Problem
        ``unauthenticated``, ``forbidden``
    """
    try:
        claims = jwt.decode(
            token,
            runtime.access_key,
            ["HS256"],
            audience=runtime.settings.base_url,
            issuer=runtime.settings.base_url,
            options={
                "require": ["exp", "sub", "scope"],
                "verify_exp": False,  # below, by the database's clock: this machine's may be wrong
                "verify_iat": False,
            },
        )
    except jwt.InvalidTokenError as error:
        raise Problem("unauthenticated", "Fetch a new access token.") from error
    client = await runtime.clients.get(runtime, claims["sub"])
    if await runtime.now() >= claims["exp"] * SECOND:
        raise Problem("unauthenticated", "Fetch a new access token.")
    if client is None or client.disabled:
        raise Problem("unauthenticated", "This client was disabled.")
    scopes = frozenset(claims["scope"].split()) & client.scopes
    if scope and scope not in scopes:
        raise Problem("forbidden", f"Ask for a token with the scope {scope}.")
    return Client(claims["sub"], client.organisation, scopes)
