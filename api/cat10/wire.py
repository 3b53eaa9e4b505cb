"""What travels in the CAT 1.0 binding, and what is forgiven.

Clients in the field send more loosely than the specification says: statuses and base types in capitals, null
where a field could be left out, numbers as texts. What can be meant in one way alone is taken so; anything
else is refused as ``invaliddata`` with the place that is wrong.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = [
    "ImsProblem",
    "ItemResult",
    "configuration",
    "item_results",
    "outcome",
    "prior_theta",
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
_STATUSES = (_FINAL, "initial", "pendingsubmission", "pendingresponseprocessing")
MAX_RESULTS = 200


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


def _invalid(description: str) -> ImsProblem:
    return ImsProblem(422, description)


def _object(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _invalid(f"expected {where} to be an object")
    return value


def configuration(section: Mapping[str, Any]) -> str:
    """Return the code of the test that a Section asks for.

    ``sectionConfiguration`` is base64 over this engine's configuration: ``{"test": "CODE"}``.
    """
    encoded = section.get("sectionConfiguration")
    if not isinstance(encoded, str):
        raise _invalid('sectionConfiguration is missing: base64 over {"test": "CODE"}')
    try:
        content = json.loads(base64.b64decode(encoded, validate=True))
    except (binascii.Error, ValueError) as error:
        raise _invalid("sectionConfiguration is not base64 over JSON") from error
    code = content.get("test") if isinstance(content, dict) else None
    if not isinstance(code, str) or not 0 < len(code) <= 100 or "\0" in code:
        raise _invalid('sectionConfiguration names no test: {"test": "CODE"}')
    return code


def prior_theta(session: Mapping[str, Any]) -> int | None:
    """Return the ability to start from (``initialEstimatedAbility``), in millionths; None when not told.

    It chooses the first items and never enters the score. Demographics are not read at all.
    """
    prior = session.get("priorData")
    if prior is None:
        return None
    if not isinstance(prior, Sequence) or isinstance(prior, str):
        raise _invalid("expected priorData to be a list")
    for entry in prior:
        if _object(entry, "an entry of priorData").get("key") == "initialEstimatedAbility":
            theta = _number(entry.get("value"), "initialEstimatedAbility")
            return round(min(max(theta, -6.0), 6.0) * 1e6)
    return None


def _number(value: Any, where: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise _invalid(f"expected {where} to be a number") from error
    if not abs(number) < 1e9:
        raise _invalid(f"expected {where} to be a finite number")
    return number


@dataclass(frozen=True, slots=True)
class ItemResult:
    """The result of one presented item; ``score`` is None where nothing was answered."""

    identifier: str
    score: float | None


def item_results(results: Mapping[str, Any]) -> tuple[list[ItemResult], str | None]:
    """Return the final item results of a Results object, in their order, and the session state sent back."""
    state = results.get("sessionState")
    if state is not None and not isinstance(state, str):
        raise _invalid("expected sessionState as it was given")
    assessment = _object(results.get("assessmentResult"), "assessmentResult")
    entries = assessment.get("itemResult")
    if entries is None:
        entries = assessment.get("itemResults")
    if entries is None:
        return [], state
    if not isinstance(entries, list) or len(entries) > MAX_RESULTS:
        raise _invalid(f"expected itemResult to be a list of at most {MAX_RESULTS}")
    found = []
    for number, entry in enumerate(entries):
        where = f"itemResult[{number}]"
        entry = _object(entry, where)
        identifier = entry.get("identifier")
        if not isinstance(identifier, str) or not identifier:
            raise _invalid(f"{where} has no identifier")
        status = str(entry.get("sessionStatus") or _FINAL).replace("_", "").lower()
        if status not in _STATUSES:
            raise _invalid(f"expected sessionStatus of {where} to be one of final, initial, ...")
        if status == _FINAL:
            found.append(ItemResult(identifier, _score(entry, where)))
    return found, state


def _score(entry: Mapping[str, Any], where: str) -> float | None:
    variables = entry.get("outcomeVariables")
    if variables is None:
        return None
    if not isinstance(variables, list):
        raise _invalid(f"expected outcomeVariables of {where} to be a list")
    for variable in variables:
        variable = _object(variable, f"an outcome variable of {where}")
        if str(variable.get("identifier", "")).upper() != "SCORE":
            continue
        values = variable.get("value")
        if isinstance(values, Mapping):
            values = [values]
        if not values:
            return None
        if not isinstance(values, list) or len(values) != 1:
            raise _invalid(f"expected one value of SCORE in {where}")
        first = values[0]
        value = first.get("value") if isinstance(first, Mapping) else first
        return None if value is None else _number(value, f"SCORE of {where}")
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
