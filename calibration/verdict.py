"""Looking at estimates: what a person should know before an item is used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cat_engine.family import ItemModel

__all__ = ["FAR", "STEEP", "VAGUE", "flag_lines", "item_verdicts"]

STEEP = 5.0
"""A slope beyond this is flagged: so sharp a step is rarely real."""

FAR = 5.0
"""A threshold farther from 0 than this lies where hardly anybody is."""

VAGUE = 5.0
"""With a standard error beyond this a parameter might be anything."""


def item_verdicts(
    model: ItemModel,
    fields: dict[str, Any],
    errors: dict[str, Any],
    bounded: list[str],
    left: float | None,
) -> list[str]:
    """Return the flags that an item's estimates deserve.

    Parameters
    ----------
    model, fields, errors
        The item's model, its fields and their standard errors.
    bounded
        Parameters that ran to a bound.
    left
        What the item's parameters could still gain in log-likelihood; None when they are settled.
    """
    flags = []
    if left is not None:
        flags.append(f"not-converged: its parameters could still gain {left:.2g} in log-likelihood")
    flags += [
        f"at-bound: {name} ran to its bound, the responses set no limit; it has no standard error"
        for name in bounded
    ]
    a = fields.get("a")
    if a is not None and model.fixed.get("a") is None:
        if a < 0.0:
            flags.append("negative-slope: abler people do worse; check the key")
        if abs(a) > STEEP:
            flags.append(
                f"steep: slope {a:.1f}; the responses (nearly) separate people, or another item repeats them"
            )
    thresholds = np.atleast_1d(np.array(fields.get("b", []), dtype=np.float64))
    if thresholds.size and np.abs(thresholds).max() > FAR:
        flags.append("far: a threshold lies where hardly anybody is, so it is poorly known")
    c, u = fields.get("c"), fields.get("d")
    if c is not None and c < 1e-4:
        flags.append("asymptote-at-bound: the lower asymptote is 0")
    if u is not None and u > 1.0 - 1e-4:
        flags.append("asymptote-at-bound: the upper asymptote is 1")
    spread = [e for value in errors.values() for e in (value if isinstance(value, list) else [value])]
    known = np.array([e for e in spread if e is not None], dtype=np.float64)
    if not np.isfinite(known).all():
        flags.append("not-determined: the data say too little about a parameter for a standard error")
    elif known.size and known.max() > VAGUE:
        flags.append(
            f"not-determined: the data hardly say a parameter: its standard error is {known.max():.1f}"
        )
    return flags


def flag_lines(flagged: Mapping[str, Sequence[str]], n_items: int, *, named: int = 4) -> list[str]:
    """Say which items carry which flags, in few lines: what is said of many items is said once.

    Parameters
    ----------
    flagged
        Flags of each item that has any, ``code: explanation``.
    n_items
        Number of items there are.
    named
        Most items named in a line, and most lines of one code where every item has its own explanation.
    """
    by_code: dict[str, dict[str, list[str]]] = {}
    for item, flags in flagged.items():
        for flag in flags:
            by_code.setdefault(flag.split(":", 1)[0], {}).setdefault(flag, []).append(item)
    lines = []
    for code, by_flag in by_code.items():
        for flag, items in list(by_flag.items())[:named]:
            lines.append(f"{_named(items, n_items, named)}: {flag}")
        rest = {item for items in list(by_flag.values())[named:] for item in items}
        if rest:
            lines.append(f"{_named(sorted(rest, key=list(flagged).index), n_items, named)}: {code} as well")
    return lines


def _named(items: list[str], n_items: int, most: int) -> str:
    if len(items) == n_items > 1:
        return f"all {n_items} items"
    if len(items) <= most:
        return ", ".join(items)
    return f"{', '.join(items[: most - 1])} and {len(items) - most + 1} more items"
