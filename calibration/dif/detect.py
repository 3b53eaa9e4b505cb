"""``detect``: differential item functioning by one of five methods, with purification."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from calibration.dif.groups import Pair, pair_of
from calibration.dif.logistic import effect_class, logistic
from calibration.dif.mantel import ets_class, ets_class_of_mean_difference, mantel, tables
from calibration.dif.matching import Kind, Matching
from calibration.dif.parametric import (
    Fits,
    Models,
    areas,
    likelihood_ratios,
    models_for,
    separate,
    wald_tests,
)
from calibration.dif.size import size_class
from cat_engine.errors import InputError, suggestion
from cat_engine.family import MODELS
from item_bank.parameters import ParameterSet
from item_bank.responses import MISSING, Responses

if TYPE_CHECKING:
    import polars as pl

__all__ = ["METHODS", "SCHEMA", "Dif", "adjusted", "detect"]

SCHEMA = "acquis/dif/1"
"""What the key ``schema`` of a DIF file says."""

METHODS = ("mh", "logistic", "lr", "wald", "raju")
"""Mantel-Haenszel, logistic regression, likelihood ratio, Wald, area between the curves."""

MOST_ROUNDS = 20
"""Rounds of purification."""

GAPS = 0.9
"""Share of answers given below which the link that raju needs may go astray."""

Row = dict[str, Any]


@dataclass
class Dif:
    """What was found.

    Attributes
    ----------
    method, reference, focal
        What was compared.
    rows
        One dictionary an item: ``id``, ``n_reference``, ``n_focal``, ``statistic``, ``df``, ``p``,
        ``p_adjusted`` (Benjamini-Hochberg), ``class`` (A, B, C), ``flagged`` (B or C and adjusted p below
        the level), ``favours``, ``unpurified_statistic``, ``unpurified_p``, ``note``, and the method's own.
    about
        Matching, purification, impact, and a caution where the method is on weak ground.
    """

    method: str
    reference: str
    focal: str
    rows: list[Row]
    about: dict[str, Any]
    seconds: float = field(default=0.0, compare=False)

    @property
    def flagged(self) -> list[str]:
        """Items to look at."""
        return [row["id"] for row in self.rows if row["flagged"]]

    def frame(self) -> pl.DataFrame:
        """Return one row an item."""
        import polars as pl

        return pl.DataFrame(self.rows, infer_schema_length=None)

    def to_dict(self) -> dict[str, Any]:
        """Return the DIF file's content."""
        return {
            "schema": SCHEMA,
            "method": self.method,
            "reference": self.reference,
            "focal": self.focal,
            **self.about,
            "seconds": self.seconds,
            "flagged": self.flagged,
            "items": self.rows,
        }


def adjusted(p: np.ndarray) -> np.ndarray:
    """Return p-values that control the false discovery rate (Benjamini & Hochberg, 1995); NaN stays."""
    out = np.full(p.shape, np.nan)
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known])[::-1]]
    rank = np.arange(len(order), 0, -1)
    out[order] = np.minimum.accumulate(np.minimum(p[order] * len(order) / rank, 1.0))
    return out


def detect(
    responses: Responses,
    groups: Sequence[str],
    method: str = "mh",
    *,
    reference: str | None = None,
    focal: str | None = None,
    model: str | None = None,
    item_models: Mapping[str, str] | None = None,
    anchors: Sequence[str] | None = None,
    purify: bool = True,
    match: Kind | None = None,
    parameters: ParameterSet | None = None,
    correction: bool = True,
    level: float = 0.05,
) -> Dif:
    """Look for items that work differently in two groups of equal ability.

    Parameters
    ----------
    groups
        Each person's group.
    method
        One of `METHODS`.
    reference, focal
        The groups compared; alphabetically first, and the other one.
    model, item_models
        Item models (lr, wald, raju; and for theta where mh and logistic match on it). By default 2PL, and
        the graded model for more than two categories.
    anchors
        Items known to be fair. The others are tested against them and there is no purification.
    purify
        Whether items found are taken out of the match (or the anchors) and everything is tested again, until
        nothing changes.
    match
        mh and logistic: ``total`` or ``theta``; total where at least nine persons in ten answered every
        item, else theta (Zwick, Thayer & Wingersky, 1994).
    parameters
        Item parameters for matching on theta; calibrated from the responses otherwise.
    correction
        mh: the continuity correction.
    level
        Significance.

    Raises
    ------
    InputError
        For groups, items or models that do not go together.
    """
    if method not in METHODS:
        advice = suggestion(method, METHODS, "choose one")
        raise InputError(f"expected a method among {', '.join(METHODS)}, got '{method}'; {advice}")
    _one_dimensional(parameters, [*([model] if model else []), *(item_models or {}).values()])
    start = perf_counter()
    pair = pair_of(responses, groups, reference, focal)
    given = _given(responses, anchors)
    about: dict[str, Any] = {}
    if method in ("mh", "logistic"):
        matching = Matching(pair, match, parameters, model, item_models)
        test = _observed(pair, matching, method, correction, level, about)
    else:
        test = _modelled(pair, method, model, item_models, given, about)
    rows, notes = _purified(test, pair.responses.items, given, purify, level)
    about["purification"] = notes
    if method == "raju" and pair.responses.density < GAPS:
        about["caution"] = (
            "many items were not met: where a group hardly tells a difficulty, the link between the groups "
            "goes astray, and raju finds fair items; lr and wald keep their level"
        )
    p = adjusted(np.array([row["p"] for row in rows], dtype=np.float64))
    met = pair.responses.dense() != MISSING
    finished = []
    for j, (row, q) in enumerate(zip(rows, p, strict=True)):
        sizes = {"n_reference": int(met[~pair.focal, j].sum()), "n_focal": int(met[pair.focal, j].sum())}
        flagged = bool(q < level and row["class"] in ("B", "C"))
        finished.append(
            _finite({"id": row.pop("id"), **sizes, **row, "p_adjusted": float(q), "flagged": flagged})
        )
    found = Dif(method, pair.reference_name, pair.focal_name, finished, _finite(about))
    found.seconds = perf_counter() - start
    return found


