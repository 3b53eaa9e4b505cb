"""Ed25519 signatures as compact JWS (RFC 7515, RFC 8037), and the keys as JWK.

Verification is stricter than JOSE asks for: EdDSA alone, no header that names another key or is critical,
and base64url in its one canonical form, so that no other text passes for the one that was signed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from api.keys.secret import store_once
from cat_engine.errors import InputError

__all__ = [
    "BadSignature",
    "SigningKey",
    "UnknownKey",
    "load_or_make",
    "pem_of",
    "public_keys",
    "revoked_keys",
    "thumbprint",
    "verify",
]

_ALGORITHMS = ("EdDSA", "Ed25519")  # RFC 8037 and its successor RFC 9864


class BadSignature(Exception):
    """The signature does not hold, or the text is not in the form that was signed."""


class UnknownKey(Exception):
    """The key that the signature names is not among those given."""

    def __init__(self, kid: str) -> None:
        self.kid = kid
        super().__init__(f"no public key '{kid}'")


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadSignature("a part of the signature is not base64url") from error
    if _encode(data) != text:
        raise BadSignature("a part of the signature is not in canonical base64url")
    return data


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """Return the key's thumbprint (RFC 7638), which is its ``kid``."""
    members = {name: jwk[name] for name in ("crv", "kty", "x")}
    return _encode(
        hashlib.sha256(json.dumps(members, separators=(",", ":"), sort_keys=True).encode()).digest()
    )


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key with its public JWK."""

    private: Ed25519PrivateKey
    jwk: Mapping[str, str]

    @staticmethod
    def of(private: Ed25519PrivateKey) -> SigningKey:
        """Return the signing key around `private`."""
        x = private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        jwk = {"kty": "OKP", "crv": "Ed25519", "x": _encode(x), "alg": "EdDSA", "use": "sig"}
        return SigningKey(private, {**jwk, "kid": thumbprint(jwk)})

    @staticmethod
    def new() -> SigningKey:
        """Return a new key whose name does not begin with a dash: commands would take it for an option."""
        while True:
            key = SigningKey.of(Ed25519PrivateKey.generate())
            if not key.kid.startswith("-"):
                return key

    @property
    def kid(self) -> str:
        """The key's identifier."""
        return self.jwk["kid"]

    def sign(self, payload: bytes, kind: str) -> str:
        """Return a compact JWS over `payload`; `kind` goes into the header as ``typ``."""
        header = json.dumps({"alg": "EdDSA", "kid": self.kid, "typ": kind}, separators=(",", ":"))
        signed = f"{_encode(header.encode())}.{_encode(payload)}"
        return f"{signed}.{_encode(self.private.sign(signed.encode()))}"


def pem_of(private: Ed25519PrivateKey) -> bytes:
    """Return the key as it is stored."""
    return private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def load_or_make(path: Path) -> SigningKey:
    """Return the key in the PEM file at `path`; make one, readable by its owner alone, when there is none."""
    if not path.exists():
        store_once(path, pem_of(SigningKey.new().private))
    try:
        private = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"expected an unencrypted Ed25519 private key in PEM form in {path}, got something else; "
            "make one with: openssl genpkey -algorithm ed25519"
        ) from error
    if not isinstance(private, Ed25519PrivateKey):
        raise InputError(
            f"expected an Ed25519 key in {path}, got another kind; "
            "make one with: openssl genpkey -algorithm ed25519"
        )
    return SigningKey.of(private)


def public_keys(jwks: Any) -> dict[str, Ed25519PublicKey]:
    """Return the Ed25519 keys of a JWK set (or of a single JWK) by ``kid``.

    Raises
    ------
    InputError
        When `jwks` is neither.
    """
    if not isinstance(jwks, Mapping):
        raise InputError("expected a JWK set (a JSON object with 'keys'), got something else")
    entries: Iterable[Any] = jwks["keys"] if isinstance(jwks.get("keys"), list) else [jwks]
    keys = {}
    for jwk in entries:
        if not (isinstance(jwk, Mapping) and jwk.get("kty") == "OKP" and jwk.get("crv") == "Ed25519"):
            continue
        try:
            public = Ed25519PublicKey.from_public_bytes(_decode(jwk["x"]))
        except (KeyError, TypeError, ValueError, AttributeError, BadSignature) as error:
            raise InputError("the JWK set holds an Ed25519 key that cannot be read") from error
        keys[thumbprint(jwk)] = public
    if not keys:
        raise InputError("expected at least one Ed25519 key in the JWK set, got none")
    return keys


def revoked_keys(content: Any) -> set[str]:
    """Return the names of the keys that a JWK set of ours, or a DID document, says are revoked."""
    if not isinstance(content, Mapping):
        return set()
    listed, methods = content.get("revoked"), content.get("verificationMethod")
    named = {
        one["kid"]
        for one in (listed if isinstance(listed, list) else [])
        if isinstance(one, Mapping) and isinstance(one.get("kid"), str)
    }
    return named | {
        str(one.get("id")).partition("#")[2]
        for one in (methods if isinstance(methods, list) else [])
        if isinstance(one, Mapping) and "revoked" in one
    }


def verify(jws: str, keys: Mapping[str, Ed25519PublicKey], kind: str) -> bytes:
    """Return the payload of `jws` when one of `keys` has signed it as a `kind`.

    Raises
    ------
    BadSignature
        When it does not hold.
    UnknownKey
        When the key that it names is not among `keys`.
    """
    parts = jws.split(".")
    if len(parts) != 3:
        raise BadSignature("it is not a compact JWS")
    try:
        header = json.loads(_decode(parts[0]))
    except (ValueError, RecursionError) as error:
        raise BadSignature("its header is not JSON") from error
    if not isinstance(header, dict) or set(header) != {"alg", "kid", "typ"}:
        raise BadSignature("its header has not exactly alg, kid and typ")
    if not isinstance(header["kid"], str):
        raise BadSignature("its kid is not a text")
    if header["alg"] not in _ALGORITHMS or header["typ"] != kind:
        raise BadSignature(f"it is not an EdDSA signature over a {kind}")
    payload, signature = _decode(parts[1]), _decode(parts[2])
    key = keys.get(header["kid"])
    if key is None:
        raise UnknownKey(header["kid"])
    try:
        key.verify(signature, f"{parts[0]}.{parts[1]}".encode())
    except InvalidSignature as error:
        raise BadSignature("the signature does not belong to this content") from error
    return payload
