"""Reading the fields of one row of a parameter file, with errors that say which item and what to give."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

from cat_engine.errors import InputError

__all__ = ["intercept", "real", "reals", "refuse"]

Row = Mapping[str, Any]


def refuse(row: Row, expected: str, got: str, do: str) -> InputError:
    """Return the error for one row, in the house's one sentence."""
    return InputError(
        f"expected {expected}, got {got} in item '{row.get('id', '?')}' "
        f"(model '{row.get('model', '?')}'); {do}"
    )


def _check(row: Row, name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise refuse(row, f"a finite number for '{name}'", repr(value), f"correct '{name}'")
    return float(value)


def real(row: Row, name: str) -> float:
    """Return one finite number."""
    if name not in row:
        fields = ", ".join(k for k in row if k not in ("id", "model", "se", "flags", "n"))
        raise refuse(row, f"a field '{name}'", fields or "no parameter", f"add '{name}'")
    return _check(row, name, row[name])


def reals(row: Row, name: str, least: int = 1) -> list[float]:
    """Return a list of at least `least` finite numbers."""
    values = row.get(name)
    if not isinstance(values, list | tuple) or len(values) < least:
        got = "nothing" if values is None else repr(values)
        raise refuse(row, f"a list of at least {least} numbers for '{name}'", got, f"give '{name}'")
    return [_check(row, f"{name}[{k}]", value) for k, value in enumerate(values)]


def intercept(row: Row, slope: float) -> float:
    """Return d of ``a theta + d`` from ``b``, or from ``intercept`` where the slope may be 0."""
    if "intercept" in row:
        return real(row, "intercept")
    return -slope * real(row, "b")
