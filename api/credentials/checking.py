"""Reading a badge that somebody shows: is it as this program makes them, and did its issuer sign it?

Whether it still stands, only the issuer's status list says (`api.credentials.lists`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from api.credentials import proof
from api.credentials.did import did_of
from api.credentials.document import hashed, list_address
from api.credentials.shapes import BadgeOut, ReachedOut, ScaleOut, ValueOut, shaped
from api.keys.signing import BadSignature

__all__ = ["Badge", "check", "claimed_issuer", "is_badge", "parse"]


def is_badge(content: Any) -> bool:
    """Return whether JSON means to be a badge."""
    return isinstance(content, Mapping) and "@context" in content


def claimed_issuer(content: Mapping[str, Any]) -> str:
    """Return the base address of the issuer that a badge names, not verified; empty when it names none."""
    issuer = content.get("issuer")
    address = issuer.get("url") if isinstance(issuer, Mapping) else None
    return address if isinstance(address, str) else ""


@dataclass(frozen=True, slots=True)
class Badge:
    """A badge in the shape in which this program makes them.

    Attributes
    ----------
    result
        The identifier of the result.
    issuer
        The issuer's base address.
    """

    shape: BadgeOut
    result: str
    issuer: str

    @property
    def place(self) -> int:
        """Where it stands in its status list."""
        return int(self.shape.credentialStatus.statusListIndex)

    @property
    def level(self) -> str | None:
        """The name of the level that is attested, if one is."""
        subject = self.shape.credentialSubject
        reached = [one.achievedLevel for one in subject.result if isinstance(one, ReachedOut)]
        named = {
            level.id: level.name
            for one in subject.achievement.resultDescription
            if not isinstance(one, ScaleOut)
            for level in one.rubricCriterionLevel
        }
        return named.get(reached[0]) if reached else None

    @property
    def values(self) -> dict[str, str]:
        """The scores and their standard errors by their names."""
        subject = self.shape.credentialSubject
        named = {one.id: one.name for one in subject.achievement.resultDescription}
        return {
            named[one.resultDescription]: one.value
            for one in subject.result
            if isinstance(one, ValueOut) and one.resultDescription in named
        }

    def is_of(self, identity: str) -> bool:
        """Return whether the badge is of somebody who is called so: number or name as the issuer has it."""
        return any(
            hashed(identity, one.salt) == one.identityHash for one in self.shape.credentialSubject.identifier
        )


def parse(content: Any) -> Badge:
    """Return a badge, its proof not verified.

    Raises
    ------
    BadSignature
        When it is not as this program makes them.
    """
    shape = shaped(content, BadgeOut)
    issuer = shape.issuer.url
    name, _, result = shape.id.partition("#")
    status = shape.credentialStatus
    here, number = status.statusListCredential.rpartition("/")[::2]
    try:
        named = did_of(issuer)
    except ValueError:  # no address at all
        named = ""
    if named != shape.issuer.id:
        raise BadSignature("its issuer's name is not the address of its issuer")
    if name != f"{issuer}/verify":
        raise BadSignature("its identifier is not one of its issuer's")
    if not number.isdecimal() or list_address(issuer, int(number)) != f"{here}/{number}":
        raise BadSignature("its status list is not one of its issuer's")
    if status.id != f"{status.statusListCredential}#{status.statusListIndex}":
        raise BadSignature("its status says two things")
    return Badge(shape, result, issuer)


def check(content: dict[str, Any], keys: Mapping[str, Ed25519PublicKey]) -> tuple[Badge, str]:
    """Return a badge whose proof holds under one of `keys`, and the ``kid`` of that key.

    Raises
    ------
    BadSignature
        When it does not, or the badge is not as this program makes them.
    api.keys.signing.UnknownKey
        When it names a key that is not among `keys`.
    """
    badge = parse(content)
    return badge, proof.check(content, badge.shape.issuer.id, keys)
