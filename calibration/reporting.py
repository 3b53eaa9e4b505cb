"""From the maximum to what people read: fields of the parameter file, standard errors, flags and notes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from calibration.data import Data
from calibration.em.covariance import covariance_of
from calibration.em.estimate import Estimate
from calibration.em.latent import LEAST_SD, Histogram, Normal
from calibration.em.likelihood import Likelihood, Point
from calibration.em.structure import Structure, scale_of
from calibration.result import Calibration
from calibration.screening import Screening
from calibration.sentences import Sentence
from calibration.verdict import item_verdicts
from cat_engine.family import ItemModel
from item_bank.parameters import ParameterSet, Population

__all__ = [
    "field_names",
    "fields_of",
    "fit_of",
    "jacobian",
    "result_of",
    "root",
    "settled_gain",
    "status_of",
]

ENDLESS = 15.0
"""A standard deviation beyond this, in logits, is no population's: even total scores hardly mix."""


def result_of(
    found: Estimate,
    responses: Data,
    models: Sequence[ItemModel],
    screening: Screening,
    errors: str,
    fixed_items: set[str],
) -> Calibration:
    """Return what people read of a maximum.

    Parameters
    ----------
    found
        The maximum.
    responses, models
        What was given: all items, whether they could be calibrated or not.
    screening
        What was left out, and the flags so far.
    errors
        Which standard errors were asked for.
    fixed_items
        Items held at given values.
    """
    problem, point = found.problem, found.point
    structure = problem.structure
    covariance = np.empty((0, 0))
    if found.information is not None:
        covariance = covariance_of(found.information, problem.at_bound(point.free), errors)
    n_items = structure.n_free
    part = covariance[:n_items, :n_items] if len(covariance) else None
    position = {int(j): k for k, j in enumerate(screening.keep)}
    n = responses.counts.sum(axis=1)
    by_group: dict[str, list[dict[str, Any]]] = {}
    done: dict[int, tuple[dict[str, Any], dict[str, Any]]] = {}
    bounded, doubtful = _bounded(problem, point), settled_gain(found)
    empty = _without_room(structure)
    for g, group in enumerate(structure.groups):
        rows = []
        for j, item in enumerate(responses.items):
            row: dict[str, Any] = {"id": item, "model": models[j].code}
            flags = list(screening.flags[j])
            if j not in position:
                names = field_names(models[j], int(responses.n_cat[j]))
                row |= dict.fromkeys(names) | {"se": {}}
            else:
                r = int(structure.row_of[g, position[j]])
                if r not in done:
                    done[r] = _row_fields(structure, r, point.working, part)
                fields, spread = done[r]
                row |= fields | {"se": spread}
                flags += item_verdicts(models[j], fields, spread, bounded.get(r, []), doubtful.get(r))
                flags += empty.get(item, [])
                if item in fixed_items:
                    flags.append("fixed: held at the value given")
            if item in responses.recoded:
                row["codes"] = responses.recoded[item]
            if models[j].linear is not None:
                row["set"] = scale_of(item, models[j], int(responses.n_cat[j]), structure.restrictions.sets)
            row |= {"n": int(n[j]), "status": status_of(flags), "flags": flags}
            rows.append(row)
        by_group[group] = rows
    first = [dict(row) for row in by_group[structure.groups[0]]]
    for row, *others in zip(first, *(by_group[g] for g in structure.groups[1:]), strict=True):
        if any(other.get("slope_intercept") != row.get("slope_intercept") for other in others):
            row["groups"] = {
                group: {k: v for k, v in other.items() if k not in _COMMON}
                for group, other in zip(structure.groups[1:], others, strict=True)
            }
    fit = fit_of(found, responses)
    shapes = _shapes(found)
    if shapes:
        fit["latent"] = shapes
    notes = [*screening.notes, *_notes(found)]
    if errors != "none" and found.information is None:
        size = 8e-9 * problem.n_free**2
        notes.append(Sentence("no-errors", parameters=problem.n_free, size=size))
    if notes:
        fit["notes"] = notes
    labels: list[tuple[str, str, str | None]] = [*structure.names]
    for group, latent in zip(structure.groups, problem.latents, strict=True):
        labels += [("population", name, group) for name in latent.names]
    return Calibration(
        ParameterSet(first, _population(found, covariance), ("theta",), fit),
        covariance,
        labels,
        point.free,
        point.gradient,
        by_group,
        notes,
    )


