"""ItemPool: a set of items of any models, as a short list of tables in one canonical order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import cat_engine.models  # noqa: F401 - registers the family
from cat_engine.errors import InputError, suggestion
from cat_engine.family import COMPENSATORY, MODELS, ItemModel, Table, model_of

__all__ = ["Block", "ItemPool"]


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """The items of one model.

    Attributes
    ----------
    model
        What the items follow.
    table
        Their parameters, one row an item.
    index
        Shape ``(rows,)``, ascending: ``index[r]`` is the position of row `r` in the pool.
    """

    model: ItemModel
    table: Table
    index: np.ndarray


class ItemPool:
    """Items in canonical order, which is the order of the rows they were made from.

    Make one with `from_rows` (parameter file) or `from_blocks` (estimates). A pool does not change.

    Attributes
    ----------
    ids
        Item identifiers.
    n_cat
        Shape ``(n,)``: the number of response categories.
    blocks
        One block a model, in order of the model's first item.
    dimensions
        Number of dimensions of theta: with 1 it is a number, with more an array.
    """

    def __init__(
        self,
        ids: Sequence[str],
        blocks: Iterable[Block],
        rows: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        self.ids = tuple(ids)
        self.blocks = tuple(blocks)
        self.n_cat = np.zeros(len(self.ids), dtype=np.int64)
        for block in self.blocks:
            self.n_cat[block.index] = block.table.n_cat
        self.dimensions = self.blocks[0].model.dimensions if self.blocks else 1
        self._rows = None if rows is None else [dict(row) for row in rows]
        self._position = {item: i for i, item in enumerate(self.ids)}
        if len(self._position) < len(self.ids):
            twice = next(item for i, item in enumerate(self.ids) if self._position[item] != i)
            raise InputError(f"expected each item once, got '{twice}' at least twice; keep one of its rows")

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, Any]], dimensions: int = 1) -> ItemPool:
        """Make a pool from rows with the fields of the parameter file.

        Parameters
        ----------
        rows
            Dictionaries with ``id``, ``model`` and the model's fields.
        dimensions
            Number of dimensions that the caller works in. What takes theta as a number leaves it at 1, and
            items of several dimensions are then refused.

        Raises
        ------
        InputError
            For an unknown model, a missing or impossible field, an item that stands twice.
        """
        rows = list(rows)
        if not rows:
            raise InputError("expected at least one item, got none; give item parameters")
        ids: list[str] = []
        by_model: dict[str, list[int]] = {}
        for i, row in enumerate(rows):
            item, code = row.get("id"), row.get("model")
            if not isinstance(item, str) or not item:
                raise InputError(
                    f"expected an item identifier (text) in 'id', got {item!r} in item number "
                    f"{i + 1}; name the item"
                )
            if not isinstance(code, str) or model_of(code, dimensions) is None:
                raise _unknown(code, item, dimensions)
            ids.append(item)
            by_model.setdefault(code, []).append(i)
        blocks = []
        for code, index in by_model.items():
            model = model_of(code, dimensions)
            assert model is not None
            table = model.from_fields([rows[i] for i in index])
            blocks.append(Block(model, table, np.array(index, dtype=np.int64)))
        return cls(ids, blocks, rows)

    @classmethod
    def from_blocks(cls, ids: Sequence[str], blocks: Iterable[Block]) -> ItemPool:
        """Make a pool from tables; together the blocks' indices hold each position once."""
        blocks = tuple(blocks)
        held = np.sort(np.concatenate([block.index for block in blocks]))
        if not np.array_equal(held, np.arange(len(ids))):
            raise ValueError("the blocks must hold each position of the pool exactly once")
        return cls(ids, blocks)

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        kinds = ", ".join(f"{len(block.index)} {block.model.code}" for block in self.blocks)
        return f"ItemPool({len(self)} items: {kinds})"

    def position(self, item: str) -> int:
        """Return the position of the item called `item`."""
        if item not in self._position:
            advice = suggestion(item, self.ids, "give its parameters, or leave it out")
            raise InputError(f"expected an item of the pool ({len(self)} items), got '{item}'; {advice}")
        return self._position[item]

    def positions(self, items: Iterable[str]) -> np.ndarray:
        """Return the positions of several items."""
        return np.array([self.position(item) for item in items], dtype=np.int64)

    def subset(self, index: Iterable[int]) -> ItemPool:
        """Return the pool of the items at the positions `index`, in that order."""
        rows = self.rows()
        return ItemPool.from_rows([rows[i] for i in index], self.dimensions)

    def rows(self) -> list[dict[str, Any]]:
        """Return rows with the fields of the parameter file, in canonical order."""
        if self._rows is not None:
            return [dict(row) for row in self._rows]
        rows: list[dict[str, Any]] = [{} for _ in self.ids]
        for block in self.blocks:
            for r, i in enumerate(block.index):
                rows[i] = {
                    "id": self.ids[i],
                    "model": block.model.code,
                    **block.model.to_fields(block.table, r),
                }
        return rows


def _unknown(code: Any, item: str, dimensions: int) -> InputError:
    """Return the error for a model that is none in so many dimensions."""
    known = MODELS if dimensions == 1 else COMPENSATORY
    expected = f"a model among {', '.join(known)}" + (f" in {dimensions} dimensions" * (dimensions > 1))
    advice = suggestion(str(code), known, "correct 'model'")
    if dimensions == 1 and code in COMPENSATORY:
        advice = "only calibrate, score and fit work in several dimensions"
    if dimensions > 1 and code in MODELS:
        advice = (
            "write it with 'slopes' and 'intercept', or keep items of one dimension in a file of their own"
        )
    return InputError(f"expected {expected}, got {code!r} in item '{item}'; {advice}")
