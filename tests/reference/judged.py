"""Reads the reference folder into this project's own forms: responses, and parameters on our scale."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from calibration.fit.evidence import Evidence
from item_bank.parameters import ParameterSet, Population
from item_bank.responses import Responses, read_responses


def load(path: Path) -> Any:
    """Return the content of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def row_of(name: str, block: dict[str, Any], itemtype: str) -> dict[str, Any]:
    """Return the parameter-file row for one item of a reference fit (slope-intercept block)."""
    values = dict(zip(block["cols"], block["values"][0], strict=True))
    a = values["a1"]
    kind = itemtype.lower()
    if kind in ("2pl", "rasch", "3pl", "4pl", "1pl") and "d" in values:
        row = {"id": name, "model": kind, "a": a, "b": -values["d"] / a}
        if kind in ("3pl", "4pl"):
            row["c"] = 1.0 / (1.0 + np.exp(-values["logit(g)"]))
        if kind == "4pl":
            row["d"] = 1.0 / (1.0 + np.exp(-values["logit(u)"]))
        return row
    d = [values[c] for c in block["cols"] if c.startswith("d")]
    if kind == "graded":
        return {"id": name, "model": "grm", "a": a, "b": [-x / a for x in d]}
    if kind in ("gpcm", "rasch"):
        b = [(d[k - 1] - d[k]) / a for k in range(1, len(d))]
        return {"id": name, "model": "gpcm" if kind == "gpcm" else "pcm", "a": a, "b": b}
    if kind == "nominal":
        alpha = a * np.array([values[c] for c in block["cols"] if c.startswith("ak")])
        delta = np.array(d)
        return {
            "id": name,
            "model": "nrm",
            "alpha": (alpha - alpha.mean()).tolist(),
            "delta": (delta - delta.mean()).tolist(),
        }
    raise ValueError(f"{itemtype}: {block['cols']}")


def parameters_of(fit: dict[str, Any]) -> ParameterSet:
    """Return the parameters of a reference fit."""
    blocks = dict(fit["slope_intercept"])
    mean, cov = blocks.pop("GroupPars")["values"][0]
    kind = "1pl" if fit["label"] == "1PL" else fit["itemtype"]
    rows = [row_of(name, block, kind) for name, block in blocks.items()]
    return ParameterSet(rows, (Population(mean=(mean,), cov=((cov,),)),))


def evidence_of(reference: Path, name: str) -> tuple[Evidence, dict[str, Any]]:
    """Return the evidence of one file of ``fit-statistics/`` and its content."""
    content = load(reference / "fit-statistics" / f"{name}.json")
    fit = load(reference / content["fit_file"])
    responses = read_responses(reference / "data" / f"{fit['dataset']}.csv", recode="rank")
    return Evidence(responses, parameters_of(fit)), content


def column(table: dict[str, Any], name: str) -> np.ndarray:
    """Return one column of a reference table; null becomes NaN."""
    return np.array([np.nan if x is None else x for x in table[name]], dtype=float)


__all__ = ["Responses", "column", "evidence_of", "load", "parameters_of"]
