"""All of it at once: `assess` judges a calibration and says what it could not judge, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np

from calibration.blas import blas_threads
from calibration.fit.assess_dimensions import assess_dimensions
from calibration.fit.compare import criteria, g2
from calibration.fit.evidence import Evidence
from calibration.fit.freedom import Freedom, freedom
from calibration.fit.limited import KINDS, Kind, limited_information
from calibration.fit.pairs import ld_x2, met_both, q3
from calibration.fit.persons import PersonFit, cutoffs, lz_of, person_fit, sat, simulated
from calibration.fit.pvq1 import pv_q1
from calibration.fit.residuals import mean_squares, posterior_mean_squares, sums_at
from calibration.fit.result import LEAST_COMPLETE, Columns, Fit, attempt, chi2_columns
from calibration.fit.sx2 import s_x2
from calibration.sentences import Sentence
from cat_engine.design import Design
from cat_engine.errors import InputError
from item_bank.parameters import ParameterSet
from item_bank.responses import Responses

__all__ = ["assess"]


@blas_threads(1)
def assess(
    responses: Responses,
    parameters: ParameterSet,
    groups: Sequence[str] | None = None,
    *,
    theta: str = "eap",
    estimated: bool = True,
    seed: int = 1,
    design: Design | None = None,
    attributes: Mapping[str, tuple[str, ...]] | None = None,
) -> Fit:
    """Judge a calibration on responses.

    Parameters
    ----------
    groups
        Each person's group, where the parameters hold more than one population.
    theta
        Estimator at which infit, outfit, Zh and Q3 are taken: ``eap``, ``map``, ``ml`` or ``wle``.
    estimated
        Whether the parameters were estimated from these responses; degrees of freedom allow for it.
    seed
        Of the simulated persons.
    design, attributes
        Of the adaptive test that gave the responses: cut-offs of person fit are then from simulated
        sittings.

    Raises
    ------
    InputError
        When responses, parameters and groups do not go together.
    """
    if len(parameters.dimensions) > 1:
        if design is not None:
            raise InputError(
                "expected no --design in several dimensions, got one: sittings are simulated in one alone; "
                "leave it out"
            )
        return assess_dimensions(responses, parameters, groups, theta=theta, estimated=estimated, seed=seed)
    start = perf_counter()
    evidence = Evidence(responses, parameters, groups, estimated=estimated)
    free = freedom(evidence)
    reasons: dict[str, Sentence] = {}
    sums = sums_at(evidence, evidence.theta(theta))
    items, pairs = _items(evidence, free, sums.by_item, reasons)
    persons_fit = person_fit(evidence)
    fit = Fit(
        items,
        _persons(evidence, sums.by_person, persons_fit),
        pairs,
        _model(evidence, free, reasons),
        cutoffs(simulated(evidence, seed) if design is None else sat(evidence, design, attributes, seed)),
        "items" if design is None else "sittings",
        reasons,
        evidence.n_persons,
        round(evidence.share_complete * evidence.n_persons),
    )
    for item in evidence.left_out:
        reasons[f"item {item}"] = Sentence("not-calibrated")
    fit.persons["flag"] = ["misfit" if z < fit.cutoffs[0.01] else "" for z in persons_fit.lz_star]
    fit.seconds = perf_counter() - start
    return fit


def _incomplete(evidence: Evidence) -> Sentence | None:
    """Return why statistics of the total score do not apply, or None where they do."""
    if evidence.share_complete >= LEAST_COMPLETE:
        return None
    return Sentence("incomplete", share=evidence.share_complete)


def _items(
    evidence: Evidence, free: Freedom, sums: np.ndarray, reasons: dict[str, Sentence]
) -> tuple[Columns, dict[str, np.ndarray]]:
    rows = evidence.pool.rows()
    point, posterior = mean_squares(sums), posterior_mean_squares(evidence)
    plausible = pv_q1(evidence, free=free)
    columns: Columns = {
        "id": [row["id"] for row in rows],
        "model": [row["model"] for row in rows],
        "n": np.bincount(evidence.answers.item, minlength=len(rows)),
    }
    pairs = {"n": met_both(evidence), "q3": q3(evidence)}
    missing = _incomplete(evidence)
    if missing:
        reasons |= {"s_x2": missing, "ld_x2": missing}
    else:
        by_score = s_x2(evidence, free=free)
        columns |= chi2_columns("s_x2", by_score)
        local = ld_x2(evidence)
        pairs |= {"ld_x2": local.statistic, "ld_p": local.p, "ld_v": local.v}
    columns |= chi2_columns("pv_q1", plausible)
    columns |= {name: getattr(point, name) for name in ("infit", "infit_z", "outfit", "outfit_z")}
    columns |= {
        f"{name}_posterior": getattr(posterior, name) for name in ("infit", "infit_z", "outfit", "outfit_z")
    }
    columns["zh"] = lz_of(sums)[0]
    return columns, pairs


def _persons(evidence: Evidence, sums: np.ndarray, fit: PersonFit) -> Columns:
    point = mean_squares(sums)
    names = evidence.responses.persons or [str(k + 1) for k in range(evidence.n_persons)]
    return {
        "person": list(names),
        "theta": evidence.theta(),
        "n": sums[:, 0].astype(np.int64),
        "zh": fit.zh,
        "lz": fit.lz,
        "lz_star": fit.lz_star,
        "infit": point.infit,
        "infit_z": point.infit_z,
        "outfit": point.outfit,
        "outfit_z": point.outfit_z,
    }


def _limited(evidence: Evidence, kind: Kind, free: Freedom) -> dict[str, Any]:
    return asdict(limited_information(evidence, kind, free))


def _model(evidence: Evidence, free: Freedom, reasons: dict[str, Sentence]) -> dict[str, Any]:
    model: dict[str, Any] = criteria(evidence.loglik, free.n, evidence.n_persons)._asdict()
    missing = _incomplete(evidence)

    polytomous = bool((evidence.pool.n_cat > 2).any())
    for kind in KINDS if polytomous else KINDS[:1]:
        if missing:
            reasons[kind] = missing
        else:
            attempt(model, reasons, kind, partial(_limited, evidence, kind, free))
    attempt(model, reasons, "g2", lambda: g2(evidence, free.n)._asdict())
    return model
