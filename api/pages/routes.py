"""The addresses of the candidate's pages.

``/`` takes a code, ``/bienvenue`` informs and begins, ``/question`` is wherever the sitting stands,
``/resultat`` its result. Every change is a POST that ends in a redirection, so that reloading and going
back ask for a page and never repeat an act.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.credentials.making import made
from api.pages import entry, verifying
from api.pages.controls import Fault, Sent, read
from api.pages.item_markup import draw
from api.pages.language import LANGUAGES, messages, minutes
from api.pages.reception import PageRoute, first, received, sitting_token, to
from api.pages.result import result_context
from api.pages.site import Visit, page, static, template
from api.problems import Problem
from api.sittings import service
from api.sittings.view import View

__all__ = ["router"]

NOTHING: Sent = MappingProxyType({})
OWN_FIELDS = ("jeton", "question", "geste", "langue")

router = APIRouter(route_class=PageRoute, include_in_schema=False)
router.include_router(entry.router)
router.include_router(verifying.router)


@router.get("/question")
async def question(request: Request) -> Response:
    """Show where the sitting stands: the same question however often it is asked for."""
    visit = Visit.of(request)
    view = await service.current(visit.runtime, sitting_token(visit), visit.t.language)
    return standing(visit, view)


def standing(
    visit: Visit,
    view: View,
    status: int = 200,
    sent: Sent = NOTHING,
    faults: tuple[Fault, ...] = (),
    notice: str = "",
) -> Response:
    """Return the page of where the sitting stands."""
    if view.phase == "finished":
        return to("/resultat")
    common: dict[str, Any] = {
        "title": view.test.title.get(visit.t.language, view.test.code),
        "demonstration": view.test.demonstration,
    }
    if view.item is None:
        text = "pause" if view.phase == "interrupted" else "awaiting"
        return page(
            visit,
            "pause.html",
            status,
            text=text,
            answered=view.answered,
            timed=view.deadline is not None,
            ends=view.abandoned_at,
            **common,
        )
    seconds = seconds_left(visit, view.deadline)
    speaks = messages(view.item.language) if view.item.language in LANGUAGES else visit.t
    return page(
        visit,
        "question.html",
        status,
        position=view.position,
        least=view.least,
        most=view.most,
        deadline=view.deadline,
        seconds=seconds,
        minutes=minutes(seconds),
        handle=view.handle,
        item=draw(view.item, speaks, template("controls.html"), view.handle or "", sent, faults),
        faults=faults,
        notice=notice,
        **common,
    )


def seconds_left(visit: Visit, deadline: int | None) -> int:
    """Return how long it is to `deadline` by the database's clock: a telephone's own may be wrong."""
    if deadline is None:
        return 0
    now = (visit.runtime.clock.now() or time.time_ns() // 1000) + visit.runtime.skew
    return max(0, -((now - deadline) // 1_000_000))


@router.post("/question")
async def answer(request: Request) -> Response:
    """Take what was done with a question: an answer, passing it, or reading it in another language."""
    visit, sent = await received(request)
    token = sitting_token(visit)
    spoken = first(sent, "langue")
    if spoken in LANGUAGES:
        visit.t = messages(spoken)
    view = await service.current(visit.runtime, token, visit.t.language)
    handle = first(sent, "question")
    skips = first(sent, "geste") == "passer-oui"
    fields: Sent = {} if skips else {n: values for n, values in sent.items() if n not in OWN_FIELDS}
    if view.phase == "interrupted" and await refusal(visit, token, handle, fields) == "stale":
        # no pause, only silence: whoever thought for long and now answers is back, and the answer counts
        await service.resume(visit.runtime, token)
        view = await service.current(visit.runtime, token, visit.t.language)
    if view.item is None or handle != view.handle:
        return await late(visit, token, view, handle, fields)
    if spoken in LANGUAGES:
        response = standing(visit, view, sent=fields)
        visit.speak(spoken, response)
        return response
    match first(sent, "geste"):
        case "revenir":
            return standing(visit, view, sent=fields)
        case "passer":
            return skip_page(visit, view, fields)
        case "passer-oui":
            return await record(visit, token, view, {}, {})
    reading = read(view.item, fields)
    if reading.faults:
        return standing(visit, view, 422, fields, reading.faults)
    return await record(visit, token, view, fields, reading.response)


def skip_page(visit: Visit, view: View, fields: Sent) -> Response:
    """Ask whether the question is really to be passed, and say what that means."""
    return page(
        visit,
        "skip.html",
        position=view.position,
        handle=view.handle,
        counts=f"skip.{view.test.omitted}",
        sent=fields,
        demonstration=view.test.demonstration,
    )


def key_of(handle: str, fields: Sent) -> str:
    """Return the idempotency key of an answer: the same answer to the same question has the same one."""
    text = json.dumps([handle, sorted((name, list(values)) for name, values in fields.items())])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


async def record(
    visit: Visit, token: str, view: View, fields: Sent, response: Mapping[str, Sequence[str]]
) -> Response:
    """Have the answer recorded; it is acknowledged after its commit."""
    handle = view.handle or ""
    try:
        await service.answer(
            visit.runtime,
            token,
            handle=handle,
            response=response,
            key=key_of(handle, fields),
            language=visit.t.language,
        )
    except Problem as problem:
        if problem.code in ("stale", "already_answered"):
            current = await service.current(visit.runtime, token, visit.t.language)
            return await late(visit, token, current, handle, fields)
        if problem.code == "invalid_response" and view.item is not None:
            name = next((name for name in fields if name.startswith("a.")), "content")
            fault = Fault(f"{name}.0", name, "fault.not_accepted")
            return standing(visit, view, 422, fields, (fault,))
        if problem.code not in ("interrupted", "awaiting_decision", "finished"):
            raise
    return to("/question")


async def late(visit: Visit, token: str, view: View, handle: str, fields: Sent) -> Response:
    """Answer a form whose question is not the open one.

    When the very same answer was recorded before (a double click, a reply that got lost), all is well and the
    sitting goes on. Otherwise the page was an old one: the open question is shown, and why.
    """
    if await refusal(visit, token, handle, fields) == "stale":
        return standing(visit, view, 409, notice="notice.stale")
    return to("/question")


async def refusal(visit: Visit, token: str, handle: str, fields: Sent) -> str:
    """Return why the service takes no such answer now: ``key_reused`` where it has it already.

    The service is asked with a handle that no question has, so that asking never records anything.
    """
    try:
        await service.answer(visit.runtime, token, handle="", response={}, key=key_of(handle, fields))
    except Problem as problem:
        if problem.code in ("key_reused", "stale", "interrupted", "awaiting_decision", "finished"):
            return problem.code
        raise
    raise AssertionError("an answer to no question was taken")


@router.get("/question/image/{handle}/{name}")
async def picture(request: Request, handle: str, name: str) -> Response:
    """Return a picture of the open question."""
    visit = Visit.of(request)
    body, media_type = await service.media(visit.runtime, sitting_token(visit), handle, name)
    return Response(
        body,
        media_type=media_type,
        headers={"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox"},
    )


@router.post("/pause")
async def pause(request: Request) -> Response:
    """Interrupt the sitting at the candidate's wish."""
    visit, _ = await received(request)
    await service.interrupt(visit.runtime, sitting_token(visit))
    return to("/question")


