"""Four-parameter logistic model: ``P(X = 1) = c + (u - c) logistic(a theta + d)``.

The upper asymptote ``u`` (field ``d`` of parameter files) lets able people slip. Estimation moves
``logit(c)`` and ``logit(u)``.

References
----------
Barton, M. A., & Lord, F. M. (1981). An upper asymptote for the three-parameter logistic item-response
model. ETS Research Report 81-20. Magis, D. (2013). A note on the item information function of the
four-parameter logistic model. Applied Psychological Measurement, 37, 304-315.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from cat_engine.arithmetic import TINY, exp, log, log_add, log_logistic, logistic
from cat_engine.family import ItemModel, register
from cat_engine.models import threepl
from cat_engine.models.fields import intercept, real, refuse


class FourPL(NamedTuple):
    """Slopes, intercepts, asymptotes with log(c), log(u - c) and log(1 - u), shape ``(n,)``."""

    a: np.ndarray
    d: np.ndarray
    c: np.ndarray
    u: np.ndarray
    log_c: np.ndarray
    log_range: np.ndarray
    log_1u: np.ndarray
    n_cat: np.ndarray


def logp(items, i, theta, out):
    z = items.a[i] * theta + items.d[i]
    right = log_logistic(z)
    out[0] = log_add(items.log_1u[i], items.log_range[i] + (right - z))
    out[1] = log_add(items.log_c[i], items.log_range[i] + right)


def score(items, i, theta, lp, out):
    z = items.a[i] * theta + items.d[i]
    right = log_logistic(z)
    slope = items.log_range[i] + right + (right - z)  # log of dP / dz
    out[0] = -items.a[i] * exp(slope - lp[0])
    out[1] = items.a[i] * exp(slope - lp[1])


def curvature(items, i, theta, lp, out):
    z = items.a[i] * theta + items.d[i]
    right = log_logistic(z)
    slope = items.log_range[i] + right + (right - z)
    lean = items.a[i] * (1.0 - 2.0 * exp(right))
    s0 = -items.a[i] * exp(slope - lp[0])
    s1 = items.a[i] * exp(slope - lp[1])
    out[0] = s0 * (lean - s0)
    out[1] = s1 * (lean - s1)


def gradient(items, i, theta, lp, out):
    z = items.a[i] * theta + items.d[i]
    right = log_logistic(z)
    slope = items.log_range[i] + right + (right - z)
    c = items.c[i]
    u = items.u[i]
    for k in range(2):
        sign = 1.0 if k == 1 else -1.0
        g = sign * exp(slope - lp[k])
        out[k, 0] = g * theta
        out[k, 1] = g
        out[k, 2] = sign * c * (1.0 - c) * exp(right - z - lp[k])
        out[k, 3] = sign * u * (1.0 - u) * exp(right - lp[k])


def information(items, theta, out):
    """P'**2 / (P Q) for every item."""
    for i in range(items.a.size):
        z = items.a[i] * theta + items.d[i]
        e = exp(-abs(z))
        top = 1.0 if z >= 0.0 else e  # logistic(z) = top / v, logistic(-z) = rest / v
        rest = e if z >= 0.0 else 1.0
        v = 1.0 + e
        c = items.c[i]
        u = items.u[i]
        right = max(u * top + c * rest, TINY)  # v P
        wrong = max((1.0 - u) * top + (1.0 - c) * rest, TINY)  # v Q
        slope = items.a[i] * (u - c) * e
        out[i] = (slope / (v * right)) * (slope / (v * wrong))


def chances(items, theta, out):
    """Q and P of every item."""
    for i in range(items.a.size):
        z = items.a[i] * theta + items.d[i]
        e = exp(-abs(z))
        v = 1.0 / (1.0 + e)
        top = v if z >= 0.0 else e * v
        rest = e * v if z >= 0.0 else v
        out[0, i] = (1.0 - items.u[i]) * top + (1.0 - items.c[i]) * rest
        out[1, i] = items.u[i] * top + items.c[i] * rest


