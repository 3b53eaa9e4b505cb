"""What runs to a bound takes the other parameters along: few people and many items end in few steps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibration import calibrate
from calibration.em.quadratic import highest
from cat_engine.family import MODELS, logp
from item_bank.responses import Responses
from tests.calibration.test_hostile_designs import design


@settings(max_examples=100, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**31), size=st.integers(1, 12))
def test_no_feasible_point_is_higher(seed, size):
    """The slope at the highest point is 0, or pushes against the bound that the point sits on."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(size, size))
    matrix, gradient = root @ root.T + 0.01 * np.eye(size), rng.normal(size=size)
    low, high = -rng.exponential(size=size), rng.exponential(size=size)
    low[rng.random(size) < 0.2] = 0.0
    x = highest(matrix, gradient, low, high)
    slope = gradient - matrix @ x
    assert ((low <= x) & (x <= high)).all()
    free = (low < x) & (x < high)
    assert slope[free] == pytest.approx(0.0, abs=1e-8)
    assert (slope[~free & (x == high) & (x != low)] >= -1e-8).all()
    assert (slope[~free & (x == low) & (x != high)] <= 1e-8).all()


def test_many_nominal_items_on_few_people_end_in_few_steps():
    """A slope that is cut off at its bound alone leaves the ridge that its intercepts follow: steps creep."""
    rng = np.random.default_rng(3)
    theta = rng.normal(size=(20, 1, 1))
    odds = np.exp(theta * rng.normal(size=(100, 4)) + rng.normal(size=(100, 4)))
    x = (np.cumsum(odds / odds.sum(axis=2, keepdims=True), axis=2) < rng.random((20, 100, 1))).sum(axis=2)
    stages: list[str] = []
    found = calibrate(
        Responses.from_dense(x, recode="rank"), "nrm", watch=lambda step: stages.append(step.stage)
    )
    assert found.converged
    assert stages.count("finishing") <= 12
    bounded = [row for row in found.parameters.items if any("at-bound" in flag for flag in row["flags"])]
    assert bounded and all(row["status"] == "doubtful" for row in bounded)


def test_asymptotes_never_cross():
    """Beyond that point the two probabilities would sum to more than 1: the likelihood would be none."""
    crossed = MODELS["4pl"].build(np.array([2]), [np.array([1.0, 0.0, 0.5, -0.5])])
    out = np.zeros(2)
    with np.errstate(invalid="ignore"):
        logp(crossed, 0, 0.3, out)
    assert not np.isfinite(out).any()
    found = calibrate(Responses.from_dense(design(7, 30, 40, 2, "reversed")), "4pl", prior=["none"])
    rows = [row for row in found.parameters.items if row["status"] != "left-out"]
    assert rows and all(row["c"] < row["d"] for row in rows)
