"""Candidates in this process, who repeat what was refused for the moment, and what must be true of them."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from api.database.migrate import migrate
from api.ids import new_id
from api.problems import Problem
from api.runtime import Runtime
from api.settings import Settings
from api.sittings import service
from api.sittings.replay import replay
from api.sittings.view import View
from tests.api.sample import invited, prepare

__all__ = ["Answers", "Crowd", "Sitter", "all_there", "opened", "short"]

Answers = set[tuple[str, str]]


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


class Crowd:
    """Candidates who sit one test after the other, until they are told to stop."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.refusals: Counter[str] = Counter()
        self.sitters: list[Sitter] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._last = False

    def come(self) -> None:
        self._tasks = [asyncio.create_task(self._sit()) for _ in range(6)]

    async def _sit(self) -> None:
        while not self._last:
            sitter = Sitter(self.runtime, self.refusals, pause=0.02)
            code = (await sitter.insist(lambda: invited(self.runtime, identifier=new_id()))).code
            self.sitters.append(sitter)
            await sitter.sit(code)

    @property
    def acknowledged(self) -> Answers:
        return {answer for sitter in self.sitters for answer in sitter.acknowledged}

    @property
    def sent(self) -> Answers:
        return {answer for sitter in self.sitters for answer in sitter.sent}

    async def more(self, answers: int) -> None:
        """Wait for so many more acknowledged answers."""
        until = len(self.acknowledged) + answers
        while len(self.acknowledged) < until:
            for task in self._tasks:
                if task.done():
                    task.result()
            await asyncio.sleep(0.005)

    async def leave(self) -> None:
        """Stop in the middle."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def end(self) -> None:
        """Finish what was begun."""
        self._last = True
        await asyncio.gather(*self._tasks)


async def opened(url: str, keys: Path) -> Runtime:
    """A runtime with the sample test published."""
    await asyncio.to_thread(migrate, url)
    runtime = Runtime.of(Settings(url, keys=keys, connections=4))
    await runtime.database.open()
    await prepare(runtime)
    return runtime


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
