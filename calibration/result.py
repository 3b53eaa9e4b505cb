"""What a calibration gives back: tables, the covariance of the estimates, the parameter file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from calibration.sentences import Sentence
from item_bank.parameters import ParameterSet, write_parameters

if TYPE_CHECKING:
    import polars as pl

    from cat_engine.pool import ItemPool

__all__ = ["Calibration"]


@dataclass(frozen=True, eq=False)
class Calibration:
    """Item parameters with their uncertainty, and how they came about.

    Attributes
    ----------
    parameters
        What the parameter file holds: one row an item, the population, the fit.
    covariance
        Covariance matrix of the free parameters, in the order of `names`; empty when not asked for.
    names
        ``(item, working parameter, group or None)`` of each free item parameter, then
        ``("population", "mean" or "log_sd", group)``. Working parameters are slope-intercept:
        ``a``, ``d``, ``logit(c)``, ...
    estimates
        Values of the free parameters.
    gradient
        Gradient of what was maximised, at the estimates.
    by_group
        Rows of the parameter file for each group, where groups differ; else the same rows for all.
    notes
        What concerns the data set as a whole.
    """

    parameters: ParameterSet
    covariance: np.ndarray
    names: list[tuple[str, str, str | None]]
    estimates: np.ndarray
    gradient: np.ndarray
    by_group: Mapping[str, list[dict[str, Any]]]
    notes: list[Sentence] = field(default_factory=list)

    @property
    def loglik(self) -> float:
        """Log-likelihood, prior excluded."""
        return float(self.parameters.fit["loglik"])

    @property
    def logprior(self) -> float:
        """Log density of the priors at the estimates."""
        return float(self.parameters.fit["logprior"])

    @property
    def converged(self) -> bool:
        """Whether the remaining gain is within the tolerance and the maximum is one."""
        return bool(self.parameters.fit["converged"])

    @cached_property
    def pool(self) -> ItemPool:
        """The calibrated items, ready for scoring and selection."""
        return self.parameters.pool()

    @cached_property
    def items(self) -> pl.DataFrame:
        """One row an item and parameter: ``item, model, parameter, estimate, se, n, flags``."""
        import polars as pl

        records = []
        for row in self.parameters.items:
            errors = row.get("se", {})
            flags = "; ".join(row.get("flags", []))
            for name, value in row.items():
                if name in _NOT_PARAMETERS:
                    continue
                values = value if isinstance(value, list) else [value]
                spread = errors.get(name)
                spreads = spread if isinstance(spread, list) else [spread] * len(values)
                for k, (v, s) in enumerate(zip(values, spreads, strict=True)):
                    label = f"{name}[{k + 1}]" if isinstance(value, list) else name
                    records.append((row["id"], row["model"], label, v, s, row.get("n"), flags))
        schema = {
            "item": pl.String,
            "model": pl.String,
            "parameter": pl.String,
            "estimate": pl.Float64,
            "se": pl.Float64,
            "n": pl.Int64,
            "flags": pl.String,
        }
        return pl.DataFrame(records, schema=schema, orient="row")

    @cached_property
    def population(self) -> pl.DataFrame:
        """One row a group: ``group, mean, sd, se_mean, se_var``."""
        import polars as pl

        records = [
            (p.group, p.mean[0], p.sd, p.se.get("mean"), p.se.get("var")) for p in self.parameters.population
        ]
        names = ["group", "mean", "sd", "se_mean", "se_var"]
        return pl.DataFrame(
            records, schema=dict.fromkeys(names, pl.Float64) | {"group": pl.String}, orient="row"
        )

    @property
    def flagged(self) -> dict[str, list[str]]:
        """Flags of the items that have any."""
        return {row["id"]: row["flags"] for row in self.parameters.items if row["flags"]}

    def to_json(self, path: str | Path | None = None) -> dict[str, Any]:
        """Return the parameter file's content; write it when a path is given."""
        if path is not None:
            write_parameters(path, self.parameters)
        return self.parameters.to_dict()


_NOT_PARAMETERS = (
    "id",
    "model",
    "se",
    "n",
    "flags",
    "set",
    "codes",
    "status",
    "groups",
    "slope_intercept",
)
