"""The population in several dimensions: a normal distribution, part of which is free."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

__all__ = ["Moments", "MultivariateNormal"]


@dataclass(frozen=True, eq=False)
class Moments:
    """What persons' posteriors add up to: weight, sums of theta ``(D,)`` and of its products ``(D, D)``."""

    weight: float
    first: np.ndarray
    second: np.ndarray


@dataclass(frozen=True, eq=False)
class MultivariateNormal:
    """A normal distribution of theta with free means, variances and covariances, or 0 and the identity.

    Attributes
    ----------
    dimensions
        Names.
    free_mean, free_variance, correlated
        What is estimated; means are 0, variances 1 and covariances 0 where they are not.
    """

    dimensions: tuple[str, ...]
    free_mean: bool = False
    free_variance: bool = False
    correlated: bool = True

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Pairs of dimensions whose covariance is free."""
        return list(combinations(range(len(self.dimensions)), 2)) if self.correlated else []

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the free parameters: means, variances, covariances."""
        names = [f"mean({x})" for x in self.dimensions if self.free_mean]
        names += [f"var({x})" for x in self.dimensions if self.free_variance]
        return (*names, *(f"cov({self.dimensions[d]},{self.dimensions[e]})" for d, e in self.pairs))

    def start(self) -> np.ndarray:
        """Return starting values: correlations of 0.3."""
        size = len(self.dimensions)
        return np.array(
            [0.0] * size * self.free_mean + [1.0] * size * self.free_variance + [0.3] * len(self.pairs)
        )

    def box(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the bounds of the free parameters."""
        size = len(self.dimensions)
        most = 9.0 if self.free_variance else 0.995
        low = [-3.0] * size * self.free_mean + [0.01] * size * self.free_variance + [-most] * len(self.pairs)
        high = [3.0] * size * self.free_mean + [9.0] * size * self.free_variance + [most] * len(self.pairs)
        return np.array(low), np.array(high)

    def moments(self, free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean ``(D,)`` and covariance ``(D, D)``."""
        size = len(self.dimensions)
        mean, cov = np.zeros(size), np.eye(size)
        rest = free
        if self.free_mean:
            mean, rest = rest[:size].copy(), rest[size:]
        if self.free_variance:
            cov, rest = np.diag(rest[:size]), rest[size:]
        for (d, e), value in zip(self.pairs, rest, strict=True):
            cov[d, e] = cov[e, d] = value
        return mean, cov

    def gradient(self, free: np.ndarray, found: Moments) -> np.ndarray:
        """Return the derivative of the expected log density in the free parameters."""
        mean, cov = self.moments(free)
        precision = np.linalg.inv(cov)
        shift = found.first - found.weight * mean
        spread = found.second - np.outer(found.first, mean) - np.outer(mean, found.first)
        spread += found.weight * np.outer(mean, mean)
        slope = precision @ spread @ precision - found.weight * precision
        parts = [*(precision @ shift)] if self.free_mean else []
        parts += [*(0.5 * np.diag(slope))] if self.free_variance else []
        return np.array([*parts, *(slope[d, e] for d, e in self.pairs)])

    def information(self, free: np.ndarray, weight: float) -> np.ndarray:
        """Return the expected information of `weight` persons whose theta is known."""
        precision = np.linalg.inv(self.moments(free)[1])
        size = len(self.dimensions)
        out = np.zeros((len(free), len(free)))
        start = size * self.free_mean
        out[:start, :start] = precision[:start, :start]
        moves = [(d, d) for d in range(size)] * self.free_variance + self.pairs
        turned = []
        for d, e in moves:
            change = np.zeros((size, size))
            change[d, e] = change[e, d] = 1.0
            turned.append(precision @ change)
        for k, x in enumerate(turned):
            for m, y in enumerate(turned):
                out[start + k, start + m] = 0.5 * float(np.einsum("ab,ba->", x, y))
        return weight * out
