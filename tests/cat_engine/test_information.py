"""Information of pools, and which item has most of it."""

from __future__ import annotations

import numpy as np
import pytest

from cat_engine.family import MODELS, _derived_chances, _derived_information
from cat_engine.grid import Grid, tabulate
from cat_engine.information import (
    best,
    information,
    information_of_test,
    observed_information,
    to_micro,
)
from tests.laws.examples import random_bank


@pytest.mark.parametrize("code", [code for code, m in MODELS.items() if m.information is not None])
@pytest.mark.parametrize("theta", [-50.0, -3.1, 0.0, 0.4, 2.2, 50.0])
def test_the_fast_formula_is_the_derived_one(code: str, theta: float) -> None:
    pool = random_bank(50, 1, (code,))
    table = pool.blocks[0].table
    derived, fast = np.empty(50), np.empty(50)
    _derived_information(table, theta, derived)
    MODELS[code].information(table, theta, fast)  # type: ignore[misc]
    np.testing.assert_allclose(fast, derived, rtol=1e-11, atol=1e-100)
    np.testing.assert_array_equal(information(pool, theta), fast)


@pytest.mark.parametrize("code", [code for code, m in MODELS.items() if m.chances is not None])
@pytest.mark.parametrize("theta", [-50.0, -3.1, 0.0, 0.4, 2.2, 50.0])
def test_fast_probabilities_are_the_derived_ones(code: str, theta: float) -> None:
    table = random_bank(50, 1, (code,)).blocks[0].table
    derived, fast = np.empty((2, 50)), np.empty((2, 50))
    _derived_chances(table, theta, derived)
    MODELS[code].chances(table, theta, fast)  # type: ignore[misc]
    np.testing.assert_allclose(fast, derived, rtol=1e-11, atol=1e-100)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_mixed_pool_keeps_its_order(seed: int) -> None:
    pool = random_bank(50, seed)
    tables = tabulate(pool, Grid(np.array([-1.0, 0.5, 2.0]), np.full(3, 1 / 3)))
    np.testing.assert_allclose(information(pool, 0.5), tables.info[:, 1], rtol=1e-11)
    out = np.empty(50)
    assert information(pool, 0.5, out) is out
    assert information_of_test(pool, [0.5])[0] == pytest.approx(tables.info[:, 1].sum())


def test_observed_information_averages_to_the_expected_one() -> None:
    pool = random_bank(30, 4)
    tables = tabulate(pool, Grid(np.array([0.3, 1.3, 2.3]), np.full(3, 1 / 3)))
    total = np.zeros(30)
    for k in range(int(pool.n_cat.max())):
        has = pool.n_cat > k
        seen = observed_information(pool, 0.3, np.minimum(k, pool.n_cat - 1))
        total[has] += (np.exp(tables.logp[:, k, 0]) * seen)[has]
    np.testing.assert_allclose(total, information(pool, 0.3), rtol=1e-9)


def test_the_best_item_is_the_lowest_among_equals() -> None:
    allowed = np.ones(4, dtype=bool)
    assert best(np.array([0.1, 0.5, 0.5 + 4e-7, 0.2]), allowed) == 1
    assert best(np.array([0.1, 0.5, 0.5 + 6e-7, 0.2]), allowed) == 2
    assert best(np.array([0.1, 0.5, 0.6, 0.2]), np.array([True, False, False, True])) == 3
    assert best(np.zeros(4), allowed) == 0
    assert best(np.ones(4), np.zeros(4, dtype=bool)) == -1


def test_millionths_round_half_to_even() -> None:
    assert [to_micro(x) for x in (0.0, 1e-6, 2.4e-6, -1.25, 1e3)] == [0, 1, 2, -1_250_000, 10**9]
    assert (to_micro(0.5e-6), to_micro(1.5e-6), to_micro(2.5e-6)) == (0, 2, 2)
