"""What a test must contain, as nested sets of items with a least and a greatest number from each.

Bounds whose item sets are pairwise nested or disjoint form a tree, for which one look ahead proves
before every choice that the test can still be completed (:mod:`cat_engine.kernels.blueprint`). Anything
else (overlapping sets, sums of an attribute, a least number from a stimulus) is met by shadow tests
(:mod:`cat_engine.selection.shadow`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cat_engine.errors import InputError
from cat_engine.kernels.blueprint import feasible
from cat_engine.kernels.seats import Tree
from cat_engine.selection.requirements import Requirement, Requirements

__all__ = ["Blueprint", "crossing", "tree_of"]


@dataclass(frozen=True, slots=True, eq=False)
class Blueprint:
    """How a test's requirements are met.

    Attributes
    ----------
    requirements
        What binds the test.
    tree
        The nested sets, as kernels read them; where shadow tests are needed, the whole test alone.
    names
        What each set is called in messages.
    exact
        Whether the tree holds all requirements, so that looking ahead suffices.
    """

    requirements: Requirements
    tree: Tree
    names: tuple[str, ...]
    exact: bool

    @classmethod
    def build(cls, requirements: Requirements, method: str) -> Blueprint:
        """Choose how to meet `requirements`: by look-ahead (``greedy``), ``shadow`` tests, or ``auto``.

        Raises
        ------
        InputError
            Where look-ahead is asked for and cannot prove anything.
        """
        reason = crossing(requirements)
        if method == "greedy" and reason:
            raise InputError(
                f"expected requirements that look-ahead can prove for blueprint.method = 'greedy', got "
                f"{reason}; choose 'auto' or 'shadow'"
            )
        exact = method != "shadow" and not reason
        if not exact and any(bound.share for bound in requirements.bounds):
            raise InputError(
                f"expected nested requirements beside a constraint's share, got {reason or 'shadow tests'}; "
                "give min and max instead of the share"
            )
        tree, names = tree_of(requirements, exact)
        return cls(requirements, tree, names, exact)

    def __len__(self) -> int:
        return len(self.names)

    def free(self, usable: np.ndarray) -> np.ndarray:
        """Count the usable items that belong to each set itself."""
        return np.bincount(self.tree.group[usable != 0], minlength=len(self)).astype(np.int64)

    def flaw(self, usable: np.ndarray) -> str | None:
        """Say why no test of the `usable` items meets the tree, or None where one does."""
        sets = len(self)
        need, cap, count = np.zeros((3, sets), dtype=np.int64)
        low, high = self.tree.low, self.tree.high
        if not feasible(self.tree.parent, low, high, count, self.free(usable), need, cap):
            return None
        for v in range(sets):
            least, most = max(need[v], low[v]), min(cap[v], high[v])
            if least > most:
                return f"at least {least} items asked of {self.names[v]} where {max(most, 0)} are possible"
        return None


def crossing(requirements: Requirements) -> str | None:
    """Say why the requirements are no tree of nested sets, or None where they are."""
    for bound in requirements.bounds:
        if not bound.counts:
            return f"a bound on {bound.name}"
    if requirements.stimuli:
        least, most = requirements.stimulus_range
        if least > 1:
            return f"stimuli with at least {least} items each"
        if most < int(np.bincount(requirements.stimulus[requirements.stimulus >= 0]).max()):
            return f"stimuli with at most {most} items each"
    sets = [(frozenset(b.items.tolist()), b.name) for b in (*requirements.bounds, *requirements.enemies)]
    holders: dict[int, list[int]] = {}
    for s, (held, _) in enumerate(sets):
        for i in held:
            holders.setdefault(i, []).append(s)
    for together in {tuple(h) for h in holders.values() if len(h) > 1}:
        for x, s in enumerate(together):
            for t in together[x + 1 :]:
                one, other = sets[s][0], sets[t][0]
                if not (one <= other or other <= one):
                    return f"{sets[s][1]} and {sets[t][1]}, which overlap without being nested"
    return None


def tree_of(requirements: Requirements, nested: bool) -> tuple[Tree, tuple[str, ...]]:
    """Return the tree of the nested sets (all, or the whole test alone) and the sets' names."""
    n = requirements.n
    whole = frozenset(range(n))
    sets: dict[frozenset[int], tuple[int, int, str]] = {whole: (*requirements.length, "the whole test")}
    share: dict[frozenset[int], int] = {}
    for bound in (*requirements.bounds, *requirements.enemies) if nested else ():
        held = frozenset(bound.items.tolist())
        low, high, before = sets.get(held, (0, n, ""))
        if bound.share:
            share[held] = round(1e6 * bound.share)
        sets[held] = (
            max(low, math.ceil(bound.low)),
            high if math.isinf(bound.high) else min(high, math.floor(bound.high)),
            f"{before} and {bound.name}" if before else bound.name,
        )
    ordered = sorted(sets, key=lambda held: (len(held), min(held, default=0)))
    parent = np.full(len(ordered), -1, dtype=np.int64)
    group = np.full(n, -1, dtype=np.int64)
    for v, held in enumerate(ordered):  # the smallest set above the first one to hold each item
        for i in held:
            if group[i] < 0:
                group[i] = v
    top = group.copy()  # the greatest set so far that holds each item
    for v, held in enumerate(ordered):
        for i in held:
            if top[i] < v and parent[top[i]] < 0:
                parent[top[i]] = v
            top[i] = v
    start, member = _grouped(requirements.stimulus, requirements.stimuli)
    enemy_start, enemy = _enemies(requirements.enemies, n)
    tree = Tree(
        parent,
        np.array([sets[held][0] for held in ordered], dtype=np.int64),
        np.array([sets[held][1] for held in ordered], dtype=np.int64),
        np.array([share.get(held, 0) for held in ordered if share], dtype=np.int64),
        group,
        requirements.time,
        requirements.stimulus,
        start,
        member,
        enemy_start,
        enemy,
    )
    return tree, tuple(sets[held][2] for held in ordered)


def _grouped(label: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of each label, one after the other, and where each begins."""
    members = [np.flatnonzero(label == s) for s in range(number)]
    start = np.zeros(number + 1, dtype=np.int64)
    start[1:] = np.cumsum([len(m) for m in members])
    return start, np.concatenate([*members, np.empty(0, dtype=np.int64)]).astype(np.int64)


def _enemies(sets: tuple[Requirement, ...], n: int) -> tuple[np.ndarray, np.ndarray]:
    of: list[set[int]] = [set() for _ in range(n)]
    for held in sets:
        for i in held.items:
            of[i].update(int(e) for e in held.items if e != i)
    start = np.zeros(n + 1, dtype=np.int64)
    start[1:] = np.cumsum([len(e) for e in of])
    return start, np.array([e for held in of for e in sorted(held)], dtype=np.int64)
