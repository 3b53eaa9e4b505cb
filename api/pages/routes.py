"""The addresses of the candidate's pages.

``/`` takes a code, ``/bienvenue`` informs and begins, ``/question`` is wherever the sitting stands,
``/resultat`` its result. Every change is a POST that ends in a redirection, so that reloading and going
back ask for a page and never repeat an act.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, unquote

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.pages.controls import Fault, Sent, read
from api.pages.item_markup import draw, image_named
from api.pages.language import LANGUAGES, messages, typeset
from api.pages.protection import HEADERS, accepted, sent_form
from api.pages.result import result_context
from api.pages.site import Visit, page, static, template
from api.problems import Problem
from api.sittings import service
from api.sittings.cookie import clear_token, set_token, token_of
from api.sittings.view import View

__all__ = ["problem_page", "router", "wants_page"]

CODE_COOKIE = "acquis_code"
NOTHING: Sent = MappingProxyType({})
INTERFACES = (
    "/api/",
    "/ims/",
    "/console",
    "/oauth",
    "/.well-known/",
    "/openapi",
    "/health",
    "/ready",
    "/metrics",
)
OWN_FIELDS = ("jeton", "question", "geste", "langue")


log = logging.getLogger("acquis.pages")


class PageRoute(APIRoute):
    """A route whose refusals are pages, too, and whose every response carries the protecting headers."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler around the endpoint."""
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                response = await handle(request)
            except Problem as problem:
                response = problem_page(request, problem)
            except Exception:
                log.exception("a page failed")
                response = problem_page(request, Problem("internal"))
            for name, value in HEADERS.items():
                response.headers.setdefault(name, value)
            return response

        return handled


router = APIRouter(route_class=PageRoute, include_in_schema=False)


def to(path: str) -> RedirectResponse:
    """Return the redirection after a POST."""
    return RedirectResponse(path, 303)


TEXTS = {
    "not_found": "not_found",
    "method_not_allowed": "not_found",
    "taken_over": "taken_over",
    "code_expired": "code_expired",
    "busy": "unavailable",
    "draining": "unavailable",
    "unavailable": "unavailable",
    "forbidden": "forbidden",
    "cross_site": "forbidden",
    "not_finished": "not_finished",
}
LINKS = {
    "not_found": "/",
    "taken_over": "/",
    "code_expired": "",
    "forbidden": "/question",
    "not_finished": "/question",
    "internal": "/question",
}


def problem_page(request: Request, problem: Problem) -> Response:
    """Return the page that tells a candidate of `problem`.

    A form that the service could not take now is kept in the page, to be sent again as it was.
    """
    if problem.code == "unauthenticated":
        return to("/?avis=inconnu")
    text = TEXTS.get(problem.code, "internal")
    sent: Sent = getattr(request.state, "sent", {})
    keep = text == "unavailable" and request.method == "POST"
    response = page(
        Visit.of(request),
        "problem.html",
        problem.status,
        text=f"problem.{text}",
        again=request.url.path if keep else "",
        sent=sent if keep else {},
        link=LINKS.get(text, request.url.path),
    )
    if problem.retry_after is not None:
        response.headers["Retry-After"] = str(problem.retry_after)
    return response


def wants_page(request: Request) -> bool:
    """Return whether a refusal should be a page: a browser asked, and not for one of the interfaces."""
    if request.url.path.startswith(INTERFACES):
        return False
    return "text/html" in request.headers.get("accept", "")


async def received(request: Request) -> tuple[Visit, dict[str, list[str]]]:
    """Return the visit and the fields of a form that a page of ours sent.

    Raises
    ------
    Problem
        ``cross_site`` when it was not a page of ours.
    """
    visit = Visit.of(request)
    sent = await sent_form(request)
    request.state.sent = sent
    if not accepted(visit.runtime, request, first(sent, "jeton")):
        raise Problem("cross_site", "Send the form from a page of this site.")
    return visit, sent


def first(sent: Sent, name: str) -> str:
    """Return the first value of a field, or nothing."""
    return next(iter(sent.get(name, ())), "")


def sitting_token(visit: Visit) -> str:
    """Return the secret of the sitting that this browser holds.

    Raises
    ------
    Problem
        ``unauthenticated`` when it holds none.
    """
    token = token_of(visit.request)
    if not token:
        raise Problem("unauthenticated", "Enter with the code of the invitation.")
    return token


# The way in


@router.get("/")
async def entry(request: Request) -> Response:
    """Ask for the code of an invitation."""
    visit = Visit.of(request)
    unknown = request.query_params.get("avis") == "inconnu"
    return await entry_page(visit, notice="notice.unknown" if unknown else "")


async def entry_page(
    visit: Visit, status: int = 200, code: str = "", fault: str = "", notice: str = ""
) -> Response:
    """Return the first page."""
    return page(
        visit,
        "entry.html",
        status,
        code=code,
        faults=[Fault("code", "code", fault)] if fault else [],
        notice=notice,
        live=False if notice else await has_sitting(visit),
        walk_in=visit.runtime.settings.walk_in,
    )


async def has_sitting(visit: Visit) -> bool:
    """Return whether this browser holds a sitting that it may go on with."""
    try:
        view = await service.current(visit.runtime, sitting_token(visit))
    except Problem:
        return False
    return view.phase != "finished"


