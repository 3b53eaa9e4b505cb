"""The candidate's JSON endpoints under ``/api/v1``."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Request, Response
from fastapi.responses import JSONResponse

from api.openapi import as_candidate, link, problems, reference
from api.problems import Problem
from api.results.schemas import CREDENTIAL_TYPE, DOWNLOAD, SignedResultOut
from api.runtime import Runtime
from api.sittings import service
from api.sittings.cookie import same_origin, set_token, token_of
from api.sittings.schemas import (
    AnswerIn,
    BeginIn,
    EntryOut,
    InvitationOut,
    SittingOut,
    invitation_out,
    sitting_out,
)

__all__ = ["router", "token_from"]

router = APIRouter(prefix="/api/v1", tags=["Sittings"])

_NO_STORE = {"Cache-Control": "no-store"}


async def runtime_of(request: Request) -> Runtime:
    """Return the worker's runtime."""
    runtime: Runtime = request.app.state.runtime
    return runtime


def token_from(request: Request, runtime: Runtime) -> str:
    """Return the secret of the request's sitting, from the header or else the cookie.

    Raises
    ------
    Problem
        ``unauthenticated``, ``cross_site``
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    token = token_of(request)
    if not token:
        raise Problem("unauthenticated", "Enter with the code of the invitation.")
    if not same_origin(request, runtime.settings):
        raise Problem("cross_site", "Answer on this site's own pages.")
    return token


async def candidate(
    request: Request,
    runtime: Annotated[Runtime, Depends(runtime_of)],
    _: Annotated[None, Depends(as_candidate)],
) -> str:
    """Return the secret of the request's sitting; a coroutine, since threads cost more than it does."""
    return token_from(request, runtime)


Candidate = Annotated[str, Depends(candidate)]
Here = Annotated[Runtime, Depends(runtime_of)]
Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=service.MAX_KEY_LENGTH,
        description="Chosen by the client, one for each answer; a repeated request gets the same reply.",
        examples=["5f0c9a52-1"],
    ),
]
Code = Annotated[
    str,
    Path(
        max_length=64,
        description="Of the invitation; small letters, spaces and hyphens do not matter.",
        examples=["7K2M4QX9TB3W5Z8NRDHC"],
    ),
]
Handle = Annotated[str, Path(max_length=64, description="Of the pending item.", examples=["sZlX_5d1h0Q3"])]
Picture = Annotated[
    str, Path(max_length=64, description="As in the picture's `address`.", examples=["picture-1"])
]

_ANSWER = {
    "answer": link(
        "answer",
        "Answer the item, or skip it.",
        body={"handle": "$response.body#/handle", "response": {}, "expected_seq": "$response.body#/seq"},
    )
}
_PAUSE = {"interrupt": link("interrupt", "Pause.")}
_RESUME = {"resume": link("resume", "Go on.")}
_READ = {"read": link("read_sitting", "Read it again.")}
_RESULT = {"credential": link("read_own_credential", "Fetch the signed result once it is over.")}
_PICTURES = ("image/svg+xml", "image/png", "image/jpeg", "image/webp", "image/gif")
_LIVE = ("unauthenticated", "cross_site", "taken_over")


def _leads_to(*links: dict[str, Any], status: int = 200) -> dict[int | str, dict[str, Any]]:
    return {status: {"links": {name: told for found in links for name, told in found.items()}}}


def _json(content: Any, status: int = 200) -> JSONResponse:
    return JSONResponse(content, status, headers=_NO_STORE)


@router.get(
    "/invitations/{code}",
    response_model=InvitationOut,
    summary="What an invitation is for",
    responses=problems("code_unknown", "code_expired")
    | _leads_to({"enter": link("enter", "Begin the sitting.", body={"code": "$request.path.code"})}),
)
async def read_invitation(code: Code, runtime: Here) -> Response:
    """Changes nothing: opening a link does not begin a sitting."""
    return _json(invitation_out(await service.invitation(runtime, code)))


