"""The edge of the server: what every request passes before and after the application.

- *Back-pressure.* A worker takes on so many requests at once (`api.gate`); the others wait their turn,
  answers before entering before reports, and are refused with 503 and ``Retry-After`` where that would take
  too long. Health checks always pass. A refusal has to cost next to nothing, or refusing takes the time of
  those who were let in: nothing of the request is read but its address, the replies are made beforehand,
  and the log gets a line a second.
- *Draining.* Once the server is told to stop, it says that it is not ready, so that a balancer goes
  elsewhere, and begins no sitting; those in progress are served until it stops.
- *Bodies.* A request counts once its body is there, so that those who send slowly, or never the rest, keep
  nobody out; a body has a largest size and a longest time.
- Metrics, one log line a request, and problem documents for whatever the application lets through.
"""

from __future__ import annotations

import functools
import itertools
import json
import logging
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from prometheus_client import Counter
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.bodies import has_body, whole
from api.gate import KINDS, Gate, urgency
from api.observe import Metrics
from api.pages.reception import problem_page, wants_page
from api.problems import Problem

__all__ = ["Edge", "problem_headers"]

log = logging.getLogger("acquis.request")

_ALWAYS = ("/health", "/ready", "/metrics")
_BUSY = ("busy", (1, 2, 3))
_REFUSALS: Mapping[str, tuple[str, tuple[int, ...]]] = {
    **dict.fromkeys(KINDS, _BUSY),
    "draining": ("draining", (2,)),
}
"""Why a request is refused -> code, and after how many seconds to come back: in turn, so that those who were
refused together do not come back together."""


class Edge:
    """ASGI middleware; one a worker."""

    def __init__(self, app: ASGIApp, gate: Gate, metrics: Metrics) -> None:
        self.app = app
        self.gate = gate
        self.metrics = metrics
        metrics.in_flight.set_function(lambda: gate.in_flight)
        metrics.longest_wait.set_function(gate.longest)
        for kind in KINDS:
            metrics.waiting.labels(kind).set_function(functools.partial(gate.waiting, kind))
        self._refusals = {
            reason: _Refusals(metrics.refused.labels(reason), code, seconds)
            for reason, (code, seconds) in _REFUSALS.items()
        }
        self._untold: dict[str, int] = {}
        self._told_at = -math.inf

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's event."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path, method = scope["path"], scope["method"]
        if path in _ALWAYS:
            await self.app(scope, receive, send)
            return
        kind, started = urgency(path), time.perf_counter()
        reason = self._refusal(kind, method)
        if reason is None and has_body(scope):
            try:
                body = await whole(scope, receive)
            except Problem as problem:
                self._count(scope, method, problem.status, 0.0)
                await _told(scope, receive, send, problem)
                return
            if body is None:
                return
            receive, started = body, time.perf_counter()
        if reason is None and not await self.gate.enter(kind):
            reason = kind
        if reason is not None:
            await self._refused(scope, receive, send, method, reason)
            return
        try:
            await self._admitted(scope, receive, send, method, started)
        finally:
            self.gate.leave()

    def _refusal(self, kind: str, method: str) -> str | None:
        """Return why a request is refused before anything of it is read, or None."""
        if self.gate.draining and kind == "enter" and method == "POST":
            return "draining"
        return kind if self.gate.refuses(kind) else None

    async def _admitted(
        self, scope: Scope, receive: Receive, send: Send, method: str, started: float
    ) -> None:
        status = 500
        begun = False

        async def reply(message: Message) -> None:
            nonlocal status, begun
            if message["type"] == "http.response.start":
                status, begun = message["status"], True
            await send(message)

        try:
            await self.app(scope, receive, reply)
        except Problem as problem:
            if begun:
                raise
            await _told(scope, receive, reply, problem)
        except Exception:
            if begun:
                raise
            log.exception("the request failed")
            await _told(scope, receive, reply, Problem("internal", "It is in our log. Try again."))
        finally:
            self._count(scope, method, status, time.perf_counter() - started)

    async def _refused(self, scope: Scope, receive: Receive, send: Send, method: str, reason: str) -> None:
        refusals = self._refusals[reason]
        refusals.counter.inc()
        self.metrics.requests.labels("other", method, 503).inc()
        self._untold[reason] = self._untold.get(reason, 0) + 1
        now = time.monotonic()
        if now - self._told_at >= 1.0:
            log.warning("requests are refused", extra={"fields": self._untold})
            self._untold = {}
            self._told_at = now
        problem, messages = next(refusals.replies)
        if not scope["path"].startswith("/api/") and wants_page(request := Request(scope)):
            await problem_page(request, problem)(scope, receive, send)
            return
        for message in messages:
            await send(message)

    def _count(self, scope: Scope, method: str, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "other")
        self.metrics.requests.labels(route, method, status).inc()
        self.metrics.seconds.labels(route).observe(seconds)
        if log.isEnabledFor(logging.INFO):
            fields = {"route": route, "method": method, "status": status, "ms": round(seconds * 1000, 1)}
            log.info("request", extra={"fields": fields})


def problem_headers(problem: Problem) -> dict[str, str]:
    """Return the headers that go with a problem document."""
    headers = {"content-type": "application/problem+json", "cache-control": "no-store"}
    if problem.retry_after is not None:
        headers["retry-after"] = str(problem.retry_after)
    if problem.code == "slow_body":
        headers["connection"] = "close"
    if problem.code == "unauthenticated":
        headers["www-authenticate"] = "Bearer"
    if problem.code == "invalid_client":
        headers["www-authenticate"] = 'Basic realm="token"'
    return headers


async def _told(scope: Scope, receive: Receive, send: Send, problem: Problem) -> None:
    """Send a page to a browser that asked for one, to everyone else a problem document."""
    request = Request(scope)
    if wants_page(request):
        await problem_page(request, problem)(scope, receive, send)
    else:
        for message in _messages(problem):
            await send(message)


def _messages(problem: Problem) -> tuple[Message, Message]:
    """Return a problem document as what is sent."""
    body = json.dumps(problem.document()).encode()
    headers: list[Any] = [(k.encode(), v.encode()) for k, v in problem_headers(problem).items()]
    headers.append((b"content-length", str(len(body)).encode()))
    return (
        {"type": "http.response.start", "status": problem.status, "headers": headers},
        {"type": "http.response.body", "body": body},
    )


class _Refusals:
    """The replies to one kind of request that is refused, made beforehand, in turn."""

    def __init__(self, counter: Counter, code: str, seconds: Sequence[int]) -> None:
        self.counter = counter
        problems = [Problem(code, "Try again in a moment; nothing was changed.", after) for after in seconds]
        self.replies = itertools.cycle([(problem, _messages(problem)) for problem in problems])
