"""Answers past the framework: what an exam day is made of, at what it has to cost.

A well-formed answer is served here. Whatever else comes, and every complaint about the form, is the
framework's, which is given the request again: `api.sittings.endpoints.answer` is the same address with the
same reply, and what OpenAPI says of it.
"""

from __future__ import annotations

import json

from pydantic import ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api.bodies import brought
from api.sittings import service
from api.sittings.endpoints import router, token_from
from api.sittings.schemas import AnswerIn, sitting_out

__all__ = ["QuickAnswers"]

_ROUTE = next(route for route in router.routes if getattr(route, "name", "") == "answer")
_PATH: str = _ROUTE.path  # type: ignore[attr-defined]
_encoded = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


class QuickAnswers:
    """ASGI middleware; one a worker."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve an answer, or pass the request on."""
        if scope["type"] != "http" or scope["path"] != _PATH or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            body = await request.body()
        except ClientDisconnect:
            return
        answer, key = _understood(request, body)
        if answer is None:
            await self.app(scope, brought(body, receive), send)
            return
        scope["route"] = _ROUTE  # metrics tell requests by their route
        runtime = scope["app"].state.runtime
        view = await service.answer(
            runtime,
            token_from(request, runtime),
            handle=answer.handle,
            response=answer.response,
            key=key,
            expected_seq=answer.expected_seq,
        )
        reply = _encoded(sitting_out(view)).encode()
        headers = [
            (b"content-length", b"%d" % len(reply)),
            (b"content-type", b"application/json"),
            (b"cache-control", b"no-store"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": reply})


def _understood(request: Request, body: bytes) -> tuple[AnswerIn | None, str]:
    """Return the answer and its idempotency key; None where the form is not just right."""
    key = request.headers.get("idempotency-key", "")
    plain = request.headers.get("content-type") == "application/json"
    if not plain or not 0 < len(key) <= service.MAX_KEY_LENGTH:
        return None, key
    try:
        return AnswerIn.model_validate_json(body), key
    except ValidationError:
        return None, key
