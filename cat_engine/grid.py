"""Quadrature grids, and log-probabilities and information of a pool over a grid.

Over a grid every model is the same thing, a table; what stands on tables alone does not know models.
Everything here is made from ``+ - * /`` and square roots in a fixed order, so that the tables hold the
same bits on every machine: the record path begins here.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cat_engine.arithmetic import exp, log
from cat_engine.compile import jit
from cat_engine.errors import InputError
from cat_engine.family import logp as family_logp
from cat_engine.family import score as family_score
from cat_engine.pool import ItemPool

__all__ = ["Grid", "GridTables", "tabulate"]


class Grid:
    """Equally spaced nodes with the prior's weight at each.

    Attributes
    ----------
    nodes
        Shape ``(Q,)``, ascending.
    weights
        Shape ``(Q,)``, sum 1.
    log_weights
        Shape ``(Q,)``; finite wherever the prior is positive, also where `weights` underflows to 0.
    """

    __slots__ = ("log_weights", "nodes", "weights")

    def __init__(self, nodes: np.ndarray, weights: np.ndarray, log_weights: np.ndarray | None = None) -> None:
        self.nodes = np.ascontiguousarray(nodes, dtype=np.float64)
        self.weights = np.ascontiguousarray(weights, dtype=np.float64)
        if self.nodes.ndim != 1 or self.nodes.shape != self.weights.shape or len(self.nodes) < 3:
            raise InputError(
                f"expected one weight for each of at least 3 nodes, got {self.weights.shape} weights "
                f"and {self.nodes.shape} nodes in the quadrature grid; correct its size"
            )
        steps = np.diff(self.nodes)
        if not (steps > 0.0).all() or np.ptp(steps) > 1e-9 * float(np.abs(self.nodes).max()):
            raise InputError(
                "expected ascending, equally spaced nodes, got others in the quadrature grid; "
                "give a range and a number of nodes"
            )
        if log_weights is None:
            log_weights = np.array([log(float(w)) for w in self.weights])
        self.log_weights = np.ascontiguousarray(log_weights, dtype=np.float64)

    @classmethod
    def normal(
        cls,
        mean: float = 0.0,
        sd: float = 1.0,
        low: float | None = None,
        high: float | None = None,
        n: int = 61,
    ) -> Grid:
        """Return a grid for a normal population, by default 61 nodes on mean +- 6 sd."""
        if not sd > 0.0 or not np.isfinite([mean, sd]).all():
            raise InputError(
                f"expected a finite mean and a standard deviation above 0, got {mean!r} and {sd!r} "
                "for the quadrature grid; correct the population"
            )
        nodes = _spaced(mean - 6.0 * sd if low is None else low, mean + 6.0 * sd if high is None else high, n)
        logs = []
        for x in nodes:
            z = (x - mean) / sd
            logs.append(-0.5 * z * z)
        return cls._normalised(nodes, logs)

    @classmethod
    def uniform(cls, low: float, high: float, n: int = 61) -> Grid:
        """Return a grid with the same weight at every node."""
        nodes = _spaced(low, high, n)
        return cls._normalised(nodes, [0.0] * n)

    @classmethod
    def _normalised(cls, nodes: list[float], logs: list[float]) -> Grid:
        top = max(logs)
        total = 0.0
        for value in logs:
            total += exp(value - top)
        shift = top + log(total)
        log_weights = [value - shift for value in logs]
        weights = [exp(value) for value in log_weights]
        return cls(np.array(nodes), np.array(weights), np.array(log_weights))

    def __len__(self) -> int:
        return len(self.nodes)

    def __repr__(self) -> str:
        return f"Grid({len(self)} nodes on [{self.nodes[0]:g}, {self.nodes[-1]:g}])"

    @property
    def step(self) -> float:
        """Distance between neighbouring nodes."""
        return float((self.nodes[-1] - self.nodes[0]) / (len(self.nodes) - 1))


def _spaced(low: float, high: float, n: int) -> list[float]:
    if not low < high or n < 3:
        raise InputError(
            f"expected low < high and at least 3 nodes, got [{low!r}, {high!r}] and {n!r} for the "
            "quadrature grid; widen it"
        )
    low, high = float(low), float(high)
    return [low + (high - low) * q / (n - 1) for q in range(n)]


class GridTables(NamedTuple):
    """A pool over a grid, ready to be handed to kernels.

    Attributes
    ----------
    logp
        Shape ``(n, K, Q)``: log-probability of each category; -inf where an item has fewer than K.
    info
        Shape ``(n, Q)``: expected information.
    n_cat
        Shape ``(n,)``.
    """

    logp: np.ndarray
    info: np.ndarray
    n_cat: np.ndarray


@jit
def _tabulate(items, index, nodes, out_logp, out_info):
    width = out_logp.shape[1]
    lp = np.empty(width)
    slope = np.empty(width)
    for r in range(index.size):
        i = index[r]
        for q in range(nodes.size):
            family_logp(items, r, nodes[q], lp)
            family_score(items, r, nodes[q], lp, slope)
            total = 0.0
            for k in range(items.n_cat[r]):
                out_logp[i, k, q] = lp[k]
                total += exp(lp[k]) * slope[k] * slope[k]
            out_info[i, q] = total


def tabulate(pool: ItemPool, grid: Grid) -> GridTables:
    """Return log-probabilities and expected information of `pool` over the nodes of `grid`.

    Information is ``sum_k P_k (d log P_k / d theta)**2`` (Samejima, 1969). The same bits on every machine.
    """
    n, width, size = len(pool), int(pool.n_cat.max()), len(grid)
    tables = GridTables(np.full((n, width, size), -np.inf), np.zeros((n, size)), pool.n_cat.copy())
    for block in pool.blocks:
        _tabulate(block.table, block.index, grid.nodes, tables.logp, tables.info)
    return tables
