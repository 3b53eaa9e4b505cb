"""Three-parameter logistic model: ``P(X = 1) = c + (1 - c) logistic(a theta + d)``.

``c`` is the lower asymptote (what guessing earns); estimation moves ``logit(c)``.

References
----------
Birnbaum, A. (1968). Some latent trait models. In Lord & Novick, Statistical theories of mental test
scores, ch. 17 (eq. 17.4.1; information eq. 20.4.10).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from cat_engine.arithmetic import TINY, exp, log, log_add, log_logistic, logistic
from cat_engine.family import ItemModel, register
from cat_engine.models import twopl
from cat_engine.models.fields import Row, intercept, real, refuse


class ThreePL(NamedTuple):
    """Slopes, intercepts, lower asymptotes with log(c) and log(1 - c), shape ``(n,)``."""

    a: np.ndarray
    d: np.ndarray
    c: np.ndarray
    log_c: np.ndarray
    log_1c: np.ndarray
    n_cat: np.ndarray


def logp(items, i, theta, out):
    z = items.a[i] * theta + items.d[i]
    right = log_logistic(z)
    out[0] = items.log_1c[i] + (right - z)
    out[1] = log_add(items.log_c[i], items.log_1c[i] + right)


def score(items, i, theta, lp, out):
    z = items.a[i] * theta + items.d[i]
    right = log_logistic(z)
    out[0] = -items.a[i] * exp(right)
    out[1] = items.a[i] * exp(lp[0] + right - lp[1])


def curvature(items, i, theta, lp, out):
    z = items.a[i] * theta + items.d[i]
    right = log_logistic(z)
    lean = 1.0 - 2.0 * exp(right)
    s1 = items.a[i] * exp(lp[0] + right - lp[1])
    out[0] = -items.a[i] * items.a[i] * exp(right + (right - z))
    out[1] = s1 * (items.a[i] * lean - s1)


def gradient(items, i, theta, lp, out):
    z = items.a[i] * theta + items.d[i]
    right = log_logistic(z)
    g0 = -exp(right)
    g1 = exp(lp[0] + right - lp[1])
    out[0, 0] = g0 * theta
    out[0, 1] = g0
    out[0, 2] = -items.c[i]
    out[1, 0] = g1 * theta
    out[1, 1] = g1
    out[1, 2] = exp(items.log_c[i] + lp[0] - lp[1])


def information(items, theta, out):
    """a**2 (Q / P) ((P - c) / (1 - c))**2 for every item."""
    for i in range(items.a.size):
        z = items.a[i] * theta + items.d[i]
        e = exp(-abs(z))
        top = 1.0 if z >= 0.0 else e  # logistic(z) = top / u, logistic(-z) = rest / u
        rest = e if z >= 0.0 else 1.0
        u = 1.0 + e
        c = items.c[i]
        right = max(top + c * rest, TINY)  # u P
        out[i] = (items.a[i] * items.a[i] * (1.0 - c)) * (top * top * rest / (u * u * right))


def chances(items, theta, out):
    """Q and P of every item."""
    for i in range(items.a.size):
        z = items.a[i] * theta + items.d[i]
        e = exp(-abs(z))
        u = 1.0 / (1.0 + e)
        top = u if z >= 0.0 else e * u
        rest = e * u if z >= 0.0 else u
        out[0, i] = (1.0 - items.c[i]) * rest
        out[1, i] = top + items.c[i] * rest


def sums(items, row, category, start, stop, theta, out):
    """Scores and curvatures of every answer side by side, then their sums in order."""
    n = stop - start
    right = np.empty(n)  # logistic(z)
    both = np.empty(n)  # logistic(z) logistic(-z)
    wrong = np.empty(n)  # Q
    lift = np.empty(n)  # d log P / dz
    for j in range(n):
        i = row[start + j]
        z = items.a[i] * theta + items.d[i]
        e = exp(-abs(z))
        u = 1.0 / (1.0 + e)
        top = u if z >= 0.0 else e * u
        rest = e * u if z >= 0.0 else u
        right[j] = top
        both[j] = e * u * u
        wrong[j] = (1.0 - items.c[i]) * rest
        lift[j] = wrong[j] * (top / max(top + items.c[i] * rest, TINY))
    for j in range(n):
        a = items.a[row[start + j]]
        lean = 1.0 - 2.0 * right[j]
        s0, s1 = -a * right[j], a * lift[j]
        c0, c1 = -a * a * both[j], s1 * (a * lean - s1)
        first = (1.0 - wrong[j]) * s1  # P s1 = -Q s0
        out[0] += s1 if category[start + j] == 1 else s0
        out[1] += c1 if category[start + j] == 1 else c0
        out[2] += first * (s1 - s0)
        out[3] += first * (c1 - c0)
        out[4] += first * (s1 * s1 - s0 * s0)


def assign(items, i, working):
    items.a[i] = working[0]
    items.d[i] = working[1]
    items.c[i] = logistic(working[2])
    items.log_c[i] = log_logistic(working[2])
    items.log_1c[i] = log_logistic(-working[2])


def empty(n_cat: np.ndarray) -> ThreePL:
    n = len(n_cat)
    return ThreePL(np.empty(n), np.empty(n), np.empty(n), np.empty(n), np.empty(n), np.full(n, 2, np.int64))


def lower_asymptote(row: Row) -> float:
    """Return ``c``, checked."""
    c = real(row, "c")
    if not 0.0 <= c < 1.0:
        raise refuse(row, "a lower asymptote 0 <= c < 1", repr(c), "correct 'c'")
    return c if c >= TINY else 0.0


def from_fields(rows: list[Mapping[str, Any]]) -> ThreePL:
    items = empty(np.full(len(rows), 2))
    for i, row in enumerate(rows):
        c = lower_asymptote(row)
        items.a[i] = real(row, "a")
        items.d[i] = intercept(row, items.a[i])
        items.c[i] = c
        items.log_c[i] = log(c)
        items.log_1c[i] = log(1.0 - c)
    return items


def to_fields(items: ThreePL, i: int) -> dict[str, Any]:
    return {**twopl.to_fields(items, i), "c": float(items.c[i])}  # type: ignore[arg-type]


def pack(items: ThreePL, i: int) -> np.ndarray:
    return np.array([items.a[i], items.d[i], items.log_c[i] - items.log_1c[i]])


def start(n_cat: int, proportions: np.ndarray, slope: float) -> np.ndarray:
    """A lower asymptote of 0.15 (less for very hard items) taken off the proportion correct."""
    c = min(0.15, 0.5 * float(proportions[1]))
    above = (float(proportions[1]) - c) / (1.0 - c)
    a, d = twopl.start(2, np.array([1.0 - above, above]), slope)
    return np.array([a, d, np.log(c / (1.0 - c))])


THREE_PL = register(
    ItemModel(
        "3pl",
        ThreePL,
        logp,
        score,
        curvature,
        gradient,
        working=lambda n_cat: ("a", "d", "logit(c)"),
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
