"""The two kinds of file that ``acquis verify`` reads: the signed result, and the badge made of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    Keys = Mapping[str, Ed25519PublicKey]

__all__ = ["BadgeFile", "ResultFile", "SignedFile", "opened"]


class SignedFile(Protocol):
    """What can be asked of a file; all but the first two only once `check` has found it authentic.

    Attributes
    ----------
    issuer
        The base address of the issuer that it names.
    keys_at, status_at
        Where the issuer has its public keys, and what no longer stands.
    valid_from, valid_until
        ISO 8601 in UTC, a day or a moment; both are within.
    """

    issuer: str
    keys_at: str

    @property
    def status_at(self) -> str: ...

    @property
    def valid_from(self) -> str: ...

    @property
    def valid_until(self) -> str: ...

    def check(self, keys: Keys) -> str:
        """Return the ``kid`` of the key that signed it, or raise BadSignature or UnknownKey."""

    def standing(self, content: Any, keys: Keys) -> tuple[str, str]:
        """Return how it stood by a status list, and when that was made."""

    def told(self) -> dict[str, Any]:
        """Return what it says, for programs."""

    def lines(self) -> list[str]:
        """Return what it says, for people."""

    def is_of(self, identity: str) -> bool:
        """Return whether it is of somebody who is called so."""


def opened(content: Any) -> SignedFile:
    """Return the file that JSON holds.

    Raises
    ------
    InputError
        When it is of neither kind.
    BadSignature
        When it was tampered with beyond doubt.
    """
    from api.credentials.checking import is_badge

    return BadgeFile(content) if is_badge(content) else ResultFile(content)


class ResultFile:
    """A signed result (`api.results.credential`)."""

    def __init__(self, content: Any) -> None:
        from api.results.credential import formed, issuer_of

        self._content = formed(content)
        self.issuer = issuer_of(self._content)
        self.keys_at = f"{self.issuer}/.well-known/jwks.json"
        self._claims: Mapping[str, Any] = {}

    def check(self, keys: Keys) -> str:
        """Return the ``kid`` of the key that signed it."""
        from api.results.credential import check

        verified = check(self._content, keys)
        self._claims = verified.claims
        return verified.kid

    @property
    def status_at(self) -> str:
        """Where the issuer says what was superseded or revoked."""
        return f"{self.issuer}/verify/status.json"

    @property
    def valid_from(self) -> str:
        """The first day on which it holds."""
        return str(self._claims["valid_from"])

    @property
    def valid_until(self) -> str:
        """The last day on which it holds."""
        return str(self._claims["valid_until"])

    def standing(self, content: Any, keys: Keys) -> tuple[str, str]:
        """Return how it stood by the issuer's signed list."""
        from api.results.status import check

        listed = check(content, keys)
        return listed.of(self._claims), listed.issued_at

    def told(self) -> dict[str, Any]:
        """Return the claims."""
        return {"result": self._claims}

    def is_of(self, identity: str) -> bool:
        """Return whether number or name is `identity`."""
        from api.credentials.document import identities, normal

        return normal(identity) in {normal(text) for _, text in identities(self._claims["person"])}

    def lines(self) -> list[str]:
        """Return the claims in words."""
        claims = self._claims
        person, score, level = claims["person"], claims["score"], claims["level"]
        name = " ".join(part for part in (person["given_name"], person["family_name"]) if part)
        number = f" ({person['identifier_type']} {person['identifier']})" if person["identifier"] else ""
        return [
            *([claims["notice"].capitalize() + "."] if claims["demonstration"] else []),
            f"  person    {name or 'not named'}{number}",
            f"  test      {claims['test']['title'].get('fr') or claims['test']['code']}, "
            f"version {claims['test']['version']}",
            f"  level     {level['code']} {level['label'].get('fr', '')} (probability {level['probability']})"
            + ("" if claims["decision"] else ", not decided"),
            f"  score     {score['points']} ± {score['points_error']} {score['scale']} "
            f"({score['scale_low']} to {score['scale_high']})",
            f"  assessed  {claims['assessed']['until']}, valid until {claims['valid_until']}",
            f"  log       sitting {claims['log']['sitting']}, head {claims['log']['head']}",
            f"  version   {claims['version']} of result {claims['id']}"
            + (f", supersedes {claims['supersedes']}" if "supersedes" in claims else ""),
            f"  issuer    {claims['issuer']}",
        ]


class BadgeFile:
    """A badge (`api.credentials`)."""

    def __init__(self, content: dict[str, Any]) -> None:
        from api.credentials.checking import parse
        from api.credentials.did import document_address

        self._content = content
        self._badge = parse(content)
        self.issuer = self._badge.issuer
        self.keys_at = document_address(self.issuer)

    def check(self, keys: Keys) -> str:
        """Return the ``kid`` of the key that signed it."""
        from api.credentials.checking import check

        return check(self._content, keys)[1]

    @property
    def status_at(self) -> str:
        """Where its status list is."""
        return self._badge.shape.credentialStatus.statusListCredential

    @property
    def valid_from(self) -> str:
        """The first moment at which it holds."""
        return self._badge.shape.validFrom

    @property
    def valid_until(self) -> str:
        """The last moment at which it holds."""
        return self._badge.shape.validUntil

    def standing(self, content: Any, keys: Keys) -> tuple[str, str]:
        """Return how it stood by its status list, or by the issuer's list of results."""
        from api.credentials.checking import is_badge
        from api.credentials.lists import check, standing
        from api.results import status

        if is_badge(content):
            listed = check(content, keys)
            return standing(self._badge, listed), listed.issued_at
        results = status.check(content, keys)
        claims = {"issuer": self.issuer, "id": self._badge.result, "issued_at": self._badge.shape.awardedDate}
        return results.of(claims), results.issued_at

    def told(self) -> dict[str, Any]:
        """Return the badge without its proof."""
        return {"badge": {name: value for name, value in self._content.items() if name != "proof"}}

    def is_of(self, identity: str) -> bool:
        """Return whether number or name is `identity`."""
        return self._badge.is_of(identity)

    def lines(self) -> list[str]:
        """Return the badge in words."""
        shape, subject = self._badge.shape, self._badge.shape.credentialSubject
        kinds = {"identifier": "number", "name": "name", "systemId": "the issuer's number"}
        by = " and ".join(kinds[one.identityType] for one in subject.identifier)
        return [
            f"  badge     {shape.name}",
            f"  person    told by the hash of {by} alone (--person compares)",
            f"  test      {shape.description}",
            f"  level     {self._badge.level or 'none attested'}",
            f"  says      {subject.narrative}",
            *(f"  result    {name}: {value}" for name, value in self._badge.values.items()),
            f"  assessed  {subject.activityEndDate}, valid until {shape.validUntil}",
            f"  of result {self._badge.result}",
            f"  issuer    {self.issuer} ({shape.issuer.id})",
        ]
