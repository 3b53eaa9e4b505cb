"""The one place that knows a solver: its branch and bound, and the exchanges that spare most of it."""

from __future__ import annotations

from itertools import product
from typing import Any

import highspy
import numpy as np
import pytest
from scipy.sparse import csc_array

from cat_engine.kernels import exchange
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


def program() -> tuple[Program, np.ndarray]:
    """Six to eight of forty items, two sums that bind; what each item is worth."""
    rng = np.random.default_rng(4)
    matrix = np.vstack([np.ones(40), rng.integers(20, 120, (2, 40)), np.arange(40) % 4 == 0])
    low, high = np.array([6.0, 400.0, 0.0, 2.0]), np.array([8.0, 420.0, 450.0, 2.0])
    return Program(csc_array(matrix), low, high), rng.integers(1, 10**6, 40)


def test_a_solution_known_beforehand_is_bettered_and_spares_nodes() -> None:
    held, worth = program()
    none, every = np.zeros(40), np.ones(40)
    best = held.solve(worth, none, every, 10_000)
    poor = held.solve(-worth, none, every, 10_000)
    assert best.chosen is not None and poor.chosen is not None
    assert worth @ poor.chosen < 0.5 * (worth @ best.chosen)
    from_poor = held.solve(worth, none, every, 10_000, known=poor.chosen)
    from_best = held.solve(worth, none, every, 10_000, 0.05, known=best.chosen)
    assert from_poor.chosen is not None and from_best.chosen is not None
    assert worth @ from_poor.chosen == worth @ best.chosen
    assert from_best.nodes == 1 < best.nodes
    assert (from_best.chosen == best.chosen).all()


def test_what_is_no_solution_is_not_believed() -> None:
    held, worth = program()
    none, every = np.zeros(40), np.ones(40)
    best = held.solve(worth, none, every, 10_000)
    assert best.chosen is not None
    broken = held.solve(worth, none, every, 10_000, known=np.ones(40, dtype=bool))
    closed = every - best.chosen * (np.arange(40) == np.flatnonzero(best.chosen)[0])
    without = held.solve(worth, none, closed, 10_000, known=best.chosen)
    assert broken.chosen is not None and without.chosen is not None
    assert worth @ broken.chosen == worth @ best.chosen
    assert not (without.chosen & (closed == 0)).any()


@pytest.mark.parametrize("nodes", [1, 2, 5, 20, 10_000])
def test_at_the_limit_of_nodes_it_says_what_may_be_missing(nodes: int) -> None:
    held, worth = program()
    none, every = np.zeros(40), np.ones(40)
    best, some = (held.solve(worth, none, every, limit) for limit in (10_000, nodes))
    assert best.chosen is not None and best.proven and best.lack == 0.0
    if some.chosen is not None:
        assert some.lack >= 1.0 - (worth @ some.chosen) / (worth @ best.chosen)
        assert some.proven == (some.nodes == best.nodes)


def test_exchanges_end_where_no_single_one_adds_worth() -> None:
    rng = np.random.default_rng(9)
    for _ in range(20):
        start, row, amount = np.arange(0, 61, 2), np.tile([0, 1], 30), np.ones(60, dtype=np.int64)
        amount[1::2] = rng.integers(20, 120, 30)
        low, high = np.array([6, 300]), np.array([8, 340])
        rows = exchange.Rows(start, row, amount, low, high, np.array([1.0, 120.0]))
        worth = rng.integers(-10, 1_000, 30)
        chosen = (rng.random(30) < 0.4).astype(np.uint8)
        free, order = np.ones(30, dtype=bool), np.argsort(-worth, kind="stable")
        if not exchange.mend(rows, worth, free, order, chosen):
            assert not exchange.meets(rows, chosen)
            continue
        assert exchange.meets(rows, chosen)
        exchange.improve(rows, worth, free, order, chosen)
        assert exchange.meets(rows, chosen)
        total = worth @ chosen
        inside, outside = np.flatnonzero(chosen), np.flatnonzero(chosen == 0)
        for out, enter in product([None, *inside], [None, *outside]):
            other = chosen.copy()
            for place, bit in ((out, 0), (enter, 1)):
                if place is not None:
                    other[place] = bit
            assert not exchange.meets(rows, other) or worth @ other <= total
