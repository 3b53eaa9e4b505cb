"""Item parameters from and to other programs' metrics and tables.

The house's metric is the logistic one with D = 1 (see :mod:`item_bank.parameters`). Each pair of functions
here goes both ways; a row is a dictionary with the fields of the parameter file.

=====================  ==========================================================================
slope-intercept        ``logit = a theta + d`` (:func:`to_slope_intercept`, :func:`from_slope_intercept`)
normal metric          ``logit = 1.7 a (theta - b)`` (:func:`from_metric`, :func:`to_metric`)
TAM, ConQuest          ``P(k)`` proportional to ``exp(B_k theta - AXsi_k)`` (:func:`from_tam`, :func:`to_tam`)
WINSTEPS (Andrich)     a measure and thresholds around it (:func:`from_andrich`, :func:`to_andrich`)
Muraki's modified GRM  ``P(X >= k) = logistic(a (theta - b + c_k))`` (:func:`from_muraki`, :func:`to_muraki`)
=====================  ==========================================================================

Tables of R mirt and catR: :mod:`item_bank.r_tables`.

References
----------
Andrich, D. (1978). A rating formulation for ordered response categories. Psychometrika, 43, 561-573.
Muraki, E. (1990). Fitting a polytomous item response model to Likert-type data. Applied Psychological
Measurement, 14, 59-71. Robitzsch, A., Kiefer, T., & Wu, M. (TAM, R package), help page of `tam.mml`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cat_engine.errors import InputError
from cat_engine.family import MODELS

__all__ = [
    "from_andrich",
    "from_metric",
    "from_muraki",
    "from_slope_intercept",
    "from_tam",
    "to_andrich",
    "to_metric",
    "to_muraki",
    "to_slope_intercept",
    "to_tam",
]

Row = dict[str, Any]


def _fields(row: Mapping[str, Any]) -> Row:
    """Return a row's fields as its model writes them (``b`` also where ``intercept`` was given)."""
    model = MODELS[row["model"]]
    return {"id": row["id"], "model": row["model"], **model.to_fields(model.from_fields([row]), 0)}


def _refuse(row: Mapping[str, Any], metric: str, models: str) -> InputError:
    return InputError(
        f"expected an item of {models} for {metric}, got model '{row.get('model')}' in item "
        f"'{row.get('id')}'; leave it out"
    )


def to_slope_intercept(row: Mapping[str, Any]) -> Row:
    """Return the row with ``intercept`` in place of ``b``: a number (dichotomous) or a list.

    Graded: ``P(X >= k) = logistic(a theta + d_k)``, k = 1 .. K-1. Partial credit: ``P(k)`` proportional to
    ``exp(k a theta + d_k)``, k = 0 .. K-1, ``d_0 = 0``. A rating scale item becomes ``pcm``.
    """
    model = MODELS[row["model"]]
    if model.code == "nrm":
        return dict(row)
    table = model.from_fields([row])
    d = table.d[0]
    out = {key: row[key] for key in ("id", "model", "a", "c", "d") if key in row}
    if model.code == "rsm":
        out["model"] = "pcm"
    size = int(table.n_cat[0])
    if model.dichotomous:
        out["intercept"] = float(d)
    else:
        out["intercept"] = d[: size - 1 if model.code == "grm" else size].tolist()
    return out


def from_slope_intercept(row: Mapping[str, Any]) -> Row:
    """Return the row with ``b`` in place of ``intercept``."""
    return _fields(row)


def from_metric(row: Mapping[str, Any], d: float = 1.7) -> Row:
    """Return a row whose slope was on the metric ``logit = D a (theta - b)`` on the house's: ``a D``."""
    if "a" not in row:
        raise _refuse(row, f"the metric D = {d:g}", "a model with a slope 'a'")
    return {**row, "a": row["a"] * d}


def to_metric(row: Mapping[str, Any], d: float = 1.7) -> Row:
    """Return a row with its slope on the metric ``logit = D a (theta - b)``: ``a / D``."""
    return from_metric(row, 1.0 / d)


