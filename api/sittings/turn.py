"""One turn of a sitting: read what it is, add events, and write them in one transaction."""

from __future__ import annotations

import functools
import hashlib
import hmac
import logging
import secrets
from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, and_, bindparam, case, exists, func, insert, literal_column, select, update

from api.catalogue.live import LiveTest
from api.catalogue.store import with_test
from api.database import tables
from api.database.clock import now_us
from api.database.plans import Call, Query, Rows
from api.problems import Problem
from api.results.issue import issue
from api.sittings.exposure import seen_by, used
from api.sittings.fold import AWAITING, FINISHED, INTERRUPTED, ITEM, Sitting, fold
from api.sittings.log import Event, Log
from cat_engine import session as engine

if TYPE_CHECKING:
    from api.runtime import Runtime

__all__ = ["CONFIRM", "EVENTS", "Turn", "before", "insert_events", "lost", "remembered", "turn"]

log = logging.getLogger("acquis.sittings")

Steps = Generator[Sequence[Call], list[Rows], "Turn"]

EVENTS = Query(
    select(now_us(), tables.event.c.seq, tables.event.c.body, tables.event.c.hash)
    .where(tables.event.c.session_id == bindparam("session_id"), tables.event.c.seq >= bindparam("after"))
    .order_by(tables.event.c.seq)
)
_STATUS = Query(
    update(tables.session)
    .where(tables.session.c.id == bindparam("session_id"))
    .values(status=bindparam("to"), changed_at=bindparam("now"), due_at=bindparam("due"))
)
CONFIRM = Query(
    update(tables.session)
    .where(tables.session.c.id == bindparam("session_id"))
    .values(changed_at=tables.session.c.changed_at)
)
"""Changes nothing, and is durable no sooner than all before it: what a failed database shows may be on one
machine alone, and only a commit waits for the standby that has to have it before it is acknowledged."""
_COLUMNS = ("session_id", "seq", "kind", "position", "idempotency_key", "body", "hash")
TOLERANCE = 250_000
"""Microseconds by which a clock that was not read may differ from the database's."""

_HOLDS = and_(
    exists(
        select(1).where(
            tables.event.c.session_id == bindparam("session_id_0"),
            tables.event.c.seq == bindparam("last_seq"),
            tables.event.c.hash == bindparam("last_hash"),
        )
    ),
    func.abs(now_us() - bindparam("clock", type_=BigInteger)) <= TOLERANCE,
)
"""The sitting was at this event when these came, and it is as late as they say."""


@functools.cache
def insert_events(n: int, unread: bool = False) -> Query:
    """Return the query that appends `n` events at once.

    Where they stand on what was not read, the database looks: unless it holds, the number of the first one
    is divided by zero. PostgreSQL refuses that before there is a row, which its own log would otherwise tell,
    answer and all; SQLite makes it null, which the table refuses.
    """
    rows: list[dict[str, Any]] = [{name: bindparam(f"{name}_{i}") for name in _COLUMNS} for i in range(n)]
    if unread:
        number = bindparam("seq_0", type_=tables.event.c.seq.type)
        holds = case((_HOLDS, literal_column("1")), else_=literal_column("0"))
        rows[0]["seq"] = number.op("/", return_type=number.type)(holds)
    return Query(insert(tables.event).values(rows))


class Turn:
    """The events that a request adds, and the sitting after them.

    Parameters
    ----------
    unread
        What the database has to confirm, where nothing was read: the latest event and the clock.
    """

    def __init__(
        self,
        runtime: Runtime,
        test: LiveTest,
        sitting: Sitting | None,
        now: int,
        session: str = "",
        unread: Mapping[str, Any] | None = None,
    ) -> None:
        self.runtime = runtime
        self.test = test
        self.now = now
        self._unread = unread
        self._sitting = sitting
        self._log = (
            Log(session) if sitting is None else Log(sitting.id, sitting.seq, sitting.at, sitting.head)
        )
        self.events: list[Event] = []
        self._ended: list[Call] = []

    @property
    def sitting(self) -> Sitting:
        """The sitting after the events so far."""
        if self._sitting is None:
            raise AssertionError("a sitting begins with 'started'")
        return self._sitting

    def add(self, kind: str, data: Mapping[str, Any]) -> None:
        """Append an event; `fold` refuses what cannot happen now."""
        event = self._log.append(kind, self.now, data)
        self._sitting = fold(self.test, [event], self._sitting)
        self.events.append(event)

    def serve(self) -> Generator[Sequence[Call], list[Rows], None]:
        """Draw the next item and store it as served, or end the sitting."""
        sitting = self.sitting
        if sitting.clock.up(self.now):
            yield from self.finish("time")
            return
        counts = yield from seen_by(self.runtime.tests, self.test, sitting.exposure)
        step = engine.next_item(self.test.adaptive_for(sitting.need), sitting.state, counts)
        if isinstance(step, engine.Stop):
            yield from self.finish(step.reason)
            return
        data: dict[str, Any] = {
            "position": sitting.position + 1,
            "item": self.test.adaptive.pool.ids[step.item],
            "criterion": step.criterion,
            "handle": secrets.token_urlsafe(12),
        }
        if step.assembled is not None:  # a solver's choice is not repeated bit by bit: it is recorded
            data["assembled"] = list(step.assembled)
        self.add("item_served", data)

    def finish(self, reason: str, **told: str) -> Generator[Sequence[Call], list[Rows], None]:
        """End the sitting, count what it used and, for a person of ours, issue the result."""
        self.add("finished", {"reason": reason, **outcome(self.test, self.sitting, reason), **told})
        self._ended = yield from used(self.runtime.tests, self.test, self.sitting, self.now)
        if self.sitting.section is None:
            self._ended += yield from issue(self.runtime, self.test, self.sitting)

    def close(self, reason: str, **told: str) -> Generator[Sequence[Call], list[Rows], None]:
        """End the sitting as `finish` does, in the middle of an item: it was not reached."""
        pending = self.sitting.pending
        if pending is not None:
            data = {"position": pending.position, "response": None, "category": "not_reached"}
            self.add("answered", data)
        yield from self.finish(reason, **told)

    def writes(self) -> list[Call]:
        """Return what makes the turn durable; where nothing happened, what was found."""
        if not self.events:
            return [CONFIRM(session_id=self.sitting.id)]
        values = {
            f"{name}_{i}": value
            for i, event in enumerate(self.events)
            for name, value in zip(_COLUMNS, _row(event), strict=True)
        }
        calls = [insert_events(len(self.events), self._unread is not None)(**values, **(self._unread or {}))]
        if any(event.kind not in ("answered", "item_served", "item_set_aside") for event in self.events):
            calls.append(
                _STATUS(session_id=self.sitting.id, to=self.sitting.phase, now=self.now, due=self.due())
            )
        return calls + self._ended

    def due(self) -> int | None:
        """Return after which moment something happens without a word from the candidate.

        A sitting in progress ends; an interrupted one is left to a person, or ends where one has decided. One
        in which nothing happens for very long is abandoned.
        """
        sitting = self.sitting
        if sitting.phase == FINISHED:
            return None
        moments = [self.up_at(), sitting.clock.abandoned_at(sitting.at)]
        return min((moment for moment in moments if moment is not None), default=None)

    def up_at(self) -> int | None:
        """Return after which moment the time is up without a word from the candidate."""
        sitting = self.sitting
        clock = sitting.clock
        if clock.deadline is None or sitting.phase in (AWAITING, FINISHED):
            return None
        wait = 0
        if sitting.phase == INTERRUPTED:
            wait = clock.rules.give_back - clock.given_alone if sitting.granted is None else sitting.granted
        return clock.deadline + wait + clock.rules.grace


