"""Making and checking badges one at a time, in a thread of their own.

Each costs some 20 ms of processor time (``python -m benchmarks badges``), which would be a long wait for the
answers that come in meanwhile; and anybody may ask for a check.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from api.problems import Problem

__all__ = ["Turns", "turns"]

P = ParamSpec("P")
T = TypeVar("T")


class Turns:
    """A queue before one thread; who would wait too long is told to come back."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting = 0
        self._thread = ThreadPoolExecutor(1, "badges")

    async def __call__(self, function: Callable[P, T], /, *args: P.args, **named: P.kwargs) -> T:
        """Return what `function` returns, or raise what it raises.

        Raises
        ------
        Problem
            ``busy``
        """
        if self._waiting >= self._most:
            raise Problem("busy", "Try again in a moment; nothing was changed.")
        self._waiting += 1
        try:
            work = self._thread.submit(function, *args, **named)
            return await asyncio.wrap_future(work)
        finally:
            self._waiting -= 1


turns = Turns(32)
