"""Templates, static files, and what every page has in common: who visits, in which language."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from api.pages.language import LANGUAGES, NAMES, Messages, chosen, messages
from api.pages.protection import FORM_COOKIE, HEADERS, form_token, new_form_secret

if TYPE_CHECKING:
    from api.runtime import Runtime

__all__ = ["LANGUAGE_COOKIE", "Visit", "asset", "page", "static", "template"]

FOLDER = Path(__file__).parent
LANGUAGE_COOKIE = "acquis_langue"
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["asset"] = asset
    environment.globals["languages"] = [(code, NAMES[code]) for code in LANGUAGES]
    return environment


def template(name: str) -> Template:
    """Return a template by its file name."""
    return _environment().get_template(name)


@cache
def static(name: str) -> tuple[bytes, str, str]:
    """Return a static file: its bytes, its media type, and a digest that changes when it does.

    Raises
    ------
    KeyError
        When there is none of that name.
    """
    found = {path.name: path for path in (FOLDER / "static").iterdir()}[name]
    body = found.read_bytes()
    return body, TYPES[found.suffix], hashlib.sha256(body).hexdigest()[:12]


def asset(name: str) -> str:
    """Return the address of a static file; a changed file has a new one."""
    return f"/static/{static(name)[2]}/{name}"


@dataclass(slots=True)
class Visit:
    """One request to a page."""

    request: Request
    runtime: Runtime
    t: Messages
    secret: str
    """What ties forms to this browser."""
    new: bool
    """Whether the browser has yet to be given it."""

    @staticmethod
    def of(request: Request) -> Visit:
        """Return the visit that `request` is."""
        secret = request.cookies.get(FORM_COOKIE, "")
        language = chosen(request.cookies.get(LANGUAGE_COOKIE))
        return Visit(
            request,
            request.app.state.runtime,
            messages(language),
            secret or new_form_secret(),
            not secret,
        )

    def speak(self, language: str, response: Response) -> None:
        """Remember the language in the browser."""
        self.keep(response, LANGUAGE_COOKIE, language, days=365)

    def keep(self, response: Response, name: str, value: str, days: int | None = None) -> None:
        """Put a cookie that no script reads and no other site sends."""
        response.set_cookie(
            name,
            value,
            max_age=None if days is None else days * 86_400,
            path="/",
            secure=self.runtime.settings.secure,
            httponly=True,
            samesite="lax",
        )


def page(visit: Visit, name: str, status: int = 200, **context: Any) -> HTMLResponse:
    """Return a page made from a template."""
    context = {
        "t": visit.t,
        "token": form_token(visit.runtime, visit.secret),
        "demonstration": visit.runtime.settings.walk_in,
        "here": visit.request.url.path if visit.request.method == "GET" else "/",
    } | context
    response = HTMLResponse(template(name).render(context), status, headers=dict(HEADERS))
    response.headers["Content-Language"] = visit.t.language
    if visit.new:
        visit.keep(response, FORM_COOKIE, visit.secret)
    return response
