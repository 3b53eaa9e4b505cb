"""Deadlines, the grace after them, and the time that interruptions give back.

All moments are the database's, in microseconds. The rules are the published test's and are copied into
the ``started`` event, with the extra time of the invitation applied:

- ``limit``: how long the sitting lasts; none when the test is not timed.
- ``grace``: an answer to an item served in time still counts this long after the deadline.
- ``silence``: after this long without a word, coming back counts as an interruption, from then on.
- ``give_back``: how much time interruptions give back by themselves, all together. Where that leaves no
  time, the sitting waits for the decision of a person.
- ``abandon``: after this long without a word, of the candidate's or of a person's who decides, the sitting is
  over; never where the test was published without this rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

__all__ = ["SECOND", "Clock", "Rules"]

SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Rules:
    """The time rules of a test, in microseconds."""

    limit: int | None = None
    grace: int = 10 * SECOND
    silence: int = 180 * SECOND
    give_back: int = 900 * SECOND
    abandon: int | None = None

    @staticmethod
    def from_mapping(seconds: Mapping[str, Any]) -> Rules:
        """Return the rules of a test document: ``limit_s``, ``grace_s`` and so on."""
        plain = Rules()
        limit, abandon = seconds.get("limit_s"), seconds.get("abandon_s")
        return Rules(
            None if limit is None else int(limit) * SECOND,
            int(seconds.get("grace_s", plain.grace // SECOND)) * SECOND,
            int(seconds.get("silence_s", plain.silence // SECOND)) * SECOND,
            int(seconds.get("give_back_s", plain.give_back // SECOND)) * SECOND,
            None if abandon is None else int(abandon) * SECOND,
        )

    def with_extra(self, percent: int) -> Rules:
        """Return the rules with `percent` more time (an accommodation)."""
        if self.limit is None:
            return self
        return replace(self, limit=self.limit * (100 + percent) // 100)

    def data(self) -> dict[str, int | None]:
        """Return the rules as they stand in the ``started`` event."""
        rules = {
            "limit": self.limit,
            "grace": self.grace,
            "silence": self.silence,
            "give_back": self.give_back,
        }
        return rules if self.abandon is None else {**rules, "abandon": self.abandon}


@dataclass(frozen=True, slots=True)
class Clock:
    """The time account of one sitting."""

    rules: Rules
    started: int
    given_back: int = 0
    """All time given back so far."""
    given_alone: int = 0
    """The part of it that no person decided: bounded by ``rules.give_back``."""

    @property
    def deadline(self) -> int | None:
        """When the time is up; None without a limit."""
        if self.rules.limit is None:
            return None
        return self.started + self.rules.limit + self.given_back

    def up(self, now: int) -> bool:
        """Return whether no further item may be served."""
        return self.deadline is not None and now >= self.deadline

    def abandoned_at(self, at: int) -> int | None:
        """Return after which moment a sitting in which nothing has happened since `at` is over."""
        return None if self.rules.abandon is None else at + self.rules.abandon

    def abandoned(self, at: int, now: int) -> bool:
        """Return whether a sitting in which nothing has happened since `at` is over."""
        over = self.abandoned_at(at)
        return over is not None and now > over

    def too_late(self, now: int) -> bool:
        """Return whether an answer to an item served in time no longer counts."""
        return self.deadline is not None and now > self.deadline + self.rules.grace

    def returned(self, interrupted: int, now: int, granted: int | None = None) -> int:
        """Return how much of an interruption is given back.

        Parameters
        ----------
        interrupted
            When it began.
        granted
            What a person decided for this interruption; None: what the rules give by themselves.
        """
        gap = max(0, now - interrupted)
        if granted is not None:
            return min(gap, granted)
        return min(gap, self.rules.give_back - self.given_alone)

    def after(self, returned: int, decided: bool) -> Clock:
        """Return the account with `returned` microseconds given back."""
        alone = 0 if decided else returned
        return replace(self, given_back=self.given_back + returned, given_alone=self.given_alone + alone)
