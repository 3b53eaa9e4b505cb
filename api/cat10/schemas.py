"""What travels in the CAT 1.0 binding, as the document shows it and as requests are read.

Clients in the field send more loosely than the specification says: statuses and base types in capitals, null
where a field could be left out, numbers as texts. What can be meant in one way alone is taken so; anything
else is refused as ``invaliddata``. Fields that are not named here are let pass and not read.
"""

from __future__ import annotations

import base64
import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from api.openapi import MOMENT, Name, Out
from api.sittings.receipt import PATTERN

__all__ = ["CreatedOut", "NextOut", "Results", "Section", "SectionOut", "Session", "SessionOut", "StatusInfo"]

MAX_RESULTS = 200
INITIAL_ABILITY = "initialEstimatedAbility"
_BASE64 = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
_NUMBER = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?$"


class _In(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False)


NumberText = Annotated[str, Field(pattern=_NUMBER, max_length=40)]
Number = float | NumberText


def _other_than(*names: str) -> Any:
    """Return a text that is none of `names`: what those mean is told apart."""

    def checked(value: str) -> str:
        if value in names:
            raise ValueError(f"the value of {value} does not fit")
        return value

    return Annotated[str, AfterValidator(checked), Field(json_schema_extra={"not": {"enum": list(names)}})]


def _described(text: str, **more: Any) -> Any:
    return Field(default=None, description=text, **more)


class Section(_In):
    """A section to create."""

    sectionConfiguration: Annotated[
        str,
        Field(
            pattern=_BASE64,
            min_length=4,
            max_length=2_000,
            description='This engine\'s configuration, base64 over JSON: `{"test": "CODE"}`. What names no '
            "published test is refused as `unknownobject`. With `until` (a moment) the section ends then by "
            "itself, and what was answered in its sessions is scored.",
            examples=[base64.b64encode(json.dumps({"test": "DEMO-NUM-SANTE"}).encode()).decode()],
            json_schema_extra={
                "contentEncoding": "base64",
                "contentMediaType": "application/json",
                "contentSchema": {
                    "type": "object",
                    "required": ["test"],
                    "properties": {
                        "test": {"type": "string", "minLength": 1, "maxLength": 100},
                        "until": {"type": "string", "format": "date-time"},
                    },
                },
            },
        ),
    ]
    qtiMetadata: Annotated[Any, Field(description="Kept, not read: an object, or base64 text.")] = None
    qtiUsagedata: str | None = _described("Kept, not read: parameters of record are the test's.")


class Ability(_In):
    """The ability to start from; it chooses the first items and never enters the score."""

    glossaryURI: str | None = None
    key: Literal["initialEstimatedAbility"]
    value: Number


class Prior(_In):
    """Anything else that is known before; not read."""

    glossaryURI: str | None = None
    key: _other_than(INITIAL_ABILITY)  # type: ignore[valid-type]
    value: Any = None


class Session(_In):
    """A session to create."""

    priorData: list[Ability | Prior] | None = _described(
        "The first `initialEstimatedAbility` counts.", examples=[[{"key": INITIAL_ABILITY, "value": "0.5"}]]
    )
    personalNeedsAndPreferences: str | None = _described("Not read: the test player shows the items.")
    demographics: str | None = _described("Not read.")


class Value(_In):
    """A value of an outcome variable; the base type does not matter."""

    fieldIdentifier: str | None = None
    baseType: str | None = None
    value: Any = None


class ScoreValue(_In):
    """A score; null where nothing was answered."""

    fieldIdentifier: str | None = None
    baseType: str | None = None
    value: Number | None = None


class _Variable(_In):
    cardinality: str | int | None = None
    baseType: str | None = None


class Score(_Variable):
    """The score of the item: what it is worth, in the item's own points."""

    identifier: Literal["SCORE", "Score", "score"]
    value: Annotated[list[ScoreValue | Number | None], Field(max_length=1)] | ScoreValue | None = None


class Variable(_Variable):
    """Another outcome variable; not read."""

    identifier: _other_than("SCORE", "Score", "score")  # type: ignore[valid-type]
    value: list[Value | Number | bool | str | None] | Value | None = None


Status = Literal[
    "final",
    "initial",
    "pendingSubmission",
    "pendingResponseProcessing",
    "FINAL",
    "INITIAL",
    "PENDING_SUBMISSION",
    "PENDING_RESPONSE_PROCESSING",
]


