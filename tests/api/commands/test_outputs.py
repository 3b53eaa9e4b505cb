"""No command writes over what it reads, or over what something else wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.command import main
from api.commands.outputs import own_folder
from cat_engine.errors import InputError

RESPONSES = "person,A,B,C\n" + "".join(f"{p},{p % 2},{p % 3 % 2},{p // 2 % 2}\n" for p in range(12))
DESIGN = 'schema = "acquis/design/1"\n[stop]\nmax = 2\n'
PARAMETERS = (
    '{"schema": "acquis/item-parameters/1", "items": ['
    '{"id": "A", "model": "2pl", "a": 1.0, "b": 0.0}, {"id": "B", "model": "2pl", "a": 1.2, "b": 0.5}]}'
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("answers.csv").write_text(RESPONSES)
    Path("params.json").write_text(PARAMETERS)
    Path("design.toml").write_text(DESIGN)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        ("calibrate answers.csv --model 2pl --out ./answers.csv", "answers.csv"),
        ("score answers.csv --params params.json --method eap --out params.json", "params.json"),
        ("dif answers.csv --groups answers.csv:C --method mh --out answers.csv", "answers.csv"),
        ("dif params.json --groups answers.csv:C --method mh --out answers.csv", "answers.csv"),
        ("calibrate answers.csv --model 2pl --out new.json --covariance answers.csv", "answers.csv"),
    ],
)
def test_what_is_read_is_not_written_over(folder: Path, capsys, words: str, kept: str) -> None:
    before = (folder / kept).read_text()
    assert main(words.split()) == 2
    assert "not read as well" in capsys.readouterr().err
    assert (folder / kept).read_text() == before


def test_a_study_is_not_written_over_somebodys_files(folder: Path, capsys) -> None:
    (folder / "responses.csv").write_text(RESPONSES)
    study = "simulate --params params.json --design design.toml --n 3 --seed 1 --out"
    assert main([*study.split(), "."]) == 2
    assert "responses.csv of another origin" in capsys.readouterr().err
    assert (folder / "responses.csv").read_text() == RESPONSES
    assert not (folder / "sittings.csv").exists()


def test_a_run_may_be_repeated_into_its_own_folder(folder: Path) -> None:
    mine = ("report.html",), "summary.json", "acquis/study/"
    own_folder("study", "--out", *mine)  # a new one
    (folder / "report.html").write_text("")
    for other in ("", "[]", '{"schema": "acquis/findings/1"}'):
        (folder / "summary.json").write_text(other)
        with pytest.raises(InputError, match=r"report.html of another origin.*another --out"):
            own_folder(".", "--out", *mine)
    (folder / "summary.json").write_text('{"schema": "acquis/study/1"}')
    own_folder(".", "--out", *mine)


def test_a_folder_that_is_not_there_is_said_before_the_work(folder: Path, capsys) -> None:
    assert (
        main(["score", "nowhere.csv", "--params", "p.json", "--method", "eap", "--out", "no/scores.csv"]) == 2
    )
    assert "there is no folder no; make it, or choose another --out" in capsys.readouterr().err
