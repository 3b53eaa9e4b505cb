"""A category that one group never uses: the graded model gives it no room there, and the rest converges."""

from __future__ import annotations

import numpy as np
import pytest

from calibration import calibrate
from calibration.dif import detect
from item_bank.responses import Responses


def graded(persons: int, seed: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    theta, slopes = rng.normal(size=(persons, 1, 1)), rng.uniform(0.8, 2.0, (6, 1))
    cuts = np.linspace(-1.5, 1.5, 4) + rng.normal(0.0, 0.4, (6, 1))
    return (slopes * (theta - cuts) + rng.logistic(size=(persons, 6, 1)) > 0).sum(axis=2)


def spoilt() -> tuple[np.ndarray, list[str]]:
    """Group b never uses categories 1 and 2 of the first item, nor 3 of the second."""
    x = graded(600)
    x[300:, 0] = np.where(np.isin(x[300:, 0], (1, 2)), 3, x[300:, 0])
    x[300:, 1] = np.where(x[300:, 1] == 3, 2, x[300:, 1])
    return x, ["a"] * 300 + ["b"] * 300


def test_groups_apart_are_what_each_is_alone() -> None:
    x, groups = spoilt()
    both = calibrate(x, "grm", groups=groups, invariance="none", moments="equal")
    alone = [calibrate(Responses.from_dense(part, recode="rank"), "grm") for part in (x[:300], x[300:])]
    assert both.converged and not any("not-converged" in f for flags in both.flagged.values() for f in flags)
    assert both.loglik == pytest.approx(sum(part.loglik for part in alone), abs=1e-6)
    own = both.by_group["b"][0]
    assert own["b"][0] == own["b"][1] == own["b"][2]
    assert own["a"] == pytest.approx(alone[1].parameters.items[0]["a"], abs=1e-4)
    assert own["b"][2:] == pytest.approx(alone[1].parameters.items[0]["b"], abs=1e-3)
    assert own["se"]["b"][2:] == pytest.approx(alone[1].parameters.items[0]["se"]["b"], rel=1e-2)
    said = [flag for flag in both.flagged["I1"] if flag.startswith("empty-category")]
    assert [flag.split(";")[0] for flag in said] == [
        f"empty-category: no response in category {k} in group 'b'" for k in (1, 2)
    ]


def test_one_item_may_differ_between_groups() -> None:
    x, groups = spoilt()
    found = calibrate(x, "grm", groups=groups, differ={"I1": None})
    assert found.converged and any("category 2" in flag for flag in found.flagged["I1"])
    assert not any("empty-category" in flag for flag in found.flagged.get("I2", []))


def test_persons_without_weight_use_no_category() -> None:
    x, groups = spoilt()
    weights = np.array([float(group == "b") for group in groups])
    found = calibrate(x, "grm", weights=weights)
    alone = calibrate(Responses.from_dense(x[300:], recode="rank"), "grm")
    assert found.converged and found.loglik == pytest.approx(alone.loglik, abs=1e-6)
    assert (
        "empty-category: no response in category 3; the thresholds beside it are one" in found.flagged["I2"]
    )


def test_every_threshold_counts_in_differential_functioning() -> None:
    x, groups = spoilt()
    row = next(
        r
        for r in detect(Responses.from_dense(x), groups, "wald", model="grm").to_dict()["items"]
        if r["id"] == "I1"
    )
    assert row["df"] == 5 and row["p"] < 1e-6
