"""Evidence in several dimensions: parameters, population and responses over nodes in all dimensions.

Statistics of total scores and of moments are sums over nodes that know no number of dimensions (S-X2: Zhang
& Stone, 2008; bifactor models: Li & Rupp, 2011; M2: Maydeu-Olivares & Joe, 2006). The nodes are a product in
two and three dimensions and a scrambled Sobol sequence in more (Matousek, 1998), each point with its mirror
image: what it is off by is far below the sampling error of the proportions it is compared with.

References
----------
Zhang, B., & Stone, C. A. (2008). Evaluating item fit for multidimensional item response models. Educational
and Psychological Measurement, 68, 181-196. Li, Y., & Rupp, A. A. (2011). Performance of the S-chi2 statistic
for full-information bifactor models. Educational and Psychological Measurement, 71, 986-1005.
Maydeu-Olivares, A., & Joe, H. (2006): see `limited`. Matousek, J. (1998). On the L2-discrepancy for anchored
boxes. Journal of Complexity, 14, 527-556 (the scrambling of `scipy.stats.qmc.Sobol`).
"""

from __future__ import annotations

import itertools
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import norm, qmc

from calibration.fit.evidence import Evidence, Part
from calibration.fit.freedom import Freedom
from calibration.fit.limited import MomentModel
from calibration.kernels.items import tabulate
from cat_engine.answers import Answers
from cat_engine.pool import ItemPool
from item_bank.parameters import Population

__all__ = ["DimensionPart", "DimensionsEvidence", "Nodes", "freedom_of", "moment_model", "nodes_of"]

PRODUCT = {2: 41, 3: 17}
"""Nodes a dimension of a product: on +- 6 standard deviations in two dimensions, Gauss-Hermite in three."""

SOBOL = 12
"""Twice two to this power are the points in more dimensions."""


class Nodes(NamedTuple):
    """Where items are evaluated, shape ``(Q, D)``, and the population's weights there, ``(Q,)``."""

    nodes: np.ndarray
    weights: np.ndarray


def nodes_of(mean: np.ndarray, cov: np.ndarray) -> Nodes:
    """Return nodes and weights for a normal population; the same ones at every call."""
    size = len(mean)
    if size > max(PRODUCT):
        uniform = qmc.Sobol(size, rng=np.random.default_rng(1)).random_base2(SOBOL)
        half = norm.ppf(np.clip(uniform, 1e-12, 1.0 - 1e-12))
        z = np.vstack([half, -half])
        weights = np.full(len(z), 1.0 / len(z))
    else:
        if size == 2:
            line = np.linspace(-6.0, 6.0, PRODUCT[size])
            density = np.exp(-0.5 * line**2)
        else:
            line, density = np.polynomial.hermite_e.hermegauss(PRODUCT[size])
        density = density / density.sum()
        z = np.array(list(itertools.product(line, repeat=size)))
        weights = np.array(list(itertools.product(density, repeat=size))).prod(axis=1)
    return Nodes(np.ascontiguousarray(mean + z @ np.linalg.cholesky(cov).T), weights)


class DimensionPart(Part):
    """Everybody; `grid` holds the nodes of all dimensions."""

    def __init__(self, pool: ItemPool, population: Population, rows: np.ndarray, answers: Answers) -> None:
        self.pool, self.population, self.rows, self.answers = pool, population, rows, answers
        self.grid = nodes_of(self.mean, self.cov)  # type: ignore[assignment]

    @property
    def mean(self) -> np.ndarray:
        """Population mean, shape ``(D,)``."""
        return np.array(self.population.mean)

    @property
    def cov(self) -> np.ndarray:
        """Population covariance, shape ``(D, D)``."""
        return np.array(self.population.cov)

    @cached_property
    def _tabulated(self) -> tuple[np.ndarray, list[np.ndarray]]:
        """Probabilities, ``(n, K, Q)``, and of each item their slopes in its working parameters."""
        nodes = self.grid.nodes
        probability = np.zeros((len(self.pool), int(self.pool.n_cat.max()), len(nodes)))
        slopes = [np.zeros(0)] * len(self.pool)
        for block in self.pool.blocks:
            for r, i in enumerate(block.index):
                working = block.model.pack(block.table, r)[None, :]
                k = int(self.pool.n_cat[i])
                logp = np.empty((1, k, len(nodes)))
                gradient = np.empty((1, k, working.shape[1], len(nodes)))
                tabulate(0, 1, block.model.empty(np.array([k])), working, nodes, logp, gradient)
                probability[i, :k] = np.exp(logp[0])
                slopes[i] = (probability[i, :k, None, :] * gradient[0]).transpose(1, 0, 2)
        return probability, slopes

    @cached_property
    def probability(self) -> np.ndarray:
        """Probability of each category at the nodes, shape ``(n, K, Q)``; 0 where there is none."""
        return self._tabulated[0]

    @property
    def slopes(self) -> list[np.ndarray]:
        """Derivatives of each item's probabilities in its working parameters, shape ``(P, K_i, Q)``."""
        return self._tabulated[1]


