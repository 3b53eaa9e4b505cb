"""Answers, summed scores, plausible values, level probabilities, reliability."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from cat_engine.answers import Answers
from cat_engine.errors import InputError
from cat_engine.grid import Grid, tabulate
from cat_engine.record import score_of_record
from cat_engine.scoring import (
    FLAGS,
    Prior,
    conditional_reliability,
    empirical_reliability,
    level_probabilities,
    marginal_reliability,
    plausible_values,
    score,
    summed_scores,
)
from cat_engine.scoring.posterior import posteriors
from tests.laws.examples import pool_of, random_answers, random_bank

BANK = random_bank(40, 21)


class TestAnswers:
    def test_dense_and_sparse_are_the_same(self) -> None:
        matrix = random_answers(BANK, 50, 1)
        dense = Answers.from_matrix(matrix)
        person, item = np.nonzero(matrix >= 0)
        indptr = np.concatenate([[0], np.cumsum((matrix >= 0).sum(axis=1))])
        sparse = Answers.from_sparse(indptr, item, matrix[person, item])
        for one, other in zip(dense, sparse, strict=True):
            np.testing.assert_array_equal(one, other)
        assert dense.n_persons == 50

    def test_positions_may_be_mapped(self) -> None:
        answers = Answers.from_sparse([0, 2], [0, 1], [3, 4], position=np.array([9, 2]))
        assert answers.item.tolist() == [2, 9]
        assert answers.category.tolist() == [4, 3]

    def test_taking_persons(self) -> None:
        matrix = random_answers(BANK, 20, 1)
        some = Answers.from_matrix(matrix).take(np.array([7, 3, 3]))
        for one, other in zip(some, Answers.from_matrix(matrix[[7, 3, 3]]), strict=True):
            np.testing.assert_array_equal(one, other)

    @pytest.mark.parametrize(
        ("item", "category", "said"),
        [
            ([0, 40], [0, 0], "items at positions 0 to 39, got position 40"),
            ([0, 1], [0, 7], "categories 0 to 1, got 7 at item 'i1'"),
            ([1, 1], [0, 0], "each item once"),
        ],
    )
    def test_impossible_answers_are_refused(self, item: Any, category: Any, said: str) -> None:
        answers = Answers.from_sparse([0, 0, 2], item, category)
        with pytest.raises(InputError, match=said + ".*person number 2"):
            score(BANK, answers)

    def test_an_unknown_method_is_refused(self) -> None:
        answers = Answers.from_matrix(random_answers(BANK, 2, 1))
        with pytest.raises(InputError, match="expected a method among eap, map, ml, wle"):
            score(BANK, answers, "mle")
        with pytest.raises(InputError, match="'expected' or 'observed'"):
            score(BANK, answers, "ml", se="oakes")  # type: ignore[arg-type]


class TestNobodyAsked:
    @pytest.mark.parametrize("method", ["eap", "map", "ml", "wle"])
    def test_says_what_the_prior_says(self, method: str) -> None:
        answers = Answers.from_matrix(np.full((1, 40), -1))
        scores = score(BANK, answers, method, Prior.normal(0.4, 1.5))
        assert scores.theta[0] == pytest.approx(0.4, abs=1e-12)
        assert FLAGS[scores.flag[0]] == "no_responses"
        if method in ("eap", "map"):
            assert scores.se[0] == pytest.approx(1.5, rel=1e-6)
        else:
            assert scores.se[0] == np.inf


class TestSummedScores:
    def test_against_every_pattern(self) -> None:
        """Lord and Wingersky's recursion against the sum over all patterns of a mixed test."""
        pool = random_bank(6, 2, ("2pl", "grm", "3pl", "gpcm", "nrm", "rasch"))
        grid = Prior.normal().grid()
        logp = tabulate(pool, grid).logp
        top = int((pool.n_cat - 1).sum())
        joint = np.zeros((top + 1, 61))
        for pattern in itertools.product(*(range(k) for k in pool.n_cat)):
            joint[sum(pattern)] += np.exp(sum(logp[i, k] for i, k in enumerate(pattern)))
        joint *= grid.weights
        found = summed_scores(pool)
        np.testing.assert_allclose(found.probability, joint.sum(axis=1), atol=1e-14)
        theta = joint @ grid.nodes / joint.sum(axis=1)
        np.testing.assert_allclose(found.theta, theta, atol=1e-12)
        variance = joint @ grid.nodes**2 / joint.sum(axis=1) - theta**2
        np.testing.assert_allclose(found.se, np.sqrt(variance), atol=1e-10)
        assert found.total.tolist() == list(range(top + 1))

    def test_items_may_be_chosen(self) -> None:
        pool = random_bank(10, 2)
        some = summed_scores(pool, items=[1, 4])
        np.testing.assert_allclose(some.theta, summed_scores(pool.subset([1, 4])).theta, atol=1e-14)

    def test_two_thousand_items_do_not_underflow(self) -> None:
        rows = [{"model": "2pl", "a": 2.5, "b": b} for b in np.linspace(-3, 3, 50)] * 40
        found = summed_scores(pool_of(*rows))
        assert np.isfinite(found.theta).all()
        assert np.isfinite(found.se).all()
        assert (np.diff(found.theta) > -1e-9).all()
        assert found.probability.sum() == pytest.approx(1.0)

    def test_the_sum_score_of_a_rasch_test_is_its_pattern_score(self) -> None:
        pool = random_bank(15, 3, ("rasch",))
        matrix = random_answers(pool, 30, 3, missing=0.0)
        pattern = score(pool, Answers.from_matrix(matrix))
        np.testing.assert_allclose(summed_scores(pool).theta[matrix.sum(axis=1)], pattern.theta, atol=1e-12)


