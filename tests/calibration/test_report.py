"""The report: its verdicts, its two languages, a page that needs nothing from elsewhere."""

from __future__ import annotations

import copy
import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import pytest

from api.command import main
from calibration import calibrate
from calibration.dif import detect
from calibration.linking import link, move_item
from calibration.report import add, gather, overall, read_findings, render, verdicts, write_page
from calibration.report import verdict as rules
from calibration.report.findings import plain
from calibration.report.html import Figures
from calibration.report.plots import plot_item, svg
from calibration.report.plots.item import wilson
from calibration.report.plots.style import data
from calibration.report.words import LANGUAGES, Words, messages
from calibration.sentences import ENGLISH, NotApplicable, Sentence
from cat_engine.errors import InputError
from item_bank.options import RawOptions, read_key, read_options
from item_bank.parameters import ParameterSet, write_parameters
from item_bank.responses import MISSING, Responses
from tests.calibration.test_fit import draw

MIXED: list[dict[str, Any]] = [
    {"id": "<b>q1</b>", "model": "2pl", "a": 1.2, "b": -0.8},
    {"id": "q2", "model": "2pl", "a": 1.5, "b": 0.2},
    {"id": "q3", "model": "2pl", "a": 0.05, "b": 0.5},
    {"id": "q4", "model": "2pl", "a": 1.0, "b": 0.9},
    {"id": "q5", "model": "grm", "a": 1.4, "b": [-1.0, 0.1, 1.2]},
    {"id": "q6", "model": "grm", "a": 1.1, "b": [-0.4, 0.8]},
]


@pytest.fixture(scope="module")
def findings() -> dict[str, Any]:
    """Six items of two kinds, one useless and one answered alike by all, 400 persons in two groups."""
    responses = draw(MIXED, 400)
    matrix = np.column_stack([responses.dense(), np.ones(400, np.int8)])
    matrix[3, 1] = MISSING
    data = Responses([*responses.items, "q7"], np.array([*responses.n_cat, 2]), matrix=matrix)
    found = calibrate(data, "2pl", item_models={"q5": "grm", "q6": "grm"})
    rows = [
        ["A" if x == 1 else "BCD"[k % 3] for k, x in enumerate(row[:2], p)] for p, row in enumerate(matrix)
    ]
    options = RawOptions(["<b>q1</b>", "q2"], rows, {"<b>q1</b>": "A", "q2": "A"})
    out = gather(
        data,
        found.parameters,
        options=options,
        domains={row["id"]: "D1" for row in MIXED},
        about={"title": "Trial <1>", "date": "2026-11-22"},
        notes=found.notes,
    )
    out = add(out, "dif", detect(responses, ["a", "b"] * 200, "mh").to_dict())
    to = ParameterSet([move_item(row, 1.1, 0.2) for row in MIXED])
    return add(out, "link", link(ParameterSet(MIXED), to).to_parameters().fit)


@pytest.fixture(scope="module", params=LANGUAGES)
def page(request: pytest.FixtureRequest, findings: dict[str, Any]) -> tuple[str, str]:
    return request.param, render(findings, request.param)


