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
from typing import Final

import numpy as np

from cat_engine.design import Design
from cat_engine.errors import InputError
from cat_engine.grid import Grid, GridTables, tabulate
from cat_engine.kernels.belief import levels, probabilities
from cat_engine.kernels.pick import information_block, of_record
from cat_engine.kernels.step import choose, take_in
from cat_engine.pool import ItemPool
from cat_engine.selection.blueprint import Blueprint

__all__ = [
    "MISSING",
    "NOT_REACHED",
    "OMITTED",
    "TIMED_OUT",
    "AdaptiveTest",
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
]

OMITTED: Final = -1
"""The person saw the item and chose not to answer."""
NOT_REACHED: Final = -2
"""The item was served and never seen, or the sitting ended on it."""
TIMED_OUT: Final = -3
"""The time for the item ran out."""
MISSING: Final = {OMITTED: "omitted", NOT_REACHED: "not_reached", TIMED_OUT: "timed_out"}

_PENDING = -9
_ASIDE = -10


@dataclass(frozen=True, slots=True, eq=False)
class AdaptiveTest:
    """All that a sitting needs and that does not change; make it with `prepare`.

    Attributes
    ----------
    pool, design, attributes
        What it was made from.
    grid
        The nodes and the published prior.
    tables
        Log-probabilities and information of the pool over the grid.
    probability
        Shape ``(n, K, Q)``.
    blueprint
        The constraints as a tree.
    cuts
        Shape ``(C,)``, ascending.
    fine, values
        Nodes four times as dense, and the criterion of every item at each, in millionths.
    """

    pool: ItemPool
    design: Design
    attributes: Mapping[str, tuple[str, ...]]
    grid: Grid
    tables: GridTables
    probability: np.ndarray
    blueprint: Blueprint
    cuts: np.ndarray
    fine: np.ndarray
    values: np.ndarray

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
            For attributes of another length, constraints that the pool cannot meet, ...
        """
        columns = {name: tuple(str(v) for v in column) for name, column in (attributes or {}).items()}
        for name, column in columns.items():
            if len(column) != len(pool):
                raise InputError(
                    f"expected one value of '{name}' for each of the {len(pool)} items, got {len(column)}; "
                    "give the items' attributes in the order of the pool"
                )
        mean, sd = design.score.prior
        low, high, nodes = design.score.grid
        grid = Grid.normal(mean, sd, low, high, int(nodes))
        tables = tabulate(pool, grid)
        probability = np.empty_like(tables.logp)
        probabilities(tables.logp, probability)
        blueprint = Blueprint.build(
            len(pool), design.constraint, columns, (design.stop.min, min(design.stop.max, len(pool)))
        )
        fine = Grid.uniform(low, high, 4 * (len(grid) - 1) + 1)
        values = np.empty((len(fine), len(pool)), dtype=np.int64)
        buffer = np.empty(len(pool))
        for g, theta in enumerate(fine.nodes):
            for block in pool.blocks:
                information_block(block.table, block.index, float(theta), buffer, values[g])
        return cls(
            pool,
            design,
            columns,
            grid,
            tables,
            probability,
            blueprint,
            np.array(design.cuts.values, dtype=np.float64),
            fine.nodes,
            values,
        )


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
    items
        Positions in the pool of the items served, in order.
    categories
        For each, the category answered, or `OMITTED`, `NOT_REACHED`, `TIMED_OUT`; `pending` and
        `aside` tell the rest.
    theta, se
        The current estimate.
    first
        What the sitting started from.
    """

    seed: bytes
    first: First
    items: tuple[int, ...]
    categories: tuple[int, ...]
    theta: float
    se: float
    likelihood: np.ndarray
    usable: np.ndarray
    count: np.ndarray

    @property
    def pending(self) -> int | None:
        """The item that was served and not answered yet."""
        return self.items[-1] if self.categories and self.categories[-1] == _PENDING else None

    @property
    def asked(self) -> int:
        """How many served items count towards the length of the test."""
        return sum(1 for c in self.categories if c > _PENDING and c != NOT_REACHED)


@dataclass(frozen=True, slots=True)
class Serve:
    """The next item: its position in the pool and the criterion's value of record (millionths)."""

    item: int
    criterion: int


@dataclass(frozen=True, slots=True)
class Stop:
    """The sitting is over: ``length``, ``se`` or ``exhausted``."""

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
        Posterior mean and standard deviation under the published prior.
    levels
        Probability of each level, lowest first; there is one more than there are cut scores.
    level
        The level of greatest probability.
    decision
        That level where its probability reaches the confidence that the design asks for, else None.
    risk
        Probability that `level` is not the person's.
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


def start(test: AdaptiveTest, seed: bytes, first: First | None = None) -> State:
    """Return the state of a sitting that begins.

    Raises
    ------
    InputError
        Where the items that this person has not seen cannot make a whole test.
    """
    first = first or First()
    usable = np.ones(len(test.pool), dtype=np.uint8)
    if first.seen:
        usable[list(first.seen)] = 0
        test.blueprint.check(usable)
    mean, sd = test.design.score.prior
    return State(
        seed,
        first,
        (),
        (),
        mean,
        sd,
        np.ones(len(test.grid)),
        usable,
        np.zeros(len(test.blueprint), dtype=np.int64),
    )


