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
def feasible(parent, low, high, count, free, need, cap):
    """Return how many sets cannot be completed; fills `need` and `cap` with the children's sums.

    ``need[v]`` and ``cap[v]`` hold what the children ask for and can take (`free` included), before the
    set's own bounds.
    """
    for v in range(parent.size):
        need[v] = 0
        cap[v] = free[v]
    broken = 0
    for v in range(parent.size):
        least = max(need[v], low[v] - count[v])
        most = min(cap[v], high[v] - count[v])
        broken += 1 if least > most else 0
        if parent[v] >= 0:
            need[parent[v]] += least
            cap[parent[v]] += most
    return broken


@jit
def allowed(parent, low, high, count, free, finishing, need, cap, broken, out):
    """Write into `out` whether one more item from each set leaves a completion possible.

    When `finishing`, the item must also bring the end nearer: the test has all it wants but the
    blueprint's minima. `need`, `cap` and `broken` come from `feasible`. Returns how many sets are open.
    """
    root = parent.size - 1
    lacking = max(need[root], low[root] - count[root])
    opened = 0
    for v in range(parent.size):
        out[v] = 0
        if free[v] <= 0:
            continue
        more_need = np.int64(0)  # how the children's sums of u change
        more_cap = np.int64(-1)
        still = broken
        u = v
        left = lacking
        while u >= 0:
            done = count[u]
            least = max(need[u], low[u] - done)
            most = min(cap[u], high[u] - done)
            still -= 1 if least > most else 0
            least_then = max(need[u] + more_need, low[u] - done - 1)
            most_then = min(cap[u] + more_cap, high[u] - done - 1)
            still += 1 if least_then > most_then else 0
            more_need = least_then - least
            more_cap = most_then - most
            left = least_then
            u = parent[u]
        if still == 0 and (not finishing or left < lacking):
            out[v] = 1
            opened += 1
    return opened
