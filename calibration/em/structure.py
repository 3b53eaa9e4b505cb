"""What is estimated: which numbers there are, and how they make the items' working parameters.

A *row* is one set of working parameters: an item, or an item in some of the groups when groups are
allowed to differ. Working parameters are linear in the free parameters, ``working = offset + A free``:
fixed values, shared slopes, rating scales, equality between items and between groups are all this map.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from cat_engine.errors import InputError
from cat_engine.family import ItemModel

__all__ = ["Block", "Restrictions", "Structure", "scale_of"]

Key = Hashable


@dataclass(frozen=True)
class Restrictions:
    """What is not free.

    Attributes
    ----------
    held
        Working parameters held at a value: ``{(item, name): value}``.
    equal
        Sets of working parameters that are equal: each a sequence of ``(item, name)``.
    differs
        Whether a working parameter may differ between groups: ``(item, name) -> bool``.
    sets
        Rating-scale set of an item, where not all items of the model share one.
    tied
        Working parameters of one group (None: of all) that equal another of the same item:
        ``{(item, name, group): other name}``.
    """

    held: Mapping[tuple[str, str], float] = field(default_factory=dict)
    equal: Sequence[Sequence[tuple[str, str]]] = ()
    differs: Callable[[str, str], bool] = lambda item, name: False
    sets: Mapping[str, str] = field(default_factory=dict)
    tied: Mapping[tuple[str, str, str | None], str] = field(default_factory=dict)


def scale_of(item: str, model: ItemModel, n_cat: int, sets: Mapping[str, str]) -> str:
    """Return the rating-scale set of an item: all items of its model and number of categories unless told."""
    return sets.get(item, f"{model.code}{n_cat}")


@dataclass(eq=False)
class Block:
    """Rows of one table type and one number of categories.

    Attributes
    ----------
    model
        A model of that table type (rows may follow several that differ in constraints only).
    n_cat
        Number of categories.
    names
        Names of the working parameters.
    rows
        Positions of the rows, shape ``(R,)``.
    first
        Position of the first working parameter among all; the block's are ``R * P`` in turn.
    place
        Position of the first category among all rows' categories; the block's are ``R * K`` in turn.
    own, own_map
        Free parameters that belong to one row alone, ``(R, M)`` (-1: none), and their map ``(R, P, M)``.
    common, common_map
        Free parameters of several rows, likewise.
    """

    model: ItemModel
    n_cat: int
    names: tuple[str, ...]
    rows: np.ndarray
    first: int
    place: int
    own: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.int64))
    own_map: np.ndarray = field(default_factory=lambda: np.empty((0, 0, 0)))
    common: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.int64))
    common_map: np.ndarray = field(default_factory=lambda: np.empty((0, 0, 0)))

    @property
    def size(self) -> int:
        """Number of rows."""
        return len(self.rows)

    @property
    def width(self) -> int:
        """Number of working parameters of a row."""
        return len(self.names)

    def working(self, values: np.ndarray) -> np.ndarray:
        """View the block's part of all working parameters, shape ``(R, P)``."""
        end = self.first + self.size * self.width
        return values[self.first : end].reshape(self.size, self.width)

    def tables(self, flat: np.ndarray, nodes: int) -> np.ndarray:
        """View the block's part of what is kept for every category and node, shape ``(R, K, Q)``."""
        start = self.place * nodes
        end = start + self.size * self.n_cat * nodes
        return flat[start:end].reshape(self.size, self.n_cat, nodes)


