"""EAP and MAP in several dimensions against brute force, one-dimensional scores and what must not matter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cat_engine.answers import Answers
from cat_engine.errors import InputError
from cat_engine.pool import ItemPool
from cat_engine.scoring import (
    FLAGS,
    Prior,
    conditional_reliability,
    dimension_reliability,
    score,
    score_dimensions,
)
from cat_engine.scoring.adaptive import adaptive_moments
from cat_engine.scoring.composite import Population, parts
from cat_engine.scoring.reduction import hub_of, reduced_moments
from tests.cat_engine import brute_force
from tests.laws.examples import random_answers, random_bank

Rows = list[dict[str, Any]]

MEAN = np.array([0.3, -0.2])
COV = np.array([[1.0, 0.6], [0.6, 1.5]])


ALL = ("m2pl", "m3pl", "mgrm", "mgpcm")
TWO_OF_THEM = ("m3pl", "mgpcm")
"""Enough where every model is compiled for itself: one with an asymptote, one with several categories."""


def items(pattern: np.ndarray, seed: int, codes: tuple[str, ...] = TWO_OF_THEM) -> Rows:
    """Return items that load where `pattern` ``(n, D)`` is 1."""
    rng = np.random.default_rng(seed)
    rows: Rows = []
    for i, loads in enumerate(np.asarray(pattern)):
        code = codes[i % len(codes)]
        row: dict[str, Any] = {"id": f"i{i}", "model": code}
        row["slopes"] = np.where(loads, rng.uniform(0.7, 1.8, loads.size), 0.0).tolist()
        if code in ("m2pl", "m3pl"):
            row["intercept"] = float(rng.normal(0.0, 1.0))
        if code == "m3pl":
            row["c"] = 0.2
        if code == "mgrm":
            row["intercept"] = np.sort(rng.normal(0.0, 1.3, 3))[::-1].tolist()
        if code == "mgpcm":
            row["intercept"] = [0.0, *rng.normal(0.0, 1.0, 2).tolist()]
        rows.append(row)
    return rows


def pool_of(rows: Rows) -> ItemPool:
    return ItemPool.from_rows(rows, len(rows[0]["slopes"]))


def answer(rows: Rows, n: int, seed: int, missing: float = 0.2) -> np.ndarray:
    """Return answers at random: all kinds of persons, the last one silent."""
    rng = np.random.default_rng(seed)
    matrix = np.array([rng.integers(0, pool_of([row]).n_cat[0], n) for row in rows]).T
    matrix[rng.random(matrix.shape) < missing] = -1
    matrix[0] = pool_of(rows).n_cat - 1
    matrix[1] = 0
    matrix[-1] = -1
    return matrix


TWO = np.array([[1, 0], [0, 1], [1, 1], [1, 1]] * 3)
BIFACTOR = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1], [1, 0, 0, 0]] * 3)
THREE = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1], [1, 0, 1]] * 2)


class TestEap:
    def test_two_dimensions_against_brute_force(self) -> None:
        rows = items(TWO, 1, ALL)
        matrix = answer(rows, 8, 2)
        found = score_dimensions(pool_of(rows), Answers.from_matrix(matrix), MEAN, COV)
        for p, given in enumerate(matrix):
            mean, cov = brute_force.moments(rows, given, MEAN, COV)
            np.testing.assert_allclose(found.theta[p], mean, atol=1e-6)
            np.testing.assert_allclose(found.cov[p], cov, atol=1e-6)
        np.testing.assert_array_equal(found.se, np.sqrt(np.diagonal(found.cov, axis1=1, axis2=2)))
        assert [FLAGS[flag] for flag in found.flag] == [""] * 7 + ["no_responses"]

    def test_a_bifactor_pattern_against_brute_force(self) -> None:
        """General and three specific dimensions, by 27 nodes in each of the four."""
        rows, mean, cov = items(BIFACTOR, 3), np.zeros(4), np.eye(4)
        assert hub_of(BIFACTOR, cov) == 0
        matrix = answer(rows, 3, 4)
        found = score_dimensions(pool_of(rows), Answers.from_matrix(matrix), mean, cov)
        first, second = brute_force.moments(rows, matrix[1], mean, cov, n=27)
        np.testing.assert_allclose(found.theta[1], first, atol=1e-5)
        np.testing.assert_allclose(found.cov[1], second, atol=1e-5)

    def test_three_dimensions_against_brute_force(self) -> None:
        rows, mean = items(THREE, 5), np.array([0.0, 0.5, -0.5])
        cov = np.array([[1.0, 0.5, 0.3], [0.5, 1.2, 0.4], [0.3, 0.4, 0.8]])
        assert hub_of(THREE, cov) is None
        matrix = answer(rows, 4, 6)
        found = score_dimensions(pool_of(rows), Answers.from_matrix(matrix), mean, cov)
        for p, given in enumerate(matrix):
            first, second = brute_force.moments(rows, given, mean, cov, n=51)
            np.testing.assert_allclose(found.theta[p], first, atol=1e-4)
            np.testing.assert_allclose(found.cov[p], second, atol=1e-4)

    def test_both_ways_of_integrating_agree(self) -> None:
        rows = items(TWO, 7)
        matrix = answer(rows, 40, 8)
        pool, answers, population = pool_of(rows), Answers.from_matrix(matrix), Population(MEAN, COV)
        exact = reduced_moments(pool, answers, population, 0)
        other = reduced_moments(pool, answers, population, 1)
        adaptive = adaptive_moments(parts(pool, answers), 40, population)
        for a, b, c in zip(exact, other, adaptive, strict=True):
            np.testing.assert_allclose(b, a, atol=1e-6)
            np.testing.assert_allclose(c, a, atol=1e-5)

    def test_more_dimensions_than_quadrature_reaches_are_refused(self) -> None:
        rows = items(np.ones((3, 7), dtype=int), 9, ("mgpcm",))
        answers = Answers.from_matrix(np.ones((1, 3)))
        with pytest.raises(InputError, match=r"at most 6 dimensions.*got 7; score by map"):
            score_dimensions(pool_of(rows), answers, np.zeros(7), np.eye(7))
        assert np.isfinite(score_dimensions(pool_of(rows), answers, np.zeros(7), np.eye(7), "map").se).all()


class TestMap:
    @pytest.mark.parametrize("pattern", [TWO, THREE])
    def test_against_a_general_optimiser(self, pattern: np.ndarray) -> None:
        rows = items(pattern, 11)
        size = pattern.shape[1]
        mean, cov = np.linspace(-0.3, 0.3, size), 0.5 * np.eye(size) + 0.6
        matrix = answer(rows, 8, 12)
        pool, answers = pool_of(rows), Answers.from_matrix(matrix)
        expected = score_dimensions(pool, answers, mean, cov, "map")
        observed = score_dimensions(pool, answers, mean, cov, "map", "observed")
        np.testing.assert_array_equal(expected.theta, observed.theta)
        for p, given in enumerate(matrix):
            theta = expected.theta[p]
            np.testing.assert_allclose(theta, brute_force.mode(rows, given, mean, cov), atol=1e-5)
            info = brute_force.expected_information(rows, given >= 0, theta)
            np.testing.assert_allclose(expected.cov[p], np.linalg.inv(info + np.linalg.inv(cov)), atol=1e-7)
            bend = brute_force.hessian(rows, given, theta)
            np.testing.assert_allclose(observed.cov[p], np.linalg.inv(np.linalg.inv(cov) - bend), atol=1e-5)

    def test_steep_items_with_guessing_are_climbed_to_the_top(self) -> None:
        """Where the posterior is not concave at the start, and may have several maxima."""
        rng = np.random.default_rng(31)
        rows = items(np.array([[1, 0], [0, 1], [1, 1]] * 4), 31, ("m3pl",))
        for row in rows:
            row["slopes"] = [2.0 * a for a in row["slopes"]]
            row["intercept"] = float(rng.normal(0.0, 3.0))
        matrix = rng.integers(0, 2, (20, len(rows)))
        mean, cov = np.zeros(2), np.array([[4.0, 1.0], [1.0, 4.0]])
        found = score_dimensions(pool_of(rows), Answers.from_matrix(matrix), mean, cov, "map")
        for given, theta in zip(matrix, found.theta, strict=True):
            points = np.array([theta, brute_force.mode(rows, given, mean, cov)])
            reached, top = brute_force.log_posterior(rows, given, mean, cov, points)
            assert reached > top - 1e-8

    def test_nobody_asked_says_what_the_population_says(self) -> None:
        rows = items(TWO, 1)
        answers = Answers.from_matrix(np.full((1, len(rows)), -1))
        for method in ("eap", "map"):
            found = score_dimensions(pool_of(rows), answers, MEAN, COV, method)
            np.testing.assert_allclose(found.theta[0], MEAN, atol=1e-12)
            np.testing.assert_allclose(found.cov[0], COV, atol=1e-7)
            assert FLAGS[found.flag[0]] == "no_responses"

    def test_thousands_of_answers_that_agree_stay_finite(self) -> None:
        rows = items(np.tile(TWO, (50, 1)), 13)
        matrix = np.vstack([pool_of(rows).n_cat - 1, np.zeros(len(rows), dtype=int)])
        for method in ("eap", "map"):
            found = score_dimensions(pool_of(rows), Answers.from_matrix(matrix), MEAN, COV, method)
            assert np.isfinite(found.theta).all() and (found.se > 0.0).all()
            assert (found.theta[0] > 1.0).all() and (found.theta[1] < -1.0).all()


class TestOneDimensionIsASpecialCase:
    def test_one_dimension_is_scored_as_ever(self) -> None:
        pool = random_bank(30, 17, ("3pl", "gpcm"))
        answers = Answers.from_matrix(random_answers(pool, 60, 18))
        for method in ("eap", "map"):
            for se in ("expected", "observed"):
                one = score(pool, answers, method, Prior.normal(0.4, 1.3), se)  # type: ignore[arg-type]
                found = score_dimensions(pool, answers, [0.4], [[1.69]], method, se)  # type: ignore[arg-type]
                np.testing.assert_allclose(found.theta[:, 0], one.theta, atol=1e-10)
                np.testing.assert_allclose(found.se[:, 0], one.se, rtol=1e-6 if method == "map" else 1e-10)
                np.testing.assert_array_equal(found.flag, one.flag)

    def test_uncorrelated_dimensions_without_an_item_in_common_are_scored_apart(self) -> None:
        """Five of them: as five one-dimensional scorings."""
        rows = items(np.tile(np.eye(5, dtype=int), (4, 1)), 19)
        matrix = answer(rows, 25, 20)
        mean, sd = np.linspace(-1.0, 1.0, 5), np.linspace(0.8, 1.4, 5)
        pool, answers = pool_of(rows), Answers.from_matrix(matrix)
        for method in ("eap", "map"):
            found = score_dimensions(pool, answers, mean, np.diag(sd**2), method)
            for d in range(5):
                mine = [i for i, row in enumerate(rows) if row["slopes"][d]]
                alone = ItemPool.from_rows([_line(rows[i], d) for i in mine])
                one = score(alone, Answers.from_matrix(matrix[:, mine]), method, Prior.normal(mean[d], sd[d]))
                np.testing.assert_allclose(found.theta[:, d], one.theta, atol=1e-9)
                np.testing.assert_allclose(found.se[:, d], one.se, rtol=1e-6)
            apart = found.cov * (1.0 - np.eye(5))
            np.testing.assert_allclose(apart, 0.0, atol=1e-12)


def _line(row: dict[str, Any], d: int) -> dict[str, Any]:
    """Return the same item in one dimension."""
    a = row["slopes"][d]
    if row["model"] == "mgpcm":
        steps = np.diff(row["intercept"])
        return {"id": row["id"], "model": "gpcm", "a": a, "b": (-steps / a).tolist()}
    return {"id": row["id"], "model": "3pl", "a": a, "b": -row["intercept"] / a, "c": row["c"]}


class TestWhatMustNotMatter:
    def test_turned_axes_turn_the_scores(self) -> None:
        """theta = R phi: slopes a'R in the axes of phi, whose population is turned back."""
        rows = items(THREE, 21)
        matrix = answer(rows, 20, 22)
        angle = np.linalg.qr(np.random.default_rng(23).normal(size=(3, 3)))[0]
        turned = [{**row, "slopes": (np.array(row["slopes"]) @ angle).tolist()} for row in rows]
        mean, cov = np.array([0.2, 0.0, -0.4]), 0.6 * np.eye(3) + 0.4
        back = angle.T @ cov @ angle
        for method in ("eap", "map"):
            answers = Answers.from_matrix(matrix)
            one = score_dimensions(pool_of(rows), answers, mean, cov, method)
            other = score_dimensions(pool_of(turned), answers, angle.T @ mean, 0.5 * (back + back.T), method)
            tight = 1e-8 if method == "map" else 1e-4
            np.testing.assert_allclose(other.theta @ angle.T, one.theta, atol=tight)
            np.testing.assert_allclose(angle @ other.cov @ angle.T, one.cov, atol=tight)

    @pytest.mark.parametrize("pattern", [TWO, BIFACTOR, THREE])
    def test_the_order_of_dimensions_and_of_persons(self, pattern: np.ndarray) -> None:
        rows = items(pattern, 24)
        size = pattern.shape[1]
        order = np.roll(np.arange(size), 1)
        renamed = [{**row, "slopes": [row["slopes"][d] for d in order]} for row in rows]
        mean, cov = np.linspace(-0.3, 0.3, size), np.eye(size)
        if size < 4:
            cov = 0.5 * np.eye(size) + 0.5
        matrix = answer(rows, 15, 25)
        one = score_dimensions(pool_of(rows), Answers.from_matrix(matrix), mean, cov)
        other = score_dimensions(pool_of(renamed), Answers.from_matrix(matrix[::-1]), mean[order], cov)
        tight = 1e-4 if size == 3 else 1e-6
        np.testing.assert_allclose(other.theta[::-1], one.theta[:, order], atol=tight)
        np.testing.assert_allclose(other.se[::-1], one.se[:, order], atol=tight)

    def test_the_number_of_threads(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from cat_engine.compile import config

        for pattern, n in ((BIFACTOR, 600), (THREE, 60)):
            rows = items(pattern, 26)
            answers = Answers.from_matrix(answer(rows, n, 27))
            size = pattern.shape[1]
            cov = np.eye(size) if size == 4 else 0.5 * np.eye(3) + 0.5
            found = []
            for threads in (1, 3):
                monkeypatch.setattr(config, "NUMBA_NUM_THREADS", threads)
                found.append(score_dimensions(pool_of(rows), answers, np.zeros(size), cov))
            for one, other in zip(*found, strict=True):
                np.testing.assert_array_equal(one, other)


class TestReliability:
    def test_of_one_dimension_is_the_conditional_reliability(self) -> None:
        pool, theta = random_bank(20, 28, ("3pl", "gpcm")), np.linspace(-2.0, 2.0, 5)
        one = conditional_reliability(pool, theta, Prior.normal(0.0, 1.3))
        found = dimension_reliability(pool, theta[:, None], np.array([[1.69]]))
        np.testing.assert_allclose(found[:, 0], one, rtol=1e-12)

    def test_is_the_share_of_the_variance_that_map_knows(self) -> None:
        rows = items(TWO, 29)
        theta = np.array([[0.0, 0.0], [1.0, -1.0]])
        found = dimension_reliability(pool_of(rows), theta, COV)
        for at, reliability in zip(theta, found, strict=True):
            info = brute_force.expected_information(rows, np.ones(len(rows), dtype=bool), at)
            unknown = np.diag(np.linalg.inv(info + np.linalg.inv(COV)))
            np.testing.assert_allclose(reliability, 1.0 - unknown / np.diag(COV), rtol=1e-7)


class TestBadInput:
    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"method": "ml"}, "expected a method among eap, map.*got 'ml'"),
            ({"se": "oakes"}, "'expected' or 'observed'"),
            ({"mean": np.zeros(3)}, "2 finite means"),
            ({"cov": np.eye(3)}, "2 x 2 covariance matrix"),
            ({"cov": np.ones((2, 2))}, "positive definite"),
            ({"cov": np.array([[1.0, 0.5], [0.2, 1.0]])}, "symmetric"),
        ],
    )
    def test_gets_one_sentence(self, change: dict[str, Any], said: str) -> None:
        rows = items(TWO, 1)
        answers = Answers.from_matrix(answer(rows, 3, 1))
        with pytest.raises(InputError, match=said):
            score_dimensions(pool_of(rows), answers, **{"mean": MEAN, "cov": COV, **change})
