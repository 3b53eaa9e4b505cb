"""The marginal log-likelihood, its gradient and the complete data's information, by one E-step.

    log L = sum_i w_i log sum_q W_gq prod_j P_j(x_ij | node_q)        (Bock & Aitkin, 1981)

The E-step gives the expected count of every category at every node. Contracted with the derivatives of
the categories' log-probabilities they are the gradient of log L itself (Fisher's identity), so that a
gradient costs nothing beyond what EM computes anyway.

References
----------
Bock, R. D., & Aitkin, M. (1981). Marginal maximum likelihood estimation of item parameters: application
of an EM algorithm. Psychometrika, 46, 443-459.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from calibration.em.latent import LEAST_SD, MOST_SD, Latent, Weights, finest, grid_for
from calibration.em.persons import Persons, Setting, scratch, tabulated
from calibration.em.preconditioner import Arrow
from calibration.em.priors import Priors
from calibration.em.structure import Structure
from calibration.em.threads import share
from calibration.kernels.items import contract

__all__ = ["ROWS_A_THREAD", "STEEPEST", "Likelihood", "Point", "box_of"]

ROWS_A_THREAD = 24

RANGES = 32
"""Most ranges of nodes in which the preconditioner treats theta as one unknown."""

STEEPEST = 10.0
"""Bound on slopes: with nodes 0.2 apart a steeper curve would be a step between two nodes."""

REMOTEST = 50.0
"""Bound on intercepts: five standard deviations at the steepest slope."""

FLATTEST = 15.0
"""Bound on the logits of asymptotes: beyond it they are 0 or 1 to seven digits."""


def box_of(name: str) -> tuple[float, float]:
    """Return the bounds of a free parameter by its name."""
    if name == "a":
        return -STEEPEST, STEEPEST
    if name.startswith("alpha"):
        return -STEEPEST, STEEPEST
    if name == "logit(c)":
        return -FLATTEST, 3.0
    if name == "logit(u)":
        return -3.0, FLATTEST
    if name == "log_sd":
        return float(np.log(LEAST_SD)), float(np.log(MOST_SD))
    return -REMOTEST, REMOTEST


@dataclass(eq=False)
class Point:
    """What one E-step says at one value of the free parameters.

    Attributes
    ----------
    free
        Item parameters, then each group's latent parameters.
    loglik, logprior
        Their sum is what estimation maximises.
    gradient
        Its gradient.
    working
        The items' working parameters.
    flat
        Log-probabilities, ``Q`` numbers for each row's categories in turn.
    counts
        Expected counts, likewise.
    slopes
        Derivatives of the log-probabilities of each block, ``(R, K, P, Q)``.
    masses
        Expected number of persons at each node, by group.
    information
        Complete-data information of each block's rows, prior included, ``(R, P, P)``.
    cross
        Information that each block's rows share with theta, by range of nodes, ``(R, P, B)``.
    theta
        Information of the answers about theta, by range of nodes, ``(B,)``.
    """

    free: np.ndarray
    loglik: float
    logprior: float
    gradient: np.ndarray
    working: np.ndarray
    flat: np.ndarray
    counts: np.ndarray
    slopes: list[np.ndarray]
    masses: list[np.ndarray]
    information: list[np.ndarray]
    cross: list[np.ndarray]
    theta: np.ndarray
    double: bool

    @property
    def value(self) -> float:
        """What is maximised."""
        return self.loglik + self.logprior


class Likelihood:
    """Data, structure, population and priors together.

    Parameters
    ----------
    structure
        Rows and free parameters.
    persons
        Everybody, in groups.
    latents
        Distribution of each group.
    priors
        Priors on item parameters.
    quadrature
        Number of nodes on mean +- 6 standard deviations.
    """

    def __init__(
        self,
        structure: Structure,
        persons: Persons,
        latents: Sequence[Latent],
        priors: Priors,
        quadrature: int = 61,
    ) -> None:
        self.structure, self.persons, self.latents, self.priors = structure, persons, list(latents), priors
        self.quadrature = quadrature
        self.n_latent = [len(latent.names) for latent in latents]
        self.n_free = structure.n_free + sum(self.n_latent)
        self.n_evaluations = 0
        self.still = False
        self._tables = scratch(structure)
        self._moments = [(latent.mean, latent.sd) for latent in latents]
        self.nodes = grid_for(self._moments, quadrature)
        self.lower, self.upper = self._bounds()

    def _bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the box that free parameters stay in: beyond it the likelihood is flat or the grid blind."""
        limits = [box_of(name) for _, name, _ in self.structure.names]
        latent = [box_of(name) for part in self.latents for name in part.names]
        box = np.array([*limits, *latent]).reshape(-1, 2)
        spreads = self.structure.n_free + np.flatnonzero(
            [name == "log_sd" for part in self.latents for name in part.names]
        )
        box[spreads, 0] = np.log(self.least_sd)
        return box[:, 0], box[:, 1]

    @property
    def least_sd(self) -> float:
        """Least standard deviation of a group: below the spacing of shared nodes it has no meaning."""
        return max(LEAST_SD, finest(self._moments, self.quadrature))

    def held(self, point: Point) -> np.ndarray:
        """Return which free parameters sit at a bound and would go beyond it."""
        low = (point.free <= self.lower) & (point.gradient < 0.0)
        high = (point.free >= self.upper) & (point.gradient > 0.0)
        return low | high

    def at_bound(self, free: np.ndarray) -> np.ndarray:
        """Return which free parameters sit at a bound."""
        return np.asarray((free <= self.lower) | (free >= self.upper))

    def split(self, free: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return the items' and each group's free parameters."""
        ends = self.structure.n_free + np.cumsum([0, *self.n_latent])
        return free[: ends[0]], [free[a:b] for a, b in pairwise(ends.tolist())]

    def moments(self, free: np.ndarray) -> list[tuple[float, float]]:
        """Return mean and standard deviation of each group."""
        parts = self.split(free)[1]
        return [latent.moments(part) for latent, part in zip(self.latents, parts, strict=True)]

    def follow(self, free: np.ndarray, slack: float) -> bool:
        """Put the grid where the groups are, if it is off by more than `slack`; say whether it moved."""
        if self.still:
            return False
        wanted = self.moments(free)
        off = max(
            max(abs(m - m0) / s0, abs(np.log(s / s0)))
            for (m, s), (m0, s0) in zip(wanted, self._moments, strict=True)
        )
        if off <= slack:
            return False
        self._moments = [(m, max(s, LEAST_SD)) for m, s in wanted]
        self.nodes = grid_for(self._moments, self.quadrature)
        self.lower, self.upper = self._bounds()
        return True

    def inside(self, free: np.ndarray) -> np.ndarray:
        """Return `free` within its bounds."""
        return np.asarray(np.clip(free, self.lower, self.upper))

    def evaluate(self, free: np.ndarray, double: bool = True) -> Point | None:
        """Do one E-step; None where `free` is no model (unordered thresholds, not finite)."""
        items, latent = self.split(free)
        working = self.structure.working(items)
        if not np.isfinite(free).all() or any(s < LEAST_SD / 2 for _, s in self.moments(free)):
            return None
        flat, slopes = self.tabulate(working)
        if not np.isfinite(flat).all():
            return None
        logprior, prior_gradient, prior_information = self.priors.evaluate(working)
        if not np.isfinite(logprior):
            return None
        weights = [
            distribution.weights(part, self.nodes)
            for distribution, part in zip(self.latents, latent, strict=True)
        ]
        self.n_evaluations += 1
        at = Setting(working, self.nodes, [w.log for w in weights], double, (flat, slopes))
        loglik, counts, masses = self.persons.expect(at)
        if not np.isfinite(loglik):
            return None
        gradient = prior_gradient
        information, cross, theta = [], [], np.zeros(self.n_ranges)
        step = self.nodes[1] - self.nodes[0]
        for block, slope, extra in zip(self.structure.blocks, slopes, prior_information, strict=True):
            g = np.empty((block.size, block.width))
            h = np.empty((block.size, block.width, block.width))
            x, t = np.empty((block.size, block.width, len(theta))), np.empty((block.size, len(theta)))
            lp, r = block.tables(flat, len(self.nodes)), block.tables(counts, len(self.nodes))
            share(contract, block.size, lp, slope, r, step, g, h, x, t, least=ROWS_A_THREAD)
            theta += t.sum(axis=0)
            cross.append(x)
            block.working(gradient)[...] += g
            h += extra
            for p, name in enumerate(block.names):
                if name.startswith("logit("):  # an asymptote near its bound: the likelihood is linear in c
                    h[:, p, p] += np.abs(block.working(gradient)[:, p])
            information.append(h)
        parts = [self.structure.pull(gradient)]
        parts += [w.slopes @ mass for w, mass in zip(weights, masses, strict=True)]
        return Point(
            free,
            loglik,
            logprior,
            np.concatenate(parts),
            working,
            flat,
            counts,
            slopes,
            masses,
            information,
            cross,
            theta,
            double,
        )

    def tabulate(self, working: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return log-probabilities over the nodes (flat) and their derivatives by block."""
        return tabulated(self.structure, working, self.nodes, self._tables)

    def setting(self, point: Point, weights: Sequence[Weights]) -> Setting:
        """Return where sums over persons were taken for `point`."""
        logs = [w.log for w in weights]
        return Setting(point.working, self.nodes, logs, point.double, (point.flat, point.slopes))

    @property
    def n_ranges(self) -> int:
        """Number of short ranges of nodes in which the preconditioner treats theta as one unknown."""
        return -(-len(self.nodes) // self._stride)

    @property
    def _stride(self) -> int:
        return -(-len(self.nodes) // RANGES)

    def preconditioner(self, point: Point) -> Arrow:
        """Return the approximate observed information at `point`, ready to be divided by."""
        edges = np.arange(0, len(self.nodes), self._stride)
        step = self.nodes[1] - self.nodes[0]
        weights, moments = self._weights(point.free), self.moments(point.free)
        masses = [np.add.reduceat(mass, edges) for mass in point.masses]
        theta = point.theta + sum(m / sd**2 for m, (_, sd) in zip(masses, moments, strict=True))
        known = theta > 0.0
        latent, cross = [], []
        for part, w, mass, m, (_, sd) in zip(
            self.latents, weights, point.masses, masses, moments, strict=True
        ):
            latent.append((w.slopes * np.exp(w.log)) @ w.slopes.T * mass.sum())
            if not len(w.slopes):
                cross.append(np.empty((0, len(edges))))
                continue
            x = -np.add.reduceat(mass * np.gradient(w.slopes, step, axis=1), edges, axis=1)
            # A quadratic slope's own spread halves what theta hides of it (exact where reliability is even).
            unreliable = float((m[known] ** 2 / theta[known]).sum() / (m.sum() * sd * sd))
            x[[name != "mean" for name in part.names]] *= np.sqrt(1.0 - 0.5 * min(unreliable, 1.0))
            cross.append(x)
        return Arrow(self.structure, point.information, point.cross, latent, cross, theta)

    def _weights(self, free: np.ndarray) -> list:  # type: ignore[type-arg]
        parts = self.split(free)[1]
        return [d.weights(part, self.nodes) for d, part in zip(self.latents, parts, strict=True)]
