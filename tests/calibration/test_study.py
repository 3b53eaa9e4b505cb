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
    done = study(a_plan(25, **sections), again=False)
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
    whole = study(plan, again=False)
    assert whole.plan.chunks == 3
    monkeypatch.setattr("numba.get_num_threads", lambda: 1)
    assert same(whole.part, study(plan, again=False).part)
    fewer = study(replace(plan, n=150), again=False)
    assert fewer.part.theta.tobytes() == whole.part.theta[:150].tobytes()
    assert not same(whole.part, study(replace(plan, seed=8), again=False).part)


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
    assert page.count("<svg ") == 5
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
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
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
