"""Sittings looked at one after the other, each in a transaction of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from api.database.plans import Conflict, Plan
from api.problems import Problem
from api.sittings.fold import Sitting

if TYPE_CHECKING:
    from api.runtime import Runtime

__all__ = ["each"]

T = TypeVar("T")
log = logging.getLogger("acquis.sweep")


async def each(
    runtime: Runtime, plan: Callable[[Runtime, T], Plan[Sitting]], work: Sequence[tuple[str, T]]
) -> int:
    """Run `plan` for each piece of `work`, which says what sitting it is about; return how many went well.

    One that fails, whatever it is, is told in the log and does not hold up the others; so is one that keeps
    being changed by others.

    Raises
    ------
    Problem
        When it is the database that fails or has too much to do: the rest has to wait.
    """
    done = 0
    for session, piece in work:
        try:
            runtime.sittings.keep(await runtime.write(plan, runtime, piece))
        except Exception as error:
            of_database = isinstance(error, Problem) and error.status == 503
            if of_database and not isinstance(error.__cause__, Conflict):
                raise
            log.exception("a sitting was passed over", extra={"fields": {"sitting": session}})
        else:
            done += 1
    return done