def _finite(row: Row) -> Row:
    return {k: None if isinstance(v, float) and not np.isfinite(v) else v for k, v in row.items()}


def _one_dimensional(parameters: ParameterSet | None, models: Sequence[str]) -> None:
    """Refuse what has no single ability to match on or to compare."""
    if parameters is not None and len(parameters.dimensions) > 1:
        raise InputError(
            f"expected parameters of one dimension, got {len(parameters.dimensions)} "
            f"({', '.join(parameters.dimensions)}); test each dimension's items apart"
        )
    for model in models:
        if model not in MODELS:
            advice = suggestion(model, MODELS, "test each dimension's items apart")
            raise InputError(
                f"expected a one-dimensional model among {', '.join(MODELS)}, got '{model}'; {advice}"
            )


def _given(responses: Responses, anchors: Sequence[str] | None) -> frozenset[str] | None:
    if anchors is None:
        return None
    for item in anchors:
        if item not in responses.items:
            advice = suggestion(item, responses.items, "correct the anchors")
            raise InputError(f"expected anchors among the items of the responses, got '{item}'; {advice}")
    return frozenset(anchors)


Test = Callable[[frozenset[str]], list[Row]]


def _purified(
    test: Test, items: Sequence[str], given: frozenset[str] | None, purify: bool, level: float
) -> tuple[list[Row], dict[str, Any]]:
    """Run `test` (anchors -> rows) until the items it finds are those it left out of the anchors."""
    everything = frozenset(items)
    anchors = given if given is not None else everything
    rows = test(anchors)
    first = [(row["statistic"], row["p"]) for row in rows]
    rounds, converged, note = 0, True, ""
    if purify and given is None:
        seen = {anchors}
        converged = False
        while rounds < MOST_ROUNDS:
            found = frozenset(row["id"] for row in rows if row["p"] is not None and row["p"] < level)
            kept = everything - found
            if kept == anchors:
                converged = True
                break
            if len(kept) < max(2, len(items) // 4):
                note = f"{len(found)} of {len(items)} items would be left out: too few anchors remain"
                break
            if kept in seen:
                note = "the items found go round in a circle"
                break
            seen.add(kept)
            anchors = kept
            rows = test(anchors)
            rounds += 1
        else:
            note = f"the items found still change after {rounds} rounds"
    for row, (statistic, p) in zip(rows, first, strict=True):
        row["unpurified_statistic"], row["unpurified_p"] = statistic, p
    left_out = [item for item in items if item not in anchors]
    how = "anchors given" if given is not None else "purified" if purify else "none"
    return rows, {
        "kind": how,
        "rounds": rounds,
        "converged": converged,
        "note": note,
        "not_anchors": left_out,
    }


def _observed(
    pair: Pair, matching: Matching, method: str, correction: bool, level: float, about: dict[str, Any]
) -> Test:
    """Tests that match persons on what they scored."""
    focal = pair.focal[matching.rows]
    items = pair.responses.items
    everything = np.ones(len(items), dtype=bool)
    overall = matching.value(0, everything).astype(np.float64)  # theta: all items but the first
    spread = np.sqrt(0.5 * (overall[~focal].var() + overall[focal].var()))
    about |= {
        "matching": matching.kind,
        "n_persons": len(matching.rows),
        "impact": float((overall[focal].mean() - overall[~focal].mean()) / spread) if spread > 0 else 0.0,
        "correction": correction if method == "mh" else None,
    }

    def one(j: int, anchors: np.ndarray) -> Row:
        met = matching.matrix[:, j] != MISSING
        category = matching.matrix[met, j].astype(np.int64)
        n_cat = int(pair.responses.n_cat[j])
        if method == "mh":
            found = mantel(
                tables(matching.strata(j, anchors)[met], focal[met], category, n_cat), correction=correction
            )
            binary = n_cat == 2
            kind = (
                ets_class(found.delta, found.delta_se, found.p, level)
                if binary
                else ets_class_of_mean_difference(found.difference, found.spread, found.p, level)
            )
            own = {
                name: value for name, value in found._asdict().items() if name not in ("statistic", "df", "p")
            }
            return _row(items[j], found.statistic, found.df, found.p, kind, found.difference, own)
        value = matching.value(j, anchors)[met].astype(np.float64)
        fit = logistic(value, focal[met], category)
        direction = _direction(value, focal[met], category)
        own = {
            "effect": fit.effect,
            "difference": direction,
            "uniform_p": fit.uniform_p,
            "nonuniform_p": fit.nonuniform_p,
            "coefficients": None if np.isnan(fit.coefficients).any() else fit.coefficients.tolist(),
        }
        return _row(
            items[j], fit.statistic, fit.df, fit.p, effect_class(fit.effect, fit.p, level), direction, own
        )

    def test(anchors: frozenset[str]) -> list[Row]:
        mask = np.array([item in anchors for item in items])
        return [one(j, mask) for j in range(len(items))]

    return test


def _direction(value: np.ndarray, focal: np.ndarray, category: np.ndarray) -> float:
    """Return the difference in mean score, focal minus reference, after a straight line in the match."""
    if len(np.unique(value)) < 2 or not focal.any() or focal.all():
        return float("nan")
    slope, intercept = np.polyfit(value, category, 1)
    rest = category - slope * value - intercept
    return float(rest[focal].mean() - rest[~focal].mean())


def _row(item: str, statistic: float, df: int, p: float, kind: str, direction: float, own: Row) -> Row:
    nothing = not np.isfinite(statistic)
    favours = "" if nothing or not np.isfinite(direction) else "focal" if direction > 0 else "reference"
    return {
        "id": item,
        "statistic": None if nothing else statistic,
        "df": df,
        "p": None if nothing else p,
        "class": "" if nothing else kind,
        "favours": favours,
        "note": "not tested: a group gives too few different answers" if nothing else "",
        **_finite(own),
    }


def _modelled(
    pair: Pair,
    method: str,
    model: str | None,
    item_models: Mapping[str, str] | None,
    given: frozenset[str] | None,
    about: dict[str, Any],
) -> Test:
    """Tests on parameters of an item response model."""
    models = models_for(pair, model, item_models)
    items = pair.responses.items
    about |= {"model": models.model, "item_models": models.by_item, "n_persons": pair.responses.n_persons}
    if method == "raju":
        return _by_area(pair, models, about)
    fits = Fits(pair, models, errors=method == "wald")
    run = wald_tests if method == "wald" else likelihood_ratios

    def test(anchors: frozenset[str]) -> list[Row]:
        apart = frozenset(items) - anchors
        tested = [item for item in items if given is None or item not in given]
        found = dict(zip(tested, run(fits, apart, tested), strict=True))
        population = fits.apart(apart).parameters.group(pair.focal_name)
        about["impact"] = population.mean[0]
        about["focal_population"] = {"mean": population.mean[0], "sd": population.sd}
        rows = []
        for item in items:
            if item not in found:
                row = _row(item, float("nan"), 0, float("nan"), "", float("nan"), {})
                rows.append(row | {"note": "an anchor: not tested"})
                continue
            x = found[item]
            own = _sizes(x.size) | {"reference": _fields(x.reference), "focal": _fields(x.focal)}
            kind = size_class(x.size.share, x.p)
            rows.append(_row(item, x.statistic, x.df, x.p, kind, x.size.signed, own))
        return rows

    return test


def _by_area(pair: Pair, models: Models, about: dict[str, Any]) -> Test:
    sides = separate(pair, models)

    def test(anchors: frozenset[str]) -> list[Row]:
        found = areas(pair, models, sides, anchors)
        about["A"], about["B"] = found.link
        rows = []
        for item in pair.responses.items:
            x = found.by_item.get(item)
            if x is None:
                rows.append(_row(item, float("nan"), 0, float("nan"), "", float("nan"), {}))
                continue
            own = {
                "signed_area": x.signed,
                "signed_area_se": x.signed_se,
                "unsigned_area": x.unsigned,
                "z": x.z,
                **_sizes(x.size),
                "reference": _fields(x.reference),
                "focal": _fields(x.focal),
            }
            rows.append(_row(item, x.z * x.z, 1, x.p, size_class(x.size.share, x.p), x.size.signed, own))
        return rows

    return test


def _sizes(size: Any) -> Row:
    return {
        "difference": size.signed,
        "unsigned_difference": size.unsigned,
        "standardised_difference": size.standardised,
    }


def _fields(row: Row) -> Row:
    hidden = ("id", "n", "flags", "se", "slope_intercept", "groups", "codes", "set")
    return {name: value for name, value in row.items() if name not in hidden}
