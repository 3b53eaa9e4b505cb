"""Which item measures which dimensions, and whether responses can tell.

A pattern is a table of 0 and 1. A column called ``general`` that every item has makes a bifactor model: the
general dimension and each item's specific one, all uncorrelated; else dimensions are correlated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import combinations
from pathlib import Path

import numpy as np

from cat_engine.errors import InputError
from item_bank.tabular import read_table

__all__ = ["GENERAL", "Pattern", "read_pattern"]

GENERAL = "general"
"""The column that makes a model bifactor."""

ALIKE = 4
"""Items of one row of the pattern that are looked at: more of them identify nothing that these do not."""


@dataclass(frozen=True, eq=False)
class Pattern:
    """Slopes that are estimated.

    Attributes
    ----------
    dimensions
        Names; in a bifactor model the general dimension is the first.
    slopes
        Shape ``(n_items, D)``, bool.
    correlated
        Whether the dimensions' correlations are free; 0 otherwise, as in every bifactor model.
    """

    dimensions: tuple[str, ...]
    slopes: np.ndarray
    correlated: bool = True

    @property
    def bifactor(self) -> bool:
        """Whether it is a bifactor model."""
        return self.dimensions[0] == GENERAL

    @property
    def between(self) -> bool:
        """Whether every item measures one dimension alone."""
        return bool((self.slopes.sum(axis=1) == 1).all())

    @property
    def only(self) -> np.ndarray:
        """The dimension of each item, where that is one; in a bifactor model the specific one, 0 for none."""
        if not self.bifactor:
            return np.asarray(self.slopes.argmax(axis=1))
        specific = self.slopes[:, 1:]
        return np.where(specific.any(axis=1), specific.argmax(axis=1) + 1, 0)

    def take(self, rows: np.ndarray) -> Pattern:
        """Return the pattern of some items."""
        return Pattern(self.dimensions, self.slopes[rows], self.correlated)

    def undetermined(self) -> list[str]:
        """Return what the correlations between items leave undetermined: dimensions and their correlations.

        Answers in pairs determine at most the correlations of the items' latent responses, ``l_j' R l_k``. A
        direction in which slopes and correlations move without a change of these is not identified; it is
        looked for at arbitrary slopes (Wald, 1950; Bekker, Merckens & Wansbeek, 1994).
        """
        seen: dict[bytes, int] = {}
        rows = []
        for j, row in enumerate(self.slopes):
            seen[row.tobytes()] = seen.get(row.tobytes(), 0) + 1
            if seen[row.tobytes()] <= ALIKE:
                rows.append(j)
        pattern = self.slopes[rows]
        size = len(self.dimensions)
        random = np.random.default_rng(1)
        slopes = np.where(pattern, random.uniform(0.5, 1.5, pattern.shape), 0.0)
        correlation = np.eye(size)
        free = list(combinations(range(size), 2)) if self.correlated else []
        for d, e in free:
            correlation[d, e] = correlation[e, d] = random.uniform(0.1, 0.4)
        first, second = np.triu_indices(len(rows), 1)
        turned = slopes @ correlation
        names, columns = [], []
        for j, d in zip(*np.nonzero(pattern), strict=True):
            columns.append((first == j) * turned[second, d] + (second == j) * turned[first, d])
            names.append(f"dimension '{self.dimensions[d]}'")
        for d, e in free:
            columns.append(
                slopes[first, d] * slopes[second, e] + slopes[first, e] * slopes[second, d]
            )  # fmt: skip
            names.append(f"the correlation of '{self.dimensions[d]}' and '{self.dimensions[e]}'")
        jacobian = np.array(columns)
        values, vectors = np.linalg.eigh(jacobian @ jacobian.T)
        lost = (vectors[:, values < 1e-9 * values[-1]] ** 2).sum(axis=1)
        return list(dict.fromkeys(name for name, share in zip(names, lost, strict=True) if share > 1e-3))


def read_pattern(path: str | Path, items: Sequence[str], correlated: bool = True) -> Pattern:
    """Read a pattern for `items` from a file ``item,<dimension>,<dimension>,...`` of 0 and 1.

    Items of the file that are not among `items` are passed over, so that one file serves a whole bank.

    Raises
    ------
    InputError
        When an item has no row, two, or measures nothing; a cell is not 0 or 1; a dimension is measured by
        nothing; or a bifactor model has items without the general dimension or with two specific ones.
    """
    table = read_table(path)
    names = [name for name in table.names if name != "item"]
    if GENERAL in names:
        names = [GENERAL, *(name for name in names if name != GENERAL)]
    ids = table.texts("item")
    if len(names) < 2:
        raise InputError(
            f"expected a column for each of at least two dimensions beside 'item', got {len(names)} in "
            f"{path}; in one dimension leave --dimensions out and take a model such as 2pl"
        )
    cells = np.array([table.texts(name) for name in names])
    for d, name in enumerate(names):
        for r, cell in enumerate(cells[d]):
            if cell not in ("0", "1", ""):
                raise InputError(
                    f"expected 0 or 1 in the column '{name}', got '{cell}' in {table.place(r)}; write 1 "
                    "where the item measures the dimension"
                )
    row_of: dict[str, int] = {}
    for r, item in enumerate(ids):
        if row_of.setdefault(item, r) != r:
            raise InputError(f"expected one row an item, got '{item}' again in {table.place(r)}; keep one")
    for item in items:
        if item not in row_of:
            near = get_close_matches(item, ids, 1)
            hint = f"did you mean it by '{near[0]}'?" if near else "add its row"
            raise InputError(f"expected a row for every item of the responses, got none for '{item}'; {hint}")
    slopes = (cells[:, [row_of[item] for item in items]] == "1").T
    pattern = Pattern(tuple(names), slopes, correlated and GENERAL not in names)
    _check(pattern, items, path)
    return pattern


def _check(pattern: Pattern, items: Sequence[str], path: str | Path) -> None:
    """Refuse a pattern that is no model."""
    slopes = pattern.slopes
    for item, row in zip(items, slopes, strict=True):
        if not row.any():
            raise InputError(
                f"expected each item to measure a dimension, got only 0 for '{item}' in {path}; write a 1"
            )
        if pattern.bifactor and (not row[0] or row.sum() > 2):
            got = "no general dimension" if not row[0] else "several specific dimensions"
            raise InputError(
                "expected the general dimension and at most one other for each item of a bifactor model, got "
                f"{got} for '{item}' in {path}; for correlated dimensions rename the column '{GENERAL}'"
            )
    for d, name in enumerate(pattern.dimensions):
        if not slopes[:, d].any():
            raise InputError(
                f"expected an item that measures each dimension, got none for '{name}' in {path}; remove the "
                "column, or give it items"
            )
