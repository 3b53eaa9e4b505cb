"""Rating scales from the shell: sets that share tau, and new items of a scale that is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from api.command import main
from item_bank.parameters import ParameterSet, read_parameters, write_parameters

WIDE, NARROW = np.array([-1.0, 0.0, 1.0]), np.array([-0.4, -0.1, 0.5])
LOCATIONS = np.linspace(-1.0, 1.0, 10)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Answers of 1500 people in two groups, 0.4 apart, to ten items on two scales."""
    folder = tmp_path_factory.mktemp("scales")
    rng = np.random.default_rng(4)
    group = np.arange(1500) % 2
    theta = rng.normal(0.4 * group, 1.3)
    x = np.empty((1500, 10), int)
    for j, location in enumerate(LOCATIONS):
        steps = theta[:, None] - location - (WIDE if j < 5 else NARROW)
        p = np.exp(np.cumsum(np.column_stack([np.zeros(1500), steps]), axis=1))
        x[:, j] = (np.cumsum(p / p.sum(axis=1, keepdims=True), axis=1) < rng.random((1500, 1))).sum(axis=1)
    header = "person," + ",".join(f"Q{j}" for j in range(10))
    lines = [f"P{i}," + ",".join(map(str, row)) for i, row in enumerate(x)]
    (folder / "answers.csv").write_text("\n".join([header, *lines]))
    (folder / "items.csv").write_text(
        "\n".join(["item,scale", *(f"Q{j},{'wide' if j < 5 else 'narrow'}" for j in range(10))])
    )
    (folder / "people.csv").write_text(
        "\n".join(["person,year", *(f"P{i},{'ab'[g]}" for i, g in enumerate(group))])
    )
    return folder


def run(folder: Path, out: str, *options: str) -> ParameterSet:
    words = ["calibrate", str(folder / "answers.csv"), "--model", "rsm", "--out", str(folder / out), *options]
    assert main(words) == 0
    return read_parameters(folder / out)


def test_sets_have_scales_of_their_own(folder):
    found = run(folder, "sets.json", "--sets", f"{folder}/items.csv:scale")
    scales = {row["set"]: row["tau"] for row in found.items}
    assert scales["wide"] == pytest.approx(WIDE, abs=0.15)
    assert scales["narrow"] == pytest.approx(NARROW, abs=0.15)
    together = run(folder, "one.json")
    assert {row["set"] for row in together.items} == {"rsm4"}
    assert together.fit["loglik"] < found.fit["loglik"] - 50.0


def test_new_items_of_a_known_scale_keep_it(folder):
    """Held items free each group's mean; a new item of their set has their tau, whose file names the sets."""
    known = run(folder, "sets.json", "--sets", f"{folder}/items.csv:scale")
    some = ParameterSet([row for row in known.items if row["id"] not in ("Q2", "Q7")], known.population)
    write_parameters(folder / "some.json", some)
    found = run(
        folder, "new.json", "--sets", f"{folder}/items.csv:scale",
        "--fixed", str(folder / "some.json"), "--groups", f"{folder}/people.csv:year",
    )  # fmt: skip
    before = {row["id"]: row for row in known.items}
    for row in found.items:
        assert row["tau"] == pytest.approx(before[row["id"]]["tau"], abs=1e-9)
        assert (row["status"] == "fixed") == (row["id"] not in ("Q2", "Q7"))
        assert row["b"] == pytest.approx(before[row["id"]]["b"], abs=0.05)
    a, b = found.population
    assert b.mean[0] - a.mean[0] == pytest.approx(0.4, abs=0.25)
    assert 0.0 < a.se["mean"] < 0.1


@pytest.mark.parametrize(
    ("model", "items", "sentence"),
    [
        ("gpcm", "item,scale\nQ0,s\n", "rating-scale sets of items of the model rsm, got item 'Q0'"),
        ("rsm", "item,other\nQ0,s\n", "a column 'scale'"),
    ],
)
def test_sets_that_cannot_be_meant_are_refused(folder, capsys, model, items, sentence):
    (folder / "bad.csv").write_text(items)
    words = ["calibrate", str(folder / "answers.csv"), "--out", str(folder / "bad.json"), "--model", model]
    assert main([*words, "--sets", f"{folder}/bad.csv:scale"]) == 2
    assert sentence in capsys.readouterr().err
