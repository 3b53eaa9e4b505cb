"""What rated difficulties are worth: several grades an item, turned into a location and its standard error.

A grade is a judgement. Two things make it uncertain: raters disagree, which the ratings show; and raters who
agree may agree on what is wrong, which no rating shows and only data will. The second part is assumed
(:data:`BLIND`), and said to be.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

__all__ = ["BLIND", "MIDDLE", "PRIOR", "disagreement", "location", "read_grades"]

BLIND = 0.9
"""Assumed standard deviation, in logits, of what every rater of an item misses alike."""
MIDDLE = 3.0
"""The grade that stands at a location of 0; a grade is worth one logit."""
PRIOR = 4.0
"""How many degrees of freedom the whole bank's disagreement weighs against an item's own."""


def read_grades(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the readers' grades by item, in the order of the file; nothing where there is no such file."""
    grades: dict[str, tuple[int, ...]] = {}
    if path.exists():
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                grades[row["item"]] = (*grades.get(row["item"], ()), int(row["grade"]))
    return grades


def disagreement(ratings: Iterable[Sequence[float]]) -> float:
    """Return the variance between raters of one item, pooled over `ratings` (one sequence an item).

    1 when no item was rated twice.
    """
    squares, freedom = 0.0, 0
    for grades in ratings:
        mean = sum(grades) / len(grades)
        squares += sum((grade - mean) ** 2 for grade in grades)
        freedom += len(grades) - 1
    return squares / freedom if freedom else 1.0


def location(grades: Sequence[float], between: float = 1.0) -> tuple[float, float]:
    """Return the location of an item and its standard error, in logits.

    Parameters
    ----------
    grades
        At least one, on 1 to 5.
    between
        The variance between raters over the bank (:func:`disagreement`). An item's own is shrunk towards it,
        for three grades say little about how far raters differ.
    """
    mean = sum(grades) / len(grades)
    own = sum((grade - mean) ** 2 for grade in grades)
    variance = (PRIOR * between + own) / (PRIOR + len(grades) - 1)
    return mean - MIDDLE, math.sqrt(BLIND**2 + variance / len(grades))
