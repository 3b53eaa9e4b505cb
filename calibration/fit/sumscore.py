"""Distribution of the total score given theta (Lord & Wingersky, 1984; polytomous: Thissen et al., 1995).

References
----------
Lord, F. M., & Wingersky, M. S. (1984). Comparison of IRT true-score and equipercentile observed-score
equatings. Applied Psychological Measurement, 8, 453-461. Thissen, D., Pommerich, M., Billeaud, K., &
Williams, V. S. L. (1995). Item response theory for scores on tests including polytomous items with
ordered responses. Applied Psychological Measurement, 19, 39-49.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

__all__ = ["score_distribution", "without_each"]


def _add(distribution: np.ndarray, item: np.ndarray) -> np.ndarray:
    """Return the distribution of the total with one item more; shapes ``(S, Q)``, ``(K, Q)``."""
    size = len(distribution)
    out = np.zeros((size + len(item) - 1, distribution.shape[1]))
    for k, row in enumerate(item):
        out[k : k + size] += distribution * row
    return out


def _empty(nodes: int) -> np.ndarray:
    return np.ones((1, nodes))


def score_distribution(probability: np.ndarray, n_cat: np.ndarray) -> np.ndarray:
    """Return P(total = s | theta), shape ``(S + 1, Q)`` for a greatest total S.

    Parameters
    ----------
    probability
        Shape ``(n, K, Q)``.
    n_cat
        Shape ``(n,)``.
    """
    distribution = _empty(probability.shape[2])
    for i, size in enumerate(n_cat):
        distribution = _add(distribution, probability[i, :size])
    return distribution


def without_each(probability: np.ndarray, n_cat: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield ``(i, P(total of the other items = s | theta))`` for every item.

    Items are halved again and again: each half's items are added to what the other half stands on, which
    takes n log n additions in place of n squared, and none is ever taken back out (which is unstable).
    """

    def descend(low: int, high: int, distribution: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        if high - low == 1:
            yield low, distribution
            return
        middle = (low + high) // 2
        for own, others in (((low, middle), (middle, high)), ((middle, high), (low, middle))):
            grown = distribution
            for j in range(*others):
                grown = _add(grown, probability[j, : n_cat[j]])
            yield from descend(*own, grown)

    yield from descend(0, len(n_cat), _empty(probability.shape[2]))
