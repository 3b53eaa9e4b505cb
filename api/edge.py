"""The edge of the server: what every request passes before and after the application.

- *Back-pressure.* When more requests are in flight than a worker can serve in good time, the less urgent
  are refused first, with 503 and ``Retry-After``: reports above half of the limit, entering above four
  fifths, answers only at the limit itself. Health checks always pass.
- *Draining.* Once the server is told to stop, it says that it is not ready, so that a balancer goes
  elsewhere, and begins no sitting; those in progress are served until it stops.
- A limit on the size of bodies, metrics, one log line a request, and problem documents for whatever the
  application lets through.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.observe import Metrics
from api.pages.reception import problem_page, wants_page
from api.problems import Problem

__all__ = ["Edge", "Gate", "problem_headers", "urgency"]

log = logging.getLogger("acquis.request")

MAX_BODY = 1_048_576
_ALWAYS = ("/health", "/ready", "/metrics")
_SHARES: Mapping[str, float] = {"answer": 1.0, "enter": 0.8, "report": 0.5}


def urgency(method: str, path: str) -> str:
    """Return what a request is: ``answer`` (a sitting in progress), ``enter`` or ``report``."""
    if path.startswith(("/api/v1/results", "/console", "/api/v1/sittings/current/credential")):
        return "report"
    if path.startswith("/api/v1/sittings/current") or path.endswith("/results") or path == "/question":
        return "answer"
    if path.startswith(("/question/", "/pause", "/reprendre", "/static/")):
        return "answer"
    return "enter"


class Gate:
    """What a worker lets in.

    Attributes
    ----------
    limit
        Requests in flight at most.
    draining
        Whether the server is about to stop.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.in_flight = 0
        self.draining = False

    def refusal(self, method: str, path: str) -> str | None:
        """Return why a request is refused, or None."""
        if self.in_flight <= self.limit // 2 and not self.draining:
            return None
        kind = urgency(method, path)
        if self.draining and kind == "enter" and method == "POST":
            return "draining"
        return kind if self.in_flight > self.limit * _SHARES[kind] else None


class Edge:
    """ASGI middleware; one a worker."""

    def __init__(self, app: ASGIApp, gate: Gate, metrics: Metrics) -> None:
        self.app = app
        self.gate = gate
        self.metrics = metrics
        metrics.in_flight.set_function(lambda: gate.in_flight)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's event."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path, method = scope["path"], scope["method"]
        if path in _ALWAYS:
            await self.app(scope, receive, send)
            return
        await self._admitted(scope, receive, send, method, path)

    async def _admitted(self, scope: Scope, receive: Receive, send: Send, method: str, path: str) -> None:
        started = time.perf_counter()
        status = 500
        begun = False

        async def reply(message: Message) -> None:
            nonlocal status, begun
            if message["type"] == "http.response.start":
                status, begun = message["status"], True
            await send(message)

        self.gate.in_flight += 1
        try:
            self._refuse(method, path)
            await self.app(scope, _limited(scope, receive), reply)
        except Problem as problem:
            if begun:
                raise
            await _refusal(scope, receive, reply, problem)
        except Exception:
            if begun:
                raise
            log.exception("the request failed")
            await _refusal(scope, receive, reply, Problem("internal", "It is in our log. Try again."))
        finally:
            self.gate.in_flight -= 1
            self._told(scope, method, status, time.perf_counter() - started)

    def _refuse(self, method: str, path: str) -> None:
        reason = self.gate.refusal(method, path)
        if reason is None:
            return
        self.metrics.refused.labels(reason).inc()
        if reason == "draining":
            raise Problem("draining", "Try again in a moment.", retry_after=2)
        raise Problem("busy", "Try again in a moment; nothing was changed.", retry_after=1)

    def _told(self, scope: Scope, method: str, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "other")
        self.metrics.requests.labels(route, method, status).inc()
        self.metrics.seconds.labels(route).observe(seconds)
        if log.isEnabledFor(logging.INFO):
            fields = {"route": route, "method": method, "status": status, "ms": round(seconds * 1000, 1)}
            log.info("request", extra={"fields": fields})


def _limited(scope: Scope, receive: Receive) -> Receive:
    """Count a body's bytes as they come, whatever its length says."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > MAX_BODY:
            raise Problem("too_large", f"Send at most {MAX_BODY} bytes.")
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > MAX_BODY:
            raise Problem("too_large", f"Send at most {MAX_BODY} bytes.")
        return message

    return counted


def problem_headers(problem: Problem) -> dict[str, str]:
    """Return the headers that go with a problem document."""
    headers = {"content-type": "application/problem+json", "cache-control": "no-store"}
    if problem.retry_after is not None:
        headers["retry-after"] = str(problem.retry_after)
    if problem.code == "unauthenticated":
        headers["www-authenticate"] = "Bearer"
    if problem.code == "invalid_client":
        headers["www-authenticate"] = 'Basic realm="token"'
    return headers


async def _refusal(scope: Scope, receive: Receive, send: Send, problem: Problem) -> None:
    """Send a page to a browser that asked for one, to everyone else a problem document."""
    request = Request(scope)
    if wants_page(request):
        await problem_page(request, problem)(scope, receive, send)
    else:
        await send_problem(send, problem)


async def send_problem(send: Send, problem: Problem) -> None:
    """Send a problem document."""
    body = json.dumps(problem.document()).encode()
    headers: list[Any] = [(k.encode(), v.encode()) for k, v in problem_headers(problem).items()]
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
