"""Ways of making a badge say something else than what was signed."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

__all__ = ["forged"]

Change = Callable[[dict[str, Any]], Any]

_CRED = "https://www.w3.org/2018/credentials#"


def _set(path: str, value: Any) -> Change:
    """Set what stands at a path."""

    def change(badge: dict[str, Any]) -> None:
        *way, last = [int(part) if part.removeprefix("-").isdecimal() else part for part in path.split("/")]
        place: Any = badge
        for part in way:
            place = place[part]
        place[last] = value

    return change


def _rekeyed(name: str, to: str) -> Change:
    def change(badge: dict[str, Any]) -> None:
        badge[to] = badge.pop(name)

    return change


def _other_level(badge: dict[str, Any]) -> None:
    levels = badge["credentialSubject"]["achievement"]["resultDescription"][-1]["rubricCriterionLevel"]
    badge["credentialSubject"]["result"][-1]["achievedLevel"] = levels[0]["id"]


def _swapped(badge: dict[str, Any]) -> None:
    first, second = badge["credentialSubject"]["result"][:2]
    first["value"], second["value"] = second["value"], first["value"]


_FORGERIES: dict[str, Change] = {
    "a higher score": _set("credentialSubject/result/0/value", "999"),
    "scores changed about": _swapped,
    "another level": _other_level,
    "a level renamed": _set(
        "credentialSubject/achievement/resultDescription/-1/rubricCriterionLevel/1/name", "expert"
    ),
    "another achievement": _set("credentialSubject/achievement/name", "Diplôme"),
    "another name": _set("name", "Diplôme"),
    "another person": _set("credentialSubject/identifier/0/identityHash", f"sha256${'0' * 64}"),
    "a person less": lambda badge: badge["credentialSubject"]["identifier"].pop(),
    "valid for longer": _set("validUntil", "2099-01-01T23:59:59Z"),
    "valid for ever": lambda badge: badge.pop("validUntil"),
    "another place in the list": _set("credentialStatus/statusListIndex", "7"),
    "no status": lambda badge: badge.pop("credentialStatus"),
    "another list": _set("credentialStatus/statusListCredential", "https://evil.example/verify/lists/1"),
    "another issuer": _set("issuer/id", "did:web:evil.example"),
    "an issuer renamed": _set("issuer/name", "Ministère"),
    "a term that no context defines": _set("credentialSubject/grade", "A"),
    "one at the top": _set("recognisedBy", "the State"),
    "one in the proof": _set("proof/0/note", "verified"),
    "a context that nobody knows": lambda badge: badge["@context"].append(
        "https://evil.example/context.json"
    ),
    "a proof of another day": _set("proof/0/created", "2020-01-01T00:00:00Z"),
    "a proof for another purpose": _set("proof/0/proofPurpose", "authentication"),
    "no proof value": _set("proof/0/proofValue", "z" + "1" * 88),
}
"""What every verifier refuses."""

_TRICKS: dict[str, Change] = {
    "an end under its full name": _rekeyed("validUntil", f"{_CRED}validUntil"),
    "a status under its full name": _rekeyed("credentialStatus", f"{_CRED}credentialStatus"),
    "a status in lists in lists": lambda badge: badge.update(credentialStatus=[[badge["credentialStatus"]]]),
    "a status in a list": lambda badge: badge.update(credentialStatus=[badge["credentialStatus"]]),
    "an inline context": lambda badge: badge["@context"].append({"end": f"{_CRED}validUntil"}),
    "contexts in another order": lambda badge: badge["@context"].reverse(),
    "a value in long form": lambda badge: badge.update(name={"@value": badge["name"]}),
    "what is included": lambda badge: badge.update({"@included": [badge["credentialSubject"]]}),
    "two proofs": lambda badge: badge["proof"].append(dict(badge["proof"][0])),
    "a proof without its list": lambda badge: badge.update(proof=badge["proof"][0]),
    "the issuer by name alone": lambda badge: badge.update(issuer=badge["issuer"]["id"]),
    "an end twice": lambda badge: badge.update(validUntil=[badge["validUntil"]] * 2),
    "types in another order": lambda badge: badge["type"].reverse(),
    "a day that is none": _set("validUntil", "2026-02-30T00:00:00Z"),
    "numbers for texts": _set("credentialSubject/result/0/value", 602),
    "nothing": _set("name", None),
    "half a character": _set("name", "\ud800"),
}
"""What says the same to a machine and something else to a reader, or nothing: only our shape refuses all."""


def forged(badge: dict[str, Any], *, names: bool = False, tricks: bool = False) -> dict[str, Any]:
    """Forgeries of `badge` by name: their names alone if `names`, and tricks of JSON-LD if `tricks`."""
    found: dict[str, Any] = {}
    for name, change in {**_FORGERIES, **(_TRICKS if tricks else {})}.items():
        found[name] = copy.deepcopy(badge)
        if not names:
            change(found[name])
    return found
