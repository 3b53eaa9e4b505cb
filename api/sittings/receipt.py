"""Receipts: how far the log of a sitting had come when somebody was told so.

Whoever can write to the database can cut events off the end of a log that no result closes yet, and nothing
in the database would tell. So every reply says how far the log came, under a key that the database does not
hold; who keeps the latest reply can have the log held against it (``acquis replay --receipt``). To another
test player it is the ``sessionState``. ::

    receipt = session.seq.sealed.mac
    sealed  = HMAC(key, "head" + hash of event seq)
    mac     = HMAC(key, session.seq.sealed)

The hash stands for all that was in the log, and is not told itself: with it somebody could find out by trial
what an event holds, such as whether an answer was right.
"""

from __future__ import annotations

import functools
import hmac
import re
from dataclasses import dataclass, field

from api.sittings.fold import Sitting

__all__ = ["PATTERN", "Receipt", "receipt"]

PATTERN = r"^[0-9A-Z]{26}\.[0-9]{1,9}\.[0-9a-f]{32}\.[0-9a-f]{32}$"

_BYTES = 16


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt that this deployment has given."""

    session: str
    seq: int
    sealed: str
    secret: bytes = field(repr=False)

    @staticmethod
    def parse(secret: bytes, text: str) -> Receipt:
        """Return what a receipt says.

        Raises
        ------
        ValueError
            When it is none, or was not given under this secret.
        """
        if not re.fullmatch(PATTERN, text):
            raise ValueError("not a receipt")
        told, _, mac = text.rpartition(".")
        if not hmac.compare_digest(mac, _mac(secret, told.encode())):
            raise ValueError("not a receipt of this deployment")
        session, seq, sealed = told.split(".")
        return Receipt(session, int(seq), sealed, secret)

    def fits(self, head: bytes) -> bool:
        """Return whether it was given for the event with this hash, and so for all before it."""
        return hmac.compare_digest(self.sealed, _sealed(self.secret, head))


def receipt(secret: bytes, sitting: Sitting) -> str:
    """Return the receipt for a sitting as it is."""
    told = f"{sitting.id}.{sitting.seq}.{_sealed(secret, sitting.head)}"
    return f"{told}.{_mac(secret, told.encode())}"


def _sealed(secret: bytes, head: bytes) -> str:
    return _mac(secret, b"head" + head)


def _mac(secret: bytes, text: bytes) -> str:
    return hmac.digest(_key(secret), text, "sha256")[:_BYTES].hex()


@functools.cache
def _key(secret: bytes) -> bytes:
    return hmac.digest(secret, b"receipt", "sha256")
