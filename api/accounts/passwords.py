"""Passwords that people choose: what is asked of them, and argon2id (RFC 9106) over them.

Hashing costs memory and time on purpose. One at once a worker, in a thread of its own that gives way to every
other, is enough for people who sign in, and keeps whoever tries passwords from taking memory and processor
of those who sit a test.
"""

from __future__ import annotations

import asyncio
import base64
import os
import secrets
import sys
import threading
import unicodedata
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

__all__ = ["LONGEST", "SHORTEST", "fault", "hashed", "holds"]

SHORTEST, LONGEST = 12, 200
_DIFFERENT = 6
"""Characters that differ, at least: aaaaaaaaaaaa is long and no password."""

_HASHER = PasswordHasher(parallelism=1)  # more lanes would be more threads beside the candidates'


def _nobody(hasher: PasswordHasher) -> str:
    """Return what is compared where there is no account, so that it takes as long; no password gives it."""
    salt, drawn = (
        base64.b64encode(secrets.token_bytes(n)).decode().rstrip("=")
        for n in (hasher.salt_len, hasher.hash_len)
    )
    costs = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v=19${costs}${salt}${drawn}"


def _give_way() -> None:
    """Let this thread, and those that it begins, run after all others."""
    if sys.platform == "linux":  # elsewhere it would be the whole process
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)


_THREADS = ThreadPoolExecutor(1, thread_name_prefix="password", initializer=_give_way)


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
    return await asyncio.get_running_loop().run_in_executor(_THREADS, _HASHER.hash, _plain(password))


async def holds(stored: str | None, password: str) -> bool:
    """Return whether a password is the one whose hash is stored; without one it takes as long to say no."""
    known = stored or _nobody(_HASHER)
    right = await asyncio.get_running_loop().run_in_executor(_THREADS, _verified, known, password)
    return right and stored is not None


def _plain(password: str) -> str:
    """Return a password as it counts: one keyboard's é is another's e with an accent (NIST SP 800-63B)."""
    return unicodedata.normalize("NFKC", password[: 4 * LONGEST])


def _verified(stored: str, password: str) -> bool:
    try:
        return _HASHER.verify(stored, _plain(password))
    except (VerificationError, InvalidHashError):
        return False
