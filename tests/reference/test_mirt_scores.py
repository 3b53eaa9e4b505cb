"""Log-likelihoods, ability estimates, summed scores, reliability and information of R mirt 1.45.1.

Two columns of mirt are not compared as what they are called: its 3PL "WLE" maximises
``log L + log(information) / 2``, which is the mode under Jeffreys' prior, and its WLE standard errors are not
``1 / sqrt(information)`` (catR's are: ``test_catr_scoring.py``).
"""

from __future__ import annotations

import csv
import json
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from cat_engine.answers import Answers
from cat_engine.grid import Grid, tabulate
from cat_engine.information import information_of_test
from cat_engine.pool import ItemPool
from cat_engine.scoring import (
    Prior,
    empirical_reliability,
    marginal_reliability,
    score,
    summed_scores,
)
from cat_engine.scoring.posterior import posteriors
from item_bank.r_tables import from_mirt

FITS = (
    *(f"KB36_form{form}__{m}" for form in "XY" for m in ("1PL", "2PL", "3PL_priorg", "Rasch")),
    *(f"LSAT{n}__{m}" for n in (6, 7) for m in ("1PL", "2PL", "3PL_noprior", "3PL_priorg", "Rasch")),
    *(f"SAT12_scored__{m}" for m in ("1PL", "2PL", "3PL_noprior", "3PL_priorg", "4PL_priors", "Rasch")),
    *(f"VerbalAggression_dich__{m}" for m in ("1PL", "2PL", "Rasch")),
    *(f"VerbalAggression_poly__{m}" for m in ("GRM", "GRSM_gr", "GPCM", "NRM", "PCM", "RSM")),
    *(f"Science__{m}" for m in ("GRM", "GRSM_gr", "GPCM", "NRM", "PCM", "RSM")),
    *("Bock1997__GPCM", "Bock1997__NRM", "SAT12_raw__NRM"),
)
STATISTICS = (
    *("Bock1997__NRM", "LSAT6__2PL", "LSAT6__Rasch", "LSAT7__2PL", "LSAT7__3PL_priorg", "LSAT7__Rasch"),
    *("SAT12_scored__2PL", "SAT12_scored__3PL_priorg", "SAT12_scored__Rasch"),
    *("Science__GPCM", "Science__GRM", "Science__NRM", "Science__PCM"),
)


class Fit(NamedTuple):
    pool: ItemPool
    prior: Prior
    loglik: float
    data: np.ndarray


@cache
def fit(reference: Path, name: str, form: str = "slope_intercept") -> Fit:
    """A fit with its data: categories from 0, -1 where missing, columns in the order of the items."""
    content = json.loads((reference / "fits" / f"{name}.json").read_text())
    rows, prior = [], Prior.normal(0.0, 1.0, -6.0, 6.0)
    for item, entry in content[form].items():
        columns = {c: x for c, x in zip(entry["cols"], entry["values"][0], strict=True) if x is not None}
        if item == "GroupPars":
            prior = Prior.normal(columns["MEAN_1"], columns["COV_11"] ** 0.5, -6.0, 6.0)
        else:
            rows.append(from_mirt(item, columns, content["itemtype"]))
    with (reference / "data" / f"{content['dataset']}.csv").open() as file:
        header, *lines = csv.reader(file)
    data = np.array([[-1 if cell in ("", "NA") else int(cell) for cell in line] for line in lines])
    data = data[:, [header.index(row["id"]) for row in rows]]
    lowest = np.where(data < 0, 99, data).min(axis=0)
    return Fit(ItemPool.from_rows(rows), prior, content["loglik"], np.where(data < 0, -1, data - lowest))


def marginal_loglik(fitted: Fit) -> float:
    grid = fitted.prior.grid()
    log_post = posteriors(tabulate(fitted.pool, grid), grid, Answers.from_matrix(fitted.data))
    top = log_post.max(axis=1)
    return float((top + np.log(np.exp(log_post - top[:, None]).sum(axis=1))).sum())


@pytest.mark.parametrize("name", FITS)
@pytest.mark.parametrize("form", ["slope_intercept", "IRTpars"])
def test_marginal_loglikelihood_at_mirts_parameters(reference: Path, name: str, form: str) -> None:
    """Every model's formula and both of mirt's parameterisations, over all the data."""
    if form == "IRTpars" and "GRSM" in name:
        form = "slope_intercept"  # mirt gives no other
    fitted = fit(reference, name, form)
    assert marginal_loglik(fitted) == pytest.approx(fitted.loglik, abs=1e-4)