def _row(event: Event) -> tuple[Any, ...]:
    return (event.session, event.seq, event.kind, event.position, event.key, event.body, event.hash)


def outcome(test: LiveTest, sitting: Sitting, reason: str) -> dict[str, Any]:
    """Return what the answers say, as the whole numbers of record of the ``finished`` event."""
    result = engine.conclude(test.adaptive_for(sitting.need), sitting.state, reason)
    return {
        "record": {
            name: list(value) if isinstance(value, tuple) else value for name, value in result.record.items()
        },
        "level": result.level,
        "decision": result.decision,
        "n_items": result.n_items,
        "domains": [
            {
                "value": domain.value,
                "n": domain.n,
                "theta": round(domain.theta * 1e6),
                "se": round(domain.se * 1e6),
            }
            for domain in result.domains
        ],
    }


def turn(runtime: Runtime, session: str) -> Steps:
    """Begin a turn: the sitting as the log has it now, in one read where this worker knows its past."""
    known = runtime.sittings.get(session)
    (rows,) = yield [EVENTS(session_id=session, after=known.seq if known else 1)]
    if known is not None and not (rows and rows[0][1] == known.seq and bytes(rows[0][3]) == known.head):
        runtime.sittings.forget(session)
        (rows,) = yield [EVENTS(session_id=session, after=1)]
        if rows:
            lost(session, known.seq)  # the database has gone back behind what we knew: it decides
        known = None
    if not rows:
        raise Problem("not_found", "There is no such sitting.")
    runtime.clock.heard(rows[0][0])
    now = rows[0][0] + runtime.skew
    if known is not None:
        past = Log(known.id, known.seq, known.at, known.head)
        rows = rows[1:]
    else:
        past = Log(session)
    events = past.read([(row[1], row[2], bytes(row[3])) for row in rows])
    test = yield from with_test(runtime.tests, known.test if known else events[0].data["test"])
    return Turn(runtime, test, fold(test, events, known), now)


def remembered(runtime: Runtime, session: str, handle: str, key: str) -> Turn | None:
    """Begin a turn of an open sitting on what this worker remembers, without a read.

    Its writes ask whether that still holds, so that they alone are the whole transaction. None where too
    little is known to answer the item called `handle` under `key`: the memory is behind, or the request is.
    None, too, where the time is nearly up.
    """
    known, clock = runtime.sittings.get(session), runtime.clock.now()
    test = runtime.tests.get(known.test) if known else None
    if known is None or test is None or clock is None or known.phase != ITEM:
        return None
    now = clock + runtime.skew
    is_open = known.pending is not None and known.pending.handle == handle
    if not (is_open or key in known.keys) or known.clock.up(now + TOLERANCE):
        return None
    unread = {"last_seq": known.seq, "last_hash": known.head, "clock": clock}
    return Turn(runtime, test, known, now, unread=unread)


def before(runtime: Runtime, test: LiveTest, session: str, until: int) -> Generator[Any, Any, Sitting]:
    """Return the sitting as it was after event `until`, from inside a plan."""
    (rows,) = yield [EVENTS(session_id=session, after=1)]
    events = Log(session).read([(row[1], row[2], bytes(row[3])) for row in rows if row[1] <= until])
    return fold(test, events)


def lost(session: str, seq: int) -> None:
    """Tell operators that a log does not hold any more what was once read or acknowledged of it."""
    fields = {"sitting": session, "event": seq}
    log.error("the log of a sitting ends before what was told of it", extra={"fields": fields})


def matches(secret_digest: str, digest: str) -> bool:
    """Compare two digests in constant time."""
    return hmac.compare_digest(secret_digest, digest)


def request_digest(*parts: str) -> str:
    """Return the digest by which a repeated request is recognised as the same."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
