"""Simulated sittings whose exposure counts follow them, as those of a live service do.

People come one batch after another and a batch sees the counts of the batches before it. Batches are
small while the counts are young, so that no item is shown to a whole batch before its count can say so.
A stream of people depends on its seed and its first counts alone, never on threads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from cat_engine.kernels import batch
from cat_engine.selection.exposure import Snapshot
from cat_engine.session import AdaptiveTest
from cat_engine.simulation import Sittings, Truth, simulate, sitting_keys

__all__ = ["batch_size", "counts", "follow", "seeded"]

_REFRESH = 256
_SHARE, _SHARE_ABRUPT = 20, 100
"""A batch is one in so many of those before it; rules that bar an item outright need smaller ones."""
_SETTLING = 3_000
_FAST = 0.99
"""Fading while counts settle."""
_ROUNDS = 8


def counts(test: AdaptiveTest) -> bool:
    """Whether the test's exposure rule looks at earlier sittings."""
    return test.machine.rule.masks


def batch_size(test: AdaptiveTest, snapshot: Snapshot) -> int:
    """How many sittings may see the same counts before new ones are due."""
    share = _SHARE if test.design.exposure.method == "eligibility" else _SHARE_ABRUPT
    return max(1, min(_REFRESH, int(snapshot.sittings.sum()) // share))


def follow(
    test: AdaptiveTest,
    theta: np.ndarray,
    seed: int,
    snapshot: Snapshot,
    *,
    number: int = 0,
    responses: np.ndarray | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[Sittings, Snapshot]:
    """Simulate people one batch after another and return their sittings and the counts after them.

    Parameters
    ----------
    test, theta, seed, number, responses, progress
        As for :func:`cat_engine.simulation.simulate`.
    snapshot
        Counts before the first of them.
    """
    out = Sittings.empty(len(theta), test.machine.blueprint.requirements.length[1])
    truth = Truth.of(test, theta if responses is None else theta[:0])
    begin = 0
    while begin < len(theta):
        end = min(begin + batch_size(test, snapshot), len(theta))
        part = out.part(begin, end)
        simulate(
            test,
            theta[begin:end],
            seed,
            number=number + begin,
            snapshot=snapshot,
            responses=None if responses is None else responses[begin:end],
            progress=progress,
            truth=truth,
            out=part,
        )
        snapshot = add(test, part, seed, number + begin, snapshot)
        begin = end
    return out, snapshot


def add(test: AdaptiveTest, sittings: Sittings, seed: int, number: int, before: Snapshot) -> Snapshot:
    """Return the counts with simulated sittings added, one after the other."""
    exposure, n = test.design.exposure, len(test.pool)
    after = Snapshot(
        before.sittings.copy(), before.administered.copy(), before.eligible.copy(), before.control
    )
    interval = np.searchsorted(test.bounds, sittings.theta, side="right")
    open_ = np.ones((len(sittings), n), dtype=np.uint8)
    if test.machine.rule.masks:
        chances = before.chances(exposure.method, exposure.rate)
        keys = sitting_keys(seed, number, len(sittings))
        open_ = test.machine.open_sets(chances, interval, keys, test.machine.initial.usable)
    batch.count_usage(
        interval,
        open_,
        sittings.items,
        sittings.length,
        exposure.fading,
        after.sittings,
        after.administered,
        after.eligible,
    )
    return after


def seeded(test: AdaptiveTest, mean: float, sd: float, seed: int) -> Snapshot:
    """Return the counts that a test should go live with, from simulated people.

    Parameters
    ----------
    mean, sd
        Of the people's abilities.
    seed
        Of all chance.

    Counts fade fast until chances have settled, then as the design says. Sympson-Hetter's control parameters
    start from the share of sittings that eligibility leaves each item open to; rounds of simulated people
    then move each by a shrinking power of target over observed rate (Sympson & Hetter, 1985, take the whole
    step, which overshoots: an item held back is replaced by others).
    """
    method = test.design.exposure.method
    size = _SETTLING if test.machine.shadow is None else _SETTLING // 10  # a shadow test costs milliseconds
    first, later = mean + sd * np.random.Generator(np.random.Philox(seed)).standard_normal((2, size))
    if not counts(test):
        return test.no_exposure()
    if method not in ("eligibility", "sympson-hetter"):
        return follow(test, first, seed, test.no_exposure())[1]
    open_ = _with(test, method="eligibility", fading=min(_FAST, test.design.exposure.fading))
    _, snapshot = follow(open_, first, seed, test.no_exposure())
    if method == "eligibility":
        return follow(test, later, seed, snapshot, number=size)[1]
    _, snapshot = follow(_with(open_, fading=1.0), later, seed, snapshot, number=size)
    control = snapshot.eligible.sum(axis=0) / snapshot.sittings.sum()
    for turn in range(_ROUNDS + 1):
        snapshot = replace(test.no_exposure(), control=control)
        sittings = simulate(test, later, seed + turn, snapshot=snapshot)
        snapshot = add(test, sittings, seed + turn, 0, snapshot)
        share = np.bincount(sittings.items[sittings.items >= 0], minlength=len(control)) / len(later)
        missed = test.design.exposure.rate / np.maximum(share, 1e-9)
        control = np.minimum(1.0, control * missed ** (1.0 / (2.0 + turn)))
    return snapshot


def _with(test: AdaptiveTest, **changes: Any) -> AdaptiveTest:
    """Return the test with another exposure rule of the same kind; the rest stays as worked out."""
    exposure = replace(test.design.exposure, **changes)
    return replace(test, design=replace(test.design, exposure=exposure))
