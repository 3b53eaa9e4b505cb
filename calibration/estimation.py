"""``calibrate(...)``: item parameters from responses, in one dimension or handed on to several."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import cat_engine.models  # noqa: F401 - registers the family
from calibration.blas import blas_threads
from calibration.data import Chosen, Data, InMemory
from calibration.em.estimate import Progress, estimate
from calibration.em.latent import Normal, shaped
from calibration.em.likelihood import Likelihood
from calibration.em.priors import Priors
from calibration.em.start import starting_values
from calibration.em.structure import Restrictions, Structure, scale_of
from calibration.em.unused import may_be_unused, without_unused
from calibration.fixed import fixed_items
from calibration.multidimensional.estimation import calibrate_dimensions
from calibration.multidimensional.pattern import read_pattern
from calibration.reporting import result_of
from calibration.result import Calibration
from calibration.screening import screen
from cat_engine.errors import InputError, suggestion
from cat_engine.family import COMPENSATORY, MODELS, ItemModel
from item_bank.parameters import ParameterSet
from item_bank.responses import Responses, read_groups, read_responses, read_weights

__all__ = ["ERRORS", "INVARIANCE", "calibrate"]

ERRORS = ("oakes", "louis", "crossproduct", "sandwich", "none")
"""Standard errors: from the observed information (Oakes, 1999, and Louis, 1982, are one matrix on one grid),
from the cross-product of the persons' gradients, from both (robust to misfit and weights), or none."""

INVARIANCE = ("full", "slopes", "none")
"""What several groups share: all item parameters, slopes alone, or nothing."""

NODES = 61
"""Nodes in one dimension, unless told."""

MOST_PARAMETERS = 10_000
"""Most free parameters with standard errors: the information and its inverse take about eight gigabytes and,
on two cores, minutes there."""


