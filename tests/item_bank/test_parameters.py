"""The parameter file, there and back, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cat_engine.errors import InputError
from item_bank.parameters import (
    SCHEMA,
    ParameterSet,
    Population,
    read_parameters,
    write_parameters,
)
from tests.laws.examples import random_bank

FILE: dict[str, Any] = {
    "schema": SCHEMA,
    "loglik": -2658.805,
    "converged": True,
    "dimensions": ["theta"],
    "population": [{"group": "all", "mean": [0.0], "cov": [[1.0]], "se": {}}],
    "items": [
        {"id": "Item.1", "model": "2pl", "a": 0.988, "b": -1.879, "se": {"a": 0.177}, "n": 1000, "flags": []},
        {"id": "Item.2", "model": "rsm", "a": 1, "b": 0.1, "tau": [-0.5, 0.5], "set": "likert"},
    ],
}


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    first.write_text(json.dumps(FILE))
    parameters = read_parameters(first)
    assert parameters.items == FILE["items"]
    assert parameters.fit == {"loglik": -2658.805, "converged": True}
    write_parameters(second, parameters)
    assert json.loads(second.read_text()) == FILE
    assert read_parameters(second) == parameters


def test_every_bit_of_a_number_survives(tmp_path: Path) -> None:
    rows = random_bank(30, 4).rows()
    write_parameters(tmp_path / "p.json", ParameterSet(rows))
    assert read_parameters(tmp_path / "p.json").pool().rows() == rows


def test_numpy_numbers_are_written_and_what_is_no_number_is_null(tmp_path: Path) -> None:
    row = {"id": "A", "model": "2pl", "a": np.float64(1.5), "b": 0.0, "n": np.int64(7), "se": {"a": np.nan}}
    write_parameters(tmp_path / "p.json", ParameterSet([row], fit={"aic": np.inf, "x": np.arange(2)}))
    written = json.loads((tmp_path / "p.json").read_text())
    assert written["items"][0] == {
        "id": "A",
        "model": "2pl",
        "a": 1.5,
        "b": 0.0,
        "n": 7,
        "se": {"a": None},
    }
    assert (written["aic"], written["x"]) == (None, [0, 1])


def test_population_and_dimensions_have_defaults() -> None:
    parameters = ParameterSet.from_dict({"schema": SCHEMA, "items": FILE["items"]})
    assert parameters.population == (Population(),)
    assert parameters.dimensions == ("theta",)


def test_a_grid_for_each_group() -> None:
    content = {
        **FILE,
        "population": [
            {"group": "a", "mean": [0], "cov": [[1]]},
            {"group": "b", "mean": [0.5], "cov": [[4]]},
        ],
    }
    parameters = ParameterSet.from_dict(content)
    grid = parameters.group("b").grid()
    assert (grid.nodes[0], grid.nodes[-1]) == (-11.5, 12.5)
    with pytest.raises(InputError, match="expected a group among a, b, got no group"):
        parameters.group()
    with pytest.raises(InputError, match="got 'c'"):
        parameters.group("c")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema": "acquis/item-parameters/2"}, "got schema 'acquis/item-parameters/2'"),
        ({"items": []}, "a list of items under 'items'"),
        ({"items": {"a": 1}}, "a list of items under 'items'"),
        ({"items": [3]}, "a list of items under 'items'"),
        ({"dimensions": "theta"}, "a list of names under 'dimensions'"),
        ({"population": []}, "a list of groups under 'population'"),
        ({"population": [{"mean": [0, 1]}]}, "a mean of 1 numbers"),
        ({"population": [{"cov": [[-1.0]]}]}, "positive definite"),
        ({"population": [{"mean": ["x"]}]}, "a mean of 1 numbers"),
        ({"population": [3]}, "a mean of 1 numbers"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps({**FILE, **change}))
    with pytest.raises(InputError, match=said) as error:
        read_parameters(path)
    assert str(path) in str(error.value)


def test_a_file_that_is_no_json_or_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    with pytest.raises(InputError, match="No such file"):
        read_parameters(path)
    path.write_text("item,a,b\n1,2,3\n")
    with pytest.raises(InputError, match="expected a parameter file in JSON"):
        read_parameters(path)
    path.write_text("[1, 2]")
    with pytest.raises(InputError, match="got schema None"):
        read_parameters(path)
