"""The event log of a sitting: canonical JSON, chained by SHA-256.

The log is the only truth: the state of a sitting is a fold of it (`api.sittings.fold`). An event's body
is stored as the very text that was hashed, ::

    hash[n] = SHA-256(hash[n - 1] + body[n]),    hash[0] = 32 zero bytes

so that the hash of the last event (the *head*) stands for the whole log. A result carries it.

Bodies hold texts, whole numbers, true, false, null, lists and objects alone, with sorted ASCII keys and no
spaces: for these, RFC 8785 (JSON canonicalisation) and this module write the same bytes.

When a person is erased, what `PERSONAL` names is cut out of the bodies; the hashes stay. The last event,
``erased``, holds the digest of every body that stands where another stood, and is chained like the others: so
whatever else was changed is still told.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from api.ids import digest

__all__ = ["GENESIS", "KINDS", "PERSONAL", "BrokenLog", "Event", "Log", "canonical", "chained", "impersonal"]

VERSION = 1
GENESIS = bytes(32)

KINDS = (
    "started",
    "item_served",
    "answered",
    "item_set_aside",
    "interrupted",
    "resumed",
    "referred",
    "decided",
    "finished",
    "rescored",
    "contested",
    "reviewed",
    "erased",
)
"""What can happen in a sitting; `api.sittings.fold` says what each does."""

PERSONAL: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "started": ("device", "extra_time_percent", "need", "time"),
        "resumed": ("device",),
        "item_set_aside": ("reason", "salt"),
        "decided": ("reason", "salt"),
        "finished": ("salt", "why"),
        "contested": ("by", "salt", "why"),
        "reviewed": ("by", "salt", "why"),
    }
)
"""What tells of the person more than their answers do, by kind of event.

A hash that stays confirms no guess at what was cut out: each body loses a text of at least 128 random bits
(the digest of the browser's secret, or the salt) with it.
"""


class BrokenLog(Exception):
    """A stored log does not hold together: an event was changed, lost or put in."""


def canonical(value: Any) -> str:
    """Return `value` as canonical JSON.

    Raises
    ------
    TypeError
        For a number with a fraction, or anything that JSON has not got: those have no one canonical form.
    """
    _refuse_fractions(value)
    return _encoded(value)


_encoded = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode
_decoded = json.JSONDecoder().raw_decode


def _refuse_fractions(value: Any) -> None:
    if isinstance(value, str | int | None):
        return
    if isinstance(value, float):
        raise TypeError(f"an event holds whole numbers, not {value!r}")
    if isinstance(value, dict):
        for name, inner in value.items():
            if not (isinstance(name, str) and name.isascii()):
                raise TypeError(f"an event's keys are ASCII texts, not {name!r}")
            _refuse_fractions(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            _refuse_fractions(inner)


class Event(NamedTuple):
    """One event.

    Attributes
    ----------
    seq
        1 for ``started``, then without gaps.
    at
        Microseconds since 1970 (UTC) by the database's clock; never before the event before it.
    hash
        Of this event and, through the one before it, of all that came before.
    """

    session: str
    seq: int
    kind: str
    at: int
    data: Mapping[str, Any]
    body: str
    hash: bytes

    @property
    def position(self) -> int | None:
        """The position in the sitting that this event is about."""
        return self.data.get("position")

    @property
    def key(self) -> str | None:
        """The idempotency key of the request that caused it."""
        return self.data.get("key")


def chained(before: bytes, body: str) -> bytes:
    """Return the hash of the event with `body` that follows an event with the hash `before`."""
    return hashlib.sha256(before + body.encode()).digest()


def impersonal(event: Event) -> str | None:
    """Return the body of `event` without what is personal; None where nothing is."""
    personal = PERSONAL.get(event.kind, ())
    if not any(name in event.data for name in personal):
        return None
    fields = json.loads(event.body)
    return canonical(fields | {"data": {n: v for n, v in event.data.items() if n not in personal}})


def _cut(rows: Sequence[tuple[int, str, bytes]], seq: int, body: str) -> bool:
    """Whether `body` is what an erasure, the last event of `rows`, left of event `seq`."""
    try:
        last, fields = json.loads(rows[-1][1]), json.loads(body)
        if last["kind"] != "erased" or last["data"]["bodies"][str(seq)] != digest(body):
            return False
        return not any(name in fields["data"] for name in PERSONAL[fields["kind"]])
    except (ValueError, KeyError, TypeError):
        return False


class Log:
    """Writes the next events of one sitting; keeps count of sequence, time and hash.

    Parameters
    ----------
    seq, at, head
        Of the last event so far; 0, 0 and `GENESIS` for a new sitting.
    """

    def __init__(self, session: str, seq: int = 0, at: int = 0, head: bytes = GENESIS) -> None:
        self.session = session
        self.seq = seq
        self.at = at
        self.head = head

    def append(self, kind: str, now: int, data: Mapping[str, Any]) -> Event:
        """Return the event that comes next. Should the clock go back, time stands still."""
        seq, at = self.seq + 1, max(now, self.at)
        body = canonical(
            {"v": VERSION, "session": self.session, "seq": seq, "kind": kind, "at": at, "data": data}
        )
        head = chained(self.head, body)
        self.seq, self.at, self.head = seq, at, head
        return Event(self.session, seq, kind, at, MappingProxyType(dict(data)), body, head)

    def read(self, rows: Sequence[tuple[int, str, bytes]]) -> list[Event]:
        """Return the events that stored rows (seq, body, hash) hold, which follow on this log.

        Raises
        ------
        BrokenLog
            When a sequence number is missing, a hash does not fit, or a body is not what its row says.
        """
        events = []
        for seq, body, stored in rows:
            event = self._parsed(seq, body, bytes(stored), rows)
            self.seq, self.at, self.head = event.seq, event.at, event.hash
            events.append(event)
        return events

    def _parsed(self, seq: int, body: str, stored: bytes, rows: Sequence[tuple[int, str, bytes]]) -> Event:
        if seq != self.seq + 1:
            raise BrokenLog(f"expected event {self.seq + 1} of sitting {self.session}, got event {seq}")
        if chained(self.head, body) != stored and not _cut(rows, seq, body):
            raise BrokenLog(
                f"the hash of {self._named(seq)} does not fit its content and the event before it"
            )
        try:
            fields, end = _decoded(body)
            session, kind, at, data = fields["session"], fields["kind"], fields["at"], fields["data"]
            event = Event(session, fields["seq"], kind, at, MappingProxyType(data), body, stored)
        except (ValueError, KeyError, TypeError) as error:
            raise BrokenLog(f"{self._named(seq)} cannot be read: {error}") from error
        if fields.get("v") != VERSION:
            told = f"has version {fields.get('v')}, this program reads version {VERSION}"
            raise BrokenLog(f"{self._named(seq)} {told}")
        if (session, event.seq) != (self.session, seq) or kind not in KINDS or end != len(body):
            raise BrokenLog(f"{self._named(seq)} says that it is something else")
        if at < self.at:
            raise BrokenLog(f"{self._named(seq)} happened before the event before it")
        return event

    def _named(self, seq: int) -> str:
        return f"event {seq} of sitting {self.session}"