class Structure:
    """Rows, free parameters and the map between them.

    Parameters
    ----------
    items
        Item ids.
    models
        One model an item.
    n_cat
        Number of categories of each item.
    groups
        Group names.
    restrictions
        What is not free.

    Attributes
    ----------
    row_of
        Row of each group and item, shape ``(n_groups, n_items)``.
    item_of
        Item of each row.
    blocks
        Rows by table type and number of categories.
    place
        Position of each row's first category among all rows' categories.
    n_categories
        Number of categories of all rows together.
    names
        One ``(item, parameter, group or None)`` for each free parameter.
    shared, shared_place
        Free parameters of several rows, and the position of each free parameter among them (their number
        for one that is not, and at the end).
    offset
        Working parameters when every free parameter is 0.
    """

    def __init__(
        self,
        items: Sequence[str],
        models: Sequence[ItemModel],
        n_cat: np.ndarray,
        groups: Sequence[str] = ("all",),
        restrictions: Restrictions | None = None,
    ) -> None:
        self.items, self.models, self.n_cat = list(items), list(models), np.asarray(n_cat)
        self.groups = list(groups)
        self.restrictions = restrictions or Restrictions()
        self._united = _unite(self.restrictions.equal)
        seen: dict[tuple[object, ...], int] = {}
        self.row_of = np.empty((len(groups), len(items)), np.int64)
        recipes: list[_Recipe] = []
        self.item_of: list[int] = []
        for g in range(len(groups)):
            for i in range(len(items)):
                recipe = self._recipe(i, g)
                signature = (i, *recipe.keys)
                if signature not in seen:
                    seen[signature] = len(recipes)
                    recipes.append(recipe)
                    self.item_of.append(i)
                self.row_of[g, i] = seen[signature]
        self._number(recipes)

    @property
    def n_free(self) -> int:
        """Number of free item parameters."""
        return len(self.names)

    def working(self, free: np.ndarray) -> np.ndarray:
        """Return all working parameters."""
        values = self.offset.copy()
        np.add.at(values, self._to, self._coefficient * free[self._from])
        return values

    def pull(self, gradient: np.ndarray) -> np.ndarray:
        """Return derivatives in the free parameters from derivatives in the working ones."""
        return np.bincount(self._from, self._coefficient * gradient[self._to], minlength=self.n_free).astype(
            np.float64
        )

    def free_from(self, working: np.ndarray) -> np.ndarray:
        """Return the free parameters that come closest to `working` (least squares, one pass)."""
        weight = np.bincount(self._from, self._coefficient**2, minlength=self.n_free)
        rest = (working - self.offset)[self._to]
        if self._plain:
            return np.bincount(self._from, self._coefficient * rest, minlength=self.n_free) / weight
        matrix = self.matrix()
        solved: np.ndarray = np.linalg.lstsq(matrix, working - self.offset, rcond=None)[0]
        return solved

    def matrix(self) -> np.ndarray:
        """Return the map as a dense matrix, shape ``(n_working, n_free)``."""
        matrix = np.zeros((len(self.offset), self.n_free))
        np.add.at(matrix, (self._to, self._from), self._coefficient)
        return matrix

    def locate(self, row: int) -> tuple[Block, int]:
        """Return the block of a row and its position there."""
        block, position = self._where[row]
        return self.blocks[block], position

    def _recipe(self, i: int, g: int) -> _Recipe:
        model, size = self.models[i], int(self.n_cat[i])
        names = model.working(size)
        limits, item = self.restrictions, self.items[i]
        if model.linear is None:
            offset, maps, keys = np.zeros(len(names)), [], []
            for p, name in enumerate(names):
                held = limits.held.get((item, name), model.fixed.get(name))
                if held is not None:
                    offset[p] = held
                    continue
                unit = np.zeros(len(names))
                unit[p] = 1.0
                maps.append(unit)
                keys.append(self._key(i, g, name, shared=name in model.shared))
            return _Recipe.merged(offset, maps, keys)
        linear = model.linear(size)
        offset = linear.offset.astype(np.float64).copy()
        maps, keys = [], []
        for column, name in zip(linear.own.T, linear.own_names, strict=True):
            held = limits.held.get((item, name))
            if held is not None:
                offset += held * column
                continue
            maps.append(column)
            keys.append(self._key(i, g, name, shared=False))
        label = scale_of(item, model, size, limits.sets)
        for column, name in zip(linear.common.T, linear.common_names, strict=True):
            held = limits.held.get((item, name))
            if held is not None:
                offset += held * column
                continue
            maps.append(column)
            group = self.groups[g] if limits.differs(item, name) else None
            keys.append(("set", label, name, group))
        return _Recipe.merged(offset, maps, keys)

    def _key(self, i: int, g: int, name: str, shared: bool) -> Key:
        item = self.items[i]
        group = self.groups[g] if self.restrictions.differs(item, name) else None
        if shared:
            return ("shared", self.models[i].code, name, group)
        name = self.restrictions.tied.get((item, name, group), name)
        return ("item", *self._united.get((item, name), (item, name)), group)

    def _number(self, recipes: list[_Recipe]) -> None:
        uses: dict[Key, int] = {}
        for recipe in recipes:
            for key in dict.fromkeys(recipe.keys):
                uses[key] = uses.get(key, 0) + 1
        position = {key: k for k, key in enumerate(uses)}
        self.names: list[tuple[str, str, str | None]] = [
            (str(key[1]), str(key[2]), key[3])  # type: ignore[index]
            for key in uses
        ]
        by_kind: dict[tuple[type, int], list[int]] = {}
        for row, i in enumerate(self.item_of):
            kind = (self.models[i].table, int(self.n_cat[i]))
            by_kind.setdefault(kind, []).append(row)
        self.blocks: list[Block] = []
        self._where: dict[int, tuple[int, int]] = {}
        self.place = np.empty(len(recipes), np.int64)
        to, source, coefficient, offsets = [], [], [], []
        first = categories = 0
        for (_, size), rows in by_kind.items():
            model = self.models[self.item_of[rows[0]]]
            names = model.working(size)
            block = Block(model, size, names, np.array(rows), first, categories)
            chosen = [recipes[row] for row in rows]
            block.own, block.own_map = _stack(chosen, len(names), position, lambda key: uses[key] == 1)
            block.common, block.common_map = _stack(chosen, len(names), position, lambda key: uses[key] > 1)
            for r, row in enumerate(rows):
                self._where[row] = (len(self.blocks), r)
                self.place[row] = categories + r * size
                for key, column in zip(recipes[row].keys, recipes[row].maps, strict=True):
                    for p in np.flatnonzero(column):
                        to.append(first + r * len(names) + int(p))
                        source.append(position[key])
                        coefficient.append(float(column[p]))
                offsets.append(recipes[row].offset)
            first += len(rows) * len(names)
            categories += len(rows) * size
            self.blocks.append(block)
        self.n_categories = categories
        self.shared = np.array([position[key] for key, n in uses.items() if n > 1], np.int64)
        self.shared_place = np.full(len(uses) + 1, len(self.shared))
        self.shared_place[self.shared] = np.arange(len(self.shared))
        self.offset = np.concatenate(offsets)
        self._to, self._from = np.array(to, np.int64), np.array(source, np.int64)
        self._coefficient = np.array(coefficient)
        self._plain = bool(np.all(self._coefficient == 1.0)) and len(set(to)) == len(to)


