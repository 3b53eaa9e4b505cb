"""Stopping rules: what ends a sitting, and how levels are told apart.

`REASONS` and `CLASSIFIERS` are the registers; the compiled rules are in :mod:`cat_engine.kernels.ending`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from cat_engine.kernels import ending as kernel
from cat_engine.kernels.ending import Ending

if TYPE_CHECKING:
    from cat_engine.design import Design

__all__ = ["CLASSIFIERS", "REASONS", "Ending", "ending", "points"]

CLASSIFIERS = {
    "none": kernel.NONE,
    "posterior": kernel.POSTERIOR,
    "sprt": kernel.SPRT,
    "glr": kernel.GLR,
    "interval": kernel.INTERVAL,
}
"""How levels are told apart: posterior probability; sequential probability ratio test (Wald, 1947; Reckase,
1983); generalised likelihood ratio (Thompson, 2009); confidence interval (Weiss & Kingsbury, 1984)."""

REASONS = {
    kernel.LENGTH: "length",
    kernel.PRECISION: "se",
    kernel.CHANGE: "change",
    kernel.INFORMATION: "information",
    kernel.CLASSIFIED: "classified",
    kernel.TIME_UP: "time",
    kernel.EXHAUSTED: "exhausted",
    kernel.COMBINED: "combined",
}
"""Why the engine ends a sitting, as results say it."""


def ending(design: Design) -> Ending:
    """Return the stopping rules of a design as kernels read them."""
    stop, cuts = design.stop, design.cuts
    rules = (stop.se, stop.change, stop.information)
    return Ending(
        any(rule is not None for rule in rules) or (stop.classify != "none" and len(cuts.values) > 0),
        -1.0 if stop.se is None else stop.se,
        -1.0 if stop.change is None else stop.change,
        -1.0 if stop.information is None else stop.information,
        math.inf if stop.time is None else stop.time,
        stop.combine == "all",
        CLASSIFIERS[stop.classify],
        cuts.confidence,
        # rounded, so that the last bits of a library's logarithm or quantile never decide
        round(math.log((1.0 - cuts.beta) / cuts.alpha), 6),
        round(math.log(cuts.beta / (1.0 - cuts.alpha)), 6),
        round(float(ndtri(0.5 + 0.5 * cuts.confidence)), 6),
        np.array(cuts.values, dtype=np.float64),
        cuts.delta,
    )


def points(design: Design) -> np.ndarray:
    """Return the thetas whose likelihoods classification compares: the two sides of every cut."""
    if design.stop.classify not in ("sprt", "glr"):
        return np.empty(0)
    cuts, delta = design.cuts.values, design.cuts.delta
    return np.array([side for cut in cuts for side in (cut - delta, cut + delta)])
