"""Who did what, when: an append-only list of events, each holding the hash of the one before it.

Time and names come from outside; nothing here looks at a clock.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cat_engine.errors import InputError
from item_bank.canonical import canonical

__all__ = ["Event", "Log", "append", "from_lines", "to_line"]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a bank.

    Attributes
    ----------
    kind
        ``moved``, ``reviewed``, ``answered_blind``, ``publication_requested``, ``published``, ...
    by
        The name of the person.
    at
        When, ISO 8601.
    facts
        What else is to be known.
    previous, hash
        SHA-256 of the event before (empty for the first) and of this one.
    """

    kind: str
    by: str
    at: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    previous: str = ""
    hash: str = ""


Log = tuple[Event, ...]


def append(log: Log, kind: str, by: str, at: str, **facts: Any) -> Log:
    """Return `log` with one event more.

    Raises
    ------
    InputError
        When nobody is named: every act on a bank has a person.
    """
    name = " ".join(by.split())
    if not name:
        raise InputError("expected the name of the person who acts, got none; name them with --by")
    previous = log[-1].hash if log else ""
    return (*log, Event(kind, name, at, facts, previous, _hash(kind, name, at, facts, previous)))


def _hash(kind: str, by: str, at: str, facts: Mapping[str, Any], previous: str) -> str:
    return hashlib.sha256(canonical([kind, by, at, facts, previous])).hexdigest()


def to_line(event: Event) -> str:
    """Return one event as a line of JSON."""
    return json.dumps(
        {
            "kind": event.kind,
            "by": event.by,
            "at": event.at,
            "facts": dict(event.facts),
            "previous": event.previous,
            "hash": event.hash,
        },
        ensure_ascii=False,
    )


def from_lines(lines: Iterable[str], where: str) -> Log:
    """Return the log in `lines`, its chain verified.

    Raises
    ------
    InputError
        With the line at which the chain breaks: something was changed, removed or put in between.
    """
    log: list[Event] = []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            event = Event(row["kind"], row["by"], row["at"], row["facts"], row["previous"], row["hash"])
        except (ValueError, KeyError, TypeError):
            raise InputError(f"{where}, line {number}: expected an event, got something else") from None
        expected = _hash(event.kind, event.by, event.at, event.facts, log[-1].hash if log else "")
        if event.hash != expected:
            raise InputError(
                f"{where}, line {number}: the chain of events breaks here: a line was changed or removed"
            )
        log.append(event)
    return tuple(log)
