"""Access tokens, and inviting people."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs, unquote

from fastapi import APIRouter, Depends, Header, Request, Security
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from api.accounts.clients import LIFETIME, SCOPES, Client, authorise, token_for
from api.accounts.invitations import Invitee, invite, invite_again
from api.ids import derived, new_code, new_id
from api.moments import iso
from api.openapi import CLIENT_SECRET, MOMENT, WHOLE, Name, Out, client_schemes, link, problems
from api.problems import Problem
from api.results.claims import Person
from api.runtime import Runtime
from api.sittings.service import MAX_KEY_LENGTH
from api.sittings.timing import SECOND

__all__ = ["client_with", "router"]

router = APIRouter(prefix="/api/v1")

_MAX_BODY = 8_192
_LONGEST = {"scope": 500, "client_id": 100, "client_secret": 200}
_FLOW, _TOKEN = client_schemes(SCOPES)
_TEXT = r"^[^\x00]*$"


def client_with(scope: str = "") -> Callable[..., Awaitable[Client]]:
    """Return a dependency: the client of a request whose access token allows `scope`, if any."""

    flow, token = Security(_FLOW, scopes=scope.split()), Security(_TOKEN)

    async def dependency(request: Request, _flow: None = flow, _token: None = token) -> Client:
        runtime: Runtime = request.app.state.runtime
        scheme, _, access = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not access:
            raise Problem("unauthenticated", "Send an access token: Authorization: Bearer ...")
        return await authorise(runtime, access.strip(), scope)

    return dependency


class TokenOut(Out):
    """An access token."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: Annotated[int, Field(ge=1, description="Seconds.")]
    scope: Annotated[str, Field(description="What it allows, parted by spaces.")]


@router.post(
    "/oauth/token",
    tags=["Access"],
    response_model=TokenOut,
    summary="An access token for a client",
    responses=problems(
        "invalid_client", "invalid_scope", "invalid_request", "unsupported_grant_type", "too_large"
    ),
    dependencies=[Depends(CLIENT_SECRET)],
    openapi_extra={
        "security": [{}],
        "requestBody": {
            "required": True,
            "content": {
                "application/x-www-form-urlencoded": {
                    "schema": {
                        "type": "object",
                        "required": ["grant_type"],
                        "properties": {
                            "grant_type": {"type": "string", "enum": ["client_credentials"]},
                            "scope": {
                                "type": "string",
                                "maxLength": _LONGEST["scope"],
                                "description": "Parted by spaces; empty: all that the client may have.",
                            },
                            "client_id": {
                                "type": "string",
                                "maxLength": _LONGEST["client_id"],
                                "description": "Where the header does not say it.",
                            },
                            "client_secret": {"type": "string", "maxLength": _LONGEST["client_secret"]},
                        },
                    }
                }
            },
        },
    },
)
async def fetch_token(request: Request) -> JSONResponse:
    """Credentials go into the header (HTTP Basic, preferred) or the form."""
    runtime: Runtime = request.app.state.runtime
    form = await _form(request)
    grant = form.get("grant_type")
    if grant is None:
        raise Problem("invalid_request", "Send grant_type=client_credentials as a form.")
    if grant != "client_credentials":
        raise Problem("unsupported_grant_type")
    id, secret = _basic(request.headers.get("authorization", "")) or (
        form.get("client_id", ""),
        form.get("client_secret", ""),
    )
    access, scope = await token_for(runtime, id, secret, form.get("scope", ""))
    return JSONResponse(
        {"access_token": access, "token_type": "Bearer", "expires_in": LIFETIME, "scope": scope},
        headers={"Cache-Control": "no-store"},
    )


async def _form(request: Request) -> dict[str, str]:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY:
            raise Problem("too_large")
    try:
        fields = parse_qs(body.decode(), keep_blank_values=True, strict_parsing=bool(body), max_num_fields=20)
    except ValueError as error:
        raise Problem("invalid_request", "Send a form: application/x-www-form-urlencoded.") from error
    if any(len(values) > 1 for values in fields.values()):
        raise Problem("invalid_request", "Send each field once.")
    form = {name: values[0] for name, values in fields.items()}
    for name, most in _LONGEST.items():
        if len(form.get(name, "")) > most:
            raise Problem("invalid_request", f"Send a {name} of at most {most} characters.")
    return form


