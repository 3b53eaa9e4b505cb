"""Logistic regression of an item on the match, the group and their product.

For more than two categories the regression is ordinal: ``logit P(X >= k) = c_k + b match + ...``.

References
----------
Swaminathan, H., & Rogers, H. J. (1990). Detecting differential item functioning using logistic regression
procedures. Journal of Educational Measurement, 27, 361-370. Zumbo, B. D. (1999). A handbook on the theory and
methods of differential item functioning (ordinal form). Nagelkerke, N. J. D. (1991). A note on a general
definition of the coefficient of determination. Biometrika, 78, 691-692. Jodoin, M. G., & Gierl, M. J. (2001).
Evaluating type I error and power rates using an effect size measure with the logistic regression procedure
for DIF detection. Applied Measurement in Education, 14, 329-349.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import expit
from scipy.stats import chi2

__all__ = ["TESTS", "Logistic", "effect_class", "logistic", "ordinal_fit"]

TESTS = ("both", "uniform", "nonuniform")
"""What is tested: group and product together, the group alone, the product beside the group."""

_ITERATIONS = 60


class Logistic(NamedTuple):
    """What the regression says of one item.

    Attributes
    ----------
    statistic, df, p
        Likelihood ratio of the larger against the smaller model.
    effect
        Difference of Nagelkerke's R2 between the two.
    coefficients
        Intercept (of the first step), match, group, product of the full model.
    uniform_p, nonuniform_p
        p-values of the two parts by themselves.
    """

    statistic: float
    df: int
    p: float
    effect: float
    coefficients: np.ndarray
    uniform_p: float
    nonuniform_p: float


class _Cells(NamedTuple):
    """Persons who are alike, counted once: design rows, categories, how many."""

    match: np.ndarray
    focal: np.ndarray
    category: np.ndarray
    weight: np.ndarray


def _cells(match: np.ndarray, focal: np.ndarray, category: np.ndarray) -> _Cells:
    values, place = np.unique(match, return_inverse=True)
    top = int(category.max()) + 1
    key = (place * 2 + focal) * top + category
    found, weight = np.unique(key, return_counts=True)
    return _Cells(
        values[found // (2 * top)].astype(np.float64),
        (found // top % 2).astype(np.float64),
        found % top,
        weight.astype(np.float64),
    )


def ordinal_fit(
    design: np.ndarray, category: np.ndarray, weight: np.ndarray, n_cat: int
) -> tuple[np.ndarray, float, bool]:
    """Fit ``logit P(X >= k) = c_k + design b`` by Newton's method with step halving.

    Returns
    -------
    coefficients
        ``c_1 .. c_{K-1}``, then ``b``.
    loglik
        At the end.
    converged
        Whether nothing more can be gained; where the data separate, coefficients are far out and the
        log-likelihood is its limit.
    """
    steps, size = n_cat - 1, design.shape[1]
    above = np.array([weight[category >= k].sum() for k in range(1, n_cat)]) / weight.sum()
    beta = np.concatenate([np.log(above / (1.0 - above)), np.zeros(size)])
    low, high = category > 0, category < steps

    def parts(b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
        eta = design @ b[steps:]
        upper = np.where(low, expit(b[np.maximum(category - 1, 0)] + eta), 1.0)  # P(X >= x)
        lower = np.where(high, expit(b[np.minimum(category, steps - 1)] + eta), 0.0)  # P(X > x)
        p = np.maximum(upper - lower, 1e-300)
        return upper, lower, p, float((weight * np.log(p)).sum())

    upper, lower, p, value = parts(beta)
    for _ in range(_ITERATIONS):
        du, dl = upper * (1.0 - upper), lower * (1.0 - lower)
        # d log p / d eta_upper and d eta_lower, then their second derivatives
        gu, gl = du / p, -dl / p
        huu = du * (1.0 - 2.0 * upper) / p - gu * gu
        hll = -dl * (1.0 - 2.0 * lower) / p - gl * gl
        hul = -gu * gl
        mark_u, mark_l = np.zeros((len(p), steps)), np.zeros((len(p), steps))
        mark_u[low, category[low] - 1] = 1.0
        mark_l[high, category[high]] = 1.0
        xu, xl = np.hstack([mark_u, design * low[:, None]]), np.hstack([mark_l, design * high[:, None]])
        gradient = xu.T @ (weight * gu) + xl.T @ (weight * gl)
        cross = xu.T @ (xl * (weight * hul)[:, None])
        hessian = (
            xu.T @ (xu * (weight * huu)[:, None]) + xl.T @ (xl * (weight * hll)[:, None]) + cross + cross.T
        )
        try:
            step = np.linalg.solve(-hessian, gradient)
        except np.linalg.LinAlgError:
            return beta, value, False
        if 0.5 * float(gradient @ step) < 1e-10:
            return beta, value, True
        for _ in range(30):
            trial = beta + step
            if (np.diff(trial[:steps]) < 0).all():
                upper, lower, p, new = parts(trial)
                if new >= value - 1e-12:
                    break
            step = 0.5 * step
        else:
            return beta, value, False
        beta, value = trial, new
    return beta, value, False


def _nagelkerke(loglik: float, null: float, n: float) -> float:
    return float((1.0 - np.exp(2.0 / n * (null - loglik))) / (1.0 - np.exp(2.0 / n * null)))


def logistic(match: np.ndarray, focal: np.ndarray, category: np.ndarray, test: str = "both") -> Logistic:
    """Test one item.

    Parameters
    ----------
    match
        Matching variable of each person.
    focal
        Whether the person belongs to the focal group.
    category
        The person's category.
    test
        One of `TESTS`.

    Returns
    -------
    Logistic
        NaN where there is a single category.
    """
    values, place = np.unique(category, return_inverse=True)
    nothing = Logistic(np.nan, 0, np.nan, np.nan, np.full(4, np.nan), np.nan, np.nan)
    if len(values) < 2:
        return nothing
    cells = _cells(match, focal, place)
    n_cat, n = len(values), float(cells.weight.sum())
    columns = np.column_stack([cells.match, cells.focal, cells.match * cells.focal])
    found = [ordinal_fit(columns[:, :k], cells.category, cells.weight, n_cat) for k in (0, 1, 2, 3)]
    if not all(converged for _, _, converged in found):
        return nothing
    null, match_only, group, full = (value for _, value, _ in found)
    small, large, df = {
        "both": (match_only, full, 2),
        "uniform": (match_only, group, 1),
        "nonuniform": (group, full, 1),
    }[test]
    statistic = max(2.0 * (large - small), 0.0)
    return Logistic(
        statistic,
        df,
        float(chi2.sf(statistic, df)),
        float(_nagelkerke(large, null, n) - _nagelkerke(small, null, n)),
        found[3][0][[0, n_cat - 1, n_cat, n_cat + 1]],
        float(chi2.sf(max(2.0 * (group - match_only), 0.0), 1)),
        float(chi2.sf(max(2.0 * (full - group), 0.0), 1)),
    )


def effect_class(effect: float, p: float, level: float = 0.05) -> str:
    """Return Jodoin and Gierl's class: A below 0.035 or not significant, B below 0.070, C above."""
    if not np.isfinite(effect):
        return ""
    if p >= level or effect < 0.035:
        return "A"
    return "B" if effect < 0.070 else "C"
