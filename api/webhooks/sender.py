"""Sending what is due: at least once, later and later after each failure, at last not any more."""

from __future__ import annotations

import asyncio
import http.client
import logging
import random
from typing import TYPE_CHECKING

from api.problems import Problem
from api.results import feed
from api.sittings.timing import SECOND
from api.webhooks import message
from api.webhooks.post import Refused, post
from api.webhooks.store import Due, due, fan_out, settled

if TYPE_CHECKING:
    from api.runtime import Runtime

__all__ = ["ATTEMPTS", "deliver", "wait_after"]

ATTEMPTS = 16
"""After so many failures, about two days, a message is given up."""

FIRST, LONGEST = 5 * SECOND, 6 * 3_600 * SECOND
AT_ONCE = 16

log = logging.getLogger("acquis.webhooks")


def wait_after(failures: int, chance: float) -> int | None:
    """Return how many microseconds to wait after so many failures; None: no more.

    5 seconds, then three times as long each time, up to 6 hours, times 0.5 to 1.5 by `chance` in [0, 1): so
    that messages which failed together do not all come back together.
    """
    if failures >= ATTEMPTS:
        return None
    wait = min(FIRST * 3 ** (failures - 1), LONGEST)
    return int(wait * (0.5 + chance))


async def deliver(runtime: Runtime) -> int:
    """Send what is due now, some messages at once; return how many were tried."""
    await runtime.write(fan_out)
    waiting = await runtime.read(due, AT_ONCE)
    await asyncio.gather(*(_send(runtime, one) for one in waiting))
    return len(waiting)


async def _send(runtime: Runtime, one: Due) -> None:
    accepted, said = False, ""
    try:
        entry = await runtime.read(feed.one, one.organisation, one.result)
        content = message.body(one, entry)
        secrets = [message.secret_of(runtime, one.webhook, number) for number in one.secrets]
        told = message.headers(one, secrets, one.now // SECOND, content)
        status = await asyncio.to_thread(post, one.url, content, told, runtime.settings.webhooks_inside)
        accepted, said = 200 <= status < 300, f"status {status}"
    except (Refused, OSError, http.client.HTTPException, UnicodeError) as error:
        said = f"{type(error).__name__}: {error}"
    except Problem as problem:  # the result is gone
        said = problem.code
    wait = wait_after(one.attempts + 1, random.random())  # noqa: S311 - spreads load, keeps no secret
    await runtime.write(settled, one, accepted, said, wait)
    if not accepted:
        fields = {"webhook": one.webhook, "message": one.outbox, "said": said, "given_up": wait is None}
        log.warning("a message was not delivered", extra={"fields": fields})
