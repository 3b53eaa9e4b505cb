"""What the OpenAPI document says beyond the endpoints: problems, security schemes, links, shared schemas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, Path
from fastapi.openapi.models import APIKey, APIKeyIn, OAuth2, OAuthFlowClientCredentials, OAuthFlows
from fastapi.openapi.models import HTTPBase as HTTPScheme
from fastapi.openapi.models import HTTPBearer as HTTPBearerScheme
from fastapi.openapi.models import SecurityBase as SchemeModel
from fastapi.security.base import SecurityBase
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.json_schema import models_json_schema

from api.problems import PROBLEMS

__all__ = [
    "DATE",
    "DESCRIPTION",
    "MOMENT",
    "TAGS",
    "WHOLE",
    "Application",
    "Id",
    "Name",
    "Out",
    "ProblemOut",
    "Scheme",
    "client_schemes",
    "link",
    "problems",
    "reference",
    "text",
]


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_whole)
"""Marks a whole number, which JSON may also write as 30.0; stands last, so that bounds stay in the schema."""

Id = Annotated[
    str,
    Path(
        pattern="^[0-9A-Z]{26}$",
        description="An identifier as the service gave it.",
        examples=["01KB00000000000000000000"],
    ),
]
Name = Annotated[str, Field(pattern="^[0-9A-Z]{26}$")]
"""An identifier in a reply."""
MOMENT: Mapping[str, Any] = {"format": "date-time"}
DATE: Mapping[str, Any] = {"format": "date"}

DESCRIPTION = """\
Acquis serves adaptive tests and hands out signed results.

**Who asks.** A program of an organisation fetches an access token with its client identifier and secret
(`POST /api/v1/oauth/token`) and sends it as `Authorization: Bearer ...`; its scopes say what it may do. A
candidate enters with the code of an invitation (`POST /api/v1/sittings`) and sends the `token` of the reply
in the same way; browsers have it as a cookie.

**Refusals** are `application/problem+json` (RFC 9457) with a stable `code`; under `/ims/cat/v1p0` they are
the specification's StatusInfo. A refusal with status 503 carries `Retry-After`; repeat the request with the
same idempotency key (answers have one, invitations may).

**Moments** are ISO 8601 in UTC. Identifiers are 26 letters and digits that sort by the time of making.
"""

TAGS = [
    {"name": "Sittings", "description": "What a candidate's browser or application calls."},
    {"name": "Tests", "description": "What people can be invited to."},
    {"name": "Invitations", "description": "Inviting people (scope `invitations:write`)."},
    {"name": "Supervision", "description": "Deciding about a sitting (scope `sittings:supervise`)."},
    {"name": "Results", "description": "Fetching results (scope `results:read`)."},
    {"name": "Webhooks", "description": "Being told of results (scope `webhooks:write`)."},
    {
        "name": "1EdTech CAT 1.0",
        "description": "The engine behind another test player (scope `sections:run`). Implements the REST "
        "binding; nobody has certified it.",
    },
    {"name": "Access", "description": "OAuth2 client credentials and public keys."},
    {"name": "Operation", "description": "Health, readiness, metrics."},
]


class Out(BaseModel):
    """A reply: what is not declared does not leave the house."""

    model_config = ConfigDict(extra="forbid")


class PlaceOut(Out):
    """A place of the request that is wrong."""

    place: Annotated[str, Field(alias="in", description="Like `body.days`.")]
    message: str


class ProblemOut(BaseModel):
    """A refusal (RFC 9457)."""

    type: Annotated[str, Field(pattern="^urn:acquis:problem:[a-z_]+$")]
    title: Annotated[str, Field(description="For people; may change.")]
    status: int
    code: Annotated[str, Field(description="Stable: clients may branch on it.")]
    detail: Annotated[
        str,
        Field(description="For people: what was expected, what came, what to do. Left out where nothing."),
    ] = ""
    errors: Annotated[list[PlaceOut], Field(description="Of `malformed`: the places that are wrong.")] = []
    error: Annotated[str, Field(description="Of a token request: the code as RFC 6749 calls it.")] = ""
    seq: Annotated[int, Field(description="Of `stale`: where the sitting stands.")] = 0


_COMPONENTS: dict[str, tuple[type[BaseModel], Literal["validation", "serialization"]]] = {}
_TEMPLATE = "#/components/schemas/{model}"


def reference(model: type[BaseModel]) -> dict[str, str]:
    """Return a reference to `model`, which the document then holds among its schemas."""
    _COMPONENTS[model.__name__] = (model, "validation")
    return {"$ref": _TEMPLATE.format(model=model.__name__)}


_HEADERS: Mapping[int, dict[str, Any]] = {
    401: {"WWW-Authenticate": {"required": True, "schema": {"type": "string"}}},
    503: {
        "Retry-After": {
            "required": True,
            "description": "Seconds after which to try again.",
            "schema": {"type": "integer", "minimum": 1},
        }
    },
}


def problems(*codes: str) -> dict[int | str, dict[str, Any]]:
    """Return the ``responses`` entry for an endpoint that may refuse with `codes`.

    Every endpoint may also say that the request is not well formed or that the server is busy; one that
    takes a body, that it did not come in time.
    """
    by_status: dict[int, list[str]] = {}
    slow = ("slow_body",) if "too_large" in codes else ()
    for code in (*codes, *slow, "malformed", "busy", "draining", "unavailable"):
        by_status.setdefault(PROBLEMS[code][0], []).append(code)
    return {status: _refusal(status, found) for status, found in sorted(by_status.items())}


def _refusal(status: int, codes: list[str]) -> dict[str, Any]:
    narrowed = {"properties": {"status": {"const": status}, "code": {"enum": codes}}}
    told: dict[str, Any] = {
        "description": "; ".join(f"`{code}`: {PROBLEMS[code][1]}" for code in codes),
        "content": {"application/problem+json": {"schema": {"allOf": [reference(ProblemOut), narrowed]}}},
    }
    return told | ({"headers": _HEADERS[status]} if status in _HEADERS else {})


def link(
    operation: str, description: str, parameters: Mapping[str, str] | None = None, body: Any = None
) -> dict[str, Any]:
    """Return a link: how to call `operation` with what this reply says (runtime expressions)."""
    told: dict[str, Any] = {"operationId": operation, "description": description}
    if parameters:
        told["parameters"] = dict(parameters)
    if body is not None:
        told["requestBody"] = body
    return told


def text(*media_types: str) -> dict[str, Any]:
    """Return the ``content`` of a reply that is text or bytes in one of `media_types`."""
    return {media_type: {"schema": {"type": "string"}} for media_type in media_types}


class Scheme(SecurityBase):
    """A security scheme as the document declares it; the endpoints' own dependencies look who comes."""

    def __init__(self, name: str, model: SchemeModel) -> None:
        self.scheme_name = name
        self.model = model

    async def __call__(self) -> None:
        """Ask nothing."""


