"""Calibration, scores and fit against TAM 4.3, ltm 1.2 and eRm (``crosscheck/`` of the reference folder).

What each program gives is compared at our own estimates from the same data: agreement in everything at once.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibration import Calibration, calibrate
from calibration.conditional import andersen_test, calibrate_conditional
from calibration.fit import Evidence, mean_squares, posterior_mean_squares
from calibration.fit.residuals import sums_of
from calibration.kernels.fit import FLOOR
from cat_engine.answers import Answers
from cat_engine.errors import InputError
from cat_engine.scoring import Prior, score
from item_bank.conversion import from_tam
from item_bank.responses import Responses, read_responses
from tests.reference.judged import load

TAM_MODELS = {"1PL": "rasch", "2PL": "2pl", "PCM": "pcm", "RSM": "rsm", "GPCM": "gpcm"}
TAM = (
    *(
        f"{data}_{model}"
        for data in ("LSAT7", "SAT12_scored", "VerbalAggression_dich")
        for model in ("1PL", "2PL")
    ),
    *(f"VerbalAggression_poly_{model}" for model in ("PCM", "RSM", "GPCM")),
)
STOPPED_EARLY = {"VerbalAggression_dich_1PL": (0.01, 5e-3)}
"""TAM ends 0.007 of log-likelihood below the maximum, with a variance 0.001 too small."""

LTM = {
    ("LSAT6", "rasch_common_slope"): "1pl",
    ("LSAT6", "rasch_slope1"): "1pl",
    ("LSAT6", "2PL"): "2pl",
    ("LSAT6", "3PL_rasch_type"): "3pl",
    ("LSAT7", "rasch_common_slope"): "1pl",
    ("LSAT7", "rasch_slope1"): "1pl",
    ("LSAT7", "2PL"): "2pl",
    ("Science", "GRM"): "grm",
    ("Science", "GRM_constrained"): "grm",
    ("Science", "GPCM"): "gpcm",
    ("Science", "PCM_1slope"): "gpcm",
}


def data(reference: Path, name: str) -> Responses:
    return read_responses(reference / "data" / f"{name}.csv", recode="rank")


@cache
def tam_case(reference: Path, name: str) -> tuple[dict[str, Any], Calibration, Evidence]:
    theirs = load(reference / "crosscheck" / "TAM.json")["res"][name]
    dataset, label = name.rsplit("_", 1)
    responses = data(reference, dataset)
    found = calibrate(responses, TAM_MODELS[label])
    return theirs, found, Evidence(responses, found.parameters)


def test_every_case_of_tam_and_ltm_is_tried(reference: Path) -> None:
    assert set(load(reference / "crosscheck" / "TAM.json")["res"]) == set(TAM)
    ltm = load(reference / "crosscheck" / "ltm.json")["res"]
    assert {(name, label) for name, labels in ltm.items() for label in labels} == set(LTM)


@pytest.mark.parametrize("name", TAM)
def test_items_and_population_equal_tams(reference: Path, name: str) -> None:
    theirs, found, _ = tam_case(reference, name)
    above, tolerance = STOPPED_EARLY.get(name, (1e-4, 1e-3))
    assert -1e-4 < found.loglik - theirs["loglik"] < above
    assert found.parameters.fit["n_parameters"] == theirs["npar"]
    assert found.parameters.population[0].cov[0][0] == pytest.approx(theirs["variance"], abs=tolerance)
    table = theirs["item"]
    for row, values in zip(found.parameters.items, table["values"], strict=True):
        cell = dict(zip(table["cols"], values, strict=True))
        k = sum(column.startswith("AXsi_") for column in cell)
        slopes = [cell[f"B.Cat{c}.Dim1"] for c in range(1, k + 1)]
        known = from_tam(row["id"], slopes, [cell[f"AXsi_.Cat{c}"] for c in range(1, k + 1)])
        b = np.atleast_1d(row["b"]) + row.get("tau", 0.0)
        np.testing.assert_allclose(b, np.atleast_1d(known["b"]), atol=tolerance)
        assert row["a"] == pytest.approx(known["a"], abs=tolerance)


@pytest.mark.parametrize("name", TAM)
def test_scores_and_reliability_equal_tams(reference: Path, name: str) -> None:
    theirs, _, evidence = tam_case(reference, name)
    _, tolerance = STOPPED_EARLY.get(name, (0.0, 5e-5))
    n = len(theirs["eap"]["theta"])
    part = evidence.parts[0]
    theta = evidence.theta()
    variance = part.posterior @ part.grid.nodes**2 - theta**2
    np.testing.assert_allclose(theta[:n], theirs["eap"]["theta"], atol=tolerance)
    np.testing.assert_allclose(np.sqrt(variance)[:n], theirs["eap"]["sd"], atol=tolerance)
    assert theta.var() / (theta.var() + variance.mean()) == pytest.approx(theirs["EAP_rel"], abs=tolerance)
    population = part.population
    wle = score(evidence.pool, evidence.answers, "wle", Prior.normal(population.mean[0], population.sd))
    inside = np.isfinite(wle.se[:n])  # ours ends at 6 standard deviations and says so
    assert inside.mean() > 0.9
    np.testing.assert_allclose(wle.theta[:n][inside], np.array(theirs["wle"]["theta"])[inside], atol=5e-4)
    np.testing.assert_allclose(wle.se[:n][inside], np.array(theirs["wle"]["se"])[inside], atol=5e-4)


@pytest.mark.parametrize("name", TAM)
def test_fit_over_the_posterior_equals_tams(reference: Path, name: str) -> None:
    """``msq.itemfit``; ``tam.fit`` draws at random. Q3 in TAM takes residuals from the posterior mean."""
    theirs, _, evidence = tam_case(reference, name)
    tolerance = 8e-3 if name in STOPPED_EARLY else 5e-5
    ours = posterior_mean_squares(evidence)
    for column in ("infit", "outfit"):
        np.testing.assert_allclose(getattr(ours, column), theirs["msq"][column.capitalize()], atol=tolerance)
        np.testing.assert_allclose(
            getattr(ours, f"{column}_z"), theirs["msq"][f"{column.capitalize()}_t"], atol=tolerance
        )
    part = evidence.parts[0]
    residual = part.matrix - part.posterior @ part.expected.T
    q3 = np.corrcoef(residual.T)[np.tril_indices(evidence.n_items, -1)]
    gap = np.abs(q3 - q3.mean())
    assert gap.mean() == pytest.approx(theirs["Q3"]["MADaQ3"], abs=tolerance)
    assert gap.max() == pytest.approx(theirs["Q3"]["maxaQ3"], abs=tolerance)


def ltm_fit(reference: Path, name: str, label: str) -> Calibration:
    responses = data(reference, name)
    slopes = [(item, "a") for item in responses.items]
    options: dict[str, Any] = {}
    if label == "rasch_slope1":
        options["hold"] = dict.fromkeys(slopes, 1.0)
    elif label in ("GRM_constrained", "PCM_1slope", "3PL_rasch_type"):
        options["equal"] = [slopes]
    return calibrate(responses, LTM[name, label], prior=["none"] if "3PL" in label else [], **options)


@pytest.mark.parametrize(("name", "label"), LTM)
def test_items_equal_ltms(reference: Path, name: str, label: str) -> None:
    theirs = load(reference / "crosscheck" / "ltm.json")["res"][name][label]
    found = ltm_fit(reference, name, label)
    assert found.converged
    # ltm stops early; without a prior the guessing of 3 items of LSAT 6 is not determined at all.
    assert -1e-4 < found.loglik - theirs["loglik"] < (0.1 if "3PL" in label else 0.01)
    if "3PL" in label:
        return
    for row, values in zip(found.parameters.items, theirs["coef"]["values"], strict=True):
        np.testing.assert_allclose(
            [*np.atleast_1d(row["b"]), row["a"]], values, atol=0.011, err_msg=row["id"]
        )
    if name != "Science":
        errors = {key: row[1] for key, row in zip(theirs["se"]["rows"], theirs["se"]["values"], strict=True)}
        for row in found.parameters.items:
            assert row["se"]["b"] == pytest.approx(errors[f"Dffclt.{row['id']}"], rel=0.01)


ERM = ("LSAT6", "LSAT7", "SAT12_scored", "VerbalAggression_dich")


@pytest.mark.parametrize("name", ERM)
def test_persons_and_item_fit_equal_erms(reference: Path, name: str) -> None:
    theirs = load(reference / "crosscheck" / "eRm_CML.json")["res"][name]
    responses = data(reference, name)
    matrix = responses.dense()
    raw = matrix.sum(axis=1, dtype=int)
    pool = calibrate_conditional(responses).parameters.pool()
    theta = score(pool, Answers.from_matrix(matrix), "ml", Prior.uniform(-8.0, 8.0)).theta
    inside = (raw > 0) & (raw < matrix.shape[1])  # eRm extrapolates where there is no maximum
    known = {int(x): y for x, y in theirs["person"]["rawscore_theta"]["values"]}
    np.testing.assert_allclose(theta[inside], [known[x] for x in raw[inside]], atol=1e-4)
    ours = mean_squares(sums_of(pool, Answers.from_matrix(matrix[inside]), theta[inside]).by_item)
    # Variances are held above a floor here (as in mirt) and not in eRm: items that touch it differ.
    b = np.array([row["b"] for row in pool.rows()])
    p = 1.0 / (1.0 + np.exp(b - theta[inside][:, None]))
    free = (p * (1.0 - p)).min(axis=0) > FLOOR
    assert free.mean() > 0.7
    for column in ("infit", "outfit"):
        squares, z = (np.array(theirs["itemfit"][f"{column}{kind}"]) for kind in ("MSQ", "Z"))
        np.testing.assert_allclose(getattr(ours, column)[free], squares[free], rtol=1e-4)
        np.testing.assert_allclose(getattr(ours, f"{column}_z")[free], z[free], atol=1e-3)


@pytest.mark.parametrize("name", ERM)
def test_andersens_test_equals_erms(reference: Path, name: str) -> None:
    theirs = load(reference / "crosscheck" / "eRm_CML.json")["res"][name]["andersen"]
    responses = data(reference, name)
    if "error" in theirs:  # nearly everyone above the median has every item right
        with pytest.raises(InputError, match="split the persons otherwise"):
            andersen_test(responses)
        return
    ours = andersen_test(responses)
    assert (ours.df, ours.p) == (theirs["df"], pytest.approx(theirs["p"], abs=1e-5))
    assert ours.statistic == pytest.approx(theirs["LR"], abs=1e-3)
    assert len(ours.left_out) == len(responses.items) - 1 - ours.df
