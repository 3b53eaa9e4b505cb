"""From free parameters to what people read: the fields of the parameter file and their standard errors."""

from __future__ import annotations

from typing import Any

import numpy as np

from calibration.em.structure import Structure
from cat_engine.family import ItemModel

__all__ = ["row_fields"]


def _fields(model: ItemModel, n_cat: int, working: np.ndarray) -> dict[str, Any]:
    """Return the fields of one item from its working parameters."""
    return dict(model.to_fields(model.build(np.array([n_cat]), [working]), 0))


def row_fields(
    structure: Structure, row: int, working: np.ndarray, covariance: np.ndarray | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the fields of a row and their standard errors by the delta method.

    The field ``slope_intercept`` holds the working parameters, in which estimation is done, and theirs.

    Parameters
    ----------
    structure, row
        Which item.
    working
        All working parameters.
    covariance
        Covariance of the free item parameters; None for no standard errors.
    """
    block, r = structure.locate(row)
    model = structure.models[structure.item_of[row]]
    values = block.working(working)[r]
    fields = _fields(model, block.n_cat, values)
    plain: dict[str, Any] = dict(zip(block.names, values.tolist(), strict=True))
    fields["slope_intercept"] = plain
    if covariance is None:
        return fields, {}
    index = np.concatenate([block.own[r], block.common[r]])
    maps = np.concatenate([block.own_map[r], block.common_map[r]], axis=1)[:, index >= 0]
    index = index[index >= 0]
    spread = maps @ covariance[np.ix_(index, index)] @ maps.T
    free_ones = np.flatnonzero(maps.any(axis=1))
    plain["se"] = {block.names[p]: _root(spread[p, p]) for p in free_ones}
    names, jacobian = _jacobian(model, block.n_cat, values)
    variance = np.einsum("fp,ps,fs->f", jacobian, spread, jacobian)
    moves = np.any(np.abs(jacobian @ maps) > 0.0, axis=1) if maps.size else np.zeros(len(names), bool)
    errors: dict[str, Any] = {}
    for (name, k), var, free in zip(names, variance, moves, strict=True):
        error = _root(var) if free else None
        if k is None:
            if error is not None:
                errors[name] = error
        else:
            errors.setdefault(name, []).append(error)
    return fields, {
        name: error
        for name, error in errors.items()
        if not isinstance(error, list) or any(e is not None for e in error)
    }


def _root(variance: float) -> float:
    return float(np.sqrt(variance)) if variance >= 0.0 else float("nan")


def _jacobian(
    model: ItemModel, n_cat: int, working: np.ndarray
) -> tuple[list[tuple[str, int | None]], np.ndarray]:
    """Return derivatives of the fields in the working parameters by central differences."""
    names: list[tuple[str, int | None]] = []
    columns = []
    for p in range(len(working)):
        step = 1e-5 * (1.0 + abs(working[p]))
        sides = []
        for sign in (1.0, -1.0):
            moved = working.copy()
            moved[p] += sign * step
            names, values = _flatten(_fields(model, n_cat, moved))
            sides.append(values)
        difference = sides[0] - sides[1]
        difference[np.abs(difference) < 1e-13] = 0.0
        columns.append(difference / (2.0 * step))
    return names, np.array(columns).T


def _flatten(fields: dict[str, Any]) -> tuple[list[tuple[str, int | None]], np.ndarray]:
    names: list[tuple[str, int | None]] = []
    values: list[float] = []
    for name, value in fields.items():
        if isinstance(value, list):
            names += [(name, k) for k in range(len(value))]
            values += value
        else:
            names.append((name, None))
            values.append(value)
    return names, np.array(values)
