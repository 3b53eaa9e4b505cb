"""DIF against difR 5.1 and mirt 1.45.1 on the verbal aggression data, groups by gender."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibration import Calibration
from calibration.dif import detect, logistic, mantel, pair_of, tables
from calibration.dif.groups import Pair
from calibration.dif.parametric import Fits, Models, areas, likelihood_ratios, models_for
from item_bank.parameters import ParameterSet
from item_bank.responses import Responses, read_groups, read_responses
from tests.reference.judged import load


@pytest.fixture(scope="module")
def responses(reference: Path) -> Responses:
    return read_responses(reference / "data" / "VerbalAggression_dich.csv")


@pytest.fixture(scope="module")
def gender(reference: Path, responses: Responses) -> list[str]:
    return read_groups(f"{reference / 'data' / 'VerbalAggression_covariates.csv'}:gender", responses)


@pytest.fixture(scope="module")
def difr(reference: Path) -> Any:
    return load(reference / "dif-multigroup-linking" / "dif_VerbalAggression.json")


def column(rows: list[dict[str, Any]], name: str) -> np.ndarray:
    return np.array([row[name] for row in rows], dtype=float)


@pytest.mark.parametrize("purify", [False, True])
@pytest.mark.parametrize("correction", [False, True])
def test_mantel_haenszel(
    responses: Responses, gender: list[str], difr: Any, purify: bool, correction: bool
) -> None:
    theirs = difr[f"MH_purify{str(purify).upper()}_correct{str(correction).upper()}"]
    ours = detect(responses, gender, "mh", focal="female", purify=purify, correction=correction)
    np.testing.assert_allclose(column(ours.rows, "statistic"), theirs["MH"], rtol=1e-8)
    np.testing.assert_allclose(column(ours.rows, "alpha"), theirs["alphaMH"], rtol=1e-8)
    np.testing.assert_allclose(column(ours.rows, "log_se") ** 2, theirs["varLambda"], rtol=1e-8)
    if purify:
        left_out = [responses.items.index(item) + 1 for item in ours.about["purification"]["not_anchors"]]
        assert left_out == theirs["DIFitems"]
        assert ours.about["purification"]["rounds"] == theirs["nrPur"]
        first = difr[f"MH_purifyFALSE_correct{str(correction).upper()}"]["MH"]
        np.testing.assert_allclose(column(ours.rows, "unpurified_statistic"), first, rtol=1e-8)


def test_standardisation_and_breslow_day(responses: Responses, gender: list[str], difr: Any) -> None:
    matrix = responses.dense()
    focal = np.array(gender) == "female"
    for j in range(24):
        ours = mantel(tables(matrix.sum(axis=1), focal, matrix[:, j], 2))
        assert ours.difference == pytest.approx(difr["Std"]["PDIF"][j], abs=1e-9)
        np.testing.assert_allclose(
            [ours.homogeneity, ours.homogeneity_df, ours.homogeneity_p], difr["BD"]["BD"][j], atol=6e-5
        )


@pytest.mark.parametrize(
    ("test", "key"), [("both", "LR_both"), ("uniform", "LR_udif"), ("nonuniform", "LR_nudif")]
)
def test_logistic_regression(responses: Responses, gender: list[str], difr: Any, test: str, key: str) -> None:
    matrix = responses.dense().astype(int)
    focal = np.array(gender) == "female"
    found = [logistic(matrix.sum(axis=1), focal, matrix[:, j], test) for j in range(24)]
    np.testing.assert_allclose([x.statistic for x in found], difr[key]["stat"], atol=1e-8)
    np.testing.assert_allclose([x.effect for x in found], difr[key]["deltaR2"], atol=1e-9)
    if test == "both":
        for j in np.array(difr[key]["DIFitems"]) - 1:
            np.testing.assert_allclose(found[j].coefficients, difr[key]["logitPar"][j], atol=1e-5)


def test_likelihood_ratio(reference: Path, responses: Responses, gender: list[str]) -> None:
    content = load(reference / "dif-multigroup-linking" / "multigroup_VerbalAggression_gender.json")
    pair = pair_of(responses, gender)
    assert (pair.reference_name, pair.focal_name) == ("female", "male")
    for key, names in (("DIF_LR_drop_a1_d", None), ("DIF_LR_drop_d", ["d"])):
        fits = Fits(pair, models_for(pair), errors=False, names=names)
        found = likelihood_ratios(fits, frozenset(), responses.items)
        np.testing.assert_allclose([x.statistic for x in found], content[key]["X2"], atol=1e-3)
        assert [x.df for x in found] == content[key]["df"]
        np.testing.assert_allclose([x.p for x in found], content[key]["p"], atol=1e-3)


def calibration_of(items: list[str], values: list[list[float]]) -> Calibration:
    """A Rasch calibration with these difficulties and standard errors."""
    rows = [
        {"id": item, "model": "rasch", "a": 1.0, "b": b} for item, (b, _) in zip(items, values, strict=True)
    ]
    covariance = np.diag([error**2 for _, error in values])
    names = [(item, "d", None) for item in items]
    nothing = np.zeros(len(items))
    return Calibration(ParameterSet(rows), covariance, names, nothing, nothing, {"all": rows})


def test_raju_at_difrs_own_difficulties(responses: Responses, gender: list[str], difr: Any) -> None:
    values = difr["Raju1PL"]["itemParInit"]
    sides = (calibration_of(responses.items, values[:24]), calibration_of(responses.items, values[24:]))
    pair: Pair = pair_of(responses, gender, focal="female")
    found = areas(pair, Models("rasch", {}), sides, frozenset(responses.items))
    np.testing.assert_allclose(
        [found.by_item[item].z for item in responses.items], difr["Raju1PL"]["Z"], atol=1e-6
    )
    assert found.link[0] == 1.0
