"""Feasibility of a laminar blueprint: a tree of item sets, each with a least and a greatest number.

Sets are numbered so that children come before their parent and the last one is the whole test. An item
belongs to the smallest set that holds it and thereby to all of that set's ancestors.

The least number of further items a set needs is ``need = max(low - count, sum of the children's need)``;
the greatest it can take is ``cap = min(high - count, free + sum of the children's cap)``, where `free`
counts the open items that belong to the set itself. For sets that are pairwise nested or disjoint, a
completion exists exactly when ``need <= cap`` everywhere: any number of further items between need and
cap can be realised, set by set from the leaves upwards (the sets form a laminar family, whose constraint
matrix is totally unimodular; Edmonds & Giles, 1977).
"""

import numpy as np

from cat_engine.compile import jit


@jit
def feasible(tree, count, free, need, cap):
    """Return how many sets cannot be completed; fills `need` and `cap` with the children's sums.

    ``need[v]`` and ``cap[v]`` hold what the children ask for and can take (`free` included), before the
    set's own bounds: `bounded` applies these.
    """
    parent = tree.parent
    for v in range(parent.size):
        need[v] = 0
        cap[v] = free[v]
    broken = 0
    for v in range(parent.size):
        least, most = bounded(tree, count, need, cap, v, 0)
        broken += 1 if least > most else 0
        if parent[v] >= 0:
            need[parent[v]] += least
            cap[parent[v]] += most
    return broken


@jit
def bounded(tree, count, need, cap, v, extra):
    """Return the least and the greatest number of further items of set `v`, `extra` more counted."""
    done = count[v] + extra
    return max(need[v], tree.low[v] - done), min(cap[v], tree.high[v] - done)


@jit
def allowed(tree, count, free, finishing, need, cap, out):
    """Write into `out` whether one more item from each set leaves a completion possible.

    When `finishing`, the item must also bring the end nearer: the test has all it wants but the
    blueprint's minima. Returns how many sets are open.
    """
    root = tree.parent.size - 1
    broken = feasible(tree, count, free, need, cap)
    lacking, _ = bounded(tree, count, need, cap, root, 0)
    opened = 0
    for v in range(tree.parent.size):
        out[v] = 0
        if free[v] <= 0:
            continue
        more_need = np.int64(0)  # how the children's sums of u change
        more_cap = np.int64(-1)
        still = broken
        u = v
        left = lacking
        while u >= 0:
            least, most = bounded(tree, count, need, cap, u, 0)
            still -= 1 if least > most else 0
            done = count[u] + 1
            least_then = max(need[u] + more_need, tree.low[u] - done)
            most_then = min(cap[u] + more_cap, tree.high[u] - done)
            still += 1 if least_then > most_then else 0
            more_need = least_then - least
            more_cap = most_then - most
            left = least_then
            u = tree.parent[u]
        if still == 0 and (not finishing or left < lacking):
            out[v] = 1
            opened += 1
    return opened


@jit
def lacking(tree, count, free, need, cap):
    """Return how many further items the test needs before it may stop."""
    feasible(tree, count, free, need, cap)
    least, _ = bounded(tree, count, need, cap, tree.parent.size - 1, 0)
    return least
