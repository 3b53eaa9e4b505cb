"""How much of a test's total is one thing: omega hierarchical, explained common variance (bifactor models).

On the metric of the items' latent responses a loading is ``a_d / sqrt(1.702**2 + sum a**2)``.

References
----------
McLeod, L. D., Swygert, K. A., & Thissen, D. (2001). Factor analysis for items scored in two categories. In
Thissen & Wainer, Test scoring (slopes to loadings). Reise, S. P. (2012). The rediscovery of bifactor
measurement models. Multivariate Behavioral Research, 47, 667-696. Rodriguez, A., Reise, S. P., & Haviland,
M. G. (2016). Evaluating bifactor models: Calculating and interpreting statistical indices. Psychological
Methods, 21, 137-150 (omega coefficients of the total and of subscales; explained common variance).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["indices", "loadings"]

NORMAL = 1.702
"""Slope of the logistic curve that is nearest to the normal one of slope 1."""


def loadings(slopes: np.ndarray) -> np.ndarray:
    """Return the loadings of items with `slopes` on uncorrelated dimensions, shape ``(n, D)``."""
    return np.asarray(slopes / np.sqrt(NORMAL**2 + (slopes**2).sum(axis=1, keepdims=True)))


def indices(slopes: np.ndarray, dimensions: Sequence[str]) -> dict[str, Any]:
    """Return what a bifactor model says of the total score and of each subscale's.

    Parameters
    ----------
    slopes
        Shape ``(n, D)``; the general dimension is the first.
    dimensions
        Names.

    Returns
    -------
    dict
        ``ecv``: share of the common variance that the general dimension explains; ``omega`` and
        ``omega_hierarchical``: share of the total's variance that is due to all dimensions, and to the
        general one alone; ``subscales``: the same of each specific dimension's items, where
        ``omega_hierarchical`` is the share of the specific one alone.
    """
    own = loadings(slopes)
    subscales = {}
    for d, name in enumerate(dimensions[1:], 1):
        some = own[slopes[:, d] != 0.0]
        parts = _shares(some)
        subscales[name] = {
            "omega": float(parts.sum()),
            "omega_hierarchical": float(parts[d]),
            "ecv": float((some[:, 0] ** 2).sum() / (some**2).sum()),
        }
    parts = _shares(own)
    return {
        "ecv": float((own[:, 0] ** 2).sum() / (own**2).sum()),
        "omega": float(parts.sum()),
        "omega_hierarchical": float(parts[0]),
        "subscales": subscales,
    }


def _shares(own: np.ndarray) -> np.ndarray:
    """Return each dimension's share of the variance of the items' sum, shape ``(D,)``."""
    common = own.sum(axis=0) ** 2
    unique = (1.0 - (own**2).sum(axis=1)).sum()
    return np.asarray(common / (common.sum() + unique))
