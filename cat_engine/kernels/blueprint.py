"""Feasibility of a laminar blueprint: a forest of item sets, each with a least and a greatest number.

Sets are numbered so that children come before their parent and the last one is the whole test. An item
belongs to the smallest set that holds it and thereby to all of that set's ancestors.

The least number of further items a set needs is ``need = max(low - count, sum of the children's need)``;
the greatest it can take is ``cap = min(high - count, free + sum of the children's cap)``, where `free`
counts the open items that belong to the set itself. For sets that are pairwise nested or disjoint, a
completion exists exactly when ``need <= cap`` everywhere: any number of further items between need and
cap can be realised, set by set from the leaves upwards (the sets form a laminar family, whose constraint
matrix is totally unimodular; Edmonds & Giles, 1977).
"""

from cat_engine.compile import jit


@jit
def feasible(parent, low, high, count, free, need, cap):
    """Whether a completion exists; fills `need` and `cap` of each set."""
    for v in range(parent.size):
        need[v] = 0
        cap[v] = free[v]
    possible = True
    for v in range(parent.size):
        need[v] = max(need[v], low[v] - count[v])
        cap[v] = min(cap[v], high[v] - count[v])
        possible = possible and need[v] <= cap[v]
        if parent[v] >= 0:
            need[parent[v]] += need[v]
            cap[parent[v]] += cap[v]
    return possible


@jit
def allowed(parent, low, high, count, free, finishing, need, cap, out):
    """Write into `out` whether one more item from each set leaves a completion possible.

    When `finishing`, the item must also bring the end nearer: the test has all it wants but the
    blueprint's minima. Returns how many further items the test needs before it may stop.
    """
    root = parent.size - 1
    feasible(parent, low, high, count, free, need, cap)
    lacking = need[root]
    for v in range(parent.size):
        out[v] = 0
        if free[v] > 0:
            free[v] -= 1
            u = v
            while u >= 0:
                count[u] += 1
                u = parent[u]
            if feasible(parent, low, high, count, free, need, cap) and (
                not finishing or need[root] < lacking
            ):
                out[v] = 1
            u = v
            while u >= 0:
                count[u] -= 1
                u = parent[u]
            free[v] += 1
    return lacking
