"""What holds for every estimator, over banks of every model with missing answers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cat_engine.answers import Answers
from cat_engine.family import MODELS
from cat_engine.grid import Grid, tabulate
from cat_engine.pool import ItemPool
from cat_engine.record import score_of_record
from cat_engine.scoring import ESTIMATORS, Prior, score
from cat_engine.scoring.posterior import posteriors
from tests.laws.examples import ORDINARY, mixed, pool_of, random_answers, random_bank

METHODS = list(ESTIMATORS)
PRIORS = {
    "normal": Prior.normal(0.3, 1.2),
    "uniform": Prior.uniform(-5.0, 5.0),
    "jeffreys": Prior.jeffreys(-5.0, 5.0),
}
few = settings(max_examples=25, deadline=None)
BANKS = {code: random_bank(24, 7, (code,)) for code in MODELS} | {"mixed": random_bank(40, 8)}


def likelihood(pool: ItemPool, matrix: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """Log-likelihood of each person at equally spaced nodes, shape ``(N, Q)``."""
    grid = Grid(nodes, np.ones(len(nodes)))
    return posteriors(tabulate(pool, grid), grid, Answers.from_matrix(matrix))


def test_the_estimators_are_those_that_the_laws_know() -> None:
    assert set(METHODS) == {"eap", "map", "ml", "wle"}


@pytest.mark.parametrize("bank", BANKS)
@pytest.mark.parametrize("method", ["ml", "map"])
@pytest.mark.parametrize("prior", PRIORS)
def test_no_other_ability_does_better(bank: str, method: str, prior: str) -> None:
    """The estimate beats every node of a fine grid, and is a stationary point unless flagged."""
    if method == "ml" and prior != "normal":
        return
    pool, chosen = BANKS[bank], PRIORS[prior]
    matrix = random_answers(pool, 60, 3, missing=0.4)
    scores = score(pool, Answers.from_matrix(matrix), method, chosen)
    nodes = np.linspace(chosen.low, chosen.high, 2001)

    def objective(x: np.ndarray) -> np.ndarray:
        value = likelihood(pool, matrix, x)
        if method == "map" and prior == "normal":
            value = value - 0.5 * ((x - chosen.mean) / chosen.sd) ** 2
        if method == "map" and prior == "jeffreys":
            info = tabulate(pool, Grid(x, np.ones(len(x)))).info
            value = value + 0.5 * np.log((matrix >= 0).astype(float) @ info)
        return value

    best = objective(nodes).max(axis=1)
    around = scores.theta[:, None] + np.array([-1e-3, 0.0, 1e-3])
    at = np.array([objective(x)[p] for p, x in enumerate(around)])
    assert (at[:, 1] >= best - 1e-9).all()
    inside = scores.flag == 0
    assert inside.sum() > 40
    assert (at[inside, 1:2] >= at[inside] - 1e-12).all()


def warm_equation(pool: ItemPool, matrix: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """L' + J / (2 I) by differences of probabilities (Warm, 1989, eqs. 8 and 10), not by our derivatives."""
    h = 1e-3
    out = np.empty(len(theta))
    for p, x in enumerate(theta):
        asked = np.flatnonzero(matrix[p] >= 0)
        grid = Grid(x + h * np.arange(-2.0, 3.0), np.ones(5))
        logp = tabulate(pool, grid).logp[asked]
        prob = np.exp(logp)
        first = (8.0 * (prob[..., 3] - prob[..., 1]) - (prob[..., 4] - prob[..., 0])) / (12.0 * h)
        second = (
            16.0 * (prob[..., 3] + prob[..., 1]) - (prob[..., 4] + prob[..., 0]) - 30.0 * prob[..., 2]
        ) / (12.0 * h * h)
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = np.where(prob[..., 2] > 0.0, first / prob[..., 2], 0.0)
        lean = ratio[np.arange(len(asked)), matrix[p, asked]].sum()
        out[p] = lean + (ratio * second).sum() / (2.0 * (ratio * first).sum())
    return out