def statistics(reference: Path, name: str) -> tuple[Fit, dict[str, Any], Answers]:
    content = json.loads((reference / "fit-statistics" / f"{name}.json").read_text())
    fitted = fit(reference, name)
    patterns = np.array([[np.nan if x is None else x for x in row] for row in content["patterns"]])
    first = 1 if name.startswith(("Science", "Bock1997")) else 0
    return fitted, content, Answers.from_matrix(np.where(np.isnan(patterns), -1, patterns - first))


@pytest.mark.parametrize("name", STATISTICS)
@pytest.mark.parametrize("method", ["EAP", "MAP", "ML", "WLE"])
def test_ability_and_standard_error(reference: Path, name: str, method: str) -> None:
    fitted, content, answers = statistics(reference, name)
    expected = {
        key: np.array([np.nan if x is None else x for x in values])
        for key, values in content["scores"][method].items()
    }
    if method == "WLE" and "3PL" in name:
        found = score(fitted.pool, answers, "map", Prior.jeffreys())
    else:
        grid = fitted.prior.grid() if method == "EAP" else None
        found = score(fitted.pool, answers, method.lower(), fitted.prior, "observed", grid)
    compared = np.isfinite(expected["theta"]) & (found.flag == 0)
    assert compared.sum() >= 0.7 * answers.n_persons
    tolerance = 1e-5 if method == "EAP" else 1e-4
    np.testing.assert_allclose(found.theta[compared], expected["theta"][compared], atol=tolerance)
    if method != "WLE":
        np.testing.assert_allclose(found.se[compared], expected["se"][compared], rtol=1e-3)
    if method == "ML":  # where mirt finds no maximum neither do we
        assert (found.flag[~np.isfinite(expected["theta"])] == 2).all()


@pytest.mark.parametrize("name", [n for n in STATISTICS if "3PL" in n])
def test_warms_estimator_is_not_mirts(reference: Path, name: str) -> None:
    """The control: a WLE that agreed with mirt's 3PL column would be wrong (Warm, 1989, eq. 10)."""
    fitted, content, answers = statistics(reference, name)
    found = score(fitted.pool, answers, "wle", fitted.prior)
    assert np.abs(found.theta - np.array(content["scores"]["WLE"]["theta"])).max() > 0.05


@pytest.mark.parametrize("name", STATISTICS)
def test_summed_scores(reference: Path, name: str) -> None:
    fitted, content, _ = statistics(reference, name)
    expected = content["EAPsum"]
    suffix = "1" if "F1" in expected else ""
    found = summed_scores(fitted.pool, fitted.prior)
    np.testing.assert_allclose(found.theta, expected[f"F{suffix}"], atol=2e-5)
    np.testing.assert_allclose(found.se, expected[f"SE_F{suffix}"], atol=5e-5)
    np.testing.assert_allclose(found.probability * content["n"], expected["expected"], atol=1e-5)


@pytest.mark.parametrize("name", STATISTICS)
def test_information_and_expected_score_of_the_test(reference: Path, name: str) -> None:
    fitted, content, _ = statistics(reference, name)
    theta = np.array(content["testinfo"]["theta"])
    found = information_of_test(fitted.pool, theta)
    np.testing.assert_allclose(found, content["testinfo"]["info"], atol=1e-8)
    logp = tabulate(fitted.pool, Grid(theta, np.ones(len(theta)))).logp
    first = len(fitted.pool) if name.startswith(("Science", "Bock1997")) else 0  # mirt counts from 1 here
    expected = np.einsum("k,nkq->q", np.arange(logp.shape[1]), np.exp(logp)) + first
    np.testing.assert_allclose(expected, content["testinfo"]["expected"], atol=1e-8)


@pytest.mark.parametrize("name", STATISTICS)
def test_reliability(reference: Path, name: str) -> None:
    fitted, content, _ = statistics(reference, name)
    everybody = fitted.data[(fitted.data >= 0).any(axis=1)]
    found = score(fitted.pool, Answers.from_matrix(everybody), "eap", fitted.prior)
    empirical = empirical_reliability(found.theta, found.se)
    assert empirical == pytest.approx(content["empirical_rxx_EAP"], abs=2e-5)
    if fitted.prior.sd == 1.0:  # mirt's marginal_rxx leaves an estimated variance out
        assert marginal_reliability(fitted.pool, fitted.prior) == pytest.approx(
            content["marginal_rxx"], abs=1e-6
        )
