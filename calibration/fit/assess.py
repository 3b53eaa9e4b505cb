"""All of it at once: `assess` judges a calibration and says what it could not judge, and why."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from calibration.blas import blas_threads
from calibration.fit.compare import criteria, g2
from calibration.fit.evidence import Evidence
from calibration.fit.freedom import Freedom, freedom
from calibration.fit.limited import KINDS, Kind, limited_information
from calibration.fit.pairs import ld_x2, met_both, q3
from calibration.fit.persons import PersonFit, cutoffs, lz_of, person_fit, sat, simulated
from calibration.fit.pvq1 import pv_q1
from calibration.fit.residuals import mean_squares, posterior_mean_squares, sums_at
from calibration.fit.sx2 import s_x2
from calibration.sentences import NotApplicable, Sentence
from cat_engine.design import Design
from cat_engine.errors import InputError
from item_bank.parameters import ParameterSet
from item_bank.responses import Responses

if TYPE_CHECKING:
    import polars as pl

__all__ = ["LEAST_COMPLETE", "SCHEMA", "Fit", "assess"]

SCHEMA = "acquis/fit/1"
"""What the key ``schema`` of a fit file says."""

LEAST_COMPLETE = 0.9
"""Share of persons with complete responses below which statistics of the total score do not apply."""

Columns = dict[str, Any]


@dataclass
class Fit:
    """What was found.

    Attributes
    ----------
    items, persons
        Columns by name, one value an item or a person; NaN where there is nothing to say.
    pairs
        ``n`` (persons who met both), ``q3``, and for complete data ``ld_x2``, ``ld_p``, ``ld_v``: matrices
        ``(n, n)``.
    model
        ``m2``, ``m2*``, ``c2``, ``g2``: dictionaries; information criteria.
    cutoffs, cutoffs_from
        lz* below which a share of fitting persons lies, by simulation of the ``items`` that each person met,
        or of whole ``sittings``.
    not_applicable
        Statistic -> why it says nothing about these data.
    """

    items: Columns
    persons: Columns
    pairs: dict[str, np.ndarray]
    model: dict[str, Any]
    cutoffs: dict[float, float]
    cutoffs_from: str
    not_applicable: dict[str, Sentence]
    n_persons: int
    n_complete: int
    seconds: float = field(default=0.0, compare=False)

    def items_frame(self) -> pl.DataFrame:
        """Return one row an item."""
        import polars as pl

        return pl.DataFrame(self.items)

    def persons_frame(self) -> pl.DataFrame:
        """Return one row a person."""
        import polars as pl

        return pl.DataFrame(self.persons)

    def pairs_frame(self) -> pl.DataFrame:
        """Return one row a pair, the largest Q3 first."""
        import polars as pl

        low = np.tril_indices(len(self.items["id"]), -1)
        names = np.array(self.items["id"])
        columns = {"item": names[low[1]], "with": names[low[0]]}
        frame = pl.DataFrame({**columns, **{k: v[low] for k, v in self.pairs.items()}})
        return frame.sort(pl.col("q3").abs().fill_nan(None), descending=True, nulls_last=True)

    def to_dict(self) -> dict[str, Any]:
        """Return the fit file's content; NaN becomes null."""
        return {
            "schema": SCHEMA,
            "n_persons": self.n_persons,
            "n_complete": self.n_complete,
            "seconds": self.seconds,
            "model": _plain(self.model),
            "not_applicable": self.not_applicable,
            "items": _rows(self.items),
            "pairs": _rows(self.pairs_frame().to_dict(as_series=False)),
            "person_cutoffs_from": self.cutoffs_from,
            "person_cutoffs": {f"lz_star_{level:g}": _plain(cut) for level, cut in self.cutoffs.items()},
            "persons": _rows(self.persons),
        }

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the fit file."""
        Path(path).write_text(json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False) + "\n", "utf-8")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def _rows(columns: Columns) -> list[dict[str, Any]]:
    plain = {name: _plain(list(values)) for name, values in columns.items()}
    names = list(plain)
    return [dict(zip(names, row, strict=True)) for row in zip(*plain.values(), strict=True)]


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
        from calibration.fit.assess_dimensions import assess_dimensions  # it stands on this module

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


def chi2_columns(name: str, values: Any) -> Columns:
    """Return the columns of an `ItemChi2`."""
    return {
        name: values.statistic,
        f"{name}_df": values.df,
        f"{name}_p": values.p,
        f"{name}_rmsea": values.rmsea,
    }


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


def attempt(model: dict[str, Any], reasons: dict[str, Sentence], name: str, make: Callable[[], Any]) -> None:
    """Put what `make` returns, or the reason why there is nothing, under `name`."""
    try:
        model[name] = make()
    except NotApplicable as reason:
        reasons[name] = reason.why


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
