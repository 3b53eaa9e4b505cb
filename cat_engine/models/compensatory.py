"""Compensatory multidimensional models: a one-dimensional model of the composite ``slopes . theta``.

``z = a_1 theta_1 + ... + a_D theta_D`` takes the place of ``a theta`` in the 2PL, 3PL, graded and generalised
partial credit model, so that every formula stands once, in the one-dimensional model's file. With
``s = d log P_k / dz`` and ``c = d2 log P_k / dz2``, the score in theta is ``s a`` and its derivative
``c a a'``. A bifactor model is a pattern of slopes: all items on a general dimension, each on at most one
other.

References
----------
Reckase, M. D. (2009). Multidimensional item response theory (eq. 4.5, 4.10, 4.17, 4.25). McKinley, R. L., &
Reckase, M. D. (1983). An extension of the two-parameter logistic model to the multidimensional latent space.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from cat_engine.arithmetic import exp
from cat_engine.family import COMPENSATORY, ItemModel, Table, register_compensatory
from cat_engine.family import assign as assign_line
from cat_engine.family import curvature as curvature_along
from cat_engine.family import gradient as gradient_along
from cat_engine.family import logp as logp_along
from cat_engine.family import score as score_along
from cat_engine.models import gpcm, grm, threepl, twopl
from cat_engine.models.fields import Row, reals, refuse

Fields = Callable[[Table, int], dict[str, Any]]


class M2PL(NamedTuple):
    """Slopes ``(n, D)`` and the 2PL along ``slopes . theta``, whose slope is 1."""

    slopes: np.ndarray
    line: twopl.TwoPL
    n_cat: np.ndarray


class M3PL(NamedTuple):
    """Slopes ``(n, D)`` and the 3PL along ``slopes . theta``, whose slope is 1."""

    slopes: np.ndarray
    line: threepl.ThreePL
    n_cat: np.ndarray


class MGRM(NamedTuple):
    """Slopes ``(n, D)`` and the graded model along ``slopes . theta``, whose slope is 1."""

    slopes: np.ndarray
    line: grm.GRM
    n_cat: np.ndarray


class MGPCM(NamedTuple):
    """Slopes ``(n, D)`` and the partial credit model along ``slopes . theta``, whose slope is 1."""

    slopes: np.ndarray
    line: gpcm.GPCM
    n_cat: np.ndarray


def logp(items, i, theta, out):
    z = 0.0
    for d in range(items.slopes.shape[1]):
        z += items.slopes[i, d] * theta[d]
    logp_along(items.line, i, z, out)


def score(items, i, theta, lp, out):
    z = 0.0
    for d in range(items.slopes.shape[1]):
        z += items.slopes[i, d] * theta[d]
    along = np.empty(items.n_cat[i])
    score_along(items.line, i, z, lp, along)
    for k in range(items.n_cat[i]):
        for d in range(items.slopes.shape[1]):
            out[k, d] = items.slopes[i, d] * along[k]


def curvature(items, i, theta, lp, out):
    z = 0.0
    for d in range(items.slopes.shape[1]):
        z += items.slopes[i, d] * theta[d]
    along = np.empty(items.n_cat[i])
    curvature_along(items.line, i, z, lp, along)
    for k in range(items.n_cat[i]):
        for d in range(items.slopes.shape[1]):
            for e in range(items.slopes.shape[1]):
                out[k, d, e] = items.slopes[i, d] * items.slopes[i, e] * along[k]


def gradient(items, i, theta, lp, out):
    size = items.slopes.shape[1]
    z = 0.0
    for d in range(size):
        z += items.slopes[i, d] * theta[d]
    along = np.empty(items.n_cat[i])
    score_along(items.line, i, z, lp, along)
    within = np.empty((items.n_cat[i], out.shape[1] - size + 1))  # the line's own slope comes first
    gradient_along(items.line, i, z, lp, within)
    for k in range(items.n_cat[i]):
        for d in range(size):
            out[k, d] = theta[d] * along[k]
        for p in range(1, within.shape[1]):
            out[k, size - 1 + p] = within[k, p]


def information(items, theta, out):
    """``a a' sum_k P_k s_k**2`` for every item, shape ``(n, D, D)``."""
    size = items.slopes.shape[1]
    width = 2
    for i in range(items.n_cat.size):
        width = max(width, items.n_cat[i])
    lp = np.empty(width)
    along = np.empty(width)
    for i in range(items.n_cat.size):
        z = 0.0
        for d in range(size):
            z += items.slopes[i, d] * theta[d]
        logp_along(items.line, i, z, lp)
        score_along(items.line, i, z, lp, along)
        total = 0.0
        for k in range(items.n_cat[i]):
            total += exp(lp[k]) * along[k] * along[k]
        for d in range(size):
            for e in range(size):
                out[i, d, e] = items.slopes[i, d] * items.slopes[i, e] * total


