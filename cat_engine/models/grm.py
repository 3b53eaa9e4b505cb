"""Graded response model: ``P(X >= k) = logistic(a theta + d_k)``, ``d_1 > d_2 > ...``, ``b_k = -d_k / a``.

The probability of a category is a difference of two logistics. With ``z_k = a theta + d_k`` it factors,

    P(X = k) = logistic(z_k) logistic(-z_{k+1}) (1 - exp(-(d_k - d_{k+1}))),

so that its logarithm is a sum of three terms that lose no digits at any theta. Where two thresholds are
equal the third factor is 1e-100: a category that nobody reaches, yet an answer in it can be scored. It is
constant there, and so are its derivatives taken.

References
----------
Samejima, F. (1969). Estimation of latent ability using a response pattern of graded scores.
Psychometrika Monograph 17 (homogeneous case).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from cat_engine.arithmetic import TINY, exp, log, log_logistic, one_minus_exp
from cat_engine.family import ItemModel, register
from cat_engine.models.fields import real, reals, refuse


class GRM(NamedTuple):
    """Slopes ``(n,)``; intercepts ``d_1 .. d_{K-1}`` in ``(n, K-1)``; log of the third factor ``(n, K)``."""

    a: np.ndarray
    d: np.ndarray
    gap: np.ndarray
    n_cat: np.ndarray


def logp(items, i, theta, out):
    last = items.n_cat[i] - 1
    below = 0.0  # log P(X >= k), which is certain for k = 0
    for k in range(last):
        z = items.a[i] * theta + items.d[i, k]
        above = log_logistic(z)
        out[k] = below + (above - z) + items.gap[i, k]
        below = above
    out[last] = below


def score(items, i, theta, lp, out):
    last = items.n_cat[i] - 1
    short = 0.0  # P(X < k)
    for k in range(last):
        above = exp(log_logistic(items.a[i] * theta + items.d[i, k]))
        out[k] = items.a[i] * (short - above)
        short = exp(log_logistic(-(items.a[i] * theta + items.d[i, k])))
    out[last] = items.a[i] * short


def curvature(items, i, theta, lp, out):
    last = items.n_cat[i] - 1
    square = items.a[i] * items.a[i]
    below = 0.0  # P(X >= k) P(X < k)
    for k in range(last):
        z = items.a[i] * theta + items.d[i, k]
        right = log_logistic(z)
        above = exp(right + (right - z))
        out[k] = -square * (below + above)
        below = above
    out[last] = -square * below


def gradient(items, i, theta, lp, out):
    last = items.n_cat[i] - 1
    short = 0.0
    for k in range(last + 1):
        for p in range(last + 1):
            out[k, p] = 0.0
        above = 0.0
        if k < last:
            above = exp(log_logistic(items.a[i] * theta + items.d[i, k]))
            out[k, k + 1] = -above
        if k > 0:
            out[k, k] = short
        if 0 < k < last and items.d[i, k - 1] > items.d[i, k]:
            step = items.d[i, k - 1] - items.d[i, k]
            pull = exp(-step) / max(one_minus_exp(step), TINY)
            out[k, k] += pull
            out[k, k + 1] -= pull
        out[k, 0] = theta * (short - above)
        if k < last:
            short = exp(log_logistic(-(items.a[i] * theta + items.d[i, k])))


def assign(items, i, working):
    last = items.n_cat[i] - 1
    items.a[i] = working[0]
    for k in range(last):
        items.d[i, k] = working[k + 1]
    items.gap[i, 0] = 0.0
    for k in range(1, last):
        step = items.d[i, k - 1] - items.d[i, k]
        items.gap[i, k] = log(max(one_minus_exp(step), TINY)) if step >= 0.0 else -np.inf


def empty(n_cat: np.ndarray) -> GRM:
    n, width = len(n_cat), int(np.max(n_cat))
    return GRM(np.empty(n), np.zeros((n, width - 1)), np.zeros((n, width)), n_cat.astype(np.int64))


def from_fields(rows: list[Mapping[str, Any]]) -> GRM:
    working = []
    for row in rows:
        a = real(row, "a")
        d = reals(row, "intercept") if "intercept" in row else [-a * b for b in reals(row, "b")]
        if any(d[k] > d[k - 1] for k in range(1, len(d))):
            name = "intercept" if "intercept" in row else "b"
            raise refuse(
                row,
                "thresholds whose a * b increases (P(X >= k) falls with k)",
                repr(row[name]),
                f"order '{name}', or merge categories",
            )
        working.append(np.array([a, *d]))
    items = empty(np.array([len(values) for values in working]))
    for i, values in enumerate(working):
        assign(items, i, values)
    return items


def to_fields(items: GRM, i: int) -> dict[str, Any]:
    a, d = float(items.a[i]), items.d[i, : items.n_cat[i] - 1].tolist()
    return {"a": a, "b": [-x / a for x in d]} if a != 0.0 else {"a": a, "intercept": d}


def pack(items: GRM, i: int) -> np.ndarray:
    return np.array([items.a[i], *items.d[i, : items.n_cat[i] - 1]])


def start(n_cat: int, proportions: np.ndarray, slope: float) -> np.ndarray:
    """Logits of the cumulative proportions, stretched for the spread of theta (Cohen, 1979)."""
    stretch = np.sqrt(1.0 + slope * slope / 2.89)
    above = np.cumsum(proportions[::-1])[::-1][1:]
    below = np.cumsum(proportions)[:-1]
    return np.array([slope, *(stretch * np.log(above / below))])


GRADED = register(
    ItemModel(
        "grm",
        GRM,
        logp,
        score,
        curvature,
        gradient,
        working=lambda n_cat: ("a", *(f"d{k}" for k in range(1, n_cat))),
        pack=pack,
        assign=assign,
        empty=empty,
        from_fields=from_fields,
        to_fields=to_fields,
        start=start,
        ordered=True,
        dichotomous=False,
    )
)
