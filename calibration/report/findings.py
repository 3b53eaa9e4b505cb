"""Everything a report shows, as plain data: gathered once, kept as ``findings.json`` beside the page.

`acquis calibrate --report` makes it; `acquis dif` and `acquis link` add to it and draw the page anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from calibration.classical import Option, classical, distractors
from calibration.dimensionality import dimensionality
from calibration.fit import Evidence, Fit, assess
from calibration.fit.pvq1 import observed_curves
from calibration.fit.result import LEAST_COMPLETE
from calibration.sentences import Sentence
from cat_engine.errors import InputError
from cat_engine.grid import Grid, tabulate
from cat_engine.pool import ItemPool
from cat_engine.scoring import Prior
from cat_engine.scoring.reliability import empirical_reliability, marginal_reliability
from item_bank.options import RawOptions
from item_bank.parameters import ParameterSet
from item_bank.responses import Responses

__all__ = [
    "NAME",
    "SCHEMA",
    "Findings",
    "add",
    "gather",
    "plain",
    "read_findings",
    "write_findings",
]

SCHEMA = "acquis/findings/1"
NAME = "findings.json"

Findings = dict[str, Any]


def plain(value: Any) -> Any:
    """Return `value` in what JSON knows; NaN and infinity become None, a sentence keeps its code."""
    if isinstance(value, Sentence):
        return {"text": str(value), "code": value.code, "values": plain(value.values)}
    if isinstance(value, dict):
        return {str(key): plain(v) for key, v in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def gather(
    responses: Responses,
    parameters: ParameterSet,
    groups: Sequence[str] | None = None,
    *,
    fit: Fit | None = None,
    options: RawOptions | None = None,
    domains: Mapping[str, str] | None = None,
    about: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
) -> Findings:
    """Return what a report shows.

    Parameters
    ----------
    fit
        The calibration's fit; assessed here when it is not given.
    options
        Raw options, for what distractors do.
    domains
        Domain of each item.
    about
        Provenance: title, files, command, versions.
    notes
        What concerns the data set as a whole.
    """
    evidence = Evidence(responses, parameters, groups)
    fit = fit or assess(responses, parameters, groups)
    simple = classical(responses)
    kept = evidence.responses
    order = [kept.items.index(item) for item in evidence.pool.ids]
    shape = dimensionality(
        kept.select(order),
        [domains.get(item, "") for item in evidence.pool.ids] if domains else None,
        fit.pairs["q3"],
    )
    curves = observed_curves(evidence)
    findings: Findings = {
        "schema": SCHEMA,
        "about": dict(about or {}),
        "data": _data(responses, evidence, notes),
        "calibration": dict(parameters.fit),
        "population": [
            {"group": p.group, "mean": p.mean[0], "sd": p.sd, "se": dict(p.se)} for p in parameters.population
        ],
        "parameters": parameters.items,
        "domains": dict(domains or {}),
        "classical": {"items": simple.items, "total": simple.total, "scores": simple.scores},
        "dimensionality": shape.to_dict(),
        "fit": {
            "items": fit.items,
            "model": fit.model,
            "not_applicable": fit.not_applicable,
            "pairs": _pairs(fit),
        },
        "observed": {
            item: {"theta": curves.theta[i], "n": curves.n[i], "share": curves.share[i]}
            for i, item in enumerate(evidence.pool.ids)
        },
        "precision": _precision(evidence),
        "persons": _persons(evidence, fit),
        "distractors": {} if options is None else _distractors(responses, options),
        "dif": [],
        "link": [],
    }
    return findings_of(plain(findings))


def findings_of(content: Any) -> Findings:
    """Return `content` as findings, or say that it is none."""
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise InputError(
            f"expected findings ('schema': '{SCHEMA}'), got something else; make the report with "
            "'acquis calibrate --report DIR' first"
        )
    return content


def _data(responses: Responses, evidence: Evidence, notes: Sequence[str]) -> dict[str, Any]:
    lengths = np.diff(responses.indptr)
    return {
        "persons": responses.n_persons,
        "items": responses.n_items,
        "responses": responses.n_responses,
        "density": responses.density,
        "empty_persons": int((lengths == 0).sum()),
        "complete": evidence.share_complete,
        "left_out": evidence.left_out,
        "recoded": {item: list(codes) for item, codes in responses.recoded.items()},
        "categories": {item: int(k) for item, k in zip(responses.items, responses.n_cat, strict=True)},
        "counts": {
            item: row[:k].tolist()
            for item, row, k in zip(responses.items, responses.counts, responses.n_cat, strict=True)
        },
        "answered": {
            "least": int(lengths.min(initial=0)),
            "median": float(np.median(lengths)) if len(lengths) else 0.0,
            "most": int(lengths.max(initial=0)),
        },
        "notes": list(notes),
    }


def _pairs(fit: Fit, most: int = 200) -> dict[str, Any]:
    matrix = fit.pairs["q3"]
    low = np.tril_indices(len(matrix), -1)
    values, met = matrix[low], fit.pairs["n"][low]
    known = np.isfinite(values)
    mean = float(values[known].mean()) if known.any() else float("nan")
    order = [k for k in np.argsort(-np.where(known, values, -np.inf)) if known[k]][:most]
    names = fit.items["id"]
    return {
        "mean": mean,
        "largest": [
            {"item": names[low[1][k]], "with": names[low[0][k]], "q3": float(values[k]), "n": int(met[k])}
            for k in order
        ],
    }


def _precision(evidence: Evidence) -> dict[str, Any]:
    """Return test information, standard error and reliability over theta."""
    population = evidence.parts[0].population
    prior = Prior.normal(population.mean[0], population.sd)
    spread = max(p.population.sd for p in evidence.parts)
    centre = float(np.mean([p.population.mean[0] for p in evidence.parts]))
    grid = Grid.uniform(centre - 4.0 * spread, centre + 4.0 * spread, 81)
    theta, se = [], []
    for part in evidence.parts:
        mean = part.theta()
        theta.append(mean)
        se.append(np.sqrt(np.maximum(part.posterior @ part.grid.nodes**2 - mean**2, 0.0)))
    information = tabulate(evidence.pool, grid).info.sum(axis=0)
    return {
        "theta": grid.nodes,
        "information": information,
        "marginal_reliability": marginal_reliability(evidence.pool, prior),
        "empirical_reliability": empirical_reliability(np.concatenate(theta), np.concatenate(se)),
    }


def _persons(evidence: Evidence, fit: Fit) -> dict[str, Any]:
    complete = evidence.share_complete >= LEAST_COMPLETE
    theta = np.asarray(fit.persons["theta"])
    star = np.asarray(fit.persons["lz_star"], dtype=np.float64)
    known = np.isfinite(star)
    edges = np.linspace(theta.min() - 1e-9, theta.max() + 1e-9, 31)
    below = {f"{level:g}": cut for level, cut in fit.cutoffs.items()}
    flagged = [str(p) for p, flag in zip(fit.persons["person"], fit.persons["flag"], strict=True) if flag]
    return {
        "theta_edges": edges,
        "theta_counts": np.histogram(theta, edges)[0],
        "mean": float(theta.mean()),
        "sd": float(theta.std()),
        "lz_star_edges": np.linspace(-6.0, 4.0, 41),
        "lz_star_counts": np.histogram(np.clip(star[known], -6.0, 4.0), np.linspace(-6.0, 4.0, 41))[0],
        "cutoffs": below,
        "cutoffs_from": fit.cutoffs_from if fit.cutoffs_from == "sittings" or complete else "items_met",
        "judged": int(known.sum()),
        "flagged": len(flagged),
        "flagged_first": flagged[:30],
    }


def _distractors(responses: Responses, options: RawOptions) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[Option]] = distractors(options.rows, options.items, responses, options.key)
    return {item: [vars(option) for option in row] for item, row in found.items()}


def item_pool(findings: Findings) -> ItemPool:
    """Return the calibrated items of some findings."""
    return ItemPool.from_rows([row for row in findings["parameters"] if row.get("status") != "left-out"])


def add(findings: Findings, kind: str, content: Mapping[str, Any]) -> Findings:
    """Return findings with the result of `acquis dif` or `acquis link` added.

    An earlier result of the same kind (same groups and method, same method) is replaced.
    """

    def name(entry: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(entry.get(key) for key in ("method", "reference", "focal"))

    others = [entry for entry in findings[kind] if name(entry) != name(content)]
    return {**findings, kind: [*others, plain(dict(content))]}


def write_findings(folder: Path, findings: Findings) -> None:
    """Write ``findings.json`` into a folder, which is made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / NAME).write_text(json.dumps(findings, ensure_ascii=False, allow_nan=False) + "\n", "utf-8")
    except OSError as error:
        raise InputError(
            f"expected a folder that can be written, got {folder} ({error.strerror}); choose another --report"
        ) from None


def read_findings(folder: Path) -> Findings:
    """Read ``findings.json`` from a report's folder."""
    try:
        return findings_of(json.loads((folder / NAME).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"expected a report's folder, got no {NAME} that can be read in {folder}; make the report with "
            "'acquis calibrate --report DIR' first"
        ) from None
