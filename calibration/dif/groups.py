"""The two groups that are compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cat_engine.errors import InputError
from item_bank.responses import Responses

__all__ = ["LEAST_PERSONS", "Pair", "pair_of"]

LEAST_PERSONS = 25
"""Persons that a group must have for a comparison to be made at all."""


class Pair(NamedTuple):
    """A reference and a focal group.

    Attributes
    ----------
    responses
        Of the persons of the two groups.
    focal
        Which of them belong to the focal group, bool, shape ``(N,)``.
    reference_name, focal_name
        Their names.
    rows
        Positions of the persons in the responses that were given.
    """

    responses: Responses
    focal: np.ndarray
    reference_name: str
    focal_name: str
    rows: np.ndarray

    @property
    def names(self) -> list[str]:
        """Each person's group."""
        return [self.focal_name if f else self.reference_name for f in self.focal]


def pair_of(
    responses: Responses,
    groups: Sequence[str],
    reference: str | None = None,
    focal: str | None = None,
) -> Pair:
    """Return the two groups to compare.

    Parameters
    ----------
    groups
        Each person's group.
    reference
        By default alphabetically first (of those that are not `focal`).
    focal
        By default the other one; to be named where there are more than two.

    Raises
    ------
    InputError
        For fewer than two groups, unknown names, more than two groups without `focal`, a group of fewer
        than `LEAST_PERSONS` persons.
    """
    of = np.array([str(g) for g in groups])
    if len(of) != responses.n_persons:
        raise InputError(f"expected {responses.n_persons} groups, one a person, got {len(of)}; give one each")
    names = sorted(set(of.tolist()))
    if len(names) < 2:
        raise InputError(f"expected at least two groups, got {names}; name a column that tells persons apart")
    for told in (reference, focal):
        if told is not None and told not in names:
            raise InputError(f"expected a group among {', '.join(names)}, got '{told}'; name one of them")
    if reference is None:
        reference = next(name for name in names if name != focal)
    others = [name for name in names if name != reference]
    if focal is None:
        if len(others) > 1:
            raise InputError(
                f"expected the focal group to be named, got {len(names)} groups ({', '.join(names)}); "
                "add --focal GROUP"
            )
        focal = others[0]
    if focal == reference:
        raise InputError(f"expected two different groups, got '{focal}' as both; name another focal group")
    rows = np.flatnonzero((of == reference) | (of == focal))
    is_focal = of[rows] == focal
    for name, size in ((reference, int((~is_focal).sum())), (focal, int(is_focal.sum()))):
        if size < LEAST_PERSONS:
            raise InputError(
                f"expected at least {LEAST_PERSONS} persons in each group, got {size} in '{name}'; "
                "there is nothing to compare"
            )
    return Pair(responses.take(rows), is_focal, reference, focal, rows)
