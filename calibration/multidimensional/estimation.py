"""Item parameters in several dimensions, from responses and a pattern."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from calibration.data import InMemory
from calibration.em.estimate import Estimate, Progress, estimate
from calibration.em.priors import Priors, parse_priors
from calibration.em.start import starting_values
from calibration.em.structure import Restrictions, Structure
from calibration.fixed import fixed_items
from calibration.multidimensional import grids, windows
from calibration.multidimensional.integral import Integral
from calibration.multidimensional.likelihood import Confirmatory, information_of
from calibration.multidimensional.pattern import GENERAL, Pattern
from calibration.multidimensional.population import MultivariateNormal
from calibration.multidimensional.reporting import result_of
from calibration.result import Calibration
from calibration.screening import screen
from cat_engine.errors import InputError
from cat_engine.family import COMPENSATORY, ItemModel
from item_bank.parameters import ParameterSet

__all__ = ["calibrate_dimensions", "posed"]

NODES = {2: 31, 3: 25}
"""Nodes a dimension of a product, unless told; a bifactor model has those of two dimensions."""

MOST_NODES = 300_000
"""Most nodes of all dimensions together."""

FIRST_WINDOWS = 4
"""Most moves of the persons' windows before the climb."""


def calibrate_dimensions(
    data: InMemory,
    codes: Sequence[str],
    pattern: Pattern,
    *,
    prior: Sequence[str] = (),
    fixed: ParameterSet | None = None,
    quadrature: int | None = None,
    tol: float = 1e-6,
    errors: bool = True,
    max_iterations: int = 2000,
    watch: Callable[[Progress], None] | None = None,
) -> Calibration:
    """Estimate compensatory models by marginal maximum likelihood.

    Every dimension has mean 0 and variance 1; correlations are free unless the pattern says otherwise. Where
    each item measures one dimension, persons are integrated over in windows (up to six dimensions); where
    items measure several, over a product grid (up to three); a bifactor model by dimension reduction, with as
    many specific dimensions as there are.

    Parameters
    ----------
    data
        Responses.
    codes
        Model of each item: m2pl, m3pl, mgrm or mgpcm.
    pattern
        What each item measures.
    prior, fixed, quadrature, tol, errors, max_iterations, watch
        As for :func:`calibration.estimation.calibrate`; with `fixed` means and variances are free, too.

    Raises
    ------
    InputError
        When the responses cannot determine such a model, or it is not offered.
    """
    models = [
        _compensatory(code, item)(len(pattern.dimensions))
        for code, item in zip(codes, data.items, strict=True)
    ]
    _check_categories(data, models)
    screening = screen(data, models, data.links)
    kept = data.select(screening.keep)
    pattern = pattern.take(screening.keep)
    kept_models = [models[j] for j in screening.keep]
    held = _held(kept, kept_models, pattern, fixed)
    _check_determined(pattern, kept.items, {item for item, _ in held})
    _check_priors(prior)
    problem = posed(kept, kept_models, pattern, held, prior, quadrature, anchored=fixed is not None)
    structure, population = problem.structure, problem.population
    items = starting_values(structure, kept.counts, kept.some())
    start = problem.inside(np.concatenate([items, population.start()]))
    for _ in range(FIRST_WINDOWS):
        if problem.evaluate(start) is None or not problem.integral.follow():
            break
    found: Estimate = estimate(
        problem,
        start,
        tol=tol,
        limit=max_iterations,
        errors=errors,
        began=data.began,
        watch=watch,
        informed=information_of,
    )
    return result_of(found, data, models, pattern, screening, {item for item, _ in held}, errors)


def posed(
    data: InMemory,
    models: Sequence[ItemModel],
    pattern: Pattern,
    held: Mapping[tuple[str, str], float] | None = None,
    prior: Sequence[str] = (),
    quadrature: int | None = None,
    anchored: bool = False,
) -> Confirmatory:
    """Return the likelihood that is maximised.

    Parameters
    ----------
    data, models, pattern
        Responses, and each item's model and dimensions.
    held
        Working parameters held at a value.
    prior, quadrature
        As for `calibrate_dimensions`.
    anchored
        Whether the population's means and variances are free, too.
    """
    local, restrictions = _local(data.items, models, pattern, held or {})
    structure = Structure(data.items, local, data.n_cat, ["all"], restrictions)
    population = MultivariateNormal(pattern.dimensions, anchored, anchored, pattern.correlated)
    integral = _integral(structure, data, pattern, quadrature)
    return Confirmatory(structure, integral, population, Priors(structure, prior))


def _compensatory(code: str, item: str) -> Callable[[int], ItemModel]:
    if code not in COMPENSATORY:
        raise InputError(
            f"expected a model among {', '.join(COMPENSATORY)} in several dimensions, got '{code}' for item "
            f"'{item}'; choose one"
        )
    return COMPENSATORY[code]


def _check_categories(data: InMemory, models: Sequence[ItemModel]) -> None:
    for item, size, model in zip(data.items, data.n_cat, models, strict=True):
        if model.dichotomous and size > 2:
            raise InputError(
                f"expected responses 0 and 1 for the model '{model.code}', got categories 0 to {size - 1} "
                f"in item '{item}'; score them, or give the item the model mgrm or mgpcm"
            )


