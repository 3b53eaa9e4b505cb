"""The side that asks: responses whose persons a cluster's workers read, keep and add up."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from calibration.cluster import chunk
from calibration.cluster.chunk import Facts, Settled, Survey
from calibration.cluster.connection import Connection, connected
from calibration.data import ordered_groups
from calibration.em.packing import Layout, layout_of
from calibration.em.persons import Expected, Setting, Spread, added
from calibration.em.start import Some, axis_persons
from calibration.em.structure import Structure
from calibration.screening import Links, united
from cat_engine.errors import InputError
from item_bank.codes import category_maps, coded_counts
from item_bank.ranges import Ranges, ranges_of

__all__ = ["OnCluster", "There", "on_cluster"]


@contextmanager
def on_cluster(
    scheduler: str, responses: Any, recode: str | None, groups: Any, weights: Any
) -> Iterator[OnCluster]:
    """Give the responses of a file as the workers of a Dask cluster read them.

    Raises
    ------
    InputError
        Something is not a file's name, or the cluster or the file cannot be used.
    """
    if not isinstance(responses, str | Path):
        raise InputError(
            "expected the path of a response file that every worker can read with a scheduler, got responses "
            "in memory; write them to a file, or leave the scheduler out"
        )
    for name, value in (("groups", groups), ("weights", weights)):
        if value is not None and not isinstance(value, str):
            raise InputError(
                f"expected {name} as FILE:COLUMN with a scheduler, got them in memory; write them to a file"
            )
    ranges = ranges_of(responses)
    with connected(scheduler) as connection:
        yield OnCluster(connection, ranges, recode, _absolute(groups), _absolute(weights))


def _absolute(spec: str | None) -> str | None:
    """Name the same file for processes that run in another folder."""
    if spec is None or ":" not in spec:
        return spec
    path, _, column = spec.rpartition(":")
    return f"{Path(path).resolve()}:{column}"


class OnCluster:
    """Responses that workers read; what a range says is added up in the order of the file.

    Parameters
    ----------
    connection
        To the cluster.
    ranges
        The file.
    recode
        As in :func:`item_bank.responses.read_responses`.
    groups, weights
        ``FILE:COLUMN`` or None.
    """

    def __init__(
        self,
        connection: Connection,
        ranges: Ranges,
        recode: str | None,
        groups: str | None,
        weights: str | None,
    ) -> None:
        self._connection, self._groups, self._weights = connection, groups, weights
        self._held = [connection.submit(chunk.hold, ranges, k) for k in range(len(ranges))]
        asked = [
            connection.submit(chunk.survey, held, first)
            for held, first in zip(self._held, ranges.rows, strict=False)
        ]
        surveys: list[Survey] = connection.gather(asked)
        _check_people(surveys, ranges)
        place: dict[str, int] = {}
        where = [np.array([place.setdefault(i, len(place)) for i in s.items]) for s in surveys]
        counts = np.zeros((len(place), surveys[0].counts.shape[1]), np.int64)
        for survey, rows in zip(surveys, where, strict=True):
            counts[rows] += survey.counts
        self.items = list(place)
        maps, self.n_cat = category_maps(self.items, counts, recode, None, str(ranges.path))
        self.counts = coded_counts(counts, maps, self.n_cat)
        self.recoded = {self.items[j]: codes for j, codes in maps.items()}
        self.links: Links = united(len(place), [(w, s.links) for w, s in zip(where, surveys, strict=True)])
        self._first = np.cumsum([0, *(survey.n_persons for survey in surveys)]).tolist()
        self.n_persons = int(self._first[-1])
        self.n_responses = sum(survey.n_responses for survey in surveys)
        self._maps, self._digests = maps, [survey.digest for survey in surveys]
        self.began = time.perf_counter()

    def select(self, columns: np.ndarray) -> Selected:
        """Return the items at these positions."""
        settled = Settled(
            self.items, self._maps, self.n_cat, columns, self._groups, self._weights, self.n_persons
        )
        submit = self._connection.submit
        held = [
            submit(chunk.settle, raw, digest, settled, first)
            for raw, digest, first in zip(self._held, self._digests, self._first, strict=False)
        ]
        found: list[Facts] = self._connection.gather([submit(chunk.facts, h) for h in held])
        self._held = []  # the workers may forget what the settled answers were made from
        return Selected(self, self._connection, held, found, columns)


class Selected:
    """The responses to the items that are calibrated; attributes as those of `OnCluster`."""

    def __init__(
        self,
        whole: OnCluster,
        connection: Connection,
        held: list[Any],
        found: list[Facts],
        columns: np.ndarray,
    ) -> None:
        self._connection, self._held, self._facts, self._first = connection, held, found, whole._first
        self.items = [whole.items[j] for j in columns]
        self.n_cat = whole.n_cat[columns]
        self.counts = sum((fact.counts for fact in found), np.zeros_like(found[0].counts))
        self.n_persons = whole.n_persons
        self.n_responses = int(self.counts.sum())
        self._grouped = whole._groups is not None
        if not any(fact.n_persons for fact in found):
            raise InputError(
                f"expected {self.n_persons} weights, finite and not negative, one a person; correct them"
            )

    def group_names(self, reference: str | None) -> list[str]:
        """Return the groups, reference first; ``["all"]`` without groups."""
        present = {name for fact in self._facts for name in fact.n_persons}
        return ordered_groups(present if self._grouped else None, reference)

    def some(self) -> Some | None:
        """Return the answers that starting values are taken from: the only ones that travel."""
        density = self.n_responses / max(1, self.n_persons * len(self.items))
        rows = axis_persons(self.n_persons, len(self.items), density)
        if rows is None:
            return None
        asked = []
        for held, low, high in zip(self._held, self._first, self._first[1:], strict=False):
            chosen = rows[(rows >= low) & (rows < high)] - low
            asked.append(self._connection.submit(chunk.some, held, chosen))
        found = self._connection.gather(asked)
        return np.concatenate([x for x, _ in found]), np.concatenate([weight for _, weight in found])

    def persons(self, structure: Structure) -> There:
        """Return the persons who count, in groups, packed."""
        layouts = []
        for name in structure.groups:
            counts = sum(f.by_group[name].sum(axis=1) for f in self._facts if name in f.by_group)
            n = sum(fact.n_persons.get(name, 0) for fact in self._facts)
            layouts.append(layout_of(self.n_cat, np.asarray(counts), n))
        held = [
            self._connection.submit(chunk.packed, answers, fact.digest, structure, layouts)
            for answers, fact in zip(self._held, self._facts, strict=True)
        ]
        return There(self._connection, structure, layouts, held)


class There:
    """Persons whom workers hold, range by range; see :class:`calibration.em.persons.Persons`."""

    def __init__(
        self, connection: Connection, structure: Structure, layouts: Sequence[Layout], held: list[Any]
    ) -> None:
        self._connection, self._structure, self._layouts, self._held = connection, structure, layouts, held
        found = connection.gather([connection.submit(chunk.sizes, h) for h in held])
        self.n_rows = sum(rows for rows, _, _ in found)
        self.n_persons = sum(sum(persons) for _, persons, _ in found)
        self.weight = sum(sum(weights[g] for _, _, weights in found) for g in range(len(layouts)))

    def expect(self, at: Setting) -> Expected:
        """Do the E-step."""
        asked = [self._connection.submit(chunk.expect, held, at.bare()) for held in self._held]
        return added(self._structure, self._layouts, self._connection.gather(asked), at)

    def spread(self, at: Setting, latent: Sequence[np.ndarray], cross: bool) -> list[Spread]:
        """Return each group's spread of the score; the matrices are large and come one range at a time."""
        asked = [self._connection.submit(chunk.spread, h, at.bare(), latent, cross) for h in self._held]
        total: list[Spread] = []
        while asked:
            part: list[Spread] = self._connection.gather([asked.pop(0)])[0]
            if not total:
                total = [(np.zeros_like(spread), np.zeros_like(meat)) for spread, meat in part]
            for sums, found in zip(total, part, strict=True):
                for whole, matrix in zip(sums, found, strict=True):
                    whole += matrix
        return total


def _check_people(surveys: Sequence[Survey], ranges: Ranges) -> None:
    """Refuse a person who stands in two ranges, whose answers no worker would see together."""
    parts = [survey.people for survey in surveys if survey.people is not None]
    if not parts:
        return
    people = np.sort(np.concatenate(parts))
    twice = people[1:][people[1:] == people[:-1]]
    if len(twice):
        where = [k for k, part in enumerate(parts) if (part == twice[0]).any()]
        rows = " and ".join(f"{ranges.rows[k] + 1} to {ranges.rows[k + 1]}" for k in where[:2])
        raise InputError(
            f"expected the rows of each person to stand together in {ranges.path}, got the same person in "
            f"rows {rows}; sort the file by person (with a scheduler no worker sees the whole file)"
        )
