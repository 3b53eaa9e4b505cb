"""A design worked out for one pool, and its one step: look ahead, then choose.

The step serves one person or many in lockstep: the live service and the simulator run the same one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from cat_engine.design import Design
from cat_engine.errors import InputError
from cat_engine.grid import Grid, tabulate
from cat_engine.kernels import belief, choose, look, pick
from cat_engine.kernels.ending import EXHAUSTED, GO_ON, Ending
from cat_engine.kernels.seats import SERVED, STIMULUS, THETA, Seats, serve
from cat_engine.pool import ItemPool
from cat_engine.selection.blueprint import Blueprint
from cat_engine.selection.criteria import CRITERIA, Exact, Material, Ranked, Selector, comfortable, judge
from cat_engine.selection.exposure import RULES, Rule
from cat_engine.selection.requirements import read, suitable
from cat_engine.selection.shadow import Shadow, conflict, refuse
from cat_engine.stopping import ending, points

__all__ = ["Choice", "Machine", "fitting"]

_METHODS = {"eap": belief.EAP, "map": belief.MAP, "ml": belief.ML, "wle": belief.WLE}
_DEARER = 1 << 40
"""What each further item costs a shadow test that only has to be completed; otherwise none costs anything."""


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """What a step decided, one entry an active seat.

    Attributes
    ----------
    verdict
        0 to go on, or why the sitting is over (:mod:`cat_engine.kernels.ending`).
    items, worth
        The item to serve and its criterion in millionths, where the sitting goes on.
    assembled
        The shadow tests, where shadow tests are used.
    """

    verdict: np.ndarray
    items: np.ndarray
    worth: np.ndarray
    assembled: tuple[tuple[int, ...], ...] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Machine:
    """A test design worked out for one pool: everything that steps read and nothing that changes.

    Attributes
    ----------
    grid
        Nodes and published prior.
    estimator
        How theta is estimated.
    blueprint, shadow
        What the test must contain; the assembler, where look-ahead does not suffice.
    ending
        Stopping rules.
    selector, openings
        The criterion; what replaces it up to a number of items served.
    rule, number, strengths
        The exposure rule and its parameters; `strengths` by the number of items served.
    starts
        Where the first items are chosen; nan for the place that the sitting itself starts from.
    spread
        The items in the order in which open sets are drawn: set by set of the blueprint, by where on the
        scale an item tells most.
    initial
        The seat of a person who begins.
    part
        Shape ``(n,)``: which of the rotating sub-banks an item belongs to.
    draws
        Whether a choice needs chance.
    """

    grid: Grid
    estimator: belief.Estimator
    blueprint: Blueprint
    shadow: Shadow | None
    ending: Ending
    material: Material
    selector: Selector
    openings: tuple[tuple[int, Selector], ...]
    rule: Rule
    number: int
    strengths: np.ndarray
    starts: np.ndarray
    spread: np.ndarray
    initial: Seats
    part: np.ndarray
    draws: bool

    def seats(self, n: int) -> Seats:
        """Return seats for `n` persons who begin."""
        return Seats(*(np.repeat(array, n, axis=0) for array in self.initial))

    def serve(self, seats: Seats, active: np.ndarray, chosen: np.ndarray) -> None:
        """Serve each active seat its item, in place."""
        serve(self.blueprint.tree, seats, active, chosen)

    def take(self, seats: Seats, active: np.ndarray, chosen: np.ndarray, categories: np.ndarray) -> None:
        """Take answers into the active seats' estimates, in place; a negative category is no answer."""
        belief.take(*self.estimator, seats, active, chosen, categories)

    def open_sets(
        self, chances: np.ndarray, interval: np.ndarray, keys: np.ndarray, usable: np.ndarray
    ) -> np.ndarray:
        """Draw the items open to sittings that begin, shape ``(N, n)``.

        Parameters
        ----------
        chances
            Shape ``(G, n)``: probability that an item is open, by interval of theta.
        interval, keys
            Shape ``(N,)``: the interval, and chance that stays for the sitting.
        usable
            Shape ``(N, n)``, or ``(1, n)`` for all: what each person may be served at all.
        """
        out = np.empty((len(keys), chances.shape[1]), dtype=np.uint8)
        look.open_sets(self.blueprint.tree, self.spread, chances, interval, keys, usable, out)
        return out

    def step(
        self,
        seats: Seats,
        active: np.ndarray,
        firsts: np.ndarray,
        draw: np.ndarray,
        masks: np.ndarray | None = None,
        served: Sequence[Sequence[int]] = (),
        told: bool = True,
    ) -> Choice:
        """Decide for every active seat whether its sitting is over and, if not, which item comes next.

        Parameters
        ----------
        active
            Numbers of the seats that still sit; all have been served equally many items.
        firsts
            Shape ``(A,)``: where each sitting starts.
        draw
            Shape ``(A,)``, uint64: chance for this choice.
        masks
            Shape ``(A, n)``, uint8: the items open to each sitting (`open_sets`); None: all. Overwritten.
        served
            What each seat was served, for shadow tests.
        told
            Whether `worth` is wanted where the choice could do without it.
        """
        a, tree = len(active), self.blueprint.tree
        n, position = seats.usable.shape[1], int(seats.tally[active[0], SERVED])
        aims, remaining = np.empty((2, a))
        if masks is None and len(tree.member) > 0:
            masks = np.ones((a, n), dtype=np.uint8)
        masked = masks is not None
        rows = active
        if masks is None:
            masks = seats.usable
        else:
            look.narrow(seats, active, masks)
            rows = np.arange(a)
        if self.ending.information >= 0.0:
            self._remaining(seats, active, remaining)
        verdict, over, items, worth = np.empty((4, a), dtype=np.int64)
        fits = np.empty((a, len(self.blueprint)), dtype=np.uint8)
        look.ahead(
            tree,
            self.ending,
            self.grid.weights,
            self.grid.nodes,
            seats,
            active,
            masks,
            masked,
            remaining,
            self.shadow is not None,
            self.starts,
            firsts,
            aims,
            fits,
            over,
            verdict,
        )
        selector = self.selector_at(position)
        if self.shadow is not None:
            values = self._values(selector, seats, active, aims, draw)
            choice = Choice(verdict, items, worth)
            return self._by_shadow(seats, active, values, draw, masks, rows, over, served, choice)
        several = len(self.blueprint) > 1
        common = (masks, rows, tree.group, fits, several)
        if isinstance(selector, Ranked) and self.rule.ordered:
            choose.choose_by_rank(
                self.rule.code,
                self.number,
                draw,
                selector,
                aims,
                *common,
                verdict,
                items,
                worth,
            )
        elif isinstance(selector, Exact) and self.rule.code == pick.BEST:
            self._by_bounds(selector, seats, active, aims, draw, told, common, verdict, items, worth)
        else:
            values = self._values(selector, seats, active, aims, draw)
            strength = self._strength(position)
            choose.choose_by_value(
                self.rule.code,
                self.number,
                strength,
                draw,
                values,
                *common,
                verdict,
                items,
                worth,
            )
        return Choice(verdict, items, worth)

    def _by_bounds(
        self,
        selector: Exact,
        seats: Seats,
        active: np.ndarray,
        aims: np.ndarray,
        draw: np.ndarray,
        told: bool,
        common: tuple[Any, ...],
        verdict: np.ndarray,
        items: np.ndarray,
        worth: np.ndarray,
    ) -> None:
        """Choose the item of greatest exact value, table by table."""
        items[:] = -1
        told = told or len(selector.tables) > 1
        for table, row_of, bounded in selector.tables:
            choose.choose_by_bounds(table, row_of, bounded, aims, *common, verdict, told, items, worth)
        if (items == -2).any():  # so many items are closed that those ranked are used up
            values = np.empty((len(active), seats.usable.shape[1]), dtype=np.int64)
            selector.values(seats, active, aims, draw, values)
            choose.choose_by_value(pick.BEST, 0, 0.0, draw, values, *common, verdict, items, worth)

    def _by_shadow(
        self,
        seats: Seats,
        active: np.ndarray,
        values: np.ndarray,
        keys: np.ndarray,
        masks: np.ndarray,
        rows: np.ndarray,
        over: np.ndarray,
        served: Sequence[Sequence[int]],
        choice: Choice,
    ) -> Choice:
        """Choose from a whole test assembled for each seat; `served` holds what each was served."""
        assert self.shadow is not None
        tree = self.blueprint.tree
        assembled: list[tuple[int, ...]] = []
        fits = np.ones((1, len(self.blueprint)), dtype=np.uint8)
        strength = self._strength(int(seats.tally[active[0], SERVED]))
        for a, s in enumerate(active):
            assembled.append(())
            if choice.verdict[a] != GO_ON:
                continue
            held = np.array(served[a], dtype=np.int64)
            if over[a] != GO_ON and self.shadow.holds(held):
                choice.verdict[a] = over[a]
                continue
            row = values[a] - (_DEARER if over[a] != GO_ON else min(0, int(values[a].min()) - 1))
            solution = self.shadow.assemble(row, masks[rows[a]], held)
            if solution.chosen is None and masks is not seats.usable:
                solution = self.shadow.assemble(row, seats.usable[s], held)
            if solution.chosen is None:
                choice.verdict[a] = EXHAUSTED
                continue
            inside = solution.chosen.copy()
            assembled[a] = tuple(int(i) for i in np.flatnonzero(inside))
            inside[held] = False
            if not inside.any():  # what was served is a whole test, and no item more fits
                choice.verdict[a] = EXHAUSTED
                continue
            stimulus = seats.tally[s, STIMULUS]
            if stimulus >= 0 and (inside & (tree.stimulus == stimulus)).any():
                inside &= tree.stimulus == stimulus
            choose.choose_by_value(
                self.rule.code,
                self.number,
                strength,
                keys[a : a + 1],
                values[a : a + 1],
                inside.astype(np.uint8)[None],
                np.zeros(1, dtype=np.int64),
                tree.group,
                fits,
                False,
                choice.verdict[a : a + 1],
                choice.items[a : a + 1],
                choice.worth[a : a + 1],
            )
        return Choice(choice.verdict, choice.items, choice.worth, tuple(assembled))

    def _strength(self, position: int) -> float:
        return float(self.strengths[min(position, len(self.strengths) - 1)])

    def _values(
        self, selector: Selector, seats: Seats, active: np.ndarray, aims: np.ndarray, draw: np.ndarray
    ) -> np.ndarray:
        values = np.empty((len(active), seats.usable.shape[1]), dtype=np.int64)
        if isinstance(selector, Ranked):
            choose.gather(selector, aims, values)
        elif isinstance(selector, Exact):
            selector.values(seats, active, aims, draw, values)
        else:
            selector(seats, active, aims, draw, values)
        return values

    def selector_at(self, position: int) -> Selector:
        """Return what chooses the item after `position` items."""
        for before, opening in self.openings:
            if position < before:
                return opening
        return self.selector

    def spans(self, length: int) -> list[tuple[int, int, Selector]]:
        """Return the stretches of positions ``[begin, end)`` below `length` that one selector serves."""
        bounds = sorted({0, length, *(min(before, length) for before, _ in self.openings)})
        return [(begin, end, self.selector_at(begin)) for begin, end in pairwise(bounds)]

    def tabled(self, selector: Selector) -> bool:
        """Whether tables decide all of a step, so that whole sittings need not leave compiled code."""
        informed = self.ending.information < 0.0 or self.material.options.evaluate == "table"
        return isinstance(selector, Ranked) and self.rule.ordered and self.shadow is None and informed

    def _remaining(self, seats: Seats, active: np.ndarray, out: np.ndarray) -> None:
        if self.material.options.evaluate == "table":
            choose.most_information(self.material.ranked_information, seats, active, out)
        else:
            thetas = seats.now[active, THETA]
            values = np.empty((len(active), seats.usable.shape[1]), dtype=np.int64)
            self.material.information(thetas, values)
            choose.most_exact(values, seats.usable, active, out)

    @classmethod
    def build(
        cls,
        pool: ItemPool,
        design: Design,
        attributes: Mapping[str, Sequence[str]],
        need: str | None = None,
    ) -> Machine:
        """Work `design` out for `pool`, or for the items of it that suit a person with `need`.

        Raises
        ------
        InputError
            Where the design does not suit the pool: unknown attributes, requirements that no test meets,
            a criterion that the items' models do not have.
        """
        grid = _trapezoid(design)
        method = _METHODS[design.score.method]
        tables = tabulate(pool, grid)
        n, width, size = tables.logp.shape
        evidence = np.zeros((n, width, belief.ROWS[method], size))
        compared = points(design)
        logp_points = np.zeros((n, width, len(compared) + (1 if len(compared) else 0)))
        for block in pool.blocks:
            belief.evidence_of(block.table, block.index, grid.nodes, evidence)
            belief.logp_at(block.table, block.index, compared, logp_points)
        blueprint, usable = fitting(pool, design, attributes, need)
        requirements = blueprint.requirements
        rule = RULES[CRITERIA[design.select.criterion].rule or design.exposure.method]
        material = Material(
            pool,
            grid,
            tables,
            _quadrature(size),
            method,
            np.array(design.score.prior),
            evidence,
            np.array(design.cuts.values, dtype=np.float64),
            requirements.length[1],
            design.select,
        )
        start = design.start
        beliefs = np.zeros((1, belief.ROWS[method], size))
        beliefs[0, 0] = 1.0
        sets = len(blueprint)
        mean, sd = design.score.prior
        initial = Seats(
            beliefs,
            np.zeros((1, logp_points.shape[2])),
            usable[None].copy(),
            blueprint.free(usable)[None],
            np.zeros((1, sets), dtype=np.int64),
            np.array([[mean, sd, mean, 0.0]]),
            np.array([[0, 0, -1]], dtype=np.int64),
        )
        return cls(
            grid,
            belief.Estimator(
                method,
                evidence,
                logp_points,
                grid.weights,
                grid.weights * grid.nodes,
                grid.weights * grid.nodes * grid.nodes,
                grid.nodes,
                material.prior,
            ),
            blueprint,
            None if blueprint.exact else Shadow(requirements, design.blueprint.nodes),
            ending(design),
            material,
            judge(material, design.select.criterion),
            _openings(material, design),
            rule,
            design.exposure.among,
            _strengths(rule, design.exposure.power, requirements.length[1]),
            np.array(start.thetas or (np.nan,) * start.items, dtype=np.float64),
            _spread(blueprint, material) if RULES[design.exposure.method].masks else np.empty(0, np.int64),
            initial,
            _parts(blueprint, material, design.exposure.rotation, usable),
            rule.draws or CRITERIA[design.select.criterion].measure == "lottery",
        )


