"""What a test must contain, as nested sets of items with a least and a greatest number from each.

Constraints whose item sets are pairwise nested or disjoint form a tree, for which one look ahead proves
before every choice that the test can still be completed (:mod:`cat_engine.kernels.blueprint`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np

from cat_engine.design import Constraint
from cat_engine.errors import InputError
from cat_engine.kernels.blueprint import feasible

__all__ = ["Blueprint"]


@dataclass(frozen=True, slots=True, eq=False)
class Blueprint:
    """A tree of item sets, children before parents; the last set is the whole test.

    Attributes
    ----------
    parent, low, high
        Shape ``(V,)``: number of the enclosing set (-1: none), least and greatest number of items.
    group
        Shape ``(n,)``: the smallest set that holds each item.
    names
        What each set is called in messages.
    """

    parent: np.ndarray
    low: np.ndarray
    high: np.ndarray
    group: np.ndarray
    names: tuple[str, ...]

    @classmethod
    def build(
        cls,
        n: int,
        constraints: Sequence[Constraint],
        attributes: Mapping[str, Sequence[object]],
        length: tuple[int, int],
    ) -> Blueprint:
        """Make the tree of `constraints` over `n` items for tests of least and greatest `length`.

        Raises
        ------
        InputError
            For an attribute or value that the bank lacks, sets that overlap without being nested, and
            demands that cannot be met together.
        """
        whole = frozenset(range(n))
        sets: dict[frozenset[int], tuple[int, int, str]] = {whole: (length[0], length[1], "the whole test")}
        for constraint in constraints:
            held = _members(constraint, attributes)
            name = f"{constraint.attribute} = {constraint.value}"
            low, high, before = sets.get(held, (0, n, ""))
            sets[held] = (
                max(low, constraint.min),
                min(high, constraint.max),
                f"{before} and {name}" if before else name,
            )
        ordered = sorted(sets, key=lambda s: (s is whole or s == whole, len(s), min(s, default=-1)))
        parent = np.full(len(ordered), -1, dtype=np.int64)
        group = np.full(n, len(ordered) - 1, dtype=np.int64)
        for v in reversed(range(len(ordered))):
            for u in range(v + 1, len(ordered)):
                if ordered[v] <= ordered[u]:
                    parent[v] = u
                    break
                if ordered[v] & ordered[u]:
                    raise InputError(
                        f"expected constraints whose items are nested or separate, got {sets[ordered[v]][2]} "
                        f"and {sets[ordered[u]][2]}, which overlap; constrain one attribute, or "
                        "attributes nested in each other"
                    )
            group[list(ordered[v])] = v
        blueprint = cls(
            parent,
            np.array([sets[s][0] for s in ordered], dtype=np.int64),
            np.array([sets[s][1] for s in ordered], dtype=np.int64),
            group,
            tuple(sets[s][2] for s in ordered),
        )
        blueprint.check(np.ones(n, dtype=np.uint8))
        return blueprint

    def __len__(self) -> int:
        return len(self.parent)

    def free(self, usable: np.ndarray) -> np.ndarray:
        """Count the usable items that belong to each set itself."""
        return np.bincount(self.group[usable != 0], minlength=len(self)).astype(np.int64)

    def check(self, usable: np.ndarray) -> None:
        """Raise InputError where no test of the `usable` items meets the blueprint."""
        need, cap = np.zeros((2, len(self)), dtype=np.int64)
        count = np.zeros(len(self), dtype=np.int64)
        if feasible(self.parent, self.low, self.high, count, self.free(usable), need, cap):
            return
        v = int(np.flatnonzero(need > cap)[0])
        raise InputError(
            f"expected a bank and constraints that a test can meet, got at least {need[v]} items asked "
            f"for {self.names[v]} where {max(cap[v], 0)} are possible; "
            "lower a minimum, raise a maximum or add items"
        )


def _members(constraint: Constraint, attributes: Mapping[str, Sequence[object]]) -> frozenset[int]:
    if constraint.attribute not in attributes:
        near = get_close_matches(constraint.attribute, attributes, 1)
        hint = (
            f"did you mean '{near[0]}'?"
            if near
            else f"attributes there are: {', '.join(attributes) or 'none, give the items attributes'}"
        )
        raise InputError(
            f"unknown attribute '{constraint.attribute}' in a constraint of the design file; {hint}"
        )
    column = [str(value) for value in attributes[constraint.attribute]]
    held = frozenset(i for i, value in enumerate(column) if value == constraint.value)
    if not held:
        near = get_close_matches(constraint.value, sorted(set(column)), 1)
        hint = (
            f"did you mean '{near[0]}'?"
            if near
            else f"values there are: {', '.join(sorted(set(column))[:8])}"
        )
        raise InputError(
            f"no item of the bank has {constraint.attribute} = '{constraint.value}', which a constraint of "
            f"the design file asks for; {hint}"
        )
    return held
