"""What a calibration is judged on: item parameters, a population, and the responses, brought together.

Over a grid an item is a table of log-probabilities, so that nearly every statistic here stands on
`Part.tables` and the posterior, and knows no model. What is expensive is made once, when first asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from cat_engine.answers import Answers
from cat_engine.errors import InputError
from cat_engine.grid import Grid, GridTables, tabulate
from cat_engine.pool import ItemPool
from cat_engine.scoring import Prior, score
from cat_engine.scoring.posterior import posteriors
from item_bank.parameters import ParameterSet, Population
from item_bank.responses import MISSING, Responses

__all__ = ["Evidence", "Part"]


class Part:
    """The persons of one group.

    Attributes
    ----------
    population
        The group's latent distribution.
    rows
        Shape ``(N,)``: positions of the persons in the responses.
    answers
        Their answers; items are positions in `pool`.
    grid, tables
        Nodes over the population, and the pool over these nodes.
    """

    def __init__(
        self,
        pool: ItemPool,
        population: Population,
        rows: np.ndarray,
        answers: Answers,
        grid: Grid | None = None,
    ) -> None:
        self.pool = pool
        self.population = population
        self.rows = rows
        self.answers = answers
        self.grid: Grid = grid or population.grid()
        self.tables: GridTables = tabulate(pool, self.grid)

    @property
    def n_persons(self) -> int:
        """Number of persons, those without an answer included."""
        return self.answers.n_persons

    @cached_property
    def probability(self) -> np.ndarray:
        """Probability of each category over the grid, shape ``(n, K, Q)``; 0 where there is none."""
        out: np.ndarray = np.exp(self.tables.logp)
        return out

    @cached_property
    def expected(self) -> np.ndarray:
        """Expected category over the grid, shape ``(n, Q)``."""
        k = np.arange(self.probability.shape[1], dtype=np.float64)
        out: np.ndarray = np.einsum("k,nkq->nq", k, self.probability)
        return out

    @cached_property
    def log_joint(self) -> np.ndarray:
        """Log-probability of each person's answers and each node together, shape ``(N, Q)``."""
        return posteriors(self.tables, self.grid, self.answers)

    @cached_property
    def log_marginal(self) -> np.ndarray:
        """Log marginal probability of each person's answers, shape ``(N,)``."""
        top = self.log_joint.max(axis=1)
        total = np.exp(self.log_joint - top[:, None]).sum(axis=1)
        out: np.ndarray = top + np.log(total)
        return out

    @cached_property
    def posterior(self) -> np.ndarray:
        """Posterior weights of each person over the grid, shape ``(N, Q)``, rows of sum 1."""
        weights: np.ndarray = np.exp(self.log_joint - self.log_joint.max(axis=1, keepdims=True))
        weights /= weights.sum(axis=1, keepdims=True)
        return weights

    @cached_property
    def matrix(self) -> np.ndarray:
        """Categories, int8, shape ``(N, n)``, `MISSING` where none was given."""
        out = np.full((self.n_persons, len(self.pool)), MISSING, np.int8)
        person = np.repeat(np.arange(self.n_persons), np.diff(self.answers.indptr))
        out[person, self.answers.item] = self.answers.category
        return out

    @cached_property
    def complete(self) -> np.ndarray:
        """Which persons answered every item, bool, shape ``(N,)``."""
        out: np.ndarray = np.diff(self.answers.indptr) == len(self.pool)
        return out

    def theta(self, method: str = "eap") -> np.ndarray:
        """Return estimates of theta by one of the engine's methods, shape ``(N,)``."""
        if method == "eap":
            return np.asarray(self.posterior @ self.grid.nodes)
        prior = Prior.normal(self.population.mean[0], self.population.sd)
        return score(self.pool, self.answers, method, prior).theta


