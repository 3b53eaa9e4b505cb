"""The state of a sitting: a fold of its events.

`fold` is the whole automaton. Each event has the phases in which it may happen; anything else is a
`BrokenLog`, so that code that appends what it should not fails before it is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

from api.catalogue.live import LiveTest
from api.sittings.log import BrokenLog, Event
from api.sittings.timing import Clock, Rules
from cat_engine import session as engine

__all__ = [
    "AWAITING",
    "CODES",
    "FINISHED",
    "INTERRUPTED",
    "ITEM",
    "Key",
    "Pending",
    "Sitting",
    "fold",
]

ITEM, INTERRUPTED, AWAITING, FINISHED = "item", "interrupted", "awaiting_decision", "finished"

CODES: Mapping[str, int] = MappingProxyType(
    {"omitted": engine.OMITTED, "not_reached": engine.NOT_REACHED, "timed_out": engine.TIMED_OUT}
)
"""How an event says that there is no category, and what the engine calls it."""


class Pending(NamedTuple):
    """The item that was served and not answered yet."""

    position: int
    item: str
    handle: str
    served_at: int


class Key(NamedTuple):
    """What an idempotency key was used for: the digest of the request, and the events it led to."""

    request: str
    first: int


_Changes = dict[str, Any]
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Sitting(NamedTuple):
    """A sitting after its latest event; immutable, so that it can be kept and shared.

    A tuple: a worker that has to read a log makes one for each event, and no other kind of record is copied
    with some fields changed in so little time.
    """

    id: str
    test: str
    language: str
    seed: bytes
    seq: int
    at: int
    head: bytes
    phase: str
    clock: Clock
    state: engine.State
    device: str
    """Digest of the secret of the one browser that may act."""
    former: tuple[str, ...] = ()
    """Digests of browsers that acted before."""
    pending: Pending | None = None
    position: int = 0
    """Of the item served last."""
    answered: int = 0
    handles: Mapping[str, int] = _NOTHING
    """Every handle shown so far and its position."""
    keys: Mapping[str, Key] = _NOTHING
    interrupted_at: int = 0
    granted: int | None = None
    """What a person decided to give back for the present interruption."""
    finished: Mapping[str, Any] | None = None
    """The data of the ``finished`` event."""
    ended_at: int = 0
    """When the sitting ended; rescoring comes later."""
    exposure: str | None = None
    """Digest of the exposure counts that the sitting sees."""
    need: str | None = None
    """What the person needs, for whom items that suit it are chosen: nothing but choosing looks at it."""
    section: str | None = None
    """Of another test player, which makes its own result: the sitting is of no person of ours."""
    erased: bool = False
    """Whether the person was erased: nothing more can happen, and what was personal is not known."""

    def __repr__(self) -> str:
        """Say which sitting it is, and nothing that a log must not hold: seed, secrets, need."""
        return f"Sitting({self.id!r}, seq={self.seq}, phase={self.phase!r})"

    def silent_since(self, now: int) -> int | None:
        """Return from when on a silence up to `now` counts as an interruption; None where it does not."""
        rules = self.clock.rules
        if self.phase != ITEM or rules.limit is None or now - self.at <= rules.silence:
            return None
        return self.at + rules.silence


def fold(test: LiveTest, events: Iterable[Event], sitting: Sitting | None = None) -> Sitting:
    """Return the sitting after `events`, which follow on `sitting`.

    Raises
    ------
    BrokenLog
        When one of them cannot happen where it stands.
    """
    course: engine.Course | None = None
    for event in events:
        if sitting is None:
            sitting = _started(test, event)
            continue
        if course is None:
            course = engine.Course(test.adaptive_for(sitting.need), sitting.state)
        step, phases = _STEPS.get(event.kind, _NO_STEP)
        if step is None or sitting.erased or sitting.phase not in phases or event.seq != sitting.seq + 1:
            raise BrokenLog(
                f"'{event.kind}' cannot happen at event {event.seq} of sitting {sitting.id}, "
                f"which is at {sitting.seq}, phase '{sitting.phase}'"
            )
        changes = step(test, sitting, event, course)
        key = event.key
        if key is not None:
            changes["keys"] = MappingProxyType({**sitting.keys, key: Key(event.data["request"], event.seq)})
        sitting = sitting._replace(seq=event.seq, at=event.at, head=event.hash, **changes)
    if sitting is None:
        raise BrokenLog("a log without events")
    return sitting if course is None else sitting._replace(state=course.state)


def _started(test: LiveTest, event: Event) -> Sitting:
    data = event.data
    if event.kind != "started" or event.seq != 1:
        raise BrokenLog(f"sitting {event.session} begins with '{event.kind}'")
    theta = data.get("first_theta")
    first = engine.First(
        theta=None if theta is None else theta / 1e6,
        seen=frozenset(_index(test, item) for item in data.get("closed", ())),
    )
    if data["test"] != test.id or data["content"] != test.content_hash:
        raise BrokenLog(f"sitting {event.session} was started on another version of the test")
    seed, need = bytes.fromhex(data["seed"]), data.get("need")
    if need not in test.needs:
        raise BrokenLog(f"sitting {event.session} was started for a need that the test is not offered for")
    return Sitting(
        id=event.session,
        test=test.id,
        language=data["language"],
        seed=seed,
        seq=event.seq,
        at=event.at,
        head=event.hash,
        phase=ITEM,
        clock=Clock(Rules(**data["time"]) if "time" in data else test.rules, event.at),
        state=engine.start(test.adaptive_for(need), seed=seed, first=first),
        device=data.get("device", ""),
        exposure=data.get("exposure"),
        need=need,
        section=data.get("section"),
    )


def _served(test: LiveTest, sitting: Sitting, event: Event, course: engine.Course) -> _Changes:
    data = event.data
    if sitting.pending is not None or data["position"] != sitting.position + 1:
        raise BrokenLog(f"event {event.seq} of sitting {sitting.id} serves out of turn")
    if data["handle"] in sitting.handles:
        raise BrokenLog(f"event {event.seq} of sitting {sitting.id} uses a handle twice")
    course.serve(_index(test, data["item"]), data.get("assembled"))
    return {
        "pending": Pending(data["position"], data["item"], data["handle"], event.at),
        "position": data["position"],
        "handles": MappingProxyType({**sitting.handles, data["handle"]: data["position"]}),
    }


def _answered(test: LiveTest, sitting: Sitting, event: Event, course: engine.Course) -> _Changes:
    pending = _pending(sitting, event)
    category = event.data["category"]
    if isinstance(category, str):
        category = CODES[category]
    course.answer(_index(test, pending.item), category)
    return {"pending": None, "answered": sitting.answered + 1}


def _set_aside(test: LiveTest, sitting: Sitting, event: Event, course: engine.Course) -> _Changes:
    pending = _pending(sitting, event)
    course.set_aside(_index(test, pending.item))
    return {"pending": None}


def _interrupted(test: LiveTest, sitting: Sitting, event: Event, course: engine.Course) -> _Changes:
    return {"phase": INTERRUPTED, "interrupted_at": event.data["since"], "granted": None}


def _resumed(test: LiveTest, sitting: Sitting, event: Event, course: engine.Course) -> _Changes:
    data = event.data
    clock = sitting.clock.after(data["given_back"], decided=sitting.granted is not None)
    former, device = sitting.former, data.get("device", "")
    if device != sitting.device:
        former = (*former, sitting.device)
    return {"phase": ITEM, "clock": clock, "device": device, "former": former, "granted": None}


def _referred(test: LiveTest, sitting: Sitting, event: Event, course: engine.Course) -> _Changes:
    return {"phase": AWAITING}


def _decided(test: LiveTest, sitting: Sitting, event: Event, course: engine.Course) -> _Changes:
    return {"phase": INTERRUPTED, "granted": event.data["give_back"]}


def _finished(test: LiveTest, sitting: Sitting, event: Event, course: engine.Course) -> _Changes:
    return {"phase": FINISHED, "pending": None, "finished": event.data, "ended_at": event.at}


def _rescored(test: LiveTest, sitting: Sitting, event: Event, course: engine.Course) -> _Changes:
    told = {name: value for name, value in event.data.items() if name not in ("neutralisation", "item")}
    course.set_aside(_index(test, event.data["item"]))
    return {"finished": MappingProxyType({**(sitting.finished or {}), **told})}


def _told(test: LiveTest, sitting: Sitting, event: Event, course: engine.Course) -> _Changes:
    return {}  # the candidate contests the result, or a person has looked at it again


def _erased(test: LiveTest, sitting: Sitting, event: Event, course: engine.Course) -> _Changes:
    return {
        "phase": FINISHED,
        "pending": None,
        "erased": True,
        "device": "",
        "former": (),
        "need": None,
        "keys": _NOTHING,
        "clock": replace(sitting.clock, rules=test.rules),
    }


def _pending(sitting: Sitting, event: Event) -> Pending:
    if sitting.pending is None or sitting.pending.position != event.data["position"]:
        raise BrokenLog(f"event {event.seq} of sitting {sitting.id} is about an item that is not pending")
    return sitting.pending


def _index(test: LiveTest, item: str) -> int:
    try:
        return test.index[item]
    except KeyError:
        raise BrokenLog(f"the test has no item '{item}'") from None


_Step = Callable[[LiveTest, Sitting, Event, engine.Course], _Changes]
"""What an event changes in a sitting, beside the course of the engine."""
_NO_STEP: tuple[_Step | None, tuple[str, ...]] = (None, ())
_STEPS: Mapping[str, tuple[_Step | None, tuple[str, ...]]] = {
    "item_served": (_served, (ITEM,)),
    "answered": (_answered, (ITEM, INTERRUPTED, AWAITING)),  # where it is not open: not reached
    "item_set_aside": (_set_aside, (ITEM,)),
    "interrupted": (_interrupted, (ITEM,)),
    "resumed": (_resumed, (ITEM, INTERRUPTED)),
    "referred": (_referred, (INTERRUPTED,)),
    "decided": (_decided, (AWAITING,)),
    "finished": (_finished, (ITEM, INTERRUPTED, AWAITING)),
    "rescored": (_rescored, (FINISHED,)),
    "contested": (_told, (FINISHED,)),
    "reviewed": (_told, (FINISHED,)),
    "erased": (_erased, (ITEM, INTERRUPTED, AWAITING, FINISHED)),
}
