"""The second step of a sign-in: a code that changes every 30 seconds (RFC 6238 over RFC 4226, HMAC-SHA-1).

The secret has to be known to compute codes; it is stored sealed, so that a copy of the database alone is
worth nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING
from urllib.parse import quote

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

if TYPE_CHECKING:
    from api.runtime import Runtime

__all__ = ["address", "code", "matching", "new_totp_secret", "opened", "read", "sealed", "written"]

STEP = 30_000_000
"""Microseconds for which a code holds."""


def new_totp_secret() -> bytes:
    """Return a new secret of 160 bits, as long as RFC 4226 (R6) recommends."""
    return secrets.token_bytes(20)


def code(secret: bytes, step: int) -> str:
    """Return the six digits of a time step (RFC 4226, section 5.3)."""
    mac = hmac.digest(secret, step.to_bytes(8, "big"), hashlib.sha1)
    at = mac[-1] & 15
    number = int.from_bytes(mac[at : at + 4], "big") & 0x7FFFFFFF
    return f"{number % 1_000_000:06d}"


def matching(secret: bytes, typed: str, now: int, last: int | None) -> int | None:
    """Return the time step whose code was typed, or None; each counts once.

    Parameters
    ----------
    now
        In microseconds since 1970.
    last
        The step whose code was used last: it and those before are used up (RFC 6238, section 5.2).
    """
    typed = "".join(typed.split())
    for step in range(now // STEP - 1, now // STEP + 2):
        if (last is None or step > last) and hmac.compare_digest(code(secret, step).encode(), typed.encode()):
            return step
    return None


def written(secret: bytes) -> str:
    """Return a secret as it is typed into an authenticator: base 32."""
    return base64.b32encode(secret).decode()


def read(text: str) -> bytes:
    """Return the secret that `written` was given."""
    return base64.b32decode(text)


def address(secret: bytes, login: str) -> str:
    """Return the address that an authenticator on the same device opens."""
    return f"otpauth://totp/Acquis:{quote(login)}?secret={written(secret)}&issuer=Acquis"


def sealed(runtime: Runtime, staff: str, secret: bytes) -> str:
    """Return the secret of an account as it is stored: AES-GCM under the deployment's secret."""
    nonce = secrets.token_bytes(12)
    return base64.b64encode(nonce + _cipher(runtime).encrypt(nonce, secret, staff.encode())).decode()


def opened(runtime: Runtime, staff: str, stored: str) -> bytes:
    """Return the secret that `sealed` was given."""
    data = base64.b64decode(stored)
    return _cipher(runtime).decrypt(data[:12], data[12:], staff.encode())


def _cipher(runtime: Runtime) -> AESGCM:
    return AESGCM(hmac.digest(runtime.secret, b"second step", hashlib.sha256))
