"""Dimensionality: one dimension is called one, two are told apart, adaptive data are not judged."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from calibration.dimensionality import _covariances, detect_index, dimensionality, parallel_analysis
from calibration.fit import Evidence, q3
from item_bank.parameters import ParameterSet
from item_bank.responses import MISSING, Responses


def simulated(n: int, size: int, correlation: float, seed: int = 1) -> Responses:
    """Half of the items on one ability, half on another that correlates with it."""
    random = np.random.default_rng(seed)
    theta = random.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]], n)
    b = random.normal(0, 0.7, size)
    which = np.arange(size) % 2
    p = 1.0 / (1.0 + np.exp(-1.6 * (theta[:, which] - b)))
    return Responses.from_dense((random.random((n, size)) < p).astype(np.int8))


def test_one_dimension_is_called_one() -> None:
    found = dimensionality(simulated(1500, 24, 1.0))
    assert found.verdict == "one"
    assert found.parallel is not None and found.parallel.factors == 1
    assert found.detect is not None and abs(found.detect.value) < 0.2


def test_two_dimensions_are_told_apart_item_by_item() -> None:
    found = dimensionality(simulated(1500, 24, 0.3), domains=["even", "odd"] * 12)
    assert found.verdict == "several"
    assert found.parallel is not None and found.parallel.factors == 2
    assert found.detect is not None and found.detect.value > 1.0 and found.detect.ratio > 0.9
    clusters = found.detect.clusters
    assert len(set(clusters[::2])) == len(set(clusters[1::2])) == 1 and clusters[0] != clusters[1]
    assert found.by_domain is not None
    assert found.by_domain.value == pytest.approx(found.detect.value, abs=0.3)


def test_shuffled_data_have_no_factor() -> None:
    matrix = np.random.default_rng(0).integers(0, 2, (800, 15))
    assert parallel_analysis(matrix).factors <= 1


def test_conditional_covariances_agree_with_their_definition() -> None:
    matrix = simulated(300, 6, 0.5).dense().astype(int)
    found = _covariances(matrix)
    total = matrix.sum(axis=1)
    for i, j in itertools.combinations(range(6), 2):
        values = []
        for score in (total, total - matrix[:, i] - matrix[:, j]):
            parts, weight = 0.0, 0.0
            for s in np.unique(score):
                x, y = matrix[score == s, i], matrix[score == s, j]
                if len(x) > 1:
                    parts += np.cov(x, y)[0, 1] * (len(x) - 1)
                    weight += len(x) - 1
            values.append(parts / weight)
        assert found[i, j] == pytest.approx(np.mean(values))


def test_detect_counts_within_and_between() -> None:
    covariances = np.array([[0, 2, -1], [2, 0, -1], [-1, -1, 0]]) / 100.0
    assert detect_index(covariances, np.array([0, 0, 1])).value == pytest.approx(4 / 3)
    assert detect_index(covariances, np.array([0, 0, 1])).ratio == pytest.approx(1.0)
    assert detect_index(covariances, np.array([0, 1, 0])).value == pytest.approx((-2 - 1 + 1) / 3)


def test_the_residual_contrast_names_the_items_at_its_ends() -> None:
    responses = simulated(2000, 12, 0.2)
    rows = [{"id": item, "model": "2pl", "a": 1.0, "b": 0.0} for item in responses.items]
    found = dimensionality(responses, residual_correlations=q3(Evidence(responses, ParameterSet(rows))))
    assert found.contrast is not None and found.contrast > 1.5
    ends = [{int(name[1:]) % 2 for name in names} for names in found.contrast_items]
    assert all(len(end) == 1 for end in ends) and ends[0] != ends[1]


def test_incomplete_and_short_data_are_not_judged() -> None:
    matrix = simulated(500, 12, 1.0).dense().copy()
    matrix[:, 0][::2] = MISSING
    found = dimensionality(Responses.from_dense(matrix))
    assert found.verdict == "" and "50% of the persons" in found.not_applicable["detect"]
    short = dimensionality(simulated(500, 5, 1.0))
    assert short.verdict == "one" and short.detect is None
    assert "10 items" in short.not_applicable["detect"]
    assert short.to_dict()["detect"] is None and short.to_dict()["factors"] == 1