@dataclass(eq=False)
class _Recipe:
    """How one row's working parameters come about: ``offset + sum of maps x free``."""

    offset: np.ndarray
    maps: list[np.ndarray]
    keys: list[Key]

    @classmethod
    def merged(cls, offset: np.ndarray, maps: list[np.ndarray], keys: list[Key]) -> _Recipe:
        """Make a recipe in which each free parameter stands once."""
        total: dict[Key, np.ndarray] = {}
        for column, key in zip(maps, keys, strict=True):
            total[key] = total[key] + column if key in total else column
        return cls(offset, list(total.values()), list(total))


def _stack(
    recipes: list[_Recipe], width: int, position: Mapping[Key, int], wanted: Callable[[Key], bool]
) -> tuple[np.ndarray, np.ndarray]:
    picked = [[m for m, key in enumerate(recipe.keys) if wanted(key)] for recipe in recipes]
    most = max(map(len, picked), default=0)
    index = np.full((len(recipes), most), -1, np.int64)
    maps = np.zeros((len(recipes), width, most))
    for r, (recipe, chosen) in enumerate(zip(recipes, picked, strict=True)):
        for column, m in enumerate(chosen):
            index[r, column] = position[recipe.keys[m]]
            maps[r, :, column] = recipe.maps[m]
    return index, maps


def _unite(sets: Sequence[Sequence[tuple[str, str]]]) -> dict[tuple[str, str], tuple[str, str]]:
    """Return the representative of each parameter that is equal to another."""
    chief: dict[tuple[str, str], tuple[str, str]] = {}

    def find(x: tuple[str, str]) -> tuple[str, str]:
        while chief.get(x, x) != x:
            x = chief[x]
        return x

    for members in sets:
        if len(members) < 2:
            raise InputError(
                f"expected at least two parameters in an equality, got {list(members)}; add another"
            )
        for other in members[1:]:
            chief.setdefault(members[0], members[0])
            chief[find(other)] = find(members[0])
    return {x: find(x) for x in chief}
