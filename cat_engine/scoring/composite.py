"""What scoring in several dimensions starts from: items along their composites, and the normal population.

A compensatory item is a one-dimensional item of the composite ``slopes . theta``
(:mod:`cat_engine.models.compensatory`): kernels are given its slopes and its *line*, the table of that
one-dimensional item, and use the formulas of the family as they are.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cat_engine.answers import Answers
from cat_engine.errors import InputError
from cat_engine.family import Table
from cat_engine.pool import Block, ItemPool

__all__ = ["Part", "Population", "parts", "slopes_of"]


class Population(NamedTuple):
    """A normal distribution of theta.

    Attributes
    ----------
    mean
        Shape ``(D,)``.
    cov
        Covariance matrix, shape ``(D, D)``.
    """

    mean: np.ndarray
    cov: np.ndarray

    @classmethod
    def of(cls, mean: np.ndarray, cov: np.ndarray, dimensions: int) -> Population:
        """Return the population, checked.

        Raises
        ------
        InputError
            Where `mean` and `cov` are not of `dimensions`, or `cov` is no covariance matrix.
        """
        mean, cov = np.array(mean, dtype=np.float64), np.array(cov, dtype=np.float64)
        sized = mean.shape == (dimensions,) and cov.shape == (dimensions, dimensions)
        if not (sized and np.isfinite(mean).all() and np.isfinite(cov).all()):
            raise InputError(
                f"expected a population of {dimensions} finite means and a {dimensions} x {dimensions} "
                f"covariance matrix, got shapes {mean.shape} and {cov.shape}; give one entry a dimension"
            )
        if not np.array_equal(cov, cov.T) or not (np.linalg.eigvalsh(cov) > 0.0).all():
            raise InputError(
                f"expected a symmetric, positive definite covariance matrix, got {cov.tolist()} for the "
                "population; correct it"
            )
        return cls(mean, cov)

    @property
    def sd(self) -> np.ndarray:
        """Standard deviations, shape ``(D,)``."""
        return np.asarray(np.sqrt(np.diag(self.cov)))

    @property
    def precision(self) -> np.ndarray:
        """Inverse of the covariance matrix."""
        return np.asarray(np.linalg.inv(self.cov))


class Part(NamedTuple):
    """The items of one block of a pool, and the answers to them.

    Attributes
    ----------
    line
        Table of the items as items of their composite.
    slopes
        Shape ``(rows, D)``.
    answers
        Their items are rows of `line`.
    """

    line: Table
    slopes: np.ndarray
    answers: Answers


def _along(block: Block) -> tuple[Table, np.ndarray]:
    """Return the line and the slopes of a block; a one-dimensional item is its own composite."""
    if block.model.dimensions == 1:
        return block.table, np.ones((len(block.index), 1))
    return block.table.line, block.table.slopes


def parts(pool: ItemPool, answers: Answers) -> list[Part]:
    """Return the blocks of `pool` with the answers to each."""
    return [
        Part(*_along(block), part) for block, part in zip(pool.blocks, answers.by_block(pool), strict=True)
    ]


def slopes_of(pool: ItemPool) -> np.ndarray:
    """Return the slopes of every item, shape ``(n, D)``."""
    slopes = np.empty((len(pool), pool.dimensions))
    for block in pool.blocks:
        slopes[block.index] = _along(block)[1]
    return slopes
