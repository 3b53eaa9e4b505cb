"""Maximum expected information, bounded for every item and evaluated where the bounds leave a doubt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cat_engine.kernels import expected
from cat_engine.kernels.belief import EAP
from cat_engine.kernels.seats import Seats
from cat_engine.selection.material import Material

__all__ = ["Evaluate", "Expected"]

Evaluate = Callable[[np.ndarray, np.ndarray], None]
"""``(wanted, out)``: writes the values of the items that are wanted, both of shape ``(A, n)``."""


class Expected:
    """Expected information after the next answer (van der Linden, 1998).

    Where an answer leads is exact for means; for the estimators that maximise, the two nodes around it say
    enough to leave most items aside.

    Parameters
    ----------
    material
        The items and how theta is estimated.
    weigh
        Writes the posterior over the grid.
    """

    def __init__(self, material: Material, weigh: Callable[[Seats, np.ndarray], Any]) -> None:
        self._material, self._weigh = material, weigh
        self._observed = material.options.information == "observed"
        self._exact = material.options.evaluate == "exact"
        self._low, self._high = float(material.fine[0]), float(material.fine[-1])
        self._table = _information_after(material, self._observed)
        self._most = _most_around(self._table)
        if material.method != EAP:
            self._most = _most_between(self._most, len(material.grid))

    def __call__(
        self, seats: Seats, active: np.ndarray, thetas: np.ndarray, keys: np.ndarray, out: np.ndarray
    ) -> None:
        """Write the value of every item."""
        at = self._material.chances(thetas)
        after = self._means(seats, active, at) if self._material.method == EAP else np.empty_like(at)
        self._evaluate(seats, active, at, after, np.ones(out.shape, dtype=np.uint8), out)

    def bound(self, seats: Seats, active: np.ndarray, thetas: np.ndarray) -> tuple[np.ndarray, Evaluate]:
        """Return a bound of every item's value, shape ``(A, n)``, and what computes the values asked for."""
        material = self._material
        n_cat, at = material.tables.n_cat, material.chances(thetas)
        place = np.empty(at.shape, dtype=np.int64)
        if material.method == EAP:
            after = self._means(seats, active, at)
            expected.nodes_near(self._low, self._high, len(material.fine), after, n_cat, place)
        else:
            after = np.empty_like(at)
            grid = material.grid
            expected.summits_after(
                material.method,
                n_cat,
                material.evidence,
                seats,
                active,
                grid.weights,
                grid.nodes,
                material.prior,
                place,
            )
        upper = np.empty((len(active), len(n_cat)), dtype=np.int64)
        expected.bounds(self._most, place, at, n_cat, upper)
        return upper, lambda wanted, out: self._evaluate(seats, active, at, after, wanted, out)

    def _means(self, seats: Seats, active: np.ndarray, at: np.ndarray) -> np.ndarray:
        """The posterior's mean after each answer."""
        material, after = self._material, np.empty_like(at)
        over = self._weigh(seats, active)
        expected.means_after(over, material.grid.nodes, material.probability, after)
        return after

    def _evaluate(
        self,
        seats: Seats,
        active: np.ndarray,
        at: np.ndarray,
        after: np.ndarray,
        wanted: np.ndarray,
        out: np.ndarray,
    ) -> None:
        """Write the values of the items that are wanted; `after` holds means, or room for maxima."""
        material = self._material
        n_cat, grid = material.tables.n_cat, material.grid
        if material.method != EAP:
            expected.maxima_after(
                material.method,
                n_cat,
                material.evidence,
                seats,
                active,
                grid.weights,
                grid.nodes,
                material.prior,
                wanted,
                after,
            )
        if not self._exact:
            expected.expected_tabled(self._low, self._high, self._table, n_cat, at, after, wanted, out)
            return
        for block in material.pool.blocks:
            expected.expected_exact(block.table, block.index, self._observed, at, after, wanted, out)


def _information_after(material: Material, observed: bool) -> np.ndarray:
    """Tabulate the information of each answer, shape ``(K, n, G)``, or the expected one, ``(1, n, G)``."""
    if not observed:
        return np.ascontiguousarray(1e-6 * material.information_table.T[None])
    out = np.zeros((material.evidence.shape[1], len(material.pool), len(material.fine)))
    for block in material.pool.blocks:
        expected.observed_of(block.table, block.index, material.fine, out)
    return out


def _most_around(table: np.ndarray) -> np.ndarray:
    """Bound what is tabled over the half steps around each node, by the node and the halves beside it.

    What a parabola could add between them, eight times over, is added.
    """
    padded = np.concatenate([table[..., :1], table, table[..., -1:]], axis=-1)
    before, here, behind = padded[..., :-2], padded[..., 1:-1], padded[..., 2:]
    most = np.maximum(here, 0.5 * np.maximum(here + before, here + behind))
    bend = np.abs(before - 2.0 * here + behind)
    bend[..., 0], bend[..., -1] = bend[..., 1], bend[..., -2]
    wide = np.concatenate([bend[..., :1], bend, bend[..., -1:]], axis=-1)
    return np.asarray(most + np.maximum(bend, np.maximum(wide[..., :-2], wide[..., 2:])))


def _most_between(most: np.ndarray, size: int) -> np.ndarray:
    """Bound between each of the grid's nodes and the next, from bounds around the fine ones."""
    finer = (most.shape[-1] - 1) // (size - 1)
    out = most[..., ::finer].copy()
    for step in range(1, finer + 1):
        out[..., :-1] = np.maximum(out[..., :-1], most[..., step::finer][..., : size - 1])
    return np.ascontiguousarray(out)