def assign(items, i, working):
    size = items.slopes.shape[1]
    for d in range(size):
        items.slopes[i, d] = working[d]
    along = np.empty(working.size - size + 1)
    along[0] = 1.0
    for p in range(1, along.size):
        along[p] = working[size - 1 + p]
    assign_line(items.line, i, along)


def pack(items: Table, i: int) -> np.ndarray:
    return np.concatenate([items.slopes[i], _LINES[type(items)].pack(items.line, i)[1:]])


def _one(items: Table, i: int) -> dict[str, Any]:
    return {"intercept": float(items.d[i])}


def _one_guessed(items: Table, i: int) -> dict[str, Any]:
    return {"intercept": float(items.d[i]), "c": float(items.c[i])}


def _graded(items: Table, i: int) -> dict[str, Any]:
    return {"intercept": items.d[i, : items.n_cat[i] - 1].tolist()}


def _partial(items: Table, i: int) -> dict[str, Any]:
    return {"intercept": items.d[i, : items.n_cat[i]].tolist()}


def _checked(row: Row, dimensions: int) -> list[float]:
    """Return the slopes of one row, one a dimension."""
    slopes = reals(row, "slopes")
    if len(slopes) != dimensions:
        raise refuse(
            row, f"{dimensions} slopes, one a dimension", str(len(slopes)), "give 0 where it has none"
        )
    if "intercept" not in row:
        raise refuse(row, "a field 'intercept'", ", ".join(k for k in row if k != "id"), "add 'intercept'")
    if row.get("model") == "mgpcm" and reals(row, "intercept", least=2)[0] != 0.0:
        raise refuse(
            row, "an 'intercept' that begins with 0", repr(row["intercept"]), "subtract the first from all"
        )
    return slopes


_LINES: dict[type, ItemModel] = {}


def _family(code: str, table: type, line: ItemModel, fields: Fields) -> Callable[[int], ItemModel]:
    """Return the models of one kind by their number of dimensions; register them."""
    _LINES[table] = line

    @functools.cache
    def of(dimensions: int) -> ItemModel:
        names = tuple(f"a{d}" for d in range(1, dimensions + 1))

        def empty(n_cat: np.ndarray) -> Table:
            along = line.empty(n_cat)
            return table(np.zeros((len(n_cat), dimensions)), along, along.n_cat)

        def from_fields(rows: list[Mapping[str, Any]]) -> Table:
            slopes = np.array([_checked(row, dimensions) for row in rows])
            along = line.from_fields([{**row, "a": 1.0} for row in rows])
            return table(slopes.reshape(-1, dimensions), along, along.n_cat)

        def to_fields(items: Table, i: int) -> dict[str, Any]:
            return {"slopes": items.slopes[i].tolist(), **fields(items.line, i)}

        def start(n_cat: int, proportions: np.ndarray, slope: float) -> np.ndarray:
            """The one-dimensional start, its slope on every dimension."""
            first, *rest = line.start(n_cat, proportions, slope)
            return np.array([*[first] * dimensions, *rest])

        return ItemModel(
            code,
            table,
            logp,
            score,
            curvature,
            gradient,
            working=lambda n_cat: (*names, *line.working(n_cat)[1:]),
            pack=pack,
            assign=assign,
            empty=empty,
            from_fields=from_fields,
            to_fields=to_fields,
            start=start,
            information=information,
            ordered=line.ordered,
            dichotomous=line.dichotomous,
            dimensions=dimensions,
            line=line,
        )

    return register_compensatory(code, of)


_family("m2pl", M2PL, twopl.TWO_PL, _one)
_family("m3pl", M3PL, threepl.THREE_PL, _one_guessed)
_family("mgrm", MGRM, grm.GRADED, _graded)
_family("mgpcm", MGPCM, gpcm.GENERALISED, _partial)

__all__ = ["COMPENSATORY"]