@blas_threads(1)
def calibrate(
    responses: Responses | str | Path | Any,
    model: str = "2pl",
    *,
    item_models: Mapping[str, str] | None = None,
    prior: Sequence[str] = (),
    groups: Sequence[str] | str | None = None,
    reference: str | None = None,
    invariance: str = "full",
    moments: str = "free",
    differ: Mapping[str, Sequence[str] | None] | None = None,
    fixed: ParameterSet | None = None,
    hold: Mapping[tuple[str, str], float] | None = None,
    equal: Sequence[Sequence[tuple[str, str]]] = (),
    sets: Mapping[str, str] | None = None,
    weights: np.ndarray | str | None = None,
    latent: str = "normal",
    quadrature: int | None = None,
    tol: float = 1e-6,
    errors: str = "oakes",
    max_iterations: int = 2000,
    watch: Callable[[Progress], None] | None = None,
    recode: str | None = None,
    scheduler: str | None = None,
    dimensions: str | Path | None = None,
    correlated: bool = True,
) -> Calibration:
    """Estimate item parameters by marginal maximum likelihood.

    theta is N(0, 1) in the reference population; with `rasch`, `pcm` or `rsm` items the variance is free.

    Parameters
    ----------
    responses
        :class:`item_bank.responses.Responses`, a matrix of persons by items (NaN or -1: no response), or
        the path of a response file.
    model
        Model of every item, one of :data:`cat_engine.family.MODELS`; with `dimensions` one of
        :data:`cat_engine.family.COMPENSATORY`.
    item_models
        Model of single items, by id.
    prior
        Priors such as ``"a=lognormal(0,0.5)"``; ``"none"`` drops the defaults of the 3PL and 4PL.
    groups
        Group of each person, or ``"FILE:COLUMN"``.
    reference
        Group with mean 0 (and variance 1 where the models fix it); by default alphabetically first.
    invariance
        One of `INVARIANCE`.
    moments
        ``"free"``: means and variances of the other groups are free as far as `invariance` allows;
        ``"equal"``: they are the reference group's.
    differ
        Items whose parameters may differ between groups all the same: names of their working parameters
        (``("d",)``), or None for all of them.
    fixed
        Items held at these values; the population is then free.
    hold, equal
        Working parameters (``(item, "a")``) held at a value, or sets of them that are equal.
    sets
        Rating-scale set of items that do not share one ``tau`` with all others of the model.
    weights
        Sampling weight of each person, or ``"FILE:COLUMN"``; use ``errors="sandwich"`` with it.
    latent
        Shape of the latent distribution: ``"normal"``, ``"davidian"`` (degree 4), ``"davidian:K"`` or
        ``"histogram"``, standardised like the normal one.
    quadrature
        Number of nodes on mean +- 6 standard deviations; None: 61, and in several dimensions what the way
        to integrate needs.
    tol
        Bound on the remaining gain in log-likelihood.
    errors
        Standard errors, one of `ERRORS`; with more than `MOST_PARAMETERS` free parameters there are none,
        and a note says so.
    max_iterations
        Most steps.
    watch
        Called with a :class:`Progress` at every step; it may raise to interrupt.
    recode
        How to mend category codes, as in :func:`item_bank.responses.read_responses`.
    scheduler
        Address of a Dask scheduler whose workers add up persons; None: this machine's threads. Responses
        are then the path of a file that every worker can read, groups and weights likewise. The estimates
        are the same bits whatever the number of workers.
    dimensions
        File that says what each item measures (:func:`calibration.multidimensional.pattern.read_pattern`).
    correlated
        Whether the dimensions' correlations are estimated; in a bifactor model they are 0.

    Returns
    -------
    Calibration

    Raises
    ------
    InputError
        When the input cannot be what was meant; the sentence says what to mend.
    """
    _check(errors=errors, invariance=invariance, moments=moments, tol=tol, quadrature=quadrature)
    if dimensions is not None or any(code in COMPENSATORY for code in (model, *(item_models or {}).values())):
        asked = {
            "groups": groups is not None or reference is not None,
            "equalities or held parameters": bool(hold or equal or differ),
            "rating-scale sets": bool(sets),
            f"a latent distribution '{latent}'": latent != "normal",
            f"standard errors '{errors}'": errors not in ("oakes", "louis", "none"),
            "a scheduler": scheduler is not None,
        }
        _check_dimensions(dimensions, [name for name, given in asked.items() if given])
        with _opened(responses, recode, None, weights, None) as several:
            assert isinstance(several, InMemory)
            assert dimensions is not None
            codes = _codes(several, model, item_models or {})
            return calibrate_dimensions(
                several,
                codes,
                read_pattern(dimensions, several.items, correlated),
                prior=prior,
                fixed=fixed,
                quadrature=quadrature,
                tol=tol,
                errors=errors != "none",
                max_iterations=max_iterations,
                watch=watch,
            )
    quadrature = NODES if quadrature is None else quadrature
    with _opened(responses, recode, groups, weights, scheduler) as data:
        models = _models(data, model, item_models or {})
        _check_categories(data, models)
        sets = _sets_of(fixed) | dict(sets or {})
        _check_sets(data, models, sets)
        screening = screen(data, models, data.links)
        if not len(screening.keep):
            raise InputError(
                "expected at least one item that people answer differently, got none; "
                "every item is constant or has no response"
            )
        kept = data.select(screening.keep)
        kept_models = [models[j] for j in screening.keep]
        held, taken = _held(kept, kept_models, fixed, hold or {}, sets)
        names = kept.group_names(reference)
        limits = Restrictions(held, equal, _differing(kept, kept_models, names, invariance, differ), sets)
        normals = _latents(names, kept_models, invariance, moments, fixed is not None)
        latents = [shaped(normal, latent) for normal in normals]

        def posed(limits: Restrictions) -> tuple[Likelihood, np.ndarray]:
            structure = Structure(kept.items, kept_models, kept.n_cat, names, limits)
            priors = Priors(structure, prior)
            problem = Likelihood(structure, kept.persons(structure), latents, priors, quadrature)
            items = starting_values(structure, kept.counts, kept.some())
            return problem, np.concatenate([items, *(part.start() for part in latents)])

        problem, start = posed(limits)
        if may_be_unused(problem, data.n_persons):
            tied = without_unused(problem, start)
            if tied:
                problem, start = posed(replace(limits, tied=tied))
        found = estimate(
            problem,
            start,
            tol=tol,
            limit=max_iterations,
            errors=errors != "none" and problem.n_free <= MOST_PARAMETERS,
            exact=problem.n_free <= MOST_PARAMETERS,
            cross=errors in ("crossproduct", "sandwich"),
            histogram=latent == "histogram",
            began=data.began,
            watch=watch,
        )
        return result_of(found, data, models, screening, errors, taken)


