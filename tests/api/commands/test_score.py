"""``acquis score`` and ``acquis warm``, as they are typed."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from api.command import main
from cat_engine.answers import Answers
from cat_engine.pool import ItemPool
from cat_engine.scoring import FLAGS, Prior, score, score_dimensions
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


class TestSeveralDimensions:
    """The same files, with items of two dimensions."""

    ROWS: ClassVar = [
        {"id": f"i{i}", "model": "m2pl", "slopes": [1.2, 0.0], "intercept": 0.4 * i - 1.0} for i in range(5)
    ] + [{"id": f"i{i}", "model": "m2pl", "slopes": [0.5, 1.1], "intercept": 1.0} for i in range(5, 10)]
    POPULATION = Population("a", (0.2, -0.1), ((1.0, 0.5), (0.5, 1.3)))
    MATRIX = (np.random.default_rng(5).random((12, 10)) < 0.6).astype(int)

    @pytest.fixture
    def two(self, tmp_path: Path) -> Path:
        parameters = ParameterSet(self.ROWS, (self.POPULATION,), ("want", "do"))
        write_parameters(tmp_path / "params.json", parameters)
        self.MATRIX[3] = -1
        with (tmp_path / "wide.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["person", *(f"i{j}" for j in reversed(range(10)))])
            for p, row in enumerate(self.MATRIX):
                writer.writerow([f"p{20 - p}", *("" if row[j] < 0 else row[j] for j in reversed(range(10)))])
        return tmp_path

    def test_each_has_its_columns(self, two: Path) -> None:
        pool = ItemPool.from_rows(self.ROWS, 2)
        mean, cov = self.POPULATION.mean, self.POPULATION.cov
        for method, more in (("eap", ()), ("map", ("--se", "observed", "--covariance"))):
            rows = run(
                two,
                *(str(two / "wide.csv"), "--params", str(two / "params.json"), "--method", method, *more),
            )
            expected = score_dimensions(pool, Answers.from_matrix(self.MATRIX), mean, cov, method, "observed")
            names = ["person", "theta_want", "se_want", "theta_do", "se_do"]
            assert list(rows[0]) == names + ["cov_want_do"] * bool(more) + ["flag"]
            assert [row["person"] for row in rows] == [f"p{20 - p}" for p in range(12)]
            for d, name in enumerate(("want", "do")):
                assert [float(row[f"theta_{name}"]) for row in rows] == expected.theta[:, d].tolist()
                assert [float(row[f"se_{name}"]) for row in rows] == expected.se[:, d].tolist()
            if more:
                assert [float(row["cov_want_do"]) for row in rows] == expected.cov[:, 0, 1].tolist()
            assert [row["flag"] for row in rows] == ["no_responses" * (p == 3) for p in range(12)]

    def test_each_group_has_its_own_population(self, two: Path) -> None:
        other = Population("b", (1.0, 0.5), ((0.5, 0.1), (0.1, 2.0)))
        content = ParameterSet(self.ROWS, (self.POPULATION, other), ("want", "do"))
        write_parameters(two / "params.json", content)
        groups = ["ab"[p % 2] for p in range(12)]
        (two / "people.csv").write_text("where\n" + "\n".join(groups) + "\n")
        rows = run(
            two,
            *(str(two / "wide.csv"), "--params", str(two / "params.json"), "--method", "eap"),
            *("--groups", f"{two / 'people.csv'}:where"),
        )
        pool, answers = ItemPool.from_rows(self.ROWS, 2), Answers.from_matrix(self.MATRIX)
        for one in (self.POPULATION, other):
            expected = score_dimensions(pool, answers, one.mean, one.cov)
            for p, row in enumerate(rows):
                if groups[p] == one.group:
                    assert float(row["theta_do"]) == expected.theta[p, 1]

    @pytest.mark.parametrize("method", ["ml", "wle"])
    def test_without_a_prior_it_is_refused(
        self, two: Path, capsys: pytest.CaptureFixture[str], method: str
    ) -> None:
        words = ["score", str(two / "wide.csv"), "--params", str(two / "params.json"), "--method", method]
        assert main([*words, "--out", str(two / "scores.csv")]) == 2
        assert capsys.readouterr().err == (
            "acquis score: expected --method eap or map because the parameters hold 2 dimensions "
            f"(want, do), got {method}; choose one of these\n"
        )


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
        (
            {"content": {"dimensions": ["reading", "number"]}},
            "expected a model among m2pl, m3pl, mgrm",
        ),
        ({"more": ["--covariance"]}, "expected parameters of several dimensions beside --covariance"),
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
            *change.get("more", []),
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
