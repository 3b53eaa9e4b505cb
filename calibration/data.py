"""Responses with their persons' groups and weights, as calibration asks for them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Protocol

import numpy as np

from calibration.em.packing import layout_of, pack
from calibration.em.persons import Here, Persons
from calibration.em.start import Some, axis_persons
from calibration.em.structure import Structure
from calibration.screening import Facts, Links, links_of
from cat_engine.errors import InputError
from item_bank.ranges import cut_persons
from item_bank.responses import Responses

__all__ = ["Chosen", "Data", "InMemory", "kept_persons", "ordered_groups"]


class Data(Facts, Protocol):
    """Responses, wherever they are; attributes as those of :class:`item_bank.responses.Responses`."""

    @property
    def recoded(self) -> Mapping[str, list[int]]: ...
    @property
    def n_responses(self) -> int: ...

    @property
    def began(self) -> float:
        """When reading had ended, by ``time.perf_counter``."""

    @property
    def links(self) -> Links:
        """What links the items."""

    def select(self, columns: np.ndarray) -> Chosen:
        """Return the items at these positions."""


class Chosen(Facts, Protocol):
    """Responses to the items that are calibrated."""

    def group_names(self, reference: str | None) -> list[str]:
        """Return the groups, reference first; ``["all"]`` without groups."""

    def some(self) -> Some | None:
        """Return the answers that starting values are taken from."""

    def persons(self, structure: Structure) -> Persons:
        """Return the persons who count, in groups, packed."""


class InMemory:
    """Responses in this process.

    Parameters
    ----------
    responses
        The responses.
    groups, weights
        Group and sampling weight of each person.
    cuts
        Where persons are cut into chunks.
    """

    def __init__(
        self,
        responses: Responses,
        groups: Sequence[str] | np.ndarray | None = None,
        weights: np.ndarray | None = None,
        cuts: np.ndarray | None = None,
    ) -> None:
        self.began = time.perf_counter()
        n = responses.n_persons
        weight = np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64)
        if weight.shape != (n,) or not np.isfinite(weight).all() or (weight < 0.0).any() or not weight.any():
            raise InputError(f"expected {n} weights, finite and not negative, one a person; correct them")
        labels = None if groups is None else np.array([str(g) for g in groups])
        if labels is not None and len(labels) != n:
            raise InputError(f"expected {n} groups, one a person, got {len(labels)}; correct them")
        self.responses, self._labels, self._weight = responses, labels, weight
        self._cuts = cut_persons(responses) if cuts is None else cuts
        self.items, self.n_cat, self.recoded = responses.items, responses.n_cat, responses.recoded
        self.counts, self.n_persons, self.n_responses = responses.counts, n, responses.n_responses

    @cached_property
    def links(self) -> Links:
        """What links the items."""
        return links_of(self.responses)

    def select(self, columns: np.ndarray) -> InMemory:
        """Return the items at these positions."""
        if len(columns) == self.responses.n_items:
            return self
        return InMemory(self.responses.select(columns), self._labels, self._weight, self._cuts)

    def group_names(self, reference: str | None) -> list[str]:
        """Return the groups, reference first; ``["all"]`` without groups."""
        present = None if self._labels is None else set(self._labels[self._kept].tolist())
        return ordered_groups(present, reference)

    @cached_property
    def _kept(self) -> np.ndarray:
        return kept_persons(self.responses, self._weight)

    def some(self) -> Some | None:
        """Return the answers that starting values are taken from."""
        rows = axis_persons(self.n_persons, len(self.items), self.responses.density)
        return None if rows is None else (self.responses.take(rows).dense(), self._weight[rows])

    def persons(self, structure: Structure) -> Here:
        """Return the persons who count, in groups, packed."""
        data, answers = [], []
        for name in structure.groups:
            chosen = self._kept if self._labels is None else self._kept & (self._labels == name)
            part, weight, bounds = self.responses, self._weight, self._cuts
            if not chosen.all():
                rows = np.flatnonzero(chosen)
                part, weight, bounds = part.take(rows), weight[rows], np.searchsorted(rows, bounds)
            layout = layout_of(part.n_cat, part.counts.sum(axis=1), part.n_persons)
            data.append(pack(part, weight, layout, bounds))
            answers.append(part)
        return Here(structure, data, answers)


def kept_persons(responses: Responses, weight: np.ndarray) -> np.ndarray:
    """Return which persons count: those with a response and a weight."""
    return np.asarray((responses.lengths > 0) & (weight > 0.0))


def ordered_groups(present: set[str] | None, reference: str | None) -> list[str]:
    """Return group names, reference first; `present` are those of persons who count, None without groups."""
    if present is None:
        if reference is not None:
            raise InputError(
                f"expected groups to take '{reference}' as the reference from, got none; give them"
            )
        return ["all"]
    names = sorted(present)
    if reference is None:
        return names
    if reference not in names:
        raise InputError(f"expected a reference group among {', '.join(names)}, got '{reference}'; name one")
    return [reference, *(name for name in names if name != reference)]
