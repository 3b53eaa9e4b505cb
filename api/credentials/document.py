"""A result's claims as an Open Badge 3.0 (AchievementCredential), before it is signed.

A badge says less than the signed file: whom it is about only as salted hashes, no theta, no log of
probabilities. It says it in one language, since the format has no other way. All that stands in it follows
from the claims (`api.results.claims`), so that a badge made again is the same, but for where its status
stands.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from api.credentials.did import did_of
from api.results.claims import NOTICE

__all__ = [
    "CONTEXTS",
    "LANGUAGES",
    "SCHEMA",
    "TYPE",
    "Place",
    "badge",
    "hashed",
    "identities",
    "list_address",
]

CONTEXTS = [
    "https://www.w3.org/ns/credentials/v2",
    "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json",
    "https://purl.imsglobal.org/spec/ob/v3p0/extensions.json",
]
TYPE = ["VerifiableCredential", "OpenBadgeCredential"]
SCHEMA = "https://purl.imsglobal.org/spec/ob/v3p0/schema/json/ob_v3p0_achievementcredential_schema.json"
ERROR = "ext:StandardError"
"""The kind of a result that is the standard error of the score before it; Open Badges has no name for it."""

LANGUAGES = ("fr", "en")
_TEXTS = {
    "fr": {
        "level": "{title} : {level}",
        "no level": "{title} : aucun niveau attesté",
        "demonstration": "{name} ({notice})",
        "about": "Attestation de résultat au test adaptatif « {title} », version {version}.",
        "criteria": "Un test adaptatif choisit chaque question d'après les réponses précédentes. Un niveau "
        "n'est attesté que si sa probabilité, d'après toutes les réponses, atteint {confidence} %. Le score "
        "a une erreur de mesure, donnée avec lui. Cette attestation de résultat n'est ni une certification "
        "professionnelle, ni une VAE, ni une reconnaissance de l'État.",
        "score": "Score : {points} points, erreur type {error}, sur une échelle de {low} à {high}.",
        "sure": "Niveau : {level}, probabilité {chances} %.",
        "open": "Les réponses ne permettent pas de trancher entre les niveaux : aucun n'est attesté.",
        "all": "Score",
        "domain": "Domaine : {title}",
        "error": "{name}, erreur type",
        "levels": "Niveau",
        "log": "Journal de la séance",
        "head": "Séance {sitting}, {events} événements, empreinte SHA-256 {head}.",
    },
    "en": {
        "level": "{title}: {level}",
        "no level": "{title}: no level attested",
        "demonstration": "{name} ({notice}: a demonstration, worth nothing)",
        "about": "Statement of result (attestation de résultat) of the adaptive test “{title}”, "
        "version {version}.",
        "criteria": "An adaptive test chooses each question by the answers before. A level is attested only "
        "if its probability, given all answers, reaches {confidence}%. The score has an error of "
        "measurement, given with it. This statement of result is not a professional certification, not a "
        "VAE, and no recognition by the State.",
        "score": "Score: {points} points, standard error {error}, on a scale from {low} to {high}.",
        "sure": "Level: {level}, probability {chances}%.",
        "open": "The answers do not decide between the levels: none is attested.",
        "all": "Score",
        "domain": "Domain: {title}",
        "error": "{name}, standard error",
        "levels": "Level",
        "log": "Log of the sitting",
        "head": "Sitting {sitting}, {events} events, SHA-256 {head}.",
    },
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a badge stands in the status lists (`api.credentials.lists`)."""

    list: int
    position: int


def list_address(base_url: str, number: int) -> str:
    """Return the address of a status list."""
    return f"{base_url}/verify/lists/{number}"


def normal(identity: str) -> str:
    """Return what somebody is called in one spelling: characters composed, single spaces."""
    return unicodedata.normalize("NFC", " ".join(identity.split()))


def hashed(identity: str, salt: str) -> str:
    """Return the hash of what somebody is called, as Open Badges writes it (IdentityHash)."""
    text = normal(identity) + salt
    return f"sha256${hashlib.sha256(text.encode()).hexdigest()}"


def identities(person: Mapping[str, str | None]) -> list[tuple[str, str]]:
    """Return by what a person can be told, with its type: number and name, else our own number of them."""
    name = " ".join(part for part in (person["given_name"], person["family_name"]) if part)
    known = [("identifier", person["identifier"]), ("name", name)]
    return [(kind, text) for kind, text in known if text] or [("systemId", str(person["id"]))]