class Evidence:
    """A calibration beside the responses it is judged on.

    Parameters
    ----------
    responses
        Every item must be in `parameters`; items of the parameters that nobody met are left out.
    parameters
        One-dimensional items with their population.
    groups
        Each person's group, where the parameters have more than one population.

    Attributes
    ----------
    pool
        The items that the responses hold, in the parameters' order (each part has its group's own).
    left_out
        Items of the responses that could not be calibrated.
    parts
        One a group, in the parameters' order.
    estimated
        Whether the parameters were estimated from these very responses (degrees of freedom then allow
        for it).

    Raises
    ------
    InputError
        Unknown items, impossible categories, several dimensions, groups that do not match.
    """

    several = False

    def __init__(
        self,
        responses: Responses,
        parameters: ParameterSet,
        groups: Sequence[str] | None = None,
        *,
        estimated: bool = True,
    ) -> None:
        if len(parameters.dimensions) > 1 and not self.several:
            raise InputError(
                f"expected parameters of one dimension, got {len(parameters.dimensions)} "
                f"({', '.join(parameters.dimensions)}); calibrate and judge each dimension's items apart"
            )
        rows = [row for row in parameters.items if row.get("status") != "left-out"]
        uncalibrated = {str(row.get("id")) for row in parameters.items} - {str(row.get("id")) for row in rows}
        self.left_out = [item for item in responses.items if item in uncalibrated]
        if self.left_out:
            responses = responses.select(
                [j for j, item in enumerate(responses.items) if item not in uncalibrated]
            )
        whole = ItemPool.from_rows(rows, len(parameters.dimensions))
        present = whole.positions(responses.items)
        keep = np.sort(present)
        self.responses = responses
        self.parameters = parameters
        self.estimated = estimated
        self.pool = whole if len(keep) == len(whole) else whole.subset(keep)
        if responses.density > 0.5:
            answers = Answers.from_matrix(responses.dense()[:, np.argsort(present)])
        else:
            position = np.searchsorted(keep, present)
            answers = Answers.from_sparse(responses.indptr, responses.item, responses.category, position)
        answers.check(self.pool)
        self.answers = answers
        self.n_persons = responses.n_persons
        self.parts = self._split(answers, groups)

    def _split(self, answers: Answers, groups: Sequence[str] | None) -> tuple[Part, ...]:
        populations = self.parameters.population
        if len(populations) == 1:
            population = populations[0]
            everyone = np.arange(self.n_persons)
            return (self._part(self.pool, population, everyone, answers, self._grid_of(population.group)),)
        names = [p.group for p in populations]
        if groups is None:
            raise InputError(
                f"expected each person's group, got none, and the parameters hold {len(names)} populations "
                f"({', '.join(names)}); name the groups with --groups FILE:COLUMN"
            )
        if len(groups) != self.n_persons:
            raise InputError(
                f"expected {self.n_persons} group names, one a person, got {len(groups)}; give one each"
            )
        of = np.asarray(groups)
        strange = sorted(set(of.tolist()) - set(names))
        if strange:
            raise InputError(
                f"expected groups among {', '.join(names)}, got '{strange[0]}'; correct the groups"
            )
        parts = []
        for population in populations:
            rows = np.flatnonzero(of == population.group)
            if len(rows):
                own, grid = self._pool_of(population.group), self._grid_of(population.group)
                parts.append(self._part(own, population, rows, answers.take(rows), grid))
        return tuple(parts)

    def _part(
        self,
        pool: ItemPool,
        population: Population,
        rows: np.ndarray,
        answers: Answers,
        grid: Grid | None = None,
    ) -> Part:
        return Part(pool, population, rows, answers, grid)

    def _grid_of(self, group: str) -> Grid | None:
        """Return the nodes of a distribution that was estimated and is not normal, or None."""
        for shape in self.parameters.fit.get("latent") or []:
            if shape["group"] == group:
                return Grid(np.array(shape["nodes"]), np.array(shape["weights"]))
        return None

    def _pool_of(self, group: str) -> ItemPool:
        """Return the pool with the parameters of one group, where some items differ between groups."""
        rows = self.pool.rows()
        if not any(group in (row.get("groups") or {}) for row in rows):
            return self.pool
        return ItemPool.from_rows([row | (row.get("groups") or {}).get(group, {}) for row in rows])

    @property
    def n_items(self) -> int:
        """Number of items."""
        return len(self.pool)

    @cached_property
    def share_complete(self) -> float:
        """Share of the persons who answered every item."""
        return float(sum(part.complete.sum() for part in self.parts)) / max(1, self.n_persons)

    @cached_property
    def loglik(self) -> float:
        """Marginal log-likelihood of the responses."""
        return float(sum(part.log_marginal.sum() for part in self.parts))

    def gather(self, values: Sequence[np.ndarray]) -> np.ndarray:
        """Return one array for all persons, in the responses' order, from one array a part."""
        out = np.empty((self.n_persons, *values[0].shape[1:]), values[0].dtype)
        for part, value in zip(self.parts, values, strict=True):
            out[part.rows] = value
        return out

    def theta(self, method: str = "eap") -> np.ndarray:
        """Return every person's estimate, shape ``(n_persons,)``."""
        return self.gather([part.theta(method) for part in self.parts])
