"""Identifiers: 26 characters that sort by time of making, and secrets that nobody can guess."""

from __future__ import annotations

import hashlib
import secrets
import time

__all__ = ["MOMENT", "derived", "digest", "new_code", "new_id", "new_secret"]

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

MOMENT = 10
"""Letters of an identifier that say when it was made."""


def new_id() -> str:
    """Return a new ULID: 48 bits of milliseconds, 80 random bits, in Crockford's base 32.

    Identifiers name things and authorise nothing. That they sort by time keeps the indexes compact.
    """
    number = (time.time_ns() // 1_000_000 << 80) | secrets.randbits(80)
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))


def new_code() -> str:
    """Return a new code to hand to a candidate: 100 random bits, 20 letters that are hard to confuse."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(20))


def derived(once: str, mac: str, place: int = 0) -> tuple[str, str]:
    """Return an identifier and a code that follow from `once`, an identifier made before, and a MAC.

    Parameters
    ----------
    mac
        64 hexadecimal digits that nobody else can compute.
    place
        0 to 1023: of several made together the first sorts last, so that a list of the latest shows it first.
    """
    number, back = int(mac, 16), 1023 - place
    letters = "".join(_ALPHABET[(number >> shift) & 31] for shift in range(0, 170, 5))
    return once[:MOMENT] + _ALPHABET[back >> 5] + _ALPHABET[back & 31] + letters[:14], letters[14:]


def new_secret() -> str:
    """Return a new secret of 192 random bits, safe in an address or a cookie."""
    return secrets.token_urlsafe(24)


def digest(secret: str) -> str:
    """Return what is stored of a secret that we made ourselves: SHA-256, in hexadecimal.

    A slow hash guards secrets that people choose; these have at least 100 random bits.
    """
    return hashlib.sha256(secret.encode()).hexdigest()
