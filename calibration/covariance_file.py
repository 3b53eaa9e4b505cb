"""The covariance matrix of the estimates in a file of its own, for what standard errors alone cannot answer.

A Parquet table of one row a free parameter: ``item, parameter, group, estimate, first, covariance``. The list
``covariance`` holds the covariances with the parameters from position ``first`` to the row's own, so that the
rows together are a lower triangle. Doubles are kept to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from calibration.result import Calibration
from cat_engine.errors import InputError

__all__ = ["WHOLE", "Covariance", "read_covariance", "write_covariance"]

WHOLE = 4_000
"""Up to this many free parameters every covariance is kept (64 megabytes); beyond, those within an item and
among the population's parameters."""

_COLUMNS = ("item", "parameter", "group", "estimate", "first", "covariance")


@dataclass(frozen=True, eq=False)
class Covariance:
    """Estimates with their covariance matrix.

    Attributes
    ----------
    names
        ``(item, working parameter, group or None)`` of each parameter, as :attr:`Calibration.names`.
    estimates
        Their values, shape ``(P,)``.
    matrix
        Their covariances, ``(P, P)``; NaN where none is known, or none was kept.
    """

    names: list[tuple[str, str, str | None]]
    estimates: np.ndarray
    matrix: np.ndarray

    def of(self, item: str) -> Covariance:
        """Return the part of one item (or of ``"population"``)."""
        chosen = [k for k, name in enumerate(self.names) if name[0] == item]
        if not chosen:
            raise InputError(f"expected an item with free parameters, got '{item}'; correct its id")
        return Covariance(
            [self.names[k] for k in chosen], self.estimates[chosen], self.matrix[np.ix_(chosen, chosen)]
        )


def write_covariance(path: str | Path, result: Calibration, whole: int = WHOLE) -> None:
    """Write the covariance matrix of a calibration's estimates.

    Parameters
    ----------
    path
        Of the Parquet file.
    result
        What was calibrated.
    whole
        Most parameters of which every covariance is kept.

    Raises
    ------
    InputError
        There are no standard errors, or the file cannot be written.
    """
    import polars as pl

    size = len(result.estimates)
    if result.covariance.shape != (size, size):
        raise InputError(
            "expected standard errors, whose covariance is kept, got none; calibrate with --se oakes"
        )
    items, parameters, groups = zip(*result.names, strict=True)
    first = np.zeros(size, np.int64)
    if size > whole:
        earliest: dict[str, int] = {}
        first[:] = [earliest.setdefault(item, k) for k, item in enumerate(items)]
    lists = [result.covariance[k, first[k] : k + 1] for k in range(size)]
    values = dict(zip(_COLUMNS, (items, parameters, groups, result.estimates, first, lists), strict=True))
    schema: Any = {"item": pl.String, "parameter": pl.String, "group": pl.String}
    schema["covariance"] = pl.List(pl.Float64)
    try:
        pl.DataFrame(values, schema_overrides=schema).write_parquet(path)
    except OSError as error:
        raise InputError(
            f"expected a file that can be written, got {path} ({error.strerror or error}); choose another"
        ) from None


def read_covariance(path: str | Path) -> Covariance:
    """Read what `write_covariance` wrote.

    Raises
    ------
    InputError
        There is no such file, or it holds something else.
    """
    import polars as pl

    try:
        table = pl.read_parquet(path)
    except FileNotFoundError:
        raise InputError(f"expected a covariance file, there is no file {path}; check the path") from None
    except (OSError, pl.exceptions.PolarsError):
        raise InputError(
            f"expected a covariance file, got something else in {path}; give one written with "
            "'acquis calibrate --covariance'"
        ) from None
    if tuple(table.columns) != _COLUMNS:
        raise InputError(
            f"expected the columns {', '.join(_COLUMNS)}, got {', '.join(table.columns[:8])} in {path}; give "
            "a file written with 'acquis calibrate --covariance'"
        )
    matrix = np.full((table.height, table.height), np.nan)
    for k, (first, values) in enumerate(zip(table["first"], table["covariance"], strict=True)):
        matrix[k, first : k + 1] = values
        matrix[first : k + 1, k] = values
    names = list(zip(table["item"], table["parameter"], table["group"], strict=True))
    return Covariance(names, table["estimate"].to_numpy(), matrix)
