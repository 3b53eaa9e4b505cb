"""Which browser may act on a sitting: secrets, told apart by what the log says of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from api.ids import digest
from api.problems import Problem
from api.sittings.fold import AWAITING, FINISHED, Sitting
from api.sittings.turn import matches

if TYPE_CHECKING:
    from api.runtime import Runtime

__all__ = ["Token", "authenticate", "reading_secret"]

_MAC = 40  # hexadecimal digits


@dataclass(frozen=True, slots=True)
class Token:
    """What a browser shows: the sitting and a secret."""

    session: str
    secret: str

    @staticmethod
    def parse(token: str) -> Token:
        """Return the parts of a token.

        Raises
        ------
        Problem
            ``unauthenticated``
        """
        session, dot, secret = token.partition(".")
        if not dot or not session or not secret or len(token) > 200:
            raise Problem("unauthenticated", "Enter with the code of the invitation.")
        return Token(session, secret)


def authenticate(runtime: Runtime, sitting: Sitting, token: Token) -> None:
    """Refuse all but the active browser.

    A secret to read with holds while the sitting is over or waits, and from a decision until someone resumes.
    """
    secret = digest(token.secret)
    if sitting.erased:
        raise Problem("unauthenticated", "What was stored of this person was erased.")
    if matches(secret, sitting.device):
        return
    nonce = token.secret[1:-_MAC]
    reading = matches(digest(reading_secret(runtime, sitting.id, nonce)), secret)
    if reading and (sitting.phase in (FINISHED, AWAITING) or sitting.granted is not None):
        return
    if reading or any(matches(secret, former) for former in sitting.former):
        raise Problem("taken_over", "Enter again with the code to go on here.")
    raise Problem("unauthenticated", "Enter with the code of the invitation.")


def reading_secret(runtime: Runtime, session: str, nonce: str) -> str:
    """Return the secret with which one browser reads: only one that is its own can become the active one."""
    return f"r{nonce}{runtime.mac('reading', f'{session}.{nonce}')[:_MAC]}"
