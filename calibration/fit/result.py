"""What judging a calibration gives: items, persons, pairs, the model, and what does not apply and why."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from calibration.fit.sx2 import ItemChi2
from calibration.sentences import NotApplicable, Sentence

if TYPE_CHECKING:
    import polars as pl

__all__ = ["LEAST_COMPLETE", "SCHEMA", "Columns", "Fit", "attempt", "chi2_columns"]

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


def chi2_columns(name: str, values: ItemChi2) -> Columns:
    """Return the columns of an `ItemChi2`."""
    return {
        name: values.statistic,
        f"{name}_df": values.df,
        f"{name}_p": values.p,
        f"{name}_rmsea": values.rmsea,
    }


def attempt(model: dict[str, Any], reasons: dict[str, Sentence], name: str, make: Callable[[], Any]) -> None:
    """Put what `make` returns, or the reason why there is nothing, under `name`."""
    try:
        model[name] = make()
    except NotApplicable as reason:
        reasons[name] = reason.why
