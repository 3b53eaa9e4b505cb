"""What works in one dimension alone says so to parameters of several: one sentence, exit status 2."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from api.command import main
from item_bank.parameters import ParameterSet, Population, write_parameters

TWO = ParameterSet(
    [
        {"id": f"i{i}", "model": "m2pl", "slopes": [1.0, 0.5 * (i > 2)], "intercept": 0.1 * i}
        for i in range(6)
    ],
    (Population("all", (0.0, 0.0), ((1.0, 0.4), (0.4, 1.0))),),
    ("want", "do"),
)
ONE = ParameterSet([{"id": f"i{i}", "model": "2pl", "a": 1.0, "b": 0.1 * i} for i in range(6)])


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_parameters("two.json", TWO)
    write_parameters("one.json", ONE)
    for name, header, rows in (
        (
            "answers.csv",
            [f"i{i}" for i in range(6)],
            [[(p * i + p) % 2 for i in range(6)] for p in range(20)],
        ),
        ("people.csv", ["where"], [["ab"[p % 2]] for p in range(20)]),
    ):
        with (tmp_path / name).open("w", newline="") as file:
            csv.writer(file).writerows([header, *rows])
    (tmp_path / "design.toml").write_text('schema = "acquis/design/1"\n[stop]\nmin = 2\nmax = 3\n')


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "dif answers.csv --groups people.csv:where --method mh --match theta --params two.json",
            "parameters of one dimension, got 2 (want, do)",
        ),
        (
            "dif answers.csv --groups people.csv:where --method lr --model m2pl",
            "a one-dimensional model among rasch, 1pl",
        ),
        (
            "dif answers.csv --groups people.csv:where --method wald --model i3=mgrm",
            "a one-dimensional model among rasch, 1pl",
        ),
        ("link two.json one.json", "calibrations of one dimension, got 2 in FROM"),
        ("link one.json two.json", "calibrations of one dimension, got 2 in TO"),
        (
            "simulate --params two.json --design design.toml --n 3 --seed 1",
            "parameters of one dimension, got 2",
        ),
        ("score answers.csv --params two.json --method wle", "--method eap or map"),
        ("score answers.csv --params one.json --method eap --covariance", "parameters of several dimensions"),
    ],
)
def test_gets_one_sentence(words: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = words.split()
    assert main([*command, "--out", "out"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    assert captured.err.startswith(f"acquis {command[0]}: expected {said}")
    assert not Path("out").exists()
