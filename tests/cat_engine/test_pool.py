"""Pools: one canonical order over tables of any models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cat_engine.errors import InputError
from cat_engine.family import MODELS, ItemModel, register
from cat_engine.pool import Block, ItemPool
from tests.laws.examples import random_bank

ROWS: list[dict[str, Any]] = [
    {"id": "A", "model": "2pl", "a": 1.2, "b": 0.5, "se": {"a": 0.1}},
    {"id": "B", "model": "grm", "a": 1.0, "b": [-1.0, 0.0, 2.0]},
    {"id": "C", "model": "2pl", "a": 0.7, "b": -0.5},
]


def test_order_is_the_order_of_the_rows() -> None:
    pool = ItemPool.from_rows(ROWS)
    assert pool.ids == ("A", "B", "C")
    assert pool.n_cat.tolist() == [2, 4, 2]
    assert [(b.model.code, b.index.tolist()) for b in pool.blocks] == [("2pl", [0, 2]), ("grm", [1])]
    assert len(pool) == 3
    assert repr(pool) == "ItemPool(3 items: 2 2pl, 1 grm)"


def test_rows_come_back_as_they_were_given() -> None:
    assert ItemPool.from_rows(ROWS).rows() == ROWS


def test_rows_of_tables_are_parameter_file_rows() -> None:
    pool = random_bank(20, 3)
    again = ItemPool.from_blocks(pool.ids, pool.blocks)
    for row, given in zip(again.rows(), pool.rows(), strict=True):
        assert row["id"] == given["id"]
        for name in row.keys() - {"id", "model"}:
            np.testing.assert_allclose(row[name], given[name], atol=1e-12)


def test_a_slope_of_zero_is_written_as_an_intercept() -> None:
    for row in (
        {"id": "A", "model": "2pl", "a": 0.0, "intercept": 0.7},
        {"id": "A", "model": "grm", "a": 0.0, "intercept": [1.0, -0.5]},
        {"id": "A", "model": "gpcm", "a": 0.0, "intercept": [0.0, 1.0, -0.5]},
    ):
        pool = ItemPool.from_rows([row])
        assert ItemPool.from_blocks(pool.ids, pool.blocks).rows() == [row]


def test_subset_and_positions() -> None:
    pool = ItemPool.from_rows(ROWS)
    assert pool.subset([2, 0]).ids == ("C", "A")
    assert pool.positions(["C", "B"]).tolist() == [2, 1]


def test_blocks_must_hold_each_position_once() -> None:
    block = ItemPool.from_rows(ROWS[:1]).blocks[0]
    with pytest.raises(ValueError, match="exactly once"):
        ItemPool.from_blocks(["A", "B"], [block, block])
    with pytest.raises(ValueError, match="exactly once"):
        ItemPool.from_blocks(["A", "B"], [Block(block.model, block.table, np.array([1]))])


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"id": "X", "model": "2pk", "a": 1, "b": 0}, "did you mean '2pl'"),
        ({"id": "X", "model": None, "a": 1, "b": 0}, "expected a model among rasch, 1pl, 2pl"),
        ({"id": "", "model": "2pl", "a": 1, "b": 0}, "expected an item identifier"),
        ({"model": "2pl", "a": 1, "b": 0}, "item number 1"),
        ({"id": "X", "model": "2pl", "a": 1}, "expected a field 'b', got a in item 'X'"),
        ({"id": "X", "model": "2pl", "a": "1", "b": 0}, "expected a finite number for 'a', got '1'"),
        ({"id": "X", "model": "2pl", "a": True, "b": 0}, "expected a finite number for 'a'"),
        ({"id": "X", "model": "2pl", "a": float("nan"), "b": 0}, "expected a finite number for 'a'"),
        ({"id": "X", "model": "3pl", "a": 1, "b": 0, "c": 1.0}, "lower asymptote 0 <= c < 1"),
        ({"id": "X", "model": "3pl", "a": 1, "b": 0, "c": -0.1}, "lower asymptote 0 <= c < 1"),
        ({"id": "X", "model": "4pl", "a": 1, "b": 0, "c": 0.2, "d": 0.2}, "upper asymptote 0.2 < d <= 1"),
        ({"id": "X", "model": "4pl", "a": 1, "b": 0, "c": 0.2, "d": 1.1}, "upper asymptote 0.2 < d <= 1"),
        ({"id": "X", "model": "grm", "a": 1, "b": [0.5, 0.0]}, "expected thresholds whose a \\* b increases"),
        (
            {"id": "X", "model": "grm", "a": -1, "b": [0.0, 0.5]},
            "expected thresholds whose a \\* b increases",
        ),
        ({"id": "X", "model": "gpcm", "a": 1, "b": 0.5}, "expected a list of at least 1 numbers for 'b'"),
        ({"id": "X", "model": "gpcm", "a": 1, "b": []}, "expected a list of at least 1 numbers for 'b'"),
        ({"id": "X", "model": "rsm", "a": 1, "b": 0, "tau": [0.5, 0.6]}, "'tau' that sums to 0"),
        ({"id": "X", "model": "rsm", "a": 0, "b": 0, "tau": [0.5, -0.5]}, "a slope other than 0"),
        ({"id": "X", "model": "nrm", "alpha": [0, 1], "delta": [0, 1, 2]}, "as many numbers in 'alpha'"),
        ({"id": "X", "model": "nrm", "alpha": [0], "delta": [0]}, "at least 2 numbers for 'alpha'"),
    ],
)
def test_impossible_rows_are_refused(row: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        ItemPool.from_rows([row])


def test_an_item_that_stands_twice_is_refused() -> None:
    with pytest.raises(InputError, match="got 'A' at least twice"):
        ItemPool.from_rows([ROWS[0], ROWS[1], ROWS[0]])
    with pytest.raises(InputError, match="at least one item"):
        ItemPool.from_rows([])
    with pytest.raises(InputError, match="expected an item of the pool"):
        ItemPool.from_rows(ROWS).position("Z")


def test_models_that_share_a_table_share_its_functions() -> None:
    model = MODELS["2pl"]
    fields = {name: getattr(model, name) for name in ItemModel.__dataclass_fields__}
    with pytest.raises(ValueError, match="registered already"):
        register(model)
    with pytest.raises(ValueError, match="give 'other' a table of its own"):
        register(ItemModel(**{**fields, "code": "other", "score": lambda items, i, theta, lp, out: None}))
    assert "other" not in MODELS


def test_equal_thresholds_leave_a_category_that_can_still_be_scored() -> None:
    """catR's rounded banks hold them."""
    pool = ItemPool.from_rows([{"id": "X", "model": "grm", "a": 1.3, "b": [-0.4, 0.366, 0.366]}])
    lp = np.empty(4)
    pool.blocks[0].model.logp(pool.blocks[0].table, 0, 0.1, lp)
    assert np.isfinite(lp).all()
    assert lp[2] < -200.0
    assert np.exp(lp).sum() == pytest.approx(1.0, abs=1e-15)