@router.post("/reprendre")
async def resume(request: Request) -> Response:
    """Go on after an interruption."""
    visit, _ = await received(request)
    await service.resume(visit.runtime, sitting_token(visit))
    return to("/question")


# The result


@router.get("/resultat")
async def result(request: Request) -> Response:
    """Show the result."""
    visit = Visit.of(request)
    found = await service.result(visit.runtime, sitting_token(visit))
    return page(visit, "result.html", **result_context(found, visit.t))


@router.get("/resultat/attestation.json")
async def attestation(request: Request) -> Response:
    """Hand out the signed result."""
    visit = Visit.of(request)
    found = await service.result(visit.runtime, sitting_token(visit))
    return Response(
        found.credential,
        media_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="attestation-{found.id}.json"'},
    )


@router.get("/resultat/badge.json")
async def own_badge(request: Request) -> Response:
    """Hand out the result as a badge, in the language of the page."""
    visit = Visit.of(request)
    found = await service.result(visit.runtime, sitting_token(visit))
    return Response(
        await made(visit.runtime, found.document, visit.t.language),
        media_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="badge-{found.id}.json"'},
    )


# Static files


@router.get("/static/{digest}/{name}")
async def asset_file(digest: str, name: str) -> Response:
    """Return a static file; its address changes with it, so that it may be kept for ever."""
    try:
        body, media_type, known = static(name)
    except KeyError:
        raise Problem("not_found", "There is no such file.") from None
    kept = "public, max-age=31536000, immutable" if digest == known else "no-cache"
    return Response(body, media_type=media_type, headers={"Cache-Control": kept})
