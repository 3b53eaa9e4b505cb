"""Probabilities, information, ability estimates and standard errors of R catR 3.17."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cat_engine.grid import Grid, tabulate
from cat_engine.information import observed_information
from cat_engine.pool import ItemPool
from cat_engine.scoring import Prior, score
from tests.reference import catr

RANGE = (-4.0, 4.0)
CASES: dict[str, tuple[str, Prior]] = {
    "ML": ("ml", Prior.normal(0.0, 1.0, *RANGE)),
    "WL": ("wle", Prior.normal(0.0, 1.0, *RANGE)),
    "BM_norm01": ("map", Prior.normal(0.0, 1.0, *RANGE)),
    "BM_norm_m05_2": ("map", Prior.normal(-0.5, 2.0, *RANGE)),
    "BM_unif44": ("map", Prior.uniform(*RANGE)),
    "BM_Jeffreys": ("map", Prior.jeffreys(*RANGE)),
    "EAP_norm01": ("eap", Prior.normal(0.0, 1.0, *RANGE)),
    "EAP_norm01_fine": ("eap", Prior.normal(0.0, 1.0, -8.0, 8.0)),
    "EAP_norm_m05_2": ("eap", Prior.normal(-0.5, 2.0, *RANGE)),
    "EAP_unif44": ("eap", Prior.uniform(*RANGE)),
    "EAP_Jeffreys": ("eap", Prior.jeffreys(*RANGE)),
}


@cache
def pool(reference: Path, name: str) -> ItemPool:
    return catr.bank(reference, name)


def trapezoid(prior: Prior, n: int) -> Grid:
    """catR integrates by the trapezoidal rule: half the weight at either end."""
    grid = prior.grid(n)
    weights = grid.weights.copy()
    weights[[0, -1]] /= 2.0
    return Grid(grid.nodes, weights)


@pytest.mark.parametrize("name", catr.BANKS)
def test_probabilities_and_information(reference: Path, name: str) -> None:
    dichotomous = name in catr.DICHOTOMOUS
    items = 20 if dichotomous else 10
    expected = catr.values(reference, "info_dich" if dichotomous else "info_poly")[name]
    theta = np.array(expected["theta"])
    tables = tabulate(pool(reference, name).subset(range(items)), Grid(theta, np.full(len(theta), 1.0)))
    np.testing.assert_allclose(tables.info.T, expected["info"], atol=1e-10)
    for q, row in enumerate(expected["P"]):
        for i, p in enumerate(row):
            known = [p] if dichotomous else [x for x in p if x is not None]
            found = np.exp(tables.logp[i, 1:2, q] if dichotomous else tables.logp[i, : len(known), q])
            np.testing.assert_allclose(found, known, atol=1e-10)


@pytest.mark.parametrize("name", catr.DICHOTOMOUS)
def test_observed_information(reference: Path, name: str) -> None:
    expected = catr.values(reference, "info_dich")[name]
    items = pool(reference, name).subset(range(20))
    for q, theta in enumerate(expected["theta"]):
        for k in (0, 1):
            found = observed_information(items, theta, np.full(20, k))
            np.testing.assert_allclose(found, expected[f"obsinfo_x{k}"][q], atol=1e-10)


@pytest.mark.parametrize("name", catr.BANKS)
@pytest.mark.parametrize("column", CASES)
def test_ability_and_standard_error(reference: Path, name: str, column: str) -> None:
    method, prior = CASES[column]
    compared = 0
    for case in catr.values(reference, "theta_estimates")[name]:
        if column not in case:
            continue
        expected: dict[str, Any] = case[column]
        grid = trapezoid(prior, 161 if column.endswith("fine") else 33) if method == "eap" else None
        found = score(pool(reference, name), catr.answers(case), method, prior, grid=grid)
        tolerance = 1e-8 if method == "eap" else 1e-4  # ML, WL, BM: catR's own search stops at 3e-5
        assert found.theta[0] == pytest.approx(expected["th"], abs=tolerance)
        if found.flag[0] == 0:
            assert found.se[0] == pytest.approx(expected["se"], rel=1e-8 if method == "eap" else 1e-4)
        else:
            assert abs(expected["th"]) == pytest.approx(4.0, abs=1e-4)
        compared += 1
    assert compared > 0 or (column.endswith("fine") and name not in catr.DICHOTOMOUS)
