"""The one step of a sitting: look ahead, then choose.

The step serves one person or many in lockstep: the live service and the simulator run the same one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from cat_engine.compile import Direct
from cat_engine.grid import Grid
from cat_engine.kernels import belief, choose, expected, look, pick
from cat_engine.kernels.choose import Ranked
from cat_engine.kernels.ending import EXHAUSTED, GO_ON, Ending
from cat_engine.kernels.seats import SERVED, STIMULUS, THETA, Seats, serve
from cat_engine.selection.blueprint import Blueprint
from cat_engine.selection.criteria import Exact, Selector
from cat_engine.selection.expected import Expected
from cat_engine.selection.exposure import Rule
from cat_engine.selection.material import Material
from cat_engine.selection.shadow import GAP, Shadow

__all__ = ["Choice", "Machine"]

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
    lacks
        What each shadow test may lack of the best one, as a share of its value.
    """

    verdict: np.ndarray
    items: np.ndarray
    worth: np.ndarray
    assembled: tuple[tuple[int, ...], ...] | None = None
    lacks: np.ndarray | None = None


class _Kernels:
    """The kernels of one machine's steps: what it hands them has the same types at every step."""

    def __init__(self) -> None:
        self.serve = Direct(serve)
        self.take = Direct(belief.take)
        self.ahead = Direct(look.ahead)
        self.by_rank = Direct(choose.choose_by_rank)
        self.by_value = Direct(choose.choose_by_value)


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
    _kernels: _Kernels = field(default_factory=_Kernels)

    def seats(self, n: int) -> Seats:
        """Return seats for `n` persons who begin."""
        return Seats(*(np.repeat(array, n, axis=0) for array in self.initial))

    def serve(self, seats: Seats, active: np.ndarray, chosen: np.ndarray) -> None:
        """Serve each active seat its item, in place."""
        self._kernels.serve(self.blueprint.tree, seats, active, chosen)

    def take(self, seats: Seats, active: np.ndarray, chosen: np.ndarray, categories: np.ndarray) -> None:
        """Take answers into the active seats' estimates, in place; a negative category is no answer."""
        self._kernels.take(*self.estimator, seats, active, chosen, categories)

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
        last: Sequence[Sequence[int]] = (),
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
        last
            The shadow test that the last item of each was taken from; empty where it is not known.
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
        self._kernels.ahead(
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
            return self._by_shadow(seats, active, values, draw, masks, rows, over, served, last, choice)
        several = len(self.blueprint) > 1
        common = (masks, rows, tree.group, fits, several)
        if isinstance(selector, Ranked) and self.rule.ordered:
            self._kernels.by_rank(
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
            if isinstance(selector, Expected) and self.rule.code == pick.BEST:
                values = self._in_doubt(selector, seats, active, aims, common)
            else:
                values = self._values(selector, seats, active, aims, draw)
            strength = self._strength(position)
            self._kernels.by_value(
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
        items.fill(-1)
        told = told or len(selector.tables) > 1
        lost = 0
        for kernel, table, row_of, bounded in selector.tables:
            lost = kernel(table, row_of, bounded, aims, *common, verdict, told, items, worth)
        if lost:  # so many items are closed that those ranked are used up
            values = np.empty((len(active), seats.usable.shape[1]), dtype=np.int64)
            selector.values(seats, active, aims, draw, values)
            self._kernels.by_value(pick.BEST, 0, 0.0, draw, values, *common, verdict, items, worth)

    def _in_doubt(
        self,
        selector: Expected,
        seats: Seats,
        active: np.ndarray,
        aims: np.ndarray,
        common: tuple[Any, ...],
    ) -> np.ndarray:
        """Return the values of the items that may be the best, `LOWEST` for the others."""
        upper, evaluate = selector.bound(seats, active, aims)
        values = np.full(upper.shape, pick.LOWEST, dtype=np.int64)
        wanted = np.empty(upper.shape, dtype=np.uint8)
        for _ in range(2):  # the item of the greatest bound, then all whose bounds reach its value
            expected.in_doubt(upper, values, *common, wanted)
            evaluate(wanted, values)
        return values

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
        last: Sequence[Sequence[int]],
        choice: Choice,
    ) -> Choice:
        """Choose from a whole test assembled for each seat; `served` holds what each was served."""
        assert self.shadow is not None
        tree = self.blueprint.tree
        assembled: list[tuple[int, ...]] = []
        lacks = np.zeros(len(active))
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
            gap = GAP
            row = values[a] - min(0, int(values[a].min()) - 1)
            if over[a] != GO_ON:  # only to be completed: as few items as can be
                gap, row = 0.0, values[a] - _DEARER
            before = last[a] if last else ()
            solution = self.shadow.assemble(row, masks[rows[a]], held, gap, before)
            if solution.chosen is None and masks is not seats.usable:
                solution = self.shadow.assemble(row, seats.usable[s], held, gap, before)
            if solution.chosen is None:
                choice.verdict[a] = EXHAUSTED
                continue
            inside, lacks[a] = solution.chosen.copy(), solution.lack
            assembled[a] = tuple(np.flatnonzero(inside).tolist())
            inside[held] = False
            if not inside.any():  # what was served is a whole test, and no item more fits
                choice.verdict[a] = EXHAUSTED
                continue
            stimulus = seats.tally[s, STIMULUS]
            if stimulus >= 0 and (inside & (tree.stimulus == stimulus)).any():
                inside &= tree.stimulus == stimulus
            self._kernels.by_value(
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
        return Choice(choice.verdict, choice.items, choice.worth, tuple(assembled), lacks)

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
