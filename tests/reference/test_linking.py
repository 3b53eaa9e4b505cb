"""Linking against plink 1.5-1 and equateIRT 2.5.1; concurrent and fixed-anchor calibration against mirt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibration import calibrate
from calibration.linking import Anchors, Weighting, coefficients
from item_bank.parameters import ParameterSet
from item_bank.responses import MISSING, Responses, read_responses
from tests.reference.judged import load

CASES = ("linking_KB36_published", "linking_sim3PL")
METHODS = ("mean-mean", "mean-sigma", "haebara", "stocking-lord")
WEIGHTS = {
    # The reference calls its default "-4 to 4 by 0.05"; plink's own default, and what gives its figures to
    # all six digits, is 40 equally spaced nodes.
    "plink_default_theta_m4_4_by_0.05_equal_weights": Weighting("uniform", -4.0, 4.0, 40),
    "plink_symmetric": Weighting("uniform", -4.0, 4.0, 40, symmetric=True),
    "plink_normal_weights": Weighting("normal"),
}


def anchors_of(content: dict[str, Any]) -> Anchors:
    def rows(side: str) -> list[dict[str, Any]]:
        values = content[side]["values"]
        items = [
            {"id": f"c{k}", "model": "3pl", "a": v[0] * content["D"], "b": v[1], "c": v[2]}
            for k, v in enumerate(values)
        ]
        return [items[i - 1] for i in content[f"common_{side}"]]

    return Anchors(rows("from"), rows("to"))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("weights", WEIGHTS)
def test_plink(reference: Path, name: str, weights: str) -> None:
    content = load(reference / "dif-multigroup-linking" / f"{name}.json")
    for method, theirs in zip(METHODS, content[weights]["values"], strict=True):
        ours = coefficients(anchors_of(content), method, WEIGHTS[weights])
        np.testing.assert_allclose(ours, theirs, atol=3e-6, err_msg=method)


@pytest.mark.parametrize("name", CASES)
def test_equateirt(reference: Path, name: str) -> None:
    content = load(reference / "dif-multigroup-linking" / f"{name}.json")
    for method, key, tolerance in (
        ("mean-mean", "mean-mean", 1e-9),
        ("mean-sigma", "mean-sigma", 1e-9),
        ("haebara", "Haebara", 1e-3),  # Gauss-Hermite of 30 nodes on their side
        ("stocking-lord", "Stocking-Lord", 1e-3),
    ):
        theirs = content["equateIRT"][key]
        ours = coefficients(anchors_of(content), method)
        np.testing.assert_allclose(ours, [theirs["A"], theirs["B"]], atol=tolerance, err_msg=method)


@pytest.fixture(scope="module")
def forms(reference: Path) -> tuple[Responses, Responses]:
    folder = reference / "dif-multigroup-linking"
    return (
        read_responses(folder / "linksim_to_3000x40.csv.gz"),
        read_responses(folder / "linksim_from_3000x40.csv.gz"),
    )


def assert_parameters(ours: ParameterSet, theirs: dict[str, Any], tolerance: float) -> None:
    known = {row["id"]: row for row in ours.items}
    for item, (a, d, g, _) in zip(theirs["rows"], theirs["values"], strict=True):
        row = known[item]
        np.testing.assert_allclose([row["a"], -row["a"] * row["b"], row["c"]], [a, d, g], atol=tolerance)


PRIOR = ["logit(c)=normal(-1.4,0.5)"]


def test_concurrent_calibration(reference: Path, forms: tuple[Responses, Responses]) -> None:
    theirs = load(reference / "dif-multigroup-linking" / "concurrent_sim3PL.json")["res"]
    items = theirs["coef"]["A_to"]["items"]["rows"]
    matrix = np.full((6000, 60), MISSING, np.int8)
    for part, form in enumerate(forms):
        columns = [items.index(item) for item in form.items]
        matrix[3000 * part : 3000 * (part + 1), columns] = form.dense()
    together = Responses(items, np.full(60, 2), matrix=matrix)
    found = calibrate(together, "3pl", prior=PRIOR, groups=["A_to"] * 3000 + ["B_from"] * 3000, errors="none")
    assert found.loglik >= theirs["loglik"] - 0.01
    assert_parameters(found.parameters, theirs["coef"]["A_to"]["items"], 0.01)
    group = found.parameters.group("B_from")
    assert group.mean[0] == pytest.approx(theirs["coef"]["B_from"]["means"], abs=2e-3)
    assert group.cov[0][0] == pytest.approx(theirs["coef"]["B_from"]["cov"][0][0], abs=5e-3)


def test_calibration_with_anchors_held(reference: Path, forms: tuple[Responses, Responses]) -> None:
    theirs = load(reference / "dif-multigroup-linking" / "fixed_anchor_sim3PL.json")["res"]
    content = load(reference / "dif-multigroup-linking" / "linking_sim3PL.json")["to"]
    shared = set(forms[0].items) & set(forms[1].items)
    held = ParameterSet(
        [
            {"id": item, "model": "3pl", "a": a, "b": b, "c": c}
            for item, (a, b, c) in zip(content["rows"], content["values"], strict=True)
            if item in shared
        ]
    )
    found = calibrate(forms[1], "3pl", prior=PRIOR, fixed=held, errors="none")
    assert found.loglik == pytest.approx(theirs["loglik"], abs=0.05)
    assert found.parameters.population[0].mean[0] == pytest.approx(theirs["mean"], abs=2e-3)
    assert found.parameters.population[0].cov[0][0] == pytest.approx(theirs["cov"][0][0], abs=5e-3)
    assert_parameters(found.parameters, theirs["items"], 0.01)
