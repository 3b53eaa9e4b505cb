"""Likelihood ratio and Wald tests of an item's parameters in two groups, and the area between its curves.

Groups may differ in ability: the focal group's mean and variance are free, and carried by the anchors.

References
----------
Thissen, D., Steinberg, L., & Wainer, H. (1993). Detection of differential item functioning using the
parameters of item response models. In Holland & Wainer, Differential item functioning. Lord, F. M. (1980).
Applications of item response theory to practical testing problems, ch. 14 (Wald). Langer, M. M. (2008). A
reexamination of Lord's Wald test for differential item functioning using item response theory and modern
error estimation. Raju, N. S. (1990). Determining the significance of estimated signed and unsigned areas
between two item response functions. Applied Psychological Measurement, 14, 197-207. Cohen, A. S., Kim,
S.-H., & Baker, F. B. (1993). Detection of differential item functioning in the graded response model.
Applied Psychological Measurement, 17, 335-350.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import chi2, norm

from calibration.dif.groups import Pair
from calibration.dif.size import Size, size_of
from calibration.estimation import calibrate
from calibration.linking.coefficients import Anchors, coefficients
from calibration.linking.scale import WITHOUT_FIXED_SLOPE, move_item
from calibration.result import Calibration
from cat_engine.errors import InputError
from cat_engine.family import MODELS, ItemModel
from cat_engine.grid import Grid, tabulate
from cat_engine.pool import Block, ItemPool
from item_bank.parameters import Population

__all__ = [
    "Area",
    "Areas",
    "Fits",
    "Models",
    "Parametric",
    "areas",
    "likelihood_ratios",
    "models_for",
    "separate",
    "wald_tests",
]


class Parametric(NamedTuple):
    """What a test of parameters says of one item; NaN where it was not tested.

    Attributes
    ----------
    statistic, df, p
        Chi-squared.
    reference, focal
        The item's parameters in each group, as rows of a parameter file.
    size
        Of the difference.
    """

    statistic: float
    df: int
    p: float
    reference: dict[str, Any]
    focal: dict[str, Any]
    size: Size


class Models(NamedTuple):
    """The model of every item: one for most, others by name."""

    model: str
    by_item: dict[str, str]

    def of(self, item: str) -> ItemModel:
        """Return an item's model."""
        return MODELS[self.by_item.get(item, self.model)]


def models_for(pair: Pair, model: str | None = None, by_item: Mapping[str, str] | None = None) -> Models:
    """Return `model` for every item, or 2PL and, for more than two categories, the graded model."""
    several = {
        item: "grm"
        for item, size in zip(pair.responses.items, pair.responses.n_cat, strict=True)
        if size > 2 and model is None
    }
    return Models(model or "2pl", several | dict(by_item or {}))


def _tested(models: Models, item: str, n_cat: int) -> tuple[str, ...]:
    """Return the working parameters that may differ: all that are free, but no asymptote (hardly known in
    one group, far less in two)."""
    model = models.of(item)
    if model.linear is not None:
        return model.linear(n_cat).own_names
    names = model.working(n_cat)
    return tuple(n for n in names if n not in model.fixed and n not in model.shared and "logit" not in n)


