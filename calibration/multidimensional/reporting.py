"""From the maximum in several dimensions to what people read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from calibration.data import InMemory
from calibration.em.covariance import covariance_of
from calibration.em.estimate import Estimate
from calibration.multidimensional.pattern import Pattern
from calibration.reporting import field_names, fields_of, fit_of, jacobian, root, settled_gain, status_of
from calibration.result import Calibration
from calibration.screening import Screening
from calibration.sentences import Sentence
from calibration.verdict import item_verdicts
from cat_engine.family import ItemModel
from item_bank.parameters import ParameterSet, Population

__all__ = ["result_of"]

COARSE = 0.01
"""Error of the log-likelihood that is worth a note."""

INSEPARABLE = 0.99
"""A correlation beyond this says that two dimensions are one."""


def result_of(
    found: Estimate,
    data: InMemory,
    models: Sequence[ItemModel],
    pattern: Pattern,
    screening: Screening,
    fixed: set[str],
    errors: bool,
) -> Calibration:
    """Return what people read of a maximum; dimensions point where most of their slopes are positive.

    Parameters
    ----------
    found
        The maximum.
    data, models
        All items, whether they could be calibrated or not, and their models.
    pattern
        What the calibrated items measure.
    screening
        What was left out, and the flags so far.
    fixed
        Items held at given values.
    errors
        Whether standard errors were asked for.
    """
    problem: Any = found.problem
    structure, population = problem.structure, problem.population
    n = structure.n_free
    place = _places(found, pattern)
    sign = _signs(found, pattern, place) if not fixed else np.ones(len(pattern.dimensions))
    turn = _turn(found, place, sign)
    free = turn * found.point.free
    covariance = np.empty((0, 0))
    if errors and found.information is not None:
        bounded = problem.at_bound(found.point.free)
        covariance = covariance_of(found.information, bounded, "oakes") * np.outer(turn, turn)
    position = {int(j): k for k, j in enumerate(screening.keep)}
    answers = data.counts.sum(axis=1)
    at_bound = problem.at_bound(found.point.free)
    unsettled = settled_gain(found)
    rows = []
    for j, item in enumerate(data.items):
        row: dict[str, Any] = {"id": item, "model": models[j].code}
        flags = list(screening.flags[j])
        if j not in position:
            row |= dict.fromkeys(field_names(models[j], int(data.n_cat[j]))) | {"se": {}}
        else:
            k = position[j]
            block, r = structure.locate(int(structure.row_of[0, k]))
            values = np.zeros(len(models[j].working(block.n_cat)))
            local = block.working(found.point.working)[r]
            values[place[k]] = local
            values[: len(sign)] *= sign
            values += 0.0  # no -0.0
            index = np.full(len(values), -1)
            for p, m in zip(*np.nonzero(block.own_map[r]), strict=True):
                index[place[k][p]] = block.own[r, m]
            fields, spread = _fields(models[j], block.n_cat, values, index, covariance)
            row |= fields | {"se": spread}
            measured = values[: len(sign)][pattern.slopes[k]]
            steepest = float(measured[0] if pattern.bifactor else measured[np.abs(measured).argmax()])
            names = [structure.names[i][1] for i in index[index >= 0] if at_bound[i]]
            flags += item_verdicts(
                models[j],
                {"a": steepest, **{name: x for name, x in fields.items() if name == "c"}},
                spread,
                names,
                unsettled.get(int(structure.row_of[0, k])),
            )
            if item in fixed:
                flags.append("fixed: held at the value given")
        if item in data.recoded:
            row["codes"] = data.recoded[item]
        row |= {"n": int(answers[j]), "status": status_of(flags), "flags": flags}
        rows.append(row)
    mean, cov = population.moments(free[n:])
    notes = [*screening.notes, *_notes(found, pattern, cov)]
    fit = fit_of(found, data)
    if notes:
        fit["notes"] = notes
    of_population = np.sqrt(np.diag(covariance)[n:]).tolist() if len(covariance) else []
    entry = Population(
        "all",
        tuple(mean.tolist()),
        tuple(tuple(line) for line in cov.tolist()),
        dict(zip(population.names, of_population, strict=False)),
    )
    return Calibration(
        ParameterSet(rows, (entry,), pattern.dimensions, fit),
        covariance,
        _labels(found, pattern, place),
        free,
        turn * found.point.gradient,
        {"all": rows},
        notes,
    )


def _places(found: Estimate, pattern: Pattern) -> list[np.ndarray]:
    """Return where each item's local working parameters stand among those in all dimensions."""
    structure = found.problem.structure
    size = len(pattern.dimensions)
    places = []
    for i, model in enumerate(structure.models):
        width = len(model.working(int(structure.n_cat[i])))
        if pattern.bifactor:
            only = int(pattern.only[i]) or size  # without a specific dimension its slope of 0 goes nowhere
            own = [0, only if only < size else 1]
        else:
            own = [int(pattern.only[i])] if pattern.between else list(range(size))
        places.append(np.array([*own, *(size + p for p in range(width - len(own)))]))
    return places


