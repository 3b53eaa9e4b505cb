"""What a result says: the claims that are signed (``acquis/result/1``).

They name the sitting's log by its head hash: whoever has the log can show that the score is what follows
from it. Moments are ISO 8601 in UTC; theta and standard errors are rounded to three decimals from the
integers of record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api.catalogue.live import LiveTest
from api.moments import day, iso
from api.sittings.fold import Sitting
from api.sittings.timing import SECOND

__all__ = ["NOTICE", "SCHEMA", "Person", "claims"]

SCHEMA = "acquis/result/1"
NOTICE = "démonstration, sans valeur"
_DAY = 86_400 * SECOND


@dataclass(frozen=True, slots=True)
class Person:
    """Whom a result is about, as the organisation that invited them told."""

    id: str
    identifier: str | None = None
    identifier_type: str | None = None
    family_name: str | None = None
    given_name: str | None = None


def claims(
    id: str,
    version: int,
    issuer: str,
    issued_at: int,
    person: Person,
    test: LiveTest,
    sitting: Sitting,
    supersedes: str | None = None,
) -> dict[str, Any]:
    """Return the claims about a finished sitting; `supersedes` names the result that these replace."""
    if sitting.finished is None:
        raise ValueError(f"sitting {sitting.id} is not finished")
    data = sitting.finished
    record, level = data["record"], test.levels[data["level"]]
    decision = data["decision"]
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "id": id,
        "version": version,
        "issuer": issuer,
        "issued_at": iso(issued_at),
        "demonstration": test.demonstration,
        "person": {
            "id": person.id,
            "identifier": person.identifier,
            "identifier_type": person.identifier_type,
            "family_name": person.family_name,
            "given_name": person.given_name,
        },
        "test": {
            "code": test.code,
            "version": test.version,
            "title": dict(test.title),
            "content": test.content_hash,
        },
        "assessed": {"from": iso(sitting.clock.started), "until": iso(sitting.ended_at)},
        "valid_from": day(sitting.ended_at),
        "valid_until": day(sitting.ended_at + test.valid_days * _DAY),
        "score": {
            **_estimate(test, record["theta"], record["se"]),
            "scale": test.scale.name,
            "scale_low": test.scale.low,
            "scale_high": test.scale.high,
            "cuts": [test.scale.points(cut) for cut in test.design.cuts.values],
        },
        "level": _level(test, data["level"], record["levels"]),
        "levels": [_level(test, k, record["levels"]) for k in range(len(test.levels))],
        "decision": level.code if decision is not None else None,
        "confidence": test.design.cuts.confidence,
        "domains": [
            {
                "code": domain["value"],
                "title": _title(test, domain["value"]),
                "items": domain["n"],
                **_estimate(test, domain["theta"], domain["se"]),
            }
            for domain in data["domains"]
        ],
        "items": data["n_items"],
        "ended": data["reason"],
        "log": {"sitting": sitting.id, "events": sitting.seq, "head": sitting.head.hex()},
    }
    if supersedes is not None:
        document["supersedes"] = supersedes
    if test.demonstration:
        document["notice"] = NOTICE
    return document


def _estimate(test: LiveTest, theta: int, se: int) -> dict[str, Any]:
    return {
        "points": test.scale.points(theta / 1e6),
        "points_error": test.scale.error(se / 1e6),
        "theta": round(theta / 1e6, 3) + 0.0,
        "standard_error": round(se / 1e6, 3),
    }


def _level(test: LiveTest, k: int, masses: list[int]) -> dict[str, Any]:
    level = test.levels[k]
    return {"code": level.code, "label": dict(level.label), "probability": round(masses[k] / 1e6, 3)}


def _title(test: LiveTest, value: str) -> Mapping[str, str]:
    domain = test.domains.get(value, {})
    return {language: domain.get(language, value) for language in test.languages}
