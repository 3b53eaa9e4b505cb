"""Coefficients A and B from items that two calibrations share.

References
----------
Loyd, B. H., & Hoover, H. D. (1980). Vertical equating using the Rasch model. Journal of Educational
Measurement, 17, 179-193 (mean/mean). Marco, G. L. (1977). Item characteristic curve solutions to three
intractable testing problems. Journal of Educational Measurement, 14, 139-160 (mean/sigma). Haebara, T.
(1980). Equating logistic ability scales by a weighted least squares method. Japanese Psychological Research,
22, 144-149. Stocking, M. L., & Lord, F. M. (1983). Developing a common metric in item response theory.
Applied Psychological Measurement, 7, 201-210. Kim, S., & Kolen, M. J. (2007). Effects on scale linking of
different definitions of criterion functions for the IRT characteristic curve methods. Journal of Educational
and Behavioral Statistics, 32, 371-397 (weights and symmetry).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy.optimize import least_squares

from calibration.linking.scale import has_thresholds, slope_of, thresholds_of
from cat_engine.errors import InputError
from cat_engine.grid import Grid, tabulate
from cat_engine.pool import ItemPool
from item_bank.parameters import Population

__all__ = ["METHODS", "Anchors", "Weighting", "coefficients"]

METHODS = ("stocking-lord", "haebara", "mean-sigma", "mean-mean")


@dataclass(frozen=True)
class Weighting:
    """Over which abilities two curves are compared.

    Attributes
    ----------
    shape
        ``normal``: each side's population; ``uniform``: equal weights.
    low, high, nodes
        The range of the uniform weights; a normal one reaches 6 standard deviations, on 61 nodes.
    symmetric
        Whether the curves are compared on FROM's scale too, and the two criteria added.
    """

    shape: Literal["normal", "uniform"] = "normal"
    low: float = -4.0
    high: float = 4.0
    nodes: int = 40
    symmetric: bool = False

    def grid(self, population: Population) -> Grid:
        """Return nodes and weights on the scale of `population`."""
        if self.shape == "uniform":
            return Grid.uniform(self.low, self.high, self.nodes)
        return population.grid()

    def to_dict(self, to: Population, start: Population) -> dict[str, Any]:
        """Return what a linked file says about it."""
        if self.shape == "uniform":
            where: dict[str, Any] = {"low": self.low, "high": self.high, "nodes": self.nodes}
        else:
            where = {"to": [to.mean[0], to.sd], "nodes": 61}
            if self.symmetric:
                where["from"] = [start.mean[0], start.sd]
        return {"shape": self.shape, **where, "symmetric": self.symmetric}


class Anchors(NamedTuple):
    """Items that both calibrations hold, in one order."""

    start: list[dict[str, Any]]
    to: list[dict[str, Any]]

    @property
    def ids(self) -> list[str]:
        """Their names."""
        return [str(row["id"]) for row in self.to]

    def take(self, index: Sequence[int] | np.ndarray) -> Anchors:
        """Return some of them."""
        return Anchors([self.start[i] for i in index], [self.to[i] for i in index])


def _moments(anchors: Anchors, method: str, unit: bool) -> tuple[float, float]:
    pairs = [(x, y) for x, y in zip(*anchors, strict=True) if has_thresholds(x) and has_thresholds(y)]
    if not pairs:
        raise InputError(
            f"expected anchors with slopes and thresholds for '{method}', got none; "
            "give others, or link by their curves (stocking-lord, haebara)"
        )
    b_start = np.concatenate([thresholds_of(x) for x, _ in pairs])
    b_to = np.concatenate([thresholds_of(y) for _, y in pairs])
    if unit:
        a = 1.0
    elif method == "mean-mean":
        a = float(np.mean([slope_of(x) for x, _ in pairs]) / np.mean([slope_of(y) for _, y in pairs]))
    else:
        if len(b_start) < 2 or b_start.std() == 0.0:
            raise InputError(
                "expected anchors of different difficulty for 'mean-sigma', got none; "
                "give others, or link by their curves (stocking-lord)"
            )
        a = float(b_to.std() / b_start.std())
    return a, float(b_to.mean() - a * b_start.mean())


class _Curves:
    """Probabilities of the anchors on one scale, at nodes moved to the other."""

    def __init__(self, rows: list[dict[str, Any]], nodes: np.ndarray) -> None:
        self.pool = ItemPool.from_rows(rows)
        self.nodes = nodes
        self.weights = np.full(len(nodes), 1.0 / len(nodes))

    def at(self, slope: float, shift: float) -> np.ndarray:
        """Return probabilities at ``slope * nodes + shift``, shape ``(n, K, Q)``."""
        return np.asarray(np.exp(tabulate(self.pool, Grid(slope * self.nodes + shift, self.weights)).logp))


def _gaps(method: str, p: np.ndarray, q: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return what is squared and added up: differences of categories, or of the whole test."""
    if method == "haebara":
        return np.asarray(((p - q) * np.sqrt(weights)).ravel())
    k = np.arange(p.shape[1], dtype=np.float64)
    return np.asarray(np.einsum("k,nkq->q", k, p - q) * np.sqrt(weights))


def coefficients(
    anchors: Anchors,
    method: str = "stocking-lord",
    weighting: Weighting | None = None,
    to: Population | None = None,
    start: Population | None = None,
    *,
    unit: bool = False,
) -> tuple[float, float]:
    """Return A and B such that ``theta_TO = A theta_FROM + B``.

    Parameters
    ----------
    method
        One of `METHODS`.
    weighting
        Of the curves (Haebara, Stocking-Lord); TO's population by default.
    to, start
        The two populations; standard normal by default.
    unit
        Hold A at 1: both sides have slopes of 1.

    Raises
    ------
    InputError
        For an unknown method, or anchors that do not determine the coefficients.
    """
    if method not in METHODS:
        raise InputError(f"expected a method among {', '.join(METHODS)}, got '{method}'; choose one")
    if not anchors.to:
        raise InputError("expected items in common, got none; check the item ids or name the anchors")
    if method in ("mean-mean", "mean-sigma"):
        return _moments(anchors, method, unit)
    weighting = weighting or Weighting()
    to, start = to or Population(), start or Population()
    here, there = weighting.grid(to), weighting.grid(start)
    fixed_to = _Curves(anchors.to, here.nodes).at(1.0, 0.0)
    moving_start = _Curves(anchors.start, here.nodes)
    fixed_start = _Curves(anchors.start, there.nodes).at(1.0, 0.0)
    moving_to = _Curves(anchors.to, there.nodes)

    def gaps(x: np.ndarray) -> np.ndarray:
        a, b = (1.0, x[0]) if unit else (float(np.exp(x[0])), x[1])
        out = _gaps(method, fixed_to, moving_start.at(1.0 / a, -b / a), here.weights)
        if weighting.symmetric:
            out = np.concatenate([out, _gaps(method, fixed_start, moving_to.at(a, b), there.weights)])
        return out

    try:
        a, b = _moments(anchors, "mean-mean", unit)
    except InputError:
        a, b = 1.0, 0.0
    first = np.array([b]) if unit else np.array([np.log(a) if a > 0 else 0.0, b])
    found = least_squares(gaps, first, jac="3-point", x_scale=0.1, xtol=1e-12, ftol=1e-14, gtol=1e-14).x
    return (1.0, float(found[0])) if unit else (float(np.exp(found[0])), float(found[1]))