class Fits:
    """Calibrations of the two groups with some items' parameters apart; each is made once.

    Parameters
    ----------
    errors
        Whether standard errors are wanted (`wald_tests`).
    names
        Working parameters that may differ, by item; all that are free but asymptotes by default.
    """

    def __init__(
        self, pair: Pair, models: Models, *, errors: bool, names: Sequence[str] | None = None
    ) -> None:
        self.pair = pair
        self.models = models
        self.errors = "oakes" if errors else "none"
        self.names = {
            item: _tested(models, item, int(size)) if names is None else tuple(names)
            for item, size in zip(pair.responses.items, pair.responses.n_cat, strict=True)
        }
        self._known: dict[frozenset[str], Calibration] = {}

    def apart(self, items: frozenset[str]) -> Calibration:
        """Return the calibration in which `items` differ between the groups."""
        if items not in self._known:
            self._known[items] = calibrate(
                self.pair.responses,
                self.models.model,
                item_models=self.models.by_item,
                groups=self.pair.names,
                reference=self.pair.reference_name,
                differ={item: self.names[item] for item in items},
                errors=self.errors,
            )
        return self._known[items]

    def rows(self, found: Calibration, item: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return an item's parameters in the two groups."""
        at = next(k for k, row in enumerate(found.parameters.items) if row["id"] == item)
        return (
            found.by_group[self.pair.reference_name][at],
            found.by_group[self.pair.focal_name][at],
        )

    def usable(self, item: str) -> bool:
        """Whether both groups give answers of more than one kind to the item."""
        j = self.pair.responses.items.index(item)
        column = self.pair.responses.dense()[:, j]
        return all(len(np.unique(column[(self.pair.focal == g) & (column >= 0)])) > 1 for g in (False, True))


def _nothing() -> Parametric:
    nan = float("nan")
    return Parametric(nan, 0, nan, {}, {}, Size(nan, nan, nan, nan))


def likelihood_ratios(fits: Fits, apart: frozenset[str], items: list[str]) -> list[Parametric]:
    """Test each item by twice the difference in log-likelihood with it apart and together.

    Parameters
    ----------
    apart
        Items whose parameters differ anyway; all others are anchors.
    """
    out = []
    for item in items:
        if not fits.usable(item):
            out.append(_nothing())
            continue
        smaller, larger = fits.apart(apart - {item}), fits.apart(apart | {item})
        statistic, df = max(2.0 * (larger.loglik - smaller.loglik), 0.0), len(fits.names[item])
        rows = fits.rows(larger, item)
        population = larger.parameters.group(fits.pair.focal_name)
        out.append(
            Parametric(statistic, df, float(chi2.sf(statistic, df)), *rows, size_of(*rows, population))
        )
    return out


def wald_tests(fits: Fits, apart: frozenset[str], items: list[str]) -> list[Parametric]:
    """Test each item by the difference of its parameters against their covariance."""
    out = []
    for item in items:
        if not fits.usable(item):
            out.append(_nothing())
            continue
        found = fits.apart(apart | {item})
        names = fits.names[item]
        contrast = np.zeros((len(names), len(found.names)))
        for group, sign in ((fits.pair.reference_name, -1.0), (fits.pair.focal_name, 1.0)):
            at = -1
            for k, name in enumerate(names):  # a threshold of an unused category is the one before it
                at = found.names.index((item, name, group)) if (item, name, group) in found.names else at
                contrast[k, at] = sign
        gap = contrast @ found.estimates
        covariance = contrast @ np.nan_to_num(found.covariance) @ contrast.T
        known = np.isfinite(np.abs(contrast) @ np.diag(found.covariance))
        rows = fits.rows(found, item)
        population = found.parameters.group(fits.pair.focal_name)
        if not known.all() or np.linalg.matrix_rank(covariance) < len(gap):
            out.append(_nothing())
            continue
        statistic = float(gap @ np.linalg.solve(covariance, gap))
        out.append(
            Parametric(
                statistic, len(gap), float(chi2.sf(statistic, len(gap))), *rows, size_of(*rows, population)
            )
        )
    return out


class Area(NamedTuple):
    """Area between an item's two curves (expected scores), linked by the anchors.

    Attributes
    ----------
    signed, signed_se
        Integral of reference minus focal over theta, and its standard error: positive when the item is
        harder for the focal group.
    unsigned
        Integral of the absolute difference.
    z, p
        Of the signed area.
    reference, focal, size
        As in `Parametric`, the focal group's parameters on the reference group's scale.
    """

    signed: float
    signed_se: float
    unsigned: float
    z: float
    p: float
    reference: dict[str, Any]
    focal: dict[str, Any]
    size: Size


_REACH, _STEP = 40.0, 0.05


def _curves(model: ItemModel, n_cat: int, working: list[np.ndarray], grid: Grid) -> np.ndarray:
    """Return the expected scores over a grid of items given by their working parameters, one row each."""
    table = model.build(np.full(len(working), n_cat), working)
    names = [str(k) for k in range(len(working))]
    pool = ItemPool.from_blocks(names, [Block(model, table, np.arange(len(working)))])
    return np.asarray(
        np.einsum("k,nkq->nq", np.arange(n_cat, dtype=np.float64), np.exp(tabulate(pool, grid).logp))
    )


def _own_estimates(
    found: Calibration, item: str, model: ItemModel, n_cat: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return an item's working parameters and their covariance (0 for what is held)."""
    row = next(r for r in found.parameters.items if r["id"] == item)
    working = model.pack(model.from_fields([row]), 0)
    names = model.working(n_cat)
    covariance = np.zeros((len(names), len(names)))
    at = [
        next((k for k, known in enumerate(found.names) if known[0] == item and known[1] == name), -1)
        for name in names
    ]
    for p, k in enumerate(at):
        for q, m in enumerate(at):
            if k >= 0 and m >= 0:
                covariance[p, q] = found.covariance[k, m]
    return working, covariance


class Areas(NamedTuple):
    """Areas by item, and the coefficients that brought the focal group's items to the reference scale."""

    by_item: dict[str, Area]
    link: tuple[float, float]


def separate(pair: Pair, models: Models) -> tuple[Calibration, Calibration]:
    """Return a calibration of the reference group and one of the focal group."""
    reference, focal = (
        calibrate(
            pair.responses.take(np.flatnonzero(pair.focal == is_focal)),
            models.model,
            item_models=models.by_item,
        )
        for is_focal in (False, True)
    )
    return reference, focal


def areas(
    pair: Pair,
    models: Models,
    sides: tuple[Calibration, Calibration],
    anchors: frozenset[str],
    method: str = "mean-sigma",
) -> Areas:
    """Return the area between the curves of every item, from separate calibrations linked by `anchors`.

    The standard error is by the delta method from both calibrations; the uncertainty of the link itself
    is not in it (Raju, 1990).
    """
    rows = [
        {str(r["id"]): r for r in side.parameters.items if r.get("status") != "left-out"} for side in sides
    ]
    shared = [item for item in rows[0] if item in rows[1]]
    nominal = [item for item in shared if not models.of(item).monotone]
    if nominal:
        raise InputError(
            f"expected items whose expected score rises with theta for raju, got '{nominal[0]}' with nominal "
            "categories; use lr or wald"
        )
    common = [item for item in shared if item in anchors]
    unit = all(rows[0][item]["model"] in WITHOUT_FIXED_SLOPE for item in common)
    try:
        a, b = coefficients(
            Anchors([rows[1][item] for item in common], [rows[0][item] for item in common]), method, unit=unit
        )
    except InputError:
        raise InputError(
            "expected anchors of different difficulty for raju, which links the groups by mean and spread of "
            f"their thresholds, got {', '.join(common[:4]) or 'none'}; name other anchors, or use lr or wald"
        ) from None
    population = sides[1].parameters.population[0]
    population = Population("focal", (a * population.mean[0] + b,), ((a * a * population.cov[0][0],),))
    nodes = np.arange(-_REACH, _REACH + _STEP / 2, _STEP)
    flat = np.full(len(nodes), 1.0 / len(nodes))
    grids = (Grid(nodes, flat), Grid((nodes - b) / a, flat))
    out = {}
    for item in shared:
        n_cat = int(pair.responses.n_cat[pair.responses.items.index(item)])
        out[item] = _area(models.of(item), n_cat, item, sides, (a, b), grids, population)
    return Areas(out, (a, b))


def _area(
    model: ItemModel,
    n_cat: int,
    item: str,
    sides: tuple[Calibration, Calibration],
    link: tuple[float, float],
    grids: tuple[Grid, Grid],
    population: Population,
) -> Area:
    variance, curve = 0.0, []
    for side, grid, sign in zip(sides, grids, (1.0, -1.0), strict=True):
        working, covariance = _own_estimates(side, item, model, n_cat)
        steps = 1e-4 * (1.0 + np.abs(working))
        moved = [working + way * step for step in np.diag(steps) for way in (1.0, -1.0)]
        own, *around = _curves(model, n_cat, [working, *moved], grid)
        curve.append(own)
        change = np.sum(around, axis=1).reshape(-1, 2)
        g = sign * (change[:, 0] - change[:, 1]) * _STEP / (2.0 * steps)
        variance += float(g @ covariance @ g)
    gap = curve[0] - curve[1]
    signed, unsigned = float(gap.sum() * _STEP), float(np.abs(gap).sum() * _STEP)
    error = float(np.sqrt(variance)) if variance > 0 else float("nan")
    rows = [next(r for r in side.parameters.items if r["id"] == item) for side in sides]
    moved_row = move_item(rows[1], *link)
    z = signed / error
    return Area(
        signed,
        error,
        unsigned,
        z,
        float(2.0 * norm.sf(abs(z))),
        rows[0],
        moved_row,
        size_of(rows[0], moved_row, population),
    )
