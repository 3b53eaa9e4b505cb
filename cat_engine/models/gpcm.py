"""Generalised partial credit model: ``P(X = k)`` proportional to ``exp(k a theta + d_k)``, ``d_0 = 0``.

With thresholds, ``d_k = -a (b_1 + ... + b_k)``. The partial credit model fixes ``a = 1``. The rating
scale model is the partial credit model whose items share the distances of their thresholds:
``b_v = b + tau_v``, so ``d_k = -k b + c_k`` with ``c_k = -(tau_1 + ... + tau_k)`` and ``c_{K-1} = 0``.

References
----------
Muraki, E. (1992). A generalized partial credit model. Applied Psychological Measurement, 16, 159-176.
Masters, G. N. (1982). A Rasch model for partial credit scoring. Psychometrika, 47, 149-174.
Andrich, D. (1978). A rating formulation for ordered response categories. Psychometrika, 43, 561-573.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from cat_engine.arithmetic import exp
from cat_engine.family import ItemModel, Linear, register
from cat_engine.models.fields import Row, real, reals, refuse
from cat_engine.models.softmax import normalise


class GPCM(NamedTuple):
    """Slopes ``(n,)`` and intercepts ``d_0 .. d_{K-1}`` in ``(n, K)``."""

    a: np.ndarray
    d: np.ndarray
    n_cat: np.ndarray


def logp(items, i, theta, out):
    step = items.a[i] * theta
    for k in range(items.n_cat[i]):
        out[k] = k * step + items.d[i, k]
    normalise(out, items.n_cat[i])


def score(items, i, theta, lp, out):
    mean = 0.0
    for k in range(1, items.n_cat[i]):
        mean += k * exp(lp[k])
    for k in range(items.n_cat[i]):
        out[k] = items.a[i] * (k - mean)


def curvature(items, i, theta, lp, out):
    mean = 0.0
    for k in range(1, items.n_cat[i]):
        mean += k * exp(lp[k])
    spread = 0.0
    for k in range(items.n_cat[i]):
        spread += (k - mean) * (k - mean) * exp(lp[k])
    for k in range(items.n_cat[i]):
        out[k] = -items.a[i] * items.a[i] * spread


def gradient(items, i, theta, lp, out):
    mean = 0.0
    for k in range(1, items.n_cat[i]):
        mean += k * exp(lp[k])
    for k in range(items.n_cat[i]):
        out[k, 0] = theta * (k - mean)
        for j in range(1, items.n_cat[i]):
            out[k, j] = (1.0 if j == k else 0.0) - exp(lp[j])


def assign(items, i, working):
    items.a[i] = working[0]
    items.d[i, 0] = 0.0
    for k in range(1, items.n_cat[i]):
        items.d[i, k] = working[k]


def empty(n_cat: np.ndarray) -> GPCM:
    n, width = len(n_cat), int(np.max(n_cat))
    return GPCM(np.empty(n), np.zeros((n, width)), n_cat.astype(np.int64))


def _from_thresholds(a: float, b: list[float]) -> np.ndarray:
    values, total = [a], 0.0
    for step in b:
        total += step
        values.append(-a * total)
    return np.array(values)


def _read(row: Row) -> np.ndarray:
    a = real(row, "a")
    if "intercept" not in row:
        return _from_thresholds(a, reals(row, "b"))
    d = reals(row, "intercept", least=2)
    return np.array([a, *(x - d[0] for x in d[1:])])


def _read_rating(row: Row) -> np.ndarray:
    a, location, tau = real(row, "a"), real(row, "b"), reals(row, "tau")
    if a == 0.0:
        raise refuse(row, "a slope other than 0", "0", "write 1, the rating scale model's slope")
    if abs(sum(tau)) > 1e-6 * (1.0 + max(abs(t) for t in tau)):
        raise refuse(row, "'tau' that sums to 0", f"a sum of {sum(tau):.6g}", "move the mean of 'tau' to 'b'")
    return _from_thresholds(a, [location + t for t in tau])


def _table(working: list[np.ndarray]) -> GPCM:
    items = empty(np.array([len(values) for values in working]))
    for i, values in enumerate(working):
        assign(items, i, values)
    return items


def from_fields(rows: list[Mapping[str, Any]]) -> GPCM:
    return _table([_read(row) for row in rows])


def from_rating_fields(rows: list[Mapping[str, Any]]) -> GPCM:
    return _table([_read_rating(row) for row in rows])


def to_fields(items: GPCM, i: int) -> dict[str, Any]:
    a, d = float(items.a[i]), items.d[i, : items.n_cat[i]].tolist()
    if a == 0.0:
        return {"a": a, "intercept": d}
    return {"a": a, "b": [(d[k - 1] - d[k]) / a for k in range(1, len(d))]}


def to_rating_fields(items: GPCM, i: int) -> dict[str, Any]:
    fields = to_fields(items, i)
    location = sum(fields["b"]) / len(fields["b"])
    return {"a": fields["a"], "b": location, "tau": [b - location for b in fields["b"]]}


def pack(items: GPCM, i: int) -> np.ndarray:
    return np.array([items.a[i], *items.d[i, 1 : items.n_cat[i]]])


def start(n_cat: int, proportions: np.ndarray, slope: float) -> np.ndarray:
    """Log-ratios of the categories' proportions to the first one's."""
    return np.array([slope, *np.log(proportions[1:] / proportions[0])])


def rating(n_cat: int) -> Linear:
    """Constraints of the rating scale model: own ``b``, common ``c_1 .. c_{K-2}``."""
    offset = np.zeros(n_cat)
    offset[0] = 1.0
    own = -np.arange(n_cat, dtype=np.float64).reshape(-1, 1)
    common = np.zeros((n_cat, n_cat - 2))
    for k in range(1, n_cat - 1):
        common[k, k - 1] = 1.0
    return Linear(offset, own, common, ("b",), tuple(f"c{k}" for k in range(1, n_cat - 1)))


def _model(code: str, **options: Any) -> ItemModel:
    options = {"from_fields": from_fields, "to_fields": to_fields, **options}
    return register(
        ItemModel(
            code,
            GPCM,
            logp,
            score,
            curvature,
            gradient,
            working=lambda n_cat: ("a", *(f"d{k}" for k in range(1, n_cat))),
            pack=pack,
            assign=assign,
            empty=empty,
            start=start,
            dichotomous=False,
            **options,
        )
    )


GENERALISED = _model("gpcm")
PARTIAL_CREDIT = _model("pcm", fixed={"a": 1.0}, free_variance=True)
RATING_SCALE = _model(
    "rsm",
    from_fields=from_rating_fields,
    to_fields=to_rating_fields,
    fixed={"a": 1.0},
    linear=rating,
    free_variance=True,
)
