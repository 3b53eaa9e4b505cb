"""``acquis fit`` from files to a file."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from api.command import main
from item_bank.parameters import ParameterSet, Population, write_parameters
from tests.calibration.test_fit import EIGHT, draw


def write(path: Path, matrix: list[list[int]], names: list[str]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([names, *matrix])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    responses = draw(EIGHT, 400)
    write(tmp_path / "responses.csv", responses.dense().tolist(), responses.items)
    write_parameters(tmp_path / "params.json", ParameterSet(EIGHT))
    return tmp_path


def test_fit_writes_items_persons_pairs_and_model(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folder / "fit.json"
    words = ["fit", str(folder / "responses.csv"), "--params", str(folder / "params.json"), "--out", str(out)]
    assert main(words) == 0
    content = json.loads(out.read_text(encoding="utf-8"))
    assert [item["id"] for item in content["items"]] == [row["id"] for row in EIGHT]
    assert len(content["persons"]) == 400 and len(content["pairs"]) == 28
    assert content["model"]["c2"]["df"] > 0
    assert "g2: not applicable" in capsys.readouterr().out
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["schema"] == "acquis/fit/1"


def test_external_parameters_lose_no_degree_of_freedom(folder: Path) -> None:
    words = ["fit", str(folder / "responses.csv"), "--params", str(folder / "params.json"), "--out"]
    assert main([*words, str(folder / "own.json")]) == 0
    assert main([*words, str(folder / "external.json"), "--external"]) == 0
    own, external = (
        json.loads((folder / f"{n}.json").read_text(encoding="utf-8")) for n in ("own", "external")
    )
    # q1's slope and intercept, and the variance that the partial credit item frees
    assert own["items"][0]["s_x2_df"] == external["items"][0]["s_x2_df"] - 3
    assert external["model"]["n_parameters"] == 0


def test_groups_are_asked_for_where_there_are_several(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two = ParameterSet(EIGHT, (Population("a"), Population("b", (0.5,))))
    write_parameters(folder / "two.json", two)
    write(folder / "groups.csv", [["a"], ["b"]] * 200, ["who"])  # type: ignore[list-item]
    words = [
        "fit",
        str(folder / "responses.csv"),
        "--params",
        str(folder / "two.json"),
        "--out",
        str(folder / "f.json"),
    ]
    assert main(words) == 2
    assert "--groups FILE:COLUMN" in capsys.readouterr().err
    assert main([*words, "--groups", f"{folder / 'groups.csv'}:who"]) == 0


def test_an_item_that_could_not_be_calibrated_is_left_out_and_named(folder: Path) -> None:
    rows = [{**EIGHT[0], "a": None, "b": None, "status": "left-out"}, *EIGHT[1:]]
    write_parameters(folder / "params.json", ParameterSet(rows))
    out = folder / "fit.json"
    words = ["fit", str(folder / "responses.csv"), "--params", str(folder / "params.json"), "--out", str(out)]
    assert main(words) == 0
    content = json.loads(out.read_text(encoding="utf-8"))
    assert len(content["items"]) == 7
    assert content["not_applicable"]["item q1"] == "it could not be calibrated"


def test_an_unknown_item_is_an_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_parameters(folder / "params.json", ParameterSet(EIGHT[1:]))
    words = ["fit", str(folder / "responses.csv"), "--params", str(folder / "params.json"), "--out", "x.json"]
    assert main(words) == 2
    assert "q1" in capsys.readouterr().err


def test_cut_offs_from_a_design(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    design = folder / "design.toml"
    design.write_text('schema = "acquis/design/1"\n[stop]\nmin = 5\nmax = 5\n', encoding="utf-8")
    words = ["fit", str(folder / "responses.csv"), "--params", str(folder / "params.json"), "--out"]
    assert main([*words, str(folder / "fit.json"), "--design", str(design)]) == 0
    assert "sittings of the design" in capsys.readouterr().out
    content = json.loads((folder / "fit.json").read_text(encoding="utf-8"))
    assert content["person_cutoffs_from"] == "sittings"
    assert main([*words, str(folder / "fit.json"), "--bank", str(design)]) == 2
    assert "expected --design beside --bank" in capsys.readouterr().err


def test_items_that_hang_together_by_nothing_print_no_nan(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Few persons: unrelated items fit as well, and there is no CFI."""
    alike = [[(i >> j) & 1 for j in range(8)] for i in range(0, 256, 5)]
    write(folder / "alike.csv", alike, draw(EIGHT, 4).items)
    words = ["fit", str(folder / "alike.csv"), "--params", str(folder / "params.json")]
    assert main([*words, "--out", str(folder / "fit.json")]) == 0
    said = capsys.readouterr().out
    assert "no CFI or TLI" in said and "nan" not in said