class ItemResult(_In):
    """The result of one presented item."""

    identifier: Annotated[str, Field(min_length=1, description="As it was offered.")]
    sequenceIndex: int | None = None
    datestamp: str | None = None
    sessionStatus: Status | None = _described("Only final results count; left out, they are final.")
    outcomeVariables: list[Score | Variable] | None = _described("Without SCORE, nothing was answered.")
    responseVariables: list[Any] | None = _described("Not read.")
    templateVariables: list[Any] | None = _described("Not read.")
    candidateComment: str | None = _described("Not read.")


class AssessmentResult(_In):
    """Results of items, in the order of their presentation."""

    context: dict[str, Any] | None = _described("Not read.")
    testResult: dict[str, Any] | None = _described("Not read.")
    itemResult: list[ItemResult] | None = _described("As the specification has it.", max_length=MAX_RESULTS)
    itemResults: list[ItemResult] | None = _described(
        "As clients in the field have it; read where `itemResult` is missing.", max_length=MAX_RESULTS
    )


class Results(_In):
    """Results to submit."""

    assessmentResult: AssessmentResult
    sessionState: Annotated[str, Field(pattern=PATTERN, description="As it was given.")] | None = None


class CreatedOut(Out):
    """A section was created."""

    sectionIdentifier: Name


class ItemsOut(Out):
    """Items by their identifiers."""

    itemIdentifiers: list[str]


class SectionOut(Out):
    """A section: the items that it may ask for, and how it was asked for."""

    items: ItemsOut
    section: dict[str, Any]


class NextItemsOut(Out):
    """Items to present, the best first; an empty list ends the session."""

    itemIdentifiers: Annotated[list[str], Field(max_length=4)]
    stageLength: Annotated[Literal[1], Field(description="How many to present before asking again.")]


class SessionOut(Out):
    """A session was created."""

    sessionIdentifier: Name
    nextItems: NextItemsOut
    sessionState: Annotated[str, Field(description="Send it back with the results; it cannot be changed.")]


class OutcomeValueOut(Out):
    """A value, as text."""

    baseType: Literal["float", "identifier"]
    value: str


class OutcomeOut(Out):
    """An outcome variable."""

    identifier: str
    cardinality: Literal["single"]
    baseType: Literal["float", "identifier"]
    value: Annotated[list[OutcomeValueOut], Field(min_length=1, max_length=1)]


Moment = Annotated[str, Field(json_schema_extra=MOMENT)]


class TestResultOut(Out):
    """`THETA`, `THETA_SE`, `SCALED_SCORE`, `LEVEL`, `LEVEL_PROBABILITY_...`, and at the end `STOP_REASON`."""

    identifier: str
    datestamp: Moment
    outcomeVariables: list[OutcomeOut]


class ItemResultOut(Out):
    """The score that an item counts with."""

    identifier: str
    sequenceIndex: Annotated[int, Field(ge=1)]
    datestamp: Moment
    sessionStatus: Literal["final"]
    outcomeVariables: list[OutcomeOut]


class SessionIdentifierOut(Out):
    """The session, as this engine names it."""

    sourceID: Literal["acquis"]
    identifier: Name


class ContextOut(Out):
    """What the results are about."""

    sessionIdentifiers: list[SessionIdentifierOut]


class AssessmentResultOut(Out):
    """What the session says so far; the items stand under both names (see `Results`)."""

    context: ContextOut
    testResult: TestResultOut
    itemResult: list[ItemResultOut]
    itemResults: list[ItemResultOut]


class NextOut(Out):
    """What to present next, and what the session says so far."""

    nextItems: NextItemsOut
    sessionState: str
    assessmentResult: AssessmentResultOut


class MinorFieldOut(Out):
    """Who says it, and what."""

    imsx_codeMinorFieldName: str
    imsx_codeMinorFieldValue: Literal[
        "forbidden",
        "invaliddata",
        "unauthorisedrequest",
        "internal_server_error",
        "server_busy",
        "unknownobject",
    ]


class MinorOut(Out):
    """Why it is refused."""

    imsx_codeMinorField: Annotated[list[MinorFieldOut], Field(min_length=1)]


class StatusInfo(Out):
    """A refusal."""

    imsx_codeMajor: Literal["failure"]
    imsx_severity: Literal["error"]
    imsx_description: str
    imsx_codeMinor: MinorOut
