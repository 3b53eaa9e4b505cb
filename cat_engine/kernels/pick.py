"""Choosing: values of record as integers, the best open item, ties to the lowest index."""

import numpy as np

from cat_engine.compile import jit
from cat_engine.family import information as family_information

MICRO = 1e6
_LIMIT = 2.0**50
_ROUND = 6755399441055744.0  # 1.5 * 2**52: adding it rounds to an integer, ties to even


@jit
def of_record(value):
    """Round ``1e6 value`` half to even, as an integer; magnitudes beyond 2**50 are held there."""
    return np.int64((min(max(MICRO * value, -_LIMIT), _LIMIT) + _ROUND) - _ROUND)


@jit
def information_block(table, index, theta, buffer, out):
    """Write the expected information at `theta` of one table's items to their places in the pool."""
    family_information(table, theta, buffer)
    for r in range(index.size):
        out[index[r]] = of_record(buffer[r])


@jit
def first_best(values, usable, group, allowed):
    """Return the usable item of greatest value, the lowest index among equals, or -1."""
    best = np.int64(-1)
    top = np.int64(-(2**62))
    for i in range(values.size):
        if usable[i] != 0 and allowed[group[i]] != 0 and values[i] > top:
            top = values[i]
            best = i
    return best
