"""Conditional maximum likelihood for the Rasch, partial credit and rating scale models (Andersen, 1972).

Given the raw score, the likelihood no longer holds theta: item parameters come without any assumption on
the population. The rating scale model is the partial credit model whose parameters are linear in fewer, as
in marginal estimation (`ItemModel.linear`). Persons are grouped by the items they answered; the
population's mean and standard deviation are estimated afterwards with the items held.

References
----------
Andersen, E. B. (1972). The numerical solution of a set of conditional estimation equations. JRSS B, 34,
42-54. Andersen, E. B. (1973). A goodness of fit test for the Rasch model. Psychometrika, 38, 123-140.
Andrich, D. (1978). A rating formulation for ordered response categories. Psychometrika, 43, 561-573.
Masters, G. N. (1982). A Rasch model for partial credit scoring. Psychometrika, 47, 149-174.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import block_diag
from scipy.stats import chi2

from calibration.estimation import calibrate
from calibration.kernels.conditional import conditional
from calibration.result import Calibration
from calibration.screening import links_of, screen
from cat_engine.errors import InputError
from cat_engine.family import MODELS, ItemModel
from item_bank.parameters import ParameterSet
from item_bank.responses import Responses

__all__ = ["Andersen", "andersen_test", "calibrate_conditional"]

MODELS_HERE = ("rasch", "pcm", "rsm")
STEPS = 100
LONGEST = 2.0


def calibrate_conditional(
    responses: Responses | Any, model: str = "rasch", *, tol: float = 1e-8
) -> Calibration:
    """Estimate Rasch, partial credit or rating scale items by conditional maximum likelihood.

    The mean of all thresholds is 0; the population's mean and variance are estimated afterwards by marginal
    maximum likelihood with the items held.

    Parameters
    ----------
    responses
        :class:`item_bank.responses.Responses`, or a matrix of persons by items (NaN or -1: no response).
    model
        ``"rasch"``, ``"pcm"`` or ``"rsm"`` (items of one number of categories share their ``tau``).
    tol
        Bound on the remaining gain in conditional log-likelihood.

    Returns
    -------
    Calibration
        Its ``loglik`` is the conditional one; ``fit["estimator"]`` says so.

    Raises
    ------
    InputError
        For another model, or when persons and items are not linked well enough to be compared.
    """
    responses = _checked(responses, model)
    began = time.perf_counter()
    screening = screen(responses, [MODELS[model]] * responses.n_items, links_of(responses))
    if len(screening.keep) < 2:
        raise InputError("expected at least two items that people answer differently, got fewer; add items")
    kept = responses.select(screening.keep)
    problem = _Conditional(kept, MODELS[model])
    d, loglik, gain, steps, information = problem.maximise(tol)
    covariance = problem.inverse(information)
    d = d - problem.shift(d)
    if not np.isfinite(covariance).all():
        raise InputError(
            "expected items linked by persons who answer some right and some wrong, got sets that no such "
            "person compares; calibrate them apart, or by marginal likelihood"
        )
    seconds = time.perf_counter() - began
    rows = [
        {"id": item, "model": model, **_fields(MODELS[model], part)}
        for item, part in zip(kept.items, problem.parts(d), strict=True)
    ]
    found = calibrate(kept, model, fixed=ParameterSet(rows), errors="oakes")
    return _result(responses, screening, model, problem, d, covariance, loglik, gain, steps, seconds, found)


def _checked(responses: Responses | Any, model: str) -> Responses:
    if not isinstance(responses, Responses):
        responses = Responses.from_dense(responses)
    if model not in MODELS_HERE:
        raise InputError(
            f"expected the model rasch, pcm or rsm for conditional estimation, got '{model}'; "
            "choose one of them"
        )
    if model == "rasch" and int(responses.n_cat.max()) > 2:
        raise InputError(
            "expected responses 0 and 1 for the model 'rasch', got more categories; use the model pcm or rsm"
        )
    return responses


class Andersen(NamedTuple):
    """Andersen's likelihood ratio test: do the items keep their difficulties from group to group?

    Attributes
    ----------
    statistic, df, p
        Twice the gain in conditional log-likelihood by estimating each group apart, against chi-squared.
    left_out
        Items of which a group never showed one of the categories; they are compared in no group.
    """

    statistic: float
    df: int
    p: float
    left_out: list[str]


def andersen_test(
    responses: Responses | Any, groups: Sequence[str] | None = None, model: str = "rasch"
) -> Andersen:
    """Test whether a model holds alike in groups of persons (Andersen, 1973).

    Parameters
    ----------
    responses, model
        As in `calibrate_conditional`.
    groups
        Each person's group; by default those with a raw score up to the median, and those above it.

    Raises
    ------
    InputError
        When the raw scores cannot split the persons, or no two items are left.
    """
    responses = _checked(responses, model)
    if groups is None:
        if responses.density < 1.0:
            raise InputError(
                "expected complete responses, whose raw scores split the persons, got gaps; give groups"
            )
        score = responses.dense().sum(axis=1, dtype=np.int64)
        groups = np.where(score <= np.median(score), "low", "high").tolist()
    if len(groups) != responses.n_persons:
        raise InputError(
            f"expected {responses.n_persons} group names, one a person, got {len(groups)}; give one each"
        )
    names = np.asarray(groups)
    parts = [responses.take(np.flatnonzero(names == name)) for name in np.unique(names)]
    wide = np.arange(responses.counts.shape[1]) < responses.n_cat[:, None]
    shown = np.all([((part.counts > 0) | ~wide).all(axis=1) for part in parts], axis=0)
    if len(parts) < 2 or shown.sum() < 2:
        raise InputError(
            f"expected two groups or more in which at least two items show all their categories, got "
            f"{len(parts)} groups and {int(shown.sum())} such items; split the persons otherwise"
        )
    kept = np.flatnonzero(shown)
    problems = [_Conditional(part.select(kept), MODELS[model]) for part in (responses, *parts)]
    together, *apart = (problem.maximise(1e-8)[1] for problem in problems)
    statistic = max(2.0 * (sum(apart) - together), 0.0)
    df = problems[0].n_parameters * (len(parts) - 1)
    left_out = [item for item, known in zip(responses.items, shown, strict=True) if not known]
    return Andersen(statistic, df, float(chi2.sf(statistic, df)), left_out)


class _Conditional:
    """The conditional likelihood of some responses.

    Attributes
    ----------
    place
        Position of each item's first parameter (category 1).
    last
        Positions of the items' last categories, whose mean identifies the scale.
    basis
        The parameters as linear functions of those that are free, shape ``(size, n_free)``.
    n_parameters
        Number of free parameters once the scale is identified.
    """

    def __init__(self, responses: Responses, model: ItemModel) -> None:
        self.n_cat = responses.n_cat.astype(np.int64)
        ends = np.cumsum(self.n_cat - 1)
        self.place, self.size, self.last = ends - (self.n_cat - 1), int(ends[-1]), ends - 1
        self.steps = int((self.n_cat - 1).sum())
        counts = responses.counts
        self.totals = np.concatenate([counts[j, 1:k] for j, k in enumerate(self.n_cat)]).astype(np.float64)
        self.groups = _score_groups(responses)
        self.basis = _basis(self.n_cat, model)
        self.n_parameters = self.basis.shape[1] - 1

    def parts(self, d: np.ndarray) -> list[np.ndarray]:
        """Return each item's parameters."""
        return [d[p : p + k - 1] for p, k in zip(self.place, self.n_cat, strict=True)]

    def shift(self, d: np.ndarray) -> np.ndarray:
        """Return what to take away so that all thresholds have mean 0."""
        mean = d[self.last].sum() / self.steps
        return np.asarray(mean * np.concatenate([np.arange(1.0, k) for k in self.n_cat]))

    def derivatives(self, d: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """Return conditional log-likelihood, gradient and information."""
        wide = int(self.n_cat.max())
        logs = np.full((len(self.n_cat), wide), -np.inf)
        logs[:, 0] = 0.0
        for j, part in enumerate(self.parts(d)):
            logs[j, 1 : len(part) + 1] = part
        weights = np.exp(logs - logs.max(axis=1, keepdims=True))
        norm = weights.sum(axis=1)
        weights /= norm[:, None]
        scale = logs.max(axis=1) + np.log(norm)
        gradient = self.totals.copy()
        information = np.zeros((self.size, self.size))
        value = float(self.totals @ d)
        for items, freq in self.groups:
            value -= conditional(items, weights, self.n_cat, self.place, freq, gradient, information)
            value -= float(scale[items].sum() * freq.sum())
        return value, gradient, information

    def maximise(self, tol: float) -> tuple[np.ndarray, float, float, int, np.ndarray]:
        """Climb by Newton steps; the function is concave."""
        share = self.totals + 0.5
        first = np.concatenate([np.full(k - 1, max(share[p : p + k - 1].sum(), 1.0)) for p, k in
                                zip(self.place, self.n_cat, strict=True)])  # fmt: skip
        d = self.basis @ np.linalg.lstsq(self.basis, np.log(share / first), rcond=None)[0]
        d = d - self.shift(d)
        value, gradient, information = self.derivatives(d)
        gain = np.inf
        for step in range(STEPS):
            move = self.inverse(information) @ gradient
            gain = 0.5 * float(gradient @ move)
            if not gain > tol:
                return d, value, gain, step, information
            move *= min(1.0, LONGEST / float(np.abs(move).max()))
            for _ in range(20):
                tried = self.derivatives(d + move)
                if tried[0] >= value - 1e-12 * abs(value):
                    break
                move *= 0.5
            d, (value, gradient, information) = d + move, tried
        return d, value, gain, STEPS, information

    def inverse(self, information: np.ndarray) -> np.ndarray:
        """Invert where the model holds and all thresholds have mean 0; NaN when that is singular."""
        size = self.basis.shape[1]
        bordered = np.zeros((size + 1, size + 1))
        bordered[:size, :size] = self.basis.T @ information @ self.basis
        bordered[:size, size] = bordered[size, :size] = self.basis[self.last].sum(axis=0)
        if np.linalg.cond(bordered) > 1e13:
            return np.full(information.shape, np.nan)
        inverse: np.ndarray = self.basis @ np.linalg.inv(bordered)[:size, :size] @ self.basis.T
        return inverse


def _basis(n_cat: np.ndarray, model: ItemModel) -> np.ndarray:
    """Return the parameters of all items as linear functions of the free ones, shape ``(size, n_free)``."""
    if model.linear is None:
        return np.eye(int((n_cat - 1).sum()))
    own, common = [], []
    sizes = np.unique(n_cat)
    for size in n_cat:
        linear = model.linear(int(size))
        own.append(linear.own[1:])  # without the slope, which is 1
        common.append([linear.common[1:] if k == size else np.zeros((size - 1, k - 2)) for k in sizes])
    return np.hstack([block_diag(*own), np.vstack([np.hstack(parts) for parts in common])])


def _score_groups(responses: Responses) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return each set of items that somebody answered, with the number of persons at each raw score."""
    indptr, item, category = responses.indptr, responses.item, responses.category
    groups: dict[bytes, dict[int, int]] = {}
    for i in range(responses.n_persons):
        part = item[indptr[i] : indptr[i + 1]]
        key = np.sort(part).tobytes()
        score = int(category[indptr[i] : indptr[i + 1]].sum())
        scores = groups.setdefault(key, {})
        scores[score] = scores.get(score, 0) + 1
    out = []
    for key, scores in groups.items():
        items = np.frombuffer(key, dtype=item.dtype).astype(np.int64)
        if not len(items):
            continue
        freq = np.zeros(int((responses.n_cat[items] - 1).sum()) + 1)
        for score, n in scores.items():
            freq[score] = n
        out.append((items, freq))
    return out


def _fields(model: ItemModel, d: np.ndarray) -> dict[str, Any]:
    """Return an item's fields of the parameter file."""
    return model.to_fields(model.build(np.array([len(d) + 1]), [np.array([1.0, *d])]), 0)


def _errors(model: str, covariance: np.ndarray) -> dict[str, Any]:
    """Return the standard errors of an item's fields from the covariance of its parameters."""
    size = len(covariance)
    thresholds = -np.eye(size) + np.eye(size, k=-1)
    location = thresholds.mean(axis=0, keepdims=True)
    if model != "rsm":
        spread = _roots(thresholds, covariance)
        return {"b": spread[0] if model == "rasch" else spread}
    return {"b": _roots(location, covariance)[0], "tau": _roots(thresholds - location, covariance)}


def _roots(contrasts: np.ndarray, covariance: np.ndarray) -> list[float]:
    variance = np.einsum("fp,pq,fq->f", contrasts, covariance, contrasts)
    return [float(x) for x in np.sqrt(np.maximum(variance, 0.0))]


def _result(
    responses: Responses,
    screening: Any,
    model: str,
    problem: _Conditional,
    d: np.ndarray,
    covariance: np.ndarray,
    loglik: float,
    gain: float,
    steps: int,
    seconds: float,
    found: Calibration,
) -> Calibration:
    held = {row["id"]: row for row in found.parameters.items}
    n = responses.counts.sum(axis=1)
    kept = dict(zip((responses.items[j] for j in screening.keep), range(len(screening.keep)), strict=True))
    rows: list[dict[str, Any]] = []
    for j, item in enumerate(responses.items):
        flags = screening.flags[j]
        if item not in kept:
            empty = dict.fromkeys(_fields(MODELS[model], np.zeros(max(int(responses.n_cat[j]) - 1, 1))))
            rows.append({"id": item, "model": model, **empty, "se": {}, "n": int(n[j]),
                         "status": "left-out", "flags": flags})  # fmt: skip
            continue
        place, size = problem.place[kept[item]], int(problem.n_cat[kept[item]]) - 1
        part = covariance[place : place + size, place : place + size]
        names = ["d"] if model == "rasch" else [f"d{k}" for k in range(1, size + 1)]
        row: dict[str, Any] = {
            key: held[item][key] for key in ("id", "model", "a", "b", "tau", "set") if key in held[item]
        }
        plain: dict[str, Any] = {"a": 1.0, **dict(zip(names, d[place : place + size].tolist(), strict=True))}
        plain["se"] = dict(zip(names, np.sqrt(np.diag(part)).tolist(), strict=True))
        row["slope_intercept"] = plain
        row["se"] = _errors(model, part)
        rows.append({**row, "n": int(n[j]), "status": "calibrated", "flags": flags})
    k = problem.n_parameters
    fit = {
        **found.parameters.fit,
        "estimator": "conditional",
        "loglik": loglik,
        "loglik_marginal": found.loglik,
        "logprior": 0.0,
        "aic": 2.0 * k - 2.0 * loglik,
        "bic": k * float(np.log(responses.n_persons)) - 2.0 * loglik,
        "n_items": responses.n_items,
        "n_parameters": k,
        "converged": bool(gain <= 1e-6),
        "iterations": steps,
        "remaining_gain": gain,
        "seconds": seconds,
    }
    names_of: Sequence[tuple[str, str, str | None]] = [
        (item, name, None)
        for item in kept
        for name in rows[responses.items.index(item)]["slope_intercept"]["se"]
    ]
    parameters = ParameterSet(rows, found.parameters.population, ("theta",), fit)
    return Calibration(
        parameters, covariance, list(names_of), d, np.zeros(len(d)), {"all": rows}, list(screening.notes)
    )
