"""Elementary symmetric functions and what conditional likelihood needs of them, from sums of positive terms.

For a set of items with weights ``e_jk`` (category ``k`` of item ``j``), ``gamma_r`` is the coefficient of
``z**r`` in ``prod_j sum_k e_jk z**k``. Prefix products and their adjoint give all first derivatives of
``sum_r h_r gamma_r`` in one sweep each way, and a tangent of the prefix gives the second ones; nothing is
ever subtracted, so nothing cancels (unlike the difference algorithm).
"""

import numpy as np

from cat_engine.compile import jit

__all__ = ["conditional"]


@jit(nogil=True)
def _multiply(poly, size, weights, count, out):
    """Write ``poly * sum_k weights[k] z**k``; return its number of coefficients."""
    for s in range(size + count - 1):
        out[s] = 0.0
    for s in range(size):
        for k in range(count):
            out[s + k] += poly[s] * weights[k]
    return size + count - 1


@jit(nogil=True)
def conditional(items, weights, n_cat, place, freq, gradient, information):
    """Add one group's part of the conditional log-likelihood's derivatives; return sum_r n_r log gamma_r.

    Parameters
    ----------
    items
        The items that these persons answered.
    weights
        ``e_jk``, shape ``(n_items, K)``, summing to 1 over the categories of an item.
    n_cat
        Number of categories of each item.
    place
        Position of each item's first parameter (category 1).
    freq
        Number of persons with each raw score, shape ``(scores,)``.
    gradient
        Expected number of responses in each category but the first is taken away from it.
    information
        Minus the second derivatives are added; size 0 when not wanted.
    """
    n = items.size
    top = freq.size
    prefix = np.zeros((n + 1, top))
    adjoint = np.zeros((n + 1, top))
    prefix[0, 0] = 1.0
    sizes = np.ones(n + 1, np.int64)
    for j in range(n):
        i = items[j]
        sizes[j + 1] = _multiply(prefix[j], sizes[j], weights[i], n_cat[i], prefix[j + 1])
    total = 0.0
    for r in range(top):
        if freq[r] > 0.0:
            total += freq[r] * np.log(prefix[n, r])
            adjoint[n, r] = freq[r] / prefix[n, r]
    for j in range(n - 1, -1, -1):
        i = items[j]
        for s in range(sizes[j]):
            for k in range(n_cat[i]):
                adjoint[j, s] += weights[i, k] * adjoint[j + 1, s + k]
    for j in range(n):
        i = items[j]
        for k in range(1, n_cat[i]):
            expected = 0.0
            for s in range(sizes[j]):
                expected += prefix[j, s] * adjoint[j + 1, s + k]
            expected *= weights[i, k]
            gradient[place[i] + k - 1] -= expected
            if information.size > 0:
                information[place[i] + k - 1, place[i] + k - 1] += expected
    if information.size == 0:
        return total
    tangent = np.zeros((2, top))
    for j in range(n):
        i = items[j]
        for k in range(1, n_cat[i]):
            size = sizes[j] + k
            now = 0
            tangent[0, :size] = 0.0
            for s in range(sizes[j]):
                tangent[0, s + k] = prefix[j, s] * weights[i, k]
            for m in range(j + 1, n):
                other = items[m]
                for v in range(1, n_cat[other]):
                    joint = 0.0
                    for s in range(min(size, top - v)):
                        joint += tangent[now, s] * adjoint[m + 1, s + v]
                    joint *= weights[other, v]
                    a = place[i] + k - 1
                    b = place[other] + v - 1
                    information[a, b] += joint
                    information[b, a] += joint
                size = _multiply(tangent[now], size, weights[other], n_cat[other], tangent[1 - now])
                now = 1 - now
    suffix = np.zeros((n + 1, top))
    suffix[n, 0] = 1.0
    tail = np.ones(n + 1, np.int64)
    for j in range(n - 1, -1, -1):
        i = items[j]
        tail[j] = _multiply(suffix[j + 1], tail[j + 1], weights[i], n_cat[i], suffix[j])
    given = np.zeros((n * (weights.shape[1] - 1), top))
    where = np.empty(n * (weights.shape[1] - 1), np.int64)
    c = 0
    for j in range(n):
        i = items[j]
        for k in range(1, n_cat[i]):
            where[c] = place[i] + k - 1
            for s in range(sizes[j]):
                for t in range(tail[j + 1]):
                    given[c, s + t + k] += prefix[j, s] * suffix[j + 1, t]
            for r in range(top):
                given[c, r] *= weights[i, k] / prefix[n, r] if freq[r] > 0.0 else 0.0
            c += 1
    for a in range(c):
        for b in range(a + 1):
            value = 0.0
            for r in range(top):
                value += freq[r] * given[a, r] * given[b, r]
            information[where[a], where[b]] -= value
            if a != b:
                information[where[b], where[a]] -= value
    return total
