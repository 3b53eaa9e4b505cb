"""The one place that knows a solver: 0/1 programs over the items, by HiGHS.

A `Program` keeps its linear relaxation in memory and re-optimises it from the last basis, which takes a
fraction of a millisecond when only costs and a few bounds have changed. Where the relaxation leaves a
variable fractional, a solution known beforehand, bettered by exchanges, is often good enough. If not, the
program branches: downwards, first with that variable in, which leads to whole solutions soonest, as most
variables are out; then from the open node of the greatest bound. Variables whose reduced cost says that no
better solution changes them are fixed. Limits are counted in nodes and in value, never in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import highspy
import numpy as np
from scipy.sparse import csc_array

from cat_engine.kernels import exchange

__all__ = ["Program", "Solution"]

_WHOLE = 1e-6
_SETTLED = (highspy.HighsModelStatus.kOptimal, highspy.HighsModelStatus.kInfeasible)
_UNIT = 1e-6  # the solver sees the criterion itself, for which its tolerances are made
_NO_BOUND = 1 << 60
_NEAR = 128  # how many variables, by their reduced costs, may enter by an exchange


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """What a program found.

    Attributes
    ----------
    chosen
        Shape ``(columns,)``, bool; None where there is no solution.
    nodes
        How many relaxations were solved.
    proven
        Whether nothing better by more than the gap (or, without a solution, nothing at all) exists.
    lack
        What the best solution could be worth more than this one at most, as a share of the first relaxation's
        value; at most the gap where `proven`.
    """

    chosen: np.ndarray | None
    nodes: int
    proven: bool
    lack: float = 0.0


class Program:
    """Maximise ``worth @ x`` subject to ``low <= matrix @ x <= high``, x in {0, 1}.

    Parameters
    ----------
    matrix
        Shape ``(rows, columns)``, sparse.
    low, high
        Bounds of the rows; infinite where there is none.
    """

    def __init__(self, matrix: csc_array, low: np.ndarray, high: np.ndarray) -> None:
        rows, columns = matrix.shape
        self._columns = np.arange(columns, dtype=np.int32)
        self._highs: Any = highspy.Highs()  # type: ignore[no-untyped-call]
        for option, value in (
            ("output_flag", False),
            ("threads", 1),
            ("random_seed", 0),
            ("solver", "simplex"),
            ("presolve", "off"),
        ):
            self._highs.setOptionValue(option, value)
        model = highspy.HighsLp()
        model.num_col_, model.num_row_ = columns, rows
        model.col_cost_ = np.zeros(columns)
        model.col_lower_, model.col_upper_ = np.zeros(columns), np.ones(columns)
        infinite = highspy.kHighsInf
        model.row_lower_ = np.where(np.isneginf(low), -infinite, low)
        model.row_upper_ = np.where(np.isposinf(high), infinite, high)
        model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        model.a_matrix_.start_ = matrix.indptr
        model.a_matrix_.index_ = matrix.indices
        model.a_matrix_.value_ = matrix.data
        self._highs.passModel(model)
        amount = np.rint(1e6 * matrix.data).astype(np.int64)
        unit = np.ones(rows)
        np.maximum.at(unit, matrix.indices, np.abs(amount))
        self._rows = exchange.Rows(
            matrix.indptr.astype(np.int64),
            matrix.indices.astype(np.int64),
            amount,
            np.array([_whole(np.floor(1e6 * bound)) for bound in low], dtype=np.int64),
            np.array([_whole(np.ceil(1e6 * bound)) for bound in high], dtype=np.int64),
            unit,
        )

    def solve(
        self,
        worth: np.ndarray,
        least: np.ndarray,
        most: np.ndarray,
        nodes: int,
        gap: float = 0.0,
        known: np.ndarray | None = None,
    ) -> Solution:
        """Solve with each variable between `least` and `most` (0 or 1), in at most `nodes` relaxations.

        Parameters
        ----------
        worth
            Shape ``(columns,)``: whole numbers, millionths of the criterion.
        gap
            The share of the first relaxation's value that is not worth looking for: what is found lacks no
            more of the best.
        known
            Shape ``(columns,)``, bool: what may be a solution; where it is one, nothing worse is returned.
        """
        search = _Search(self, worth, least, most, gap)
        if known is not None:
            search.know(known)
        while search.open and search.used < nodes:
            search.visit()
        return search.solution()

    def price(self, worth: np.ndarray) -> None:
        """Set what each variable is worth."""
        self._highs.changeColsCost(len(self._columns), self._columns, worth * -_UNIT)

    def bound(self, least: np.ndarray, most: np.ndarray) -> None:
        """Set the bounds of every variable."""
        self._highs.changeColsBounds(len(self._columns), self._columns, least, most)

    def fix(self, column: int, low: float, high: float) -> None:
        """Set the bounds of one variable."""
        self._highs.changeColBounds(column, low, high)

    def relax(self) -> tuple[float, np.ndarray, np.ndarray] | None:
        """Return the relaxation's value, its variables and what changing each costs; None: no solution.

        The value is rounded to the unit of worth, so that it does not depend on the last basis.
        """
        highs = self._highs
        highs.run()
        if highs.getModelStatus() not in _SETTLED:  # the last basis led nowhere: start afresh
            highs.clearSolver()
            highs.run()
        if highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return None
        solution = highs.getSolution()
        value = np.rint(-highs.getInfo().objective_function_value / _UNIT)
        return float(value) * _UNIT, np.array(solution.col_value), np.abs(np.array(solution.col_dual))

    def meets(self, chosen: np.ndarray) -> bool:
        """Whether a choice keeps every bound, in millionths."""
        return bool(exchange.meets(self._rows, chosen.astype(np.uint8)))

    def exchanged(
        self, worth: np.ndarray, free: np.ndarray, order: np.ndarray, chosen: np.ndarray
    ) -> np.ndarray | None:
        """Return a choice mended and bettered by exchanges; None where some bound stays broken.

        Parameters
        ----------
        free, order
            Which variables may leave; which may enter, in descending order of worth.
        """
        out = chosen.astype(np.uint8)
        if not exchange.mend(self._rows, worth, free, order, out):
            return None
        exchange.improve(self._rows, worth, free, order, out)
        return np.asarray(out != 0)


class _Search:
    """Branch and bound over one program.

    Attributes
    ----------
    open
        What each open node fixes, with the bound of the node above it.
    used
        How many relaxations were solved.
    """

    def __init__(
        self, program: Program, worth: np.ndarray, least: np.ndarray, most: np.ndarray, gap: float
    ) -> None:
        self.open: list[tuple[float, list[tuple[int, float]]]] = [(np.inf, [])]
        self.used = 0
        self._program, self._gap = program, gap
        self._worth = worth.astype(np.int64)
        self._least, self._most = least.astype(np.float64), most.astype(np.float64)
        self._fixed: list[tuple[int, float]] = []
        self._root: tuple[float, np.ndarray, np.ndarray] | None = None
        self._best: np.ndarray | None = None
        self._value = -np.inf
        self._down = False  # whether the last node opened is the one to go on with
        self._more = 0.5 * _UNIT  # worth is whole: less than one better is not better
        self._left = -np.inf  # the greatest bound of what was not looked into
        program.price(worth)
        program.bound(self._least, self._most)

    def know(self, chosen: np.ndarray) -> None:
        """Begin with a solution, if it is one."""
        if ((chosen >= self._least) & (chosen <= self._most)).all() and self._program.meets(chosen):
            self._keep(chosen)

    def visit(self) -> None:
        """Relax a node: then it is settled, or the two below it are open.

        It is the last one opened, until a solution is known and one path down from there has ended.
        """
        if self._best is not None and not self._down:
            self.open.sort(key=itemgetter(0))
        above, wanted = self.open.pop()
        self._down = False
        if self._idle(above):
            return
        for column, _ in self._fixed:
            self._program.fix(column, float(self._least[column]), float(self._most[column]))
        for column, value in wanted:
            self._program.fix(column, value, value)
        self._fixed = wanted
        found = self._program.relax()
        self.used += 1
        if found is None:
            return
        bound, x, _ = found
        away = np.rint(np.abs(x - np.rint(x)) / _WHOLE)  # equals stay equal, whatever the last basis
        column = int(np.argmax(away))
        whole = bool(away[column] <= 1.0)
        first = self._root is None
        if first:
            self._root = found
            self._more = max(self._more, self._gap * abs(bound))
        if self._idle(bound):
            return
        if whole:
            self._keep(x > 0.5)
            if first:
                return
        elif first and self._best is not None:
            self._better(self._best)
        if not self._idle(bound):
            self._better(x > 0.5)
        if whole or self._idle(bound):
            return
        self._down = True
        self.open += [(bound, [*wanted, (column, 0.0)]), (bound, [*wanted, (column, 1.0)])]

    def solution(self) -> Solution:
        """Return what was found."""
        if self._best is None or self._root is None:
            return Solution(self._best, self.used, not self.open)
        upper = max([self._value, self._left, *(above for above, _ in self.open)])
        lack = (upper - self._value) / max(abs(self._root[0]), _UNIT)
        return Solution(self._best, self.used, upper <= self._value + self._more, lack)

    def _idle(self, bound: float) -> bool:
        """Whether nothing under a node of this bound is worth looking for."""
        if bound > self._value + self._more:
            return False
        self._left = max(self._left, bound)
        return True

    def _keep(self, chosen: np.ndarray) -> None:
        """Note a solution if it is the best so far."""
        value = float(self._worth[chosen].sum()) * _UNIT
        if value > self._value:
            self._best, self._value = chosen, value

    def _better(self, chosen: np.ndarray) -> None:
        """Mend and better a choice by exchanges; fix what no solution worth looking for changes."""
        assert self._root is not None
        free = self._least < self._most
        near = np.flatnonzero(free)
        near = near[np.argsort(self._root[2][near], kind="stable")[:_NEAR]]
        order = near[np.argsort(-self._worth[near], kind="stable")]
        found = self._program.exchanged(self._worth, free, order, chosen)
        if found is not None:
            self._keep(found)
        if self._best is not None:
            self._narrow()

    def _narrow(self) -> None:
        """Fix the variables that, by their reduced costs, are changed at a loss that rules them out."""
        assert self._root is not None
        bound, x, costs = self._root
        out = (bound - costs <= self._value + self._more) & (self._least < self._most)
        if not out.any():
            return
        self._left = max(self._left, float((bound - costs[out]).max()))
        self._least[out] = self._most[out] = np.rint(x[out])
        self._program.bound(self._least, self._most)
        self._fixed = []
        self.open = [
            (above, wanted)
            for above, wanted in self.open
            if all(self._least[column] <= value <= self._most[column] for column, value in wanted)
        ]


def _whole(bound: float) -> int:
    """A bound in millionths, infinite ones far off."""
    return int(min(max(bound, -_NO_BOUND), _NO_BOUND))
