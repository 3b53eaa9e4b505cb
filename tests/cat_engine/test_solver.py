"""The one place that knows a solver."""

from __future__ import annotations

from typing import Any

import highspy
import numpy as np
from scipy.sparse import csc_array

from cat_engine.selection.solver import Program


class _LostBasis:
    """HiGHS after a re-optimisation that ends in neither an optimum nor a proof, until it starts afresh."""

    def __init__(self, highs: Any) -> None:
        self._highs = highs
        self._lost = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._highs, name)

    def clearSolver(self) -> Any:
        self._lost = False
        return self._highs.clearSolver()

    def getModelStatus(self) -> Any:
        return highspy.HighsModelStatus.kUnknown if self._lost else self._highs.getModelStatus()


def test_a_lost_basis_is_not_mistaken_for_an_impossible_test() -> None:
    program = Program(csc_array(np.ones((1, 4))), np.array([2.0]), np.array([2.0]))
    program._highs = _LostBasis(program._highs)
    solution = program.solve(np.array([1, 4, 2, 3]), np.zeros(4), np.ones(4), 10)
    assert solution.chosen is not None
    assert solution.chosen.tolist() == [False, True, False, True]


def test_branching_finds_the_best_or_stops_within_the_gap() -> None:
    rng = np.random.default_rng(2)
    for _ in range(20):
        worth, weight = rng.integers(1, 10**6, 12), rng.integers(20, 120, (2, 12)).astype(float)
        limit = np.array([300.0, 250.0])
        sets = (np.arange(1 << 12)[:, None] >> np.arange(12)) & 1
        greatest = (sets @ worth)[(sets @ weight.T <= limit).all(axis=1)].max()
        program = Program(csc_array(weight), np.full(2, -np.inf), limit)
        whole = program.solve(worth, np.zeros(12), np.ones(12), 10_000)
        early = program.solve(worth, np.zeros(12), np.ones(12), 10_000, gap=0.1)
        for solution in (whole, early):
            assert solution.chosen is not None and solution.proven
            assert (weight @ solution.chosen <= limit).all()
        assert worth @ whole.chosen == greatest
        assert 0.88 * greatest < worth @ early.chosen  # the gap is a share of the relaxation's value
        assert early.nodes <= whole.nodes
