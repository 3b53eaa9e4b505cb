"""DIF: known differences are found, equal items are left alone, and adaptive data are matched on theta."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from api.command import main
from calibration.dif import (
    METHODS,
    adjusted,
    detect,
    ets_class,
    logistic,
    mantel,
    pair_of,
    size_class,
    size_of,
    tables,
)
from calibration.dif.logistic import effect_class, ordinal_fit
from calibration.dif.mantel import ets_class_of_mean_difference
from calibration.dif.matching import Matching
from calibration.fit import Evidence
from cat_engine.errors import InputError
from item_bank.parameters import ParameterSet, Population
from item_bank.responses import MISSING, Responses
from tests.calibration.test_fit import draw


def items(n: int, seed: int = 3) -> list[dict[str, Any]]:
    random = np.random.default_rng(seed)
    return [
        {
            "id": f"i{k}",
            "model": "2pl",
            "a": float(random.uniform(0.9, 1.6)),
            "b": float(random.normal(0, 0.9)),
        }
        for k in range(n)
    ]


def two_groups(
    rows: list[dict[str, Any]],
    changed: dict[str, dict[str, Any]],
    n: int = 1200,
    impact: float = -0.5,
    seed: int = 1,
) -> tuple[Responses, list[str]]:
    """Persons of group `a`, and of group `b` with another mean, for whom some items have other parameters."""
    first = draw(rows, n, seed)
    other = [{**row, **changed.get(row["id"], {})} for row in rows]
    second = draw(other, n, seed + 1000, mean=impact)
    both = Responses(first.items, first.n_cat, matrix=np.vstack([first.dense(), second.dense()]))
    return both, ["a"] * n + ["b"] * n


ROWS = items(15)
HARDER = {"i3": {"b": ROWS[3]["b"] + 0.9}, "i8": {"b": ROWS[8]["b"] - 0.9}}


@pytest.mark.parametrize("method", METHODS)
def test_harder_and_easier_items_are_found_in_spite_of_impact(method: str) -> None:
    responses, groups = two_groups(ROWS, HARDER)
    found = detect(responses, groups, method)
    rows = {row["id"]: row for row in found.rows}
    assert {"i3", "i8"} <= set(found.flagged) and len(found.flagged) <= 3
    assert rows["i3"]["class"] == "C" or method == "logistic"
    assert rows["i3"]["favours"] == "reference" and rows["i8"]["favours"] == "focal"
    assert found.about["purification"]["converged"]


@pytest.mark.parametrize("method", ["logistic", "lr", "wald"])
def test_a_difference_in_slope_is_found(method: str) -> None:
    responses, groups = two_groups(ROWS, {"i5": {"a": 0.25}}, impact=0.0)
    row = detect(responses, groups, method).rows[5]
    assert row["p_adjusted"] < 0.001
    if method == "logistic":
        assert row["nonuniform_p"] < 0.001


def test_a_difference_in_slope_shows_in_the_homogeneity_of_the_odds_ratio() -> None:
    responses, groups = two_groups(ROWS, {"i5": {"a": 0.25, "b": 0.0}}, impact=0.0)
    assert detect(responses, groups, "mh").rows[5]["homogeneity_p"] < 0.001


POLYTOMOUS = [
    {"id": f"p{k}", "model": "grm", "a": 1.4, "b": [-1.0 + k / 5, 0.1 + k / 5, 1.0 + k / 5]} for k in range(8)
]


@pytest.mark.parametrize("method", METHODS)
def test_items_with_several_categories(method: str) -> None:
    changed = {"p2": {"b": [x + 0.7 for x in POLYTOMOUS[2]["b"]]}}
    responses, groups = two_groups(POLYTOMOUS, changed)
    found = detect(responses, groups, method)
    assert found.rows[2]["p_adjusted"] < 1e-6 and found.rows[2]["favours"] == "reference"
    if method != "logistic":  # whose classes ask for a large effect
        assert found.flagged == ["p2"]
    if method == "mh":
        assert found.rows[2]["alpha"] is None and found.rows[2]["difference"] < -0.2


@pytest.fixture(scope="module")
def adaptive() -> tuple[Responses, list[str]]:
    """A true adaptive test: 16 of 40 items, each the most informative at what the answers so far say (among
    the best five by chance). Two items work differently; the groups differ by half a standard deviation."""
    rows = sorted(items(40), key=lambda row: row["b"])
    changed = {rows[k]["id"]: {"b": rows[k]["b"] + shift} for k, shift in ((15, 1.0), (22, -1.0))}
    responses, groups = two_groups(rows, changed, n=3000)
    return given_adaptively(responses, rows, 16), groups


def given_adaptively(responses: Responses, rows: list[dict[str, Any]], length: int) -> Responses:
    """Keep the answers that an adaptive test would have asked for."""
    random = np.random.default_rng(4)
    matrix = responses.dense()
    nodes = np.linspace(-4, 4, 41)
    a, b = (np.array([row[name] for row in rows])[:, None] for name in ("a", "b"))
    p = expit(a * (nodes - b))
    information = a**2 * p * (1 - p)
    like = np.exp(-0.5 * nodes**2) * np.ones((len(matrix), 1))
    asked = np.zeros(matrix.shape, dtype=bool)
    everyone = np.arange(len(matrix))
    for _ in range(length):
        theta = like @ nodes / like.sum(axis=1)
        place = np.rint((theta + 4) / 0.2).astype(int)
        worth = np.where(asked, -1.0, information[:, place].T)
        best = np.argsort(-worth, axis=1)[everyone, random.integers(0, 5, len(matrix))]
        asked[everyone, best] = True
        right = matrix[everyone, best][:, None] == 1
        like *= np.where(right, p[best], 1 - p[best])
    return Responses(
        responses.items, responses.n_cat, matrix=np.where(asked, matrix, MISSING).astype(np.int8)
    )


@pytest.mark.parametrize("method", ["mh", "logistic"])
def test_adaptive_data_are_matched_on_theta(adaptive: tuple[Responses, list[str]], method: str) -> None:
    responses, groups = adaptive
    found = detect(responses, groups, method)
    assert found.about["matching"] == "theta"
    assert found.about["n_persons"] == 6000
    true = {responses.items[15], responses.items[22]}
    assert true <= {
        row["id"] for row in found.rows if row["p_adjusted"] is not None and row["p_adjusted"] < 0.001
    }
    others = [row["p"] for row in found.rows if row["id"] not in true and row["p"] is not None]
    assert np.mean(np.array(others) < 0.05) < 0.2


def test_the_total_score_is_refused_where_nobody_has_one(adaptive: tuple[Responses, list[str]]) -> None:
    with pytest.raises(InputError, match="there is no total score; match on theta"):
        detect(*adaptive, "mh", match="total")


def test_a_few_gaps_leave_the_total_score_to_the_complete() -> None:
    responses, groups = two_groups(ROWS, {})
    matrix = responses.dense().copy()
    matrix[:50, 2] = MISSING
    found = detect(Responses(responses.items, responses.n_cat, matrix=matrix), groups, "mh")
    assert found.about["matching"] == "total" and found.about["n_persons"] == 2350


def test_theta_is_of_the_own_group_and_leaves_out_the_item_and_what_is_no_anchor() -> None:
    responses, groups = two_groups(ROWS, {}, n=200)
    parameters = ParameterSet(ROWS)
    matching = Matching(pair_of(responses, groups), "theta", parameters)
    populations = matching._evidence.parameters.population
    assert populations[1].mean[0] - populations[0].mean[0] == pytest.approx(-0.5, abs=0.25)
    anchors = np.ones(15, dtype=bool)
    for left_out in ([], [4, 9], list(range(1, 9))):
        anchors[left_out] = False
        keep = [j for j in range(1, 15) if anchors[j]]
        own = ParameterSet([ROWS[j] for j in keep], populations)
        direct = Evidence(responses.select(keep), own, groups).theta()
        np.testing.assert_allclose(matching.value(0, anchors), direct, atol=1e-9)


def test_given_anchors_are_trusted_and_not_purified() -> None:
    responses, groups = two_groups(ROWS, HARDER)
    anchors = ["i0", "i1", "i2", "i4", "i6"]
    for method in ("mh", "lr", "wald", "raju"):
        found = detect(responses, groups, method, anchors=anchors)
        assert {"i3", "i8"} <= set(found.flagged)
        assert found.about["purification"]["kind"] == "anchors given"
        if method in ("lr", "wald"):
            assert found.rows[0]["note"] == "an anchor: not tested" and found.rows[0]["p"] is None


def test_an_item_that_one_group_answers_alike_is_said_not_to_be_tested() -> None:
    responses, groups = two_groups(ROWS, {}, n=200)
    matrix = responses.dense().copy()
    matrix[200:, 6] = 1
    same = Responses(responses.items, responses.n_cat, matrix=matrix)
    for method in ("lr", "wald"):
        row = detect(same, groups, method, purify=False).rows[6]
        assert row["p"] is None and "not tested" in row["note"] and not row["flagged"]


def test_separated_data_are_tested_at_the_limit_of_the_likelihood() -> None:
    match, focal = np.repeat(np.arange(10), 20), np.tile([False, True], 100)
    by_group = logistic(match, focal, focal.astype(int))
    assert by_group.p < 1e-20 and by_group.statistic == pytest.approx(2 * 200 * np.log(2), rel=1e-6)
    assert logistic(match, focal, (match >= 5).astype(int)).p == pytest.approx(1.0, abs=1e-3)
    assert np.isnan(logistic(match, focal, np.zeros(200, int)).p)


def test_the_ordinal_regression_is_the_maximum_of_its_likelihood() -> None:
    random = np.random.default_rng(2)
    x = random.normal(size=(4000, 2))
    latent = x @ [1.0, -0.5] + random.logistic(size=4000)
    category = np.digitize(latent, [-1.0, 0.5])
    beta, value, converged = ordinal_fit(x, category, np.ones(4000), 3)
    assert converged
    np.testing.assert_allclose(beta, [1.0, -0.5, 1.0, -0.5], atol=0.12)

    def loglik(b: np.ndarray) -> float:
        above = expit(np.column_stack([b[0] + x @ b[2:], b[1] + x @ b[2:]]))
        p = np.column_stack([1 - above[:, 0], above[:, 0] - above[:, 1], above[:, 1]])
        return float(np.log(p[np.arange(4000), category]).sum())

    assert loglik(beta) == pytest.approx(value)
    for k in range(4):
        for step in (-1e-3, 1e-3):
            assert loglik(beta + step * np.eye(4)[k]) < value


def test_ets_classes() -> None:
    assert ets_class(-2.0, 0.3, 1e-4) == "C"
    assert ets_class(-1.6, 0.5, 1e-3) == "B"  # large, but not surely more than 1
    assert ets_class(1.2, 0.2, 1e-4) == "B"
    assert ets_class(0.9, 0.1, 1e-6) == "A"
    assert ets_class(-2.0, 1.5, 0.2) == "A"
    assert ets_class(float("nan"), 1.0, 0.01) == ""
    assert [ets_class_of_mean_difference(d, 1.0, 0.01) for d in (0.1, -0.2, 0.3)] == ["A", "B", "C"]
    assert [effect_class(e, 0.01) for e in (0.01, 0.05, 0.08)] == ["A", "B", "C"]
    assert [size_class(s, 0.01) for s in (0.01, 0.07, 0.2)] == ["A", "B", "C"]


def test_the_size_of_a_difference_is_its_mean_over_the_focal_group() -> None:
    easy, hard = ({"id": "x", "model": "2pl", "a": 1.0, "b": b} for b in (0.0, 1.0))
    size = size_of(easy, hard, Population("f", (0.5,), ((0.01,),)))
    assert size.signed == pytest.approx(expit(-0.5) - expit(0.5), abs=0.002)
    assert size.unsigned == pytest.approx(-size.signed) == pytest.approx(size.share)


def test_false_discoveries_are_adjusted_as_benjamini_and_hochberg_say() -> None:
    p = np.array([0.01, 0.04, np.nan, 0.03, 0.5])
    np.testing.assert_allclose(adjusted(p), [0.04, 0.16 / 3, np.nan, 0.16 / 3, 0.5])


def test_identical_groups_give_an_odds_ratio_of_one() -> None:
    responses, _ = two_groups(ROWS, {}, n=300)
    matrix = np.vstack([responses.dense(), responses.dense()])
    focal = np.arange(1200) >= 600
    found = mantel(tables(matrix.sum(axis=1), focal, matrix[:, 0], 2), correction=False)
    assert found.alpha == pytest.approx(1.0) and found.statistic == pytest.approx(0.0, abs=1e-20)


def test_groups_that_do_not_work_are_refused() -> None:
    responses, groups = two_groups(ROWS, {}, n=100)
    three = ["a"] * 100 + ["b"] * 60 + ["c"] * 40
    with pytest.raises(InputError, match="add --focal GROUP"):
        detect(responses, three, "mh")
    assert pair_of(responses, three, focal="c").reference_name == "a"
    assert len(pair_of(responses, three, focal="c").rows) == 140
    with pytest.raises(InputError, match="among a, b, got 'z'"):
        detect(responses, groups, "mh", reference="z")
    with pytest.raises(InputError, match="two groups, got"):
        detect(responses, ["a"] * 200, "mh")
    with pytest.raises(InputError, match="at least 25 persons in each group, got 10 in 'b'"):
        detect(responses, ["a"] * 190 + ["b"] * 10, "mh")
    with pytest.raises(InputError, match="did you mean 'wald'"):
        detect(responses, groups, "walt")
    with pytest.raises(InputError, match="anchors among the items"):
        detect(responses, groups, "mh", anchors=["zz"])


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    responses, groups = two_groups(ROWS, HARDER, n=500)
    with (tmp_path / "r.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([responses.items, *responses.dense().tolist()])
    (tmp_path / "g.csv").write_text("who\n" + "\n".join(groups) + "\n", encoding="utf-8")
    out = tmp_path / "dif.json"
    words = ["dif", str(tmp_path / "r.csv"), "--groups", f"{tmp_path / 'g.csv'}:who", "--out", str(out)]
    assert main([*words, "--method", "mh"]) == 0
    assert "i3: class C" in capsys.readouterr().out
    content = json.loads(out.read_text(encoding="utf-8"))
    assert content["schema"] == "acquis/dif/1" and {"i3", "i8"} <= set(content["flagged"])
    assert main([*words, "--method", "logistic", "--reference", "b", "--no-purify", "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["reference"] == "b" and again["purification"]["kind"] == "none"
    row = next(r for r in again["items"] if r["id"] == "i3")
    assert row["favours"] == "focal" and row["p"] == row["unpurified_p"]
    assert main([*words, "--method", "lr", "--model", "rasch", "--model", "2pl"]) == 2
    assert "ITEM=MODEL" in capsys.readouterr().err


def test_areas_want_anchors_of_different_difficulty() -> None:
    rows = [{"id": f"i{k}", "model": "rasch", "a": 1.0, "b": 0.3 * k} for k in range(4)]
    with pytest.raises(
        InputError, match=r"different difficulty for raju.*got i0; name other anchors, or use lr"
    ):
        detect(draw(rows, 400), ["a", "b"] * 200, "raju", anchors=["i0"])


def test_areas_are_on_weak_ground_where_many_items_were_not_met() -> None:
    rows = [{"id": f"i{k}", "model": "2pl", "a": 1.0, "b": 0.4 * k - 0.8} for k in range(5)]
    whole = draw(rows, 800)
    part = whole.dense().copy()
    part[np.random.default_rng(1).random(part.shape) < 0.3] = -1
    groups = ["a", "b"] * 400
    assert "caution" not in detect(whole, groups, "raju").about
    assert (
        "lr and wald keep their level" in detect(Responses.from_dense(part), groups, "raju").about["caution"]
    )
    assert "caution" not in detect(Responses.from_dense(part), groups, "wald").about


def test_areas_want_scores_that_rise_with_theta() -> None:
    rows = [
        {"id": f"n{k}", "model": "nrm", "alpha": [-0.9, 0.1, 0.8], "delta": [0.1 * k, 0.2, -0.2 - 0.1 * k]}
        for k in range(4)
    ]
    with pytest.raises(InputError, match="nominal categories; use lr or wald"):
        detect(draw(rows, 400), ["a", "b"] * 200, "raju", model="nrm")
