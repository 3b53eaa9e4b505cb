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
    share
        Shape ``(V,)``: each set's target share of the test in millionths, 0 for none; empty without targets.
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
    share: np.ndarray
    group: np.ndarray
    time: np.ndarray
    stimulus: np.ndarray
    member_start: np.ndarray
    member: np.ndarray
    enemy_start: np.ndarray
    enemy: np.ndarray


# Loops run inside these functions, over all seats: handing a dozen arrays to a function for each
# seat would cost more than the work (every array is reference-counted).


@jit(nogil=True)
def serve(tree, seats, active, chosen):
    """Serve each active seat its item: it counts; its enemies and a stimulus left behind are closed."""
    parent, group, time = tree.parent, tree.group, tree.time
    usable, free, counted = seats.usable, seats.free, seats.counted
    now, tally = seats.now, seats.tally
    enemies = tree.enemy.size > 0
    stimuli = tree.member.size > 0
    for a in range(active.size):
        s = active[a]
        item = chosen[a]
        v = group[item]
        free[s, v] -= usable[s, item]
        usable[s, item] = 0
        while v >= 0:
            counted[s, v] += 1
            v = parent[v]
        now[s, TIME] += time[item]
        tally[s, SERVED] += 1
        if enemies:
            for e in range(tree.enemy_start[item], tree.enemy_start[item + 1]):
                i = tree.enemy[e]
                free[s, group[i]] -= usable[s, i]
                usable[s, i] = 0
        if stimuli:
            left = tally[s, STIMULUS]
            if left >= 0 and left != tree.stimulus[item]:
                for m in range(tree.member_start[left], tree.member_start[left + 1]):
                    i = tree.member[m]
                    free[s, group[i]] -= usable[s, i]
                    usable[s, i] = 0
            tally[s, STIMULUS] = tree.stimulus[item]


@jit
def uncount(tree, seats, s, item):
    """Let a served item of seat `s` count no more."""
    v = tree.group[item]
    while v >= 0:
        seats.counted[s, v] -= 1
        v = tree.parent[v]
    seats.now[s, TIME] -= tree.time[item]


@jit(nogil=True)
def bar(tree, seats, barred):
    """Close the items that `barred` (shape ``(N, n)``) marks, before sittings begin."""
    for s in range(barred.shape[0]):
        for i in range(barred.shape[1]):
            if barred[s, i]:
                seats.free[s, tree.group[i]] -= seats.usable[s, i]
                seats.usable[s, i] = 0
