"""Moving item parameters from one scale to another: ``theta_TO = A theta_FROM + B``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cat_engine.errors import InputError
from cat_engine.family import MODELS
from item_bank.parameters import ParameterSet, Population

__all__ = ["WITHOUT_FIXED_SLOPE", "has_thresholds", "move", "move_item", "slope_of", "thresholds_of"]

WITHOUT_FIXED_SLOPE = {"rasch": "1pl", "pcm": "gpcm", "rsm": "gpcm"}
"""What a model with slopes of 1 becomes on a scale with another unit."""

_DROPPED = ("slope_intercept", "groups")


def has_thresholds(row: Mapping[str, Any]) -> bool:
    """Return whether an item has a slope and thresholds that lie on the scale of theta."""
    return row.get("a") is not None and row.get("b") is not None and row["a"] != 0.0


def slope_of(row: Mapping[str, Any]) -> float:
    """Return an item's slope."""
    return float(row["a"])


def thresholds_of(row: Mapping[str, Any]) -> np.ndarray:
    """Return an item's difficulty or thresholds, shape ``(K - 1,)``."""
    b = np.atleast_1d(np.array(row["b"], dtype=np.float64))
    return b + np.array(row["tau"]) if "tau" in row else b


def move_item(row: Mapping[str, Any], a: float, b: float) -> dict[str, Any]:
    """Return one row of a parameter file on the new scale.

    Standard errors move with the parameters; the uncertainty of `a` and `b` themselves is not in them.
    A model with slopes of 1 turns into the one with a free slope (`WITHOUT_FIXED_SLOPE`) unless `a` is 1.

    Raises
    ------
    InputError
        For an item of several dimensions.
    """
    out = {key: value for key, value in row.items() if key not in _DROPPED}
    if row.get("status") == "left-out":
        return out
    if row.get("model") not in MODELS:
        raise InputError(
            f"expected one-dimensional items, got model '{row.get('model')}' for item '{row.get('id')}'; "
            "link calibrations of one dimension"
        )
    error = dict(row.get("se") or {})
    if "alpha" in row:
        alpha, delta = np.array(row["alpha"], float), np.array(row["delta"], float)
        out["alpha"], out["delta"] = (alpha / a).tolist(), (delta - alpha * b / a).tolist()
        out["se"] = {"alpha": _scaled(error["alpha"], 1.0 / a)} if "alpha" in error else {}
        return out
    if a != 1.0 and row["model"] in WITHOUT_FIXED_SLOPE:
        out["model"] = WITHOUT_FIXED_SLOPE[row["model"]]
        if "tau" in row:
            out["b"] = thresholds_of(row).tolist()
            for name in ("tau", "set"):
                out.pop(name, None)
                error.pop(name, None)
            error.pop("b", None)
    slope = float(row["a"])
    out["a"] = slope / a
    if out.get("b") is None:  # a slope of 0 has no difficulty
        intercept = np.array(row["intercept"], float) - slope * b / a
        out["intercept"] = intercept.tolist() if intercept.ndim else float(intercept)
    else:
        moved = a * np.array(out["b"], float) + b
        out["b"] = moved.tolist() if moved.ndim else float(moved)
    out["se"] = {name: _scaled(value, {"a": 1.0 / a, "b": a}.get(name, 1.0)) for name, value in error.items()}
    return out


def _scaled(value: Any, factor: float) -> Any:
    if isinstance(value, list):
        return [_scaled(v, factor) for v in value]
    return None if value is None else value * factor


def move(parameters: ParameterSet, a: float, b: float) -> ParameterSet:
    """Return a whole calibration, its populations included, on the new scale."""
    population = tuple(
        Population(
            p.group,
            (a * p.mean[0] + b,),
            ((a * a * p.cov[0][0],),),
            {name: value * (a * a if name == "var" else a) for name, value in p.se.items()},
        )
        for p in parameters.population
    )
    rows = [move_item(row, a, b) for row in parameters.items]
    return ParameterSet(rows, population, parameters.dimensions, dict(parameters.fit))
