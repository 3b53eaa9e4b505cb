"""``acquis simulate``, as it is typed."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from api.command import main
from item_bank.parameters import ParameterSet, write_parameters
from item_bank.responses import read_responses

DESIGN = """
schema = "acquis/design/1"
[stop]
min = 4
max = 8
[[constraint]]
attribute = "domain"
value = "A"
min = 1
max = 5
[cuts]
values = [0.0]
"""


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Parameters, attributes and a design."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(2)
    rows = [{"id": f"q{i}", "model": "2pl", "a": 1.4, "b": float(rng.normal())} for i in range(30)]
    write_parameters(tmp_path / "params.json", ParameterSet(rows))
    lines = ["domain,item,enemies", *(f"{'AB'[i % 2]},q{i},{'x' if i in (0, 2) else ''}" for i in range(30))]
    (tmp_path / "bank.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "design.toml").write_text(DESIGN)
    matrix = rng.integers(0, 2, (12, 30))
    with (tmp_path / "given.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["person", *(f"q{i}" for i in range(30))])
        writer.writerows(
            [f"p{p}", *("NA" if (p + i) % 5 == 0 else v for i, v in enumerate(row))]
            for p, row in enumerate(matrix)
        )
    return tmp_path


def simulate(*words: str) -> int:
    files = ["--params", "params.json", "--design", "design.toml", "--bank", "bank.csv", "--out", "out"]
    return main(["simulate", *files, "--seed", "3", *words])


def table(name: str) -> list[dict[str, str]]:
    with (Path("out") / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_study_writes_its_files(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert simulate("--n", "200", "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert "<svg " in Path("out/report.html").read_text(encoding="utf-8")
    assert printed == json.loads(Path("out/summary.json").read_text())
    assert (printed["n"], printed["seed"], printed["constraints_violated"]) == (200, 3, 0)
    sittings = table("sittings.csv")
    assert [row["person"] for row in sittings] == [str(p) for p in range(1, 201)]
    for row in sittings:
        assert len(row["items"].split()) == len(row["responses"].split()) == int(row["n_items"])
        assert not {"q0", "q2"} <= set(row["items"].split())
        assert row["decision"] in ("", row["level"])
    assert [tuple(row.values()) for row in table("responses.csv")] == [
        (row["person"], item, response)
        for row in sittings
        for item, response in zip(row["items"].split(), row["responses"].split(), strict=True)
    ]
    assert read_responses("out/responses.csv").n_persons == 200
    items = table("items.csv")
    assert [row["item"] for row in items] == [f"q{i}" for i in range(30)]
    assert [row["domain"] for row in items] == ["A", "B"] * 15
    counted = sum("q7" in row["items"].split() for row in sittings)
    assert int(items[7]["served"]) == counted
    assert float(items[7]["exposure"]) == counted / 200


@pytest.mark.parametrize("n", ["1", "2"])
def test_the_smallest_studies_have_a_report(files: Path, n: str) -> None:
    assert simulate("--n", n) == 0
    assert (files / "out" / "report.html").exists()


def test_a_design_that_needs_shadow_tests_says_so_and_why(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert simulate("--n", "2", "--json") == 0
    assert json.loads(capsys.readouterr().out)["shadow_tests"] is None
    sum_of_words = '[[constraint]]\nattribute = "words"\nmax = 200\n'
    (files / "design.toml").write_text(f"{DESIGN}{sum_of_words}")
    lines = ["item,domain,words", *(f"q{i},{'AB'[i % 2]},{20 + i}" for i in range(30))]
    (files / "bank.csv").write_text("\n".join(lines) + "\n")
    assert simulate("--n", "2", "--language", "fr") == 0
    said = capsys.readouterr()
    assert "needs shadow tests (a bound on the sum of words)" in said.err
    assert "shadow tests, for a bound on the sum of words: " in said.out
    assert "% below the best" in said.out
    assert 0.0 < json.loads(Path("out/summary.json").read_text(encoding="utf-8"))["shadow_lack"] < 0.1
    assert "tests fantômes" in Path("out/report.html").read_text(encoding="utf-8")


def test_given_answers_are_replayed(files: Path) -> None:
    assert simulate("--n", "10", "--responses", "given.csv") == 0
    sittings = table("sittings.csv")
    assert [row["person"] for row in sittings] == [f"p{p}" for p in range(10)]
    assert "all_theta" in sittings[0]
    given = {row["person"]: row for row in csv.DictReader(Path("given.csv").read_text().splitlines())}
    assert all(given[row["person"]][row["item"]] == row["response"] for row in table("responses.csv"))
    for p, row in enumerate(sittings):
        assert not any((p + int(item[1:])) % 5 == 0 for item in row["items"].split())


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("design.toml", "min = 4", "mn = 4", "did you mean 'min'"),
        ("design.toml", 'schema = "acquis/design/1"', "schema =", "expected TOML"),
        ("design.toml", '"A"', '"Z"', "no item of the bank has domain = Z"),
        ("bank.csv", "B,q29,", "B,q31,", "got 'q31'"),
        ("bank.csv", "B,q29,\n", "", "got none for 'q29'"),
        ("bank.csv", "B,q29,", "B,q28,", "got 'q28' again"),
        ("bank.csv", "item", "id", "expected a column 'item'"),
        ("given.csv", "q29", "q77", "q77"),
    ],
)
def test_what_is_wrong_is_said(
    files: Path, capsys: pytest.CaptureFixture[str], name: str, old: str, new: str, said: str
) -> None:
    path = files / name
    text = path.read_text().replace(old, new, 1)
    assert text != path.read_text()
    path.write_text(text)
    assert simulate("--n", "5", "--responses", "given.csv") == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [("--n", "0"), ("--n", "13", "--responses", "given.csv"), ("--n", "5", "--seed", "x")]
)
def test_numbers_out_of_bounds_are_refused(files: Path, words: Any) -> None:
    assert simulate(*words) == 2