@router.post("/")
async def enter_code(request: Request) -> Response:
    """Take a code and go on to the information, which comes before anything begins."""
    visit, sent = await received(request)
    code = first(sent, "code").strip()
    if not code:
        return await entry_page(visit, 422, fault="fault.code_empty")
    try:
        await service.invitation(visit.runtime, code)
    except Problem as problem:
        if problem.code != "code_unknown":
            raise
        return await entry_page(visit, 422, code, "fault.code")
    return with_code(visit, code)


@router.get("/i/{code}")
async def invited(request: Request, code: str) -> Response:
    """Open the link of an invitation. It changes nothing: mail scanners open links, too."""
    return with_code(Visit.of(request), code)


def with_code(visit: Visit, code: str) -> Response:
    """Take the code out of the address, into a cookie that lasts as long as the browser is open."""
    response = to("/bienvenue")
    visit.keep(response, CODE_COOKIE, quote(code[:64]))
    return response


@router.post("/essai")
async def try_it(request: Request) -> Response:
    """Give a passer-by a code of their own, where the server allows it."""
    visit, _ = await received(request)
    return with_code(visit, await service.walk_in(visit.runtime, visit.t.language))


@router.get("/bienvenue")
async def welcome(request: Request) -> Response:
    """Inform before anything begins."""
    visit = Visit.of(request)
    code = unquote(request.cookies.get(CODE_COOKIE, ""))
    if not code:
        return to("/question")
    try:
        card = await service.invitation(visit.runtime, code)
    except Problem as problem:
        if problem.code != "code_unknown":
            raise
        response = await entry_page(visit, 404, fault="fault.code")
        response.delete_cookie(CODE_COOKIE)
        return response
    language = visit.t.language if visit.t.language in card.test.title else next(iter(card.test.title))
    minutes = card.test.minutes
    return page(
        visit,
        "welcome.html",
        title=card.test.title[language],
        title_language=language,
        least=card.test.least,
        most=card.test.most,
        minutes=None if minutes is None else minutes * (100 + card.extra_time_percent) // 100,
        extra=card.extra_time_percent if minutes is not None else 0,
        state=card.state,
        code=grouped(code) if visit.runtime.settings.walk_in else "",
        demonstration=card.test.demonstration,
    )


def grouped(code: str) -> str:
    """Return a code in groups of four, as one copies it."""
    return "-".join(code[start : start + 4] for start in range(0, len(code), 4))


@router.post("/bienvenue")
async def begin(request: Request) -> Response:
    """Begin the sitting, or go on with it on this device."""
    visit, _ = await received(request)
    code = unquote(request.cookies.get(CODE_COOKIE, ""))
    if not code:
        return to("/question")
    opened = await service.enter(visit.runtime, code, visit.t.language)
    response = to("/question")
    set_token(response, opened.token, visit.runtime.settings)
    response.delete_cookie(CODE_COOKIE)
    return response


# The sitting


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
        return page(visit, "pause.html", status, text=text, answered=view.answered, **common)
    speaks = messages(view.item.language) if view.item.language in LANGUAGES else visit.t
    return page(
        visit,
        "question.html",
        status,
        position=view.position,
        least=view.least,
        most=view.most,
        deadline=view.deadline,
        handle=view.handle,
        item=draw(view.item, speaks, template("controls.html"), view.handle or "", sent, faults),
        faults=faults,
        notice=notice,
        **common,
    )


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
    try:
        await service.answer(visit.runtime, token, handle=handle, response={}, key=key_of(handle, fields))
    except Problem as problem:
        if problem.code in ("stale", "already_answered"):
            return standing(visit, view, 409, notice="notice.stale")
        if problem.code not in ("key_reused", "interrupted", "awaiting_decision", "finished"):
            raise
    return to("/question")


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


@router.get("/question/agrandir/{handle}/{name}")
async def enlarged(request: Request, handle: str, name: str) -> Response:
    """Show a picture of the open question in large, with its text."""
    visit = Visit.of(request)
    view = await service.current(visit.runtime, sitting_token(visit), visit.t.language)
    image = image_named(view.item, name) if view.item is not None and handle == view.handle else None
    if image is None or view.item is None:
        return to("/question")
    return page(
        visit,
        "picture.html",
        position=view.position,
        source=f"/question/image/{handle}/{name}",
        image=image,
        lines=[typeset(line, view.item.language) for line in image.alt.splitlines() if line.strip()],
        item_language=view.item.language,
        demonstration=view.test.demonstration,
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


@router.post("/quitter")
async def leave(request: Request) -> Response:
    """Make this browser forget the sitting: wards share computers. The invitation opens it again."""
    visit, _ = await received(request)
    response = to("/")
    clear_token(response, visit.runtime.settings)
    response.delete_cookie(CODE_COOKIE)
    return response


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


# Everywhere


@router.get("/langue")
async def language(request: Request, vers: str = "", retour: str = "/") -> Response:
    """Remember the language and go back to the page."""
    back = retour if retour.startswith("/") and not retour.startswith(("//", "/\\")) else "/"
    response = to(quote(back, safe="/"))
    if vers in LANGUAGES:
        Visit.of(request).speak(vers, response)
    return response


@router.get("/static/{digest}/{name}")
async def asset_file(digest: str, name: str) -> Response:
    """Return a static file; its address changes with it, so that it may be kept for ever."""
    try:
        body, media_type, known = static(name)
    except KeyError:
        raise Problem("not_found", "There is no such file.") from None
    kept = "public, max-age=31536000, immutable" if digest == known else "no-cache"
    return Response(body, media_type=media_type, headers={"Cache-Control": kept})
