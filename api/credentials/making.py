"""Making the badge of a result when somebody asks for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, select

from api.credentials import proof
from api.credentials.did import did_of
from api.credentials.document import Place, badge
from api.credentials.lists import placed
from api.credentials.turns import turns
from api.database import tables
from api.database.plans import Commit, Plan, Query
from api.keys.signing import SigningKey
from api.keys.store import signer
from api.moments import from_iso
from api.problems import Problem

if TYPE_CHECKING:
    from api.runtime import Runtime

__all__ = ["made", "of_organisation"]

_CLAIMS = Query(
    select(tables.result.c.document).where(
        tables.result.c.organisation_id == bindparam("organisation"), tables.result.c.id == bindparam("id")
    )
)


def of_organisation(organisation: str, id: str) -> Plan[Mapping[str, Any]]:
    """Plan: the claims of a result of an organisation.

    Raises
    ------
    Problem
        ``not_found``, also when the result was erased.
    """
    (rows,) = yield [_CLAIMS(organisation=organisation, id=id)]
    if not rows or rows[0][0] is None:
        raise Problem("not_found", "There is no such result, or it was erased.")
    return Commit(json.loads(rows[0][0]))


async def made(runtime: Runtime, claims: Mapping[str, Any], language: str) -> str:
    """Return the signed badge of a result, as JSON; the same to the byte while the same key signs.

    Its issuer is this deployment as it is called now: there its DID document and its status list are.
    """
    place = await runtime.write(placed, claims["id"])
    key = await runtime.read(signer, runtime.keyring)
    here = {**claims, "issuer": runtime.settings.base_url}
    return await turns(_signed, runtime, key, here, place, language)


def _signed(runtime: Runtime, key: SigningKey, claims: Mapping[str, Any], place: Place, language: str) -> str:
    def salt(kind: str) -> str:
        return runtime.mac("badge salt", f"{claims['id']} {kind}")[:32]

    unsigned = badge(claims, place, language, salt)
    signed = proof.sign(unsigned, key, did_of(claims["issuer"]), from_iso(claims["issued_at"]))
    return json.dumps(signed, ensure_ascii=False, indent=1)
