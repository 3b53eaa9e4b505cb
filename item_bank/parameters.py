"""The parameter file ``acquis/item-parameters/1``: what calibration writes and everything else reads.

Logistic metric with D = 1; categories count from 0. ``docs/reference/parameters.md`` lists the fields.
Conversions from and to other programs' metrics live in :mod:`item_bank.conversion`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cat_engine.errors import InputError
from cat_engine.grid import Grid
from cat_engine.pool import ItemPool
from item_bank.tabular import LARGEST

__all__ = [
    "SCHEMA",
    "ParameterSet",
    "Population",
    "read_parameters",
    "write_parameters",
]

SCHEMA = "acquis/item-parameters/1"
"""What the key ``schema`` of a parameter file says."""

_OWN = ("schema", "dimensions", "population", "items")


@dataclass(frozen=True, slots=True)
class Population:
    """A latent normal distribution.

    Attributes
    ----------
    group
        Its name; ``"all"`` when there is one.
    mean
        One number a dimension.
    cov
        Covariance matrix, as rows.
    se
        Standard errors of what was estimated, by name.
    """

    group: str = "all"
    mean: tuple[float, ...] = (0.0,)
    cov: tuple[tuple[float, ...], ...] = ((1.0,),)
    se: Mapping[str, float] = field(default_factory=dict)

    @property
    def sd(self) -> float:
        """Standard deviation of the first dimension."""
        return float(np.sqrt(self.cov[0][0]))

    def grid(self, n: int = 61) -> Grid:
        """Return `n` nodes on mean +- 6 standard deviations, weighted by this population."""
        return Grid.normal(self.mean[0], self.sd, n=n)


@dataclass(frozen=True)
class ParameterSet:
    """What a parameter file holds.

    Attributes
    ----------
    items
        One dictionary an item: ``id``, ``model``, the model's fields, and what else the file says.
    population
        One entry a group.
    dimensions
        Names of the latent dimensions.
    fit
        Every other key of the file: ``loglik``, ``aic``, ``converged``, ...
    """

    items: list[dict[str, Any]]
    population: tuple[Population, ...] = (Population(),)
    dimensions: tuple[str, ...] = ("theta",)
    fit: Mapping[str, Any] = field(default_factory=dict)

    def pool(self, *, several: bool = False) -> ItemPool:
        """Return the items as a pool, without those that calibration had to leave out.

        Parameters
        ----------
        several
            Whether the caller can work in several dimensions (theta an array).

        Raises
        ------
        InputError
            When an item's fields are no model, or there are several dimensions and the caller wants one.
        """
        size = len(self.dimensions)
        if size > 1 and not several:
            raise InputError(
                f"expected item parameters of one dimension, got {size} ({', '.join(self.dimensions)}); "
                "only calibrate, score and fit work in several dimensions"
            )
        return ItemPool.from_rows([row for row in self.items if row.get("status") != "left-out"], size)

    def codes(self, recoded: bool = True) -> dict[str, Sequence[int]]:
        """Return the codes of the categories 0, 1, ... of each item in a file of responses.

        Parameters
        ----------
        recoded
            Whether the file is coded as the one was that the items were calibrated from; else it counts
            from 0. Items without parameters may hold anything: they say nothing.
        """
        pool = self.pool(several=True)
        known: dict[str, Sequence[int]] = {
            item: range(n) for item, n in zip(pool.ids, pool.n_cat.tolist(), strict=True)
        }
        if recoded:
            for row in self.items:
                codes = row.get("codes")
                if codes and len(codes) == len(known.get(row["id"], ())):
                    known[row["id"]] = [int(code) for code in codes]
        return known | {item: range(LARGEST + 1) for item in self.left_out}

    @property
    def left_out(self) -> tuple[str, ...]:
        """Ids of the items that have no parameters: nobody answered them, or all alike."""
        return tuple(row["id"] for row in self.items if row.get("status") == "left-out")

    def group(self, name: str | None = None) -> Population:
        """Return the population of one group; the only one when `name` is None."""
        names = [p.group for p in self.population]
        if name is None and len(names) == 1:
            return self.population[0]
        if name not in names:
            got = "no group" if name is None else f"'{name}'"
            raise InputError(
                f"expected a group among {', '.join(names)}, got {got} in the parameters' population; "
                "name one of them"
            )
        return self.population[names.index(name)]

    def to_dict(self) -> dict[str, Any]:
        """Return the file's content."""
        return {
            "schema": SCHEMA,
            **{key: value for key, value in self.fit.items() if key not in _OWN},
            "dimensions": list(self.dimensions),
            "population": [
                {
                    "group": p.group,
                    "mean": list(p.mean),
                    "cov": [list(row) for row in p.cov],
                    "se": dict(p.se),
                }
                for p in self.population
            ],
            "items": self.items,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], where: str = "the parameters") -> ParameterSet:
        """Return what `content` (a parsed parameter file) holds; `where` names it in errors."""
        schema = content.get("schema") if isinstance(content, Mapping) else None
        if schema != SCHEMA:
            raise InputError(
                f"expected a parameter file ('schema': '{SCHEMA}'), got schema {schema!r} in {where}; "
                "give a file written by 'acquis calibrate'"
            )
        items = content.get("items")
        if not isinstance(items, list) or not items or not all(isinstance(x, dict) for x in items):
            raise InputError(
                f"expected a list of items under 'items', got {_short(items)} in {where}; give at "
                "least one item"
            )
        dimensions = content.get("dimensions", ["theta"])
        named = isinstance(dimensions, list) and all(isinstance(x, str) and x for x in dimensions)
        if not named or not dimensions or len(set(dimensions)) < len(dimensions):
            raise InputError(
                f"expected a list of names under 'dimensions', each once, got {_short(dimensions)} in "
                f'{where}; write ["theta"], or one name a dimension'
            )
        groups = content.get("population", [{}])
        if not isinstance(groups, list) or not groups:
            raise InputError(
                f"expected a list of groups under 'population', got {_short(groups)} in {where}; give "
                "each group's mean and cov"
            )
        return cls(
            [dict(row) for row in items],
            tuple(_population(g, len(dimensions), where) for g in groups),
            tuple(dimensions),
            {key: value for key, value in content.items() if key not in _OWN},
        )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _population(group: Any, size: int, where: str) -> Population:
    default = {"mean": [0.0] * size, "cov": np.eye(size).tolist()}
    try:
        entry = {**default, **group}
        mean = np.array(entry["mean"], dtype=np.float64)
        cov = np.array(entry["cov"], dtype=np.float64)
        if mean.shape != (size,) or cov.shape != (size, size) or not np.isfinite(mean).all():
            raise ValueError
        if not (np.linalg.eigvalsh(cov) > 0.0).all() or not np.array_equal(cov, cov.T):
            raise ValueError
    except (TypeError, ValueError, np.linalg.LinAlgError):
        raise InputError(
            f"expected a group with a mean of {size} numbers and a symmetric, positive definite cov "
            f"of {size} x {size}, got {_short(group)} in {where}; correct 'population'"
        ) from None
    return Population(
        str(entry.get("group", "all")),
        tuple(mean.tolist()),
        tuple(tuple(row) for row in cov.tolist()),
        dict(entry.get("se") or {}),
    )


def read_parameters(path: str | os.PathLike[str]) -> ParameterSet:
    """Read a parameter file.

    Raises
    ------
    InputError
        When there is no such file, or it is not a parameter file.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"expected a parameter file, got none that can be read at {path} "
            f"({error.strerror}); correct the path"
        ) from None
    except ValueError as error:
        raise InputError(
            f"expected a parameter file in JSON, got something else in {path} ({error}); give a "
            "file written by 'acquis calibrate'"
        ) from None
    return ParameterSet.from_dict(content, str(path))


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _without_nan(v) for key, v in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_without_nan(v) for v in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def write_parameters(path: str | os.PathLike[str], parameters: ParameterSet) -> None:
    """Write a parameter file: one line an item, floats to the last bit, NaN and inf as null."""
    content = _without_nan(parameters.to_dict())
    items = content.pop("items")

    def text(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)

    head = "".join(f" {text(key)}: {text(value)},\n" for key, value in content.items())
    body = ",\n".join(f"  {text(row)}" for row in items)
    Path(path).write_text(f'{{\n{head} "items": [\n{body}\n ]\n}}\n', encoding="utf-8")
