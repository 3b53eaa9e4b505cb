"""What a study simulates, and one chunk of it.

A study is cut into chunks of `CHUNK` persons, whatever runs them: a chunk depends on the plan and on its
number alone, so that threads, machines and their number change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from cat_engine.answers import Answers
from cat_engine.counting import counts, follow, seeded
from cat_engine.design import Design
from cat_engine.kernels.ending import classify
from cat_engine.pool import ItemPool
from cat_engine.record import maxima_of_record
from cat_engine.scoring.plausible import level_probabilities
from cat_engine.scoring.posterior import eap
from cat_engine.selection.exposure import Snapshot
from cat_engine.session import AdaptiveTest
from cat_engine.simulation import Sittings, simulate

__all__ = ["CHUNK", "Part", "Plan", "answers_of"]

CHUNK = 5_000
"""Persons of a chunk. Where exposure counts follow the sittings they do so within a chunk, each of which
starts from the counts that the test would go live with."""

_AGAIN = 1 << 40
"""Added to a person's number for a second sitting, independent of the first."""

_SETTLED = ("sprt", "glr", "interval")


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What a chunk of persons did.

    Attributes
    ----------
    sittings
        Items, answers, length and reason of each.
    against
        Shape ``(N,)``: true theta; where given responses are replayed, the estimate from all of them.
    theta, se
        Shape ``(N,)``: the design's estimate, as a result states it.
    levels
        Shape ``(N, cuts + 1)``: posterior probability of each level.
    level, decision
        Shape ``(N,)``: the level assigned; the level decided, or -1 where the design's confidence is
        not reached.
    """

    sittings: Sittings
    against: np.ndarray
    theta: np.ndarray
    se: np.ndarray
    levels: np.ndarray
    level: np.ndarray
    decision: np.ndarray

    @classmethod
    def joined(cls, parts: Sequence[Part]) -> Part:
        """Put parts one after the other."""

        def along(values: Callable[[Any], np.ndarray], of: Sequence[Any]) -> np.ndarray:
            return np.concatenate([values(one) for one in of])

        each = [part.sittings for part in parts]
        sittings = Sittings(
            along(lambda s: s.items, each),
            along(lambda s: s.categories, each),
            along(lambda s: s.length, each),
            along(lambda s: s.theta, each),
            along(lambda s: s.se, each),
            along(lambda s: s.reason, each),
            along(lambda s: s.lack, each),
        )
        return cls(
            sittings,
            along(lambda p: p.against, parts),
            along(lambda p: p.theta, parts),
            along(lambda p: p.se, parts),
            along(lambda p: p.levels, parts),
            along(lambda p: p.level, parts),
            along(lambda p: p.decision, parts),
        )


@dataclass(frozen=True, eq=False)
class Plan:
    """All that a study's sittings depend on.

    Attributes
    ----------
    rows
        Items, as rows of a parameter file.
    design
        The test design.
    n, seed
        Number of persons; of all chance.
    mean, sd
        Of the normal population that true theta is drawn from.
    attributes
        Column -> one value an item, in the order of `rows`.
    responses
        Shape ``(n, items)``, int8: given answers, replayed instead of simulated ones; negative: that
        person has no answer to that item, which is then not available to them.
    snapshot
        Exposure counts that every chunk starts from; None where the design's rule looks at none.
    """

    rows: Sequence[Mapping[str, Any]]
    design: Design
    n: int
    seed: int
    mean: float = 0.0
    sd: float = 1.0
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    responses: np.ndarray | None = None
    snapshot: Snapshot | None = None

    @cached_property
    def test(self) -> AdaptiveTest:
        """The test, made where it is used."""
        return AdaptiveTest.prepare(ItemPool.from_rows(self.rows), self.design, self.attributes)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the prepared test out of what travels to other machines."""
        return {name: value for name, value in self.__dict__.items() if name != "test"}

    @property
    def follows(self) -> bool:
        """Whether exposure counts follow the sittings."""
        return counts(self.test)

    @property
    def chunks(self) -> int:
        """Number of chunks."""
        return -(-self.n // CHUNK)

    def first_counts(self) -> Snapshot | None:
        """Return the exposure counts that this test should go live with, or None where none are kept."""
        if not self.follows:
            return None
        other = int(np.random.SeedSequence([self.seed, 1]).generate_state(1, np.uint64)[0] >> 1)
        return seeded(self.test, self.mean, self.sd, other)

    def theta(self, k: int) -> np.ndarray:
        """Return the true theta of the persons of chunk `k`: the first ones, whatever `n` is."""
        size = min(CHUNK, self.n - k * CHUNK)
        stream = np.random.Generator(np.random.Philox(key=[self.seed, k]))
        return self.mean + self.sd * stream.standard_normal(CHUNK)[:size]

    def chunk(self, k: int, again: bool = False, progress: Callable[[int], None] | None = None) -> Part:
        """Let the persons of chunk `k` sit the test.

        Parameters
        ----------
        again
            Whether this is their second sitting, with chance of its own.
        """
        test, begin = self.test, k * CHUNK
        theta = self.theta(k)
        given = None if self.responses is None else self.responses[begin : begin + len(theta)]
        number = begin + (_AGAIN if again else 0)
        if self.snapshot is not None:
            sittings, _ = follow(
                test, theta, self.seed, self.snapshot, number=number, responses=given, progress=progress
            )
        else:
            sittings = simulate(test, theta, self.seed, number=number, responses=given, progress=progress)
        against = theta if given is None else eap(test.tables, test.grid, Answers.from_matrix(given))[0]
        return _scored(test, sittings, against)


def answers_of(sittings: Sittings) -> Answers:
    """Return everyone's answers."""
    there = sittings.items >= 0
    indptr = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
    return Answers.from_sparse(indptr, sittings.items[there], sittings.categories[there])


def _scored(test: AdaptiveTest, sittings: Sittings, against: np.ndarray) -> Part:
    """Score finished sittings as :func:`cat_engine.session.conclude` does."""
    design, grid = test.design, test.grid
    answers = answers_of(sittings)
    if design.score.method == "eap":
        theta, se = eap(test.tables, grid, answers)
    else:
        theta, se = maxima_of_record(
            test.pool, test.tables, grid, answers, design.score.method, design.score.prior
        )
    cuts = np.array(design.cuts.values, dtype=np.float64)
    levels = np.ones((len(sittings), 1))
    if len(cuts):
        levels = level_probabilities(test.pool, answers, cuts, grid=grid)
    level = np.argmax(levels, axis=1)
    sure = len(cuts) > 0
    decision = np.where(sure & (levels.max(axis=1) >= design.cuts.confidence), level, -1)
    if sure and design.stop.classify in _SETTLED:
        settled = _settled(test, sittings, levels.shape[1])
        level = np.where(settled >= 0, settled, level)
        decision = np.where(settled >= 0, settled, decision)
    return Part(sittings, against, theta, se, levels, level, decision)


def _settled(test: AdaptiveTest, sittings: Sittings, size: int) -> np.ndarray:
    """Return the level that the classification rule has settled on at the end of each sitting, or -1."""
    machine = test.machine
    seats = machine.seats(len(sittings))
    for position in range(sittings.items.shape[1]):
        active = np.flatnonzero(sittings.items[:, position] >= 0)
        if not len(active):
            break
        chosen = sittings.items[active, position].astype(np.int64)
        categories = sittings.categories[active, position].astype(np.int64)
        machine.serve(seats, active, chosen)
        machine.take(seats, active, chosen, categories)
    masses = np.empty(size)
    out = np.full(len(sittings), -1, dtype=np.int64)
    for s in np.flatnonzero(sittings.length > 0):
        out[s] = classify(machine.ending, machine.grid.weights, machine.grid.nodes, seats, s, masses)
    return out
