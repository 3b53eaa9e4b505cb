"""Item information at an ability: exact, for any pool.

Expected (Fisher) information is ``sum_k P_k (d log P_k / d theta)**2``; observed information of an answer
is ``-d2 log P_k / d theta2`` (Efron & Hinkley, 1978). The two agree for the 2PL, GPCM and NRM.
"""

from __future__ import annotations

import numpy as np

from cat_engine.compile import jit
from cat_engine.family import curvature as family_curvature
from cat_engine.family import information as family_information
from cat_engine.family import logp as family_logp
from cat_engine.pool import ItemPool

__all__ = ["MICRO", "best", "information", "information_of_test", "observed_information", "to_micro"]

MICRO = 1e6
"""Criterion values are compared as whole numbers of millionths, so that noise in the last bits never
decides which item a person gets."""

_ROUND = 6755399441055744.0  # 1.5 * 2**52: adding it rounds to an integer, ties to even


@jit
def to_micro(value):
    """Return 1e6 x value rounded half to even, as an integer (|value| < 2e9)."""
    return np.int64((MICRO * value + _ROUND) - _ROUND)


@jit(nogil=True)
def _information(items, theta, out):
    family_information(items, theta, out)


@jit(nogil=True)
def _observed(items, index, theta, category, out):
    width = 2
    for i in range(index.size):
        width = max(width, items.n_cat[i])
    lp = np.empty(width)
    bend = np.empty(width)
    for r in range(index.size):
        family_logp(items, r, theta, lp)
        family_curvature(items, r, theta, lp, bend)
        out[index[r]] = -bend[category[index[r]]]


@jit(nogil=True)
def _best(values, allowed):
    # The bits of 1e6 x + 1.5 * 2**52 order like the rounded integer, and integers vectorise.
    most = np.int64(-1)
    for i in range(values.size):
        bits = np.float64(MICRO * values[i] + _ROUND).view(np.int64)
        most = max(most, bits if allowed[i] else np.int64(-1))
    if most >= 0:
        for i in range(values.size):
            if allowed[i] and np.float64(MICRO * values[i] + _ROUND).view(np.int64) == most:
                return i
    return -1


def information(pool: ItemPool, theta: float, out: np.ndarray | None = None) -> np.ndarray:
    """Return the expected information of every item at `theta`, shape ``(n,)``.

    Parameters
    ----------
    out
        Where to write, shape ``(n,)``, float64; a new array when it is None.
    """
    if out is None:
        out = np.empty(len(pool))
    theta = float(theta)
    if len(pool.blocks) == 1:
        _information(pool.blocks[0].table, theta, out)
        return out
    for block in pool.blocks:
        values = np.empty(len(block.index))
        _information(block.table, theta, values)
        out[block.index] = values
    return out


def observed_information(pool: ItemPool, theta: float, category: np.ndarray) -> np.ndarray:
    """Return ``-d2 log P / d theta2`` of the answer `category[i]` to every item, shape ``(n,)``."""
    out = np.empty(len(pool))
    category = np.asarray(category, dtype=np.int64)
    for block in pool.blocks:
        _observed(block.table, block.index, float(theta), category, out)
    return out


def information_of_test(pool: ItemPool, theta: np.ndarray) -> np.ndarray:
    """Return the sum of the items' expected information at each of several abilities."""
    theta = np.atleast_1d(np.asarray(theta, dtype=np.float64))
    return np.array([sum(information(pool, x).tolist()) for x in theta])


def best(values: np.ndarray, allowed: np.ndarray) -> int:
    """Return the allowed item with the largest value in millionths, the lowest index among equals.

    Parameters
    ----------
    values
        Shape ``(n,)``, not negative (a criterion to maximise).
    allowed
        Shape ``(n,)``, bool.

    Returns
    -------
    int
        -1 when no item is allowed.
    """
    return int(_best(values, allowed))