def fitting(
    pool: ItemPool, design: Design, attributes: Mapping[str, Sequence[str]], need: str | None = None
) -> tuple[Blueprint, np.ndarray]:
    """Return the blueprint and the items that suit a person with `need` (all without one), shape ``(n,)``.

    Raises
    ------
    InputError
        Where no test of these items meets the requirements; a smallest set of them is named.
    """
    usable, whose = np.ones(len(pool), dtype=np.uint8), ""
    if need is not None:
        design, usable = design.accommodated, suitable(design, attributes, need)
        whose = f" from the {int(usable.sum())} items that suit '{need}'"
    requirements = read(design, attributes, pool.ids)
    blueprint = Blueprint.build(requirements, design.blueprint.method)
    if not blueprint.exact or blueprint.flaw(usable):
        names = conflict(requirements, usable)
        if names:
            raise refuse(names, whose)
    return blueprint, usable


def _quadrature(size: int) -> np.ndarray:
    """Trapezoid weights of equally spaced nodes, the step left out."""
    rule = np.ones(size)
    rule[0] = rule[-1] = 0.5
    return rule


def _trapezoid(design: Design) -> Grid:
    """The design's grid with the prior's density under the trapezoid rule."""
    mean, sd = design.score.prior
    low, high, nodes = design.score.grid
    plain = Grid.normal(mean, sd, low, high, int(nodes))
    weights = plain.weights * _quadrature(len(plain))
    total = 0.0
    for weight in weights:
        total += float(weight)
    return Grid(plain.nodes, weights / total)