def _basic(header: str) -> tuple[str, str] | None:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise Problem("invalid_client", "The Authorization header cannot be read.") from None
    return unquote(id), unquote(secret)


class PersonIn(BaseModel):
    """Someone to invite, as the organisation names them."""

    model_config = ConfigDict(extra="forbid", strict=True)

    identifier: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=100,
            pattern=_TEXT,
            description="The organisation's own; one that was used before names the same person.",
            examples=["M-1024"],
        ),
    ] = None
    identifier_type: Annotated[
        str | None, Field(pattern="^[a-z_]{1,20}$", examples=["matricule", "rpps"])
    ] = None
    family_name: Annotated[str | None, Field(max_length=200, pattern=_TEXT, examples=["Durand"])] = None
    given_name: Annotated[str | None, Field(max_length=200, pattern=_TEXT, examples=["Léa"])] = None


class InvitationIn(BaseModel):
    """An invitation to make."""

    model_config = ConfigDict(extra="forbid", strict=True)

    person: PersonIn
    test: Annotated[
        str,
        Field(
            min_length=1, max_length=100, pattern=_TEXT, description="Its code.", examples=["DEMO-NUM-SANTE"]
        ),
    ]
    days: Annotated[int, Field(ge=1, le=366, description="How long it is valid."), WHOLE] = 30
    extra_time_percent: Annotated[
        int, Field(ge=0, le=200, description="More time, where the test is timed.", examples=[33]), WHOLE
    ] = 0
    need: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=200,
            pattern=_TEXT,
            description="One of the needs that the test is offered for: the person meets items that suit it. "
            "Left out of everything that is told of the sitting and its result.",
        ),
    ] = None


class InvitedOut(Out):
    """What to hand to the person; the code is told once and not stored."""

    invitation: Name
    person: Name
    code: Annotated[str, Field(max_length=64)]
    link: Annotated[str, Field(json_schema_extra={"format": "uri"})]
    expires_at: Annotated[str, Field(json_schema_extra=MOMENT)]


@router.post(
    "/invitations",
    tags=["Invitations"],
    status_code=201,
    response_model=InvitedOut,
    summary="Invite someone to a test",
    responses=problems("unauthenticated", "forbidden", "not_found", "conflict", "key_reused", "too_large")
    | {
        201: {
            "links": {
                "read": link("read_invitation", "What it is for.", {"path.code": "$response.body#/code"}),
                "enter": link("enter", "Sit the test.", body={"code": "$response.body#/code"}),
            }
        }
    },
)
async def invite_someone(
    body: InvitationIn,
    request: Request,
    client: Annotated[Client, Depends(client_with("invitations:write"))],
    key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            min_length=1,
            max_length=MAX_KEY_LENGTH,
            description="Chosen by the client, one for each invitation: a repeated request gets the same "
            "reply and invites nobody twice; another request under the same key is refused.",
            examples=["5f0c9a52-1"],
        ),
        WithJsonSchema({"type": "string", "minLength": 1, "maxLength": MAX_KEY_LENGTH}),
    ] = None,
) -> JSONResponse:
    """A person named by an identifier that the organisation used before is the same person."""
    runtime: Runtime = request.app.state.runtime
    fields: dict[str, Any] = body.person.model_dump()
    person, lifetime = Person(new_id(), **fields), body.days * 86_400 * SECOND
    extra, need = body.extra_time_percent, body.need
    if key is None:
        invited = await runtime.write(
            invite, client.organisation, person, body.test, new_code(), lifetime, extra, need
        )
    else:
        who = json.dumps([client.organisation, client.id, key])
        id, code = derived(new_id(), runtime.mac("invitation by key", f"{who} {body.model_dump_json()}"))
        invitee = Invitee(person, code, extra, need, id, runtime.mac("idempotency key", who))
        invited = await runtime.write(invite_again, client.organisation, body.test, invitee, lifetime)
    return JSONResponse(
        {
            "invitation": invited.id,
            "person": invited.person_id,
            "code": invited.code,
            "link": f"{runtime.settings.base_url}/i/{invited.code}",
            "expires_at": iso(invited.expires_at),
        },
        201,
        headers={"Cache-Control": "no-store"},
    )
