"""The marginal log-likelihood in several dimensions, its gradient and its information.

One E-step gives expected counts of every category at every node, whatever the way to integrate; contracted
with the derivatives of the log-probabilities they are the gradient, as in one dimension (Fisher's identity).
The observed information is the complete data's minus the posterior covariance of its score (Louis, 1982) for
the items, and differences of the gradient for the few parameters of the population; on the same nodes that is
the matrix that Oakes (1999) obtains from the EM map.
"""

from __future__ import annotations

import re

import numpy as np

from calibration.em.columns import Columns, category_slopes
from calibration.em.information import Information, complete_information, mirrored
from calibration.em.likelihood import ROWS_A_THREAD, STEEPEST, Likelihood, Point, box_of
from calibration.em.persons import scratch, tabulated
from calibration.em.preconditioner import Arrow
from calibration.em.priors import Priors
from calibration.em.structure import Structure
from calibration.em.threads import share
from calibration.kernels.items import contract
from calibration.multidimensional.integral import Expected, Integral
from calibration.multidimensional.population import MultivariateNormal

__all__ = ["Confirmatory", "information_of"]

LEAST_SPREAD = 1e-3
"""Least variance of a combination of dimensions: with less they are not as many as they are called."""

STEP = 1e-5
"""By how much a parameter of the population is moved for a difference of gradients."""


class Confirmatory(Likelihood):
    """Items, persons, population and priors in several dimensions.

    Parameters
    ----------
    structure
        Rows and free parameters; the items' models are those of the nodes (one-dimensional along an item's
        own dimension, or compensatory).
    integral
        Persons, and how their likelihood is integrated.
    population
        The distribution of theta.
    priors
        Priors on item parameters.
    """

    def __init__(
        self, structure: Structure, integral: Integral, population: MultivariateNormal, priors: Priors
    ) -> None:
        self.structure, self.integral, self.population, self.priors = structure, integral, population, priors
        self.latents = []
        self.n_latent = [len(population.names)]
        self.n_free = structure.n_free + self.n_latent[0]
        self.n_evaluations = 0
        self.nodes = integral.nodes
        self._tables = scratch(structure)
        limits = np.array([_box(name) for _, name, _ in structure.names]).reshape(-1, 2)
        low, high = population.box()
        self.lower = np.concatenate([limits[:, 0], low])
        self.upper = np.concatenate([limits[:, 1], high])

    @property
    def persons(self):  # type: ignore[no-untyped-def,override]
        """How many persons there are, and what an E-step costs."""
        return self.integral

    def follow(self, free: np.ndarray, slack: float) -> bool:
        """Move the windows to the persons if they are off; say whether they moved."""
        return self.integral.follow(last=slack < 0.01)

    def evaluate(self, free: np.ndarray, double: bool = True) -> Point | None:
        """Do one E-step; None where `free` is no model."""
        items, latent = self.split(free)
        mean, cov = self.population.moments(latent[0])
        if not np.isfinite(free).all() or np.linalg.eigvalsh(cov)[0] < LEAST_SPREAD:
            return None
        working = self.structure.working(items)
        flat, slopes = tabulated(self.structure, working, self.nodes, self._tables)
        logprior, gradient, prior_information = self.priors.evaluate(working)
        if not np.isfinite(flat).all() or not np.isfinite(logprior):
            return None
        self.n_evaluations += 1
        found = self.integral.expect(flat, mean, cov, double)
        if not np.isfinite(found.loglik):
            return None
        information = self._complete(gradient, flat, slopes, found, prior_information)
        return Point(
            free,
            found.loglik,
            logprior,
            np.concatenate(
                [self.structure.pull(gradient), self.population.gradient(latent[0], found.moments)]
            ),
            working,
            flat,
            found.counts,
            slopes,
            [],
            information,
            [np.zeros((*x.shape[:2], 1)) for x in information],
            np.zeros(1),
            double,
        )

    def _complete(
        self,
        gradient: np.ndarray,
        flat: np.ndarray,
        slopes: list[np.ndarray],
        found: Expected,
        prior_information: list[np.ndarray],
    ) -> list[np.ndarray]:
        """Add the counts' gradient to `gradient` and return the complete data's information by block."""
        size = len(self.nodes)
        information = []
        for block, slope, extra in zip(self.structure.blocks, slopes, prior_information, strict=True):
            g, h = np.empty((block.size, block.width)), np.empty((block.size, block.width, block.width))
            x, t = np.empty((block.size, block.width, 1)), np.empty((block.size, 1))
            lp, r = block.tables(flat, size), block.tables(found.counts, size)
            share(contract, block.size, lp, slope, r, 1.0, g, h, x, t, least=ROWS_A_THREAD)
            block.working(gradient)[...] += g
            h += extra
            for p, name in enumerate(block.names):
                if name.startswith("logit("):
                    h[:, p, p] += np.abs(block.working(gradient)[:, p])
            information.append(h)
        return information

    def preconditioner(self, point: Point) -> Arrow:
        """Return the complete data's information at `point`, ready to be divided by."""
        latent = self.population.information(self.split(point.free)[1][0], self.integral.weight)
        none = np.zeros((len(latent), 1))
        return Arrow(self.structure, point.information, point.cross, [latent], [none], point.theta)


def _box(name: str) -> tuple[float, float]:
    return (-STEEPEST, STEEPEST) if re.fullmatch(r"a\d+", name) else box_of(name)


def information_of(problem: Confirmatory, point: Point, *, cross: bool = False) -> Information:
    """Return the observed information at `point`."""
    structure, n = problem.structure, problem.structure.n_free
    observed = np.zeros((problem.n_free, problem.n_free))
    observed[:n, :n] = complete_information(problem, point)
    mean, cov = problem.population.moments(problem.split(point.free)[1][0])
    by_category = category_slopes(structure, point.slopes, len(problem.nodes))
    spread = problem.integral.spread(point.flat, by_category, mean, cov)
    Columns(structure).add(observed, -mirrored(spread), np.arange(len(spread)), n, n, n)
    for k in range(n, problem.n_free):
        observed[k] = observed[:, k] = _column(problem, point, k)
    observed[n:, n:] = 0.5 * (observed[n:, n:] + observed[n:, n:].T)
    return Information(observed, None)


def _column(problem: Confirmatory, point: Point, k: int) -> np.ndarray:
    """Return minus the gradient's derivative in one parameter; 0 where there is no model on either side."""
    for step in (STEP, -STEP) if point.free[k] < 0.0 else (-STEP, STEP):  # inwards first
        moved = point.free.copy()
        moved[k] += step
        side = problem.evaluate(moved)
        if side is not None:
            return np.asarray((point.gradient - side.gradient) / step)
    return np.zeros(problem.n_free)