@contextmanager
def _opened(
    responses: Responses | str | Path | Any,
    recode: str | None,
    groups: Sequence[str] | str | None,
    weights: np.ndarray | str | None,
    scheduler: str | None,
) -> Iterator[Data]:
    """Give the data to what follows, from a cluster where a scheduler is named."""
    if scheduler is not None:
        from calibration.cluster.data import on_cluster

        with on_cluster(scheduler, responses, recode, groups, weights) as data:
            yield data
        return
    if isinstance(responses, str | Path):
        responses = read_responses(responses, recode=recode)
    elif not isinstance(responses, Responses):
        responses = Responses.from_dense(responses, recode=recode)
    if isinstance(groups, str):
        groups = read_groups(groups, responses)
    if isinstance(weights, str):
        weights = read_weights(weights, responses)
    yield InMemory(responses, groups, weights)


def _check_dimensions(dimensions: str | Path | None, refused: Sequence[str]) -> None:
    """Refuse what is not offered in several dimensions."""
    if dimensions is None:
        raise InputError(
            f"expected what each item measures with a model among {', '.join(COMPENSATORY)}, got nothing; "
            "give --dimensions FILE (columns item and one a dimension, of 0 and 1)"
        )
    if refused:
        raise InputError(
            "expected one group, a normal distribution and Oakes' standard errors in several dimensions, "
            f"got {' and '.join(refused)}; leave that out, or calibrate in one dimension"
        )


def _check(*, errors: str, invariance: str, moments: str, tol: float, quadrature: int | None) -> None:
    choices = (
        ("errors", errors, ERRORS),
        ("invariance", invariance, INVARIANCE),
        ("moments", moments, ("free", "equal")),
    )
    for name, value, allowed in choices:
        if value not in allowed:
            raise InputError(f"expected {name} among {', '.join(allowed)}, got '{value}'; choose one")
    if not tol > 0.0:
        raise InputError(f"expected a tolerance above 0, got {tol}; the default is 1e-6")
    if quadrature is not None and not 5 <= quadrature <= 1001:
        raise InputError(f"expected 5 to 1001 quadrature nodes, got {quadrature}; the default is 61")


def _codes(responses: Data, model: str, item_models: Mapping[str, str]) -> list[str]:
    """Return the model of each item as it was named."""
    for item in item_models:
        if item not in responses.items:
            advice = suggestion(item, responses.items, "correct its id")
            raise InputError(f"expected an item of the responses, got a model for '{item}'; {advice}")
    return [item_models.get(item, model) for item in responses.items]


def _models(responses: Data, model: str, item_models: Mapping[str, str]) -> list[ItemModel]:
    codes = _codes(responses, model, item_models)
    for code in dict.fromkeys([model, *codes]):
        if code not in MODELS:
            elsewhere = {"graded": "grm", "nominal": "nrm"}.get(str(code).lower())
            advice = (
                f"R mirt's '{code}' is '{elsewhere}' here"
                if elsewhere
                else suggestion(str(code), MODELS, "choose one of them")
            )
            raise InputError(f"expected a model among {', '.join(MODELS)}, got '{code}'; {advice}")
    return [MODELS[code] for code in codes]


def _check_categories(responses: Data, models: Sequence[ItemModel]) -> None:
    for item, size, model in zip(responses.items, responses.n_cat, models, strict=True):
        if model.dichotomous and size > 2:
            raise InputError(
                f"expected responses 0 and 1 for the model '{model.code}', got categories 0 to {size - 1} "
                f"in item '{item}'; score them, or give the item a model such as grm, gpcm, pcm or nrm"
            )


def _sets_of(fixed: ParameterSet | None) -> dict[str, str]:
    """Return the rating-scale sets that the fixed items' file names."""
    return {str(row["id"]): str(row["set"]) for row in (fixed.items if fixed else ()) if row.get("set")}


