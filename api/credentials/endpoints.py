"""Badges, whose keys sign them, and the lists of those withdrawn."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from api.credentials.baking import baked
from api.credentials.did import did_of, document
from api.credentials.lists import signed, withdrawn
from api.credentials.making import made, of_organisation
from api.credentials.shapes import BadgeOut, DidOut, ListOut
from api.credentials.turns import turns
from api.keys.signing import public_keys
from api.keys.store import KEPT, key_set, signer
from api.openapi import Id, problems, reference
from api.results.endpoints import Reader
from api.results.schemas import DOWNLOAD
from api.runtime import Runtime
from api.sittings import service
from api.sittings.endpoints import Candidate, Here

__all__ = ["BADGE_TYPE", "router"]

router = APIRouter()
BADGE_TYPE = "application/vc"
"""The media type of a credential (W3C Verifiable Credentials 2.0, 6.1)."""

Language = Annotated[Literal["fr", "en"], Query(description="In which the badge says what it says.")]
Form = Annotated[
    Literal["json", "svg", "png"],
    Query(
        alias="format",
        description="`svg` and `png`: a picture of the badge with the badge in it (Open Badges 3.0, 5.3).",
    ),
]
_PICTURES = {"svg": "image/svg+xml", "png": "image/png"}
_BADGE: dict[str, Any] = {
    "content": {
        BADGE_TYPE: {"schema": reference(BadgeOut)},
        "image/svg+xml": {"schema": {"type": "string"}},
        "image/png": {"schema": {"type": "string", "format": "binary"}},
    },
    "headers": DOWNLOAD,
}
_OPEN = {"Access-Control-Allow-Origin": "*"}


async def _badge(runtime: Runtime, claims: Mapping[str, Any], language: str, form: Form) -> Response:
    badge = await made(runtime, claims, language)
    content = badge if form == "json" else await turns(baked, badge, form)
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="acquis-badge-{claims["id"]}.{form}"',
    }
    return Response(content, media_type=_PICTURES.get(form, BADGE_TYPE), headers=headers)


@router.get(
    "/api/v1/results/{id}/badge",
    tags=["Results"],
    summary="A result as a badge that other programs read",
    response_class=Response,
    responses=problems("unauthenticated", "forbidden", "not_found") | {200: _BADGE},
)
async def read_badge(
    client: Reader, runtime: Here, id: Id, language: Language = "fr", form: Form = "json"
) -> Response:
    """Open Badges 3.0: the level if one is attested, scores with errors, the person as salted hashes."""
    claims = await runtime.read(of_organisation, client.organisation, id)
    return await _badge(runtime, claims, language, form)


@router.get(
    "/api/v1/sittings/current/badge",
    tags=["Sittings"],
    summary="The result as a badge that other programs read",
    response_class=Response,
    responses=problems("not_finished", "not_found", "unauthenticated", "taken_over") | {200: _BADGE},
)
async def read_own_badge(
    token: Candidate, runtime: Here, language: Language = "fr", form: Form = "json"
) -> Response:
    """Open Badges 3.0: the level if one is attested, scores with errors, the person as salted hashes."""
    result = await service.result(runtime, token)
    return await _badge(runtime, result.document, language, form)


async def _did(request: Request) -> Response:
    runtime: Runtime = request.app.state.runtime
    published = await runtime.read(key_set)
    content = document(
        did_of(runtime.settings.base_url), public_keys(published), published.get("revoked", ())
    )
    return Response(
        json.dumps(content, separators=(",", ":")),
        media_type="application/did+json",
        headers={"Cache-Control": f"public, max-age={KEPT}", **_OPEN},
    )


_DID = problems() | {200: {"content": {"application/did+json": {"schema": reference(DidOut)}}}}


@router.get(
    "/.well-known/did.json",
    tags=["Access"],
    summary="The DID document whose keys verify badges",
    response_class=Response,
    responses=_DID,
)
async def read_did(request: Request) -> Response:
    """``did:web`` of the public address. Keys that have signed before stay here."""
    return await _did(request)


@router.get(
    "/did.json",
    tags=["Access"],
    summary="The same, where a public address with a path has it",
    response_class=Response,
    responses=_DID,
)
async def read_did_below_a_path(request: Request) -> Response:
    """``did:web:example.org:acquis`` is looked up at ``https://example.org/acquis/did.json``."""
    return await _did(request)


@router.get(
    "/verify/lists/{number}",
    tags=["Results"],
    summary="Which badges were withdrawn, signed",
    response_class=Response,
    responses=problems("not_found")
    | {
        200: {
            "content": {BADGE_TYPE: {"schema": reference(ListOut)}},
            "headers": {"ETag": {"required": True, "schema": {"type": "string"}}},
        },
        304: {"description": "It says what the copy of that ETag says."},
    },
)
async def read_badge_list(
    request: Request,
    runtime: Here,
    number: Annotated[int, Path(ge=1, le=999_999, description="As a badge's `credentialStatus` has it.")],
) -> Response:
    """W3C Bitstring Status List: one bit a badge, so that who asks does not say which badge is verified."""
    told = await runtime.read(withdrawn, number)
    key = await runtime.read(signer, runtime.keyring)
    body = await turns(signed, runtime.settings.base_url, key, told)
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"Cache-Control": "public, no-cache", "ETag": tag, **_OPEN}
    known = [one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")]
    if tag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=BADGE_TYPE, headers=headers)
