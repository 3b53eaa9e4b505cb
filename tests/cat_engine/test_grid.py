"""Quadrature grids and tables over them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from cat_engine.errors import InputError
from cat_engine.grid import Grid, tabulate
from tests.laws.examples import random_bank


def test_the_default_grid() -> None:
    grid = Grid.normal()
    assert len(grid) == 61
    assert (grid.nodes[0], grid.nodes[30], grid.nodes[-1]) == (-6.0, 0.0, 6.0)
    assert grid.step == pytest.approx(0.2, abs=1e-15)
    density = norm.pdf(grid.nodes)
    np.testing.assert_allclose(grid.weights, density / density.sum(), rtol=1e-13)
    np.testing.assert_allclose(np.exp(grid.log_weights), grid.weights, rtol=1e-13)


def test_a_grid_follows_its_population() -> None:
    grid = Grid.normal(0.7, 2.5)
    assert grid.weights @ grid.nodes == pytest.approx(0.7, abs=1e-12)
    assert grid.weights @ (grid.nodes - 0.7) ** 2 == pytest.approx(6.25, rel=1e-6)
    assert repr(grid) == "Grid(61 nodes on [-14.3, 15.7])"


def test_weights_too_small_for_a_number_keep_their_logarithm() -> None:
    grid = Grid.normal(0.0, 0.1, -6.0, 6.0)
    assert grid.weights[0] == 0.0
    assert np.isfinite(grid.log_weights).all()


@pytest.mark.parametrize(
    ("nodes", "weights"),
    [
        ([0.0, 1.0], [0.5, 0.5]),
        ([0.0, 1.0, 2.0], [0.5, 0.5]),
        ([0.0, 2.0, 1.0], [0.3, 0.3, 0.4]),
        ([0.0, 1.0, 2.5], [0.3, 0.3, 0.4]),
    ],
)
def test_nodes_must_be_equally_spaced(nodes: list[float], weights: list[float]) -> None:
    with pytest.raises(InputError):
        Grid(np.array(nodes), np.array(weights))


def test_impossible_populations_are_refused() -> None:
    for mean, sd in ((0.0, 0.0), (0.0, -1.0), (np.nan, 1.0), (0.0, np.inf)):
        with pytest.raises(InputError, match="standard deviation"):
            Grid.normal(mean, sd)
    with pytest.raises(InputError, match="low < high"):
        Grid.uniform(1.0, 1.0)


def test_tables_hold_every_category_and_nothing_else() -> None:
    pool = random_bank(20, 5)
    tables = tabulate(pool, Grid.normal())
    assert tables.logp.shape == (20, int(pool.n_cat.max()), 61)
    for i, k in enumerate(pool.n_cat):
        assert np.isfinite(tables.logp[i, :k]).all()
        assert (tables.logp[i, k:] == -np.inf).all()
    np.testing.assert_allclose(np.exp(tables.logp).sum(axis=1), 1.0, atol=1e-12)
    assert (tables.info > 0.0).all()