def _check_sets(responses: Data, models: Sequence[ItemModel], sets: Mapping[str, str]) -> None:
    """Refuse sets of items that cannot share a rating scale."""
    sizes: dict[str, tuple[str, int]] = {}
    for item, size, model in zip(responses.items, responses.n_cat, models, strict=True):
        if item not in sets:
            continue
        if model.linear is None:
            raise InputError(
                f"expected rating-scale sets of items of the model rsm, got item '{item}' of the model "
                f"'{model.code}'; leave its set empty, or give it the model rsm"
            )
        other, known = sizes.setdefault(sets[item], (item, int(size)))
        if known != size:
            raise InputError(
                f"expected one number of categories in the set '{sets[item]}', got {known} in item '{other}' "
                f"and {size} in item '{item}'; put them in sets of their own"
            )


def _held(
    responses: Chosen,
    models: Sequence[ItemModel],
    fixed: ParameterSet | None,
    hold: Mapping[tuple[str, str], float],
    sets: Mapping[str, str],
) -> tuple[dict[tuple[str, str], float], set[str]]:
    held = dict(hold)
    known = dict(zip(responses.items, models, strict=True))
    for item, name in held:
        if item not in known:
            raise InputError(f"expected an item of the responses to hold, got '{item}'; correct its id")
        n_cat = int(responses.n_cat[responses.items.index(item)])
        names = known[item].working(n_cat)
        if name not in names:
            raise InputError(
                f"expected a working parameter among {', '.join(names)} of item '{item}', got '{name}'; "
                "choose one"
            )
    taken: set[str] = set()
    scales: dict[str, dict[str, float]] = {}
    if fixed is None:
        return held, taken
    for j, working in fixed_items(responses, models, fixed):
        item, model, n_cat = responses.items[j], models[j], int(responses.n_cat[j])
        if model.linear is None:
            held |= {(item, name): float(x) for name, x in zip(model.working(n_cat), working, strict=True)}
        else:
            linear = model.linear(n_cat)
            basis = np.hstack([linear.own, linear.common])
            solved = np.linalg.lstsq(basis, working - linear.offset, rcond=None)[0]
            labels = (*linear.own_names, *linear.common_names)
            values = {name: float(x) for name, x in zip(labels, solved, strict=True)}
            held |= {(item, name): x for name, x in values.items()}
            shared = {name: values[name] for name in linear.common_names}
            scales.setdefault(scale_of(item, model, n_cat, sets), shared)
        taken.add(item)
    for item, model, size in zip(responses.items, models, responses.n_cat, strict=True):
        if item not in taken and model.linear is not None:  # new items of a scale that is known
            shared = scales.get(scale_of(item, model, int(size), sets), {})
            held |= {(item, name): x for name, x in shared.items()}
    return held, taken


def _differing(
    responses: Chosen,
    models: Sequence[ItemModel],
    names: Sequence[str],
    invariance: str,
    differ: Mapping[str, Sequence[str] | None] | None,
) -> Callable[[str, str], bool]:
    differ = dict(differ or {})
    for item in differ:
        if item not in responses.items:
            raise InputError(f"expected an item of the responses to differ, got '{item}'; correct its id")
    if len(names) < 2:
        return lambda item, name: False

    def differs(item: str, name: str) -> bool:
        if item in differ:
            chosen = differ[item]
            if chosen is None or name in chosen:
                return True
        if invariance == "none":
            return True
        return invariance == "slopes" and not (name == "a" or name.startswith("alpha"))

    return differs


def _latents(
    names: Sequence[str],
    models: Sequence[ItemModel],
    invariance: str,
    moments: str,
    anchored: bool,
) -> list[Normal]:
    free_variance = any(model.free_variance for model in models)
    latents = [Normal(free_mean=anchored, free_sd=free_variance or anchored)]
    for _ in names[1:]:
        free_mean = moments == "free" and (anchored or invariance == "full")
        free_sd = free_variance or (moments == "free" and (anchored or invariance != "none"))
        latents.append(Normal(free_mean=free_mean, free_sd=free_sd))
    return latents
