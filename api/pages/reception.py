"""Receiving a request to a page, and refusing one: forms from our own pages alone, refusals as pages."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import quote

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from api.pages.controls import Sent
from api.pages.protection import HEADERS, accepted, sent_form
from api.pages.site import Visit, page
from api.problems import Problem
from api.sittings.cookie import token_of

__all__ = ["PageRoute", "first", "problem_page", "received", "sitting_token", "to", "wants_page"]

INTERFACES = (
    "/api/",
    "/ims/",
    "/oauth",
    "/.well-known/",
    "/openapi",
    "/health",
    "/ready",
    "/metrics",
)
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


def to(path: str) -> RedirectResponse:
    """Return the redirection after a POST."""
    return RedirectResponse(path, 303)


TEXTS = {
    "not_found": "not_found",
    "method_not_allowed": "not_found",
    "taken_over": "taken_over",
    "code_expired": "code_expired",
    "test_closed": "test_closed",
    "busy": "unavailable",
    "draining": "unavailable",
    "unavailable": "unavailable",
    "forbidden": "forbidden",
    "cross_site": "forbidden",
    "not_finished": "not_finished",
    "malformed": "unreadable",
    "too_large": "unreadable",
    "unsupported_media_type": "unreadable",
}
LINKS = {
    "not_found": "/",
    "taken_over": "/",
    "code_expired": "/",
    "test_closed": "",
    "forbidden": "/question",
    "not_finished": "/question",
    "unreadable": "/question",
    "attestation": "/verify",
    "internal": "/question",
}
THEN = {"/": "/bienvenue", "/essai": "/bienvenue", "/quitter": "/"}
"""Where a form that is taken leads, by its address; all others to the question."""
PAGES = {
    "/essai": "/",
    "/quitter": "/",
    "/pause": "/question",
    "/reprendre": "/question",
    "/verify/file": "/verify",
}
"""Where a form stands whose address shows no page."""


def problem_page(request: Request, problem: Problem) -> Response:
    """Return the page that tells a candidate, or staff at the console, of `problem`.

    A form that the service could not take is kept in the page, to be sent again as it was; where the service
    is only busy, the page does so by itself. A form that the edge refused unread cannot be kept.
    """
    path = request.url.path
    staff = path == "/console" or path.startswith("/console/")
    if problem.code == "unauthenticated":
        back = f"?retour={quote(path)}" if request.method == "GET" else "?avis=fin"
        return to(f"/console/connexion{back}" if staff else "/?avis=inconnu")
    text = TEXTS.get(problem.code, "internal")
    if text == "unreadable" and request.url.path == "/verify/file":
        text = "attestation"
    sent: Sent = getattr(request.state, "sent", {})
    keep = text in ("unavailable", "internal") and bool(sent)
    response = page(
        Visit.of(request),
        "problem.html",
        problem.status,
        text=f"console.problem.{text}" if staff else f"problem.{text}",
        again=path if keep else "",
        then=THEN.get(path, "/question"),
        sent=sent if keep else {},
        retry=problem.retry_after if keep or request.method == "GET" else None,
        link="/console" if staff else LINKS.get(text, PAGES.get(path, path)),
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
