"""Simulated sittings whose exposure counts follow them, as those of a live service do.

People come one batch after another and a batch sees the counts of the batches before it. Batches are
small while the counts are young, so that no item is shown to a whole batch before its count can say so.
A stream of people depends on its seed and its first counts alone, never on threads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

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
_ROUNDS = 12


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
    everything = np.ones((1, n), dtype=np.uint8)
    open_ = np.ones((len(sittings), n), dtype=np.uint8)
    if test.machine.rule.masks:
        chances = before.chances(exposure.method, exposure.rate)
        keys = sitting_keys(seed, number, len(sittings))
        open_ = test.machine.open_sets(chances, interval, keys, everything)
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

    Sympson-Hetter's control parameters are found in rounds: an item selected in more than the target
    share of sittings passes with the probability that brings it down to the target; as many items as a
    test has always pass (Sympson & Hetter, 1985).
    """
    snapshot = test.no_exposure()
    if not counts(test):
        return snapshot
    theta = mean + sd * np.random.Generator(np.random.Philox(seed)).standard_normal(_SETTLING)
    if test.design.exposure.method != "sympson-hetter":
        return follow(test, theta, seed, snapshot)[1]
    rate = test.design.exposure.rate
    length = test.machine.blueprint.requirements.length[1]
    control, selected = snapshot.control, np.zeros(len(test.pool))
    for turn in range(_ROUNDS):
        snapshot = replace(test.no_exposure(), control=control)
        sittings = simulate(test, theta, seed + turn, snapshot=snapshot)
        snapshot = add(test, sittings, seed + turn, 0, snapshot)
        if turn == _ROUNDS - 1:
            break
        now = np.bincount(sittings.items[sittings.items >= 0], minlength=len(control)) / (
            len(theta) * control
        )
        selected = now if turn < _ROUNDS // 3 else 0.6 * selected + 0.4 * now  # noise would pass items
        control = np.where(selected > rate, rate / np.maximum(selected, 1e-9), 1.0)
        control[np.argsort(-control, kind="stable")[:length]] = 1.0
    return snapshot
