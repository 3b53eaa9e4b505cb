"""What a worker does with one range of the file: read it, look at it, pack it, add it up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple

import numba
import numpy as np

import cat_engine.models  # noqa: F401 - registers the family, whose models arrive by name
from calibration.cluster.held import Held
from calibration.data import kept_persons
from calibration.em.packing import Layout, pack
from calibration.em.persons import Here, Part, Setting, Spread
from calibration.em.start import Some
from calibration.em.structure import Structure
from calibration.screening import Links, links_of
from cat_engine.errors import InputError
from item_bank.covariates import Covariate
from item_bank.ranges import Ranges
from item_bank.responses import Responses

__all__ = ["Answers", "Facts", "Settled", "Survey"]


class Survey(NamedTuple):
    """What a range says before anything is settled.

    Attributes
    ----------
    items
        Item ids in the order of first appearance.
    counts
        Number of responses of each item with each code.
    n_persons, n_responses
        How many.
    people
        A 64-bit digest of each person's id; None without ids.
    links
        What links the items.
    digest
        Of the responses, to know them again.
    """

    items: list[str]
    counts: np.ndarray
    n_persons: int
    n_responses: int
    people: np.ndarray | None
    links: Links
    digest: bytes


@dataclass(frozen=True)
class Settled:
    """What all ranges together have settled.

    Attributes
    ----------
    items
        Every item, in the order of the file.
    maps, n_cat
        Codes to replace and numbers of categories, as :meth:`item_bank.responses.Responses.coded` takes them.
    columns
        Items that can be calibrated.
    groups, weights
        Covariates (``FILE:COLUMN``), or None.
    n_persons
        All persons.
    """

    items: list[str]
    maps: Mapping[int, list[int]]
    n_cat: np.ndarray
    columns: np.ndarray
    groups: str | None
    weights: str | None
    n_persons: int


@dataclass(frozen=True, eq=False)
class Answers:
    """Responses of a range to the items that are calibrated, with groups and weights."""

    responses: Responses
    labels: np.ndarray | None
    weight: np.ndarray

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self.responses.nbytes

    @property
    def digest(self) -> bytes:
        """Of groups and weights, to know them again."""
        found = blake2b(self.weight.tobytes(), digest_size=16)
        if self.labels is not None:
            found.update("\0".join(self.labels.tolist()).encode())
        return found.digest()


class Facts(NamedTuple):
    """What a range says about its persons who count.

    Attributes
    ----------
    counts
        Number of responses of each item in each category, all persons.
    n_persons, by_group
        Number of persons and counts of each group.
    digest
        Of groups and weights.
    """

    counts: np.ndarray
    n_persons: dict[str, int]
    by_group: dict[str, np.ndarray]
    digest: bytes


ALL = "all"


def read(ranges: Ranges, k: int) -> Responses:
    """Read range `k`."""
    if not ranges.path.exists():
        raise InputError(
            f"expected a file that every worker can read, there is no {ranges.path} where the worker at "
            f"{_address()} runs; put it in a folder that all workers share under this path"
        )
    return ranges.read(k)


def _address() -> str:
    import distributed

    worker: Any = distributed
    return str(worker.get_worker().address)


def hold(ranges: Ranges, k: int) -> Held[Responses]:
    """Read range `k` and keep it."""
    return Held.now(read, ranges, k)


def survey(held: Held[Responses], first: int) -> Survey:
    """Look at a range; at most `first` persons stand before it in the file."""
    responses = held.value
    people = None
    if responses.persons is not None:
        ids = (blake2b(person.encode(), digest_size=8).digest() for person in responses.persons)
        people = np.frombuffer(b"".join(ids), np.uint64)
    return Survey(
        responses.items,
        responses.counts,
        responses.n_persons,
        responses.n_responses,
        people,
        links_of(responses, first),
        _digest(responses),
    )


def _digest(responses: Responses) -> bytes:
    found = blake2b("\0".join((*responses.items, "", *(responses.persons or ()))).encode(), digest_size=16)
    if responses.is_sparse:
        for array in (responses.indptr, responses.item, responses.category):
            found.update(np.ascontiguousarray(array).data)
    else:
        found.update(np.ascontiguousarray(responses.dense()).data)
    return found.digest()


def settle(held: Held[Responses], digest: bytes, settled: Settled, first: int) -> Held[Answers]:
    """Return the answers of a range that `first` persons stand before, and keep them."""
    return Held.now(_answers, held, digest, settled, first)


def _answers(responses: Responses, digest: bytes, settled: Settled, first: int) -> Answers:
    if _digest(responses) != digest:
        raise InputError(
            "expected the response file as it was when the calibration began, got other content on the "
            f"worker at {_address()}; leave the file alone until the calibration has ended, and start again"
        )
    if responses.items != settled.items:
        responses = responses.among(settled.items)
    responses = responses.coded(settled.maps, settled.n_cat)
    labels, weight = None, np.ones(responses.n_persons)
    span = first, settled.n_persons
    if settled.groups is not None:
        found = Covariate.named(settled.groups, "groups", "people.csv:group").groups(responses, *span)
        labels = np.array(found, dtype=object)
    if settled.weights is not None:
        weight = Covariate.named(settled.weights, "weights", "people.csv:weight").weights(responses, *span)
        if not np.isfinite(weight).all() or (weight < 0.0).any():
            raise InputError(
                f"expected weights that are finite and not negative in {settled.weights}, got others; "
                "correct them"
            )
    if len(settled.columns) < len(settled.items):
        responses = responses.select(settled.columns)
    return Answers(responses, labels, weight)


def facts(held: Held[Answers]) -> Facts:
    """Say who counts in a range."""
    answers = held.value
    kept = kept_persons(answers.responses, answers.weight)
    names = [ALL] if answers.labels is None else sorted(set(answers.labels[kept].tolist()))
    sizes, counts = {}, {}
    for name in names:
        part = _group(answers, name, kept)[0]
        sizes[name], counts[name] = part.n_persons, part.counts
    return Facts(answers.responses.counts, sizes, counts, answers.digest)


def _group(answers: Answers, name: str, kept: np.ndarray) -> tuple[Responses, np.ndarray]:
    chosen = kept if answers.labels is None else kept & (answers.labels == name)
    if chosen.all():
        return answers.responses, answers.weight
    rows = np.flatnonzero(chosen)
    return answers.responses.take(rows), answers.weight[rows]


def some(held: Held[Answers], rows: np.ndarray) -> Some:
    """Return the categories and weights of some persons."""
    return held.value.responses.take(rows).dense(), held.value.weight[rows]


def packed(held: Held[Answers], digest: bytes, structure: Structure, layouts: Sequence[Layout]) -> Held[Here]:
    """Return the persons of a range in groups, packed, and keep them."""
    return Held.now(_persons, held, digest, structure, layouts)


def _persons(answers: Answers, digest: bytes, structure: Structure, layouts: Sequence[Layout]) -> Here:
    if answers.digest != digest:
        raise InputError(
            "expected groups and weights as they were when the calibration began, got others on the worker "
            f"at {_address()}; leave their file alone until the calibration has ended, and start again"
        )
    kept = kept_persons(answers.responses, answers.weight)
    data, parts = [], []
    for name, layout in zip(structure.groups, layouts, strict=True):
        part, weight = _group(answers, name, kept)
        data.append(pack(part, weight, layout, np.array([0, part.n_persons])))
        parts.append(part)
    return Here(structure, data, parts)


def sizes(held: Held[Here]) -> tuple[int, list[int], list[float]]:
    """Return the number of table rows, and persons and weight of each group."""
    data = held.value.data
    return held.value.n_rows, [part.n_persons for part in data], [sum(part.weights) for part in data]


def expect(held: Held[Here], at: Setting) -> list[Part]:
    """Do the E-step: the sums of each group."""
    numba.set_num_threads(1)
    return held.value.parts(at)[0]


def spread(held: Held[Here], at: Setting, latent: Sequence[np.ndarray], cross: bool) -> list[Spread]:
    """Return each group's spread of the score."""
    numba.set_num_threads(1)
    return held.value.spread(at, latent, cross)
