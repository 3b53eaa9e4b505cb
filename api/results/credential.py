"""The signed result as a file, and how anyone verifies it without us.

The file holds the claims in plain sight and the signature over them as a compact JWS whose payload is
those same claims. Verification asks that both say the same and that nothing else stands there: there is no
second place from which a reader could take something that was not signed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from api.keys.ring import Keyring
from api.keys.signing import BadSignature, verify
from api.results.claims import SCHEMA as CLAIMS
from api.results.issue import CREDENTIAL, encoded
from cat_engine.errors import InputError

__all__ = [
    "SCHEMA",
    "Verified",
    "check",
    "expired",
    "formed",
    "issuer_of",
    "pack",
    "parse",
    "read",
    "signature",
    "stored",
]

SCHEMA = "acquis/signed-result/1"
_FIELDS = {"schema", "result", "jws"}


def pack(document: str, jws: str) -> str:
    """Return the file around stored claims and their signature."""
    return f'{{"schema":"{SCHEMA}","result":{document},"jws":"{jws}"}}'


def signature(document: str, jws: str, kids: Sequence[str], ring: Keyring | None) -> str | None:
    """Return the signature of a stored result; where its key is not among `kids` any more, it is signed anew.

    Claims are believed for standing in the database: they follow from the sitting's log, whoever signed them.
    Where there is no `ring` to sign with, no signature is better than one that is not believed.
    """
    if json.loads(_header(jws))["kid"] in kids:
        return jws
    return None if ring is None else ring.among(kids).sign(document.encode(), CREDENTIAL)


def stored(document: str, jws: str, kids: Sequence[str], ring: Keyring) -> str:
    """Return the file of a stored result, with a `signature` that is believed."""
    return pack(document, signature(document, jws, kids, ring) or jws)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise BadSignature("a key stands twice, so that two readers could read two things")
    return dict(pairs)


def read(text: str, what: str = "a signed result") -> Any:
    """Return the JSON of a signed file, which is `what`.

    Raises
    ------
    InputError
        When it is not JSON.
    BadSignature
        When it can be read in two ways.
    """
    try:
        return json.loads(text, object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError) as error:
        raise InputError(f"expected {what} (JSON), got something that is not JSON: {error}") from error


def parse(text: str) -> dict[str, Any]:
    """Return the content of a signed result, as `read` and `formed` do."""
    return formed(read(text))


def formed(content: Any) -> dict[str, Any]:
    """Return the content of a signed result that was read.

    Raises
    ------
    InputError
        When it is not a signed result at all.
    BadSignature
        When it is one that was tampered with beyond doubt.
    """
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise InputError(
            f'expected a signed result with "schema": "{SCHEMA}", got something else; '
            "give a file downloaded from the result's page or from /api/v1/results/ID/credential or /badge"
        )
    if (
        set(content) != _FIELDS
        or not isinstance(content["result"], dict)
        or not isinstance(content["jws"], str)
    ):
        raise BadSignature("it has not exactly the fields schema, result and jws")
    return content


def issuer_of(content: Mapping[str, Any]) -> str:
    """Return the issuer that the file claims, not verified yet."""
    issuer = content["result"].get("issuer")
    return issuer if isinstance(issuer, str) else ""


def expired(claims: Mapping[str, Any], at: str) -> bool:
    """Return whether claims no longer hold at a moment (ISO 8601 in UTC); the last day is one of theirs."""
    return at[:10] > str(claims["valid_until"])


@dataclass(frozen=True, slots=True)
class Verified:
    """Claims whose signature holds, and the key that made it."""

    claims: Mapping[str, Any]
    kid: str


def check(content: Mapping[str, Any], keys: Mapping[str, Ed25519PublicKey]) -> Verified:
    """Return the claims of a parsed file when its signature holds under one of `keys`.

    Raises
    ------
    BadSignature
        When it does not.
    api.keys.signing.UnknownKey
        When it names a key that is not among `keys`.
    """
    payload = verify(content["jws"], keys, CREDENTIAL)
    claims = json.loads(payload, object_pairs_hook=_no_duplicates)
    if not isinstance(claims, dict) or claims.get("schema") != CLAIMS:
        raise BadSignature(f"what was signed is not a result ({CLAIMS})")
    try:
        same = encoded(claims) == encoded(content["result"])
    except RecursionError:  # nested as deep as can just be read
        same = False
    if not same:
        raise BadSignature("the result in plain sight is not the one that was signed")
    header = json.loads(_header(content["jws"]))
    return Verified(claims, header["kid"])


def _header(jws: str) -> bytes:
    import base64

    part = jws.split(".")[0]
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
