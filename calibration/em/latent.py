"""The population: how latent ability is distributed in each group.

Every distribution is a set of weights on the common nodes, normalised there, with derivatives in its own
free parameters. The grid follows the groups' moments (`grid_for`), so nothing depends on where it stands.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Normal", "Weights", "grid_for"]

LEAST_SD = 0.005
MOST_SD = 50.0
"""A latent standard deviation stays between these; at the lower one the variance is flagged as 0."""

HALF_WIDTH = 6.0
MOST_NODES = 241


@dataclass(frozen=True, eq=False)
class Weights:
    """A distribution on the nodes.

    Attributes
    ----------
    log
        Log weight of each node, shape ``(Q,)``; the weights sum to 1.
    slopes
        Its derivatives in the free parameters, shape ``(n_free, Q)``.
    """

    log: np.ndarray
    slopes: np.ndarray


@dataclass(frozen=True)
class Normal:
    """A normal distribution; free parameters are the mean and the log of the standard deviation.

    Attributes
    ----------
    mean, sd
        Values where they are not free, starting values where they are.
    free_mean, free_sd
        Which of them are estimated.
    """

    mean: float = 0.0
    sd: float = 1.0
    free_mean: bool = False
    free_sd: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the free parameters."""
        return ("mean",) * self.free_mean + ("log_sd",) * self.free_sd

    def start(self) -> np.ndarray:
        """Return starting values of the free parameters."""
        values = [self.mean] * self.free_mean + [np.log(self.sd)] * self.free_sd
        return np.array(values)

    def moments(self, free: np.ndarray) -> tuple[float, float]:
        """Return mean and standard deviation."""
        mean = float(free[0]) if self.free_mean else self.mean
        sd = float(np.exp(free[-1])) if self.free_sd else self.sd
        return mean, sd

    def weights(self, free: np.ndarray, nodes: np.ndarray) -> Weights:
        """Return the density at the nodes, normalised to sum 1."""
        mean, sd = self.moments(free)
        z = (nodes - mean) / sd
        log = -0.5 * z * z
        log -= log.max()
        log -= np.log(np.exp(log).sum())
        weight = np.exp(log)
        slopes = [z / sd] * self.free_mean + [z * z] * self.free_sd
        rows = np.array([slope - weight @ slope for slope in slopes]).reshape(-1, len(nodes))
        return Weights(log, rows)


def grid_for(moments: list[tuple[float, float]], n: int) -> np.ndarray:
    """Return equally spaced nodes that serve every group.

    One group gets `n` nodes on mean +- 6 standard deviations. Several get the same spacing in units of the
    smallest standard deviation over all their ranges together, at most 241 nodes.
    """
    low = min(mean - HALF_WIDTH * sd for mean, sd in moments)
    high = max(mean + HALF_WIDTH * sd for mean, sd in moments)
    step = 2.0 * HALF_WIDTH * min(sd for _, sd in moments) / (n - 1)
    size = int(min(round((high - low) / step) + 1, max(MOST_NODES, n)))
    return np.linspace(low, high, size)
