"""The candidate's secret in the browser: a cookie that scripts cannot read and other sites cannot send."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from api.settings import Settings

__all__ = ["COOKIE", "clear_token", "same_origin", "set_token", "token_of"]

COOKIE = "acquis_sitting"
_SAFE = frozenset(("GET", "HEAD", "OPTIONS"))


def set_token(response: Response, token: str, settings: Settings) -> None:
    """Give the browser the secret of its sitting, until it is closed."""
    response.set_cookie(COOKIE, token, path="/", httponly=True, secure=settings.secure, samesite="lax")


def clear_token(response: Response, settings: Settings) -> None:
    """Make the browser forget it."""
    response.delete_cookie(COOKIE, path="/", httponly=True, secure=settings.secure, samesite="lax")


def token_of(request: Request) -> str:
    """Return the secret that the request brings, or an empty text."""
    return request.cookies.get(COOKIE, "")


def same_origin(request: Request, settings: Settings) -> bool:
    """Return whether a request may change something by the power of a cookie.

    SameSite keeps the cookie out of other sites' forms; this also stops other hosts of the same site. Every
    browser sends ``Sec-Fetch-Site`` or ``Origin`` with what changes something; a client that sends neither is
    not a browser and holds no cookie by accident.
    """
    if request.method in _SAFE:
        return True
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("origin")
    if origin is None:
        return True
    return origin in (settings.base_url, f"{request.url.scheme}://{request.headers.get('host', '')}")