@router.post(
    "/sittings",
    status_code=201,
    response_model=EntryOut,
    summary="Begin a sitting, or go on with it here",
    responses=problems("code_unknown", "code_expired", "test_closed", "too_large")
    | _leads_to(
        {
            "read": link("read_sitting", "Read it again, with the `token` of this reply."),
            "answer": link(
                "answer",
                "Answer the first item, with the `token` of this reply.",
                body={
                    "handle": "$response.body#/sitting/handle",
                    "response": {},
                    "expected_seq": "$response.body#/sitting/seq",
                },
            ),
            "interrupt": link("interrupt", "Pause, with the `token` of this reply."),
            "supervise": link(
                "read_supervised", "For its supervisor.", {"path.id": "$response.body#/sitting/sitting"}
            ),
        },
        status=201,
    ),
)
async def enter(body: BeginIn, runtime: Here) -> Response:
    """A sitting has one active client: entering again revokes the secret of the one before."""
    entry = await service.enter(runtime, body.code, body.language)
    response = _json({"token": entry.token, "sitting": sitting_out(entry.view)}, 201)
    set_token(response, entry.token, runtime.settings)
    return response


@router.get(
    "/sittings/current",
    response_model=SittingOut,
    summary="Where the sitting stands",
    responses=problems("unauthenticated", "taken_over") | _leads_to(_ANSWER, _PAUSE, _RESULT),
)
async def read_sitting(token: Candidate, runtime: Here) -> Response:
    """The pending item is the same however often it is read, until it is answered."""
    return _json(sitting_out(await service.current(runtime, token)))


@router.post(
    "/sittings/current/answers",
    response_model=SittingOut,
    summary="Answer the pending item",
    responses=problems(
        "invalid_response",
        "key_reused",
        "stale",
        "already_answered",
        "interrupted",
        "awaiting_decision",
        "finished",
        "too_large",
        *_LIVE,
    )
    | _leads_to(_READ, _ANSWER, _PAUSE, _RESULT),
)
async def answer(body: AnswerIn, key: Key, token: Candidate, runtime: Here) -> Response:
    """The reply comes after the answer and the next item are stored for good."""
    view = await service.answer(
        runtime,
        token,
        handle=body.handle,
        response=body.response,
        key=key,
        expected_seq=body.expected_seq,
    )
    return _json(sitting_out(view))


@router.post(
    "/sittings/current/interruption",
    response_model=SittingOut,
    summary="Pause",
    responses=problems(*_LIVE) | _leads_to(_RESUME),
)
async def interrupt(token: Candidate, runtime: Here) -> Response:
    """The item stays the same and is hidden until the sitting is resumed."""
    return _json(sitting_out(await service.interrupt(runtime, token)))


@router.post(
    "/sittings/current/resumption",
    response_model=SittingOut,
    summary="Go on after a pause",
    responses=problems(*_LIVE) | _leads_to(_READ, _ANSWER),
)
async def resume(token: Candidate, runtime: Here) -> Response:
    """Gives time back as the test's rules say; beyond them a person decides."""
    return _json(sitting_out(await service.resume(runtime, token)))


@router.get(
    "/sittings/current/media/{handle}/{name}",
    summary="A picture of the pending item",
    response_class=Response,
    responses=problems("not_found", "unauthenticated", "taken_over")
    | {200: {"content": {media_type: {} for media_type in _PICTURES}}},
)
async def media(handle: Handle, name: Picture, token: Candidate, runtime: Here) -> Response:
    """Names of pictures belong to one sitting."""
    body, media_type = await service.media(runtime, token, handle, name)
    return Response(
        body,
        media_type=media_type,
        headers={
            "Cache-Control": "private, max-age=3600",
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
            "X-Content-Type-Options": "nosniff",
        },
    )


@router.get(
    "/sittings/current/credential",
    summary="The signed result",
    response_class=Response,
    responses=problems("not_finished", "not_found", "unauthenticated", "taken_over")
    | {200: {"content": {CREDENTIAL_TYPE: {"schema": reference(SignedResultOut)}}, "headers": DOWNLOAD}},
)
async def read_own_credential(token: Candidate, runtime: Here) -> Response:
    """The file that ``acquis verify`` and everyone else can check."""
    result = await service.result(runtime, token)
    return Response(
        result.credential,
        media_type=CREDENTIAL_TYPE,
        headers=_NO_STORE | {"Content-Disposition": f'attachment; filename="acquis-result-{result.id}.json"'},
    )
