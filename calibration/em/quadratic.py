"""The highest point of a parabola within bounds, by an active-set method.

References
----------
Nocedal, J., & Wright, S. (2006). Numerical optimization, section 16.5.
"""

from __future__ import annotations

import numpy as np

__all__ = ["highest"]


def highest(matrix: np.ndarray, gradient: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return the x with the largest ``gradient.x - x.matrix.x / 2`` among ``low <= x <= high``.

    From x = 0 towards the maximum of what is free, up to the first bound; what meets its bound stays on it
    until it would rise by leaving.

    Parameters
    ----------
    matrix
        Positive definite, shape ``(n, n)``.
    gradient
        Slope at x = 0, shape ``(n,)``.
    low, high
        Bounds, ``low <= 0 <= high``, shape ``(n,)``.
    """
    whole: np.ndarray = np.linalg.solve(matrix, gradient)
    if ((low <= whole) & (whole <= high)).all():
        return whole
    inverse = np.linalg.inv(matrix)
    x = np.zeros_like(whole)
    active: list[int] = []
    for _ in range(3 * len(x)):
        pull = np.linalg.solve(inverse[np.ix_(active, active)], (whole - x)[active])
        target = whole - inverse[:, active] @ pull
        ahead = target - x
        ahead[active] = 0.0
        room = np.where(ahead > 0.0, high, low) - x
        share = np.divide(room, ahead, out=np.full(len(x), np.inf), where=ahead != 0.0)
        first = int(np.argmin(share))
        if share[first] < 1.0:
            x += max(share[first], 0.0) * ahead
            x[first] = high[first] if ahead[first] > 0.0 else low[first]
            active.append(first)
            continue
        x += ahead
        inwards = np.where(x[active] >= high[active], -pull, pull)
        if not active or inwards.max() <= 0.0:
            break
        active.pop(int(np.argmax(inwards)))
    return np.asarray(np.clip(x, low, high))
