"""How large a difference between groups is, in the item's own score.

References
----------
Meade, A. W. (2010). A taxonomy of effect size measures for the differential functioning of items and scales.
Journal of Applied Psychology, 95, 728-743 (SIDS, UIDS, ESSD).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from cat_engine.grid import tabulate
from cat_engine.pool import ItemPool
from item_bank.parameters import Population

__all__ = ["Size", "expected_scores", "size_class", "size_of"]


class Size(NamedTuple):
    """Differences in expected score, focal minus reference, over the focal group's abilities.

    Attributes
    ----------
    signed, unsigned
        Mean difference, and mean absolute difference.
    standardised
        Signed difference over the standard deviation of the two expected scores (like Cohen's d).
    share
        Unsigned difference as a share of the item's greatest score.
    """

    signed: float
    unsigned: float
    standardised: float
    share: float


def expected_scores(row: Mapping[str, Any], population: Population) -> tuple[np.ndarray, np.ndarray]:
    """Return an item's expected score at the nodes of a population, and the nodes' weights."""
    grid = population.grid()
    p = np.exp(tabulate(ItemPool.from_rows([row]), grid).logp)[0]
    return np.arange(len(p), dtype=np.float64) @ p, grid.weights


def size_of(reference: Mapping[str, Any], focal: Mapping[str, Any], population: Population) -> Size:
    """Return the size of the difference between one item's two sets of parameters.

    Parameters
    ----------
    population
        The focal group's.
    """
    e_reference, w = expected_scores(reference, population)
    e_focal, _ = expected_scores(focal, population)
    gap = e_focal - e_reference
    variances = [float(w @ e**2 - (w @ e) ** 2) for e in (e_reference, e_focal)]
    spread = float(np.sqrt(max(sum(variances) / 2.0, 0.0)))
    n_cat = int(ItemPool.from_rows([reference]).n_cat[0])
    signed, unsigned = float(w @ gap), float(w @ np.abs(gap))
    return Size(signed, unsigned, signed / spread if spread > 0 else float("nan"), unsigned / (n_cat - 1))


def size_class(share: float, p: float, level: float = 0.05) -> str:
    """Return A, B or C from the unsigned difference as a share of the greatest score.

    A: below 0.05 or not significant. B: below 0.10. C: 0.10 and above. (The bounds that ETS uses for the
    standardized difference in proportions, taken to the model's curves.)
    """
    if not np.isfinite(share) or not np.isfinite(p):
        return ""
    if p >= level or share < 0.05:
        return "A"
    return "B" if share < 0.10 else "C"