_COMMON = ("id", "model", "n", "status", "flags", "set", "codes")


def status_of(flags: list[str]) -> str:
    """Return one word on an item: ``left-out``, ``fixed``, ``doubtful`` or ``calibrated``."""
    codes = {flag.split(":", 1)[0] for flag in flags}
    if codes & {"constant", "no-responses"}:
        return "left-out"
    if "fixed" in codes:
        return "fixed"
    return "doubtful" if codes - {"few-responses", "rare-category", "empty-category"} else "calibrated"


def _without_room(structure: Structure) -> dict[str, list[str]]:
    """Return flags of the categories that estimation left no room, by item."""
    out: dict[str, list[str]] = {}
    for item, name, group in structure.restrictions.tied:
        i = structure.items.index(item)
        category = structure.models[i].working(int(structure.n_cat[i])).index(name) - 1
        where = f" in group '{group}'" if group else ""
        out.setdefault(item, []).append(
            f"empty-category: no response in category {category}{where}; the thresholds beside it are one"
        )
    return out


def _bounded(problem: Likelihood, point: Point) -> dict[int, list[str]]:
    """Return the names of free parameters at their bounds, by row."""
    at = problem.at_bound(point.free)
    out: dict[int, list[str]] = {}
    for block in problem.structure.blocks:
        index = np.concatenate([block.own, block.common], axis=1)
        for r, row in enumerate(block.rows.tolist()):
            names = [problem.structure.names[k][1] for k in index[r] if k >= 0 and at[k]]
            if names:
                out[row] = names
    return out


def settled_gain(found: Estimate) -> dict[int, float]:
    """Return, by row, what the item's own parameters could still gain, where estimation did not converge."""
    if found.trace.converged:
        return {}
    out: dict[int, float] = {}
    for block, information in zip(found.problem.structure.blocks, found.point.information, strict=True):
        diagonal = np.einsum("rmm->rm", np.swapaxes(block.own_map, 1, 2) @ information @ block.own_map)
        slope = np.where(block.own >= 0, found.point.gradient[block.own], 0.0)
        gains = 0.5 * (slope**2 / np.maximum(diagonal, 1e-12)).sum(axis=1)
        out |= {row: float(g) for row, g in zip(block.rows.tolist(), gains, strict=True) if g > found.tol}
    return out


def _notes(found: Estimate) -> list[Sentence]:
    notes = []
    if not found.trace.converged:
        notes.append(Sentence("not-converged", steps=found.trace.iterations, gain=found.trace.gain))
    moments = found.problem.moments(found.point.free)
    for group, latent, (_, sd) in zip(
        found.problem.structure.groups, found.problem.latents, moments, strict=True
    ):
        if latent.free_sd and sd <= max(2.0 * LEAST_SD, 1.001 * found.problem.least_sd):
            notes.append(Sentence("no-variance", group=group))
        if latent.free_sd and sd > ENDLESS:
            notes.append(Sentence("endless-variance", group=group, sd=sd))
    return notes


def field_names(model: ItemModel, n_cat: int) -> list[str]:
    """Return the names of a model's fields."""
    working = model.start(n_cat, np.full(n_cat, 1.0 / n_cat), 1.0)
    return list(model.to_fields(model.build(np.array([n_cat]), [working]), 0))


def fit_of(found: Estimate, responses: Data) -> dict[str, Any]:
    """Return what the parameter file says of the whole fit."""
    problem, point, trace = found.problem, found.point, found.trace
    weight = problem.persons.weight
    k = problem.n_free + sum(x.n_weights for x in problem.latents if isinstance(x, Histogram))
    return {
        "loglik": point.loglik,
        "logprior": point.logprior,
        "aic": 2.0 * k - 2.0 * point.loglik,
        "bic": k * float(np.log(weight)) - 2.0 * point.loglik,
        "n_persons": responses.n_persons,
        "n_items": len(responses.items),
        "n_responses": responses.n_responses,
        "n_parameters": k,
        "converged": trace.converged,
        "iterations": trace.iterations,
        "remaining_gain": trace.gain,
        "seconds": found.seconds,
        "seconds_se": found.seconds_se,
        "priors": problem.priors.used,
    }


