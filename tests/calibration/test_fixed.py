"""Items held at given values: what cannot be held is refused, in one dimension and in several."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cat_engine.models  # noqa: F401 - registers the family
from calibration.data import InMemory
from calibration.fixed import fixed_items
from cat_engine.errors import InputError
from cat_engine.family import COMPENSATORY, MODELS
from item_bank.parameters import ParameterSet, Population
from item_bank.responses import Responses

ONE = {"id": "i0", "model": "2pl", "a": 1.0, "b": 0.5}
TWO = {"id": "i0", "model": "m2pl", "slopes": [1.0, 0.0], "intercept": 0.5}
GRADED = {"id": "i0", "model": "mgrm", "slopes": [1.0, 0.0], "intercept": [1.0, 0.0, -1.0]}


def given(row: dict[str, Any]) -> ParameterSet:
    size = len(row.get("slopes", "1"))
    everyone = Population("all", (0.0,) * size, tuple(map(tuple, np.eye(size).tolist())))
    return ParameterSet([row], (everyone,), tuple("uv"[:size]))


@pytest.mark.parametrize(
    ("row", "code", "words"),
    [
        (ONE, "grm", "add --model i0=2pl"),
        (TWO, "m3pl", "add --model i0=m2pl"),
        (GRADED, "mgrm", "expected 4 categories for item 'i0'"),
        (ONE | {"id": "elsewhere"}, "2pl", "none of them"),
        (ONE | {"status": "left-out"}, "2pl", "none of them"),
    ],
)
def test_what_cannot_be_held_is_said(row: dict[str, Any], code: str, words: str) -> None:
    data = InMemory(Responses.from_dense(np.array([[0, 1], [1, 0]]), ["i0", "i1"]))
    model = MODELS[code] if code in MODELS else COMPENSATORY[code](2)
    with pytest.raises(InputError, match=words):
        list(fixed_items(data, [model] * 2, given(row)))


def test_an_item_is_held_at_its_working_parameters() -> None:
    data = InMemory(Responses.from_dense(np.array([[0, 1], [1, 0]]), ["i1", "i0"]))
    [(j, working)] = fixed_items(data, [COMPENSATORY["m2pl"](2)] * 2, given(TWO))
    assert j == 1
    np.testing.assert_array_equal(working, [1.0, 0.0, 0.5])
