"""Several groups and fixed items against R mirt 1.45.1 (``dif-multigroup-linking``)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibration import Calibration, calibrate
from item_bank.parameters import ParameterSet
from item_bank.responses import Responses, join_column, read_responses


def load(reference: Path, name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((reference / "dif-multigroup-linking" / name).read_text())
    return content


@pytest.fixture(scope="module")
def aggression(reference: Path) -> tuple[Responses, list[str], dict[str, Any]]:
    responses = read_responses(reference / "data" / "VerbalAggression_dich.csv")
    groups = join_column(reference / "data" / "VerbalAggression_covariates.csv", "gender", responses)
    return responses, groups, load(reference, "multigroup_VerbalAggression_gender.json")


def slopes_and_intercepts(rows: list[dict[str, Any]]) -> np.ndarray:
    return np.array([[row["slope_intercept"]["a"], row["slope_intercept"]["d"]] for row in rows])


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("configural", {"invariance": "none"}),
        ("metric", {"invariance": "slopes", "moments": "equal"}),
        ("scalar", {}),
        ("scalar_nolatent", {"moments": "equal"}),
    ],
)
def test_levels_of_invariance(aggression, name: str, options: dict[str, str]) -> None:
    responses, groups, content = aggression
    expected = content[name]
    found = calibrate(responses, "2pl", groups=groups, **options)
    assert found.loglik == pytest.approx(expected["loglik"], abs=1e-3)
    assert found.parameters.fit["n_parameters"] == expected["nest"]
    assert found.parameters.fit["bic"] == pytest.approx(expected["BIC"], abs=0.01)
    for place, group in enumerate(("female", "male")):
        theirs = expected["coef"][group]
        values = np.array(theirs["items"]["values"])[:, :2]
        assert slopes_and_intercepts(found.by_group[group]) == pytest.approx(values, abs=5e-3)
        population = found.parameters.population[place]
        assert population.mean[0] == pytest.approx(theirs["means"], abs=1e-3)
        assert population.cov[0][0] == pytest.approx(theirs["cov"][0][0], abs=3e-3)
    for row in found.by_group["female"]:
        block = expected["coef_se"]["female"][row["id"]]
        errors = row["slope_intercept"]["se"]
        assert errors["a"] == pytest.approx(block["values"][1][0], rel=0.005)
        assert errors["d"] == pytest.approx(block["values"][1][1], rel=0.005)


def test_the_reference_group_is_the_first_unless_told(aggression) -> None:
    responses, groups, _ = aggression
    first = calibrate(responses, "2pl", groups=groups, errors="none")
    told = calibrate(responses, "2pl", groups=groups, reference="male", errors="none")
    assert [p.group for p in first.parameters.population] == ["female", "male"]
    assert [p.group for p in told.parameters.population] == ["male", "female"]
    assert first.loglik == pytest.approx(told.loglik, abs=1e-5)
    mean, sd = first.parameters.population[1].mean[0], first.parameters.population[1].sd
    assert told.parameters.population[1].mean[0] == pytest.approx(-mean / sd, abs=1e-3)
    assert told.parameters.population[1].sd == pytest.approx(1.0 / sd, abs=1e-3)


def test_one_item_freed_at_a_time(aggression) -> None:
    responses, groups, content = aggression
    base = calibrate(responses, "2pl", groups=groups, errors="none")
    for names, key in ((None, "DIF_LR_drop_a1_d"), (("d",), "DIF_LR_drop_d")):
        for j in (0, 5, 10, 17, 23):
            freed = calibrate(
                responses, "2pl", groups=groups, differ={responses.items[j]: names}, errors="none"
            )
            assert 2.0 * (freed.loglik - base.loglik) == pytest.approx(content[key]["X2"][j], abs=2e-3)
            assert len(freed.estimates) - len(base.estimates) == content[key]["df"][j]


def neat(reference: Path) -> tuple[Responses, list[str]]:
    folder = reference / "dif-multigroup-linking"
    parts = [read_responses(folder / f"linksim_{side}_3000x40.csv.gz") for side in ("to", "from")]
    items = list(dict.fromkeys(parts[0].items + parts[1].items))
    matrix = np.full((sum(part.n_persons for part in parts), len(items)), -1, np.int8)
    row = 0
    for part in parts:
        matrix[row : row + part.n_persons, [items.index(i) for i in part.items]] = part.dense()
        row += part.n_persons
    groups = ["A_to"] * parts[0].n_persons + ["B_from"] * parts[1].n_persons
    return Responses.from_dense(matrix, items), groups


def test_concurrent_calibration_of_two_forms(reference: Path) -> None:
    expected = load(reference, "concurrent_sim3PL.json")["res"]
    responses, groups = neat(reference)
    found = calibrate(responses, "3pl", groups=groups)
    assert found.converged
    assert found.loglik == pytest.approx(expected["loglik"], abs=0.02)
    group = next(name for name in expected["coef"] if name != "A_to")
    theirs = expected["coef"][group]
    assert found.parameters.population[1].mean[0] == pytest.approx(theirs["means"], abs=5e-3)
    assert found.parameters.population[1].cov[0][0] == pytest.approx(theirs["cov"][0][0], abs=1e-2)
    rows = {row["id"]: row for row in found.parameters.items}
    block = expected["coef"]["A_to"]["items"]
    for item, (a, d, c, _) in zip(block["rows"], block["values"], strict=True):
        plain = rows[item]["slope_intercept"]
        for value, error, truth in ((plain["a"], "a", a), (plain["d"], "d", d)):
            assert abs(value - truth) <= max(0.005, 0.02 * plain["se"][error])
        assert rows[item]["c"] == pytest.approx(c, abs=2e-3)


def fixed_of(found: Calibration, common: list[str]) -> ParameterSet:
    rows = [row for row in found.parameters.items if row["id"] in common]
    return ParameterSet(rows, found.parameters.population)


def test_fixed_anchors_free_the_population(reference: Path) -> None:
    expected = load(reference, "fixed_anchor_sim3PL.json")["res"]
    folder = reference / "dif-multigroup-linking"
    to = read_responses(folder / "linksim_to_3000x40.csv.gz")
    new = read_responses(folder / "linksim_from_3000x40.csv.gz")
    anchor = calibrate(to, "3pl")
    common = [item for item in to.items if item in new.items]
    found = calibrate(new, "3pl", fixed=fixed_of(anchor, common))
    assert found.loglik == pytest.approx(expected["loglik"], abs=0.05)
    population = found.parameters.population[0]
    assert population.mean[0] == pytest.approx(expected["mean"], abs=3e-3)
    assert population.cov[0][0] == pytest.approx(expected["cov"][0][0], abs=6e-3)
    assert 0.0 < population.se["mean"] < 0.1
    held = {row["id"]: row for row in anchor.parameters.items}
    block = expected["items"]
    for row, (a, d, c, _) in zip(found.parameters.items, block["values"], strict=True):
        if row["id"] in common:
            assert row["a"] == held[row["id"]]["a"]
            assert row["se"] == {}
        else:
            plain = row["slope_intercept"]
            assert abs(plain["a"] - a) <= max(0.005, 0.05 * plain["se"]["a"])
            assert abs(plain["d"] - d) <= max(0.005, 0.05 * plain["se"]["d"])
            assert row["c"] == pytest.approx(c, abs=3e-3)
