"""``acquis score`` and ``acquis warm``, as they are typed."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from api.command import main
from cat_engine.answers import Answers
from cat_engine.scoring import FLAGS, Prior, score
from item_bank.parameters import ParameterSet, Population, write_parameters
from tests.laws.examples import random_answers, random_bank

POOL = random_bank(20, 31)
MATRIX = random_answers(POOL, 30, 31)
MATRIX[3] = -1
MATRIX[4] = 0
PERSONS = [f"p{29 - p}" for p in range(30)]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A parameter file and responses in several shapes."""
    write_parameters(tmp_path / "params.json", ParameterSet(POOL.rows()))
    order = np.random.default_rng(0).permutation(20)
    with (tmp_path / "wide.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["person", *(POOL.ids[j] for j in order)])
        for person, row in zip(PERSONS, MATRIX, strict=True):
            writer.writerow([person, *("" if row[j] < 0 else row[j] for j in order)])
    with (tmp_path / "long.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["person", "item", "response"])
        for person, row in zip(PERSONS, MATRIX, strict=True):
            writer.writerows([person, POOL.ids[j], "NA" if row[j] < 0 else row[j]] for j in order)
    return tmp_path


def run(folder: Path, *words: str) -> list[dict[str, str]]:
    assert main(["score", *words, "--out", str(folder / "scores.csv")]) == 0
    with (folder / "scores.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_method_gives_what_the_library_gives(files: Path) -> None:
    for method in ("eap", "map", "ml", "wle"):
        for se in ("expected", "observed"):
            rows = run(
                files,
                *(str(files / "wide.csv"), "--params", str(files / "params.json")),
                *("--method", method, "--se", se),
            )
            expected = score(POOL, Answers.from_matrix(MATRIX), method, se=se)  # type: ignore[arg-type]
            assert list(rows[0]) == ["person", "theta", "se", "flag"]
            assert [row["person"] for row in rows] == PERSONS
            assert [float(row["theta"]) for row in rows] == expected.theta.tolist()
            assert [float(row["se"] or "inf") for row in rows] == expected.se.tolist()
            assert [row["flag"] for row in rows] == [FLAGS[k] for k in expected.flag]
    assert rows[3] == {"person": PERSONS[3], "theta": "0.0", "se": "", "flag": "no_responses"}


def test_ml_without_a_maximum_returns_the_bound(files: Path) -> None:
    rows = run(files, str(files / "wide.csv"), "--params", str(files / "params.json"), "--method", "ml")
    assert rows[4] == {"person": PERSONS[4], "theta": "-6.0", "se": "", "flag": "no_maximum"}


def test_long_files_score_alike(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--params", str(files / "params.json"), "--method", "eap")
    wide = run(files, str(files / "wide.csv"), *words)
    long = run(files, str(files / "long.csv"), *words)
    assert wide == long
    assert "30 persons scored by eap, 1 flagged" in capsys.readouterr().out


def test_each_group_has_its_own_prior(files: Path) -> None:
    groups = ["a" if p % 3 else "b" for p in range(30)]
    population = (Population("a"), Population("b", (1.0,), ((0.25,),)))
    write_parameters(files / "params.json", ParameterSet(POOL.rows(), population))
    with (files / "people.csv").open("w") as file:
        file.write("person,where\n")
        file.writelines(f"{person},{group}\n" for person, group in zip(PERSONS, groups, strict=True))
    rows = run(
        files,
        *(str(files / "wide.csv"), "--params", str(files / "params.json"), "--method", "eap"),
        *("--groups", f"{files / 'people.csv'}:where"),
    )
    for prior, name in ((Prior.normal(), "a"), (Prior.normal(1.0, 0.5), "b")):
        expected = score(POOL, Answers.from_matrix(MATRIX), "eap", prior)
        for p, row in enumerate(rows):
            if groups[p] == name:
                assert float(row["theta"]) == expected.theta[p]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"method": "mle"}, "invalid choice: 'mle'"),
        ({"responses": "none.csv"}, "none.csv"),
        ({"params": "none.json"}, "none.json"),
        ({"params": "wide.csv"}, "expected a parameter file in JSON"),
        ({"header": "person,i0,zz\nx,0,1\n"}, "'zz'"),
        ({"header": "person,i0,i1\nx,0,7\n"}, "7"),
        ({"header": "person,i0,i1\nx,0,a\n"}, "a"),
        ({"content": {"population": [{"group": "a"}, {"group": "b"}]}}, "expected --groups FILE:COLUMN"),
        ({"content": {"dimensions": ["reading", "number"]}}, "expected parameters of one dimension, got 2"),
        ({"out": "no/such/folder.csv"}, "expected a file that can be written"),
    ],
)
def test_bad_input_gets_one_sentence(
    files: Path, capsys: pytest.CaptureFixture[str], change: dict[str, Any], said: str
) -> None:
    if "header" in change:
        (files / "wide.csv").write_text(change["header"])
    if "content" in change:
        content = json.loads((files / "params.json").read_text()) | change["content"]
        if "dimensions" in change["content"]:
            del content["population"]
        (files / "params.json").write_text(json.dumps(content))
    status = main(
        [
            *("score", str(files / change.get("responses", "wide.csv"))),
            *("--params", str(files / change.get("params", "params.json"))),
            *("--method", change.get("method", "eap")),
            *("--out", str(files / change.get("out", "scores.csv"))),
        ]
    )
    captured = capsys.readouterr()
    assert status == 2
    assert captured.out == ""
    assert len(captured.err.strip().splitlines()) == 1
    assert said in captured.err


def test_warm_says_how_long_it_took(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["warm"]) == 0
    assert capsys.readouterr().out.startswith("kernels ready (")
