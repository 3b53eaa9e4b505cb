"""Data Integrity proofs: cryptosuite eddsa-rdfc-2022 (W3C vc-di-eddsa 1.0, 3.2), by `openbadgeslib`.

What is signed are the RDF statements that a document expands to under its contexts: canonical N-Quads
(RDFC-1.0), hashed, the hash of the proof's own options in front. The library brings the contexts on disk,
never fetches one, and bounds what hostile documents may cost. It is loaded when a badge is first made or
checked, not before.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from api.keys.signing import BadSignature, SigningKey, UnknownKey
from api.moments import iso

__all__ = ["check", "sign"]


def sign(document: Mapping[str, Any], key: SigningKey, issuer: str, created: int) -> dict[str, Any]:
    """Return `document` with the proof of `key`, which is named ``issuer#kid``; the same bits every time.

    `created` is in microseconds since 1970 (UTC).
    """
    from openbadgeslib.ob3 import add_data_integrity_proof

    signed: dict[str, Any] = add_data_integrity_proof(
        dict(document), key.private, f"{issuer}#{key.kid}", created=datetime.fromisoformat(iso(created))
    )
    return {**signed, "proof": [signed["proof"]]}


def check(document: dict[str, Any], issuer: str, keys: Mapping[str, Ed25519PublicKey]) -> str:
    """Return the ``kid`` of the issuer's key whose proof `document` carries.

    Its statements are compared, not its text: whoever calls this makes sure that nothing stands in the text
    that the contexts do not define (`api.credentials.shapes`).

    Raises
    ------
    BadSignature
        When the proof does not hold, or is by a key that is not the issuer's.
    UnknownKey
        When it names a key that is not among `keys`.
    """
    from openbadgeslib.ob3 import (
        OB3GuardUnavailable,
        OB3VerificationError,
        verify_data_integrity_proof,
    )

    method: str = document["proof"][0]["verificationMethod"]
    owner, _, kid = method.partition("#")
    if owner != issuer:
        raise BadSignature(f"its proof is by a key of {owner!a}, not of its issuer")
    if kid not in keys:
        raise UnknownKey(ascii(kid).strip("'"))
    try:
        verify_data_integrity_proof(document, keys[kid])
    except OB3GuardUnavailable:  # it is not the badge that is broken
        raise
    except OB3VerificationError as error:
        raise BadSignature("the proof does not belong to this content") from error
    return kid
