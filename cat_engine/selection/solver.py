"""The one place that knows a solver: 0/1 programs over the items, by HiGHS.

A `Program` keeps its linear relaxation in memory and re-optimises it from the last basis, which takes a
fraction of a millisecond when only costs and a few bounds have changed. It branches, depth first, only
where the relaxation leaves a variable fractional: first with that variable in, which leads to whole solutions
soonest, as most variables are out. Limits are counted in nodes and in value, never in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import highspy
import numpy as np
from scipy.sparse import csc_array

__all__ = ["Program", "Solution"]

_WHOLE = 1e-6
_SETTLED = (highspy.HighsModelStatus.kOptimal, highspy.HighsModelStatus.kInfeasible)
_UNIT = 1e-6  # the solver sees the criterion itself, for which its tolerances are made


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
    """

    chosen: np.ndarray | None
    nodes: int
    proven: bool


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

    def solve(
        self,
        worth: np.ndarray,
        least: np.ndarray,
        most: np.ndarray,
        nodes: int,
        gap: float = 0.0,
    ) -> Solution:
        """Solve with each variable between `least` and `most` (0 or 1), in at most `nodes` relaxations.

        Parameters
        ----------
        worth
            Shape ``(columns,)``: whole numbers, millionths of the criterion.
        gap
            The share of the first relaxation's value that is not worth looking for: what is found lacks no
            more of the best.
        """
        highs = self._highs
        highs.changeColsCost(len(self._columns), self._columns, worth * -_UNIT)
        highs.changeColsBounds(
            len(self._columns), self._columns, least.astype(np.float64), most.astype(np.float64)
        )
        best: np.ndarray | None = None
        most_worth = -np.inf
        more = 0.5 * _UNIT  # worth is whole: less than one better is not better
        used = 0
        open_: list[list[tuple[int, float]]] = [[]]  # what each open node fixes, the next one last
        fixed: list[tuple[int, float]] = []
        while open_ and used < nodes:
            wanted = open_.pop()
            for column, _ in fixed:
                highs.changeColBounds(column, float(least[column]), float(most[column]))
            for column, value in wanted:
                highs.changeColBounds(column, value, value)
            fixed = wanted
            highs.run()
            used += 1
            if highs.getModelStatus() not in _SETTLED:  # the last basis led nowhere: start afresh
                highs.clearSolver()
                highs.run()
            if highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
                continue
            bound = -highs.getInfo().objective_function_value
            if used == 1:
                more = max(more, gap * abs(bound))
            if bound <= most_worth + more:
                continue
            x = np.array(highs.getSolution().col_value)
            away = np.rint(np.abs(x - np.rint(x)) / _WHOLE)  # equals stay equal, whatever the last basis
            column = int(np.argmax(away))
            if away[column] <= 1.0:
                best, most_worth = x > 0.5, bound
                continue
            open_.append([*wanted, (column, 0.0)])
            open_.append([*wanted, (column, 1.0)])
        return Solution(best, used, not open_)