SITTING = Scheme(
    "sitting",
    HTTPBearerScheme(description="The `token` that `POST /api/v1/sittings` has answered with."),
)
SITTING_COOKIE = Scheme(
    "sittingCookie",
    APIKey.model_validate(
        {
            "in": APIKeyIn.cookie,
            "name": "acquis_sitting",
            "description": "The same in a browser; what changes something must come from this site's pages.",
        }
    ),
)
CLIENT_SECRET = Scheme(
    "clientSecret",
    HTTPScheme(scheme="basic", description="The client's identifier and secret; or send both in the form."),
)
ACCESS_TOKEN = Scheme(
    "accessToken",
    HTTPBearerScheme(bearerFormat="JWT", description="An access token that was fetched before."),
)


def client_schemes(scopes: Mapping[str, str]) -> tuple[Scheme, Scheme]:
    """Return how a program shows who it is: the flow that fetches an access token, or a token it has."""
    flow = OAuthFlowClientCredentials(tokenUrl="/api/v1/oauth/token", scopes=dict(scopes))
    return Scheme("client", OAuth2(flows=OAuthFlows(clientCredentials=flow))), ACCESS_TOKEN


def as_candidate(
    _token: Annotated[None, Depends(SITTING)], _cookie: Annotated[None, Depends(SITTING_COOKIE)]
) -> None:
    """Declare the two ways in which a candidate shows who it is."""


class Application(FastAPI):
    """The application; its document holds the schemas that `reference` was asked for."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document."""
        if self.openapi_schema is not None:
            return self.openapi_schema
        document = super().openapi()
        _, definitions = models_json_schema(list(_COMPONENTS.values()), ref_template=_TEMPLATE)
        schemas = definitions["$defs"] | document["components"]["schemas"]
        for unused in ("HTTPValidationError", "ValidationError"):  # the framework's; ours are problems
            schemas.pop(unused, None)
        document["components"]["schemas"] = dict(sorted(schemas.items()))
        for path in [*document["paths"].values(), *document["webhooks"].values()]:
            for operation in path.values():
                _tidy(operation["responses"], schemas)
        return document


def _tidy(responses: dict[str, Any], schemas: Mapping[str, Any]) -> None:
    """Leave out the framework's own refusal; say of a reply what its schema says."""
    for status, told in list(responses.items()):
        names = [
            content.get("schema", {}).get("$ref", "").rpartition("/")[2]
            for content in told.get("content", {}).values()
        ]
        if "HTTPValidationError" in names:
            del responses[status]
        elif told.get("description") == "Successful Response":
            told["description"] = next((schemas[name]["description"] for name in names if name), "Done.")
