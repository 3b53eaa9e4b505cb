"""A calibration in several dimensions, judged by what holds there; the rest stands with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np

from calibration.fit.bifactor import indices
from calibration.fit.compare import criteria
from calibration.fit.dimension_persons import along, lz_dimensions, simulated_lz_star
from calibration.fit.dimensions import DimensionsEvidence, freedom_of, moment_model
from calibration.fit.freedom import Freedom
from calibration.fit.limited import KINDS, Kind, limited_information
from calibration.fit.pairs import ld_x2, met_both, residual_correlations
from calibration.fit.persons import cutoffs, lz_of
from calibration.fit.residuals import mean_squares
from calibration.fit.result import LEAST_COMPLETE, Fit, attempt, chi2_columns
from calibration.fit.sx2 import s_x2
from calibration.multidimensional.pattern import GENERAL
from calibration.sentences import Sentence
from cat_engine.errors import InputError
from cat_engine.scoring import score_dimensions
from cat_engine.scoring.composite import slopes_of
from cat_engine.scoring.reliability import empirical_reliability
from item_bank.parameters import ParameterSet
from item_bank.responses import Responses

__all__ = ["assess_dimensions"]


def assess_dimensions(
    responses: Responses,
    parameters: ParameterSet,
    groups: Sequence[str] | None = None,
    *,
    theta: str = "eap",
    estimated: bool = True,
    seed: int = 1,
) -> Fit:
    """Judge a calibration in several dimensions; parameters as for `calibration.fit.assess`.

    Raises
    ------
    InputError
        For several populations, and for `theta` by ml or wle.
    """
    start = perf_counter()
    if theta not in ("eap", "map"):
        raise InputError(f"expected --theta among eap, map in several dimensions, got '{theta}'; choose one")
    if len(parameters.population) > 1:
        raise InputError(
            f"expected one population in several dimensions, got {len(parameters.population)}; judge the "
            "groups apart"
        )
    evidence = DimensionsEvidence(responses, parameters, groups, estimated=estimated)
    part, free = evidence.part, freedom_of(evidence)
    reasons: dict[str, Sentence] = {"pv_q1": Sentence("one-dimension"), "g2": Sentence("one-dimension")}
    pool, answers = part.pool, part.answers
    eap, mode = (score_dimensions(pool, answers, part.mean, part.cov, method) for method in ("eap", "map"))
    sums, at_mode = along(pool, answers, eap.theta), along(pool, answers, mode.theta)
    chosen = sums if theta == "eap" else at_mode
    lz, star = lz_dimensions(pool, answers, at_mode)
    names = evidence.responses.persons or [str(k + 1) for k in range(evidence.n_persons)]
    squares = mean_squares(chosen.by_person)
    persons = {
        "person": list(names),
        **{f"theta_{name}": eap.theta[:, d] for d, name in enumerate(parameters.dimensions)},
        "n": np.diff(answers.indptr),
        "zh": lz_dimensions(pool, answers, sums)[0],
        "lz": lz,
        "lz_star": star,
        **{name: getattr(squares, name) for name in ("infit", "infit_z", "outfit", "outfit_z")},
    }
    cuts = cutoffs(simulated_lz_star(part, seed))
    persons["flag"] = ["misfit" if z < cuts[0.01] else "" for z in star]
    squares = mean_squares(chosen.by_item)
    items: dict[str, Any] = {
        "id": list(pool.ids),
        "model": [row["model"] for row in pool.rows()],
        "n": np.bincount(answers.item, minlength=len(pool)),
        **{name: getattr(squares, name) for name in ("infit", "infit_z", "outfit", "outfit_z")},
        "zh": lz_of(chosen.by_item)[0],
    }
    pairs = {"n": met_both(evidence), "q3": residual_correlations(evidence, chosen.by_answer[:, 11])}
    model = _model(evidence, free, reasons)
    if evidence.share_complete >= LEAST_COMPLETE:
        local = ld_x2(evidence)
        pairs |= {"ld_x2": local.statistic, "ld_p": local.p, "ld_v": local.v}
        items |= chi2_columns("s_x2", s_x2(evidence, free=replace(free, mean=(), variance=())))
    else:
        reasons |= dict.fromkeys(
            ("s_x2", "ld_x2"), Sentence("incomplete-structure", share=evidence.share_complete)
        )
    model["reliability"] = {
        name: empirical_reliability(eap.theta[:, d], eap.se[:, d])
        for d, name in enumerate(parameters.dimensions)
    }
    if parameters.dimensions[0] == GENERAL:
        model["bifactor"] = indices(slopes_of(pool), parameters.dimensions)
    reasons |= {f"item {item}": Sentence("not-calibrated") for item in evidence.left_out}
    complete = round(evidence.share_complete * evidence.n_persons)
    fit = Fit(items, persons, pairs, model, cuts, "items", reasons, evidence.n_persons, complete)
    fit.seconds = perf_counter() - start
    return fit


def _model(evidence: DimensionsEvidence, free: Freedom, reasons: dict[str, Sentence]) -> dict[str, Any]:
    """Return information criteria, of the calibration itself, and limited-information fit."""
    model: dict[str, Any] = {}
    known = evidence.parameters.fit.get("loglik")
    if evidence.estimated and known is not None:
        model |= criteria(float(known), free.n, evidence.n_persons)._asdict()
    else:
        reasons["loglik"] = Sentence("loglik-of-calibration")
    polytomous = bool((evidence.pool.n_cat > 2).any())
    for kind in KINDS if polytomous else KINDS[:1]:
        if evidence.share_complete < LEAST_COMPLETE:
            reasons[kind] = Sentence("incomplete-structure", share=evidence.share_complete)
        else:
            attempt(model, reasons, kind, partial(_limited, evidence, kind, free))
    return model


def _limited(evidence: DimensionsEvidence, kind: Kind, free: Freedom) -> dict[str, Any]:
    return asdict(limited_information(evidence, kind, free, moment_model))
