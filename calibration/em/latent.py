"""The population: how latent ability is distributed in each group.

Every distribution is a set of weights on the common nodes, normalised there, with derivatives in its own
free parameters. The grid follows the groups' moments (`grid_for`), so nothing depends on where it stands.

References
----------
Woods, C. M., & Lin, N. (2009). Item response theory with estimation of the latent density using Davidian
curves. Applied Psychological Measurement, 33, 102-117. Mislevy, R. J. (1984). Estimating latent
distributions. Psychometrika, 49, 359-381.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from cat_engine.errors import InputError

__all__ = [
    "LEAST_SD",
    "MOST_SD",
    "Davidian",
    "Histogram",
    "Latent",
    "Normal",
    "Weights",
    "finest",
    "grid_for",
    "shaped",
]

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


class Latent(Protocol):
    """A distribution of latent ability with mean and standard deviation, free or not."""

    @property
    def mean(self) -> float:
        """Mean where it is not free, and where it starts."""

    @property
    def sd(self) -> float:
        """Standard deviation, likewise."""

    @property
    def free_sd(self) -> bool:
        """Whether the standard deviation is estimated."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the free parameters: ``mean``, ``log_sd``, then those of the shape."""

    def start(self) -> np.ndarray:
        """Return starting values of the free parameters."""

    def moments(self, free: np.ndarray) -> tuple[float, float]:
        """Return mean and standard deviation."""

    def weights(self, free: np.ndarray, nodes: np.ndarray) -> Weights:
        """Return the distribution at the nodes."""


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
        return np.array([self.mean] * self.free_mean + [np.log(self.sd)] * self.free_sd)

    def moments(self, free: np.ndarray) -> tuple[float, float]:
        """Return mean and standard deviation."""
        mean = float(free[0]) if self.free_mean else self.mean
        sd = float(np.exp(free[len(self.names) - 1])) if self.free_sd else self.sd
        return mean, sd

    def weights(self, free: np.ndarray, nodes: np.ndarray) -> Weights:
        """Return the density at the nodes, normalised to sum 1."""
        mean, sd = self.moments(free)
        z = (nodes - mean) / sd
        return _weights(-0.5 * z * z, [z / sd] * self.free_mean + [z * z] * self.free_sd)


