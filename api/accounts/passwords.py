"""Passwords that people choose: what is asked of them, and argon2id (RFC 9106) over them.

Hashing costs memory and time on purpose. Two at once a worker is enough for people who sign in, and keeps
whoever tries passwords from taking the memory of those who sit a test.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

__all__ = ["LONGEST", "SHORTEST", "fault", "hashed", "holds"]

SHORTEST, LONGEST = 12, 200
_DIFFERENT = 6
"""Characters that differ, at least: aaaaaaaaaaaa is long and no password."""

_HASHER = PasswordHasher()
_NOBODY = _HASHER.hash("")
"""What is compared where there is no account, so that it takes as long."""
_THREADS = ThreadPoolExecutor(2, thread_name_prefix="password")


def fault(password: str, login: str, name: str) -> str:
    """Return what is wrong with a password that somebody chose, nothing where it will do.

    Its length counts, not which characters it is made of (NIST SP 800-63B, 5.1.1.2).
    """
    if len(password) < SHORTEST:
        return "short"
    if len(password) > LONGEST:
        return "long"
    plain = password.casefold()
    own = {login.casefold(), login.partition("@")[0].casefold(), name.casefold()}
    if len(set(plain)) < _DIFFERENT or plain in own:
        return "simple"
    return ""


async def hashed(password: str) -> str:
    """Return what is stored of a password."""
    return await asyncio.get_running_loop().run_in_executor(_THREADS, _HASHER.hash, password)


async def holds(stored: str | None, password: str) -> bool:
    """Return whether a password is the one whose hash is stored; without one it takes as long to say no."""
    right = await asyncio.get_running_loop().run_in_executor(_THREADS, _verified, stored or _NOBODY, password)
    return right and stored is not None


def _verified(stored: str, password: str) -> bool:
    try:
        return _HASHER.verify(stored, password[: 4 * LONGEST])
    except (VerificationError, InvalidHashError):
        return False
