"""The open family of item models: what a model is, and the only place that dispatches on one.

A model is one file in :mod:`cat_engine.models`. It holds a NamedTuple *table* (struct of arrays, one row
an item) and plain functions of ``(items, i, theta)``. Everything else (information, likelihood, scoring,
simulation, the E- and M-step) is derived from these, once for all models. Compiled code dispatches on the
type of the table through numba's ``@overload``: no strings, no chains of ``if``, and the kernels that call
`logp` cache on disk. Interpreted code takes the same road through the plain functions below.

theta is a float, but for the compensatory models of several dimensions (`COMPENSATORY`), where it is an array
``(D,)``; what is derived from them in theta then has one axis more a derivative.

Adding a model: write the file, end it with ``register(...)``, import it in ``cat_engine/models/__init__.py``
and give it an example in the law tests, which fail until it has one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from cat_engine.arithmetic import exp

__all__ = [
    "COMPENSATORY",
    "MODELS",
    "ItemModel",
    "Linear",
    "Table",
    "assign",
    "curvature",
    "gradient",
    "information",
    "logp",
    "model_of",
    "register",
    "register_compensatory",
    "score",
    "sums",
]

Table = Any
"""A NamedTuple of arrays whose first axis is the item; always has ``n_cat``."""


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """Working parameters as linear functions of fewer: ``working = offset + own x + common y``.

    Attributes
    ----------
    offset
        Shape ``(P,)``.
    own
        Shape ``(P, n_own)``; `x` belongs to one item.
    common
        Shape ``(P, n_common)``; `y` is shared by the items of a set (field ``set``, all of the model
        and of one number of categories when it is absent).
    own_names, common_names
        What `x` and `y` are called.
    """

    offset: np.ndarray
    own: np.ndarray
    common: np.ndarray
    own_names: tuple[str, ...]
    common_names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ItemModel:
    """One model of the family.

    All functions write into `out` and return nothing. ``theta`` is a float; ``k`` counts categories
    from 0 and ``p`` the item's *working parameters*, the unbounded numbers that estimation moves.
    In several dimensions ``theta`` is ``(D,)``, the score ``(K, D)``, the curvature ``(K, D, D)`` and the
    information ``(n, D, D)``; `sums` is for one dimension.

    Attributes
    ----------
    code
        What parameter files store: ``"grm"``.
    table
        The NamedTuple type. Models that differ only in constraints share one (Rasch and 2PL).
    logp
        ``(items, i, theta, out)``: ``out[k] = log P(X_i = k | theta)``.
    score
        ``(items, i, theta, lp, out)``: ``out[k] = d log P(X_i = k) / d theta``; `lp` holds `logp`.
    curvature
        ``(items, i, theta, lp, out)``: ``out[k] = d2 log P(X_i = k) / d theta2``.
    gradient
        ``(items, i, theta, lp, out)``: ``out[k, p] = d log P(X_i = k) / d working[p]``.
    working
        ``(n_cat) -> names``: the working parameters in the order of `gradient`.
    pack
        ``(items, i) -> array``: the working parameters of one row.
    assign
        ``(items, i, working)``: write one row from its working parameters, in compiled code too.
        Values that are no model (unordered graded thresholds, asymptotes that cross) give
        log-probabilities that are not finite, so that an optimiser steps back.
    empty
        ``(n_cat) -> table`` of unset rows from ``(n,)`` category counts.
    from_fields
        ``(rows) -> table`` from dictionaries with the fields of the parameter file.
    to_fields
        ``(items, i) -> dict``: the fields of the parameter file for one row.
    start
        ``(n_cat, proportions, slope) -> array``: working starting values from the proportions of each
        category (strictly positive, sum 1) and a slope.
    information
        ``(items, theta, out)``: ``out[i]`` = expected information of every item; a vectorised twin of
        what is derived otherwise, tested equal to it. None: derived.
    chances
        ``(items, theta, out)``: ``out[k, i]`` = probability of every category of every item; likewise.
    sums
        ``(items, row, category, start, stop, theta, out)``: add to `out` what :func:`sums` says; a
        vectorised twin of what is derived otherwise, tested equal to it. None: derived.
    fixed
        Working parameters that estimation holds at a value: ``{"a": 1.0}`` for Rasch.
    shared
        Working parameters that all items of this model in a calibration share: ``("a",)`` for 1PL.
    ordered
        Whether the intercepts must not rise, ``d1 >= d2 >= ...``: a category nobody uses makes two equal.
    linear
        ``(n_cat) -> Linear`` where neither `fixed` nor `shared` can say it (RSM), else None.
    free_variance
        Whether the model fixes the slopes and frees the latent variance (Rasch, PCM, RSM).
    monotone
        Whether a higher theta always means a higher expected category (given a positive slope).
    dichotomous
        Whether items have exactly two categories.
    dimensions
        Number D of dimensions of theta.
    line
        The one-dimensional model along ``slopes . theta`` of a compensatory model; None for others.
    """

    code: str
    table: type
    logp: Callable[..., None]
    score: Callable[..., None]
    curvature: Callable[..., None]
    gradient: Callable[..., None]
    working: Callable[[int], tuple[str, ...]]
    pack: Callable[[Table, int], np.ndarray]
    assign: Callable[..., None]
    empty: Callable[[np.ndarray], Table]
    from_fields: Callable[[list[Mapping[str, Any]]], Table]
    to_fields: Callable[[Table, int], dict[str, Any]]
    start: Callable[[int, np.ndarray, float], np.ndarray]
    information: Callable[..., None] | None = None
    chances: Callable[..., None] | None = None
    sums: Callable[..., None] | None = None
    ordered: bool = False
    fixed: Mapping[str, float] = field(default_factory=dict)
    shared: tuple[str, ...] = ()
    linear: Callable[[int], Linear] | None = None
    free_variance: bool = False
    monotone: bool = True
    dichotomous: bool = True
    dimensions: int = 1
    line: ItemModel | None = None

    def build(self, n_cat: np.ndarray, working: Sequence[np.ndarray]) -> Table:
        """Return a table from ``(n,)`` category counts and one vector of working parameters an item."""
        items = self.empty(np.asarray(n_cat, dtype=np.int64))
        for i, values in enumerate(working):
            self.assign(items, i, np.asarray(values, dtype=np.float64))
        return items


MODELS: dict[str, ItemModel] = {}
"""Every registered one-dimensional model by its code, in order of registration."""

COMPENSATORY: dict[str, Callable[[int], ItemModel]] = {}
"""The compensatory multidimensional models by code: ``COMPENSATORY["m2pl"](D)`` has `D` dimensions."""

_BY_TABLE: dict[type, ItemModel] = {}


def register(model: ItemModel) -> ItemModel:
    """Add `model` to the family; models that share a table must share its functions."""
    if model.code in MODELS:
        raise ValueError(f"an item model with the code '{model.code}' is registered already")
    first = _BY_TABLE.setdefault(model.table, model)
    for name in ("logp", "score", "curvature", "gradient", "assign", "information", "chances", "sums"):
        if getattr(first, name) is not getattr(model, name):
            raise ValueError(
                f"'{model.code}' and '{first.code}' share the table {model.table.__name__} "
                f"but not the function '{name}': give '{model.code}' a table of its own"
            )
    MODELS[model.code] = model
    return model


def register_compensatory(code: str, of: Callable[[int], ItemModel]) -> Callable[[int], ItemModel]:
    """Add the models of several dimensions that `of` makes; its functions serve any number of them."""
    if code in MODELS or code in COMPENSATORY:
        raise ValueError(f"an item model with the code '{code}' is registered already")
    COMPENSATORY[code] = of
    _BY_TABLE[of(2).table] = of(2)
    return of


def model_of(code: str, dimensions: int = 1) -> ItemModel | None:
    """Return the model with the code `code` in so many dimensions; None where there is none."""
    if dimensions == 1:
        return MODELS.get(code)
    return COMPENSATORY[code](dimensions) if code in COMPENSATORY else None


Theta = float | np.ndarray
"""An ability: a number, or one number a dimension ``(D,)``."""


def logp(items: Table, i: int, theta: Theta, out: np.ndarray) -> None:
    """Write ``out[k] = log P(X_i = k | theta)``."""
    _BY_TABLE[type(items)].logp(items, i, theta, out)


def score(items: Table, i: int, theta: Theta, lp: np.ndarray, out: np.ndarray) -> None:
    """Write ``out[k] = d log P(X_i = k | theta) / d theta``."""
    _BY_TABLE[type(items)].score(items, i, theta, lp, out)


def curvature(items: Table, i: int, theta: Theta, lp: np.ndarray, out: np.ndarray) -> None:
    """Write ``out[k] = d2 log P(X_i = k | theta) / d theta2``."""
    _BY_TABLE[type(items)].curvature(items, i, theta, lp, out)


def gradient(items: Table, i: int, theta: Theta, lp: np.ndarray, out: np.ndarray) -> None:
    """Write ``out[k, p] = d log P(X_i = k | theta) / d working[p]``."""
    _BY_TABLE[type(items)].gradient(items, i, theta, lp, out)


def _derived_information(items, theta, out):
    width = 2
    for i in range(items.n_cat.size):
        width = max(width, items.n_cat[i])
    lp = np.empty(width)
    slope = np.empty(width)
    for i in range(items.n_cat.size):
        logp(items, i, theta, lp)
        score(items, i, theta, lp, slope)
        total = 0.0
        for k in range(items.n_cat[i]):
            total += exp(lp[k]) * slope[k] * slope[k]
        out[i] = total


def information(items: Table, theta: Theta, out: np.ndarray) -> None:
    """Write ``out[i] = sum_k P_k (d log P_k / d theta)**2``, the expected information of every item."""
    (_BY_TABLE[type(items)].information or _derived_information)(items, theta, out)


def _derived_chances(items, theta, out):
    lp = np.empty(out.shape[0])
    for i in range(items.n_cat.size):
        logp(items, i, theta, lp)
        for k in range(items.n_cat[i]):
            out[k, i] = exp(lp[k])


def chances(items: Table, theta: Theta, out: np.ndarray) -> None:
    """Write ``out[k, i] = P(X_i = k | theta)`` for every item; what an item has not is left alone."""
    (_BY_TABLE[type(items)].chances or _derived_chances)(items, theta, out)


def _derived_sums(items, row, category, start, stop, theta, out):
    width = 2
    for r in range(start, stop):
        width = max(width, items.n_cat[row[r]])
    lp = np.empty(width)
    slope = np.empty(width)
    bend = np.empty(width)
    for r in range(start, stop):
        i = row[r]
        logp(items, i, theta, lp)
        score(items, i, theta, lp, slope)
        curvature(items, i, theta, lp, bend)
        out[0] += slope[category[r]]
        out[1] += bend[category[r]]
        for k in range(items.n_cat[i]):
            first = exp(lp[k]) * slope[k]
            out[2] += first * slope[k]
            out[3] += first * bend[k]
            out[4] += first * slope[k] * slope[k]


def sums(
    items: Table,
    row: np.ndarray,
    category: np.ndarray,
    start: int,
    stop: int,
    theta: float,
    out: np.ndarray,
) -> None:
    """Add to `out`, over the answers ``start .. stop - 1`` of one person (table rows and categories):

    the log-likelihood's first and second derivative in theta, the expected information, ``sum_k P_k s_k c_k``
    and ``sum_k P_k s_k**3``, with s the score and c the curvature of each category.
    """
    (_BY_TABLE[type(items)].sums or _derived_sums)(items, row, category, start, stop, theta, out)


def assign(items: Table, i: int, working: np.ndarray) -> None:
    """Write row `i` of a table from its working parameters."""
    _BY_TABLE[type(items)].assign(items, i, working)


# numba compares signatures with the models' functions, so these carry no annotations. What is called item by
# item is inlined: handing a table to a function counts a reference to each array, dearer than the work.
def _compiled(items: Any, name: str) -> Callable[..., None] | None:
    table = getattr(items, "instance_class", None) if isinstance(items, types.BaseNamedTuple) else None
    if table not in _BY_TABLE:
        return None
    function: Callable[..., None] | None = getattr(_BY_TABLE[table], name)
    return function


@overload(logp, inline="always")
def _logp(items, i, theta, out):
    return _compiled(items, "logp")


@overload(score, inline="always")
def _score(items, i, theta, lp, out):
    return _compiled(items, "score")


@overload(curvature, inline="always")
def _curvature(items, i, theta, lp, out):
    return _compiled(items, "curvature")


@overload(gradient)
def _gradient(items, i, theta, lp, out):
    return _compiled(items, "gradient")


@overload(assign)
def _assign(items, i, working):
    return _compiled(items, "assign")


@overload(information)
def _information(items, theta, out):
    return _compiled(items, "information") or _derived_information


@overload(chances)
def _chances(items, theta, out):
    return _compiled(items, "chances") or _derived_chances


@overload(sums)
def _sums(items, row, category, start, stop, theta, out):
    return _compiled(items, "sums") or _derived_sums