class TestPlausibleValues:
    def test_they_are_draws_from_the_posterior(self) -> None:
        matrix = random_answers(BANK, 40, 5)
        answers = Answers.from_matrix(matrix)
        uniforms = (np.arange(4000) + 0.5) / 4000
        draws = plausible_values(BANK, answers, np.tile(uniforms, (40, 1)))
        eap = score(BANK, answers)
        np.testing.assert_allclose(draws.mean(axis=1), eap.theta, atol=1e-3)
        np.testing.assert_allclose(draws.std(axis=1), eap.se, rtol=2e-3)
        assert (np.diff(draws, axis=1) >= 0.0).all()

    def test_their_shares_between_cuts_are_the_level_probabilities(self) -> None:
        matrix = random_answers(BANK, 20, 6, missing=0.5)
        answers = Answers.from_matrix(matrix)
        cuts = np.array([-0.43, 0.91])
        levels = level_probabilities(BANK, answers, cuts)
        draws = plausible_values(BANK, answers, np.tile((np.arange(10_000) + 0.5) / 10_000, (20, 1)))
        shares = np.array([[np.mean(np.searchsorted(cuts, row) == k) for k in range(3)] for row in draws])
        np.testing.assert_allclose(levels, shares, atol=2e-4)
        np.testing.assert_allclose(levels.sum(axis=1), 1.0, atol=1e-12)

    def test_the_population_of_a_sample_is_recovered(self) -> None:
        """The spread of plausible values is the population's, which that of EAP is not."""
        pool = random_bank(10, 9)
        matrix = random_answers(pool, 4000, 9, missing=0.0)
        answers = Answers.from_matrix(matrix)
        draws = plausible_values(pool, answers, np.random.default_rng(1).random((4000, 5)))
        assert draws.std() == pytest.approx(1.0, abs=0.03)
        assert score(pool, answers).theta.std() < 0.95

    def test_one_row_of_uniforms_a_person(self) -> None:
        with pytest.raises(InputError, match="draw one row a person"):
            plausible_values(BANK, Answers.from_matrix(random_answers(BANK, 3, 1)), np.ones((2, 5)))