def _spread(blueprint: Blueprint, material: Material) -> np.ndarray:
    """Order the items by set of the blueprint, then by where they tell most."""
    return np.lexsort((material.peaks(), blueprint.tree.group)).astype(np.int64)


def _openings(material: Material, design: Design) -> tuple[tuple[int, Selector], ...]:
    """What chooses the first items, where the criterion itself does not."""
    start = design.start
    openings: list[tuple[int, Selector]] = []
    if start.warmup:
        openings.append((start.warmup, comfortable(material, start.success)))
    if start.criterion:
        openings.append((len(start.thetas) or start.items, judge(material, start.criterion)))
    return tuple(openings)


def _parts(blueprint: Blueprint, material: Material, number: int, usable: np.ndarray) -> np.ndarray:
    """Deal the items of each set of the blueprint out to sub-banks of like information.

    Raises
    ------
    InputError
        Where a sub-bank could not meet the blueprint.
    """
    n = len(material.pool)
    part = np.zeros(n, dtype=np.int64)
    if number == 1:
        return part
    most = material.tables.info.max(axis=1)
    for v in range(len(blueprint)):
        held = np.flatnonzero(blueprint.tree.group == v)
        part[held[np.argsort(-most[held], kind="stable")]] = np.arange(len(held)) % number
    for p in range(number):
        flaw = blueprint.flaw(usable * (part == p))
        if flaw:
            raise InputError(
                f"expected {number} sub-banks that each make a whole test (exposure.rotation), got {flaw} in "
                "one of them; ask for fewer sub-banks or add items"
            )
    return part


def _strengths(rule: Rule, acceleration: float, length: int) -> np.ndarray:
    """How much the value counts after each number of items (Barrada et al., 2008).

    ``W_n = sum_{f <= n} f**p / sum_{f < length} f**p``; proportional choice raises values to ``length W_n``.
    """
    total = [0.0]
    for f in range(1, length):
        total.append(total[-1] + float(pick.power(float(f), acceleration)))
    shares = np.array(total) / max(total[-1], 1e-100)
    return shares * length if rule.code == pick.PROPORTIONAL else shares
