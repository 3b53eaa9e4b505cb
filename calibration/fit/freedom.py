"""Which parameters were free: what degrees of freedom and moment statistics allow for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calibration.fit.evidence import Evidence, Part
from calibration.kernels.fit import category_slopes
from cat_engine.family import ItemModel, Linear

__all__ = ["Freedom", "freedom", "slopes"]


@dataclass(frozen=True)
class Freedom:
    """Free parameters of a calibration; lists hold one entry a group of persons, then one an item.

    Attributes
    ----------
    directions
        Matrices, shape ``(working parameters, free)``: what the item's working parameters do when one of
        its free parameters moves by one.
    columns
        The position of each of the item's free parameters among all; items and groups that share a
        parameter name the same position.
    n_items
        Number of different free item parameters.
    mean, variance
        Whether the mean and the variance of each group's population are free; in several dimensions each
        dimension's mean, and each variance or covariance that is.
    """

    directions: list[list[np.ndarray]]
    columns: list[list[np.ndarray]]
    n_items: int
    mean: tuple[bool, ...]
    variance: tuple[bool, ...]

    @property
    def n(self) -> int:
        """Number of free parameters."""
        return self.n_items + sum(self.mean) + sum(self.variance)

    @property
    def shared(self) -> np.ndarray:
        """Whether several items have each of the free item parameters, bool, shape ``(n_items,)``."""
        items = [np.unique(np.concatenate(groups)) for groups in zip(*self.columns, strict=True)]
        return np.asarray(np.bincount(np.concatenate(items), minlength=self.n_items) > 1)

    @property
    def by_item(self) -> np.ndarray:
        """Free parameters of each item over all groups, those shared with other items included."""
        items = zip(*self.columns, strict=True)
        return np.array([len(np.unique(np.concatenate(groups))) for groups in items], dtype=np.int64)


def _linear(model: ItemModel, n_cat: int) -> Linear:
    """Say `fixed` and `shared` in the words of `linear`."""
    if model.linear is not None:
        return model.linear(n_cat)
    names = model.working(n_cat)
    offset = np.array([model.fixed.get(name, 0.0) for name in names])
    own = [k for k, name in enumerate(names) if name not in model.fixed and name not in model.shared]
    common = [k for k, name in enumerate(names) if name in model.shared]
    unit = np.eye(len(names))
    return Linear(
        offset,
        unit[:, own],
        unit[:, common],
        tuple(names[k] for k in own),
        tuple(names[k] for k in common),
    )


class _Places:
    """Hands out positions: a new one, or the one that a name already has."""

    def __init__(self) -> None:
        self.count = 0
        self.known: dict[tuple[object, ...], int] = {}

    def of(self, *name: object) -> int:
        if name not in self.known:
            self.known[name] = self.count
            self.count += 1
        return self.known[name]


def freedom(evidence: Evidence) -> Freedom:
    """Return the free parameters of a calibration.

    Items of the status ``fixed`` were held at given values; where any is, the population was freed. A model
    that fixes its slopes frees the first population's variance; every further population has a free mean
    and variance. Where an item's parameters differ between groups, those that differ count once a group.
    """
    rows = evidence.pool.rows()
    fixed = [not evidence.estimated or row.get("status") == "fixed" for row in rows]
    places = _Places()
    first: dict[int, np.ndarray] = {}
    directions: list[list[np.ndarray]] = []
    columns: list[list[np.ndarray]] = []
    for group, part in enumerate(evidence.parts):
        matrices: list[np.ndarray] = [np.zeros((0, 0))] * len(rows)
        where: list[np.ndarray] = [np.zeros(0, np.int64)] * len(rows)
        for block in part.pool.blocks:
            for r, i in enumerate(block.index):
                form = _linear(block.model, int(part.pool.n_cat[i]))
                if fixed[i]:
                    matrices[i] = np.zeros((len(form.offset), 0))
                    continue
                working = block.model.pack(block.table, r)
                alike = np.abs(working - first.setdefault(int(i), working)) < 1e-12
                basis = np.hstack([form.own, form.common])
                owner = [group if (~alike)[column != 0.0].any() else 0 for column in basis.T]
                names: list[tuple[object, ...]] = [("item", int(i), name) for name in form.own_names]
                names += [
                    (block.model.code, str(rows[i].get("set", "")), len(form.offset), name)
                    for name in form.common_names
                ]
                matrices[i] = basis
                where[i] = np.array(
                    [places.of(*name, g) for name, g in zip(names, owner, strict=True)], np.int64
                )
        directions.append(matrices)
        columns.append(where)
    anchored = evidence.estimated and any(fixed)
    models = [block.model for block in evidence.pool.blocks]
    spread = evidence.estimated and (anchored or any(model.free_variance for model in models))
    further = len(evidence.parts) - 1
    return Freedom(
        directions,
        columns,
        places.count,
        (anchored, *[evidence.estimated] * further),
        (spread, *[evidence.estimated] * further),
    )


def slopes(part: Part, free: Freedom, group: int) -> list[np.ndarray]:
    """Return the derivatives of each item's category probabilities over the grid in its free parameters.

    Returns
    -------
    list
        Of each item, shape ``(free, K_i, Q)``; columns of `Freedom.columns`.
    """
    out: list[np.ndarray] = [np.zeros(0)] * len(part.pool)
    nodes = part.grid.nodes
    for block in part.pool.blocks:
        sizes = np.array([len(block.model.working(int(k))) for k in block.table.n_cat], np.int64)
        values = np.zeros((len(sizes), int(sizes.max()), int(block.table.n_cat.max()), len(nodes)))
        category_slopes(block.table, nodes, sizes, values)
        for r, i in enumerate(block.index):
            raw = values[r, : sizes[r], : block.table.n_cat[r]]
            out[i] = np.einsum("pf,pkq->fkq", free.directions[group][i], raw)
    return out
