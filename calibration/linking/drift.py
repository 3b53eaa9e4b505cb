"""Anchor drift: which common items no longer behave alike once the scales are linked.

References
----------
Huynh, H., & Meyer, P. (2010). Use of robust z in detecting unstable items in item response theory models.
Practical Assessment, Research, and Evaluation, 15 (2). Wright, B. D., & Douglas, G. A. (1976). Rasch item
analysis by hand (displacement). Köhler, C., Robitzsch, A., & Hartig, J. (2020). A bias-corrected RMSD item
fit statistic. Journal of Educational and Behavioral Statistics, 45, 251-273 (the RMSD itself).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from calibration.linking.coefficients import Anchors
from calibration.linking.scale import has_thresholds, move_item, slope_of, thresholds_of
from cat_engine.grid import tabulate
from cat_engine.pool import ItemPool
from item_bank.parameters import Population

__all__ = ["CRITICAL", "LEAST_RMSD", "Drift", "drift", "robust_z"]

CRITICAL = 2.7
"""A robust z beyond this stands out from the other anchors."""

LEAST_RMSD = 0.05
"""Curves closer than this (root mean square, as a share of the greatest score) are never called drifted."""

_LEAST_SPREAD = 0.05
"""Spread of displacements below which nothing is made of their ratio to it."""


class Drift(NamedTuple):
    """What happened to each anchor, shape ``(n,)`` each; NaN where an item has no thresholds.

    Attributes
    ----------
    displacement
        Mean difference of the thresholds, TO minus linked FROM: positive when the item became harder.
    displacement_se, z
        Its standard error from those of the two calibrations, and their ratio.
    robust_z
        Displacement against the median and the interquartile range of all anchors.
    slope_ratio
        TO's slope over the linked one.
    slope_robust_z
        Its logarithm, likewise.
    rmsd
        Root mean square difference of the expected scores over TO's population, as a share of the
        greatest score.
    drifted
        Whether the item stands out (`CRITICAL`) and the curves differ enough to matter (`LEAST_RMSD`).
    """

    displacement: np.ndarray
    displacement_se: np.ndarray
    z: np.ndarray
    robust_z: np.ndarray
    slope_ratio: np.ndarray
    slope_robust_z: np.ndarray
    rmsd: np.ndarray
    drifted: np.ndarray


def robust_z(values: np.ndarray, judge: np.ndarray | None = None) -> np.ndarray:
    """Return deviations from the median in units of 0.7413 interquartile ranges.

    Parameters
    ----------
    judge
        Values from which median and range are taken, bool; all by default.
    """
    known = np.isfinite(values) if judge is None else np.isfinite(values) & judge
    if not known.any():
        return np.full(values.shape, np.nan)
    low, middle, high = np.quantile(values[known], [0.25, 0.5, 0.75])
    return np.asarray((values - middle) / max(0.7413 * (high - low), _LEAST_SPREAD))


def _errors(row: dict[str, Any], size: int) -> np.ndarray:
    errors = (row.get("se") or {}).get("b")
    values = [np.nan if e is None else e for e in np.atleast_1d(errors)] if errors is not None else []
    return np.array(values, dtype=np.float64) if len(values) == size else np.full(size, np.nan)


def drift(
    anchors: Anchors, a: float, b: float, to: Population | None = None, judge: np.ndarray | None = None
) -> Drift:
    """Compare the anchors on TO's scale.

    Parameters
    ----------
    a, b
        The link's coefficients.
    to
        TO's population; standard normal by default.
    judge
        Anchors trusted to show how much anchors differ by chance, bool; all by default.
    """
    n = len(anchors.to)
    displacement, error, ratio = np.full(n, np.nan), np.full(n, np.nan), np.full(n, np.nan)
    moved = [move_item(row, a, b) for row in anchors.start]
    for i, (x, y) in enumerate(zip(moved, anchors.to, strict=True)):
        if has_thresholds(x) and has_thresholds(y):
            b_x, b_y = thresholds_of(x), thresholds_of(y)
            displacement[i] = (b_y - b_x).mean()
            variance = _errors(x, len(b_x)) ** 2 + _errors(y, len(b_y)) ** 2
            error[i] = np.sqrt(variance.sum()) / len(b_x)
            ratio[i] = slope_of(y) / slope_of(x) if slope_of(x) * slope_of(y) > 0 else np.nan
    grid = (to or Population()).grid()
    curves = []
    for rows in (moved, anchors.to):
        pool = ItemPool.from_rows(rows)
        p = np.exp(tabulate(pool, grid).logp)
        curves.append(
            np.einsum("k,nkq->nq", np.arange(p.shape[1], dtype=float), p) / (pool.n_cat - 1)[:, None]
        )
    rmsd = np.sqrt(((curves[0] - curves[1]) ** 2) @ grid.weights)
    by_place, by_slope = robust_z(displacement, judge), robust_z(np.log(ratio), judge)
    outlying = (np.abs(by_place) > CRITICAL) | (np.abs(by_slope) > CRITICAL)
    return Drift(
        displacement,
        error,
        displacement / error,
        by_place,
        ratio,
        by_slope,
        rmsd,
        outlying & (rmsd >= LEAST_RMSD),
    )