class DimensionsEvidence(Evidence):
    """A calibration in several dimensions beside the responses it is judged on."""

    several = True

    def _part(
        self, pool: ItemPool, population: Population, rows: np.ndarray, answers: Answers, grid: Any = None
    ) -> Part:
        return DimensionPart(pool, population, rows, answers)

    @property
    def part(self) -> DimensionPart:
        """Everybody."""
        part = self.parts[0]
        assert isinstance(part, DimensionPart)
        return part


def freedom_of(evidence: DimensionsEvidence) -> Freedom:
    """Return the free parameters: slopes that are not 0 and what else an item has, none of a fixed item; free
    covariances (those that are not 0), and with fixed items means and variances."""
    rows = evidence.pool.rows()
    status = {str(row.get("id")): row.get("status") for row in evidence.parameters.items}
    fixed = [not evidence.estimated or status[row["id"]] == "fixed" for row in rows]
    directions: list[np.ndarray] = [np.zeros((0, 0))] * len(rows)
    columns: list[np.ndarray] = [np.zeros(0, np.int64)] * len(rows)
    count, size = 0, evidence.pool.dimensions
    for block in evidence.pool.blocks:
        for r, i in enumerate(block.index):
            working = block.model.pack(block.table, r)
            free = np.ones(len(working), dtype=bool)
            free[:size] = working[:size] != 0.0
            free &= not fixed[i]
            directions[i] = np.eye(len(working))[:, free]
            columns[i] = count + np.arange(free.sum())
            count += int(free.sum())
    anchored = evidence.estimated and any(fixed)
    moves = len(_moves(evidence.part.cov, anchored)) if evidence.estimated else 0
    return Freedom([directions], [columns], count, (anchored,) * size, (True,) * moves)


def _moves(cov: np.ndarray, anchored: bool) -> list[tuple[int, int]]:
    """Return the free variances and covariances."""
    size = len(cov)
    variances = [(d, d) for d in range(size)] * anchored
    return variances + [(d, e) for d in range(size) for e in range(d + 1, size) if cov[d, e] != 0.0]


def moment_model(part: DimensionPart, free: Freedom, group: int = 0) -> MomentModel:
    """Return the model as moments see it, with the population's free means and covariances."""
    cov, weights = part.cov, part.grid.weights
    precision = np.linalg.inv(cov)
    pull = (part.grid.nodes - part.mean) @ precision
    lines = [weights * pull[:, d] for d, is_free in enumerate(free.mean) if is_free]
    for d, e in _moves(cov, any(free.mean)) if any(free.variance) else []:
        change = pull[:, d] * pull[:, e] - precision[d, e]
        lines.append(weights * change * (0.5 if d == e else 1.0))
    return MomentModel(
        [part.probability[i, :k] for i, k in enumerate(part.pool.n_cat)],
        weights,
        [np.einsum("pf,pkq->fkq", d, s) for d, s in zip(free.directions[group], part.slopes, strict=True)],
        free.columns[group],
        np.array(lines).reshape(-1, len(weights)),
        free.n_items + np.arange(len(lines)),
        free.n,
    )