class _Reader(HTMLParser):
    """Collects identifiers, links, and the tags that were opened and closed."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.open: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.add(tag)
        if values.get("id"):
            self.ids.append(str(values["id"]))
        self.addresses += [str(v) for k, v in attrs if k in ("href", "src", "xlink:href")]
        if tag not in ("meta", "br", "link", "input"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, tag


def read(text: str) -> _Reader:
    reader = _Reader()
    reader.feed(text)
    assert reader.open == []
    return reader


def test_the_page_is_whole_and_needs_nothing_from_elsewhere(page: tuple[str, str]) -> None:
    language, text = page
    reader = read(text)
    assert text.startswith("<!doctype html>") and f'<html lang="{language}">' in text
    assert len(reader.ids) == len(set(reader.ids))
    assert all(address.startswith("#") for address in reader.addresses)
    assert {address[1:] for address in reader.addresses} <= set(reader.ids)
    assert not reader.tags & {"script", "link", "img", "iframe", "object"}
    assert not re.search(r"url\((?!#)", text)
    assert len(re.findall(r'<svg role="img" aria-label="[^"]+"', text)) >= 12


def test_names_from_files_are_escaped(page: tuple[str, str]) -> None:
    _, text = page
    assert "<b>q1</b>" not in text and "&lt;b&gt;q1&lt;/b&gt;" in text
    assert "Trial &lt;1&gt;" in text


def test_the_verdict_comes_first_and_in_words(page: tuple[str, str]) -> None:
    language, text = page
    assert text.index('id="verdict"') < text.index('id="measures"') < text.index('id="items"')
    assert {"fr": "retirer", "en": "drop"}[language] in text
    assert {"fr": "Pente presque nulle", "en": "Nearly flat"}[language] in text
    assert {"fr": "Fidélité 0,", "en": "Reliability 0."}[language] in text
    assert "None" not in text and "nan" not in re.sub(r"<svg.*?</svg>", "", text, flags=re.S).lower().split()


def test_decisions_follow_from_the_findings(findings: dict[str, Any]) -> None:
    found = {v.item: v for v in verdicts(findings)}
    assert found["q3"].decision == "drop"
    assert {reason.code for reason in found["q3"].reasons} & {"flat", "negative", "negative_rest", "weak"}
    assert found["q7"].decision == "drop" and found["q7"].reasons[0].code == "constant"
    assert found["q5"].decision == "keep"
    codes = {reason.code for reason in overall(findings, list(found.values()))}
    assert {"reliability", "persons", "dif_none"} <= codes
    assert "dimension_one" in codes


def changed(findings: dict[str, Any], item: str, **values: Any) -> list[str]:
    """Return the reasons for an item after some of its findings were changed."""
    other = copy.deepcopy(findings)
    at = other["fit"]["items"]["id"].index(item)
    row = next(r for r in other["parameters"] if r["id"] == item)
    simple = other["classical"]["items"]
    for name, value in values.items():
        if name in ("model", "a", "c", "se", "flags"):
            row[name] = value
        elif name in other["fit"]["items"]:
            other["fit"]["items"][name][at] = value
        elif name in simple:
            simple[name][simple["id"].index(item)] = value
        else:
            other[name] = value
    found = next(v for v in verdicts(other) if v.item == item)
    return [f"{reason.code}:{reason.weight}" for reason in found.reasons]


def option(name: str, rest: float, *, key: bool = False, n: int = 100) -> dict[str, Any]:
    return {"option": name, "key": key, "n": n, "share": 0.5, "rest": rest, "by_group": [0.5] * 5}


def test_each_rule_has_a_case_that_sets_it_off(findings: dict[str, Any]) -> None:
    assert changed(findings, "q2") == []
    assert changed(findings, "q2", a=-0.4) == ["negative:drop"]
    assert changed(findings, "q2", item_rest=-0.1) == ["negative_rest:drop"]
    assert changed(findings, "q2", a=0.2, se={}) == ["flat:drop"]
    assert changed(findings, "q2", a=0.4, se={}) == ["weak:watch"]
    assert changed(findings, "q2", a=7.0, se={}) == ["steep:watch"]
    assert changed(findings, "q2", se={"a": 1.2}) == ["unsure:watch"]
    assert changed(findings, "q2", model="rasch", item_rest=0.1) == ["weak_rest:watch"]
    assert changed(findings, "q2", p=0.99) == ["easy:watch"]
    assert changed(findings, "q2", p=0.01) == ["hard:watch"]
    assert changed(findings, "q2", c=0.5) == ["guessing:watch"]
    assert changed(findings, "q2", s_x2_p=1e-6, s_x2_rmsea=0.05) == ["misfit:watch"]
    assert changed(findings, "q2", s_x2_p=1e-6, s_x2_rmsea=0.2) == ["misfit:drop"]
    assert changed(findings, "q2", s_x2_p=1e-6, s_x2_rmsea=0.01) == []
    assert changed(findings, "q2", flags=["duplicate: of q1"]) == ["duplicate:drop"]
    assert changed(findings, "q2", flags=["few-responses: 12"]) == ["few-responses:watch"]
    pairs = copy.deepcopy(findings["fit"])
    pairs["pairs"] = {"mean": -0.1, "largest": [{"item": "q2", "with": "q4", "q3": 0.15, "n": 400}]}
    assert changed(findings, "q2", fit=pairs) == ["dependent:watch"]
    pairs["pairs"]["largest"][0]["n"] = 120  # so few persons show 0.25 by chance
    assert changed(findings, "q2", fit=pairs) == []
    wrong = {"q2": [option("A", 0.05, key=True), option("B", 0.3)]}
    assert changed(findings, "q2", distractors=wrong) == ["wrong_key:drop"]
    rival = {"q2": [option("A", 0.4, key=True, n=900), option("B", 0.15)]}
    assert changed(findings, "q2", distractors=rival) == ["attractive:watch"]
    dif = copy.deepcopy(findings["dif"])
    row = next(r for r in dif[0]["items"] if r["id"] == "q2")
    for kind, reason in (("C", "dif_strong:drop"), ("B", "dif:watch")):
        row |= {"class": kind, "flagged": True, "favours": "focal", "p_adjusted": 0.001}
        assert changed(findings, "q2", dif=dif) == [reason]
    drifted = copy.deepcopy(findings["link"])
    next(r for r in drifted[0]["drift"] if r["id"] == "q2")["drifted"] = True
    assert changed(findings, "q2", link=drifted) == ["drift:watch"]


def test_bundles_are_said_once_and_not_of_every_item(findings: dict[str, Any]) -> None:
    other = copy.deepcopy(findings)
    names = [row["id"] for row in MIXED]
    other["fit"]["pairs"] = {
        "mean": 0.0,
        "largest": [
            {"item": a, "with": b, "q3": 0.25, "n": 400} for a, b in zip(names[::2], names[1::2], strict=True)
        ],
    }
    found = verdicts(other)
    assert not any(reason.code == "dependent" for v in found for reason in v.reasons)
    assert any(reason.code == "bundles" for reason in overall(other, found))


def test_both_languages_say_everything() -> None:
    french, english = messages("fr"), messages("en")
    for section in ("texts", "reasons", "methods"):
        assert french[section].keys() == english[section].keys()
        for key, text in french[section].items():
            names = [set(re.findall(r"{(\w+)", t)) for t in (text, english[section][key])]
            assert names[0] == names[1], key
    assert len(french["glossary"]) == len(english["glossary"])
    assert french["statistics"].keys() == english["statistics"].keys()
    assert french["sentences"].keys() == ENGLISH.keys()
    for code, text in french["sentences"].items():
        assert set(re.findall(r"{(\w+)", text)) <= set(re.findall(r"{(\w+)", ENGLISH[code])), code
    source = Path(rules.__file__).read_text(encoding="utf-8")
    codes = set(re.findall(r'Reason\(\s*"([\w-]+)"', source))
    assert len(codes) > 20 and codes <= english["reasons"].keys()
    with pytest.raises(InputError, match="among fr, en, got 'de'"):
        Words("de")


def test_what_does_not_apply_is_said_in_the_readers_language(findings: dict[str, Any]) -> None:
    """Of sparse data hardly anything but the reasons is left: none of them in the wrong language."""
    responses = draw(MIXED, 400)
    matrix = np.where(np.random.default_rng(0).random((400, 6)) < 0.4, MISSING, responses.dense())
    sparse = Responses(responses.items, responses.n_cat, matrix=matrix.astype(np.int8))
    out = gather(sparse, ParameterSet(MIXED), notes=[Sentence("islands", n=2), "a note without a code"])
    assert len(out["fit"]["not_applicable"]) >= 4
    out = json.loads(json.dumps(out))
    french, english = render(out, "fr"), render(out, "en")
    assert "it needs everyone&#39;s answers" in english and "a note without a code" in english
    assert "it needs" not in french and "il faut les réponses de chacun à tous les items, et" in french
    assert "les items forment 2 ensembles" in french and "islands" not in french
    assert "<span lang" not in english
    assert re.findall(r'<span lang="en">([^<]+)</span>', french) == ["a note without a code"]
    with pytest.raises(NotApplicable, match="one item has no pairs") as raised:
        raise NotApplicable("one-item")
    assert Words("fr").sentence(plain(raised.value.why)) == "un seul item ne forme pas de paire"


def test_pictures_of_one_page_share_no_identifier() -> None:
    figure = Figures("en")
    rows = data([{"x": 1, "y": 1}, {"x": 2, "y": 3}])
    chart = alt.Chart(rows).mark_line(clip=True).encode(x="x:Q", y="y:Q")  # a clipped mark names its frame
    pair = [figure(chart, title) for title in ("first", "second <b>")]
    assert 'aria-label="second &lt;b&gt;"' in pair[1]
    ids = [read(picture).ids for picture in pair]
    assert ids[0] and not set(ids[0]) & set(ids[1])
    for own, picture in zip(ids, pair, strict=True):
        used = re.findall(r"url\(#([^)]+)\)", picture) + re.findall(r'href="#([^"]+)"', picture)
        assert used and set(used) <= set(own)


def test_numbers_are_written_as_each_language_does() -> None:
    french, english = Words("fr"), Words("en")
    assert (french.number(-1.234), english.number(-1.234)) == ("\u22121,23", "\u22121.23")
    assert (french.percent(0.125, 1), english.percent(0.125, 1)) == ("12,5\u202f%", "12.5%")
    assert (french.whole(12345), english.whole(12345)) == ("12\u202f345", "12,345")
    assert (french.p(1e-9), english.p(0.2)) == ("<\u00a00,001", "0.200")
    assert english.number(None) == english.p(float("nan")) == "–"
    assert english.number(-0.0001) == "0.00"
    gain = Sentence("not-converged", steps=1200, gain=3.4e-7)
    assert "after 1200 steps: about 3.4e-07 of" in english.sentence(plain(gain))
    assert "après 1\u202f200 pas\u00a0: il reste environ 3,4\u00a0×\u00a010⁻⁷ de" in french.sentence(
        plain(gain)
    )
    assert (
        french.significant(-0.0123, 2) == "\u22120,012" and english.significant(2e9, 1) == "2\u00a0×\u00a010⁹"
    )
    assert "\u00a0: " in messages("fr")["reasons"]["flat"]


@pytest.mark.parametrize(
    ("language", "n", "said"),
    [
        ("en", 0, "0 items work"),
        ("en", 1, "1 item works"),
        ("en", 2, "2 items work"),
        ("fr", 0, "0 item fonctionne"),
        ("fr", 1, "1 item fonctionne"),
        ("fr", 2, "2 items fonctionnent"),
    ],
)
def test_one_item_is_told_in_the_singular(language: str, n: int, said: str) -> None:
    values = {"n": n, "reference": "a", "focal": "b", "method": "mh"}
    assert Words(language).reason(rules.Reason("dif_found", "watch", values)).startswith(said)


def test_an_item_with_strong_dif_is_dropped_unless_its_content_saves_it() -> None:
    values = {"class": "C", "group": "b", "method": "mh", "p": 0.01}
    assert "keep only if a review finds" in Words("en").reason(rules.Reason("dif_strong", "drop", values))
    assert "have the content reviewed" in Words("en").reason(rules.Reason("dif", "watch", values))


def test_a_plot_stands_alone_too() -> None:
    picture = svg(plot_item(MIXED[0]), "fr")
    assert picture.startswith("<svg") and "0,5" not in picture.split("<svg")[0]
    assert "Probability of a correct answer" in picture


def test_wilsons_interval() -> None:
    """Newcombe (1998), Statistics in Medicine 17, table I: 81 of 263 and 0 of 20."""
    low, high = wilson(np.array([81 / 263, 0.0]), np.array([263.0, 20.0]), 1.959964)
    np.testing.assert_allclose(low, [0.2553, 0.0], atol=5e-5)
    np.testing.assert_allclose(high, [0.3662, 0.1611], atol=5e-5)


def test_findings_are_kept_and_added_to(
    tmp_path: Path, findings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("calibration.report.page.render", lambda found, language: f"page {language}")
    assert write_page(tmp_path / "new", findings, "fr").read_text(encoding="utf-8") == "page fr"
    again = read_findings(tmp_path / "new")
    assert again == findings
    twice = add(again, "dif", {**findings["dif"][0], "impact": 9.0})
    assert len(twice["dif"]) == 1 and twice["dif"][0]["impact"] == 9.0
    assert len(add(again, "dif", {**findings["dif"][0], "method": "lr"})["dif"]) == 2
    with pytest.raises(InputError, match=r"no findings\.json"):
        read_findings(tmp_path)


def test_an_adaptive_test_is_judged_by_what_applies(findings: dict[str, Any]) -> None:
    rows = [
        {"id": f"i{k}", "model": "2pl", "a": 1.3, "b": float(b)} for k, b in enumerate(np.linspace(-2, 2, 16))
    ]
    matrix = draw(rows, 600).dense().copy()
    ability = np.argsort(np.argsort(matrix.sum(axis=1) + np.random.default_rng(0).normal(0, 1, 600))) / 600
    column = np.arange(16)
    first = np.rint(ability * 8).astype(int)[:, None]
    matrix[(column < first) | (column >= first + 8)] = MISSING
    found = gather(Responses([r["id"] for r in rows], np.full(16, 2), matrix=matrix), ParameterSet(rows))
    assert found["classical"]["total"] is None and found["dimensionality"]["verdict"] == ""
    assert "s_x2" not in found["fit"]["items"]
    codes = [reason.code for reason in overall(found, verdicts(found))]
    assert "model_fit_unknown" in codes and "dimension_one" not in codes


def write_csv(path: Path, rows: list[list[Any]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def test_raw_answers_are_scored_by_their_key(tmp_path: Path) -> None:
    raw = write_csv(
        tmp_path / "raw.csv", [["person", "q1", "q2"], ["p1", "A", "C"], ["p2", "B", ""], ["p3", "A", "D"]]
    )
    key = write_csv(tmp_path / "key.csv", [["item", "key"], ["q2", "C"], ["q1", "A"]])
    responses, options = read_options(raw, key)
    assert responses.dense().tolist() == [[1, 1], [0, MISSING], [1, 0]]
    assert responses.persons == ["p1", "p2", "p3"] and options.rows[1] == ("B", "")
    line = tmp_path / "line.txt"
    line.write_text("A,C\n", encoding="utf-8")
    assert read_key(line, ["q1", "q2"]) == {"q1": "A", "q2": "C"}
    with pytest.raises(InputError, match="expected 3 keys"):
        read_key(line, ["q1", "q2", "q3"])
    with pytest.raises(InputError, match="got none for 'q3'"):
        read_key(key, ["q1", "q2", "q3"])
    with pytest.raises(InputError, match="check the path"):
        read_key(tmp_path / "absent", ["q1"])


def test_the_commands_make_and_feed_a_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pages: list[dict[str, Any]] = []
    monkeypatch.setattr(
        "calibration.report.page.render", lambda found, language: pages.append(found) or language
    )
    rows = [{**row, "id": f"q{k}"} for k, row in enumerate(MIXED[:4])]
    responses = draw(rows, 300)
    data = write_csv(tmp_path / "r.csv", [responses.items, *responses.dense().tolist()])
    groups = write_csv(tmp_path / "g.csv", [["who"], *[["a"], ["b"]] * 150])
    bank = write_csv(tmp_path / "bank.csv", [["item", "domain"], *[[row["id"], "D1"] for row in rows]])
    params, report = tmp_path / "p.json", tmp_path / "report"
    words = ["--report", str(report), "--language", "fr"]
    assert (
        main(
            [
                "calibrate",
                str(data),
                "--model",
                "2pl",
                "--out",
                str(params),
                "--attributes",
                str(bank),
                *words,
            ]
        )
        == 0
    )
    assert str(report / "report.html") in capsys.readouterr().out
    assert (report / "report.html").read_text(encoding="utf-8") == "fr"
    assert pages[-1]["about"]["title"] == "r.csv" and "sha256" in pages[-1]["about"]["files"]
    assert pages[-1]["domains"]["q0"] == "D1"
    out = tmp_path / "x.json"
    assert (
        main(["dif", str(data), "--groups", f"{groups}:who", "--method", "mh", "--out", str(out), *words])
        == 0
    )
    assert pages[-1]["dif"][0]["focal"] == "b"
    write_parameters(tmp_path / "to.json", ParameterSet([move_item(row, 1.0, 0.5) for row in rows]))
    assert main(["link", str(params), str(tmp_path / "to.json"), "--out", str(out), *words]) == 0
    assert pages[-1]["link"][0]["method"] == "stocking-lord" and len(pages[-1]["dif"]) == 1
    assert (
        main(["fit", str(data), "--params", str(params), "--out", str(out), "--title", "Mine", *words]) == 0
    )
    assert pages[-1]["about"]["title"] == "Mine" and pages[-1]["dif"] == []
    capsys.readouterr()
    assert main(["fit", str(data), "--params", str(params), "--out", str(out), "--json", *words]) == 0
    assert json.loads(capsys.readouterr().out)["schema"] == "acquis/fit/1"
    nowhere = ["dif", str(data), "--groups", f"{groups}:who", "--method", "mh", "--out", str(out)]
    assert main([*nowhere, "--report", str(tmp_path / "none")]) == 2
    assert "acquis calibrate --report DIR" in capsys.readouterr().err
