"""The way in: a code or the link of an invitation, the information, the beginning; and the language."""

from __future__ import annotations

from urllib.parse import quote, unquote

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api.accounts.invitations import normal
from api.pages.controls import Fault
from api.pages.language import LANGUAGES, minutes
from api.pages.reception import PageRoute, first, received, sitting_token, to
from api.pages.site import Visit, page
from api.problems import Problem
from api.sittings import service
from api.sittings.cookie import clear_token, set_token

__all__ = ["router"]

CODE_COOKIE = "acquis_code"
CODE_LENGTH = 20

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/")
async def entry(request: Request) -> Response:
    """Ask for the code of an invitation."""
    visit = Visit.of(request)
    unknown = request.query_params.get("avis") == "inconnu"
    return await entry_page(visit, notice="notice.unknown" if unknown else "")


async def entry_page(
    visit: Visit, status: int = 200, code: str = "", fault: str = "", notice: str = "", got: int = 0
) -> Response:
    """Return the first page."""
    return page(
        visit,
        "entry.html",
        status,
        code=code,
        faults=[Fault("code", "code", fault, {"got": got})] if fault else [],
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
        got = len(normal(code))
        fault = "fault.code" if got == CODE_LENGTH else "fault.code_length"
        return await entry_page(visit, 422, code, fault, got=got)
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
    return page(
        visit,
        "welcome.html",
        title=card.test.title[language],
        title_language=language,
        least=card.test.least,
        most=card.test.most,
        minutes=None if card.seconds is None else minutes(card.seconds),
        extra=0 if card.seconds is None else card.extra_time_percent,
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


@router.post("/quitter")
async def leave(request: Request) -> Response:
    """Make this browser forget the sitting: wards share computers. The invitation opens it again."""
    visit, _ = await received(request)
    response = to("/")
    clear_token(response, visit.runtime.settings)
    response.delete_cookie(CODE_COOKIE)
    return response


@router.get("/langue")
async def language(request: Request, vers: str = "", retour: str = "/") -> Response:
    """Remember the language and go back to the page."""
    back = retour if retour.startswith("/") and not retour.startswith(("//", "/\\")) else "/"
    response = to(quote(back, safe="/"))
    if vers in LANGUAGES:
        Visit.of(request).speak(vers, response)
    return response
