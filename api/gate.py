"""Whom a worker takes on, who waits for a place, and who is told to come back.

A worker works on so many requests at once, no more than keep its database and its processor busy. The others
wait in lines, the more urgent before the less: answers, then entering, then reports; the less urgent may not
take all of the places either. What bounds a line is time, not number: of one more it asks how long that one
would wait.

A crowd that comes within a moment, or after the machine has stood still, waits and nobody is sent away. A
line that goes on standing is brought down, so that whoever is let in is served soon: there are more than can
be served, and a long line would serve no more of them. (Nichols & Jacobson, 2012, "Controlling Queue Delay",
ACM Queue 10(5), tell good queues from bad ones so; Maurer, 2015, "Fail at Scale", ibid. 13(8), in servers.)
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping

__all__ = ["KINDS", "Gate", "urgency"]

_SHARES: Mapping[str, float] = {"answer": 1.0, "enter": 0.8, "report": 0.5}
"""The most urgent first; which part of the places each may take, counted over all that are taken."""
KINDS = tuple(_SHARES)

PATIENCE = 0.8
"""Seconds that anybody waits at most, and may expect to wait in a line that has just begun."""
BRIEF = 0.2
"""Seconds that anybody may expect to wait in a line that stands ..."""
STANDING = 3.0
"""... for so many seconds; in between less and less. A crowd of the moment is served faster than that."""


def urgency(path: str) -> str:
    """Return what a request is: ``answer`` (a sitting in progress), ``enter`` or ``report``."""
    if path.startswith(("/api/v1/results", "/console", "/api/v1/sittings/current/credential")):
        return "report"
    if path.startswith("/api/v1/sittings/current") or path.endswith("/results") or path == "/question":
        return "answer"
    if path.startswith(("/question/", "/pause", "/reprendre", "/static/")):
        return "answer"
    return "enter"


class Gate:
    """The places and the lines of one worker.

    Attributes
    ----------
    limit
        Requests worked on at once at most.
    patience
        Seconds that anybody waits at most.
    in_flight
        Requests worked on.
    draining
        Whether the server is about to stop.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.patience = PATIENCE
        self.in_flight = 0
        self.draining = False
        self._lines = {kind: _Line() for kind in KINDS}

    def refuses(self, kind: str) -> bool:
        """Return whether one more of a kind would wait for too long."""
        line = self._lines[kind]
        line.close_up()
        if not line.waiting:
            return False
        stood = min(1.0, (asyncio.get_running_loop().time() - line.since) / STANDING)
        return line.wait() > self.patience * (1.0 - stood) + min(BRIEF, self.patience) * stood

    async def enter(self, kind: str) -> bool:
        """Wait for a place; False where there is none in time. Whoever has one must `leave`."""
        if self._free(kind):
            self.in_flight += 1
            return True
        if self.refuses(kind):
            return False
        turn = self._lines[kind].join()
        end = asyncio.get_running_loop().call_later(self.patience, self._give_up, kind, turn)
        try:
            return await turn
        except asyncio.CancelledError:
            if not turn.cancelled() and turn.result():  # its turn came as it left
                self.leave()
            raise
        finally:
            end.cancel()

    def leave(self) -> None:
        """Give a place back, to whoever has waited longest of the most urgent."""
        self.in_flight -= 1
        for kind, line in self._lines.items():
            while self._free(kind) and (turn := line.next()) is not None:
                self.in_flight += 1
                turn.set_result(True)

    def waiting(self, kind: str) -> int:
        """Return how many of a kind wait for a place."""
        return len(self._lines[kind].waiting)

    def longest(self) -> float:
        """Return the seconds for which somebody has waited for a place, at most."""
        now = asyncio.get_running_loop().time()
        return max((now - line.first for line in self._lines.values() if line.waiting), default=0.0)

    def _free(self, kind: str) -> bool:
        return self.in_flight < self.limit * _SHARES[kind]

    def _give_up(self, kind: str, turn: asyncio.Future[bool]) -> None:
        if not turn.done():
            turn.set_result(False)
            self._lines[kind].close_up()


class _Line:
    """Who waits, in the order in which they came.

    Attributes
    ----------
    since
        When the line was last empty, by the event loop's clock.
    """

    def __init__(self) -> None:
        self.waiting: deque[tuple[float, asyncio.Future[bool]]] = deque()
        self.since = 0.0
        self._moved = 0.0  # when it last moved up, or began
        self._each = 0.0  # seconds between two moves

    @property
    def first(self) -> float:
        """When the first in line came."""
        return self.waiting[0][0]

    def wait(self) -> float:
        """Return the seconds that one more would wait, as fast as the line has moved."""
        return (len(self.waiting) + 1) * self._each

    def join(self) -> asyncio.Future[bool]:
        """Return what one more waits for."""
        loop = asyncio.get_running_loop()
        now, turn = loop.time(), loop.create_future()
        if not self.waiting:
            self.since = self._moved = now
        self.waiting.append((now, turn))
        return turn

    def next(self) -> asyncio.Future[bool] | None:
        """Take the first out of the line; None where nobody waits."""
        self.close_up()
        if not self.waiting:
            return None
        now = asyncio.get_running_loop().time()
        took = min(now - self._moved, 4.0 * self._each + 0.001)  # once standing still says little of the next
        self._each += (took - self._each) / 32
        self._moved = now
        return self.waiting.popleft()[1]

    def close_up(self) -> None:
        """Let nobody stand in front who has left."""
        while self.waiting and self.waiting[0][1].done():
            self.waiting.popleft()
