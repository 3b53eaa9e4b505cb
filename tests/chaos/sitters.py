"""Candidates in this process, who repeat what was refused for the moment, and what must be true of them."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from api.problems import Problem
from api.runtime import Runtime
from api.sittings import service
from api.sittings.replay import replay
from api.sittings.view import View

__all__ = ["Sitter", "all_there", "short"]


class Sitter:
    """A candidate in this process who repeats what was refused for the moment, and notes how that was.

    Attributes
    ----------
    acknowledged
        Sitting and idempotency key of every acknowledged answer.
    sent
        The same of every answer that was sent.
    pause
        Seconds of thought after an answer.
    """

    def __init__(self, runtime: Runtime, refusals: Counter[str], pause: float = 0.0) -> None:
        self.runtime = runtime
        self.refusals = refusals
        self.acknowledged: list[tuple[str, str]] = []
        self.sent: set[tuple[str, str]] = set()
        self.token = ""
        self.pause = pause

    async def insist(self, act: Callable[[], Any]) -> Any:
        """Do `act` until it is not refused with 503; anything else is a failure."""
        while True:
            try:
                return await act()
            except Problem as problem:
                if problem.status != 503 or not problem.retry_after:
                    raise
                self.refusals[problem.code] += 1
                await asyncio.sleep(random.uniform(0.01, 0.1))

    async def sit(self, code: str) -> View:
        """Sit the whole test."""
        entry = await self.insist(lambda: service.enter(self.runtime, code))
        self.token = entry.token
        return await self.go_on(entry.view)

    async def go_on(self, view: View) -> View:
        """Answer to the end."""
        while view.phase == "item":
            view = await self.insist(lambda view=view: self.answer(view))
            await asyncio.sleep(self.pause)
        return view

    async def answer(self, view: View) -> View:
        """Answer once."""
        key = view.handle or ""
        self.sent.add((view.sitting, key))
        after = await service.answer(
            self.runtime, self.token, handle=key, response={"RESPONSE": ["B"]}, key=key
        )
        if (view.sitting, key) not in self.acknowledged:
            self.acknowledged.append((view.sitting, key))
        return after


async def all_there(runtime: Runtime, sitters: list[Sitter]) -> None:
    """Every acknowledged answer is in a log that holds."""
    for sitter in sitters:
        session = sitter.token.split(".")[0]
        found = await runtime.database.read(replay, runtime.tests, session)
        assert found.holds, found.differences
        view = await service.current(runtime, sitter.token)
        assert view.answered == len(sitter.acknowledged)


def short() -> dict[str, Any]:
    """A design of two items."""
    return {"schema": "acquis/design/1", "stop": {"min": 2, "max": 2}, "cuts": {"values": [0.0]}}
