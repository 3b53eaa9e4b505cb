"""Looking at responses before estimation: what cannot be calibrated, and what deserves a warning.

An item that cannot be calibrated (nobody answered it, everybody answered alike) is left out and flagged;
every other flag warns and the item stays in. Flags are ``code: explanation`` for a person to read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calibration.kernels.screening import fingerprints, fingerprints_complete, islands
from calibration.sentences import Sentence
from cat_engine.family import ItemModel
from item_bank.responses import Responses

__all__ = ["FEWEST", "Screening", "screen"]

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


def screen(responses: Responses, models: Sequence[ItemModel]) -> Screening:
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
    notes = _twins(responses, flags) + _islands(responses, np.array(keep, np.int64), flags)
    empty = int(np.count_nonzero(responses.lengths == 0))
    if empty:
        notes.append(Sentence("persons-without-response", n=empty, of=responses.n_persons))
    return Screening(np.array(keep, np.int64), flags, notes)


def _twins(responses: Responses, flags: list[list[str]]) -> list[Sentence]:
    marks = np.zeros(responses.n_items, np.uint64)
    if responses.is_complete:
        fingerprints_complete(responses.dense(), marks)
    else:
        fingerprints(responses.indptr, responses.item, responses.category, marks)
    first: dict[int, int] = {}
    twins = 0
    for j, mark in enumerate(marks.tolist()):
        other = first.setdefault(mark, j)
        if other != j and mark != 0:
            flags[j].append(f"duplicate: the same responses as item '{responses.items[other]}'")
            twins += 1
    return [Sentence("repeated-items", n=twins)] if twins else []


def _islands(responses: Responses, keep: np.ndarray, flags: list[list[str]]) -> list[Sentence]:
    if responses.is_complete:
        return []
    parent = np.arange(responses.n_items, dtype=np.int64)
    islands(responses.indptr, responses.item, parent)
    roots, sizes = np.unique(parent[keep], return_counts=True)
    if len(roots) < 2:
        return []
    mainland = roots[sizes.argmax()]
    for j in keep:
        if parent[j] != mainland:
            flags[j].append(
                "disconnected: nobody answered it together with the main set of items; only the population "
                "assumed for its persons puts it on their scale"
            )
    return [Sentence("islands", n=len(roots))]
