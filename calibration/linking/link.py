"""``link``: put one calibration on the scale of another, and say how well the anchors hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from calibration.linking.coefficients import METHODS, Anchors, Weighting, coefficients
from calibration.linking.drift import Drift, drift
from calibration.linking.scale import WITHOUT_FIXED_SLOPE, has_thresholds, move, slope_of, thresholds_of
from cat_engine.errors import InputError, suggestion
from cat_engine.family import MODELS
from item_bank.parameters import ParameterSet

__all__ = ["FEW", "Link", "common_items", "link"]

FEW = 5
"""With fewer anchors the coefficients rest on too little, and the file says so."""


@dataclass(frozen=True)
class Link:
    """A link between two scales, ``theta_TO = A theta_FROM + B``.

    Attributes
    ----------
    a, b, a_se, b_se
        Coefficients, and their standard errors from leaving out one anchor at a time (NaN for fewer than
        three anchors).
    method, weighting
        How they were found; the weighting is None for moments.
    anchors, dropped
        Items that carry the link, and those that a robust link left out.
    drift
        Every common item on TO's scale, in the order of `compared`.
    compared
        Names of the items that `drift` describes.
    parameters
        FROM's calibration on TO's scale.
    notes
        What a reader should know.
    """

    a: float
    b: float
    a_se: float
    b_se: float
    method: str
    weighting: dict[str, Any] | None
    anchors: list[str]
    dropped: list[str]
    drift: Drift
    compared: list[str]
    parameters: ParameterSet
    notes: list[str]

    def drift_rows(self) -> list[dict[str, Any]]:
        """Return one row an anchor."""
        columns = self.drift._asdict()
        rows = []
        for i, item in enumerate(self.compared):
            row: dict[str, Any] = {"id": item, "anchor": item in self.anchors}
            for name, values in columns.items():
                value = values[i].item()
                row[name] = value if isinstance(value, bool) or np.isfinite(value) else None
            rows.append(row)
        return rows

    def to_parameters(self) -> ParameterSet:
        """Return the linked calibration with the link written into it."""
        about: dict[str, Any] = {
            "A": self.a,
            "B": self.b,
            "A_se": self.a_se,
            "B_se": self.b_se,
            "method": self.method,
            "weighting": self.weighting,
            "anchors": self.anchors,
            "dropped": self.dropped,
            "link_notes": self.notes,
            "drift": self.drift_rows(),
        }
        p = self.parameters
        return ParameterSet(p.items, p.population, p.dimensions, {**p.fit, **about})


def _usable(parameters: ParameterSet, name: str) -> dict[str, dict[str, Any]]:
    if len(parameters.dimensions) > 1:
        raise InputError(
            f"expected calibrations of one dimension, got {len(parameters.dimensions)} in {name}; link one "
            "dimension at a time"
        )
    return {str(row["id"]): row for row in parameters.items if row.get("status") != "left-out"}


def common_items(start: ParameterSet, to: ParameterSet, names: Sequence[str] | None = None) -> Anchors:
    """Return the items that both calibrations hold, in TO's order.

    Parameters
    ----------
    names
        The anchors; every common item by default.

    Raises
    ------
    InputError
        For no item in common, a named one that is missing, a different number of categories.
    """
    left, right = _usable(start, "FROM"), _usable(to, "TO")
    shared = [item for item in right if item in left]
    if names is not None:
        for item in names:
            if item not in left or item not in right:
                where = "FROM" if item not in left else "TO"
                advice = suggestion(item, shared, "correct the anchors")
                raise InputError(
                    f"expected anchors that both files hold, got '{item}', not in {where}; {advice}"
                )
        shared = [item for item in shared if item in set(names)]
    if not shared:
        raise InputError(
            "expected items in common, got none; give files that share item ids, or calibrate together"
        )
    for item in shared:
        sizes = [int(MODELS[row["model"]].from_fields([row]).n_cat[0]) for row in (left[item], right[item])]
        if sizes[0] != sizes[1]:
            raise InputError(
                f"expected the same categories in both files, got {sizes[0]} and {sizes[1]} for item "
                f"'{item}'; leave it out of the anchors"
            )
    return Anchors([left[item] for item in shared], [right[item] for item in shared])


def _rough(anchors: Anchors, unit: bool) -> tuple[float, float]:
    """Return coefficients from medians, which a third of bad anchors cannot move far."""
    pairs = [(x, y) for x, y in zip(*anchors, strict=True) if has_thresholds(x) and has_thresholds(y)]
    if not pairs:
        return 1.0, 0.0
    ratio = np.array([slope_of(x) / slope_of(y) for x, y in pairs])
    ratio = ratio[ratio > 0]
    a = 1.0 if unit or not len(ratio) else float(np.exp(np.median(np.log(ratio))))
    gaps = np.array([thresholds_of(y).mean() - a * thresholds_of(x).mean() for x, y in pairs])
    return a, float(np.median(gaps))


def link(
    start: ParameterSet,
    to: ParameterSet,
    method: str = "stocking-lord",
    *,
    anchors: Sequence[str] | None = None,
    weighting: Weighting | None = None,
    robust: bool = False,
) -> Link:
    """Put `start` on the scale of `to` by their common items.

    Parameters
    ----------
    method
        One of `calibration.linking.coefficients.METHODS`.
    anchors
        Items that carry the link; every common one by default.
    weighting
        Over which abilities curves are compared; TO's population by default.
    robust
        Leave out anchors that drifted (found by medians first, then judged anew until nothing changes;
        never more than a third of them).

    Raises
    ------
    InputError
        When the files cannot be linked so.
    """
    if method not in METHODS:
        raise InputError(f"expected a method among {', '.join(METHODS)}, got '{method}'; choose one")
    shared = common_items(start, to, anchors)
    population = (to.population[0], start.population[0])
    unit = all(row["model"] in WITHOUT_FIXED_SLOPE for side in shared for row in side)
    weighting = weighting or Weighting()

    def solve(used: Anchors) -> tuple[float, float]:
        return coefficients(used, method, weighting, *population, unit=unit)

    keep = np.ones(len(shared.to), dtype=bool)
    if robust:
        keep = _kept(shared, solve, population[0], unit)
    used = shared.take(np.flatnonzero(keep))
    a, b = solve(used)
    if not np.isfinite([a, b]).all() or a <= 0.0:
        raise InputError(
            f"expected anchors that determine the link, got A = {a:.3g} from {len(used.to)} of them; "
            "use stocking-lord or other anchors"
        )
    a_se, b_se = _jackknife(used, solve)
    ids = shared.ids
    notes = []
    if len(used.to) < FEW:
        carry = "one anchor carries" if len(used.to) == 1 else f"{len(used.to)} anchors carry"
        notes.append(f"only {carry} the link: its error is large and not well known")
    found = drift(shared, a, b, population[0], keep)
    out = [item for item, bad, kept in zip(ids, found.drifted, keep, strict=True) if bad and kept]
    if out:
        notes.append(f"anchors that drifted and still carry the link: {', '.join(out)}; try a robust link")
    curves = method in ("stocking-lord", "haebara")
    return Link(
        a,
        b,
        a_se,
        b_se,
        method,
        weighting.to_dict(*population) if curves else None,
        used.ids,
        [item for item, kept in zip(ids, keep, strict=True) if not kept],
        found,
        ids,
        move(start, a, b),
        notes,
    )


def _kept(shared: Anchors, solve: Any, to: Any, unit: bool) -> np.ndarray:
    """Return which anchors to keep: those that do not drift among those that are kept."""
    n = len(shared.to)
    most = n // 3
    keep = np.ones(n, dtype=bool)
    a, b = _rough(shared, unit)
    seen = set()
    for _ in range(20):
        found = drift(shared, a, b, to, keep)
        size = np.fmax(np.abs(found.robust_z), np.abs(found.slope_robust_z))
        bad = np.flatnonzero(found.drifted)
        bad = bad[np.argsort(-size[bad])][:most]
        keep = np.ones(n, dtype=bool)
        keep[bad] = False
        mark = keep.tobytes()
        if mark in seen:
            break
        seen.add(mark)
        a, b = solve(shared.take(np.flatnonzero(keep)))
    return keep


def _jackknife(used: Anchors, solve: Any) -> tuple[float, float]:
    n = len(used.to)
    if n < 3:
        return float("nan"), float("nan")
    values = np.array([solve(used.take([j for j in range(n) if j != i])) for i in range(n)])
    spread = np.sqrt((n - 1) / n * ((values - values.mean(axis=0)) ** 2).sum(axis=0))
    return float(spread[0]), float(spread[1])
