"""What the server does by itself: end overdue sittings, make results anew, tell HR systems.

Every worker looks every few seconds; of all workers of a deployment one at a time does each of these
(`api.database.lease`). All of it is safe to be cut off anywhere and to be done twice. Besides, each worker
makes tests ready that were published since it began, so that no candidate waits for that.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from api.catalogue.store import get_ready, unready
from api.database.lease import give_up, hold
from api.ids import new_id
from api.problems import Problem
from api.sittings.overdue import overdue, settle
from api.sittings.rescoring import rescore
from api.sittings.sweep import sweep
from api.sittings.timing import SECOND
from api.webhooks.sender import deliver

if TYPE_CHECKING:
    from api.runtime import Runtime

__all__ = ["DUTIES", "Upkeep", "end_overdue", "make_tests_ready"]

TERM = 60 * SECOND
"""How long one worker does a duty without asking again, in microseconds."""

log = logging.getLogger("acquis.upkeep")


async def end_overdue(runtime: Runtime, some: int = 100) -> int:
    """End some of the sittings whose time is up; return how many were looked at."""
    return await sweep(runtime, functools.partial(overdue, runtime.skew), settle, some)


async def make_tests_ready(runtime: Runtime) -> int:
    """Make the tests ready that were published meanwhile; return how many.

    Requests are served meanwhile: making one ready takes about as long as a hundred answers.
    """
    new = await runtime.read(unready, runtime.tests)
    for stored in new:
        await asyncio.to_thread(get_ready, runtime.tests, stored)
    return len(new)


DUTIES: dict[str, Callable[[Runtime], Awaitable[int]]] = {
    "overdue": end_overdue,
    "rescoring": rescore,
    "webhooks": deliver,
}
"""What one worker does for all; each returns how much of it there was."""


class Upkeep:
    """The duties of one worker, each in a task of its own.

    Parameters
    ----------
    every
        Seconds between two looks where there is nothing to do.
    """

    def __init__(self, runtime: Runtime, every: float) -> None:
        self.runtime = runtime
        self.every = every
        self.holder = new_id()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to look."""
        self._tasks = [asyncio.create_task(self._keep(name, self._leased(name))) for name in DUTIES]
        own = functools.partial(make_tests_ready, self.runtime)
        self._tasks.append(asyncio.create_task(self._keep("tests", own)))

    async def stop(self) -> None:
        """Stop, and let other workers go on at once."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for name in DUTIES:
            with contextlib.suppress(Problem):
                await self.runtime.write(give_up, name, self.holder)

    def _leased(self, name: str) -> Callable[[], Awaitable[int]]:
        async def duty() -> int:
            if await self.runtime.write(hold, name, self.holder, TERM):
                return await DUTIES[name](self.runtime)
            return 0

        return duty

    async def _keep(self, name: str, duty: Callable[[], Awaitable[int]]) -> None:
        while True:
            done = 0
            try:
                done = await duty()
            except Problem as problem:  # the database is busy or away: later
                log.info("put off", extra={"fields": {"duty": name, "code": problem.code}})
            except Exception:
                log.exception("a duty failed", extra={"fields": {"duty": name}})
            await asyncio.sleep(0 if done else self.every)
