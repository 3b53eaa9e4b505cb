"""The guides do what they say: their commands are run as they stand, one after the other."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.journeys.chromium import ROOT, Chromium
from tests.journeys.server import Server
from tests.journeys.sitting import begin, sit

DOCS = ROOT / "docs"


def commands(guide: str) -> list[str]:
    """Return the shell blocks of a guide."""
    return re.findall(
        r"^```sh\n(.*?)^```", (DOCS / guide).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )


def run(script: str, folder: Path) -> str:
    """Run a script in `folder` as a reader would, with `acquis` and `python` being ours."""
    tools = folder / ".tools"
    tools.mkdir()
    for name, line in (
        ("python", f'exec {sys.executable} "$@"'),
        ("acquis", f'exec {sys.executable} -c "from api.command import main; raise SystemExit(main())" "$@"'),
    ):
        tool = tools / name
        tool.write_text(f"#!/bin/sh\nexport PYTHONPATH={ROOT}\n{line}\n")
        tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", script],
        cwd=folder,
        env=os.environ | {"PATH": f"{tools}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_psychometricians_guide(tmp_path: Path) -> None:
    shutil.copytree(DOCS / "examples", tmp_path / "docs" / "examples")
    blocks = commands("psychometrician.md")
    assert len(blocks) >= 7
    run("\n".join(blocks), tmp_path)
    scores = (tmp_path / "scores.csv").read_text().splitlines()
    assert (scores[0], len(scores)) == ("person,theta,se,flag", 1001)


def test_the_first_page(tmp_path: Path) -> None:
    shutil.copytree(DOCS / "examples", tmp_path / "docs" / "examples")
    _, block = commands("../README.md")
    activate, lines = block.split("\n", 1)
    assert activate.startswith("source .venv/bin/activate")
    run(lines, tmp_path)
    assert (tmp_path / "report" / "report.html").exists()
    assert (tmp_path / "scores.csv").exists()


def test_the_hr_guide(chromium: Chromium, sqlite_journey: Server, tmp_path: Path) -> None:
    begin(chromium, sqlite_journey.invitation())
    sit(chromium)  # so that there is a result to receive
    first, *blocks = commands("hr.md")
    assert "SECRET=" in first
    said = run(f"BASE={sqlite_journey.url}\nSECRET=rh-secret\n" + "\n".join(blocks), tmp_path)
    assert '"link":' in said
    assert "revocation not checked" in said
    table = (tmp_path / "resultats.csv").read_bytes()
    assert table.startswith("\ufeffVersion du format;".encode())
    assert "démonstration, sans valeur".encode() in table


@pytest.mark.parametrize("guide", ["candidate.md", "hr.md", "psychometrician.md"])
def test_what_a_guide_points_to_is_there(guide: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", (DOCS / guide).read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (DOCS / target).exists(), f"{guide} points to {target}"