def from_tam(item: str, b: Sequence[float], axsi: Sequence[float]) -> Row:
    """Return the item of TAM's table ``B.Cat1 .. B.CatM``, ``AXsi_.Cat1 .. AXsi_.CatM`` (ConQuest alike).

    Equally spaced `b` (B_k = k B_1) make a Rasch, 2PL, PCM or GPCM item, others a nominal one.
    """
    slopes, values = np.asarray(b, dtype=np.float64), np.asarray(axsi, dtype=np.float64)
    if slopes.shape != values.shape or slopes.ndim != 1 or not slopes.size:
        raise InputError(
            f"expected as many B as AXsi, got {slopes.size} and {values.size} in item '{item}'; give "
            "one of each a category above 0"
        )
    a = float(slopes[0])
    if not np.allclose(slopes, a * np.arange(1, len(slopes) + 1), rtol=1e-9, atol=0.0):
        alpha, delta = np.array([0.0, *slopes]), np.array([0.0, *-values])
        return {
            "id": item,
            "model": "nrm",
            "alpha": (alpha - alpha.mean()).tolist(),
            "delta": (delta - delta.mean()).tolist(),
        }
    codes = ("rasch", "2pl") if len(slopes) == 1 else ("pcm", "gpcm")
    code = codes[0] if a == 1.0 else codes[1]
    intercept: Any = float(-values[0]) if len(slopes) == 1 else [0.0, *(-values).tolist()]
    return _fields({"id": item, "model": code, "a": a, "intercept": intercept})


def to_tam(row: Mapping[str, Any]) -> tuple[list[float], list[float]]:
    """Return TAM's ``B`` and ``AXsi`` of the categories above 0."""
    if row["model"] == "nrm":
        alpha, delta = row["alpha"], row["delta"]
        return [x - alpha[0] for x in alpha[1:]], [delta[0] - x for x in delta[1:]]
    if row["model"] in ("3pl", "4pl", "grm"):
        raise _refuse(row, "TAM's B and AXsi", "the Rasch, 2PL, partial credit or nominal model")
    plain = to_slope_intercept(row)
    d = plain["intercept"] if isinstance(plain["intercept"], list) else [0.0, plain["intercept"]]
    return [plain["a"] * k for k in range(1, len(d))], [0.0 - x for x in d[1:]]


def from_andrich(
    item: str,
    measure: float,
    thresholds: Sequence[float] = (),
    set_name: str | None = None,
    mean: float = 0.0,
    scale: float = 1.0,
) -> Row:
    """Return the item of a WINSTEPS table: a measure and Andrich thresholds around it.

    Parameters
    ----------
    measure
        The item's difficulty, in the table's units.
    thresholds
        Andrich thresholds F_1 .. F_{K-1} relative to the measure (without the first, which has none), in
        the table's units; none for a dichotomous item.
    set_name
        The name of the group of items that share these thresholds; without it they are the item's own
        (partial credit).
    mean, scale
        WINSTEPS' ``UMEAN`` and ``USCALE``: a measure is ``mean + scale x logit``.
    """
    location = (measure - mean) / scale
    steps = [t / scale for t in thresholds]
    if not steps:
        return {"id": item, "model": "rasch", "a": 1.0, "b": location}
    if set_name is None:
        return {"id": item, "model": "pcm", "a": 1.0, "b": [location + t for t in steps]}
    centre = sum(steps) / len(steps)
    tau = [t - centre for t in steps]
    return {"id": item, "model": "rsm", "a": 1.0, "b": location + centre, "tau": tau, "set": set_name}


def to_andrich(row: Mapping[str, Any], mean: float = 0.0, scale: float = 1.0) -> tuple[float, list[float]]:
    """Return a measure and the Andrich thresholds around it, which sum to 0."""
    if row["model"] not in ("rasch", "pcm", "rsm") or row["a"] != 1.0:
        raise _refuse(row, "a measure and Andrich thresholds", "the Rasch family (slope 1)")
    if row["model"] == "rasch":
        return mean + scale * row["b"], []
    if row["model"] == "rsm":
        return mean + scale * row["b"], [scale * t for t in row["tau"]]
    location = sum(row["b"]) / len(row["b"])
    return mean + scale * location, [scale * (b - location) for b in row["b"]]


def from_muraki(item: str, a: float, b: float, c: Sequence[float]) -> Row:
    """Return the graded item of Muraki's rating formulation: thresholds ``b - c_k``."""
    return {"id": item, "model": "grm", "a": float(a), "b": [b - step for step in c]}


def to_muraki(row: Mapping[str, Any], c: Sequence[float] | None = None) -> tuple[float, float, list[float]]:
    """Return a, b and c of Muraki's rating formulation.

    Parameters
    ----------
    c
        The category parameters that the items share, to check; by default the item's own, which sum to 0.
    """
    if row["model"] != "grm":
        raise _refuse(row, "Muraki's modified graded response model", "the graded response model")
    thresholds = _fields(row)["b"]
    if c is None:
        b = sum(thresholds) / len(thresholds)
        return float(row["a"]), b, [b - t for t in thresholds]
    b = sum(t + s for t, s in zip(thresholds, c, strict=True)) / len(c)
    if not np.allclose(thresholds, [b - s for s in c], rtol=0.0, atol=1e-6):
        raise InputError(
            f"expected thresholds that are b - c_k for the shared c = {list(c)}, got {thresholds} in "
            f"item '{row['id']}'; the items do not share their categories"
        )
    return float(row["a"]), b, list(c)
