"""Covariances of pairs of items among persons of the same score."""

import numpy as np

from cat_engine.compile import jit


@jit(nogil=True)
def conditional_covariances(low, high, columns, total, greatest, out):
    """Write the mean covariance of items `i` and `j` given the score, for ``low <= i < high``, ``j < i``.

    Conditioning on the total pushes covariances down and on the rest (without both) up; the mean of the
    two is nearly unbiased (Zhang & Stout, 1999, eq. 16).

    Parameters
    ----------
    columns
        Categories, shape ``(n, N)``.
    total
        Total score of each person.
    """
    persons = total.size
    count = np.zeros((2, greatest + 1))
    first = np.zeros((2, greatest + 1))
    second = np.zeros((2, greatest + 1))
    cross = np.zeros((2, greatest + 1))
    for i in range(low, high):
        for j in range(i):
            count[:] = 0.0
            first[:] = 0.0
            second[:] = 0.0
            cross[:] = 0.0
            for p in range(persons):
                x = columns[i, p]
                y = columns[j, p]
                for kind in range(2):
                    s = total[p] if kind == 0 else total[p] - x - y
                    count[kind, s] += 1.0
                    first[kind, s] += x
                    second[kind, s] += y
                    cross[kind, s] += x * y
            value = 0.0
            for kind in range(2):
                used = 0.0
                covariance = 0.0
                for s in range(greatest + 1):
                    n = count[kind, s]
                    if n > 1.0:
                        covariance += cross[kind, s] - first[kind, s] * second[kind, s] / n
                        used += n - 1.0
                if used > 0.0:
                    value += 0.5 * covariance / used
            out[i, j] = value
            out[j, i] = value
