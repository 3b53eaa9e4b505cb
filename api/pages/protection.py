"""What protects a page: its headers, and forms that are accepted from our own pages alone."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from starlette.requests import Request

from api.problems import Problem
from api.sittings.cookie import same_origin

if TYPE_CHECKING:
    from api.runtime import Runtime

__all__ = ["FORM_COOKIE", "HEADERS", "accepted", "form_token", "new_form_secret", "sent_form"]

HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Content-Security-Policy": (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
            "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        ),
        "Cache-Control": "no-store",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        # not "no-referrer": with it browsers send "Origin: null" with our own forms
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
)
"""Headers of every page."""

FORM_COOKIE = "acquis_formulaire"
LONGEST_FORM = 128 * 1024
MOST_FIELDS = 500


def new_form_secret() -> str:
    """Return what the cookie holds that ties forms to one browser."""
    return secrets.token_urlsafe(18)


def form_token(runtime: Runtime, secret: str) -> str:
    """Return what a form carries along: it proves that a page of ours, shown in this browser, made it."""
    return runtime.mac("form", secret)


def accepted(runtime: Runtime, request: Request, token: str) -> bool:
    """Return whether a form was sent from a page of ours, shown in this browser.

    Cookies that are SameSite and the origin that browsers send should be enough; the token does not depend
    on what a browser does.
    """
    if not same_origin(request, runtime.settings):
        return False
    secret = request.cookies.get(FORM_COOKIE, "")
    return bool(secret) and hmac.compare_digest(form_token(runtime, secret).encode(), token.encode())


async def sent_form(request: Request) -> dict[str, list[str]]:
    """Return the fields of a sent form (URL-encoded, as plain HTML forms are).

    Raises
    ------
    Problem
        ``too_large``, ``unsupported_media_type``, ``malformed``.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Problem("unsupported_media_type", "Send the form as application/x-www-form-urlencoded.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST_FORM:
            raise Problem("too_large", f"A form has at most {LONGEST_FORM} bytes.")
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS
        )
    except ValueError as error:  # not ASCII, not UTF-8 once decoded, or too many fields
        raise Problem("malformed", "Send a form of ours.") from error
    sent: dict[str, list[str]] = {}
    for name, value in pairs:
        sent.setdefault(name, []).append(value)
    return sent