def badge(
    claims: Mapping[str, Any], place: Place, language: str, salt: Callable[[str], str]
) -> dict[str, Any]:
    """Return the badge of a result.

    Parameters
    ----------
    claims
        What was signed of the result.
    place
        Where its status stands.
    language
        ``fr`` or ``en``; a title that is not in it stands in the test's first language.
    salt
        A salt for each type of identity, the same every time.
    """
    said = _TEXTS[language]
    test, issuer = claims["test"], claims["issuer"]
    title, decided = _in(test["title"], language), claims["decision"] is not None
    reached = [level["code"] for level in claims["levels"]].index(claims["level"]["code"])
    level = _in(claims["level"]["label"], language)

    def urn(*parts: object) -> str:
        return uuid5(NAMESPACE_URL, "/".join((issuer, test["code"], test["content"], *map(str, parts)))).urn

    name = said["level" if decided else "no level"].format(title=title, level=level)
    about = said["about"].format(title=title, version=test["version"])
    if claims["demonstration"]:
        name, about = (said["demonstration"].format(name=text, notice=NOTICE) for text in (name, about))
    scale = claims["score"]
    levels = [urn("level", each["code"]) for each in claims["levels"]]
    described, results = _scores(
        claims, said, urn, language, scale["cuts"][reached - 1] if decided and reached else None
    )
    rubric: dict[str, Any] = {
        "id": urn("levels"),
        "type": ["ResultDescription"],
        "name": said["levels"],
        "resultType": "RubricCriterionLevel",
        "rubricCriterionLevel": [
            {
                "id": id,
                "type": ["RubricCriterionLevel"],
                "name": _in(each["label"], language),
                "level": each["code"],
            }
            for id, each in zip(levels, claims["levels"], strict=True)
        ],
    }
    narrative = [
        said["score"].format(
            points=scale["points"],
            error=scale["points_error"],
            low=scale["scale_low"],
            high=scale["scale_high"],
        )
    ]
    if decided:
        rubric["requiredLevel"] = levels[reached]
        results.append(
            {"type": ["Result"], "resultDescription": rubric["id"], "achievedLevel": levels[reached]}
        )
        narrative.append(
            said["sure"].format(level=level, chances=min(99, round(100 * claims["level"]["probability"])))
        )
    else:
        narrative.append(said["open"])
    log = claims["log"]
    at = list_address(issuer, place.list)
    return {
        "@context": CONTEXTS,
        "id": f"{issuer}/verify#{claims['id']}",
        "type": TYPE,
        "name": name,
        "description": about,
        "issuer": {
            "id": did_of(issuer),
            "type": ["Profile"],
            "name": f"Acquis, {issuer.partition('://')[2]}",
            "url": issuer,
        },
        "awardedDate": claims["issued_at"],
        "validFrom": f"{claims['valid_from']}T00:00:00Z",
        "validUntil": f"{claims['valid_until']}T23:59:59Z",
        "credentialSubject": {
            "type": ["AchievementSubject"],
            "identifier": [
                {
                    "type": "IdentityObject",
                    "hashed": True,
                    "identityHash": hashed(text, salt(kind)),
                    "identityType": kind,
                    "salt": salt(kind),
                }
                for kind, text in identities(claims["person"])
            ],
            "activityStartDate": claims["assessed"]["from"],
            "activityEndDate": claims["assessed"]["until"],
            "narrative": " ".join(narrative),
            "achievement": {
                "id": urn("achievement", claims["decision"] or ""),
                "type": ["Achievement"],
                "achievementType": "Assessment",
                "name": name,
                "description": about,
                "inLanguage": language,
                "version": str(test["version"]),
                "humanCode": test["code"],
                "criteria": {
                    "narrative": said["criteria"].format(confidence=round(100 * claims["confidence"]))
                },
                "resultDescription": [*described, rubric],
            },
            "result": results,
        },
        "evidence": [
            {
                "type": ["Evidence"],
                "name": said["log"],
                "description": said["head"].format(
                    sitting=log["sitting"], events=log["events"], head=log["head"]
                ),
            }
        ],
        "credentialSchema": [{"id": SCHEMA, "type": "1EdTechJsonSchemaValidator2019"}],
        "credentialStatus": {
            "id": f"{at}#{place.position}",
            "type": "BitstringStatusListEntry",
            "statusPurpose": "revocation",
            "statusListIndex": str(place.position),
            "statusListCredential": at,
        },
    }


def _in(texts: Mapping[str, str], language: str) -> str:
    return texts.get(language) or next(iter(texts.values()))


def _scores(
    claims: Mapping[str, Any],
    said: Mapping[str, str],
    urn: Callable[..., str],
    language: str,
    required: int | None,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the scaled scores with their standard errors: what each is, and its value."""
    scale = claims["score"]
    described: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []

    def add(of: str, kind: str, name: str, value: int, **more: str) -> None:
        described.append(
            {"id": urn(kind, of), "type": ["ResultDescription"], "name": name, "resultType": kind, **more}
        )
        results.append({"type": ["Result"], "resultDescription": urn(kind, of), "value": str(value)})

    def each() -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        yield "", said["all"], scale
        for domain in claims["domains"]:
            yield domain["code"], said["domain"].format(title=_in(domain["title"], language)), domain

    for of, name, estimate in each():
        within = {"valueMin": str(scale["scale_low"]), "valueMax": str(scale["scale_high"])}
        if required is not None and not of:
            within["requiredValue"] = str(required)
        add(of, "ScaledScore", name, estimate["points"], **within)
        add(of, ERROR, said["error"].format(name=name), estimate["points_error"], valueMin="0")
    return described, results
