"""Looking at responses before estimation: what cannot be calibrated, and what deserves a warning.

An item that cannot be calibrated (nobody answered it, everybody answered alike) is left out and flagged;
every other flag warns and the item stays in. Flags are ``code: explanation`` for a person to read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from calibration.kernels.screening import fingerprints, fingerprints_complete, islands
from calibration.sentences import Sentence
from cat_engine.family import ItemModel
from item_bank.responses import Responses

__all__ = ["FEWEST", "Facts", "Links", "Screening", "links_of", "screen", "united"]

FEWEST = {
    "rasch": 50,
    "1pl": 50,
    "2pl": 200,
    "3pl": 1000,
    "4pl": 2000,
    "grm": 250,
    "gpcm": 250,
    "pcm": 100,
    "rsm": 50,
    "nrm": 500,
}
"""Responses an item should have, by model; with fewer it is calibrated and flagged. Linacre (1994) for the
Rasch family, Drasgow (1989) for the 2PL, Reise & Yu (1990) for graded items, de Ayala (2009) for the rest."""

RARE = 5
"""A category with fewer responses is called rare, an item with fewer outside one category nearly constant."""


@dataclass(frozen=True)
class Screening:
    """What screening found.

    Attributes
    ----------
    keep
        Positions of the items that can be calibrated.
    flags
        Flags of every item.
    notes
        What concerns the whole data set.
    """

    keep: np.ndarray
    flags: list[list[str]]
    notes: list[Sentence]


class Facts(Protocol):
    """What counting says about responses, wherever they are; see :class:`item_bank.responses.Responses`."""

    @property
    def items(self) -> list[str]: ...
    @property
    def n_cat(self) -> np.ndarray: ...
    @property
    def counts(self) -> np.ndarray: ...
    @property
    def n_persons(self) -> int: ...


class Coded(Facts, Protocol):
    """The same, and which codes were named anew."""

    @property
    def recoded(self) -> Mapping[str, list[int]]: ...


@dataclass(frozen=True, eq=False)
class Links:
    """What one pass over the responses says about items together.

    Attributes
    ----------
    marks
        A number an item: equal ones mean equal responses by the same persons.
    roots
        A number an item: equal ones mean that persons link the items.
    empty
        Persons without a response.
    """

    marks: np.ndarray
    roots: np.ndarray
    empty: int


def links_of(responses: Responses, first: int = 0) -> Links:
    """Return the links between the items of `responses`; `first` persons stand before them elsewhere."""
    marks = np.zeros(responses.n_items, np.uint64)
    roots = np.zeros(responses.n_items, np.int64)
    if responses.is_complete and not responses.is_sparse:
        fingerprints_complete(responses.dense(), first, marks)
    else:
        roots = np.arange(responses.n_items, dtype=np.int64)
        fingerprints(responses.indptr, responses.item, responses.category, first, marks)
        islands(responses.indptr, responses.item, roots)
    return Links(marks, roots, int(np.count_nonzero(responses.lengths == 0)))


def united(n_items: int, parts: Sequence[tuple[np.ndarray, Links]]) -> Links:
    """Return the links of all persons from those of some, each with the positions of its items."""
    marks = np.zeros(n_items, np.uint64)
    pairs: list[np.ndarray] = []
    for place, links in parts:
        np.add.at(marks, place, links.marks)
        pairs.append(np.stack([place, place[links.roots]], axis=1))
    joined = np.concatenate(pairs)
    roots = np.arange(n_items, dtype=np.int64)
    islands(2 * np.arange(len(joined) + 1), joined.reshape(-1).astype(np.int32), roots)
    return Links(marks, roots, sum(links.empty for _, links in parts))


def screen(responses: Coded, models: Sequence[ItemModel], links: Links) -> Screening:
    """Return what is wrong or doubtful in `responses`, one model an item."""
    counts = responses.counts
    n = counts.sum(axis=1)
    flags: list[list[str]] = [[] for _ in responses.items]
    keep = []
    for j, model in enumerate(models):
        size = int(responses.n_cat[j])
        used = np.flatnonzero(counts[j])
        if len(used) == 0:
            flags[j].append("no-responses: nobody answered it; not calibrated")
            continue
        if len(used) == 1:
            flags[j].append(f"constant: every response is {used[0]}; not calibrated")
            continue
        keep.append(j)
        outside = int(n[j] - counts[j].max())
        if outside < RARE and outside < 0.1 * n[j]:
            top = int(counts[j].argmax())
            flags[j].append(f"nearly-constant: all but {outside} of {n[j]} responses are {top}")
        elif size > 2:
            rare = [k for k in range(size) if counts[j, k] < RARE]
            if rare:
                shown = ", ".join(f"{k} ({counts[j, k]})" for k in rare)
                flags[j].append(f"rare-category: few responses in category {shown}")
        if n[j] < FEWEST.get(model.code, 0):
            flags[j].append(f"few-responses: {n[j]}, the {model.code} model asks for {FEWEST[model.code]}")
    notes = _twins(responses, links, flags) + _islands(links, np.array(keep, np.int64), flags)
    if links.empty:
        notes.append(Sentence("persons-without-response", n=links.empty, of=responses.n_persons))
    if responses.recoded:  # a code for what is missing, taken for a category, is seen here
        item, codes = next(iter(responses.recoded.items()))
        shown = ", ".join(map(str, codes))
        notes.append(
            Sentence("recoded", n=len(responses.recoded), item=item, codes=shown, top=len(codes) - 1)
        )
    return Screening(np.array(keep, np.int64), flags, notes)


def _twins(responses: Facts, links: Links, flags: list[list[str]]) -> list[Sentence]:
    first: dict[int, int] = {}
    twins = 0
    for j, mark in enumerate(links.marks.tolist()):
        other = first.setdefault(mark, j)
        if other != j and mark != 0:
            flags[j].append(f"duplicate: the same responses as item '{responses.items[other]}'")
            twins += 1
    return [Sentence("repeated-items", n=twins)] if twins else []


def _islands(links: Links, keep: np.ndarray, flags: list[list[str]]) -> list[Sentence]:
    roots, sizes = np.unique(links.roots[keep], return_counts=True)
    if len(roots) < 2:
        return []
    mainland = roots[sizes.argmax()]
    for j in keep:
        if links.roots[j] != mainland:
            flags[j].append(
                "disconnected: nobody answered it together with the main set of items; only the population "
                "assumed for its persons puts it on their scale"
            )
    return [Sentence("islands", n=len(roots))]