def next_item(test: AdaptiveTest, state: State, snapshot: object = None) -> Serve | Stop:
    """Return the item to serve next, or why the sitting is over.

    While an item is pending, that item is returned again.
    """
    if state.pending is not None:
        return Serve(state.pending, 0)
    design, blueprint = test.design, test.blueprint
    theta = state.theta
    if not any(c >= 0 for c in state.categories):
        theta = design.start.theta if state.first.theta is None else state.first.theta
    if design.select.evaluate == "table":
        values = test.values[_nearest(test.fine, theta)]
    else:
        values = np.empty(len(test.pool), dtype=np.int64)
        buffer = np.empty(len(test.pool))
        for block in test.pool.blocks:
            information_block(block.table, block.index, theta, buffer, values)
    precise = design.stop.se is not None and state.se <= design.stop.se
    item, lacking = choose(
        values,
        state.usable,
        blueprint.group,
        blueprint.parent,
        blueprint.low,
        blueprint.high,
        state.count,
        precise,
    )
    if state.count[-1] >= blueprint.high[-1]:
        return Stop("length")
    if precise and lacking <= 0:
        return Stop("se")
    if item < 0:
        return Stop("exhausted")
    return Serve(int(item), int(values[item]))


def served(test: AdaptiveTest, state: State, item: int) -> State:
    """Return the state once `item` is stored as the one the person is shown.

    Raises
    ------
    InputError
        Where another item is pending, or this one was served before.
    """
    if state.pending is not None:
        raise InputError(
            f"expected an answer to item '{test.pool.ids[state.pending]}' first, got item "
            f"'{test.pool.ids[item]}' to serve; answer it or set it aside"
        )
    if not 0 <= item < len(test.pool) or not state.usable[item]:
        raise InputError(f"expected an item not served yet, got position {item}; ask next_item for one")
    usable, count = state.usable.copy(), state.count.copy()
    usable[item] = 0
    _count(test, count, item, 1)
    return State(
        state.seed,
        state.first,
        (*state.items, int(item)),
        (*state.categories, _PENDING),
        state.theta,
        state.se,
        state.likelihood,
        usable,
        count,
    )


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
    if item != state.pending:
        raise InputError(
            f"expected an answer to position {state.pending}, which is pending, got one to {item}"
        )
    n_cat = int(test.pool.n_cat[item])
    if category not in MISSING and not 0 <= category < n_cat:
        raise InputError(
            f"expected a category from 0 to {n_cat - 1} or a code for a missing answer, got {category} "
            f"for item '{test.pool.ids[item]}'"
        )
    scored = _scored(test, category)
    likelihood, theta, se = state.likelihood, state.theta, state.se
    if scored is not None:
        likelihood, theta, se = take_in(
            likelihood, test.probability[item, scored], test.grid.weights, test.grid.nodes
        )
    count = state.count
    if category == NOT_REACHED:
        count = count.copy()
        _count(test, count, item, -1)
    return State(
        state.seed,
        state.first,
        state.items,
        (*state.categories[:-1], int(category)),
        theta,
        se,
        likelihood,
        state.usable,
        count,
    )


def set_aside(test: AdaptiveTest, state: State, item: int) -> State:
    """Return the state with a served `item` neutralised: it counts no more and is not served again.

    Raises
    ------
    InputError
        Where `item` was not served.
    """
    if item not in state.items:
        raise InputError(f"expected an item that was served, got position {item}; set aside another")
    again = start(test, state.seed, state.first)
    for i, category in zip(state.items, state.categories, strict=True):
        again = served(test, again, i)
        if i == item or category == _ASIDE:
            count = again.count.copy()
            _count(test, count, i, -1)
            again = replace(again, categories=(*again.categories[:-1], _ASIDE), count=count)
        elif category != _PENDING:
            again = answered(test, again, i, category)
    return again


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
    masses = np.empty(len(test.cuts) + 1)
    levels(state.likelihood, test.grid.weights, test.grid.nodes, test.grid.step, test.cuts, masses)
    level = int(np.argmax(masses))
    risk = 1.0 - float(masses[level])
    return Result(
        float(state.theta),
        float(state.se),
        tuple(float(m) for m in masses),
        level,
        level if len(test.cuts) and masses[level] >= test.design.cuts.confidence else None,
        risk,
        state.asked,
        reason,
        _domains(test, state),
        {
            "theta": int(of_record(state.theta)),
            "se": int(of_record(state.se)),
            "levels": tuple(int(of_record(m)) for m in masses),
        },
    )


def _domains(test: AdaptiveTest, state: State) -> tuple[DomainResult, ...]:
    report = test.design.report
    column = test.attributes.get(report.attribute)
    if column is None:
        return ()
    by_value: dict[str, list[tuple[int, int]]] = {}
    for item, category in zip(state.items, state.categories, strict=True):
        scored = _scored(test, category) if category > _PENDING else None
        if scored is not None:
            by_value.setdefault(column[item], []).append((item, scored))
    variance = test.design.score.prior[1] ** 2
    results = []
    for value in sorted(by_value):
        likelihood, theta, se = np.ones(len(test.grid)), 0.0, 0.0
        for item, scored in by_value[value]:
            likelihood, theta, se = take_in(
                likelihood, test.probability[item, scored], test.grid.weights, test.grid.nodes
            )
        reliability = 1.0 - se * se / variance
        if reliability >= report.reliability:
            results.append(DomainResult(value, len(by_value[value]), theta, se, reliability))
    return tuple(results)


def _scored(test: AdaptiveTest, category: int) -> int | None:
    """The category that enters the likelihood, or None."""
    if category >= 0:
        return category
    return 0 if getattr(test.design.answers, MISSING[category]) == "lowest" else None


def _count(test: AdaptiveTest, count: np.ndarray, item: int, by: int) -> None:
    v = int(test.blueprint.group[item])
    while v >= 0:
        count[v] += by
        v = int(test.blueprint.parent[v])


def _nearest(nodes: np.ndarray, theta: float) -> int:
    place = (theta - nodes[0]) / (nodes[-1] - nodes[0]) * (len(nodes) - 1)
    return min(max(int(place + 0.5), 0), len(nodes) - 1)
