"""Mantel-Haenszel: conditional association of an item with group membership, given the match.

References
----------
Mantel, N., & Haenszel, W. (1959). Statistical aspects of the analysis of data from retrospective studies of
disease. JNCI, 22, 719-748. Mantel, N. (1963). Chi-square tests with one degree of freedom. JASA, 58, 690-700
(ordered categories). Phillips, A., & Holland, P. W. (1987). Estimators of the variance of the
Mantel-Haenszel log-odds-ratio estimate. Biometrics, 43, 425-431. Breslow, N. E., & Day, N. E. (1980).
Statistical methods in cancer research, 1, 142-146. Dorans, N. J., & Kulick, E. (1986). Demonstrating the
utility of the standardization approach. Journal of Educational Measurement, 23, 355-368. Zieky, M. (1993).
Practical questions in the use of DIF statistics. In Holland & Wainer, Differential item functioning
(classes A, B, C). Dorans, N. J., & Schmitt, A. P. (1991). Constructed response and differential item
functioning. ETS RR-91-47 (standardized mean difference).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import chi2, norm

__all__ = ["Mantel", "ets_class", "ets_class_of_mean_difference", "mantel", "tables"]


class Mantel(NamedTuple):
    """What Mantel-Haenszel says of one item.

    Attributes
    ----------
    statistic, df, p
        Chi-squared with 1 degree of freedom.
    alpha, log_se
        Common odds ratio (above 1: easier for the reference group) and the standard error of its log; NaN
        for more than two categories.
    delta, delta_se
        ``-2.35 log(alpha)``: ETS's delta scale, negative when the item is harder for the focal group.
    difference
        Standardized difference in mean score, focal minus reference, weighted by the focal group (for two
        categories: STD P-DIF with its sign from the focal group's side).
    spread
        Standard deviation of the item's score, over both groups.
    homogeneity, homogeneity_df, homogeneity_p
        Breslow-Day test that the odds ratio is the same at every score (non-uniform DIF); NaN for more
        than two categories.
    """

    statistic: float
    df: int
    p: float
    alpha: float
    log_se: float
    delta: float
    delta_se: float
    difference: float
    spread: float
    homogeneity: float
    homogeneity_df: int
    homogeneity_p: float


def tables(strata: np.ndarray, focal: np.ndarray, category: np.ndarray, n_cat: int) -> np.ndarray:
    """Return counts by stratum, group (reference, focal) and category, shape ``(S, 2, K)``."""
    _, place = np.unique(strata, return_inverse=True)
    size = int(place.max(initial=-1)) + 1
    cell = (place * 2 + focal) * n_cat + category
    return np.bincount(cell, minlength=size * 2 * n_cat).reshape(size, 2, n_cat).astype(np.float64)


def mantel(counts: np.ndarray, *, correction: bool = True) -> Mantel:
    """Test one item from its counts by stratum, group and category.

    Parameters
    ----------
    counts
        From `tables`.
    correction
        Whether to apply the continuity correction (two categories).
    """
    size = counts.sum(axis=2)
    counts = counts[(size > 0).all(axis=1)]
    size = counts.sum(axis=2)
    total = size.sum(axis=1)
    n_cat = counts.shape[2]
    score = np.arange(n_cat, dtype=np.float64)
    column = counts.sum(axis=1)
    mean, square = column @ score, column @ score**2
    observed = (counts[:, 0] @ score).sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = (size[:, 0] * mean / total).sum()
        variance = size[:, 0] * size[:, 1] * (total * square - mean**2) / (total**2 * (total - 1.0))
        variance = np.nansum(np.where(total > 1, variance, 0.0))
        gap = abs(observed - expected)
        if correction and n_cat == 2:
            gap -= 0.5  # as published, and as difR does, without stopping at 0
        statistic = gap * gap / variance if variance > 0 else np.nan
        means = np.where(size > 0, (counts @ score) / size, 0.0)
    weight = size[:, 1] / max(size[:, 1].sum(), 1.0)
    difference = float((weight * (means[:, 1] - means[:, 0])).sum())
    pooled = column.sum(axis=0)
    share = pooled / max(pooled.sum(), 1.0)
    spread = float(np.sqrt(max(share @ score**2 - (share @ score) ** 2, 0.0)))
    alpha, log_se = _odds_ratio(counts, total) if n_cat == 2 else (np.nan, np.nan)
    homogeneity, df = _breslow_day(counts, alpha) if n_cat == 2 else (np.nan, 0)
    delta = -2.35 * np.log(alpha) if alpha > 0 else np.nan
    return Mantel(
        float(statistic),
        1,
        float(chi2.sf(statistic, 1)),
        float(alpha),
        float(log_se),
        float(delta),
        2.35 * float(log_se),
        difference,
        spread,
        float(homogeneity),
        df,
        float(chi2.sf(homogeneity, df)) if df > 0 else float("nan"),
    )


def _odds_ratio(counts: np.ndarray, total: np.ndarray) -> tuple[float, float]:
    """Return the common odds ratio and the standard error of its logarithm (Phillips & Holland, eq. 2)."""
    a, b = counts[:, 0, 1], counts[:, 0, 0]
    c, d = counts[:, 1, 1], counts[:, 1, 0]
    agree, differ = (a * d / total).sum(), (b * c / total).sum()
    if agree == 0 or differ == 0:
        return float("nan"), float("nan")
    alpha = agree / differ
    variance = ((a * d + alpha * b * c) * (a + d + alpha * (b + c)) / total**2).sum() / (2.0 * agree**2)
    return float(alpha), float(np.sqrt(variance))


def _breslow_day(counts: np.ndarray, alpha: float) -> tuple[float, int]:
    """Return the homogeneity statistic and its degrees of freedom."""
    if not np.isfinite(alpha):
        return float("nan"), 0
    right = counts[:, :, 1].sum(axis=1)
    size = counts.sum(axis=2)
    total = size.sum(axis=1)
    used = (right > 0) & (right < total)
    a, right = counts[used, 0, 1], right[used]
    n_r, n_f = size[used, 0], size[used, 1]
    if len(a) < 2:
        return float("nan"), 0
    # Expected count x under the common ratio: x (n_f - right + x) = alpha (right - x)(n_r - x).
    quadratic = alpha - 1.0
    linear = n_f - right + alpha * (right + n_r)
    constant = alpha * right * n_r
    if abs(quadratic) < 1e-12:
        x = constant / linear
    else:
        x = (linear - np.sqrt(linear**2 - 4.0 * quadratic * constant)) / (2.0 * quadratic)
    with np.errstate(divide="ignore"):
        variance = 1.0 / (1.0 / x + 1.0 / (right - x) + 1.0 / (n_r - x) + 1.0 / (n_f - right + x))
    return float(((a - x) ** 2 / variance).sum()), len(a) - 1


def ets_class(delta: float, se: float, p: float, level: float = 0.05) -> str:
    """Return ETS's class of an item with two categories.

    A: negligible, or not significantly different from 0. C: at least 1.5 in size and significantly more
    than 1 (one-sided). B: what is left.
    """
    if not np.isfinite(delta):
        return ""
    size = abs(delta)
    if p >= level or size < 1.0:
        return "A"
    if size >= 1.5 and (size - 1.0) / se > norm.ppf(1.0 - level):
        return "C"
    return "B"


def ets_class_of_mean_difference(difference: float, spread: float, p: float, level: float = 0.05) -> str:
    """Return ETS's class of an item with ordered categories, from the standardized mean difference."""
    if not spread > 0:
        return ""
    size = abs(difference) / spread
    if p >= level or size <= 0.17:
        return "A"
    return "B" if size <= 0.25 else "C"
