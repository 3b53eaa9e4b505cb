"""The tutorial and the page for users of R mirt do what they say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from calibration.report import read_findings, verdicts
from item_bank.parameters import ParameterSet, read_parameters
from item_bank.r_tables import write_mirt
from tests.conftest import ROOT


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.S | re.M)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder beside which the documentation lies."""
    path = tmp_path_factory.mktemp("tutorial")
    (path / "docs").symlink_to(ROOT / "docs")
    return path


def run(folder: Path, words: list[str]) -> str:
    places = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        words, cwd=folder, env=os.environ | {"PATH": places}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def decisions(folder: Path) -> dict[str, tuple[str, list[str]]]:
    found = verdicts(read_findings(folder / "report"))
    return {v.item: (v.decision, [reason.code for reason in v.reasons]) for v in found}


def test_the_tutorial_from_the_first_line_to_the_last(folder: Path) -> None:
    shell = blocks("tutorial.md", "sh")
    assert len(shell) == 5
    for block in shell[:3]:
        run(folder, ["sh", "-ec", block])
    decision, reasons = decisions(folder)["Q6"]
    assert decision == "drop" and "wrong_key" in reasons
    page = (folder / "report" / "report.html").read_text(encoding="utf-8")
    assert "Option A goes with success more than the key D: wrong key or ambiguous question" in page
    run(folder, ["sh", "-ec", shell[3]])
    assert decisions(folder)["Q6"][0] == "keep"
    run(folder, ["sh", "-ec", shell[4]])
    assert read_findings(folder / "report")["dif"][0]["flagged"] == []
    (python,) = blocks("tutorial.md", "python")
    assert "Q12" in run(folder, [sys.executable, "-c", python])
    assert (folder / "report-from-python" / "report.html").is_file()


def test_parameters_go_to_mirt_and_come_back(folder: Path) -> None:
    write_mirt(folder / "items.csv", ParameterSet([{"id": "x", "model": "2pl", "a": 1.2, "b": -0.5}]))
    (python,) = blocks("from-r-mirt.md", "python")
    run(folder, [sys.executable, "-c", python])
    (row,) = read_parameters(folder / "from-mirt.json").items
    assert (row["a"], row["b"]) == pytest.approx((1.2, -0.5))
    assert (folder / "for-mirt.csv").read_text(encoding="utf-8") == (folder / "items.csv").read_text(
        encoding="utf-8"
    )
