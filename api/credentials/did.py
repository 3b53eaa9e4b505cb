"""The issuer's name for other programs: ``did:web``, the base address written as a DID, and its document.

The document lists every public key that this deployment has signed with, past ones included: a badge names
its key by the fragment, which is the key's thumbprint as in the JWK set.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cat_engine.errors import InputError

__all__ = ["CONTEXTS", "did_of", "document", "document_address", "keys_of", "multikey"]

CONTEXTS = ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"]
_METHOD = "did:web:"
_ED25519 = b"\xed\x01"
"""The multicodec of an Ed25519 public key, as a varint."""
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_LONGEST = 60


def did_of(base_url: str) -> str:
    """Return the DID of a base address: the port's colon is escaped, colons part the path (did:web, 3.2)."""
    parts = urlsplit(base_url)
    segments = [quote(segment, safe="-._~") for segment in parts.path.split("/") if segment]
    return _METHOD + ":".join([quote(parts.netloc.lower(), safe="-._~"), *segments])


def document_address(base_url: str) -> str:
    """Return where the DID document is: below ``/.well-known`` where there is no path (did:web, 3.2)."""
    return f"{base_url}/did.json" if urlsplit(base_url).path else f"{base_url}/.well-known/did.json"


def multikey(raw: bytes) -> str:
    """Return an Ed25519 public key as a Multikey value (Controlled Identifiers 1.0, 2.2.2)."""
    number, digits = int.from_bytes(_ED25519 + raw), ""
    while number:
        number, digit = divmod(number, 58)
        digits = _BASE58[digit] + digits
    return f"z{digits}"


def _raw(value: Any) -> bytes:
    if not isinstance(value, str) or not value.startswith("z") or len(value) > _LONGEST:
        raise ValueError("not a Multikey value in base 58")
    number = 0
    for digit in value[1:]:
        number = 58 * number + _BASE58.index(digit)
    content = number.to_bytes(34)
    if not content.startswith(_ED25519):
        raise ValueError("not an Ed25519 key")
    return content[2:]


def document(
    did: str, keys: Mapping[str, Ed25519PublicKey], revoked: Sequence[Mapping[str, str]] = ()
) -> dict[str, Any]:
    """Return the DID document with public keys by their ``kid``, each good for what was signed by it.

    Those of `revoked` (``kid``, ``x`` and ``revoked_at``, as the JWK set has them) say since when they are,
    and are good for nothing (Controlled Identifiers 1.0, 2.2).
    """

    def method(kid: str, raw: bytes) -> dict[str, Any]:
        return {
            "id": f"{did}#{kid}",
            "type": "Multikey",
            "controller": did,
            "publicKeyMultibase": multikey(raw),
        }

    methods = [method(kid, key.public_bytes_raw()) for kid, key in keys.items()]
    gone = [
        {**method(one["kid"], base64.urlsafe_b64decode(one["x"] + "=")), "revoked": one["revoked_at"]}
        for one in revoked
    ]
    return {
        "@context": CONTEXTS,
        "id": did,
        "verificationMethod": [*methods, *gone],
        "assertionMethod": [method["id"] for method in methods],
    }


def keys_of(content: Any) -> tuple[str, dict[str, Ed25519PublicKey]]:
    """Return whose DID document it is, and the keys that sign for it by their fragments.

    Keys of other kinds, of other controllers, and those that are not listed for assertions are left out.

    Raises
    ------
    InputError
        When it is no DID document, or none of its keys is left.
    """
    if not isinstance(content, Mapping) or not isinstance(content.get("id"), str):
        raise InputError("expected a DID document (a JSON object with 'id'), got something else")
    did = content["id"]
    listed, methods = content.get("assertionMethod"), content.get("verificationMethod")
    keys = {}
    for method in methods if isinstance(methods, list) else []:
        if not isinstance(method, Mapping) or method.get("controller") != did:
            continue
        name = method.get("id")
        if not isinstance(listed, list) or name not in listed or not isinstance(name, str):
            continue
        owner, _, fragment = name.partition("#")
        if owner != did or method.get("type") != "Multikey":
            continue
        try:
            keys[fragment] = Ed25519PublicKey.from_public_bytes(_raw(method.get("publicKeyMultibase")))
        except (ValueError, OverflowError):
            continue
    if not keys:
        raise InputError(
            f"expected an Ed25519 Multikey for assertions in the DID document of {did}, got none"
        )
    return did, keys
