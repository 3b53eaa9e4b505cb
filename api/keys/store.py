"""The public keys of this deployment, past ones included: which one signs, which are believed.

The newest key that is not revoked signs, from the commit that names it on and on every server. A key that was
retired stays published, so that what it has signed still verifies. A revoked one is believed no more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from api.database import tables
from api.database.clock import NOW
from api.database.plans import Call, Commit, Plan, Query, Rows
from api.keys.ring import Keyring
from api.keys.signing import SigningKey
from api.moments import iso
from api.problems import Problem

__all__ = ["BELIEVED", "believed", "key_set", "listed", "record", "revoke", "rotate", "signer"]

_key = tables.signing_key
_NEWEST_FIRST = (_key.c.created_at.desc(), _key.c.kid)
_ALL = Query(
    select(_key.c.kid, _key.c.jwk, _key.c.created_at, _key.c.retired_at, _key.c.revoked_at).order_by(
        *_NEWEST_FIRST
    )
)
_INSERT = Query(insert(_key))
_RETIRE = Query(update(_key).where(_key.c.retired_at.is_(None)).values(retired_at=bindparam("at")))
_REVOKE = Query(update(_key).where(_key.c.kid == bindparam("revoked")).values(revoked_at=bindparam("at")))
BELIEVED = Query(select(_key.c.kid).where(_key.c.revoked_at.is_(None)).order_by(*_NEWEST_FIRST))
"""What a plan that signs asks: the keys that are believed, the one that signs first."""


def believed(rows: Rows) -> list[str]:
    """Return the answer to `BELIEVED`: the keys' ``kid``, the one that signs first."""
    return [kid for (kid,) in rows]


def signer(ring: Keyring) -> Plan[SigningKey]:
    """Plan: the key to sign with now."""
    (rows,) = yield [BELIEVED()]
    return Commit(ring.among(believed(rows)))


def record(jwk: Mapping[str, str]) -> Plan[None]:
    """Plan: keep the public half of the key of ``signing-key.pem``; one that is new signs from now on."""
    rows, time = yield [_ALL(), NOW()]
    if any(row[0] == jwk["kid"] for row in rows):
        return Commit(None)
    return Commit(None, _succeeding(jwk, rows, time[0][0]))


def _succeeding(jwk: Mapping[str, str], rows: Rows, now: int) -> list[Call]:
    """Return the writes after which a new key signs, and the others do not."""
    at = max([now, *(row[2] + 1 for row in rows[:1])])  # the newest, whatever the clock has done
    new = _INSERT(kid=jwk["kid"], jwk=json.dumps(dict(jwk)), created_at=at, retired_at=None, revoked_at=None)
    return [_RETIRE(at=now), new]


def rotate(jwk: Mapping[str, str]) -> Plan[None]:
    """Plan: sign with a new key from now on; the former ones stay published."""
    rows, time = yield [_ALL(), NOW()]
    return Commit(None, _succeeding(jwk, rows, time[0][0]))


def revoke(kid: str, successor: Mapping[str, str] | None) -> Plan[None]:
    """Plan: believe a key no more; `successor` signs from now on where it was the one that signs.

    Raises
    ------
    Problem
        ``not_found``; ``conflict`` when it is revoked already, or signs and has no successor.
    """
    rows, time = yield [_ALL(), NOW()]
    now = time[0][0]
    found = [row for row in rows if row[0] == kid]
    if not found:
        raise Problem("not_found", f"There is no key '{kid}'; 'acquis key list' names them.")
    if found[0][4] is not None:
        raise Problem("conflict", f"The key '{kid}' is revoked already.")
    writes = [_REVOKE(revoked=kid, at=now)]
    if successor is not None:
        writes = [*_succeeding(successor, rows, now), *writes]
    elif next(row[0] for row in rows if row[4] is None) == kid:
        raise Problem("conflict", f"The key '{kid}' signs; revoke it with another to follow.")
    return Commit(None, writes)


def listed() -> Plan[list[dict[str, Any]]]:
    """Plan: every key, the newest first: ``kid``, ``state`` (signs, retired, revoked) and moments (us)."""
    (rows,) = yield [_ALL()]
    signs = next((row[0] for row in rows if row[4] is None), "")
    return Commit(
        [
            {
                "kid": kid,
                "state": "revoked" if revoked is not None else "signs" if kid == signs else "retired",
                "created_at": created,
                "retired_at": retired,
                "revoked_at": revoked,
            }
            for kid, _, created, retired, revoked in rows
        ]
    )


def key_set(every: bool = False) -> Plan[dict[str, Any]]:
    """Plan: the believed public keys as a JWK set (RFC 7517), the newest first.

    Revoked ones are named beside them, in a member that readers of JWK sets ignore (RFC 7517, 5); with
    `every`, for a look at what is stored here, they are among the keys.
    """
    (rows,) = yield [_ALL()]
    gone = [_revoked(row) for row in rows if row[4] is not None]
    keys = [json.loads(row[1]) for row in rows if every or row[4] is None]
    return Commit({"keys": keys, **({"revoked": gone} if gone else {})})


def _revoked(row: Sequence[Any]) -> dict[str, str]:
    jwk = json.loads(row[1])
    return {"kid": row[0], "x": jwk["x"], "revoked_at": iso(row[4])}