def sums(items, row, category, start, stop, theta, out):
    """Scores and curvatures of every answer side by side, then their sums in order."""
    n = stop - start
    lean = np.empty(n)
    right = np.empty(n)  # P
    up = np.empty(n)  # d log P / dz
    down = np.empty(n)  # -d log Q / dz
    for j in range(n):
        i = row[start + j]
        z = items.a[i] * theta + items.d[i]
        e = exp(-abs(z))
        v = 1.0 / (1.0 + e)
        top = v if z >= 0.0 else e * v
        rest = e * v if z >= 0.0 else v
        c = items.c[i]
        u = items.u[i]
        slope = (u - c) * e * v * v
        right[j] = u * top + c * rest
        up[j] = slope / max(right[j], TINY)
        down[j] = slope / max((1.0 - u) * top + (1.0 - c) * rest, TINY)
        lean[j] = 1.0 - 2.0 * top
    for j in range(n):
        a = items.a[row[start + j]]
        s0, s1 = -a * down[j], a * up[j]
        c0, c1 = s0 * (a * lean[j] - s0), s1 * (a * lean[j] - s1)
        first = right[j] * s1  # P s1 = -Q s0
        out[0] += s1 if category[start + j] == 1 else s0
        out[1] += c1 if category[start + j] == 1 else c0
        out[2] += first * (s1 - s0)
        out[3] += first * (c1 - c0)
        out[4] += first * (s1 * s1 - s0 * s0)


def assign(items, i, working):
    items.a[i] = working[0]
    items.d[i] = working[1]
    items.c[i] = logistic(working[2])
    items.u[i] = logistic(working[3])
    items.log_c[i] = log_logistic(working[2])
    items.log_1u[i] = log_logistic(-working[3])
    items.log_range[i] = log(max(items.u[i] - items.c[i], 0.0))
    if items.u[i] <= items.c[i]:  # no model: the two probabilities would not sum to 1
        items.log_c[i] = items.log_1u[i] = -np.inf


def empty(n_cat: np.ndarray) -> FourPL:
    n = len(n_cat)
    return FourPL(
        np.empty(n),
        np.empty(n),
        np.empty(n),
        np.empty(n),
        np.empty(n),
        np.empty(n),
        np.empty(n),
        np.full(n, 2, np.int64),
    )


def from_fields(rows: list[Mapping[str, Any]]) -> FourPL:
    items = empty(np.full(len(rows), 2))
    for i, row in enumerate(rows):
        c, u = threepl.lower_asymptote(row), real(row, "d")
        if not c < u <= 1.0:
            raise refuse(row, f"an upper asymptote {c!r} < d <= 1", repr(u), "correct 'd'")
        items.a[i] = real(row, "a")
        items.d[i] = intercept(row, items.a[i])
        items.c[i] = c
        items.u[i] = u
        items.log_c[i] = log(c)
        items.log_range[i] = log(u - c)
        items.log_1u[i] = log(1.0 - u)
    return items


def to_fields(items: FourPL, i: int) -> dict[str, Any]:
    return {**threepl.to_fields(items, i), "d": float(items.u[i])}  # type: ignore[arg-type]


def pack(items: FourPL, i: int) -> np.ndarray:
    c, u = items.c[i], items.u[i]
    return np.array([items.a[i], items.d[i], items.log_c[i] - log(1.0 - c), log(u) - items.log_1u[i]])


def start(n_cat: int, proportions: np.ndarray, slope: float) -> np.ndarray:
    """Start of the 3PL, with an upper asymptote of 0.95 (more for very easy items)."""
    a, d, low = threepl.start(2, proportions, slope)
    u = max(0.95, 1.0 - 0.5 * float(proportions[0]))
    return np.array([a, d, low, np.log(u / (1.0 - u))])


FOUR_PL = register(
    ItemModel(
        "4pl",
        FourPL,
        logp,
        score,
        curvature,
        gradient,
        working=lambda n_cat: ("a", "d", "logit(c)", "logit(u)"),
        pack=pack,
        assign=assign,
        empty=empty,
        from_fields=from_fields,
        to_fields=to_fields,
        start=start,
        information=information,
        chances=chances,
        sums=sums,
    )
)