class TestLevels:
    def test_a_batch_agrees_with_the_record(self) -> None:
        matrix = random_answers(BANK, 10, 5)
        cuts = np.array([-1.0, 0.15, 0.95])
        levels = level_probabilities(BANK, Answers.from_matrix(matrix), cuts)
        grid = Grid.normal()
        tables = tabulate(BANK, grid)
        for p, row in enumerate(matrix):
            asked = np.flatnonzero(row >= 0)
            record = score_of_record(tables, grid, asked, row[asked], cuts)
            assert record.levels.tobytes() == levels[p].tobytes()

    def test_cuts_must_ascend(self) -> None:
        with pytest.raises(InputError, match="cut scores that ascend"):
            level_probabilities(BANK, Answers.from_matrix(random_answers(BANK, 3, 1)), np.array([1.0, 0.0]))


class TestReliability:
    def test_marginal_reliability_for_any_variance(self) -> None:
        """Stretching the scale changes no reliability."""
        rows = [{"model": "2pl", "a": 1.3, "b": b} for b in np.linspace(-2, 2, 20)]
        wide = [{"model": "2pl", "a": 0.65, "b": 2.0 * row["b"] + 1.0} for row in rows]
        one = marginal_reliability(pool_of(*rows))
        assert one == pytest.approx(marginal_reliability(pool_of(*wide), Prior.normal(1.0, 2.0)), rel=1e-12)
        assert 0.7 < one < 0.9

    def test_empirical_reliability_is_near_the_squared_correlation_with_the_truth(self) -> None:
        pool = random_bank(30, 10)
        matrix = random_answers(pool, 3000, 10, missing=0.0)
        truth = np.sort(np.random.default_rng(10).normal(size=3000))
        for method in ("eap", "map", "ml", "wle"):
            scores = score(pool, Answers.from_matrix(matrix), method)
            good = scores.flag == 0
            squared = np.corrcoef(scores.theta[good], truth[good])[0, 1] ** 2
            found = empirical_reliability(scores.theta[good], scores.se[good], method)
            assert found == pytest.approx(squared, abs=0.02)

    def test_conditional_reliability_is_where_the_information_is(self) -> None:
        pool = pool_of(*({"model": "2pl", "a": 2.0, "b": 1.0} for _ in range(10)))
        at = conditional_reliability(pool, np.array([-3.0, 1.0]))
        assert at[0] < 0.1
        assert at[1] == pytest.approx(10.0 / 11.0)

    def test_refusals(self) -> None:
        with pytest.raises(InputError, match="normal population"):
            marginal_reliability(BANK, Prior.uniform())
        with pytest.raises(InputError, match="at least 2 estimates"):
            empirical_reliability(np.array([1.0]), np.array([0.5]))


def test_posteriors_are_prior_times_likelihood() -> None:
    matrix = random_answers(BANK, 5, 1)
    grid = Grid.normal(0.2, 1.1)
    tables = tabulate(BANK, grid)
    found = posteriors(tables, grid, Answers.from_matrix(matrix))
    for p, row in enumerate(matrix):
        asked = np.flatnonzero(row >= 0)
        expected = grid.log_weights + tables.logp[asked, row[asked]].sum(axis=0)
        np.testing.assert_allclose(found[p], expected, rtol=1e-12)


def test_priors_refuse_the_impossible() -> None:
    with pytest.raises(InputError, match="standard deviation above 0"):
        Prior.normal(0.0, 0.0)
    with pytest.raises(InputError, match="finite range"):
        Prior.uniform(1.0, -1.0)


def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = random_answers(BANK, 5000, 1)
    answers = Answers.from_matrix(matrix)
    monkeypatch.setattr("numba.config.NUMBA_NUM_THREADS", 4)
    many = [score(BANK, answers, method) for method in ("eap", "wle")]
    monkeypatch.setattr("numba.config.NUMBA_NUM_THREADS", 1)
    one = [score(BANK, answers, method) for method in ("eap", "wle")]
    for a, b in zip(many, one, strict=True):
        assert a.theta.tobytes() == b.theta.tobytes()
        assert a.se.tobytes() == b.se.tobytes()
