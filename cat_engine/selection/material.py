"""What criteria are made from: the items, the grid, and tables over it, built when first asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from cat_engine.grid import Grid, GridTables
from cat_engine.kernels import measures
from cat_engine.kernels.choose import Ranked
from cat_engine.kernels.seats import Seats
from cat_engine.pool import ItemPool

if TYPE_CHECKING:
    from cat_engine.design import Select

__all__ = ["Judge", "Material", "rank"]

_FINE = 4
_DEPTH = 4096

Judge = Callable[[Seats, np.ndarray, np.ndarray, np.ndarray, np.ndarray], None]
"""``(seats, active, thetas, keys, out)``: writes the value of every item for every active seat."""


@dataclass(frozen=True, eq=False)
class Material:
    """What measures are made from; tables with the item last are built when a measure asks for them.

    Attributes
    ----------
    pool, grid, tables
        The items; the nodes with the prior; log-probabilities and information.
    rule
        Shape ``(Q,)``: quadrature weights without the prior.
    method, prior, evidence
        How theta is estimated (:mod:`cat_engine.kernels.belief`).
    cuts
        Cut scores.
    length
        Greatest length of the test.
    options
        The design's section ``[select]``.
    """

    pool: ItemPool
    grid: Grid
    tables: GridTables
    rule: np.ndarray
    method: int
    prior: np.ndarray
    evidence: np.ndarray
    cuts: np.ndarray
    length: int
    options: Select

    @cached_property
    def probability(self) -> np.ndarray:
        """Shape ``(K, Q, n)``."""
        return np.ascontiguousarray(self.evidence[:, :, 0, :].transpose(1, 2, 0))

    @cached_property
    def logp(self) -> np.ndarray:
        """Shape ``(K, Q, n)``; 0 where an item has fewer categories."""
        table = self.tables.logp.transpose(1, 2, 0)
        return np.ascontiguousarray(np.where(np.isneginf(table), 0.0, table))

    @cached_property
    def info(self) -> np.ndarray:
        """Shape ``(Q, n)``."""
        return np.ascontiguousarray(self.tables.info.T)

    @cached_property
    def score(self) -> np.ndarray:
        """Shape ``(Q, n)``: expected score."""
        total = np.zeros(self.info.shape)
        for k in range(1, len(self.probability)):
            total = total + k * self.probability[k]
        return total

    @cached_property
    def minus_entropy(self) -> np.ndarray:
        """Shape ``(Q, n)``: ``sum_k P log P``."""
        total = np.zeros(self.info.shape)
        for k in range(len(self.probability)):
            total = total + self.probability[k] * self.logp[k]
        return total

    @cached_property
    def fine(self) -> np.ndarray:
        """Nodes four times as dense as the grid."""
        low, high = float(self.grid.nodes[0]), float(self.grid.nodes[-1])
        return Grid.uniform(low, high, _FINE * (len(self.grid) - 1) + 1).nodes

    @cached_property
    def information_table(self) -> np.ndarray:
        """Shape ``(G, n)``: information at the fine nodes, in millionths."""
        table = np.empty((len(self.fine), len(self.pool)), dtype=np.int64)
        self.information(self.fine, table)
        return table

    @cached_property
    def ranked_information(self) -> Ranked:
        """Information at the fine nodes, ranked."""
        return rank(self.fine, self.information_table)

    def information(self, thetas: np.ndarray, out: np.ndarray) -> None:
        """Write the information of every item at each theta, in millionths, shape ``(len(thetas), n)``."""
        whole = len(self.pool.blocks) == 1
        for block in self.pool.blocks:
            buffer = np.empty(len(block.index))
            measures.information_exact(block.table, block.index, whole, thetas, buffer, out)

    def chances(self, thetas: np.ndarray) -> np.ndarray:
        """Return the probability of each category at each theta, shape ``(len(thetas), K, n)``."""
        out = np.zeros((len(thetas), self.evidence.shape[1], len(self.pool)))
        if self.options.evaluate == "exact":
            for block in self.pool.blocks:
                measures.chances_exact(block.table, block.index, thetas, out)
        else:
            measures.chances_tabled(self.logp, self.grid.nodes, thetas, out)
        return out

    def peaks(self) -> np.ndarray:
        """Return the theta at which each item tells most."""
        out = np.empty(len(self.pool))
        for block in self.pool.blocks:
            measures.peaks(block.table, block.index, -8.0, 8.0, 161, out)
        return out


def rank(nodes: np.ndarray, table: np.ndarray, row: np.ndarray | None = None) -> Ranked:
    """Rank a table whose rows belong to `nodes`, or are shared by them as `row` says."""
    row = np.arange(len(nodes), dtype=np.int64) if row is None else row
    order = np.argsort(-table, axis=1, kind="stable")[:, :_DEPTH].astype(np.int32)
    return Ranked(float(nodes[0]), float(nodes[-1]), row, table, order)