def _signs(found: Estimate, pattern: Pattern, place: list[np.ndarray]) -> np.ndarray:
    """Return 1 or -1 for each dimension, so that its slopes have a positive sum."""
    structure = found.problem.structure
    total = np.zeros(len(pattern.dimensions))
    for i in range(len(structure.items)):
        block, r = structure.locate(int(structure.row_of[0, i]))
        for p, value in zip(place[i], block.working(found.point.working)[r], strict=True):
            if p < len(total):
                total[p] += value
    return np.where(total < 0.0, -1.0, 1.0)


def _turn(found: Estimate, place: list[np.ndarray], sign: np.ndarray) -> np.ndarray:
    """Return 1 or -1 for each free parameter: what pointing the dimensions that way does to it."""
    problem: Any = found.problem
    structure, population = problem.structure, problem.population
    turn = np.ones(problem.n_free)
    for i in range(len(structure.items)):
        block, r = structure.locate(int(structure.row_of[0, i]))
        for p, m in zip(*np.nonzero(block.own_map[r]), strict=True):
            if place[i][p] < len(sign):
                turn[block.own[r, m]] = sign[place[i][p]]
    start = problem.n_free - len(population.pairs)
    for k, (d, e) in enumerate(population.pairs):
        turn[start + k] = sign[d] * sign[e]
    return turn


def _labels(found: Estimate, pattern: Pattern, place: list[np.ndarray]) -> list[tuple[str, str, str | None]]:
    """Return item, parameter and group of each free parameter; slopes are a1, a2, ... by dimension."""
    problem: Any = found.problem
    structure = problem.structure
    labels: list[tuple[str, str, str | None]] = list(structure.names)
    for i, item in enumerate(structure.items):
        block, r = structure.locate(int(structure.row_of[0, i]))
        for p, m in zip(*np.nonzero(block.own_map[r]), strict=True):
            if place[i][p] < len(pattern.dimensions):
                labels[int(block.own[r, m])] = (item, f"a{place[i][p] + 1}", None)
    return labels + [("population", name, "all") for name in problem.population.names]


def _fields(
    model: ItemModel, n_cat: int, values: np.ndarray, index: np.ndarray, covariance: np.ndarray
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return an item's fields and their standard errors (delta method); ``None`` where nothing is free."""
    fields = fields_of(model, n_cat, values)
    names = model.working(n_cat)
    plain: dict[str, Any] = dict(zip(names, values.tolist(), strict=True))
    fields["slope_intercept"] = plain
    moving = np.flatnonzero(index >= 0)
    if not len(covariance) or not len(moving):
        return fields, {}
    spread = np.zeros((len(values), len(values)))
    spread[np.ix_(moving, moving)] = covariance[np.ix_(index[moving], index[moving])]
    plain["se"] = {names[p]: root(spread[p, p]) for p in moving}
    labels, slopes = jacobian(model, n_cat, values)
    errors: dict[str, Any] = {}
    for (name, k), line in zip(labels, slopes, strict=True):
        free = bool(np.any(line[moving]))
        error = root(float(line @ spread @ line)) if free else None
        if k is not None:
            errors.setdefault(name, []).append(error)
        elif free:
            errors[name] = error
    return fields, errors


def _notes(found: Estimate, pattern: Pattern, cov: np.ndarray) -> list[Sentence]:
    notes = []
    if not found.trace.converged:
        notes.append(Sentence("not-converged", steps=found.trace.iterations, gain=found.trace.gain))
    error = getattr(found.problem.integral, "error", 0.0)  # type: ignore[attr-defined]
    if error > COARSE:
        notes.append(Sentence("coarse-windows", error=error))
    scale = np.sqrt(np.diag(cov))
    for d, one in enumerate(pattern.dimensions):
        for e, other in enumerate(pattern.dimensions[:d]):
            r = float(cov[d, e] / (scale[d] * scale[e]))
            if abs(r) > INSEPARABLE:
                notes.append(Sentence("inseparable", one=other, other=one, r=r))
    return notes
