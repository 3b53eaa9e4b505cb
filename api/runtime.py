"""What every request of one worker shares."""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from api.accounts.clients import Clients
from api.catalogue.store import Tests, make_ready
from api.database.clock import DatabaseClock, moment
from api.database.connect import connect
from api.database.plans import Busy, Conflict, Database, Plan, Refused, Unavailable, Unconfirmed, Unstorable
from api.keys.ring import Keyring
from api.keys.secret import load_or_make as secret_at
from api.observe import Metrics
from api.problems import Problem
from api.settings import Settings
from api.sittings.fold import Sitting
from api.sittings.sweep import PassedOver
from api.sittings.turn import EVENTS, insert_events

__all__ = ["Runtime", "Sittings"]

T = TypeVar("T")
log = logging.getLogger("acquis.database")


class Sittings:
    """Sittings folded so far, the least recently used forgotten first.

    An entry is a prefix of a log that never changes, so it is never wrong, only behind: what has
    happened since is read after it. Nothing is kept before its commit.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[str, Sitting] = OrderedDict()

    def get(self, id: str) -> Sitting | None:
        """Return what is known of the sitting called `id`."""
        return self._kept.get(id)

    def keep(self, sitting: Sitting) -> None:
        """Remember `sitting`, unless a later state of it is known."""
        known = self._kept.get(sitting.id)
        if known is not None and known.seq > sitting.seq:
            return
        self._kept[sitting.id] = sitting
        self._kept.move_to_end(sitting.id)
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)

    def forget(self, id: str) -> None:
        """Drop what is known of the sitting called `id`."""
        self._kept.pop(id, None)


@dataclass(slots=True)
class Runtime:
    """Settings, database, keys, and what is kept in memory.

    Attributes
    ----------
    passed_over
        What this worker could not do in the background, and leaves alone for a while.
    skew
        Microseconds added to the database's clock. For tests of what clocks do; 0 otherwise.
    """

    settings: Settings
    database: Database
    keyring: Keyring
    secret: bytes
    tests: Tests = field(default_factory=Tests)
    sittings: Sittings = field(default_factory=lambda: Sittings(10_000))
    clients: Clients = field(default_factory=Clients)
    clock: DatabaseClock = field(default_factory=DatabaseClock)
    passed_over: PassedOver = field(default_factory=PassedOver)
    access_key: bytes = b""
    skew: int = 0
    metrics: Metrics = field(default_factory=Metrics)

    def __post_init__(self) -> None:
        self.access_key = hmac.digest(self.secret, b"access tokens", hashlib.sha256)

    @staticmethod
    def of(settings: Settings) -> Runtime:
        """Return a runtime with the database not opened yet."""
        return Runtime(
            settings,
            connect(settings.database_url, settings.connections, settings.waiting),
            Keyring(settings.keys),
            secret_at(settings.keys / "secret"),
            sittings=Sittings(settings.sittings),
        )

    async def make_ready(self) -> None:
        """Make ready what the first candidates would wait for: tests, connections, statements."""
        await self.read(make_ready, self.tests)
        await self.database.prepare([EVENTS, insert_events(2), insert_events(2, unread=True)])

    def mac(self, purpose: str, text: str) -> str:
        """Return a message authentication code over `text` that only this deployment can make."""
        key = hmac.digest(self.secret, purpose.encode(), hashlib.sha256)
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()

    async def now(self) -> int:
        """Return the moment by the database's clock, in microseconds since 1970 (UTC).

        The database is asked only where this worker has not heard yet what its clock says.
        """
        now = self.clock.now()
        if now is None:
            now = await self.read(moment)
            self.clock.heard(now)
        return now + self.skew

    async def read(self, plan: Callable[..., Plan[T]], /, *args: object, **named: object) -> T:
        """Run a plan that writes nothing; the database's trouble becomes a `Problem`."""
        try:
            return await self.database.read(plan, *args, **named)
        except (Unavailable, Busy, Conflict, Unstorable) as error:
            raise self._problem(error) from error

    async def write(self, plan: Callable[..., Plan[T]], /, *args: object, **named: object) -> T:
        """Run a plan that writes; the database's trouble becomes a `Problem`."""
        try:
            return await self.database.write(plan, *args, **named)
        except (Unavailable, Busy, Conflict, Unstorable) as error:
            raise self._problem(error) from error

    async def attempt(self, plan: Callable[..., Plan[T]], /, *args: object, **named: object) -> T | None:
        """Run a plan that stands on what this worker remembers; None where the database has it otherwise."""
        try:
            return await self.database.attempt(plan, *args, **named)
        except Refused:
            self.clock.forget()  # it may be the clock that does not hold
            return None
        except (Conflict, Problem):
            return None
        except (Unavailable, Busy, Unstorable) as error:
            raise self._problem(error) from error

    def _problem(self, error: Exception) -> Problem:
        if isinstance(error, Conflict):
            return Problem("busy", "Others keep changing the same thing; try again in a moment.")
        if isinstance(error, Unstorable):
            return Problem("malformed", "Send text without NUL characters.")
        if isinstance(error, Busy):
            self.metrics.database.labels("busy").inc()
            return Problem("busy", "Try again in a moment; nothing was changed.")
        reason = "unconfirmed" if isinstance(error, Unconfirmed) else "away"
        self.metrics.database.labels(reason).inc()
        log.warning("the database failed", extra={"fields": {"reason": reason, "why": str(error)}})
        return Problem("unavailable", "Try again in a moment, with the same idempotency key.")
