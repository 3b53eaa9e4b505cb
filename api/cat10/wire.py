"""From what travels in the CAT 1.0 binding (`schemas`) to what the service acts on, and back."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from api.cat10.schemas import Ability, ItemResult, Results, Score, ScoreValue, Section, Session
from api.moments import from_iso

__all__ = [
    "Configuration",
    "ImsProblem",
    "Scored",
    "configuration",
    "item_results",
    "outcome",
    "prior_theta",
    "read",
    "status_info",
]

_MINOR = {
    400: "invaliddata",
    401: "unauthorisedrequest",
    403: "forbidden",
    404: "unknownobject",
    405: "invaliddata",
    409: "invaliddata",
    413: "invaliddata",
    422: "invaliddata",
    500: "internal_server_error",
    503: "server_busy",
}
_FINAL = "final"

T = TypeVar("T", bound=BaseModel)


class ImsProblem(Exception):
    """A refusal in the form of the specification (StatusInfo)."""

    def __init__(self, status: int, description: str) -> None:
        self.status = status
        self.description = description
        super().__init__(description)


def status_info(status: int, description: str) -> dict[str, Any]:
    """Return the StatusInfo for an HTTP status."""
    minor = _MINOR.get(status, "internal_server_error")
    return {
        "imsx_codeMajor": "failure",
        "imsx_severity": "error",
        "imsx_description": description,
        "imsx_codeMinor": {
            "imsx_codeMinorField": [
                {"imsx_codeMinorFieldName": "TargetEndSystem", "imsx_codeMinorFieldValue": minor}
            ]
        },
    }


def read(model: type[T], raw: bytes) -> T:
    """Return the body of a request as `model`; an empty one is an empty object."""
    try:
        return model.model_validate_json(raw.strip() or b"{}")
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the body"
        raise ImsProblem(422, f"{where}: {first['msg']}") from error


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a section asks for.

    Attributes
    ----------
    code
        Of the test; None where the configuration names none.
    until
        When the section ends by itself, in microseconds since 1970 (UTC); None: when it is told to.
    """

    code: str | None = None
    until: int | None = None


def configuration(section: Section) -> Configuration:
    """Return what a section asks for.

    Raises
    ------
    ImsProblem
        Where ``until`` is no moment.
    """
    try:
        content = json.loads(base64.b64decode(section.sectionConfiguration, validate=True))
    except (binascii.Error, ValueError, RecursionError):
        return Configuration()
    if not isinstance(content, dict):
        return Configuration()
    code, until = content.get("test"), content.get("until")
    named = isinstance(code, str) and 0 < len(code) <= 100 and "\0" not in code
    try:
        return Configuration(code if named else None, None if until is None else from_iso(until))
    except (TypeError, ValueError) as error:
        raise ImsProblem(422, "until: expected a moment such as 2027-01-31T17:00:00Z") from error


def prior_theta(session: Session) -> int | None:
    """Return the ability to start from (``initialEstimatedAbility``), in millionths; None when not told.

    It chooses the first items and never enters the score. Demographics are not read at all.
    """
    for entry in session.priorData or ():
        if isinstance(entry, Ability):
            return round(min(max(float(entry.value), -6.0), 6.0) * 1e6)
    return None


@dataclass(frozen=True, slots=True)
class Scored:
    """The result of one presented item; ``score`` is None where nothing was answered."""

    identifier: str
    score: float | None


def item_results(results: Results) -> list[Scored]:
    """Return the final item results of a Results object, in their order."""
    assessment = results.assessmentResult
    entries = assessment.itemResults if assessment.itemResult is None else assessment.itemResult
    return [
        Scored(entry.identifier, _score(entry))
        for entry in entries or ()
        if (entry.sessionStatus or _FINAL).lower() == _FINAL
    ]


def _score(entry: ItemResult) -> float | None:
    for variable in entry.outcomeVariables or ():
        if isinstance(variable, Score):
            values = variable.value if isinstance(variable.value, list) else [variable.value]
            value = values[0] if values else None
            value = value.value if isinstance(value, ScoreValue) else value
            return None if value is None else float(value)
    return None


def outcome(identifier: str, value: float | str) -> dict[str, Any]:
    """Return an outcome variable."""
    kind = "identifier" if isinstance(value, str) else "float"
    return {
        "identifier": identifier,
        "cardinality": "single",
        "baseType": kind,
        "value": [{"baseType": kind, "value": str(value)}],
    }
