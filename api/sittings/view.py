"""What the candidate is told about a sitting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api.catalogue.live import LiveTest
from api.sittings.fold import INTERRUPTED, ITEM, Sitting
from api.sittings.receipt import receipt
from api.sittings.shown import shown
from item_bank import render

__all__ = ["Entry", "InvitationCard", "ResultView", "TestCard", "View", "view"]


@dataclass(frozen=True, slots=True)
class TestCard:
    """A test as a candidate knows it."""

    code: str
    version: int
    title: Mapping[str, str]
    languages: tuple[str, ...]
    demonstration: bool
    least: int
    most: int
    minutes: int | None
    """How long the sitting may take; None when it is not timed."""
    omitted: str
    """What a skipped item counts as: ``ignored`` or ``lowest``."""

    @staticmethod
    def of(test: LiveTest, need: str | None = None) -> TestCard:
        """Return the card of `test` for a person with `need`, whose test may be longer."""
        limit, adaptive = test.rules.limit, test.adaptive_for(need)
        stop = adaptive.design.stop
        return TestCard(
            test.code,
            test.version,
            test.title,
            test.languages,
            test.demonstration,
            stop.min,
            min(stop.max, int(adaptive.machine.initial.usable.sum())),
            None if limit is None else limit // 60_000_000,
            test.design.answers.omitted,
        )


@dataclass(frozen=True, slots=True)
class InvitationCard:
    """An invitation before the sitting begins; ``state`` is new, begun, finished or expired."""

    test: TestCard
    state: str
    expires_at: int
    extra_time_percent: int
    seconds: int | None
    """How long the sitting may take, the extra time included; None when it is not timed."""


@dataclass(frozen=True, slots=True)
class View:
    """Where a sitting stands.

    Attributes
    ----------
    seq
        Number of its latest event; sent back as ``expected_seq`` it refuses to act on an old page.
    phase
        ``item``, ``interrupted``, ``awaiting_decision`` or ``finished``.
    position
        Of the pending item; 1 for the first one served.
    answered
        How many items were answered or skipped.
    least, most
        How many items the sitting can have.
    handle
        Names the pending item in this sitting and is sent back with the answer.
    deadline
        When the time is up, in microseconds since 1970 (UTC); None when the sitting is not timed.
    abandoned_at
        When it ends by itself unless something happens in it before, in microseconds since 1970 (UTC); None
        where the test has no such rule.
    reason
        Why it ended.
    receipt
        Proves how far the log had come (`api.sittings.receipt`).
    """

    sitting: str
    seq: int
    phase: str
    test: TestCard
    language: str
    position: int | None
    answered: int
    least: int
    most: int
    handle: str | None
    item: render.View | None
    deadline: int | None
    abandoned_at: int | None
    reason: str | None
    receipt: str


@dataclass(frozen=True, slots=True)
class Entry:
    """What entering gives: the secret for the cookie, and the view."""

    token: str
    view: View


@dataclass(frozen=True, slots=True)
class ResultView:
    """The current result of a sitting.

    Attributes
    ----------
    document
        The signed claims (`api.results.claims`).
    credential
        The signed file, as it is handed out and verified.
    """

    id: str
    version: int
    status: str
    document: Mapping[str, Any]
    credential: str


def view(secret: bytes, test: LiveTest, sitting: Sitting, now: int, language: str = "") -> View:
    """Return the view of `sitting`; one that has been silent for long looks interrupted until resumed.

    The item is shown in `language`, by default the one that the sitting was begun in.
    """
    language = language if language in test.languages else sitting.language
    phase = INTERRUPTED if sitting.silent_since(now) is not None else sitting.phase
    pending = sitting.pending if phase == ITEM else None
    card = TestCard.of(test, sitting.need)
    return View(
        sitting.id,
        sitting.seq,
        phase,
        card,
        language,
        pending.position if pending else None,
        sitting.answered,
        card.least,
        card.most,
        pending.handle if pending else None,
        shown(test, sitting, pending, language) if pending else None,
        sitting.clock.deadline,
        sitting.clock.abandoned_at(sitting.at),
        sitting.finished["reason"] if sitting.finished else None,
        receipt(secret, sitting),
    )
