"""What a whole test must satisfy, as linear bounds over items: read from the design and the bank."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cat_engine.errors import InputError, suggestion

if TYPE_CHECKING:
    from cat_engine.design import Constraint, Design

__all__ = ["Requirement", "Requirements", "read", "suitable"]

Attributes = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True, eq=False)
class Requirement:
    """``low <= sum of amount over the test's items <= high``.

    Attributes
    ----------
    name
        What messages call it.
    items, amount
        Positions in the pool and what each adds.
    low, high
        Bounds; `high` may be infinite.
    share
        Target share of the test, 0 for none.
    """

    name: str
    items: np.ndarray
    amount: np.ndarray
    low: float
    high: float
    share: float = 0.0

    @property
    def counts(self) -> bool:
        """Whether it counts items, rather than adding up an amount."""
        return bool((self.amount == 1.0).all())


@dataclass(frozen=True, slots=True, eq=False)
class Requirements:
    """All that binds a test.

    Attributes
    ----------
    n
        Number of items.
    length
        Least and greatest number of items.
    bounds
        Constraints of the design.
    enemies
        Sets of items of which a test may hold one.
    stimulus
        Shape ``(n,)``: which stimulus an item belongs to, -1 for none.
    stimulus_range
        Least and greatest number of items of a stimulus that is used.
    time
        Shape ``(n,)``: expected seconds.
    """

    n: int
    length: tuple[int, int]
    bounds: tuple[Requirement, ...]
    enemies: tuple[Requirement, ...]
    stimulus: np.ndarray
    stimulus_range: tuple[int, int]
    time: np.ndarray

    @property
    def stimuli(self) -> int:
        """How many stimuli there are."""
        return int(self.stimulus.max(initial=-1)) + 1


def read(design: Design, attributes: Attributes, ids: Sequence[str]) -> Requirements:
    """Read the requirements of `design` for a pool whose items are called `ids`.

    Raises
    ------
    InputError
        For an attribute or value that the bank lacks, and numbers that are none.
    """
    n = len(ids)
    rules = design.blueprint
    bounds = tuple(_bound(constraint, attributes) for constraint in design.constraint)
    stimulus = _labels(attributes.get(rules.stimulus, ()), n)
    time = np.zeros(n)
    if design.stop.time is not None:
        time = _numbers(rules.time, _column(rules.time, attributes, "stop.time"))
    return Requirements(
        n,
        (design.stop.min, min(design.stop.max, n)),
        bounds,
        _enemies(attributes.get(rules.enemies, ()), ids),
        stimulus,
        (rules.stimulus_min, rules.stimulus_max),
        time,
    )


def suitable(design: Design, attributes: Attributes, need: str) -> np.ndarray:
    """Return which items suit a person with `need`, shape ``(n,)``, uint8.

    Raises
    ------
    InputError
        For an attribute that the bank lacks and a label that no item has.
    """
    rules = design.accommodation
    cells = [set(_words(cell)) for cell in _column(rules.attribute, attributes, "accommodation")]
    labels = sorted(set().union(*cells))
    for label in _words(need):
        if label not in labels:
            advice = suggestion(label, labels, f"labels there are: {', '.join(labels[:8])}")
            raise InputError(
                f"no item of the bank has '{label}' in the attribute '{rules.attribute}', which "
                f"accommodation.needs of the design file asks for; {advice}"
            )
    wanted = set(_words(need))
    return np.array([wanted <= cell for cell in cells], dtype=np.uint8)


def _bound(constraint: Constraint, attributes: Attributes) -> Requirement:
    column = _column(constraint.attribute, attributes, "a constraint")
    if constraint.value is None:
        amount = _numbers(constraint.attribute, column)
        held = np.flatnonzero(amount)
        return Requirement(constraint.name, held, amount[held], constraint.min, constraint.max)
    value = str(constraint.value)
    held = np.array([i for i, cell in enumerate(column) if cell == value], dtype=np.int64)
    if not len(held):
        values = sorted(set(column))
        advice = suggestion(value, values, f"values there are: {', '.join(values[:8])}")
        raise InputError(
            f"no item of the bank has {constraint.name}, which a constraint of the design file asks for; "
            f"{advice}"
        )
    share = constraint.share or 0.0
    return Requirement(constraint.name, held, np.ones(len(held)), constraint.min, constraint.max, share)


def _column(name: str, attributes: Attributes, asks: str) -> Sequence[str]:
    if name not in attributes:
        there = ", ".join(attributes) or "none, so give the items' attributes (--bank)"
        advice = suggestion(name, attributes, f"attributes there are: {there}")
        raise InputError(f"unknown attribute '{name}', which {asks} of the design file names; {advice}")
    return attributes[name]


def _numbers(name: str, column: Sequence[str]) -> np.ndarray:
    values = np.empty(len(column))
    for i, cell in enumerate(column):
        try:
            values[i] = float(cell)
        except ValueError:
            values[i] = math.nan
        if not math.isfinite(values[i]) or values[i] < 0.0:
            raise InputError(
                f"expected a number of at least 0 in the attribute '{name}', got {cell!r} for item number "
                f"{i + 1}; correct the items' attributes"
            )
    return values


def _words(cell: str) -> list[str]:
    """The labels of one cell: separated by spaces, commas, semicolons or bars."""
    for mark in ",;|":
        cell = cell.replace(mark, " ")
    return cell.split()


def _labels(column: Sequence[str], n: int) -> np.ndarray:
    """Number the labels in order of appearance; -1 where a cell is empty or a label stands alone."""
    out = np.full(n, -1, dtype=np.int64)
    cells = [cell.strip() for cell in column]
    shared = [cell for cell in dict.fromkeys(cells) if cell and cells.count(cell) > 1]
    number = {cell: s for s, cell in enumerate(shared)}
    for i, cell in enumerate(cells):
        out[i] = number.get(cell, -1)
    return out


def _enemies(column: Sequence[str], ids: Sequence[str]) -> tuple[Requirement, ...]:
    """Read sets of enemies: items with a label in common, and items that name each other."""
    position = {name: i for i, name in enumerate(ids)}
    sets: dict[str, list[int]] = {}
    for i, cell in enumerate(column):
        for word in _words(cell):
            if word in position:
                if position[word] != i:
                    pair = sorted((i, position[word]))
                    sets[f"{ids[pair[0]]} and {ids[pair[1]]}"] = pair
            else:
                sets.setdefault(word, []).append(i)
    return tuple(
        Requirement(f"the enemies {name}", np.array(held, dtype=np.int64), np.ones(len(held)), 0.0, 1.0)
        for name, held in sets.items()
        if len(held) > 1
    )
