"""Recovery in several dimensions: people simulated on the reference folder's two-dimensional items."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from cat_engine.answers import Answers
from cat_engine.pool import ItemPool
from cat_engine.scoring import DimensionScores, dimension_reliability, score_dimensions

N = 5_000
COV = np.array([[1.0, 0.5], [0.5, 1.0]])


@pytest.fixture(scope="module")
def pool(reference: Path) -> ItemPool:
    with (reference / "large" / "sim2d_5000x40_true.csv").open(newline="") as file:
        rows = [
            {
                "id": row["item"],
                "model": "m2pl",
                "slopes": [float(row["a"]) * (row["factor"] == d) for d in "12"],
                "intercept": float(row["d"]),
            }
            for row in csv.DictReader(file)
        ]
    return ItemPool.from_rows(rows, 2)


@pytest.fixture(scope="module")
def people(pool: ItemPool) -> tuple[np.ndarray, DimensionScores, DimensionScores]:
    """True abilities, EAP and MAP."""
    rng = np.random.default_rng(41)
    theta = rng.multivariate_normal(np.zeros(2), COV, N)
    rows = pool.rows()
    z = theta @ np.array([row["slopes"] for row in rows]).T + [row["intercept"] for row in rows]
    answers = Answers.from_matrix(rng.random(z.shape) < 1.0 / (1.0 + np.exp(-z)))
    eap, mode = (score_dimensions(pool, answers, np.zeros(2), COV, method) for method in ("eap", "map"))
    return theta, eap, mode


def test_errors_are_as_large_as_their_standard_errors_say(
    people: tuple[np.ndarray, DimensionScores, DimensionScores],
) -> None:
    """Of MAP nearly: the curvature at the mode leaves out the posterior's longer tail."""
    theta, eap, mode = people
    for scores, close in ((eap, 0.03), (mode, 0.1)):
        error = scores.theta - theta
        np.testing.assert_allclose((error**2).mean(axis=0), (scores.se**2).mean(axis=0), rtol=close)
        covered = (np.abs(error) < 1.96 * scores.se).mean(axis=0)
        np.testing.assert_allclose(covered, 0.95, atol=0.012)
        np.testing.assert_allclose((error / scores.se).std(axis=0), 1.0, rtol=close)


def test_what_is_known_and_what_is_not_add_up_to_the_population(
    people: tuple[np.ndarray, DimensionScores, DimensionScores],
) -> None:
    """cov(theta) = cov(E[theta | x]) + E[cov(theta | x)]: the errors' covariances too."""
    _, eap, _ = people
    np.testing.assert_allclose(np.cov(eap.theta.T) + eap.cov.mean(axis=0), COV, atol=0.04)


def test_reliability_is_the_squared_correlation_with_the_truth(
    pool: ItemPool, people: tuple[np.ndarray, DimensionScores, DimensionScores]
) -> None:
    theta, eap, _ = people
    marginal = dimension_reliability(pool, theta, COV).mean(axis=0)
    for d in range(2):
        true = np.corrcoef(theta[:, d], eap.theta[:, d])[0, 1] ** 2
        assert true == pytest.approx(marginal[d], abs=0.02)
