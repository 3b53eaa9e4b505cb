"""One pass over the responses for what a glance at counts cannot show: twins among items, and islands."""

import numpy as np

from cat_engine.compile import jit

__all__ = ["fingerprints", "fingerprints_complete", "islands"]


@jit(nogil=True)
def _mix(x):
    """Scramble 64 bits (splitmix64; Steele, Lea & Flood, 2014)."""
    x = np.uint64(x) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@jit(nogil=True)
def fingerprints(indptr, item, category, first, out):
    """Add up a hash of (person, category) for every item: equal columns have equal sums.

    `first` is the number of the first person.
    """
    for i in range(indptr.size - 1):
        for k in range(indptr[i], indptr[i + 1]):
            out[item[k]] += _mix(np.uint64(first + i) * np.uint64(128) + np.uint64(category[k]))


@jit(nogil=True)
def fingerprints_complete(matrix, first, out):
    """Do the same for a matrix without missing responses: a hash a person, times the category."""
    for i in range(matrix.shape[0]):
        mark = _mix(np.uint64(first + i))
        for j in range(matrix.shape[1]):
            out[j] += mark * np.uint64(matrix[i, j])


@jit(nogil=True)
def islands(indptr, item, parent):
    """Unite items that some person answered both of; `parent` starts as 0, 1, 2, ... and ends as roots."""
    for i in range(indptr.size - 1):
        if indptr[i] == indptr[i + 1]:
            continue
        a = item[indptr[i]]
        while parent[a] != a:
            parent[a] = parent[parent[a]]
            a = parent[a]
        for k in range(indptr[i] + 1, indptr[i + 1]):
            b = item[k]
            while parent[b] != b:
                parent[b] = parent[parent[b]]
                b = parent[b]
            if b != a:
                low = min(a, b)
                parent[max(a, b)] = low
                a = low
    for j in range(parent.size):
        a = j
        while parent[a] != a:
            a = parent[a]
        parent[j] = a