def _check_determined(pattern: Pattern, items: Sequence[str], held: set[str]) -> None:
    """Refuse what responses cannot determine, and what is not offered."""
    size = len(pattern.dimensions)
    if held:
        anchored = pattern.slopes[[item in held for item in items]]
        for d, name in enumerate(pattern.dimensions):
            if not anchored[:, d].any():
                raise InputError(
                    f"expected a fixed item that measures each dimension, got none for '{name}'; fix one, or "
                    "calibrate without fixed items"
                )
        if pattern.bifactor or not pattern.correlated:
            raise InputError(
                "expected fixed items with correlated dimensions, got them with uncorrelated ones; calibrate "
                "all items together"
            )
    else:
        lost = pattern.undetermined()
        if lost:
            raise InputError(
                f"expected dimensions that responses can determine, got a pattern that leaves "
                f"{', '.join(lost[:4])} undetermined; give dimensions more items that measure nothing else "
                "(two where dimensions are correlated; in a bifactor model three, or four where it has two "
                "specific ones)"
            )
    if pattern.bifactor:
        return
    if pattern.between and size > windows.MOST_DIMENSIONS:
        raise InputError(
            f"expected at most {windows.MOST_DIMENSIONS} correlated dimensions, got {size}; calibrate parts "
            f"of the test, or make it a bifactor model with a column '{GENERAL}', which may have any number"
        )
    if not pattern.between and size > grids.MOST_DIMENSIONS:
        item = items[int(np.flatnonzero(pattern.slopes.sum(axis=1) > 1)[0])]
        raise InputError(
            f"expected at most {grids.MOST_DIMENSIONS} dimensions where items measure several, got {size} "
            f"and item '{item}'; let each item measure one (up to {windows.MOST_DIMENSIONS} dimensions), or "
            f"make it a bifactor model with a column '{GENERAL}'"
        )


def _check_priors(specs: Sequence[str]) -> None:
    for prior in parse_priors(specs)[0]:
        if prior.name == "b":
            raise InputError(
                "expected a prior on a (slopes), d (intercepts) or c, got one on 'b', which items of several "
                "dimensions do not have; put it on d"
            )


def _held(
    data: InMemory, models: Sequence[ItemModel], pattern: Pattern, fixed: ParameterSet | None
) -> dict[tuple[str, str], float]:
    """Return the working parameters of the fixed items."""
    if fixed is None:
        return {}
    if tuple(fixed.dimensions) != pattern.dimensions:
        raise InputError(
            f"expected the fixed parameters' dimensions to be {', '.join(pattern.dimensions)}, got "
            f"{', '.join(fixed.dimensions)}; name and order them alike"
        )
    held: dict[tuple[str, str], float] = {}
    for j, working in fixed_items(data, models, fixed):
        item = data.items[j]
        stray = np.flatnonzero((working[: len(pattern.dimensions)] != 0.0) & ~pattern.slopes[j])
        if len(stray):
            raise InputError(
                f"expected a 1 for '{pattern.dimensions[stray[0]]}' of the fixed item '{item}', whose slope "
                "there is not 0, got 0 in the pattern; correct it"
            )
        names = models[j].working(int(data.n_cat[j]))
        held |= {(item, name): float(x) for name, x in zip(names, working, strict=True)}
    return held


def _local(
    items: Sequence[str],
    models: Sequence[ItemModel],
    pattern: Pattern,
    held: Mapping[tuple[str, str], float],
) -> tuple[list[ItemModel], Restrictions]:
    """Return the items as models of the nodes' dimensions, and what of them is not free."""
    local: list[ItemModel] = []
    values: dict[tuple[str, str], float] = {}
    for item, model, row, only in zip(items, models, pattern.slopes, pattern.only, strict=True):
        assert model.line is not None
        known = {name: x for (owner, name), x in held.items() if owner == item}
        if pattern.bifactor:
            local.append(COMPENSATORY[model.code](2))
            if not only:
                values[item, "a2"] = 0.0
        elif pattern.between:
            local.append(model.line)
            if known:
                values[item, "a"] = known[f"a{only + 1}"]
                values |= {
                    (item, name): x for name, x in known.items() if not name[1:].isdigit() or name[0] != "a"
                }
        else:
            local.append(model)
            values |= {(item, f"a{d + 1}"): 0.0 for d in np.flatnonzero(~row)}
            values |= {(item, name): x for name, x in known.items()}
    return local, Restrictions(values)


def _integral(structure: Structure, data: InMemory, pattern: Pattern, quadrature: int | None) -> Integral:
    """Return the way to integrate that the pattern allows."""
    here = data.persons(structure)
    answers, packed = here.answers[0], here.data[0]
    persons = (structure, answers, packed.weight, packed.bounds)
    size = len(pattern.dimensions)
    if quadrature is not None and quadrature ** (2 if pattern.bifactor else size) > MOST_NODES:
        raise InputError(
            f"expected at most {MOST_NODES:,} nodes of all dimensions together, got {quadrature} nodes in "
            "each of them; lower --quadrature, or leave it out"
        )
    if pattern.bifactor:
        return grids.reduction(*persons, pattern.only, quadrature or NODES[2])
    if pattern.between:
        return windows.Windows(*persons, pattern.only, quadrature)
    return grids.product(*persons, size, quadrature or NODES[size])
