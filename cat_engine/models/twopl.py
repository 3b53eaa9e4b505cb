"""Two-parameter logistic model: ``P(X = 1) = logistic(a theta + d)``, ``b = -d / a``.

The Rasch model and the 1PL are this model under a constraint and share its table.

References
----------
Birnbaum, A. (1968). Some latent trait models. In Lord & Novick, Statistical theories of mental test
scores, ch. 17. Rasch, G. (1960). Probabilistic models for some intelligence and attainment tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from cat_engine.arithmetic import exp, log1p_unit
from cat_engine.family import ItemModel, register
from cat_engine.models.fields import intercept, real


class TwoPL(NamedTuple):
    """Slopes and intercepts, shape ``(n,)``."""

    a: np.ndarray
    d: np.ndarray
    n_cat: np.ndarray


def logp(items, i, theta, out):
    z = items.a[i] * theta + items.d[i]
    tail = log1p_unit(exp(-abs(z)))
    out[0] = min(-z, 0.0) - tail
    out[1] = min(z, 0.0) - tail


def score(items, i, theta, lp, out):
    out[0] = -items.a[i] * exp(lp[1])
    out[1] = items.a[i] * exp(lp[0])


def curvature(items, i, theta, lp, out):
    out[0] = -items.a[i] * items.a[i] * exp(lp[0] + lp[1])
    out[1] = out[0]


def gradient(items, i, theta, lp, out):
    p0 = exp(lp[0])
    p1 = exp(lp[1])
    out[0, 0] = -p1 * theta
    out[0, 1] = -p1
    out[1, 0] = p0 * theta
    out[1, 1] = p0


def information(items, theta, out):
    """a**2 P Q for every item."""
    for i in range(items.a.size):
        e = exp(-abs(items.a[i] * theta + items.d[i]))
        u = 1.0 + e
        out[i] = items.a[i] * items.a[i] * (e / (u * u))


def chances(items, theta, out):
    """Q and P of every item."""
    for i in range(items.a.size):
        z = items.a[i] * theta + items.d[i]
        e = exp(-abs(z))
        u = 1.0 / (1.0 + e)
        out[0, i] = e * u if z >= 0.0 else u
        out[1, i] = u if z >= 0.0 else e * u


def sums(items, row, category, start, stop, theta, out):
    """x - P, P Q, ... of every answer side by side, then their sums in order."""
    n = stop - start
    right = np.empty(n)
    both = np.empty(n)
    for j in range(n):
        i = row[start + j]
        z = items.a[i] * theta + items.d[i]
        e = exp(-abs(z))
        u = 1.0 / (1.0 + e)
        right[j] = u if z >= 0.0 else e * u
        both[j] = e * u * u
    for j in range(n):
        a = items.a[row[start + j]]
        info = a * a * both[j]
        out[0] += a * (category[start + j] - right[j])
        out[1] -= info
        out[2] += info
        out[4] += a * info * (1.0 - 2.0 * right[j])


def assign(items, i, working):
    items.a[i] = working[0]
    items.d[i] = working[1]


def empty(n_cat: np.ndarray) -> TwoPL:
    n = len(n_cat)
    return TwoPL(np.empty(n), np.empty(n), np.full(n, 2, np.int64))


def from_fields(rows: list[Mapping[str, Any]]) -> TwoPL:
    items = empty(np.full(len(rows), 2))
    for i, row in enumerate(rows):
        items.a[i] = real(row, "a")
        items.d[i] = intercept(row, items.a[i])
    return items


def to_fields(items: TwoPL, i: int) -> dict[str, Any]:
    a, d = float(items.a[i]), float(items.d[i])
    return {"a": a, "b": -d / a} if a != 0.0 else {"a": a, "intercept": d}


def pack(items: TwoPL, i: int) -> np.ndarray:
    return np.array([items.a[i], items.d[i]])


def start(n_cat: int, proportions: np.ndarray, slope: float) -> np.ndarray:
    """Logit of the proportion correct, stretched for the spread of theta (Cohen, 1979)."""
    stretch = np.sqrt(1.0 + slope * slope / 2.89)
    return np.array([slope, stretch * np.log(proportions[1] / proportions[0])])


def _model(code: str, **options: Any) -> ItemModel:
    return register(
        ItemModel(
            code,
            TwoPL,
            logp,
            score,
            curvature,
            gradient,
            working=lambda n_cat: ("a", "d"),
            pack=pack,
            assign=assign,
            empty=empty,
            from_fields=from_fields,
            to_fields=to_fields,
            start=start,
            information=information,
            chances=chances,
            sums=sums,
            **options,
        )
    )


RASCH = _model("rasch", fixed={"a": 1.0}, free_variance=True)
ONE_PL = _model("1pl", shared=("a",))
TWO_PL = _model("2pl")
