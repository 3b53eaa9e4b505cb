"""Simulation studies: what they report is what the sittings say, whatever ran them."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibration.study import plan as planning
from calibration.study import plots, study, summarise, write_study
from calibration.study.plan import Part, Plan
from calibration.study.report import render
from calibration.study.summary import item_table
from calibration.study.verdict import judge
from calibration.study.words import StudyWords
from cat_engine.design import Design
from cat_engine.errors import InputError
from cat_engine.session import Stop, answered, conclude, next_item, served, start

N_ITEMS = 60


def rows() -> list[dict[str, Any]]:
    rng = np.random.default_rng(5)
    return [
        {"id": f"q{i}", "model": "2pl", "a": float(rng.lognormal(0.2, 0.3)), "b": float(rng.normal())}
        for i in range(N_ITEMS)
    ]


def design(**sections: Any) -> Design:
    return Design.from_mapping(
        {"schema": "acquis/design/1", "stop": {"min": 5, "max": 12, "se": 0.4}, **sections}
    )


CUTS = {"values": [-0.5, 0.7], "confidence": 0.9}
DOMAINS = {"domain": tuple(f"D{i % 3}" for i in range(N_ITEMS))}
BLUEPRINT = [{"attribute": "domain", "value": f"D{d}", "min": 1, "max": 5} for d in range(3)]


def a_plan(n: int = 300, **sections: Any) -> Plan:
    return Plan(rows(), design(**sections), n, 7, 0.3, 1.2, DOMAINS)


def same(a: Part, b: Part) -> bool:
    return (
        a.sittings.items.tobytes() == b.sittings.items.tobytes()
        and a.sittings.categories.tobytes() == b.sittings.categories.tobytes()
        and a.theta.tobytes() == b.theta.tobytes()
        and a.se.tobytes() == b.se.tobytes()
    )


def test_the_summary_says_what_the_sittings_say() -> None:
    done = study(a_plan(cuts=CUTS, constraint=BLUEPRINT))
    summary, part = summarise(done), done.part
    error = part.theta - part.against
    assert summary["bias"] == pytest.approx(np.mean(error))
    assert summary["rmse"] == pytest.approx(np.sqrt(np.mean(error**2)))
    assert 0.8 < summary["correlation"] < 1.0
    assert sum(summary["length"]["counts"].values()) == 300
    assert summary["constraints_violated"] == 0
    table = item_table(done)
    assert sum(table["served"]) == part.sittings.length.sum()
    assert max(table["exposure"]) == summary["max_exposure"]
    tests = [set(row[row >= 0]) for row in part.sittings.items]
    shared = np.mean([len(a & b) for i, a in enumerate(tests) for b in tests[:i]])
    assert summary["overlap_rate"] == pytest.approx(shared / summary["mean_length"])
    classified = summary["classification"]
    true = np.digitize(part.against, CUTS["values"])
    assert classified["accuracy"] == np.mean(part.level == true)
    assert 0.6 < classified["consistency"] < 1.0
    assert classified["accuracy_decided"] > classified["accuracy"]


@pytest.mark.parametrize("classify", ["none", "posterior", "sprt", "glr", "interval"])
def test_every_sitting_is_scored_as_the_live_service_scores_it(classify: str) -> None:
    sections = {"stop": {"min": 3, "max": 10, "classify": classify}, "cuts": CUTS}
    done = study(a_plan(25, **sections), beside=False)
    test, part = done.plan.test, done.part
    for p in range(25):
        state = start(test, b"any")
        for item, category in zip(part.sittings.items[p], part.sittings.categories[p], strict=True):
            if item >= 0:
                step = next_item(test, state)
                assert not isinstance(step, Stop) and step.item == item
                state = answered(test, served(test, state, int(item)), int(item), int(category))
        result = conclude(test, state)
        assert (result.theta, result.se) == (part.theta[p], part.se[p])
        assert result.level == part.level[p]
        assert (-1 if result.decision is None else result.decision) == part.decision[p]
        assert result.levels == pytest.approx(part.levels[p], abs=1e-12)


@pytest.mark.parametrize("exposure", [{}, {"method": "eligibility", "rate": 0.4}])
def test_persons_sit_the_same_whatever_the_number_of_persons_and_threads(
    exposure: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "CHUNK", 100)
    plan = a_plan(250, exposure=exposure)
    whole = study(plan, beside=False)
    assert whole.plan.chunks == 3
    monkeypatch.setattr("numba.get_num_threads", lambda: 1)
    assert same(whole.part, study(plan, beside=False).part)
    fewer = study(replace(plan, n=150), beside=False)
    assert fewer.part.theta.tobytes() == whole.part.theta[:150].tobytes()
    assert not same(whole.part, study(replace(plan, seed=8), beside=False).part)


def test_given_answers_are_replayed_and_absent_ones_never_served() -> None:
    rng = np.random.default_rng(1)
    given = rng.integers(0, 2, (40, N_ITEMS)).astype(np.int8)
    given[:, ::4] = -1
    done = study(replace(a_plan(40), responses=given))
    items = done.part.sittings.items
    held = items >= 0
    person = np.nonzero(held)[0]
    assert (done.part.sittings.categories[held] == given[person, items[held]]).all()
    assert (items[held] % 4 != 0).all()
    assert summarise(done)["against"] == "estimate from all given responses"


def test_comfort_has_a_price_in_items_and_in_standard_error() -> None:
    done = study(a_plan(400, select={"comfort": 0.75}, stop={"min": 12, "max": 12}))
    price = summarise(done)["price"]
    assert [other["rule"] for other in price["without"]] == ["comfort"]
    plain = price["without"][0]
    assert price["points"] > 0.7 > 0.6 > plain["points"]
    assert price["se"] == pytest.approx(done.part.se.mean())
    assert price["se"] > plain["se"] and price["rmse"] > plain["rmse"]
    cheaper = study(a_plan(400, stop={"min": 12, "max": 12})).part.se.mean()
    assert plain["se"] == pytest.approx(cheaper)
    assert 1.0 < plain["items"] < 11.0
    shorter = study(
        a_plan(400, stop={"min": 12, "max": 12 - int(plain["items"])} | {"min": 2})
    ).part.se.mean()
    assert shorter <= price["se"] < study(a_plan(400, stop={"max": 11 - int(plain["items"])})).part.se.mean()


def test_a_design_without_rules_has_no_price_and_each_rule_has_its_own() -> None:
    assert study(a_plan(50)).price is None
    exposure = {"method": "eligibility", "rate": 0.4}
    priced = study(a_plan(50, constraint=BLUEPRINT, exposure=exposure)).price
    assert priced is not None
    assert [other["rule"] for other in priced["without"]] == ["blueprint", "exposure", "all"]


def test_restricted_pools_are_predicted_simulated_and_warned_about() -> None:
    suits = tuple("reader big" if i < 35 else "big" if i < 45 else "" for i in range(N_ITEMS))
    plan = a_plan(600, accommodation={"needs": ["big", "reader"], "max": 20}, stop={"min": 12, "max": 12})
    done = study(replace(plan, attributes={"accommodation": suits}))
    summary = summarise(done)
    big, reader = summary["accommodation"]
    assert (big["items"], reader["items"]) == (45, 35)
    for pool in (big, reader):
        assert pool["simulated"]["length"] == pool["predicted"]["length"] == 20.0
        assert pool["predicted"]["se"] == pytest.approx(pool["simulated"]["se"], rel=0.05)
    assert 12 <= big["as_precise"] <= reader["as_precise"] <= 20
    weight = {s: w for w, s in judge(summary, StudyWords("en")) if "reader" in s}
    assert list(weight.values()) == ["keep"]
    poor = dict(reader, simulated={"length": 20.0, "se": 2.0 * summary["mean_se"]})
    for enough, wanted in ((33, "watch"), (None, "drop")):
        said = judge(summary | {"accommodation": [poor | {"as_precise": enough}]}, StudyWords("en"))
        assert [w for w, s in said if "reader" in s] == [wanted]


def test_cut_offs_of_person_fit_come_from_the_designs_own_sittings() -> None:
    done = study(a_plan(1000, stop={"min": 12, "max": 12}), beside=False)
    fit = summarise(done)["person_fit"]
    assert fit["n"] == 1000
    assert fit["cutoffs"]["0.01"] < fit["cutoffs"]["0.05"] < 0.0
    rng = np.random.default_rng(1)
    sittings = done.part.sittings
    noise = replace(
        sittings, categories=np.where(sittings.items >= 0, rng.integers(0, 2, sittings.items.shape), -1)
    )
    random = summarise(replace(done, part=replace(done.part, sittings=noise)))["person_fit"]
    assert random["mean"] < fit["mean"] - 0.3


def test_a_broken_rule_is_counted() -> None:
    plan = a_plan(30, constraint=BLUEPRINT)
    done = study(plan)
    items = done.part.sittings.items.copy()
    items[0, : (items[0] >= 0).sum()] = np.arange(0, 3 * (items[0] >= 0).sum(), 3)  # one domain alone
    broken = replace(done, part=replace(done.part, sittings=replace(done.part.sittings, items=items)))
    assert summarise(done)["constraints_violated"] == 0
    named = {c["name"]: c["violated"] for c in summarise(broken)["constraints"]}
    assert named["domain = D1"] == named["domain = D2"] == 1


def test_the_verdict_names_what_is_broken_and_what_pinches() -> None:
    tight = [{"attribute": "domain", "value": "D0", "min": 0, "max": 1}]
    done = study(a_plan(400, constraint=tight, exposure={"method": "eligibility", "rate": 0.3}))
    summary = summarise(done)
    words = StudyWords("en")

    def said(**changes: Any) -> dict[str, str]:
        return {sentence: weight for weight, sentence in judge(summary | changes, words)}

    assert any("“domain = D0” pinches" in sentence for sentence in said())
    assert said()["Every rule of the design holds in every sitting."] == "keep"
    over = said(max_exposure=0.9, most_exposed="q1")
    assert any("“q1” reaches 90.0%" in s and weight == "drop" for s, weight in over.items())
    rule = summary["constraints"][1] | {"violated": 3}
    broken = judge(summary | {"constraints_violated": 3, "constraints": [rule]}, words)
    assert broken[0] == ("drop", "Rules broken: domain = D0 (3).")
    assert any(weight == "drop" and "Precision missed" in s for s, weight in said(se_met=0.2).items())
    assert any(weight == "watch" and "is off" in s for s, weight in said(coverage_90=0.7).items())


@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_report_is_one_page_that_fetches_nothing(language: str) -> None:
    done = study(a_plan(200, cuts=CUTS, constraint=BLUEPRINT))
    page = render(done, summarise(done), language)
    assert page.count("<svg ") == 6
    assert f'<html lang="{language}">' in page
    assert not re.search(r'(src|href)="(?!#)', page)
    assert "url(http" not in page and "@import" not in page
    identifiers = re.findall(r'\bid="([^"]+)"', page)
    assert len(identifiers) == len(set(identifiers))


def test_both_languages_have_the_same_texts() -> None:
    folder = Path(plots.__file__).parent
    french, english = (tomllib.loads((folder / f"{code}.toml").read_text("utf-8")) for code in ("fr", "en"))
    assert {s: set(texts) for s, texts in french.items()} == {s: set(texts) for s, texts in english.items()}
    for section, texts in french.items():
        for key, text in texts.items():
            places = re.findall(r"{(\w+)}", text)
            assert sorted(places) == sorted(re.findall(r"{(\w+)}", english[section][key])), key


def test_a_cluster_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pytest.importorskip("distributed")
    plan = a_plan(2 * planning.CHUNK + 50, cuts=CUTS, exposure={"method": "eligibility", "rate": 0.4})
    alone = study(plan)
    ended: list[int] = []
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", host="127.0.0.1"
    ) as cluster:
        together = study(plan, scheduler=cluster.scheduler_address, progress=ended.append)
    assert sum(ended) == plan.n
    assert same(alone.part, together.part)
    for name, done in (("alone", alone), ("together", together)):
        write_study(tmp_path / name, done)
    for name in ("sittings.csv", "items.csv"):
        assert (tmp_path / "alone" / name).read_bytes() == (tmp_path / "together" / name).read_bytes()


def test_a_scheduler_that_does_not_answer_is_said() -> None:
    pytest.importorskip("distributed")
    with pytest.raises(InputError, match="expected a Dask scheduler that answers at"):
        study(a_plan(10), scheduler="nonsense://127.0.0.1:1")
