"""What a sitting is made of: what is known beforehand, where it stands, what comes next, what it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from cat_engine.kernels.seats import SE, THETA, Seats

__all__ = [
    "ASIDE",
    "MISSING",
    "NOT_REACHED",
    "OMITTED",
    "PENDING",
    "TIMED_OUT",
    "DomainResult",
    "First",
    "Result",
    "Serve",
    "State",
    "Stop",
]

OMITTED: Final = -1
"""The person saw the item and chose not to answer."""
NOT_REACHED: Final = -2
"""The item was served and never seen, or the sitting ended on it."""
TIMED_OUT: Final = -3
"""The time for the item ran out."""
MISSING: Final = {OMITTED: "omitted", NOT_REACHED: "not_reached", TIMED_OUT: "timed_out"}
"""The codes that people's answers may have, and the keys of the design's section ``[answers]``."""

PENDING: Final = -9
"""The item is being shown."""
ASIDE: Final = -10
"""The item was neutralised."""


@dataclass(frozen=True, slots=True)
class First:
    """What is known of a person beforehand; it may choose the first items and never enters the score.

    Attributes
    ----------
    theta
        Where to start instead of the design's ``start.theta``.
    seen
        Positions of items that this person must not meet again.
    """

    theta: float | None = None
    seen: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """Where a sitting stands: a fold of what was served and answered.

    Attributes
    ----------
    seed
        The session's seed, for rules that need chance.
    first
        What the sitting started from.
    items
        Positions in the pool of the items served, in order.
    categories
        For each, the category answered, or `OMITTED`, `NOT_REACHED`, `TIMED_OUT`; a pending item and
        one set aside have codes of their own below these.
    seat
        What the engine keeps: never changed in place.
    usable
        Shape ``(n,)``, uint8: the items that this person may be served at all.
    assembled
        The shadow test that the last item was taken from: the next one is at least as good. Empty: not known.
    """

    seed: bytes
    first: First
    items: tuple[int, ...]
    categories: tuple[int, ...]
    seat: Seats
    usable: np.ndarray
    assembled: tuple[int, ...] = ()

    @property
    def theta(self) -> float:
        """The current estimate."""
        return float(self.seat.now[0, THETA])

    @property
    def se(self) -> float:
        """Its standard error."""
        return float(self.seat.now[0, SE])

    @property
    def pending(self) -> int | None:
        """The item that was served and not answered yet."""
        return self.items[-1] if self.categories and self.categories[-1] == PENDING else None

    @property
    def asked(self) -> int:
        """How many served items count towards the length of the test."""
        return int(self.seat.counted[0, -1])


@dataclass(frozen=True, slots=True)
class Serve:
    """The next item.

    Attributes
    ----------
    item
        Its position in the pool.
    criterion
        The criterion's value of record (millionths).
    assembled
        The shadow test that it was taken from, where one was assembled: an event of the record.
    lack
        What the best shadow test could be worth more at most, as a share of its value: above the solver's gap
        only where the limit of nodes was reached.
    """

    item: int
    criterion: int
    assembled: tuple[int, ...] | None = None
    lack: float = 0.0


@dataclass(frozen=True, slots=True)
class Stop:
    """The sitting is over; `reason` is one of :data:`cat_engine.stopping.REASONS`."""

    reason: str


@dataclass(frozen=True, slots=True)
class DomainResult:
    """An estimate from the items of one domain, published because it is reliable enough."""

    value: str
    n: int
    theta: float
    se: float
    reliability: float


@dataclass(frozen=True, slots=True)
class Result:
    """What a sitting says about a person.

    Attributes
    ----------
    theta, se
        The design's estimate and its standard error.
    levels
        Posterior probability of each level, lowest first; one more than there are cut scores.
    level
        The level of greatest probability; where a classification rule has settled, the level it chose.
    decision
        That level where the rule has settled or its probability reaches the confidence that the design
        asks for, else None.
    risk
        Posterior probability that `level` is not the person's.
    n_items
        How many items count.
    reason
        Why the sitting ended, or ``unfinished``.
    domains
        Only those reliable enough to mean something.
    record
        The integers of record: ``theta``, ``se`` and ``levels`` in millionths.
    """

    theta: float
    se: float
    levels: tuple[float, ...]
    level: int
    decision: int | None
    risk: float
    n_items: int
    reason: str
    domains: tuple[DomainResult, ...]
    record: Mapping[str, object]
