"""The status list: which results no longer stand, signed, for whoever verifies a file without asking for it.

A result's own file cannot say what happened after it was signed. The list says it of all results at once, so
that nobody learns which one is being verified, and a copy of it works without a network. It names results by
their identifiers, which mean something only to who holds the file. A result that was erased is listed as
revoked: that its person asked for it is nobody's business.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import bindparam, select, text

from api.database import tables
from api.database.clock import NOW
from api.database.plans import Commit, Plan, Query
from api.keys.ring import Keyring
from api.keys.signing import BadSignature, verify
from api.keys.store import BELIEVED, believed
from api.moments import iso
from api.results.issue import encoded
from cat_engine.errors import InputError

__all__ = ["SCHEMA", "SIGNED", "Standing", "StatusList", "check", "listed", "standing"]

SCHEMA = "acquis/status-list/1"
SIGNED = "acquis/signed-status-list/1"
KIND = "acquis-status-list+jws"
"""The ``typ`` of the signature over a list."""

Standing = Literal["valid", "superseded", "revoked"]

_WITHDRAWN = Query(
    select(tables.result.c.id, tables.result.c.status)
    .where(text("status <> 'valid'"))  # as the index has it
    .order_by(tables.result.c.id)
)
_ONE = Query(select(tables.result.c.status).where(tables.result.c.id == bindparam("id")))


def standing(id: str) -> Plan[tuple[Standing, int]]:
    """Plan: how one result of this deployment stands, as the list would say it, and the time."""
    rows, time = yield [_ONE(id=id), NOW()]
    return Commit((_standing(rows[0][0]) if rows else "valid", time[0][0]))


def _standing(status: str) -> Standing:
    """Return what the public is told of a result's stored status: not that its person had it erased."""
    match status:
        case "valid" | "superseded":
            return status
    return "revoked"


def listed(issuer: str, ring: Keyring) -> Plan[str]:
    """Plan: the signed list of this deployment, as it is now."""
    time, rows, keys = yield [NOW(), _WITHDRAWN(), BELIEVED()]
    key = ring.among(believed(keys))
    content = {
        "schema": SCHEMA,
        "issuer": issuer,
        "issued_at": iso(time[0][0]),
        "superseded": [id for id, status in rows if _standing(status) == "superseded"],
        "revoked": [id for id, status in rows if _standing(status) == "revoked"],
    }
    return Commit(json.dumps({"schema": SIGNED, "jws": key.sign(encoded(content).encode(), KIND)}))


@dataclass(frozen=True, slots=True)
class StatusList:
    """A list whose signature holds."""

    issuer: str
    issued_at: str
    superseded: frozenset[str]
    revoked: frozenset[str]

    def of(self, result: Mapping[str, Any]) -> Standing:
        """Return how a result stood when the list was made.

        Raises
        ------
        BadSignature
            When the list is another issuer's.
        InputError
            When it was made before the result.
        """
        if result["issuer"] != self.issuer:
            raise BadSignature(f"the status list is of {self.issuer}, the result of {result['issuer']}")
        if self.issued_at < result["issued_at"]:
            raise InputError(
                f"expected a status list made after the result ({result['issued_at']}), "
                f"got one of {self.issued_at}; fetch a new one from {self.issuer}/verify/status.json"
            )
        if result["id"] in self.revoked:
            return "revoked"
        return "superseded" if result["id"] in self.superseded else "valid"


def check(content: Any, keys: Mapping[str, Ed25519PublicKey]) -> StatusList:
    """Return the list that the JSON of a file holds when its signature holds under one of `keys`.

    Raises
    ------
    InputError
        When it is no status list.
    BadSignature, api.keys.signing.UnknownKey
        When its signature does not hold.
    """
    if (
        not isinstance(content, dict)
        or content.get("schema") != SIGNED
        or not isinstance(content.get("jws"), str)
    ):
        raise InputError(
            f'expected a status list with "schema": "{SIGNED}", got something else; '
            "give the file from the issuer's /verify/status.json, or for a badge the list that it names"
        )
    claims = json.loads(verify(content["jws"], keys, KIND))
    if claims.get("schema") != SCHEMA:
        raise BadSignature(f"what was signed is not a status list ({SCHEMA})")
    return StatusList(
        claims["issuer"], claims["issued_at"], frozenset(claims["superseded"]), frozenset(claims["revoked"])
    )
