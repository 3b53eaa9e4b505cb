"""What results look like outside: the feed's entries, the signed claims, the signed file, public keys."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from api.openapi import DATE, MOMENT, Name, Out
from api.results.claims import NOTICE
from api.results.claims import SCHEMA as CLAIMS
from api.results.credential import SCHEMA as SIGNED
from api.results.status import SIGNED as STATUS

__all__ = [
    "CREDENTIAL_TYPE",
    "DOWNLOAD",
    "KeySetOut",
    "PageOut",
    "ResultOut",
    "SignedResultOut",
    "StatusListOut",
]

CREDENTIAL_TYPE = "application/vnd.acquis.result+json"
DOWNLOAD: dict[str, Any] = {
    "Content-Disposition": {
        "description": "The name to save it under.",
        "schema": {"type": "string", "pattern": "^attachment; filename="},
    }
}

Moment = Annotated[str, Field(json_schema_extra=MOMENT)]
Day = Annotated[str, Field(json_schema_extra=DATE)]
Texts = Annotated[dict[str, str], Field(description="By language.")]
Probability = Annotated[float, Field(ge=0, le=1)]


class PersonOut(Out):
    """Whom a result is about, as the organisation that invited them told."""

    id: Name
    identifier: str | None
    identifier_type: str | None
    family_name: str | None
    given_name: str | None


class TestedOut(Out):
    """The version of a test that was sat."""

    code: str
    version: Annotated[int, Field(ge=1)]
    title: Texts
    content: Annotated[str, Field(description="Hash of everything that the version is made of.")]


class AssessedOut(Out):
    """When the sitting began and ended."""

    from_: Annotated[str, Field(alias="from", json_schema_extra=MOMENT)]
    until: Moment


class EstimateOut(Out):
    """An ability in points of the scale and on the logistic metric (D = 1), with standard errors."""

    points: int
    points_error: Annotated[int, Field(ge=1)]
    theta: float
    standard_error: Annotated[float, Field(ge=0)]


class ScoreOut(EstimateOut):
    """The estimate of the whole test; `cuts` part the levels, in points."""

    scale: str
    scale_low: int
    scale_high: int
    cuts: list[int]


class LevelOut(Out):
    """A level and the probability that the person's ability lies in it."""

    code: str
    label: Texts
    probability: Probability


class DomainOut(EstimateOut):
    """A domain whose result is reliable enough to mean something."""

    code: str
    title: Texts
    items: Annotated[int, Field(ge=0)]


class LogOut(Out):
    """The log that the score follows from."""

    sitting: Name
    events: Annotated[int, Field(ge=1)]
    head: Annotated[str, Field(pattern="^[0-9a-f]+$", description="Hash of its last event.")]


class ClaimsOut(Out):
    """What a result says, as it is signed."""

    schema_: Annotated[Literal[CLAIMS], Field(alias="schema")]  # type: ignore[valid-type]
    id: Name
    version: Annotated[int, Field(ge=1)]
    issuer: Annotated[str, Field(json_schema_extra={"format": "uri"})]
    issued_at: Moment
    demonstration: bool
    person: PersonOut
    test: TestedOut
    assessed: AssessedOut
    valid_from: Day
    valid_until: Day
    score: ScoreOut
    level: Annotated[LevelOut, Field(description="Where the estimate lies.")]
    levels: list[LevelOut]
    decision: Annotated[str, Field(description="Level that is certain enough (`confidence`).")] | None
    confidence: Annotated[float, Field(gt=0, le=1)]
    domains: list[DomainOut]
    items: Annotated[int, Field(ge=0, description="How many items count.")]
    ended: Annotated[str, Field(description="Why the sitting ended.")]
    log: LogOut
    supersedes: Annotated[Name, Field(description="The result that this one replaces.")] = ""
    notice: Literal[NOTICE] = NOTICE  # type: ignore[valid-type]


class ResultOut(Out):
    """A result at its latest change; `result` holds the signed claims and is null once erased."""

    id: Name
    version: Annotated[int, Field(ge=1)]
    status: Annotated[
        Literal["valid", "superseded", "revoked", "erased"],
        Field(
            description="`superseded`: a later version replaces it; `revoked`: withdrawn, for example after "
            "a contest; `erased`: the person's data are gone, for good."
        ),
    ]
    status_at: Moment
    person_id: Name
    credential: (
        Annotated[
            str,
            Field(
                description="Where its signed file is; null once erased.",
                json_schema_extra={"format": "uri-reference"},
            ),
        ]
        | None
    )
    badge: (
        Annotated[
            str,
            Field(
                description="Where it is as an Open Badge 3.0; null once erased.",
                json_schema_extra={"format": "uri-reference"},
            ),
        ]
        | None
    )
    result: ClaimsOut | None


class PageOut(Out):
    """Results in the order of their changes. Keep `cursor` for next time, even when `more` is false."""

    results: list[ResultOut]
    cursor: Annotated[str, Field(description="Where to go on.", examples=["1-000000000000042"])]
    more: bool


class SignedResultOut(Out):
    """The file that anyone can verify: the claims, and a compact JWS (RFC 7515) over the same claims."""

    schema_: Annotated[Literal[SIGNED], Field(alias="schema")]  # type: ignore[valid-type]
    result: ClaimsOut
    jws: Annotated[str, Field(pattern=r"^[\w-]+\.[\w-]+\.[\w-]+$")]


class StatusListOut(Out):
    """A compact JWS (RFC 7515) over ``schema``, ``issuer``, ``issued_at``, ``superseded`` and ``revoked``.

    The last two are lists of the identifiers of results. What is in neither stands, if it was issued before.
    """

    schema_: Annotated[Literal[STATUS], Field(alias="schema")]  # type: ignore[valid-type]
    jws: Annotated[str, Field(pattern=r"^[\w-]+\.[\w-]+\.[\w-]+$")]


class KeyOut(Out):
    """A public Ed25519 key (RFC 8037)."""

    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    x: Annotated[str, Field(pattern=r"^[\w-]{43}$")]
    alg: Literal["EdDSA"]
    use: Literal["sig"]
    kid: str


class RevokedOut(Out):
    """A key that is believed no more, whatever it has signed."""

    kid: str
    x: Annotated[str, Field(pattern=r"^[\w-]{43}$")]
    revoked_at: Annotated[str, Field(json_schema_extra=MOMENT)]


class KeySetOut(Out):
    """A JWK set (RFC 7517), the newest key first; beside it, where there are any, those that were revoked."""

    keys: list[KeyOut]
    revoked: Annotated[list[RevokedOut], Field(default_factory=list)]
