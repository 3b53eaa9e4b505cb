"""Whole sittings of many simulated people, by the engine that serves real ones.

People sit in lockstep, a few hundred to a chunk: each step is the one that a live sitting calls for one
person (:meth:`cat_engine.machine.Machine.step`). Chunks run on threads; a sitting depends on the seed,
the person's number and the exposure counts alone, so that results do not depend on chunks or threads.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np

from cat_engine.errors import InputError
from cat_engine.kernels import batch
from cat_engine.kernels.choose import Ranked
from cat_engine.kernels.ending import GO_ON
from cat_engine.kernels.pick import mix
from cat_engine.kernels.seats import SE, THETA, bar
from cat_engine.kernels.sitting import People, react, sit_by_rank
from cat_engine.selection.criteria import Exact
from cat_engine.selection.exposure import Snapshot
from cat_engine.session import MISSING, AdaptiveTest
from cat_engine.threads import over_chunks

__all__ = ["Sittings", "Truth", "simulate", "sitting_keys"]

_ANSWERS, _CHOICE, _SITTING, _ROTATION = range(4)
"""What chance is for, each with a stream of its own."""

_CHUNK, _ROWS = 512, 100
_ROOM = 1 << 20
_DENSE = 20
_NO_SETS = np.empty((0, 0, 0), dtype=np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class Sittings:
    """Finished sittings.

    Attributes
    ----------
    items
        Shape ``(N, L)``, int32: positions in the pool in the order served, then -1.
    categories
        Shape ``(N, L)``, int8: the answers; negative codes as in :mod:`cat_engine.session`.
    length
        Shape ``(N,)``: how many items were served.
    theta, se
        Shape ``(N,)``: the running estimate at the end.
    reason
        Shape ``(N,)``: why each ended (keys of :data:`cat_engine.stopping.REASONS`).
    lack
        Shape ``(N,)``: the most that a shadow test may have lacked of the best one, as a share of its value;
        0 without shadow tests.
    """

    items: np.ndarray
    categories: np.ndarray
    length: np.ndarray
    theta: np.ndarray
    se: np.ndarray
    reason: np.ndarray
    lack: np.ndarray

    @classmethod
    def empty(cls, n: int, length: int) -> Sittings:
        """Return room for `n` sittings."""
        return cls(
            np.full((n, length), -1, dtype=np.int32),
            np.full((n, length), -1, dtype=np.int8),
            np.zeros(n, dtype=np.int64),
            np.empty(n),
            np.empty(n),
            np.zeros(n, dtype=np.int64),
            np.zeros(n),
        )

    def __len__(self) -> int:
        return len(self.theta)

    def part(self, begin: int, end: int) -> Sittings:
        """Return some of the sittings; the arrays are shared."""
        return Sittings(
            self.items[begin:end],
            self.categories[begin:end],
            self.length[begin:end],
            self.theta[begin:end],
            self.se[begin:end],
            self.reason[begin:end],
            self.lack[begin:end],
        )


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """How simulated people answer: the probability of each category or above, over dense nodes.

    Attributes
    ----------
    low, high, size
        First and last node, and their number.
    upper
        Shape ``(n, K - 1, size)``.
    """

    low: float
    high: float
    size: int
    upper: np.ndarray

    @classmethod
    def of(cls, test: AdaptiveTest, theta: np.ndarray) -> Truth:
        """Tabulate the pool over a range that holds `theta`, 20 nodes to the unit."""
        low, high = min(-4.0, float(theta.min(initial=0.0))), max(4.0, float(theta.max(initial=0.0)))
        size = int(np.ceil((high - low) * _DENSE)) + 1 if len(theta) else 4
        nodes = np.linspace(low, high, size)
        upper = np.zeros((len(test.pool), int(test.pool.n_cat.max()) - 1, size))
        for block in test.pool.blocks:
            args = (block.table, block.index, nodes, upper)
            over_chunks(batch.upper_of, len(block.index), *args, chunk=_ROWS)
        return cls(low, high, size, upper)


def simulate(
    test: AdaptiveTest,
    theta: np.ndarray,
    seed: int,
    *,
    number: int = 0,
    snapshot: Snapshot | None = None,
    responses: np.ndarray | None = None,
    progress: Callable[[int], None] | None = None,
    truth: Truth | None = None,
    out: Sittings | None = None,
) -> Sittings:
    """Let people of known ability sit the test.

    Parameters
    ----------
    test
        The test.
    theta
        Shape ``(N,)``: true abilities.
    seed
        Of all chance.
    number
        The first person's number; person ``number + p`` sits the same in any batch.
    snapshot
        Exposure counts, the same for all; :func:`counted` lets counts follow the sittings.
    responses
        Shape ``(N, n)``: given answers, used instead of simulated ones; an item with a negative entry is
        not available to that person.
    progress
        Called with the number of sittings that have just ended.
    truth
        What `Truth.of` returned for these people, to make it once for several calls.
    out
        Where to write.
    """
    theta = np.ascontiguousarray(theta, dtype=np.float64)
    machine, n = test.machine, len(test.pool)
    if responses is not None and responses.shape != (len(theta), n):
        raise InputError(
            f"expected given responses of {len(theta)} persons to {n} items, got {responses.shape}; "
            "give one column an item"
        )
    if snapshot is not None:
        snapshot.check(n, len(test.bounds) + 1)
    length = int(machine.blueprint.requirements.length[1])
    out = Sittings.empty(len(theta), length) if out is None else out
    if truth is None:
        truth = Truth.of(test, theta if responses is None else theta[:0])
    if responses is not None:
        responses = np.ascontiguousarray(responses, dtype=np.int8)
    chunk = _chunk(test, 0 if snapshot is None else len(test.bounds) + 1)

    def run(begin: int) -> int:
        end = min(begin + chunk, len(theta))
        _sit(
            test,
            theta[begin:end],
            seed,
            number + begin,
            snapshot,
            None if responses is None else responses[begin:end],
            truth,
            out.part(begin, end),
        )
        return end - begin

    starts = range(0, len(theta), chunk)
    workers = min(int(numba.get_num_threads()), len(starts))
    if workers < 2:
        for begin in starts:
            done = run(begin)
            if progress:
                progress(done)
        return out
    with ThreadPoolExecutor(workers) as pool:
        for done in pool.map(run, starts):
            if progress:
                progress(done)
    return out


def _chunk(test: AdaptiveTest, sets: int) -> int:
    """How many people sit at a time: what holds an entry for each item stays below a megabyte.

    One where shadow tests are assembled: a solver goes on from its last solution, the same person's.
    """
    machine = test.machine
    if machine.shadow is not None:
        return 1
    width = sets
    for *_, selector in machine.spans(1 + machine.blueprint.requirements.length[1]):
        if not (machine.tabled(selector) or (isinstance(selector, Exact) and machine.rule.ordered)):
            width = sets + 8  # every item's value for everyone
    return max(8, min(_CHUNK, _ROOM // max(width * len(test.pool), 1)))


def _keys(seed: int, purpose: int, persons: np.ndarray) -> np.ndarray:
    """The persons' keys for one purpose under the study's seed."""
    stream = np.array(
        [mix(np.uint64(seed), purpose)], dtype=np.uint64
    )  # numba types a bare integer by its size
    out = np.empty(len(persons), dtype=np.uint64)
    batch.keys_of(stream, persons, out)
    return out


def sitting_keys(seed: int, number: int, n: int) -> np.ndarray:
    """Return the chance that stays for a sitting, for persons ``number .. number + n - 1``."""
    keys = _keys(seed, _SITTING, np.arange(number, number + n, dtype=np.uint64))
    out = np.empty(n, dtype=np.uint64)
    batch.keys_at(keys, np.arange(n), 0, out)
    return out


def _sit(
    test: AdaptiveTest,
    theta: np.ndarray,
    seed: int,
    number: int,
    snapshot: Snapshot | None,
    responses: np.ndarray | None,
    truth: Truth,
    out: Sittings,
) -> None:
    machine, exposure = test.machine, test.design.exposure
    n = len(theta)
    seats = machine.seats(n)
    persons = np.arange(number, number + n, dtype=np.uint64)
    tree = machine.blueprint.tree
    if exposure.rotation > 1:
        part = _keys(seed, _ROTATION, persons) % exposure.rotation
        bar(tree, seats, machine.part[None, :] != part[:, None])
    if responses is not None:
        bar(tree, seats, responses < 0)
    opened = _NO_SETS
    if snapshot is not None and machine.rule.masks:
        chances = snapshot.chances(exposure.method, exposure.rate)
        keys = sitting_keys(seed, number, n)
        opened = np.stack(
            [machine.open_sets(chances, np.full(n, g), keys, seats.usable) for g in range(len(chances))]
        )
        alone = machine.shadow is None and len(tree.member) == 0  # the open items always make a whole test
        if len(opened) == 1 and alone:  # and stay the same: close the others once for all
            bar(tree, seats, opened[0] == 0)
            opened = _NO_SETS
    firsts = np.full(n, test.design.start.theta)
    people = _people(test, theta, seed, persons, responses, truth)
    served: list[list[int]] = [[] for _ in range(n)] if machine.shadow is not None else []
    last: list[tuple[int, ...]] = [() for _ in served]
    out.reason[:] = GO_ON
    for begin, end, selector in machine.spans(out.items.shape[1] + 1):
        if machine.tabled(selector):
            assert isinstance(selector, Ranked)
            sit_by_rank(
                people,
                tree,
                machine.ending,
                machine.estimator,
                machine.starts,
                firsts,
                selector,
                machine.material.ranked_information if machine.ending.information >= 0.0 else selector,
                machine.rule.code,
                machine.number,
                machine.draws,
                opened,
                test.bounds,
                seats,
                begin,
                end,
                out.items,
                out.categories,
                out.length,
                out.reason,
            )
            continue
        for position in range(begin, end):
            active = np.flatnonzero(out.reason == GO_ON)
            if not len(active):
                break
            draw = np.zeros(len(active), dtype=np.uint64)
            if machine.draws:
                batch.keys_at(people.person, active, position, draw)
            masks = None
            if len(opened):
                masks = opened[np.searchsorted(test.bounds, seats.now[active, THETA], side="right"), active]
            choice = machine.step(
                seats,
                active,
                firsts[: len(active)],
                draw,
                masks,
                [served[s] for s in active] if served else (),
                [last[s] for s in active] if served else (),
                told=False,
            )
            if choice.assembled is not None and choice.lacks is not None:
                out.lack[active] = np.maximum(out.lack[active], choice.lacks)
                for a, s in enumerate(active):
                    last[s] = choice.assembled[a]
            going = choice.verdict == GO_ON
            over = active[~going]
            out.reason[over] = choice.verdict[~going]
            out.length[over] = position
            active, chosen = active[going], choice.items[going]
            for a, s in enumerate(active) if served else ():
                served[s].append(int(chosen[a]))
            if len(active):
                react(
                    people,
                    tree,
                    machine.estimator,
                    seats,
                    active,
                    chosen,
                    position,
                    out.items,
                    out.categories,
                )
    out.theta[:] = seats.now[:, THETA]
    out.se[:] = seats.now[:, SE]


def _people(
    test: AdaptiveTest,
    theta: np.ndarray,
    seed: int,
    persons: np.ndarray,
    responses: np.ndarray | None,
    truth: Truth,
) -> People:
    """Return the people of some seats."""
    absent = np.full(len(MISSING) + 1, -1, dtype=np.int64)
    for code, name in MISSING.items():
        absent[-code] = 0 if getattr(test.design.answers, name) == "lowest" else -1
    first, shares = np.empty(len(theta), dtype=np.int64), np.empty((len(theta), 4))
    batch.place(truth.low, truth.high, truth.size, theta, first, shares)
    return People(
        _keys(seed, _CHOICE, persons),
        _keys(seed, _ANSWERS, persons),
        first,
        shares,
        truth.upper,
        np.empty((0, 0), dtype=np.int8) if responses is None else responses,
        absent,
    )
