"""The exact shape of what is signed here: a badge, a status list; and the DID document.

A JSON-LD proof covers statements, not text: a term that no context defines is dropped before anything is
hashed, and a member spelled in another way is signed where nobody reads it. So a badge is read only in the
one shape in which it is made, where nothing may stand that the contexts do not define. The same models
describe it to the world (OpenAPI).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, ConfigDict, Field, ValidationError, WithJsonSchema

from api.credentials.did import CONTEXTS as DID_CONTEXTS
from api.credentials.document import CONTEXTS, SCHEMA, TYPE
from api.keys.signing import BadSignature
from api.moments import from_iso
from api.openapi import MOMENT, Out

__all__ = ["BadgeOut", "DidOut", "ListOut", "shaped"]

LIST_CONTEXTS = CONTEXTS[:1]
LIST_TYPE = ["VerifiableCredential", "BitstringStatusListCredential"]


class Only:
    """A list that always holds the same."""

    def __init__(self, *content: str) -> None:
        self.content = list(content)

    def __call__(self, value: list[str]) -> list[str]:
        """Return `value` if it is that list."""
        if value != self.content:
            raise ValueError(f"expected {self.content}")
        return value


def _only(*content: str) -> tuple[AfterValidator, WithJsonSchema]:
    return AfterValidator(Only(*content)), WithJsonSchema({"const": list(content)})


def _moment(text: str) -> str:
    from_iso(text)
    return text


_DID = r"did:web:[A-Za-z0-9.%_~:-]{1,400}"
_ADDRESS = r"https?://[^\s<>\x22{}|\\^`#]{1,400}"
Text = Annotated[str, Field(min_length=1, max_length=4000)]
Number = Annotated[str, Field(pattern=r"^-?[0-9]{1,9}$")]
Urn = Annotated[str, Field(pattern=r"^urn:uuid:[0-9a-f-]{36}$")]
Did = Annotated[str, Field(pattern=f"^{_DID}$")]
Key = Annotated[
    str, Field(pattern=rf"^{_DID}#[A-Za-z0-9_-]{{43}}$", description="The issuer's key: its kid.")
]
Address = Annotated[str, Field(pattern=f"^{_ADDRESS}$")]
Moment = Annotated[
    str,
    Field(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$", json_schema_extra=dict(MOMENT)
    ),
    AfterValidator(_moment),
]


class Shape(Out):
    """Nothing is taken for something else, nothing more may stand there."""

    model_config = ConfigDict(extra="forbid", strict=True)


class ProofOut(Shape):
    """A Data Integrity proof (W3C vc-di-eddsa)."""

    type: Literal["DataIntegrityProof"]
    cryptosuite: Literal["eddsa-rdfc-2022"]
    created: Moment
    verificationMethod: Key
    proofPurpose: Literal["assertionMethod"]
    proofValue: Annotated[str, Field(pattern=r"^z[1-9A-HJ-NP-Za-km-z]{80,90}$")]


Proofs = Annotated[list[ProofOut], Field(min_length=1, max_length=1)]


class IssuerOut(Shape):
    """The deployment that signs."""

    id: Did
    type: Annotated[list[str], *_only("Profile")]
    name: Text
    url: Address


class IdentityOut(Shape):
    """Somebody told by the hash of a number or name, and a salt."""

    type: Literal["IdentityObject"]
    hashed: Literal[True]
    identityHash: Annotated[str, Field(pattern=r"^sha256\$[0-9a-f]{64}$")]
    identityType: Literal["identifier", "name", "systemId"]
    salt: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]


class LevelOut(Shape):
    """A level of the test."""

    id: Urn
    type: Annotated[list[str], *_only("RubricCriterionLevel")]
    name: Text
    level: Text


class ScaleOut(Shape):
    """What a number among the results is."""

    id: Urn
    type: Annotated[list[str], *_only("ResultDescription")]
    name: Text
    resultType: Literal["ScaledScore", "ext:StandardError"]
    valueMin: Number
    valueMax: Number = ""
    requiredValue: Number = ""


class RubricOut(Shape):
    """The levels of the test, the lowest first."""

    id: Urn
    type: Annotated[list[str], *_only("ResultDescription")]
    name: Text
    resultType: Literal["RubricCriterionLevel"]
    rubricCriterionLevel: Annotated[list[LevelOut], Field(min_length=1, max_length=20)]
    requiredLevel: Urn = ""


class CriteriaOut(Shape):
    """When the achievement is attested."""

    narrative: Text


class AchievementOut(Shape):
    """A test, and the level that was reached in it, if one is attested."""

    id: Urn
    type: Annotated[list[str], *_only("Achievement")]
    achievementType: Literal["Assessment"]
    name: Text
    description: Text
    inLanguage: Literal["fr", "en"]
    version: Number
    humanCode: Text
    criteria: CriteriaOut
    resultDescription: Annotated[list[ScaleOut | RubricOut], Field(min_length=3, max_length=200)]


class ValueOut(Shape):
    """A number among the results."""

    type: Annotated[list[str], *_only("Result")]
    resultDescription: Urn
    value: Number


class ReachedOut(Shape):
    """The level that is attested."""

    type: Annotated[list[str], *_only("Result")]
    resultDescription: Urn
    achievedLevel: Urn


class SubjectOut(Shape):
    """Who did what."""

    type: Annotated[list[str], *_only("AchievementSubject")]
    identifier: Annotated[list[IdentityOut], Field(min_length=1, max_length=2)]
    activityStartDate: Moment
    activityEndDate: Moment
    narrative: Text
    achievement: AchievementOut
    result: Annotated[list[ValueOut | ReachedOut], Field(min_length=2, max_length=200)]


class EvidenceOut(Shape):
    """What the result follows from."""

    type: Annotated[list[str], *_only("Evidence")]
    name: Text
    description: Text


class FormOut(Shape):
    """The JSON schema of Open Badges that a badge fits."""

    id: Literal[SCHEMA]  # type: ignore[valid-type]
    type: Literal["1EdTechJsonSchemaValidator2019"]


class EntryOut(Shape):
    """Where to look whether the badge was withdrawn (W3C Bitstring Status List 1.0)."""

    id: Annotated[str, Field(pattern=rf"^{_ADDRESS}#[0-9]{{1,6}}$")]
    type: Literal["BitstringStatusListEntry"]
    statusPurpose: Literal["revocation"]
    statusListIndex: Annotated[str, Field(pattern="^(0|[1-9][0-9]{0,5})$")]
    statusListCredential: Address


class BadgeOut(Shape):
    """A result as a badge: Open Badges 3.0, an AchievementCredential of W3C Verifiable Credentials 2.0."""

    context: Annotated[list[str], Field(alias="@context"), *_only(*CONTEXTS)]
    id: Annotated[str, Field(pattern=rf"^{_ADDRESS}#[0-9A-Z]{{26}}$")]
    type: Annotated[list[str], *_only(*TYPE)]
    name: Text
    description: Text
    issuer: IssuerOut
    awardedDate: Moment
    validFrom: Moment
    validUntil: Moment
    credentialSubject: SubjectOut
    evidence: Annotated[list[EvidenceOut], Field(min_length=1, max_length=1)]
    credentialSchema: Annotated[list[FormOut], Field(min_length=1, max_length=1)]
    credentialStatus: EntryOut
    proof: Proofs


class BitsOut(Shape):
    """One bit a badge, set where it was withdrawn: GZIP, then base64url behind a ``u``."""

    id: Annotated[str, Field(pattern=f"^{_ADDRESS}#list$")]
    type: Literal["BitstringStatusList"]
    statusPurpose: Literal["revocation"]
    encodedList: Annotated[str, Field(pattern="^u[A-Za-z0-9_-]+$", max_length=200_000)]
    ttl: Annotated[int, Field(ge=1, description="Milliseconds for which a copy may be kept.")]


class ListOut(Shape):
    """Which badges were withdrawn (W3C Bitstring Status List 1.0)."""

    context: Annotated[list[str], Field(alias="@context"), *_only(*LIST_CONTEXTS)]
    id: Address
    type: Annotated[list[str], *_only(*LIST_TYPE)]
    issuer: Did
    validFrom: Moment
    credentialSubject: BitsOut
    proof: Proofs


class MethodOut(Out):
    """A public Ed25519 key (Multikey)."""

    id: Key
    type: Literal["Multikey"]
    controller: Did
    publicKeyMultibase: Annotated[str, Field(pattern="^z6Mk[1-9A-HJ-NP-Za-km-z]{44}$")]
    revoked: Annotated[Moment | None, Field(description="Since when it is good for nothing.")] = None


class DidOut(Out):
    """The DID document of this deployment (``did:web``), the newest key first, revoked ones last."""

    context: Annotated[list[str], Field(alias="@context"), *_only(*DID_CONTEXTS)]
    id: Did
    verificationMethod: list[MethodOut]
    assertionMethod: list[Key]


S = TypeVar("S", bound=Shape)


def shaped(content: Any, shape: type[S]) -> S:
    """Return `content` as a `shape`.

    Raises
    ------
    BadSignature
        When anything of it is missing, otherwise, or more.
    """
    try:
        return shape.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BadSignature(
            f"it is not as this program makes them, in {place[:200]!a}: {ascii(first['msg'][:100])[1:-1]}"
        ) from error
