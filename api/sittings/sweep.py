"""Sittings looked at one after the other, each in a transaction of its own.

One that fails, whatever it is, is told in the log and holds up none of the others: it is left alone for a
minute, then for two, and so on up to an hour, and meanwhile what is behind it is looked at.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, TypeVar

from api.database.plans import Conflict, Plan
from api.problems import Problem
from api.sittings.fold import Sitting

if TYPE_CHECKING:
    from api.runtime import Runtime

__all__ = ["PassedOver", "sweep"]

FIRST, LONGEST = 60.0, 3600.0
"""Seconds for which what has failed is left alone: after the first time, and at most."""

T = TypeVar("T", bound=Hashable)
log = logging.getLogger("acquis.sweep")


class PassedOver:
    """What has failed in this worker, and until when it is left alone."""

    def __init__(self) -> None:
        self._until: dict[Hashable, tuple[float, float]] = {}

    def __len__(self) -> int:
        """Return how much has failed and not gone well since."""
        return len(self._until)

    def holds(self, piece: Hashable) -> bool:
        """Return whether `piece` is left alone now."""
        return self._until.get(piece, (0.0, 0.0))[0] > time.monotonic()

    def add(self, piece: Hashable) -> None:
        """Leave `piece` alone, for twice as long as the last time."""
        now = time.monotonic()
        self._until = {one: told for one, told in self._until.items() if now < told[0] + LONGEST}
        wait = min(LONGEST, 2.0 * self._until[piece][1]) if piece in self._until else FIRST
        self._until[piece] = now + wait, wait

    def drop(self, piece: Hashable) -> None:
        """Forget that `piece` has failed."""
        self._until.pop(piece, None)


async def sweep(
    runtime: Runtime,
    find: Callable[[int], Plan[Sequence[T]]],
    plan: Callable[[Runtime, T], Plan[Sitting]],
    some: int,
) -> int:
    """Run `plan` for some of the work that `find` finds; return how much was looked at.

    Parameters
    ----------
    find
        Plan: the first so many pieces of work.

    Raises
    ------
    Problem
        When it is the database that fails or has too much to do: the rest has to wait.
    """
    over = runtime.passed_over
    found = await runtime.read(find, some + len(over))
    work = [piece for piece in found if not over.holds(piece)][:some]
    for piece in work:
        try:
            runtime.sittings.keep(await runtime.write(plan, runtime, piece))
        except Exception as error:
            of_database = isinstance(error, Problem) and error.status == 503
            if of_database and not isinstance(error.__cause__, Conflict):
                raise
            over.add(piece)
            log.exception("a sitting was passed over", extra={"fields": {"work": str(piece)}})
        else:
            over.drop(piece)
    return len(work)
