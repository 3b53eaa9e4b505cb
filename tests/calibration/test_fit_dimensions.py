"""Fit in several dimensions: nodes, moments, person fit, bifactor indices, and what is refused."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from api.command import main
from calibration.fit import assess
from calibration.fit.bifactor import indices
from calibration.fit.dimension_persons import along, lz_dimensions
from calibration.fit.dimensions import DimensionPart, DimensionsEvidence, freedom_of, moment_model, nodes_of
from calibration.fit.persons import lz_of
from calibration.fit.residuals import sums_of
from cat_engine.answers import Answers
from cat_engine.pool import ItemPool
from item_bank.parameters import ParameterSet, Population, write_parameters
from item_bank.responses import Responses
from tests.calibration.test_dimensions import BETWEEN, BIFACTOR, items_like, simulated


def population(rho: float, size: int) -> Population:
    cov = rho + (1.0 - rho) * np.eye(size)
    return Population("all", (0.0,) * size, tuple(map(tuple, cov.tolist())))


def calibrated(
    rows: list[dict[str, Any]], rho: float = 0.5, names: tuple[str, ...] = ("u", "v")
) -> ParameterSet:
    return ParameterSet(rows, (population(rho, len(names)),), names)


@pytest.mark.parametrize("size", [2, 3, 5])
def test_nodes_have_the_populations_moments(size: int) -> None:
    mean, cov = np.linspace(-0.5, 0.5, size), 0.6 + 0.9 * np.eye(size)
    nodes, weights = nodes_of(mean, cov)
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(weights @ nodes, mean, atol=1e-7)
    np.testing.assert_allclose((nodes - mean).T @ ((nodes - mean) * weights[:, None]), cov, atol=3e-3)


def test_derivatives_of_moments_are_differences() -> None:
    rows = items_like(BETWEEN, "mgrm", 1)
    responses = simulated(rows, 0.5 + 0.5 * np.eye(2), 200, 2)
    evidence = DimensionsEvidence(responses, calibrated(rows))
    free = freedom_of(evidence)
    assert free.n == 8 * 3 + 1  # a slope and two intercepts an item, one correlation
    matrix = evidence.part.matrix
    residual, derivatives, _ = moment_model(evidence.part, free).compare(matrix, "c2")

    def moved(rows: list[dict[str, Any]], rho: float) -> np.ndarray:
        other = DimensionsEvidence(responses, calibrated(rows, rho))
        return moment_model(other.part, freedom_of(other)).compare(matrix, "c2")[0]

    steeper = [rows[0] | {"slopes": [rows[0]["slopes"][0] + 1e-4, 0.0]}, *rows[1:]]
    np.testing.assert_allclose((residual - moved(steeper, 0.5)) / 1e-4, derivatives[:, 0], atol=1e-4)
    np.testing.assert_allclose((residual - moved(rows, 0.5 + 1e-4)) / 1e-4, derivatives[:, -1], atol=1e-4)


def test_many_dimensions_have_the_pairs_of_two() -> None:
    """The first two of five dimensions by quasi-Monte Carlo, and alone by a product."""
    rows = items_like(BETWEEN, "m2pl", 3)
    wide = [row | {"slopes": [*row["slopes"], 0.0, 0.0, 0.0]} for row in rows]
    nobody = Answers.from_matrix(np.zeros((1, 8), np.int8))
    together = []
    for some, size in ((rows, 2), (wide, 5)):
        part = DimensionPart(ItemPool.from_rows(some, size), population(0.5, size), np.zeros(1, int), nobody)
        together.append((part.probability[:, 1] * part.grid.weights) @ part.probability[:, 1].T)
    np.testing.assert_allclose(together[1], together[0], atol=3e-4)


def test_person_fit_in_one_dimension_is_what_it_is_there() -> None:
    pool = ItemPool.from_rows(
        [{"id": f"q{j}", "model": "2pl", "a": 0.8 + 0.1 * j, "b": 0.3 * j} for j in range(6)]
    )
    answers = Answers.from_matrix(np.random.default_rng(1).integers(0, 2, (50, 6)).astype(np.int8))
    theta = np.linspace(-1.0, 1.0, 50)
    found = lz_dimensions(pool, answers, along(pool, answers, theta[:, None]))
    np.testing.assert_allclose(found, lz_of(sums_of(pool, answers, theta).by_person), atol=1e-10)


def test_wrong_correlations_are_seen_and_right_ones_are_not() -> None:
    rows = items_like(BETWEEN, "m2pl", 5)
    responses = simulated(rows, 0.1 + 0.9 * np.eye(2), 1000, 6)
    right, wrong = (assess(responses, calibrated(rows, rho), estimated=False) for rho in (0.1, 0.9))
    assert right.model["m2"]["p"] > 1e-3 > 1e-8 > wrong.model["m2"]["p"]
    assert right.model["m2"]["df"] == 8 + 28
    assert 0.85 < np.std(right.persons["lz_star"]) < 1.15
    assert np.nanmin(right.items["s_x2_p"]) > 1e-4
    assert np.nanmax(np.abs(right.pairs["q3"][np.tril_indices(8, -1)])) < 0.5


def test_equal_loadings_have_indices_in_closed_form() -> None:
    """Six items with loadings of 0.6 on the general and 0.4 on one of two specific dimensions."""
    g, s = 0.6, 0.4
    scale = 1.702 / np.sqrt(1.0 - g * g - s * s)
    slopes = scale * np.array([[g, s, 0.0]] * 3 + [[g, 0.0, s]] * 3)
    found = indices(slopes, ("general", "s", "t"))
    unique = 6 * (1.0 - g * g - s * s)
    total = (6 * g) ** 2 + 2 * (3 * s) ** 2 + unique
    assert found["ecv"] == pytest.approx(g * g / (g * g + s * s))
    assert found["omega_hierarchical"] == pytest.approx((6 * g) ** 2 / total)
    assert found["omega"] == pytest.approx(1.0 - unique / total)
    part = (3 * g) ** 2 + (3 * s) ** 2 + unique / 2
    assert found["subscales"]["t"]["omega_hierarchical"] == pytest.approx((3 * s) ** 2 / part)


def test_the_command_judges_a_bifactor_model_with_gaps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("general", "s", "t")
    rows = items_like(BIFACTOR, "m2pl", 7)
    dense = simulated(rows, np.eye(3), 300, 8).dense().astype(float)
    whole, gaps = tmp_path / "whole.csv", tmp_path / "gaps.csv"
    for path in (whole, gaps):
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([[row["id"] for row in rows], *dense.astype(object).tolist()])
        dense[:100, 0] = np.nan
        dense[5] = np.nan
    text = gaps.read_text(encoding="utf-8").replace("nan", "").replace(".0", "")
    gaps.write_text(text, encoding="utf-8")
    whole.write_text(whole.read_text(encoding="utf-8").replace(".0", ""), encoding="utf-8")
    params, out = tmp_path / "params.json", tmp_path / "fit.json"
    write_parameters(params, calibrated(rows, 0.0, names))
    words = ["fit", str(whole), "--params", str(params), "--out", str(out)]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "reliability of general: 0." in said and "omega hierarchical" in said
    content = json.loads(out.read_text(encoding="utf-8"))
    assert content["model"]["m2"]["df"] == 36 - (3 * 6 + 2 * 2)
    assert {"theta_general", "theta_s", "theta_t", "lz_star"} <= set(content["persons"][0])
    assert set(content["model"]["bifactor"]["subscales"]) == {"s", "t"}
    words[1] = str(gaps)
    assert main(words) == 0
    content = json.loads(out.read_text(encoding="utf-8"))
    assert {"m2", "s_x2", "pv_q1"} <= set(content["not_applicable"])
    assert content["persons"][5]["lz_star"] is None
    capsys.readouterr()
    for refused, why in (
        (["--report", str(tmp_path / "r")], "made for one"),
        (["--theta", "wle"], "eap, map"),
    ):
        assert main([*words, *refused]) == 2
        assert why in capsys.readouterr().err


def test_fixed_items_are_not_free() -> None:
    rows = [row | {"status": "fixed"} for row in items_like(BETWEEN, "m2pl", 1)[:4]]
    rows += items_like(BETWEEN, "m2pl", 1)[4:]
    responses = Responses.from_dense(np.array([[0] * 8, [1] * 8]), [row["id"] for row in rows])
    free = freedom_of(DimensionsEvidence(responses, calibrated(rows)))
    assert free.n == 4 * 2 + 2 + 3  # slopes and intercepts, means, variances and the covariance
