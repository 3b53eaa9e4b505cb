"""``acquis bank`` from import to a published version, as people type it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from api.command import main
from item_bank.qti.package import package
from item_bank.sources import open_bank
from item_bank.store import Store
from tests.item_bank import samples
from tests.item_bank.foreign import QTI3, wrapped
from tests.item_bank.test_publication import provisional, ready


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bank's folder with four sound items."""
    Store.create(tmp_path / "bank", ready())
    return tmp_path / "bank"


def said(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> str:
    assert main(["bank", *words]) == status
    captured = capsys.readouterr()
    return captured.out + captured.err


def test_the_demonstration_bank_passes_the_check(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "check", "demo").startswith("224 items: 0 errors")
    listed = json.loads(said(capsys, "check", "demo", "--json"))
    assert listed == {"items": 224, "findings": []}


def test_a_check_that_does_not_hold_ends_with_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = samples.bank(samples.single(source=None))
    (tmp_path / "bad.zip").write_bytes(package(bad))
    out = said(capsys, "check", str(tmp_path / "bad.zip"), status=3)
    assert "error   grounds       single  it names no source" in out
    assert "1 items: 1 errors, 0 warnings" in out
    late = samples.bank(samples.single(status="operational", expires="2026-01-01"))
    (tmp_path / "late.zip").write_bytes(package(late))
    path = str(tmp_path / "late.zip")
    assert "out of the pool" in said(capsys, "check", path, "--today", "2026-01-02")
    said(capsys, "check", path, "--today", "2026-01-02", "--strict", status=3)
    assert "expected a date" in said(capsys, "check", path, "--today", "soon", status=2)


def test_items_come_in_from_every_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    to = str(tmp_path / "bank")
    (tmp_path / "item.xml").write_bytes(QTI3["choice"][0])
    (tmp_path / "essay.xml").write_bytes(wrapped("<p>no control</p>"))
    (tmp_path / "quiz.xml").write_text(
        '<quiz><question type="truefalse"><name><text>V</text></name><questiontext><text>Vrai ?</text>'
        '</questiontext><answer fraction="100"><text>true</text></answer><answer fraction="0"><text>false'
        "</text></answer></question></quiz>"
    )
    (tmp_path / "q.gift").write_text("::G:: Qui ? {=Ada ~Bob}")
    (tmp_path / "t.csv").write_text("item;form;key;stem;option_A;option_B\nc1;single;B;Quoi ?;Un;Deux\n")
    for name in ("item.xml", "quiz.xml", "q.gift", "t.csv"):
        assert "1 items brought" in said(capsys, "import", str(tmp_path / name), "--to", to, "--by", "Ada")
    out = said(capsys, "import", str(tmp_path / "essay.xml"), "--to", to)
    assert "essay.xml, line 5: it has no control to answer with (left out)" in out
    assert "0 items brought" in out
    assert [item.id for item in open_bank(to).bank.items] == ["X", "V", "G", "c1"]
    assert "1 of them replaced" in said(capsys, "import", str(tmp_path / "q.gift"), "--to", to)


def test_no_item_changes_without_a_name(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = open_bank(str(folder)).bank
    (tmp_path / "q.gift").write_text("::G:: Qui ? {=Ada ~Bob}")
    words = ("import", str(tmp_path / "q.gift"), "--by", " ", "--to")
    assert "expected the name of the person" in said(capsys, *words, str(folder), status=2)
    assert open_bank(str(folder)).bank == before
    said(capsys, *words, str(tmp_path / "new"), status=2)
    assert not (tmp_path / "new").exists()


def test_parameters_are_attached(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    params = tmp_path / "params.json"
    said(capsys, "export", str(folder), str(params))
    content = json.loads(params.read_text())
    assert [row["id"] for row in content["items"]] == [item.id for item in ready().items]
    content["items"][0]["b"] = 1.5
    params.write_text(json.dumps(content))
    said(capsys, "import", str(folder), "--to", str(tmp_path / "new"), "--parameters", str(params))
    out = said(capsys, "diff", str(folder), str(tmp_path / "new"))
    assert out == "~ parameters of single: b 0.25 -> 1.5\n"


def test_parameters_say_where_they_come_from(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    params = tmp_path / "spring.json"
    row = {"id": "single", "model": "2pl", "a": 1.0, "b": 0.5, "n": 900, "se": {"a": 0.1, "b": 0.1}}
    params.write_text(json.dumps({"schema": "acquis/item-parameters/1", "items": [row]}))
    to = str(tmp_path / "new")
    said(capsys, "import", str(folder), "--to", to, "--parameters", str(params), "--scale", "2026")
    attached = open_bank(to).bank.rows["single"]
    assert attached["calibration"].startswith("spring.json ")
    assert (attached["scale"], attached["n"]) == ("2026", 900)
    assert len(attached["date"]) == 10
    params.write_text(params.read_text().replace("single", "ghost"))
    out = said(capsys, "import", str(folder), "--to", to, "--parameters", str(params), status=2)
    assert "got 'ghost'" in out


def test_a_framework_is_attached(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    framework = tmp_path / "framework.toml"
    framework.write_text(
        '[framework]\nid = "mine"\nversion = "2"\n[[domain]]\ncode = "D1"\nfr = "Un"\n'
        '[[skill]]\ncode = "D1.1"\nfr = "Savoir"\nsays_fr = "Sait."\n'
    )
    to = str(tmp_path / "new")
    said(capsys, "import", str(folder), "--to", to, "--framework", str(framework))
    held = open_bank(to).bank.framework
    assert (held.id, held.version) == ("mine", "2")
    assert held.skills["D1.1"].says == {"fr": "Sait."}
    for old, new, why in (
        ('code = "D1.1"', 'code = "D2.1"', "to belong to a domain among D1"),
        ('version = "2"', "", "expected a text under 'version'"),
        ("[[skill]]", "[[domain]]", "expected each"),
        ("[[domain]]", "[[domain", "expected TOML"),
    ):
        text = framework.read_text()
        framework.write_text(
            text.replace(old, new).replace("D1.1", "D1") if "each" in why else text.replace(old, new)
        )
        assert why in said(capsys, "import", str(folder), "--to", to, "--framework", str(framework), status=2)
        framework.write_text(text)


def test_banks_go_out(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("out.zip", "out.csv", "usage.xml"):
        assert "items written" in said(capsys, "export", str(folder), str(tmp_path / name))
    assert said(capsys, "diff", str(folder), str(tmp_path / "out.zip")) == "no difference\n"
    assert (tmp_path / "out.csv").read_bytes().startswith(b"\xef\xbb\xbfitem;language;form")
    assert "A-Parm" in (tmp_path / "usage.xml").read_text()
    assert "expected a file with" in said(capsys, "export", str(folder), "x.doc", status=2)


def test_two_people_publish(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bank = str(folder)
    design = tmp_path / "design.toml"
    design.write_text('schema = "acquis/design/1"\n[stop]\nmax = 9\n')
    out = said(capsys, "publish", bank, "--request", "--by", "Ada", "--design", str(design), status=2)
    assert "a test of 9 items from 4" in out
    assert "another person approves" in said(capsys, "publish", bank, "--request", "--by", "Ada")
    assert "another person must approve" in said(
        capsys, "publish", bank, "--approve", "--by", "Ada", status=2
    )
    assert "version 1: " in said(capsys, "publish", bank, "--approve", "--by", "Bob")
    assert said(capsys, "diff", bank, f"{bank}@1") == "no difference\n"
    out = said(capsys, "log", bank)
    assert "Ada: publication requested" in out
    assert "Bob: published" in out


def test_provisional_banks_are_for_demonstration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(tmp_path / "bank")
    Store.create(folder, provisional(ready()))
    out = said(capsys, "publish", folder, "--request", "--by", "Ada", status=2)
    assert "provisional: publish as demonstration" in out
    said(capsys, "publish", folder, "--request", "--by", "Ada", "--demonstration")
    assert "for demonstration only" in said(capsys, "publish", folder, "--approve", "--by", "Bob")


def test_an_item_earns_its_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, file = str(tmp_path / "bank"), tmp_path / "items.zip"
    file.write_bytes(package(samples.bank(samples.single(authors=()))))
    said(capsys, "import", str(file), "--to", folder, "--by", "Cy")
    say = ("--by", "Bob")
    said(capsys, "move", folder, "single", "--to", "in_review", "--by", "Cy")
    out = said(capsys, "review", folder, "single", "--accept", "--by", "cy", status=2)
    assert "'cy' imported 'single' and so cannot review it" in out
    assert "nobody but its authors" in said(capsys, "move", folder, "single", "--to", "pilot", *say, status=2)
    said(capsys, "import", str(file), "--to", folder, *say)  # as it is: Bob has changed nothing
    said(capsys, "review", folder, "single", "--accept", *say)
    assert "single is pilot" in said(capsys, "move", folder, "single", "--to", "pilot", *say)
    shown = said(capsys, "answer", folder, "single", *say)
    assert "B: Le second" in shown
    assert "Parce que" not in shown
    told = said(capsys, "answer", folder, "single", *say, "--response", '{"RESPONSE": ["B"]}')
    assert told == "recorded\n"
    assert "single is operational" in said(capsys, "move", folder, "single", "--to", "operational", *say)
    out = said(capsys, "answer", folder, "single", *say, "--response", "B", status=2)
    assert "expected a response" in out
    assert "requested" in said(
        capsys, "neutralise", folder, "single", "--request", "law changed", "--by", "Ada"
    )
    assert "is neutralised" in said(capsys, "neutralise", folder, "single", "--approve", *say)


@pytest.mark.parametrize(
    ("words", "said_"),
    [
        (("check", "nowhere.zip"), "check the path"),
        (("check", "nowhere"), "there is no nowhere; 'acquis bank import"),
        (("publish", "nowhere", "--request", "--by", "A"), "expected a bank"),
        (("diff", "demo", "nowhere.csv"), "No such file"),
    ],
)
def test_what_is_not_there_is_said(
    words: tuple[str, ...], said_: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said_ in said(capsys, *words, status=2)


DESIGN = """schema = "acquis/design/1"
[select]
criterion = "mfi"
evaluate = "table"
[stop]
min = 2
max = 3
"""


def test_attributes_and_parameters_feed_a_simulation_whose_evidence_is_judged(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    params, attributes, design, out = (tmp_path / n for n in ("p.json", "bank.csv", "design.toml", "study"))
    design.write_text(DESIGN)
    said(capsys, "export", str(folder), str(params), "--eligible")
    assert "4 items written" in said(
        capsys, "export", str(folder), str(attributes), "--attributes", "--eligible"
    )
    assert attributes.read_text().startswith("item,domain,skill,form,")
    words = [("--params", params), ("--design", design), ("--bank", attributes), ("--out", out)]
    assert main(["simulate", "--n", "20", "--seed", "1", *(str(w) for pair in words for w in pair)]) == 0
    capsys.readouterr()
    judged = said(capsys, "check", str(folder), "--design", str(design), "--study", str(out))
    assert "0 errors" in judged
    asked = said(
        *(capsys, "publish", str(folder), "--request", "--by", "Ada"),
        *("--design", str(design), "--study", str(out)),
    )
    assert "requested for content" in asked
    assert "study " in said(capsys, "log", str(folder))
    nothing = said(capsys, "check", str(folder), "--study", str(tmp_path), status=2)
    assert "expected a study (summary.json, items.csv)" in nothing
    (out / "summary.json").write_text("{}")
    assert "expected what 'acquis simulate' writes" in said(
        capsys, "check", str(folder), "--study", str(out), status=2
    )


def test_a_spreadsheet_says_what_there_is_to_say_about_every_item(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Items whose content only QTI holds get their source and their rationale in the same file."""
    folder, table = str(tmp_path / "bank"), tmp_path / "items.csv"
    Store.create(folder, samples.bank())
    out = said(capsys, "export", folder, str(table))
    assert f"{len(samples.every())} items written" in out
    assert (
        "note: hotspot, point, gaps: its control has no place in CSV: it stays in QTI; its row holds" in out
    )
    rows = table.read_text(encoding="utf-8-sig")
    changed = rows.replace("Parce que.", "Car c'est écrit.").replace("D1.1;", "D1.2;")
    table.write_text(changed, encoding="utf-8-sig")
    assert "15 items brought" in said(capsys, "import", str(table), "--to", folder, "--by", "Ada")
    before, after = samples.bank(), Store(folder).draft()
    for item in after.items:
        known = before.by_id[item.id]
        assert item.skill == "D1.2"
        assert {c.rationale for c in item.versions.values()} == {"<p>Car c'est écrit.</p>"}
        for language, content in item.versions.items():
            assert replace(content, rationale="") == replace(known.versions[language], rationale="")
    alone = said(capsys, "check", str(table))
    assert alone.count("the content of 'hotspot' is in QTI: import the file into the bank that holds it") == 1


def test_attributes_are_a_csv(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = said(capsys, "export", "demo", str(tmp_path / "x.zip"), "--attributes", status=2)
    assert "expected a .csv for --attributes" in out
