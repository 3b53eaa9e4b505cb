"""A sitting as a pure state machine: the same one for the live service and the simulator.

Nothing here reads a clock, a file or a random source. What happened is the ordered list of items and
answers; a `State` is a fold of it, so that a sitting is rebuilt from its log by the same calls::

    test = AdaptiveTest.prepare(pool, design, attributes)
    state = start(test, seed=b"...")
    while isinstance(step := next_item(test, state), Serve):
        state = served(test, state, step.item)
        state = answered(test, state, step.item, category)
    result = conclude(test, state)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cat_engine.answers import Answers
from cat_engine.design import Design
from cat_engine.errors import InputError
from cat_engine.grid import Grid, GridTables
from cat_engine.information import to_micro
from cat_engine.kernels.ending import GO_ON, classify
from cat_engine.kernels.look import interval_of
from cat_engine.kernels.seats import Seats, uncount
from cat_engine.machine import Machine
from cat_engine.pool import ItemPool
from cat_engine.preparation import build, check
from cat_engine.record import maxima_of_record, score_of_record
from cat_engine.selection.chance import chance
from cat_engine.selection.exposure import Snapshot, Usage
from cat_engine.sitting import (
    ASIDE,
    MISSING,
    NOT_REACHED,
    OMITTED,
    PENDING,
    TIMED_OUT,
    DomainResult,
    First,
    Result,
    Serve,
    State,
    Stop,
)
from cat_engine.stopping import REASONS

__all__ = [
    "MISSING",
    "NOT_REACHED",
    "OMITTED",
    "TIMED_OUT",
    "AdaptiveTest",
    "Course",
    "DomainResult",
    "First",
    "Result",
    "Serve",
    "State",
    "Stop",
    "answered",
    "conclude",
    "next_item",
    "served",
    "set_aside",
    "start",
    "usage",
]

_ONE = np.zeros(1, dtype=np.int64)
_NO_CHANCE = np.zeros(1, dtype=np.uint64)


@dataclass(frozen=True, slots=True, eq=False)
class AdaptiveTest:
    """All that a sitting needs and that does not change; make it with `prepare`.

    Attributes
    ----------
    pool, design, attributes
        What it was made from.
    machine
        The design worked out for the pool.
    bounds
        Bounds of the intervals of theta whose exposure is controlled each by itself.
    """

    pool: ItemPool
    design: Design
    attributes: Mapping[str, tuple[str, ...]]
    machine: Machine
    bounds: np.ndarray

    @classmethod
    def prepare(
        cls, pool: ItemPool, design: Design, attributes: Mapping[str, Sequence[object]] | None = None
    ) -> AdaptiveTest:
        """Check that the design fits the pool and tabulate what sittings use.

        Parameters
        ----------
        pool
            The items.
        design
            The rules.
        attributes
            Column name -> one value an item, in the order of the pool; what constraints refer to.

        Raises
        ------
        InputError
            For attributes of another length, requirements that no test of this pool meets (the smallest
            set of them is named), criteria that the items' models do not have.
        """
        columns = {
            name: tuple("" if v is None else str(v) for v in column)
            for name, column in (attributes or {}).items()
        }
        for name, column in columns.items():
            if len(column) != len(pool):
                raise InputError(
                    f"expected one value of '{name}' for each of the {len(pool)} items, got {len(column)}; "
                    "give the items' attributes in the order of the pool"
                )
        machine = build(pool, design, columns)
        for need in design.accommodation.needs:
            check(machine, design, columns, need)
        return cls(pool, design, columns, machine, np.array(design.exposure.intervals, dtype=np.float64))

    def accommodated(self, need: str) -> AdaptiveTest:
        """Return this test for people with `need`: the items that suit them, the length the design allows.

        Positions of items stay those of the pool. Sittings, scores and exposure counts work as in any test.

        Raises
        ------
        InputError
            Where the design does not offer the test for that need.
        """
        needs = self.design.accommodation.needs
        if need not in needs:
            raise InputError(
                f"expected one of accommodation.needs ({', '.join(needs) or 'there are none'}), got "
                f"'{need}'; add it to the design and study it first"
            )
        machine = build(self.pool, self.design, self.attributes, need)
        return replace(self, design=self.design.accommodated, machine=machine)

    @property
    def grid(self) -> Grid:
        """The nodes and the published prior."""
        return self.machine.grid

    @property
    def tables(self) -> GridTables:
        """Log-probabilities and information of the pool over the grid."""
        return self.machine.material.tables

    def no_exposure(self) -> Snapshot:
        """Return exposure counts before the first sitting of this test."""
        return Snapshot.empty(len(self.pool), len(self.bounds) + 1)


def start(test: AdaptiveTest, seed: bytes, first: First | None = None) -> State:
    """Return the state of a sitting that begins.

    Raises
    ------
    InputError
        Where the items that this person may see cannot make a whole test.
    """
    first = first or First()
    seat = test.machine.seats(1)
    closed = set(first.seen)
    parts = test.design.exposure.rotation
    if parts > 1:
        part = chance(seed, 0, "rotation") % parts
        closed.update(int(i) for i in np.flatnonzero(test.machine.part != part))
    if closed:
        seat.usable[0, sorted(closed)] = 0
        seat.free[0] = test.machine.blueprint.free(seat.usable[0])
        flaw = test.machine.blueprint.flaw(seat.usable[0])
        if flaw:
            raise InputError(
                f"expected a whole test from the items that this person may see, got {flaw}; "
                "allow items seen before, or add items"
            )
    return State(seed, first, (), (), seat, seat.usable[0])


def next_item(test: AdaptiveTest, state: State, snapshot: Snapshot | None = None) -> Serve | Stop:
    """Return the item to serve next, or why the sitting is over.

    Parameters
    ----------
    snapshot
        Exposure counts of earlier sittings; the same for the whole sitting. None: there were none.

    While an item is pending, that item is returned again.
    """
    if state.pending is not None:
        return Serve(state.pending, 0)
    machine = test.machine
    draw, masks = _NO_CHANCE, None
    if machine.draws:
        draw = np.array([chance(state.seed, len(state.items), "choice")], dtype=np.uint64)
    if snapshot is not None and machine.rule.masks:
        masks = _open(test, state, snapshot)
    start_at = test.design.start.theta if state.first.theta is None else state.first.theta
    places = np.array([start_at], dtype=np.float64)
    choice = machine.step(state.seat, _ONE, places, draw, masks, (state.items,), (state.assembled,))
    if choice.verdict[0] != GO_ON:
        return Stop(REASONS[int(choice.verdict[0])])
    item, worth = int(choice.items[0]), int(choice.worth[0])
    if choice.assembled is None or choice.lacks is None:
        return Serve(item, worth)
    return Serve(item, worth, choice.assembled[0], float(choice.lacks[0]))


class Course:
    """A sitting led on in place: one copy of the seat for however many items, as a log is folded.

    `served`, `answered` and `set_aside` are one move of it each.

    Parameters
    ----------
    state
        Where it begins; stays as it is.
    """

    def __init__(self, test: AdaptiveTest, state: State) -> None:
        self._test = test
        self._from = state
        self._seat = Seats(*(array.copy() for array in state.seat))
        self._items = list(state.items)
        self._categories = list(state.categories)
        self._assembled = state.assembled
        self._item, self._category = np.empty((2, 1), dtype=np.int64)

    @property
    def state(self) -> State:
        """Where it stands; the course itself must not be led on after that."""
        first, items, categories = self._from.first, tuple(self._items), tuple(self._categories)
        return State(
            self._from.seed, first, items, categories, self._seat, self._from.usable, self._assembled
        )

    @property
    def pending(self) -> int | None:
        """The item that was served and not answered yet."""
        return self._items[-1] if self._categories and self._categories[-1] == PENDING else None

    def serve(self, item: int, assembled: Sequence[int] | None = None) -> None:
        """Do what `served` does."""
        if (pending := self.pending) is not None:
            raise InputError(
                f"expected an answer to item '{self._test.pool.ids[pending]}' first, got position {item} "
                "to serve; answer it or set it aside"
            )
        if not 0 <= item < len(self._test.pool) or item in self._items:
            raise InputError(f"expected an item not served yet, got position {item}; ask next_item for one")
        self._item[0] = item
        self._test.machine.serve(self._seat, _ONE, self._item)
        self._items.append(int(item))
        self._categories.append(PENDING)
        self._assembled = tuple(assembled or ())

    def answer(self, item: int, category: int) -> None:
        """Do what `answered` does."""
        if item != (pending := self.pending):
            told = "no item" if pending is None else f"position {pending}"
            raise InputError(f"expected an answer to what is pending ({told}), got one to position {item}")
        n_cat = int(self._test.pool.n_cat[item])
        if category not in MISSING and not 0 <= category < n_cat:
            raise InputError(
                f"expected a category from 0 to {n_cat - 1} or a code for a missing answer, got {category} "
                f"for item '{self._test.pool.ids[item]}'"
            )
        scored = _scored(self._test, category)
        if scored is not None:
            self._item[0], self._category[0] = item, scored
            self._test.machine.take(self._seat, _ONE, self._item, self._category)
        elif category == NOT_REACHED:
            self._uncount(item)
        self._categories[-1] = int(category)

    def set_aside(self, item: int) -> None:
        """Do what `set_aside` does."""
        if item not in self._items:
            raise InputError(f"expected an item that was served, got position {item}; set aside another")
        again = Course(self._test, start(self._test, self._from.seed, self._from.first))
        for i, category in zip(self._items, self._categories, strict=True):
            again.serve(i)
            if i == item or category == ASIDE:
                again._categories[-1] = ASIDE
                again._uncount(i)
            elif category != PENDING:
                again.answer(i, category)
        self._seat, self._categories, self._assembled = again._seat, again._categories, again._assembled

    def _uncount(self, item: int) -> None:
        """Let a served item not count towards length and blueprint."""
        uncount(self._test.machine.blueprint.tree, self._seat, 0, item)


def served(test: AdaptiveTest, state: State, item: int, assembled: Sequence[int] | None = None) -> State:
    """Return the state once `item` is stored as the one the person is shown.

    Parameters
    ----------
    assembled
        The shadow test that it was taken from, where there was one: the next is found sooner.

    Raises
    ------
    InputError
        Where another item is pending, or this one was served before.
    """
    course = Course(test, state)
    course.serve(item, assembled)
    return course.state


def answered(test: AdaptiveTest, state: State, item: int, category: int) -> State:
    """Return the state after the answer to the pending `item`.

    Parameters
    ----------
    category
        From 0, or `OMITTED`, `NOT_REACHED`, `TIMED_OUT`, which count as the design's section
        ``[answers]`` says.

    Raises
    ------
    InputError
        Where `item` is not the pending one or has no such category.
    """
    course = Course(test, state)
    course.answer(item, category)
    return course.state


def set_aside(test: AdaptiveTest, state: State, item: int) -> State:
    """Return the state with a served `item` neutralised: it counts no more and is not served again.

    Raises
    ------
    InputError
        Where `item` was not served.
    """
    course = Course(test, state)
    course.set_aside(item)
    return course.state


def conclude(test: AdaptiveTest, state: State, reason: str | None = None) -> Result:
    """Return what the answers so far say.

    Parameters
    ----------
    reason
        Why the sitting ended where the engine did not end it (``abandoned``, ``expired``, ...).
    """
    if reason is None:
        step = next_item(test, state)
        reason = step.reason if isinstance(step, Stop) else "unfinished"
    machine = test.machine
    given = [
        (i, scored)
        for i, category in zip(state.items, state.categories, strict=True)
        if (scored := _scored(test, category)) is not None
    ]
    record = score_of_record(
        test.tables, machine.grid, [i for i, _ in given], [k for _, k in given], machine.ending.cuts
    )
    theta, se = record.theta, record.se
    theta_micro, se_micro = record.theta_micro, record.se_micro
    score = test.design.score
    if score.method != "eap":
        item, category = np.array(given, dtype=np.int64).reshape(-1, 2).T
        answers = Answers.from_sparse(np.array([0, len(given)]), item, category)
        found = maxima_of_record(test.pool, test.tables, test.grid, answers, score.method, score.prior)
        theta, se = float(found[0][0]), float(found[1][0])
        theta_micro, se_micro = int(to_micro(theta)), int(to_micro(se))
    level = int(np.argmax(record.levels))
    settled = -1
    if given and test.design.stop.classify in ("sprt", "glr", "interval"):
        settled = int(
            classify(
                machine.ending,
                machine.grid.weights,
                machine.grid.nodes,
                state.seat,
                0,
                np.empty_like(record.levels),
            )
        )
    decision: int | None = None
    if settled >= 0:
        level = decision = settled
    elif len(test.design.cuts.values) and record.levels[level] >= test.design.cuts.confidence:
        decision = level
    return Result(
        theta,
        se,
        tuple(float(m) for m in record.levels),
        level,
        decision,
        1.0 - float(record.levels[level]),
        state.asked,
        reason,
        _domains(test, given),
        {
            "theta": theta_micro,
            "se": se_micro,
            "levels": tuple(int(to_micro(m)) for m in record.levels),
        },
    )


def usage(test: AdaptiveTest, state: State, snapshot: Snapshot | None = None) -> Usage:
    """Return what a finished sitting adds to the exposure counts.

    Parameters
    ----------
    snapshot
        The counts that the sitting was run with.
    """
    interval = int(interval_of(test.bounds, state.theta))
    barred: tuple[int, ...] = ()
    if snapshot is not None and test.machine.rule.masks:
        barred = tuple(int(i) for i in np.flatnonzero(_open(test, state, snapshot)[0] == 0))
    return Usage(interval, state.items, barred)


def _open(test: AdaptiveTest, state: State, snapshot: Snapshot) -> np.ndarray:
    """Draw the items open to the sitting at its present estimate, shape ``(1, n)``."""
    snapshot.check(len(test.pool), len(test.bounds) + 1)
    exposure = test.design.exposure
    interval = np.array([interval_of(test.bounds, state.theta)])
    key = np.array([chance(state.seed, 0, "exposure")], dtype=np.uint64)
    chances = snapshot.chances(exposure.method, exposure.rate)
    return test.machine.open_sets(chances, interval, key, state.usable[None])


def _domains(test: AdaptiveTest, given: Sequence[tuple[int, int]]) -> tuple[DomainResult, ...]:
    report = test.design.report
    column = test.attributes.get(report.attribute)
    if column is None:
        return ()
    by_value: dict[str, list[tuple[int, int]]] = {}
    for item, category in given:
        by_value.setdefault(column[item], []).append((item, category))
    variance = test.design.score.prior[1] ** 2
    results = []
    for value in sorted(by_value):
        answers = by_value[value]
        record = score_of_record(test.tables, test.grid, [i for i, _ in answers], [k for _, k in answers])
        reliability = 1.0 - record.se * record.se / variance
        if reliability >= report.reliability:
            results.append(DomainResult(value, len(answers), record.theta, record.se, reliability))
    return tuple(results)


def _scored(test: AdaptiveTest, category: int) -> int | None:
    """The category that enters the likelihood, or None."""
    if category >= 0:
        return category
    rule = getattr(test.design.answers, MISSING.get(category, ""), "ignored")
    return 0 if rule == "lowest" else None
