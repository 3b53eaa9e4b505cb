"""What a way to integrate over several dimensions offers to the likelihood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from calibration.multidimensional.population import Moments

__all__ = ["Expected", "Integral"]


@dataclass(frozen=True, eq=False)
class Expected:
    """What one E-step adds up to.

    Attributes
    ----------
    loglik
        Marginal log-likelihood.
    counts
        Expected counts of every category at every node, flat as in :class:`calibration.em.structure.Block`.
    moments
        Of the persons' posteriors.
    """

    loglik: float
    counts: np.ndarray
    moments: Moments


class Integral(Protocol):
    """Persons and a way to integrate their likelihood.

    Attributes
    ----------
    nodes
        Where items are tabulated: ``(Q,)``, or ``(Q, D)`` where an item measures several dimensions.
    n_persons, weight
        Number of persons, and sum of their weights.
    n_rows
        What an E-step costs, in terms to add up.
    """

    nodes: np.ndarray
    n_persons: int
    n_rows: int
    weight: float

    def follow(self, last: bool = False) -> bool:
        """Move what follows the persons if that is needed, more exactly at the `last`; say whether it was."""

    def expect(self, flat: np.ndarray, mean: np.ndarray, cov: np.ndarray, fine: bool = True) -> Expected:
        """Do the E-step from log-probabilities over the nodes for a normal population, roughly or `fine`."""

    def spread(self, flat: np.ndarray, slopes: np.ndarray, mean: np.ndarray, cov: np.ndarray) -> np.ndarray:
        """Return the posterior covariance of the scores, a lower triangle; slopes: ``(categories, Q, P)``."""
