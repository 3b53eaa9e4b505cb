"""What changes during sittings, for one person (the live service) or a batch in lockstep (the simulator).

Every kernel of a sitting works on `Seats`, one row a person, and on `Tree`, which does not change. A live
session is a batch of one, so there is no second engine to agree with.
"""

from typing import NamedTuple

import numpy as np

from cat_engine.compile import jit

THETA, SE, BEFORE, TIME = 0, 1, 2, 3
"""Columns of `Seats.now`: estimate, its standard error, the estimate before it, expected time."""

SERVED, SCORED, STIMULUS = 0, 1, 2
"""Columns of `Seats.tally`: items served, answers that count, stimulus being worked on (-1: none)."""


class Seats(NamedTuple):
    """Attributes: first axis the person.

    belief
        Shape ``(N, F, Q)``: likelihood over the grid and what the estimator sums beside it.
    points
        Shape ``(N, P)``: log-likelihood at the points that classification compares.
    usable
        Shape ``(N, n)``, uint8: whether an item may still be served.
    free, counted
        Shape ``(N, V)``: usable items that belong to each set of the blueprint itself, and items that
        count in it and below it.
    now, tally
        Shape ``(N, 4)`` and ``(N, 3)``: see the columns above.
    """

    belief: np.ndarray
    points: np.ndarray
    usable: np.ndarray
    free: np.ndarray
    counted: np.ndarray
    now: np.ndarray
    tally: np.ndarray


class Tree(NamedTuple):
    """The blueprint and what goes together, as kernels read it.

    parent, low, high
        Shape ``(V,)``: see :mod:`cat_engine.kernels.blueprint`.
    group
        Shape ``(n,)``: the smallest set that holds each item.
    time
        Shape ``(n,)``: expected seconds.
    stimulus
        Shape ``(n,)``: which stimulus an item belongs to, or -1.
    member_start, member
        The items of stimulus `s` are ``member[member_start[s] : member_start[s + 1]]``.
    enemy_start, enemy
        The enemies of item `i`, likewise.
    """

    parent: np.ndarray
    low: np.ndarray
    high: np.ndarray
    group: np.ndarray
    time: np.ndarray
    stimulus: np.ndarray
    member_start: np.ndarray
    member: np.ndarray
    enemy_start: np.ndarray
    enemy: np.ndarray


@jit
def close(tree, seats, s, item):
    """Make `item` unusable for seat `s`."""
    if seats.usable[s, item] != 0:
        seats.usable[s, item] = 0
        seats.free[s, tree.group[item]] -= 1


@jit
def count_item(tree, seats, s, item, by):
    """Let `item` count (by = 1) or count no more (by = -1) for seat `s`."""
    v = tree.group[item]
    while v >= 0:
        seats.counted[s, v] += by
        v = tree.parent[v]
    seats.now[s, TIME] += by * tree.time[item]


@jit
def serve(tree, seats, s, item):
    """Serve `item` to seat `s`: it counts, and its enemies and a stimulus left behind are closed."""
    close(tree, seats, s, item)
    count_item(tree, seats, s, item, 1)
    for e in range(tree.enemy_start[item], tree.enemy_start[item + 1]):
        close(tree, seats, s, tree.enemy[e])
    left = seats.tally[s, STIMULUS]
    if left >= 0 and left != tree.stimulus[item]:
        for m in range(tree.member_start[left], tree.member_start[left + 1]):
            close(tree, seats, s, tree.member[m])
    seats.tally[s, STIMULUS] = tree.stimulus[item]
    seats.tally[s, SERVED] += 1
