"""The public keys of this deployment, past ones included."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import bindparam, insert, select

from api.database import tables
from api.database.clock import NOW
from api.database.plans import Commit, Plan, Query

__all__ = ["key_set", "record"]

_KEYS = Query(select(tables.signing_key.c.jwk).order_by(tables.signing_key.c.created_at.desc()))
_KNOWN = Query(select(tables.signing_key.c.kid).where(tables.signing_key.c.kid == bindparam("kid")))
_INSERT = Query(insert(tables.signing_key))


def record(jwk: Mapping[str, str]) -> Plan[None]:
    """Plan: keep the public half of the key that this server signs with."""
    known, time = yield [_KNOWN(kid=jwk["kid"]), NOW()]
    if known:
        return Commit(None)
    row = _INSERT(kid=jwk["kid"], jwk=json.dumps(dict(jwk)), created_at=time[0][0], retired_at=None)
    return Commit(None, [row])


def key_set() -> Plan[dict[str, Any]]:
    """Plan: every public key as a JWK set (RFC 7517), the newest first."""
    (rows,) = yield [_KEYS()]
    return Commit({"keys": [json.loads(row[0]) for row in rows]})