def _shapes(found: Estimate) -> list[dict[str, Any]]:
    """Return nodes and weights of each group whose distribution is not normal."""
    problem = found.problem
    out = []
    parts = problem.split(found.point.free)[1]
    for group, latent, free in zip(problem.structure.groups, problem.latents, parts, strict=True):
        if not isinstance(latent, Normal):
            weights = np.exp(latent.weights(free, problem.nodes).log)
            out.append({"group": group, "nodes": problem.nodes.tolist(), "weights": weights.tolist()})
    return out


def _population(found: Estimate, covariance: np.ndarray) -> tuple[Population, ...]:
    problem = found.problem
    at = problem.structure.n_free
    out = []
    moments = problem.moments(found.point.free)
    for group, latent, (mean, sd) in zip(problem.structure.groups, problem.latents, moments, strict=True):
        errors = {}
        for name in latent.names:
            if len(covariance) and name in ("mean", "log_sd"):
                error = float(np.sqrt(covariance[at, at]))
                errors["mean" if name == "mean" else "var"] = (
                    error if name == "mean" else 2.0 * sd * sd * error
                )
            at += 1
        out.append(Population(group, (mean,), ((sd * sd,),), errors))
    return tuple(out)


def fields_of(model: ItemModel, n_cat: int, working: np.ndarray) -> dict[str, Any]:
    """Return the fields of one item from its working parameters."""
    return dict(model.to_fields(model.build(np.array([n_cat]), [working]), 0))


def _row_fields(
    structure: Structure, row: int, working: np.ndarray, covariance: np.ndarray | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the fields of a row and their standard errors by the delta method.

    The field ``slope_intercept`` holds the working parameters, in which estimation is done, and theirs.

    Parameters
    ----------
    structure, row
        Which item.
    working
        All working parameters.
    covariance
        Covariance of the free item parameters; None for no standard errors.
    """
    block, r = structure.locate(row)
    model = structure.models[structure.item_of[row]]
    values = block.working(working)[r]
    fields = fields_of(model, block.n_cat, values)
    plain: dict[str, Any] = dict(zip(block.names, values.tolist(), strict=True))
    fields["slope_intercept"] = plain
    if covariance is None:
        return fields, {}
    index = np.concatenate([block.own[r], block.common[r]])
    maps = np.concatenate([block.own_map[r], block.common_map[r]], axis=1)[:, index >= 0]
    index = index[index >= 0]
    spread = maps @ covariance[np.ix_(index, index)] @ maps.T
    free_ones = np.flatnonzero(maps.any(axis=1))
    plain["se"] = {block.names[p]: root(spread[p, p]) for p in free_ones}
    names, slopes = jacobian(model, block.n_cat, values)
    variance = np.einsum("fp,ps,fs->f", slopes, spread, slopes)
    moves = np.any(np.abs(slopes @ maps) > 0.0, axis=1) if maps.size else np.zeros(len(names), bool)
    errors: dict[str, Any] = {}
    for (name, k), var, free in zip(names, variance, moves, strict=True):
        error = root(var) if free else None
        if k is None:
            if error is not None:
                errors[name] = error
        else:
            errors.setdefault(name, []).append(error)
    return fields, {
        name: error
        for name, error in errors.items()
        if not isinstance(error, list) or any(e is not None for e in error)
    }


def root(variance: float) -> float:
    """Return a standard error; NaN where there is none."""
    return float(np.sqrt(variance)) if variance >= 0.0 else float("nan")


def jacobian(
    model: ItemModel, n_cat: int, working: np.ndarray
) -> tuple[list[tuple[str, int | None]], np.ndarray]:
    """Return derivatives of the fields in the working parameters by central differences."""
    names: list[tuple[str, int | None]] = []
    columns = []
    for p in range(len(working)):
        step = 1e-5 * (1.0 + abs(working[p]))
        sides = []
        for sign in (1.0, -1.0):
            moved = working.copy()
            moved[p] += sign * step
            names, values = _flatten(fields_of(model, n_cat, moved))
            sides.append(values)
        difference = sides[0] - sides[1]
        difference[np.abs(difference) < 1e-13] = 0.0
        columns.append(difference / (2.0 * step))
    return names, np.array(columns).T


def _flatten(fields: dict[str, Any]) -> tuple[list[tuple[str, int | None]], np.ndarray]:
    names: list[tuple[str, int | None]] = []
    values: list[float] = []
    for name, value in fields.items():
        if isinstance(value, list):
            names += [(name, k) for k in range(len(value))]
            values += value
        else:
            names.append((name, None))
            values.append(value)
    return names, np.array(values)