@pytest.mark.parametrize("bank", BANKS)
def test_wle_solves_warms_equation(bank: str) -> None:
    pool = BANKS[bank]
    matrix = random_answers(pool, 40, 4, missing=0.4)
    scores = score(pool, Answers.from_matrix(matrix), "wle")
    inside = scores.flag == 0
    assert inside.sum() > 30
    residual = warm_equation(pool, matrix[inside], scores.theta[inside])
    np.testing.assert_allclose(residual, 0.0, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("bank", BANKS)
def test_flagged_or_finite(method: str, bank: str) -> None:
    """All lowest, all highest, nothing, one answer: theta is finite, and what is missing is flagged."""
    pool = BANKS[bank]
    rows = np.full((4, len(pool)), -1, np.int8)
    rows[0], rows[1], rows[3, 0] = 0, pool.n_cat - 1, 1
    for se in ("expected", "observed"):
        scores = score(pool, Answers.from_matrix(rows), method, se=se)
        assert np.isfinite(scores.theta).all()
        assert (np.abs(scores.theta) <= 6.0).all()
        assert not np.isnan(scores.se).any()
        assert (np.isfinite(scores.se) | (scores.flag > 0)).all()
        assert scores.flag[2] == 1
    if method == "ml" and bank != "nrm":
        assert scores.flag.tolist()[:2] == [2, 2]
        assert scores.theta.tolist()[:2] == [-6.0, 6.0]
        assert np.isinf(scores.se[:2]).all()


@pytest.mark.parametrize("method", METHODS)
@given(pool=mixed, seed=st.integers(0, 2**16))
@few
def test_permuting_the_responses_changes_no_bit(method: str, pool: ItemPool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = random_answers(pool, 4, seed, missing=0.2)
    straight = score(pool, Answers.from_matrix(matrix), method)
    person, item = np.nonzero(matrix >= 0)
    order = rng.permutation(len(person))
    order = order[np.argsort(person[order], kind="stable")]
    indptr = np.concatenate([[0], np.cumsum((matrix >= 0).sum(axis=1))])
    shuffled = Answers.from_sparse(indptr, item[order], matrix[person[order], item[order]])
    again = score(pool, shuffled, method)
    for one, other in zip(straight, again, strict=True):
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("method", METHODS)
def test_a_persons_score_does_not_depend_on_who_else_is_scored(method: str) -> None:
    pool = BANKS["mixed"]
    matrix = random_answers(pool, 300, 5)
    together = score(pool, Answers.from_matrix(matrix), method)
    for p in (0, 17, 299):
        alone = score(pool, Answers.from_matrix(matrix[p : p + 1]), method)
        assert alone.theta[0].tobytes() == together.theta[p].tobytes()
        assert alone.se[0].tobytes() == together.se[p].tobytes()


@given(pool=mixed, seed=st.integers(0, 2**16))
@few
def test_eap_of_a_batch_is_the_score_of_record(pool: ItemPool, seed: int) -> None:
    matrix = random_answers(pool, 3, seed)
    grid = Prior.normal().grid()
    tables = tabulate(pool, grid)
    batch = score(pool, Answers.from_matrix(matrix), "eap")
    rng = np.random.default_rng(seed)
    for p, row in enumerate(matrix):
        asked = rng.permutation(np.flatnonzero(row >= 0))
        record = score_of_record(tables, grid, asked, row[asked])
        assert (record.theta, record.se) == (batch.theta[p], batch.se[p])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("code", ["rasch", "pcm", "rsm"])
def test_the_sum_score_is_sufficient_where_slopes_are_equal(method: str, code: str) -> None:
    pool = BANKS[code]
    top = int(pool.n_cat[0]) - 1
    rows = np.zeros((2, len(pool)), np.int8)
    rows[0, :6] = 1
    rows[1, -6:] = 1
    if top > 1:
        rows[1, -6:] = [top, 0, 0, 3 - top, 1, 2]
        assert rows[0].sum() == rows[1].sum()
    scores = score(pool, Answers.from_matrix(rows), method)
    assert scores.theta[0] == pytest.approx(scores.theta[1], abs=1e-9)
    assert scores.se[0] == pytest.approx(scores.se[1], abs=1e-9)


@pytest.mark.parametrize("method", METHODS)
@given(shift=st.floats(-1.0, 1.0))
@few
def test_moving_the_scale_moves_the_estimate(method: str, shift: float) -> None:
    rows = [{"model": "3pl", "a": 1.1, "b": b, "c": 0.2} for b in np.linspace(-2, 2, 12)]
    moved = pool_of(*({**row, "b": row["b"] + shift} for row in rows))
    matrix = random_answers(pool_of(*rows), 8, 11)
    here = score(pool_of(*rows), Answers.from_matrix(matrix), method)
    there = score(moved, Answers.from_matrix(matrix), method, Prior.normal(shift, 1.0))
    inside = here.flag == 0
    np.testing.assert_allclose(there.theta[inside], here.theta[inside] + shift, atol=2e-7)
    np.testing.assert_allclose(there.se[inside], here.se[inside], rtol=1e-6)


@pytest.mark.parametrize("method", ["map", "ml", "wle"])
def test_observed_standard_errors_are_the_curvature_of_the_likelihood(method: str) -> None:
    pool, prior = BANKS["mixed"], Prior.normal()
    matrix = random_answers(pool, 30, 12)
    scores = score(pool, Answers.from_matrix(matrix), method, prior, "observed")
    for p in np.flatnonzero(scores.flag == 0):
        nodes = scores.theta[p] + 1e-3 * np.arange(-2.0, 3.0)
        f = likelihood(pool, matrix[p : p + 1], nodes)[0]
        bend = (16.0 * (f[3] + f[1]) - (f[4] + f[0]) - 30.0 * f[2]) / (12.0 * 1e-6)
        bend -= 1.0 if method == "map" else 0.0
        assert scores.se[p] == pytest.approx(1.0 / np.sqrt(-bend), rel=1e-5)


def test_every_estimator_meets_every_model() -> None:
    """Registered means tested: nothing above may lose a model or a method."""
    assert set(BANKS) == {*MODELS, "mixed"}
    assert set(ORDINARY) == set(MODELS)
    for method, bank in itertools.product(METHODS, BANKS.values()):
        matrix = random_answers(bank, 200, 13, missing=0.3)
        scores = score(bank, Answers.from_matrix(matrix), method)
        truth = np.sort(np.random.default_rng(13).normal(size=200))
        assert np.corrcoef(scores.theta, truth)[0, 1] > 0.7
