"""Bodies of requests: of bounded size, there within a bounded time, brought in one piece."""

from __future__ import annotations

import asyncio

from starlette.types import Message, Receive, Scope

from api.problems import Problem

__all__ = ["brought", "has_body", "whole"]

LARGEST = 1_048_576
SECONDS = 20.0


def has_body(scope: Scope) -> bool:
    """Return whether a request says that it brings a body."""
    return any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"])


async def whole(scope: Scope, receive: Receive) -> Receive | None:
    """Wait for a body; return a channel that brings it in one piece, None where nobody is left to bring it.

    Raises
    ------
    Problem
        ``too_large``, whatever the length says; ``slow_body``
    """
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > LARGEST:
            raise Problem("too_large", f"Send at most {LARGEST} bytes.")
    body, more = bytearray(), True
    try:
        async with asyncio.timeout(SECONDS):
            while more:
                message = await receive()
                if message["type"] != "http.request":
                    return None
                body += message.get("body", b"")
                more = message.get("more_body", False)
                if len(body) > LARGEST:
                    raise Problem("too_large", f"Send at most {LARGEST} bytes.")
    except TimeoutError as late:
        raise Problem("slow_body", f"Send it within {SECONDS:g} seconds.") from late
    return brought(bytes(body), receive)


def brought(body: bytes, receive: Receive) -> Receive:
    """Return a channel that brings `body`, and then what `receive` does."""
    read = False

    async def channel() -> Message:
        nonlocal read
        if read:
            return await receive()
        read = True
        return {"type": "http.request", "body": body, "more_body": False}

    return channel
