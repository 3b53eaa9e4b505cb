"""The cross-check with girth, conditional estimation and weights, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from api.command import main
from calibration import calibrate
from calibration.conditional import calibrate_conditional
from calibration.crosscheck import cross_check
from cat_engine.errors import InputError
from item_bank.responses import Responses
from tests.calibration.test_calibrate import lsat7


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    path = tmp_path / "answers.csv"
    path.write_text("\n".join(["A,B,C,D,E", *(",".join(map(str, row)) for row in lsat7().dense())]))
    return path


@pytest.mark.parametrize("model", ["rasch", "1pl", "2pl"])
def test_girth_agrees(model):
    found = cross_check(lsat7(), calibrate(lsat7(), model))
    assert len(found) >= 6
    assert not any(difference.notable for difference in found)


def test_a_wrong_estimate_is_told():
    result = calibrate(lsat7(), "2pl")
    result.parameters.items[2]["b"] += 3.0 * result.parameters.items[2]["se"]["b"]
    worst = cross_check(lsat7(), result)[0]
    assert worst.notable and (worst.item, worst.parameter) == ("Item.3", "b")
    assert worst.errors == pytest.approx(3.0, abs=0.3)


def test_what_girth_has_not_is_refused():
    with pytest.raises(InputError, match="leave --cross-check out"):
        cross_check(lsat7(), calibrate(lsat7(), "3pl"))


def test_the_command_tells_the_second_opinion(answers, tmp_path, capsys):
    out = tmp_path / "params.json"
    assert main(["calibrate", str(answers), "--model", "2pl", "--cross-check", "--out", str(out)]) == 0
    assert "cross-check with girth: 0 of 10 parameters differ" in capsys.readouterr().out
    assert len(json.loads(out.read_text())["cross_check"]) == 10


def test_the_command_estimates_conditionally_and_with_weights(answers, tmp_path):
    out = tmp_path / "params.json"
    words = ["calibrate", str(answers), "--out", str(out)]
    assert main([*words, "--model", "rasch", "--estimator", "conditional"]) == 0
    content = json.loads(out.read_text())
    assert content["estimator"] == "conditional"
    assert sum(row["b"] for row in content["items"]) == pytest.approx(0.0, abs=1e-8)
    assert main([*words, "--model", "2pl", "--estimator", "conditional"]) == 2
    (tmp_path / "weights.csv").write_text("\n".join(["w", *["2.0"] * 1000]))
    spec = f"{tmp_path / 'weights.csv'}:w"
    assert main([*words, "--model", "2pl", "--weights", spec, "--se", "sandwich"]) == 0
    doubled = json.loads(out.read_text())
    assert doubled["loglik"] == pytest.approx(2.0 * -2658.805, abs=1e-3)
    plain = calibrate(lsat7(), "2pl", errors="sandwich").parameters.items[0]["se"]["a"]
    assert doubled["items"][0]["se"]["a"] == pytest.approx(plain, rel=1e-3)  # robust to doubled weights


def test_conditional_estimates_do_not_depend_on_who_came():
    rng = np.random.default_rng(2)
    b = np.linspace(-1.5, 1.5, 10)

    def fit(mean: float) -> np.ndarray:
        from calibration.conditional import calibrate_conditional

        theta = rng.normal(mean, 1.0, 4000)
        x = (rng.random((4000, 10)) < 1.0 / (1.0 + np.exp(-(theta[:, None] - b)))).astype(np.int8)
        return np.array([row["b"] for row in calibrate_conditional(Responses.from_dense(x)).parameters.items])

    assert np.abs(fit(-1.0) - b).max() < 0.2 and np.abs(fit(1.0) - b).max() < 0.2


def test_rating_scales_of_several_lengths_are_estimated_conditionally():
    """Items share tau with those of their number of categories; an item nobody fails is left out."""
    rng = np.random.default_rng(2)
    theta, cuts = rng.normal(0.0, 1.2, (3000, 1, 1)), np.array([-0.6, 0.6])
    location = np.linspace(-1.0, 1.0, 6)[:, None]
    steps = np.exp(np.cumsum(theta - location - cuts, axis=2))
    below = 1.0 / (1.0 + steps.sum(axis=2, keepdims=True))
    x = (rng.random((3000, 6, 1)) > np.cumsum(np.concatenate([below, steps * below], axis=2), axis=2)).sum(2)
    x[:, 4:] = x[:, 4:] > 0  # two items scored right or wrong
    x = np.column_stack([x, np.ones(3000, int)])
    found = calibrate_conditional(x, "rsm")
    *three, fifth, sixth, last = found.parameters.items
    assert last["status"] == "left-out" and last["tau"] is None
    assert fifth["tau"] == sixth["tau"] == [0.0]
    tau = np.array([row["tau"] for row in three])
    assert np.ptp(tau, axis=0) == pytest.approx(0.0, abs=1e-9)
    assert tau[0] == pytest.approx(cuts, abs=4.0 * three[0]["se"]["tau"][0])
    shift = np.mean([row["b"] for row in three]) - location[:4].mean()
    for row, true in zip(three, location[:, 0], strict=False):
        assert row["b"] - shift == pytest.approx(true, abs=4.0 * row["se"]["b"])