@dataclass(frozen=True)
class Davidian:
    """A Davidian curve: the normal density times the square of a polynomial, standardised.

    The polynomial is ``1 + u_1 h_1(z) + ... + u_k h_k(z)`` in Hermite polynomials that are orthonormal
    under the normal density, divided by its norm; so it needs no angles and no inverse of a moment matrix.

    Attributes
    ----------
    base
        Which moments are free.
    degree
        Number of shape parameters ``u``.
    """

    base: Normal
    degree: int

    @property
    def mean(self) -> float:
        """Mean where it is not free, and where it starts."""
        return self.base.mean

    @property
    def sd(self) -> float:
        """Standard deviation, likewise."""
        return self.base.sd

    @property
    def free_sd(self) -> bool:
        """Whether the standard deviation is estimated."""
        return self.base.free_sd

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the free parameters."""
        return (*self.base.names, *(f"shape{k}" for k in range(1, self.degree + 1)))

    def start(self) -> np.ndarray:
        """Return starting values: nearly normal. At the normal itself the first two shapes have no slope."""
        shape = np.full(self.degree, 0.1)
        shape[:2] = 0.2
        return np.concatenate([self.base.start(), shape])

    def moments(self, free: np.ndarray) -> tuple[float, float]:
        """Return mean and standard deviation."""
        return self.base.moments(free[: len(self.base.names)])

    def weights(self, free: np.ndarray, nodes: np.ndarray) -> Weights:
        """Return the curve at the nodes, normalised to sum 1; its slopes are central differences."""
        log = self._log(free, nodes)
        slopes = []
        for p in range(len(free)):
            step = np.zeros(len(free))
            step[p] = 1e-5
            slopes.append((self._log(free + step, nodes) - self._log(free - step, nodes)) / 2e-5)
        return _weights(log, slopes)

    def _log(self, free: np.ndarray, nodes: np.ndarray) -> np.ndarray:
        mean, sd = self.moments(free)
        shape = np.concatenate([[1.0], free[len(self.base.names) :]])
        shape /= np.linalg.norm(shape)
        root = np.sqrt(np.arange(1.0, len(shape) + 2))
        position = np.diag(root, 1) + np.diag(root, -1)  # multiplication by z in the Hermite basis
        padded = np.concatenate([shape, [0.0, 0.0]])
        moved = position @ padded
        centre = float(padded @ moved)
        spread = float(np.sqrt(max(moved @ moved - centre * centre, 1e-6)))
        z = centre + spread * (nodes - mean) / sd
        before, current = np.zeros_like(z), np.ones_like(z)
        value = shape[0] * current
        for k in range(1, len(shape)):
            before, current = current, (z * current - np.sqrt(k - 1.0) * before) / np.sqrt(float(k))
            value = value + shape[k] * current
        return np.asarray(-0.5 * z * z + np.log(value * value + 1e-12))


@dataclass(frozen=True, eq=False)
class Histogram:
    """A weight of its own at every node (empirical histogram), with the moments that are not free held.

    The weights are no free parameters: they are renewed from the expected masses between climbs, which is
    EM's step for them (Mislevy, 1984), and then tilted to the moments that identify the scale.

    Attributes
    ----------
    nodes
        Where the weights stand.
    log
        Log weights.
    free_mean, free_sd
        Whether mean and standard deviation may be anything; held ones are 0 and 1.
    """

    nodes: np.ndarray
    log: np.ndarray
    free_mean: bool
    free_sd: bool

    @classmethod
    def like(cls, normal: Normal, free: np.ndarray, nodes: np.ndarray) -> Histogram:
        """Return the histogram of a normal distribution."""
        return cls(nodes, normal.weights(free, nodes).log, normal.free_mean, normal.free_sd)

    @property
    def mean(self) -> float:
        """Mean of the weights."""
        return float(np.exp(self.log) @ self.nodes)

    @property
    def sd(self) -> float:
        """Standard deviation of the weights."""
        return float(np.sqrt(np.exp(self.log) @ (self.nodes - self.mean) ** 2))

    @property
    def names(self) -> tuple[str, ...]:
        """No free parameter."""
        return ()

    @property
    def n_weights(self) -> int:
        """Number of weights that the constraints leave free."""
        return len(self.log) - 1 - (not self.free_mean) - (not self.free_sd)

    def start(self) -> np.ndarray:
        """Return no values."""
        return np.zeros(0)

    def moments(self, free: np.ndarray) -> tuple[float, float]:
        """Return mean and standard deviation."""
        return self.mean, self.sd

    def weights(self, free: np.ndarray, nodes: np.ndarray) -> Weights:
        """Return the weights; `nodes` are its own."""
        return Weights(self.log, np.zeros((0, len(nodes))))

    def renewed(self, mass: np.ndarray) -> Histogram:
        """Return the histogram whose weights are the expected masses at the nodes."""
        log = np.log(np.maximum(mass / mass.sum(), 1e-15))
        held = [self.nodes] * (not self.free_mean) + [self.nodes**2 - 1.0] * (not self.free_sd)
        return replace(self, log=_tilted(log, np.array(held).reshape(-1, len(log)).T))


def _tilted(log: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Return `log` tilted along `basis` so that weights sum to 1 and each of its columns to 0 (Newton)."""

    def dual(tilt: np.ndarray) -> tuple[float, np.ndarray]:
        raised = log + basis @ tilt
        top = raised.max()
        total = top + np.log(np.exp(raised - top).sum())
        return float(total), raised - total

    tilt = np.zeros(basis.shape[1])
    value, out = dual(tilt)
    for _ in range(50):
        weight = np.exp(out)
        slope = basis.T @ weight
        if not slope.size or np.abs(slope).max() < 1e-12:
            break
        centred = basis - slope
        step = np.linalg.solve((centred * weight[:, None]).T @ centred + 1e-12 * np.eye(len(slope)), slope)
        for _ in range(30):
            lower, tried = dual(tilt - step)
            if lower <= value - 1e-4 * float(slope @ step) or lower <= value:
                break
            step *= 0.5
        tilt, value, out = tilt - step, lower, tried
    return out


def _weights(log: np.ndarray, slopes: list[np.ndarray]) -> Weights:
    log = log - log.max()
    log = log - np.log(np.exp(log).sum())
    weight = np.exp(log)
    rows = np.array([slope - weight @ slope for slope in slopes]).reshape(-1, len(log))
    return Weights(log, rows)


def shaped(latent: Normal, shape: str) -> Latent:
    """Return `latent` with a shape: ``normal``, ``davidian`` (degree 4), ``davidian:K`` or ``histogram``.

    Raises
    ------
    InputError
        For another shape, or a degree that is not between 1 and 10.
    """
    if shape in ("normal", "histogram"):  # a histogram starts from the normal distribution that fits best
        return latent
    found = re.fullmatch(r"davidian(?::(\d+))?", shape)
    degree = int(found[1] or 4) if found else 0
    if not 1 <= degree <= 10:
        raise InputError(
            f"expected a latent distribution normal, davidian, davidian:K (K from 1 to 10) or histogram, got "
            f"'{shape}'; choose one"
        )
    return Davidian(latent, degree)


def grid_for(moments: list[tuple[float, float]], n: int) -> np.ndarray:
    """Return equally spaced nodes that serve every group.

    One group gets `n` nodes on mean +- 6 standard deviations. Several get the same spacing in units of the
    smallest standard deviation over all their ranges together, at most 241 nodes.
    """
    low, high = _range(moments)
    step = 2.0 * HALF_WIDTH * min(sd for _, sd in moments) / (n - 1)
    size = int(min(round((high - low) / step) + 1, max(MOST_NODES, n)))
    return np.linspace(low, high, size)


def finest(moments: list[tuple[float, float]], n: int) -> float:
    """Return the spacing of the most nodes that groups may share; 0 for one group, whose nodes follow it."""
    if len(moments) == 1:
        return 0.0
    low, high = _range(moments)
    return (high - low) / (max(MOST_NODES, n) - 1)


def _range(moments: list[tuple[float, float]]) -> tuple[float, float]:
    low = min(mean - HALF_WIDTH * sd for mean, sd in moments)
    return low, max(mean + HALF_WIDTH * sd for mean, sd in moments)
