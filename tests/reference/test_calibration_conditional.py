"""Conditional maximum likelihood against R eRm 1.0.2 (easiness, sum 0)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from calibration.conditional import calibrate_conditional
from cat_engine.errors import InputError
from item_bank.responses import read_responses


@pytest.mark.parametrize("name", ["LSAT6", "LSAT7", "SAT12_scored", "VerbalAggression_dich"])
def test_rasch_items_equal_erm(reference: Path, name: str) -> None:
    expected = json.loads((reference / "crosscheck" / "eRm_CML.json").read_text())["res"][name]
    found = calibrate_conditional(read_responses(reference / "data" / f"{name}.csv"))
    assert found.loglik == pytest.approx(expected["cond_loglik"], abs=1e-5)
    assert found.parameters.fit["n_parameters"] == expected["npar"]
    easiness = [row["slope_intercept"]["d"] for row in found.parameters.items]
    assert easiness == pytest.approx(expected["beta_easiness_sum0"], abs=1e-4)
    assert [row["se"]["b"] for row in found.parameters.items] == pytest.approx(expected["se"], rel=2e-3)


def test_partial_credit_items_equal_erm(reference: Path) -> None:
    expected = json.loads((reference / "crosscheck" / "eRm_CML.json").read_text())
    expected = expected["res"]["VerbalAggression_poly"]["PCM"]
    found = calibrate_conditional(read_responses(reference / "data" / "VerbalAggression_poly.csv"), "pcm")
    assert found.loglik == pytest.approx(expected["cond_loglik"], abs=1e-5)
    ours = np.array([[row["slope_intercept"][f"d{k}"] for k in (1, 2)] for row in found.parameters.items])
    ours -= ours.sum() / 72.0 * np.array([1.0, 2.0])  # eRm: all cumulative easinesses sum to 0
    assert found.loglik > expected["cond_loglik"]  # eRm's optimiser stops a little short
    assert ours.ravel() == pytest.approx(np.array(expected["beta"]), abs=5e-4)


def test_rating_scale_items_equal_erm(reference: Path) -> None:
    expected = json.loads((reference / "crosscheck" / "eRm_CML.json").read_text())
    expected = expected["res"]["VerbalAggression_poly"]["RSM"]
    found = calibrate_conditional(read_responses(reference / "data" / "VerbalAggression_poly.csv"), "rsm")
    assert found.loglik == pytest.approx(expected["cond_loglik"], abs=1e-5)
    assert found.parameters.fit["n_parameters"] == expected["npar"]
    ours = np.array([[row["slope_intercept"][f"d{k}"] for k in (1, 2)] for row in found.parameters.items])
    ours -= ours[:, :1].mean() * np.array([1.0, 2.0])  # eRm: the items' easinesses sum to 0
    assert ours.ravel() == pytest.approx(np.array(expected["beta"]), abs=5e-4)
    scale = {tuple(np.round(row["tau"], 9)) for row in found.parameters.items}
    assert len(scale) == 1
    assert all(len(row["se"]["tau"]) == 2 and row["se"]["b"] > 0.0 for row in found.parameters.items)


def test_answers_that_are_missing_group_the_persons(reference: Path) -> None:
    responses = read_responses(reference / "data" / "LSAT7.csv")
    whole = calibrate_conditional(responses)
    matrix = responses.dense().copy()
    matrix[::2, 4] = -1
    part = calibrate_conditional(matrix)
    ratio = np.array([r["se"]["b"] for r in part.parameters.items]) / [
        r["se"]["b"] for r in whole.parameters.items
    ]
    assert ratio[4] > 1.15 and (ratio[:4] < 1.15).all()
    with pytest.raises(InputError, match="rasch, pcm or rsm"):
        calibrate_conditional(matrix, "2pl")
