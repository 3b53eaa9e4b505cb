"""A second opinion: the same data refitted with girth, and where the two disagree.

girth (Sanchez, R. S., 2021) is an independent implementation of marginal maximum likelihood. Both programs
integrate over a standard normal population; differences beyond a fraction of a standard error deserve a look.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from calibration.result import Calibration
from cat_engine.errors import InputError
from item_bank.responses import MISSING, Responses

__all__ = ["MODELS", "Difference", "cross_check"]

MODELS = {"rasch": "onepl_mml", "1pl": "onepl_mml", "2pl": "twopl_mml", "grm": "grm_mml"}
"""Models that girth has, and its function."""

NOTABLE = 0.5
"""Standard errors beyond which a difference is worth telling."""


@dataclass(frozen=True)
class Difference:
    """One parameter in two programs.

    Attributes
    ----------
    item, parameter
        Which.
    ours, girth
        The two estimates.
    errors
        Their difference in our standard errors.
    """

    item: str
    parameter: str
    ours: float
    girth: float
    errors: float

    @property
    def notable(self) -> bool:
        """Whether the difference is worth telling."""
        return abs(self.errors) > NOTABLE


def cross_check(responses: Responses, result: Calibration) -> list[Difference]:
    """Refit with girth and compare every parameter that has a standard error.

    Parameters
    ----------
    responses
        What was calibrated.
    result
        What came out.

    Returns
    -------
    list of Difference
        Largest first.

    Raises
    ------
    InputError
        When girth has no such model, or groups, fixed items or other latent shapes are in play.
    """
    rows = [row for row in result.parameters.items if row["status"] != "left-out"]
    codes = {row["model"] for row in rows}
    if len(codes) != 1 or not codes <= set(MODELS):
        raise InputError(
            f"expected one model among {', '.join(MODELS)} for a cross-check with girth, got "
            f"{', '.join(sorted(codes))}; leave --cross-check out"
        )
    fixed = any(row["status"] == "fixed" for row in rows)
    if len(result.parameters.population) > 1 or fixed or "latent" in result.parameters.fit:
        raise InputError(
            "expected one normal population and free items for a cross-check with girth, got groups, fixed "
            "items or another latent shape; leave --cross-check out"
        )
    (code,) = codes
    kept = responses.select([responses.items.index(row["id"]) for row in rows])
    slopes, thresholds = _girth(code, kept)
    sd = result.parameters.population[0].sd
    out = []
    for j, row in enumerate(rows):
        theirs: dict[str, Any] = {"a": slopes[j], "b": thresholds[j]}
        if code == "rasch":  # girth puts the spread into the slope
            theirs = {"b": thresholds[j] * slopes[j]}
        for name, value in theirs.items():
            error = row["se"].get(name)
            if error is None:
                continue
            pairs = zip(*(np.atleast_1d(x) for x in (row[name], value, error)), strict=True)
            for k, (mine, other, se) in enumerate(pairs):
                label = f"{name}[{k + 1}]" if isinstance(row[name], list) else name
                out.append(
                    Difference(row["id"], label, float(mine), float(other), float((mine - other) / se))
                )
    if code == "rasch":
        error = result.parameters.population[0].se.get("var", np.nan) / (2.0 * sd)
        slope = float(np.mean(slopes))
        out.append(Difference("population", "sd", sd, slope, float((sd - slope) / error)))
    return sorted(out, key=lambda d: -abs(d.errors))


def _girth(code: str, responses: Responses) -> tuple[np.ndarray, np.ndarray]:
    import girth

    matrix = responses.dense().T.astype(np.int64)
    first = 1 if code == "grm" else 0
    data = np.where(matrix == MISSING, girth.INVALID_RESPONSE, matrix + first)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = getattr(girth, MODELS[code])(data, options={"quadrature_n": 61, "max_iteration": 500})
    slopes = np.broadcast_to(np.asarray(found["Discrimination"], dtype=np.float64), (len(matrix),))
    return slopes, np.asarray(found["Difficulty"], dtype=np.float64)
