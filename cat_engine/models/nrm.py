"""Nominal response model: ``P(X = k)`` proportional to ``exp(alpha_k theta + delta_k)``.

Adding a constant to all alphas or to all deltas changes nothing. Estimation holds the first of each at
0; parameter files hold alphas and deltas that sum to 0.

References
----------
Bock, R. D. (1972). Estimating item parameters and latent ability when responses are scored in two or
more nominal categories. Psychometrika, 37, 29-51.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from cat_engine.arithmetic import exp
from cat_engine.family import ItemModel, register
from cat_engine.models.fields import reals, refuse
from cat_engine.models.softmax import normalise


class NRM(NamedTuple):
    """Category slopes and intercepts, shape ``(n, K)``; the first of each item is 0."""

    alpha: np.ndarray
    delta: np.ndarray
    n_cat: np.ndarray


def logp(items, i, theta, out):
    for k in range(items.n_cat[i]):
        out[k] = items.alpha[i, k] * theta + items.delta[i, k]
    normalise(out, items.n_cat[i])


def score(items, i, theta, lp, out):
    mean = 0.0
    for k in range(1, items.n_cat[i]):
        mean += items.alpha[i, k] * exp(lp[k])
    for k in range(items.n_cat[i]):
        out[k] = items.alpha[i, k] - mean


def curvature(items, i, theta, lp, out):
    mean = 0.0
    for k in range(1, items.n_cat[i]):
        mean += items.alpha[i, k] * exp(lp[k])
    spread = 0.0
    for k in range(items.n_cat[i]):
        lean = items.alpha[i, k] - mean
        spread += lean * lean * exp(lp[k])
    for k in range(items.n_cat[i]):
        out[k] = -spread


def gradient(items, i, theta, lp, out):
    size = items.n_cat[i]
    for k in range(size):
        for j in range(1, size):
            g = (1.0 if j == k else 0.0) - exp(lp[j])
            out[k, j - 1] = theta * g
            out[k, size + j - 2] = g


def assign(items, i, working):
    size = items.n_cat[i]
    items.alpha[i, 0] = 0.0
    items.delta[i, 0] = 0.0
    for k in range(1, size):
        items.alpha[i, k] = working[k - 1]
        items.delta[i, k] = working[size + k - 2]


def empty(n_cat: np.ndarray) -> NRM:
    shape = (len(n_cat), int(np.max(n_cat)))
    return NRM(np.zeros(shape), np.zeros(shape), n_cat.astype(np.int64))


def from_fields(rows: list[Mapping[str, Any]]) -> NRM:
    read = [(row, reals(row, "alpha", least=2), reals(row, "delta", least=2)) for row in rows]
    items = empty(np.array([len(alpha) for _, alpha, _ in read]))
    for i, (row, alpha, delta) in enumerate(read):
        if len(alpha) != len(delta):
            raise refuse(
                row,
                "as many numbers in 'alpha' as in 'delta'",
                f"{len(alpha)} and {len(delta)}",
                "give one of each a category",
            )
        for k in range(len(alpha)):
            items.alpha[i, k] = alpha[k] - alpha[0]
            items.delta[i, k] = delta[k] - delta[0]
    return items


def to_fields(items: NRM, i: int) -> dict[str, Any]:
    fields = {}
    for name, values in (("alpha", items.alpha), ("delta", items.delta)):
        row = values[i, : items.n_cat[i]].tolist()
        mean = sum(row) / len(row)
        fields[name] = [x - mean for x in row]
    return fields


def pack(items: NRM, i: int) -> np.ndarray:
    size = items.n_cat[i]
    return np.concatenate([items.alpha[i, 1:size], items.delta[i, 1:size]])


def start(n_cat: int, proportions: np.ndarray, slope: float) -> np.ndarray:
    """Slopes that rise with the category; log-ratios of the categories' proportions to the first one's."""
    rise = slope * np.arange(1, n_cat) * (2.0 / n_cat)
    return np.concatenate([rise, np.log(proportions[1:] / proportions[0])])


NOMINAL = register(
    ItemModel(
        "nrm",
        NRM,
        logp,
        score,
        curvature,
        gradient,
        working=lambda n_cat: (
            *(f"alpha{k}" for k in range(1, n_cat)),
            *(f"delta{k}" for k in range(1, n_cat)),
        ),
        pack=pack,
        assign=assign,
        empty=empty,
        from_fields=from_fields,
        to_fields=to_fields,
        start=start,
        monotone=False,
        dichotomous=False,
    )
)
