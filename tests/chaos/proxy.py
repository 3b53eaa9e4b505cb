"""A proxy that does to requests what networks do: cuts, doubles, delays and reorders them.

It stands between candidates and the servers and picks a server for every request, so that a repeated
request often reaches the other one.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter

from tests.chaos.wire import connected, read_message

__all__ = ["FAULTS", "FaultProxy"]

FAULTS = {
    "cut request": 0.02,  # half of it arrives
    "hung up": 0.02,  # all of it arrives, and nobody waits for the reply
    "lost reply": 0.03,  # it is done and nobody hears of it
    "cut reply": 0.02,  # its head arrives, and not all of its body
    "doubled": 0.05,  # it reaches both servers at once
    "late copy": 0.05,  # it arrives again after later ones
    "delayed": 0.05,  # later ones overtake it
}


class FaultProxy:
    """A TCP server on a port of its own choice.

    Attributes
    ----------
    targets
        Ports of the servers.
    done
        How often each fault was done.
    """

    def __init__(self, targets: list[int], seed: int) -> None:
        self.targets = targets
        self.done: Counter[str] = Counter()
        self._draw = random.Random(seed)
        self._server: asyncio.Server | None = None
        self._copies: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def __aenter__(self) -> FaultProxy:
        """Start."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 20)
        return self

    async def __aexit__(self, *error: object) -> None:
        """Stop, late copies included."""
        assert self._server is not None
        self._server.close()
        await asyncio.gather(*self._copies, return_exceptions=True)
        await self._server.wait_closed()

    def _fault(self) -> str:
        place = self._draw.random()
        for name, share in FAULTS.items():
            if place < share:
                self.done[name] += 1
                return name
            place -= share
        return ""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._pass(reader, writer)
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            pass  # the client sees its connection closed
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        message = await read_message(reader)
        fault = self._fault()
        targets = self._draw.sample(self.targets, len(self.targets))
        if fault in ("cut request", "hung up"):
            async with connected(targets[0]) as (_, to_server):
                to_server.write(message[: len(message) // 2] if fault == "cut request" else message)
                await to_server.drain()
            return
        if fault == "delayed":
            await asyncio.sleep(self._draw.uniform(0.05, 0.4))
        if fault == "late copy":
            self._later(targets[-1], message, self._draw.uniform(0.05, 0.6))
        if fault == "doubled":
            replies = await asyncio.gather(
                *(self._forward(target, message) for target in targets), return_exceptions=True
            )
            whole = [reply for reply in replies if isinstance(reply, bytes)]
            if not whole:
                return
            reply = self._draw.choice(whole)
        else:
            reply = await self._forward(targets[0], message)
        if fault == "lost reply":
            return
        if fault == "cut reply":
            body = reply.index(b"\r\n\r\n") + 4
            reply = reply[: self._draw.randrange(body, len(reply))]
        writer.write(reply)
        await writer.drain()

    async def _forward(self, target: int, message: bytes) -> bytes:
        async with asyncio.timeout(10), connected(target) as (reader, writer):
            writer.write(message)
            await writer.drain()
            return await read_message(reader)

    def _later(self, target: int, message: bytes, seconds: float) -> None:
        async def copy() -> None:
            await asyncio.sleep(seconds)
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
                await self._forward(target, message)

        task = asyncio.create_task(copy())
        self._copies.add(task)
        task.add_done_callback(self._copies.discard)
