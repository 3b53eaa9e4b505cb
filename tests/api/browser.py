"""A plain HTTP client of the application in this process, with its start and its end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi import FastAPI

__all__ = ["Browser", "browser"]


class Browser:
    """Sends requests to an application and waits for the replies; keeps cookies like a browser.

    Attributes
    ----------
    portal
        Runs coroutine functions in the application's event loop: ``portal.call(function, *args)``.
    """

    def __init__(self, app: FastAPI, portal: BlockingPortal, http: httpx.AsyncClient) -> None:
        self.app = app
        self.portal = portal
        self.http = http

    @property
    def cookies(self) -> httpx.Cookies:
        """The cookies kept."""
        return self.http.cookies

    def request(self, method: str, address: str, **told: Any) -> httpx.Response:
        """Send a request."""

        async def send() -> httpx.Response:
            return await self.http.request(method, address, **told)

        return self.portal.call(send)

    def get(self, address: str, **told: Any) -> httpx.Response:
        """Send GET."""
        return self.request("GET", address, **told)

    def post(self, address: str, **told: Any) -> httpx.Response:
        """Send POST."""
        return self.request("POST", address, **told)

    def delete(self, address: str, **told: Any) -> httpx.Response:
        """Send DELETE."""
        return self.request("DELETE", address, **told)


@contextlib.contextmanager
def browser(app: FastAPI, base_url: str) -> Iterator[Browser]:
    """Start `app`, lend a client of it, stop it."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(app.router.lifespan_context(app)),
    ):
        http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=base_url)
        try:
            yield Browser(app, portal, http)
        finally:
            portal.call(http.aclose)
