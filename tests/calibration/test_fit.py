"""Fit statistics: laws that hold for every model, and honesty about data they cannot judge."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from calibration.fit import (
    Evidence,
    assess,
    ld_x2,
    likelihood_ratio,
    limited_information,
    pv_q1,
    pvq1,
    q3,
    s_x2,
)
from calibration.fit.compare import criteria
from calibration.fit.freedom import freedom
from calibration.fit.persons import cutoffs, person_fit, simulated
from calibration.fit.pvq1 import LEAST_ANSWERS
from calibration.fit.residuals import mean_squares, posterior_mean_squares, sums_at
from calibration.fit.sumscore import score_distribution, without_each
from calibration.fit.sx2 import collapse, score_tables
from calibration.sentences import NotApplicable
from calibration.study import Plan, read_design, study
from cat_engine.design import Design
from cat_engine.errors import InputError
from item_bank.parameters import ParameterSet, Population
from item_bank.responses import MISSING, Responses

ROWS = [
    {"id": "q1", "model": "2pl", "a": 1.2, "b": -0.8},
    {"id": "q2", "model": "3pl", "a": 1.5, "b": 0.2, "c": 0.2},
    {"id": "q3", "model": "grm", "a": 1.4, "b": [-1.0, 0.1, 1.2]},
    {"id": "q4", "model": "gpcm", "a": 0.8, "b": [-0.5, 0.6]},
    {"id": "q5", "model": "nrm", "alpha": [-0.8, 0.1, 0.7], "delta": [-0.2, 0.3, -0.1]},
    {"id": "q6", "model": "pcm", "a": 1.0, "b": [-0.3, 0.9]},
]
EIGHT = [*ROWS, {**ROWS[0], "id": "q7", "b": 0.5}, {**ROWS[2], "id": "q8", "a": 0.9}]


def draw(rows: list[dict], n: int, seed: int = 1, mean: float = 0.0, sd: float = 1.0) -> Responses:
    """Simulate responses from parameter rows."""
    from cat_engine.grid import Grid, tabulate
    from cat_engine.pool import ItemPool

    random = np.random.default_rng(seed)
    pool = ItemPool.from_rows(rows)
    grid = Grid.uniform(-8.0, 8.0, 1601)
    place = np.rint((random.normal(mean, sd, n) + 8.0) * 100).astype(int)
    cumulated = np.exp(tabulate(pool, grid).logp).cumsum(axis=1)[:, :, place]
    matrix = (random.random((len(rows), 1, n)) > cumulated).sum(axis=1)
    matrix = np.minimum(matrix, pool.n_cat[:, None] - 1).T.astype(np.int8)
    return Responses([r["id"] for r in rows], pool.n_cat, matrix=matrix)


def flat(evidence: Evidence) -> np.ndarray:
    return evidence.parts[0].probability


def test_the_distribution_of_the_total_agrees_with_enumeration() -> None:
    evidence = Evidence(draw(ROWS, 10), ParameterSet(ROWS))
    probability, n_cat = flat(evidence), evidence.pool.n_cat
    total = np.zeros((int((n_cat - 1).sum()) + 1, probability.shape[2]))
    for pattern in itertools.product(*(range(k) for k in n_cat)):
        total[sum(pattern)] += np.prod([probability[i, k] for i, k in enumerate(pattern)], axis=0)
    np.testing.assert_allclose(score_distribution(probability, n_cat), total, atol=1e-14)
    for i, others in without_each(probability, n_cat):
        keep = [j for j in range(len(n_cat)) if j != i]
        np.testing.assert_allclose(others, score_distribution(probability[keep], n_cat[keep]), atol=1e-14)


def test_expected_counts_by_score_add_up() -> None:
    evidence = Evidence(draw(ROWS, 500), ParameterSet(ROWS))
    for observed, expected in zip(*score_tables(evidence.parts[0]), strict=True):
        np.testing.assert_allclose(observed.sum(axis=1), expected.sum(axis=1), atol=1e-9)


def test_collapsing_loses_no_person_and_leaves_no_rare_cell() -> None:
    evidence = Evidence(draw(EIGHT, 300), ParameterSet(EIGHT))
    for observed, expected in zip(*score_tables(evidence.parts[0]), strict=True):
        o, e = collapse(observed, expected)
        assert o.sum() == observed.sum()
        np.testing.assert_allclose(e.sum(), expected.sum())
        assert ((e == 0) | (e >= 1.0)).all()


def test_data_from_the_model_fit() -> None:
    evidence = Evidence(draw(EIGHT, 3000), ParameterSet(EIGHT), estimated=False)
    assert (s_x2(evidence).p > 0.001).all()
    assert (pv_q1(evidence).p > 0.001).all()
    assert limited_information(evidence, "c2").p > 0.001
    assert limited_information(evidence, "m2").rmsea < 0.02
    weighted = posterior_mean_squares(evidence)
    assert np.abs(weighted.infit - 1.0).max() < 0.05
    star = person_fit(evidence).lz_star
    assert abs(star.mean()) < 0.3 and 0.7 < star.std() < 1.2


def test_p_values_of_pv_q1_spread_evenly_when_the_model_holds() -> None:
    found = [
        pv_q1(Evidence(draw(EIGHT, 600, seed), ParameterSet(EIGHT), estimated=False)).p
        for seed in range(100, 112)
    ]
    p = np.concatenate(found)
    assert 0.2 < p.std() < 0.36  # 0.29 for even ones; bunched where the averaging over draws is ignored
    assert 0.35 < p.mean() < 0.65


def test_pv_q1_is_what_draws_tend_to() -> None:
    """The statistic is the average over plausible values: here drawn, with the bins it uses."""
    evidence = Evidence(draw(EIGHT, 400), ParameterSet(EIGHT), estimated=False)
    part, item, random = evidence.parts[0], 1, np.random.default_rng(5)
    member = pvq1._membership(part.posterior.sum(axis=0), pvq1.BINS)
    square, expected = np.zeros(pvq1.BINS), np.zeros(pvq1.BINS)
    for _ in range(2000):
        node = (part.posterior.cumsum(axis=1) < random.random((400, 1))).sum(axis=1)
        place = (member[node].cumsum(axis=1) < random.random((400, 1))).sum(axis=1)
        right = part.probability[item, 1, node]
        square += np.bincount(place, part.matrix[:, item] - right, minlength=pvq1.BINS) ** 2 / 2000
        expected += np.bincount(place, right, minlength=pvq1.BINS) / 2000
    drawn = (square / expected + square / (400 / pvq1.BINS - expected)).sum()
    assert pv_q1(evidence).statistic[item] == pytest.approx(drawn, rel=0.02)


def test_parameters_use_up_less_where_theta_is_little_known() -> None:
    """Degrees of freedom of the same items estimated from long and from short tests."""
    long = [{**EIGHT[0], "id": f"x{k}", "b": -1.0 + 0.1 * k} for k in range(20)]
    whole = pv_q1(Evidence(draw(long, 800), ParameterSet(long)))
    short = pv_q1(Evidence(draw(long[:4], 800), ParameterSet(long[:4])))
    known = pv_q1(Evidence(draw(long, 800), ParameterSet(long), estimated=False))
    assert known.df[:4].mean() - 2.0 < whole.df[:4].mean() < short.df[:4].mean() < known.df[:4].mean()


def test_an_item_that_does_not_follow_its_curve_is_found_by_every_statistic() -> None:
    responses = draw(EIGHT, 3000)
    wrong = [{**row} for row in EIGHT]
    wrong[0] = {**wrong[0], "a": 0.3}
    evidence = Evidence(responses, ParameterSet(wrong), estimated=False)
    assert s_x2(evidence).p[0] < 1e-6
    assert pv_q1(evidence).p[0] < 1e-6
    assert limited_information(evidence, "c2").p < 1e-6
    assert posterior_mean_squares(evidence).infit_z[0] < -3


def test_two_items_that_say_the_same_are_found() -> None:
    responses = draw(EIGHT, 1500)
    matrix = responses.dense().copy()
    matrix[:, 6] = np.where(np.random.default_rng(3).random(1500) < 0.5, matrix[:, 0], matrix[:, 6])
    evidence = Evidence(Responses(responses.items, responses.n_cat, matrix=matrix), ParameterSet(EIGHT))
    residual, local = q3(evidence), ld_x2(evidence)
    pair = np.unravel_index(np.nanargmax(np.where(np.eye(8) == 1, np.nan, residual)), (8, 8))
    assert set(pair) == {0, 6}
    assert local.p[0, 6] < 1e-6 and local.v[0, 6] > 0.1
    assert local.p[1, 3] > 0.001


BANK = [
    {"id": f"i{k}", "model": "2pl", "a": 0.8 + 0.1 * (k % 9), "b": float(b)}
    for k, b in enumerate(np.linspace(-2.2, 2.2, 45))
]
DESIGN = """schema = "acquis/design/1"
[select]
criterion = "mfi"
[stop]
min = 12
max = 12
"""


def sittings_of(n: int, seed: int, tmp_path: Path) -> tuple[Responses, Design]:
    """Answers to an adaptive test, and its design."""
    (tmp_path / "design.toml").write_text(DESIGN)
    design = read_design(tmp_path / "design.toml")
    done = study(Plan(BANK, design, n, seed), beside=False).part.sittings
    matrix = np.full((n, len(BANK)), MISSING, np.int8)
    matrix[np.arange(n)[:, None], done.items] = done.categories
    return Responses([row["id"] for row in BANK], np.full(len(BANK), 2), matrix=matrix), design


def test_simulated_sittings_give_the_cut_offs_of_an_adaptive_test(tmp_path: Path) -> None:
    """Answers to the items that persons met spread more than answers that chose the items."""
    responses, design = sittings_of(4000, 7, tmp_path)
    parameters = ParameterSet(BANK)
    met, whole = assess(responses, parameters), assess(responses, parameters, design=design)
    assert (met.cutoffs_from, whole.cutoffs_from) == ("items", "sittings")
    below = {fit.cutoffs_from: np.mean(fit.persons["lz_star"] < fit.cutoffs[0.05]) for fit in (met, whole)}
    assert abs(below["sittings"] - 0.05) < 0.015
    assert below["items"] < 0.03
    content = whole.to_dict()
    assert content["person_cutoffs_from"] == "sittings"
    assert content["person_cutoffs"]["lz_star_0.05"] > met.to_dict()["person_cutoffs"]["lz_star_0.05"]


def test_random_answers_are_unlikely_and_guessing_stands_out() -> None:
    rows = [
        {"id": f"i{k}", "model": "2pl", "a": 1.6, "b": float(b)} for k, b in enumerate(np.linspace(-2, 2, 40))
    ]
    responses = draw(rows, 500)
    matrix = responses.dense().copy()
    matrix[:20] = np.random.default_rng(0).integers(0, 2, (20, 40))
    evidence = Evidence(Responses(responses.items, responses.n_cat, matrix=matrix), ParameterSet(rows))
    below = cutoffs(simulated(evidence))[0.05]
    star = person_fit(evidence).lz_star
    assert (star[:20] < below).mean() > 0.8
    assert (star[20:] < below).mean() < 0.12


def test_groups_are_judged_in_their_own_population() -> None:
    one, two = draw(EIGHT, 1500, 7), draw(EIGHT, 1500, 8, mean=1.0, sd=0.8)
    both = Responses(one.items, one.n_cat, matrix=np.vstack([one.dense(), two.dense()]))
    groups = ["a"] * 1500 + ["b"] * 1500
    populations = (Population("a"), Population("b", (1.0,), ((0.64,),)))
    evidence = Evidence(both, ParameterSet(EIGHT, populations), groups, estimated=False)
    assert (s_x2(evidence).p > 0.001).all()
    assert limited_information(evidence, "c2").p > 0.001
    pooled = Evidence(both, ParameterSet(EIGHT), estimated=False)
    assert limited_information(pooled, "c2").p < 1e-6
    expected = sum(
        Evidence(part, ParameterSet(EIGHT, (p,))).loglik
        for part, p in zip((one, two), populations, strict=True)
    )
    assert evidence.loglik == pytest.approx(expected)


def test_a_distribution_that_is_not_normal_is_taken_as_it_was_estimated() -> None:
    nodes = np.linspace(-6.0, 6.0, 61)
    weights = np.exp(-0.5 * nodes**2) * (1.0 + np.tanh(3.0 * nodes))
    weights /= weights.sum()
    shape = {"group": "all", "nodes": nodes.tolist(), "weights": weights.tolist()}
    responses = draw(EIGHT, 50)
    skewed = Evidence(responses, ParameterSet(EIGHT, fit={"latent": [shape]}))
    np.testing.assert_allclose(skewed.parts[0].grid.weights, weights)
    assert skewed.loglik != pytest.approx(Evidence(responses, ParameterSet(EIGHT)).loglik, abs=0.1)


def test_items_held_at_given_values_cost_no_degree_of_freedom() -> None:
    responses = draw(EIGHT, 300)
    held = [{**row, "status": "fixed"} for row in EIGHT[:3]] + EIGHT[3:]
    some, none = (freedom(Evidence(responses, ParameterSet(rows))) for rows in (held, EIGHT))
    assert some.by_item[:3].tolist() == [0, 0, 0] and none.by_item[:3].tolist() == [2, 3, 4]
    assert (some.mean, none.mean) == ((True,), (False,))


@pytest.fixture(scope="module")
def adaptive() -> Responses:
    """Twelve of forty items each, the easier the less able: what an adaptive test leaves."""
    rows = bank()
    responses = draw(rows, 3000, 5)
    matrix = responses.dense().copy()
    ability = matrix[:, ::4].mean(axis=1)
    for person, level in enumerate(np.argsort(np.argsort(ability)) / 3000):
        first = round(level * 24)
        matrix[person, :first] = MISSING
        matrix[person, first + 16 :] = MISSING
    return Responses(responses.items, responses.n_cat, matrix=matrix)


def bank() -> list[dict]:
    return [
        {"id": f"i{k}", "model": "2pl", "a": 1.3, "b": float(b)}
        for k, b in enumerate(np.linspace(-2.5, 2.5, 40))
    ]


def test_what_needs_a_total_score_says_so_instead_of_a_number(adaptive: Responses) -> None:
    fit = assess(adaptive, ParameterSet(bank()), estimated=False)
    for name in ("s_x2", "ld_x2", "m2"):
        assert "0% of the persons" in fit.not_applicable[name]
    assert "s_x2" not in fit.items and "ld_x2" not in fit.pairs and "m2" not in fit.model
    judged = np.isfinite(fit.items["pv_q1"])
    assert (judged == (fit.items["n"] >= LEAST_ANSWERS)).all()
    assert np.isfinite(fit.items["infit"]).all()
    assert np.isnan(fit.pairs["q3"][0, 39])  # nobody met both


def test_a_few_gaps_leave_the_total_score_usable() -> None:
    matrix = draw(EIGHT, 1000).dense().copy()
    matrix[:30, 0] = MISSING
    responses = Responses(
        [r["id"] for r in EIGHT], Evidence(draw(EIGHT, 5), ParameterSet(EIGHT)).pool.n_cat, matrix=matrix
    )
    fit = assess(responses, ParameterSet(EIGHT))
    assert fit.n_complete == 970
    assert fit.model["c2"]["n"] == 970
    assert np.isfinite(fit.items["s_x2"]).all()


def test_mean_squares_agree_between_sparse_and_dense() -> None:
    responses = draw(EIGHT, 400)
    indptr, item, category = responses.indptr, responses.item, responses.category
    sparse = Responses(responses.items, responses.n_cat, sparse=(indptr, item, category))
    first, second = (Evidence(r, ParameterSet(EIGHT)) for r in (responses, sparse))
    np.testing.assert_allclose(posterior_mean_squares(first).outfit, posterior_mean_squares(second).outfit)
    np.testing.assert_array_equal(
        mean_squares(sums_at(first, first.theta()).by_item).infit,
        mean_squares(sums_at(second, second.theta()).by_item).infit,
    )


def test_too_few_degrees_of_freedom_are_said() -> None:
    rows = ROWS[:3]
    with pytest.raises(NotApplicable, match="too few degrees of freedom"):
        limited_information(Evidence(draw(rows, 200), ParameterSet(rows)), "m2*")
    with pytest.raises(NotApplicable, match="no pairs"):
        limited_information(Evidence(draw(rows[:1], 200), ParameterSet(rows[:1])), "m2")


def test_a_category_that_nobody_chose_does_not_stop_the_rest() -> None:
    responses = draw(EIGHT, 200)
    matrix = np.minimum(responses.dense(), np.array([1, 1, 2, 2, 2, 2, 1, 3], np.int8))
    fit = assess(Responses(responses.items, responses.n_cat, matrix=matrix), ParameterSet(EIGHT))
    assert np.isfinite(fit.items["infit"]).all()
    assert "m2" in fit.model or "m2" in fit.not_applicable


def test_a_person_without_an_answer_is_carried_along() -> None:
    matrix = draw(EIGHT, 200).dense().copy()
    matrix[7] = MISSING
    fit = assess(
        Responses([r["id"] for r in EIGHT], draw(EIGHT, 5).n_cat, matrix=matrix), ParameterSet(EIGHT)
    )
    assert fit.persons["theta"][7] == pytest.approx(0.0, abs=1e-12)
    assert np.isnan(fit.persons["lz_star"][7]) and fit.persons["flag"][7] == ""


def test_nested_models_are_compared_in_the_right_order() -> None:
    small, large = criteria(-1000.0, 10, 500), criteria(-990.0, 15, 500)
    test = likelihood_ratio(small, large)
    assert (test.statistic, test.df) == (20.0, 5)
    assert test.p == pytest.approx(0.00125, abs=1e-5)
    with pytest.raises(InputError, match="exchange them"):
        likelihood_ratio(large, small)


def test_what_does_not_go_together_is_refused() -> None:
    responses = draw(EIGHT, 20)
    with pytest.raises(InputError, match="expected an item of the pool"):
        Evidence(responses, ParameterSet(ROWS))
    two = ParameterSet(EIGHT, (Population("a"), Population("b")))
    with pytest.raises(InputError, match="--groups FILE:COLUMN"):
        Evidence(responses, two)
    with pytest.raises(InputError, match="among a, b, got 'c'"):
        Evidence(responses, two, ["a"] * 19 + ["c"])
    with pytest.raises(InputError, match="one dimension"):
        Evidence(responses, ParameterSet(EIGHT, dimensions=("one", "two")))


def test_the_fit_file_is_plain_json(tmp_path: Path, adaptive: Responses) -> None:
    fit = assess(adaptive, ParameterSet(bank()))
    fit.write(tmp_path / "fit.json")
    content = json.loads((tmp_path / "fit.json").read_text(encoding="utf-8"))
    assert content["schema"] == "acquis/fit/1"
    assert len(content["items"]) == 40 and len(content["persons"]) == 3000
    assert content["items"][0]["id"] == "i0"
    assert fit.items_frame().height == 40 and fit.persons_frame().height == 3000
