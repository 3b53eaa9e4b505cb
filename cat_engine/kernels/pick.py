"""From criterion values to one item: values are integers of record, ties go to the lowest index.

The rules that need chance take one 64-bit number a person and choice from outside and spread it over
the items with a counter-based generator (splitmix64; Steele, Lea & Flood, 2014), integers all the way.
"""

import numpy as np

from cat_engine.arithmetic import exp, log
from cat_engine.compile import jit

BEST, RANDOMESQUE, PROPORTIONAL, PROGRESSIVE = 0, 1, 2, 3

LOWEST = -(2**62)
"""The value of an item that may not be chosen."""

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_M1 = np.uint64(0xBF58476D1CE4E5B9)
_M2 = np.uint64(0x94D049BB133111EB)
_S27, _S30, _S31, _S11 = np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(11)
_ONE = np.uint64(1)
_ROUND = 6755399441055744.0  # 1.5 * 2**52: adding it rounds to an integer, ties to even


@jit
def mix(key, counter):
    """Return 64 random bits for one counter under one key."""
    z = np.uint64(key) + (np.uint64(counter) + _ONE) * _GOLDEN
    z = (z ^ (z >> _S30)) * _M1
    z = (z ^ (z >> _S27)) * _M2
    return z ^ (z >> _S31)


@jit
def uniform(key, counter):
    """Return a number in [0, 1) with 53 random bits."""
    return np.float64(mix(key, counter) >> _S11) * 2.0**-53


@jit
def bar(values, usable, group, fits, several):
    """Give every item that may not be chosen the value `LOWEST`; return how many are left."""
    left = 0
    if several:
        for i in range(values.size):
            keep = usable[i] != 0 and fits[group[i]] != 0
            values[i] = values[i] if keep else LOWEST
            left += 1 if keep else 0
    else:
        for i in range(values.size):
            keep = usable[i] != 0
            values[i] = values[i] if keep else LOWEST
            left += 1 if keep else 0
    return left


@jit
def greatest(values):
    """Return the position of the greatest value, the lowest among equals; -1 if none may be chosen."""
    top = np.int64(LOWEST)
    for i in range(values.size):
        top = max(top, values[i])
    if top == LOWEST:
        return -1
    for i in range(values.size):
        if values[i] == top:
            return i
    return -1


@jit
def power(x, p):
    """Return ``x**p`` for x >= 0."""
    if p == 0.0:
        return 1.0
    if p == 1.0:
        return x
    return exp(p * log(x)) if x > 0.0 else 0.0


@jit
def shares(values, p, out):
    """Write ``value**p`` relative to the greatest value into `out` and return their sum."""
    top = greatest(values)
    total = 0.0
    scale = 1.0 / np.float64(max(values[top], 1))
    if p == 0.0 or p == 1.0:
        for i in range(values.size):
            out[i] = power(values[i] * scale, p) if values[i] > 0 else 0.0
    else:
        for i in range(values.size):
            share = exp(p * log(values[i] * scale))  # under no condition, so that items run side by side
            out[i] = share if values[i] > 0 else 0.0
    for i in range(values.size):
        total += out[i]
    return total


@jit
def proportional(values, p, key, scratch):
    """Draw an item with probability proportional to ``value**p`` (Barrada et al., 2008)."""
    top = greatest(values)
    if top < 0 or values[top] <= 0:
        return top
    target = uniform(key, 0) * shares(values, p, scratch)
    reached = 0.0
    last = top
    for i in range(values.size):
        if scratch[i] > 0.0:
            reached += scratch[i]
            last = i
            if reached > target:
                return i
    return last


@jit
def blend(values, weight, uniforms):
    """Mix ``weight`` of each value with a random part between 0 and the greatest one, in place."""
    top = greatest(values)
    if top < 0:
        return
    most = np.float64(max(values[top], 0))
    for i in range(values.size):
        if values[i] != LOWEST:
            mixed = (1.0 - weight) * (uniforms[i] * most) + weight * np.float64(values[i])
            values[i] = np.int64((mixed + _ROUND) - _ROUND)


@jit
def progressive(values, weight, key, scratch):
    """Add a random part that shrinks as the test proceeds (Revuelta & Ponsoda, 1998)."""
    for i in range(values.size):
        scratch[i] = uniform(key, i)
    blend(values, weight, scratch)
    return greatest(values)


@jit
def randomesque(values, among, key):
    """Draw one of the `among` best (Kingsbury & Zara, 1989). Destroys `values`."""
    best = greatest(values)
    drawn = best
    n = 0
    while best >= 0 and n < among:
        n += 1
        if uniform(key, n) * n < 1.0:  # the n-th replaces the one drawn so far with probability 1 / n
            drawn = best
        values[best] = LOWEST
        best = greatest(values)
    return drawn


@jit
def pick(rule, number, strength, key, values, scratch):
    """Choose by one of the rules; `number` and `strength` are their parameters."""
    if rule == RANDOMESQUE:
        return randomesque(values, number, key)
    if rule == PROPORTIONAL:
        return proportional(values, strength, key, scratch)
    if rule == PROGRESSIVE:
        return progressive(values, strength, key, scratch)
    return greatest(values)


@jit(inline="always")
def walk(rule, number, key, order, g, masks, m, group, fits, a, several):
    """`pick` for the rules that take items in descending order, from row `g` ranked beforehand.

    ``masks[m]`` and ``fits[a]`` say what may be chosen. Returns -1 where the ranked items are used up.
    """
    drawn = np.int64(-1)
    n = 0
    most = 1 if rule == BEST else number
    for r in range(order.shape[1]):
        i = np.int64(order[g, r])
        if masks[m, i] == 0 or (several and fits[a, group[i]] == 0):
            continue
        n += 1
        if n == 1 or uniform(key, n) * n < 1.0:  # the n-th replaces the one before with probability 1 / n
            drawn = i
        if n == most:
            break
    return drawn
