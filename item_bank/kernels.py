"""Passes over responses as they come from a file, where numpy would need several and much memory."""

import numpy as np

from cat_engine.compile import jit

__all__ = ["arrange", "count", "count_pairs", "first_repeat"]


@jit(nogil=True)
def count(values, out):
    """Add how often each of 0, 1, 2, ... stands in `values` to `out`."""
    for k in range(values.size):
        out[values[k]] += 1


@jit(nogil=True)
def count_pairs(item, category, out):
    """Add how often each pair of item and category occurs to `out`; negative categories are none."""
    for k in range(item.size):
        if category[k] >= 0:
            out[item[k], category[k]] += 1


@jit(nogil=True)
def arrange(person, item, category, place, items, categories):
    """Write responses in the order of persons, for each in the order of the file.

    Parameters
    ----------
    person, item, category
        The responses.
    place
        Where each person's first response goes; ends as where the next person's goes.
    items, categories
        Results.
    """
    for k in range(person.size):
        at = place[person[k]]
        items[at], categories[at] = item[k], category[k]
        place[person[k]] = at + 1


@jit(nogil=True)
def first_repeat(indptr, item, n_items):
    """Return the first position whose person and item came before, or -1.

    Person ``i`` answered the items ``item[indptr[i] : indptr[i + 1]]``, in any order.
    """
    last = np.full(n_items, -1, np.int64)
    for i in range(indptr.size - 1):
        for k in range(indptr[i], indptr[i + 1]):
            if last[item[k]] == i:
                return k
            last[item[k]] = i
    return -1
