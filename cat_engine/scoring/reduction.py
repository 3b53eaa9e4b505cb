"""EAP in several dimensions that one dimension holds together: exact reduction to two at a time.

Where there is a *hub* h such that no item loads on two of the other dimensions, and these are independent
of each other given theta_h in the population, they are so in the posterior too:

    p(theta | x)  proportional to  p(theta_h) L_h(theta_h) prod_s p(theta_s | theta_h) L_s(theta_h, theta_s)

Each theta_s is summed out node by node of theta_h, so the cost is that of two dimensions, times their number.
This covers any two dimensions (the hub is either), a bifactor pattern (the hub is the general dimension) and
any number of uncorrelated dimensions of which no item mixes two. Nodes are those of one dimension: 61,
equally spaced on mean +- 6 sd. The other dimensions' are laid over their residual given the hub, so that a
high correlation costs no precision.

References
----------
Gibbons, R. D., & Hedeker, D. R. (1992). Full-information item bi-factor analysis. Psychometrika, 57,
423-436. Cai, L. (2010). A two-tier full-information item factor analysis model with applications.
Psychometrika, 75, 581-612 (scores: eqs. 24 to 26).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cat_engine.answers import Answers
from cat_engine.arithmetic import exp, log
from cat_engine.compile import jit
from cat_engine.family import logp as family_logp
from cat_engine.grid import Grid
from cat_engine.pool import ItemPool
from cat_engine.scoring.composite import Population, parts, slopes_of
from cat_engine.scoring.posterior import weights
from cat_engine.threads import over_chunks

__all__ = ["hub_of", "reduced_moments"]

_NODES = 61


def hub_of(slopes: np.ndarray, cov: np.ndarray) -> int | None:
    """Return the dimension given which the others are independent; None where there is none.

    Among several, the one that leaves the fewest items loading on another dimension.

    Parameters
    ----------
    slopes
        Of every item, shape ``(n, D)``.
    cov
        Covariance matrix of the population.
    """
    loads = slopes != 0.0
    scale = np.sqrt(np.outer(np.diag(cov), np.diag(cov)))
    found: list[tuple[int, int]] = []
    for h in range(len(cov)):
        others = np.delete(np.arange(len(cov)), h)
        rest = (cov - np.outer(cov[:, h], cov[:, h]) / cov[h, h]) / scale
        apart = rest[np.ix_(others, others)] - np.diag(np.diag(rest)[others])
        if (np.abs(apart) < 1e-12).all() and (loads[:, others].sum(axis=1) <= 1).all():
            found.append((int(loads[:, others].sum()), h))
    return min(found)[1] if found else None


class _Tables(NamedTuple):
    """A pool over the nodes.

    Attributes
    ----------
    owner, place
        Shape ``(n,)``: which dimension after the hub an item loads on (from 1; -1: none), and the item's row
        in `across`, or in `along`.
    along
        Shape ``(rows, K, Q)``: log-probabilities over the hub's nodes.
    across
        Shape ``(rows, K, Q Q)``: over the hub's nodes, and at each over the owner's.
    """

    owner: np.ndarray
    place: np.ndarray
    along: np.ndarray
    across: np.ndarray


class _Nodes(NamedTuple):
    """Where the integrand is evaluated; ``theta_s = line[s, x] + residual[s, y]`` at the nodes x and y.

    Attributes
    ----------
    hub, log_hub
        Shape ``(Q,)``: nodes of the hub, and the logarithm of their weights.
    line, residual
        Shape ``(S, Q)``: expectation of the other dimensions at each node of the hub, and nodes around it.
    log_residual
        Shape ``(S, Q)``: logarithm of the latter's weights.
    """

    hub: np.ndarray
    log_hub: np.ndarray
    line: np.ndarray
    residual: np.ndarray
    log_residual: np.ndarray


@jit
def _tabulate(items, index, on_hub, on_owner, hub, line, residual, owner, place, along, across):
    lp = np.empty(along.shape[1])
    for r in range(index.size):
        i = index[r]
        s = owner[i]
        for x in range(hub.size):
            for y in range(hub.size if s > 0 else 1):
                composite = on_hub[i] * hub[x]
                if s > 0:
                    composite += on_owner[i] * (line[s - 1, x] + residual[s - 1, y])
                family_logp(items, r, composite, lp)
                for k in range(items.n_cat[r]):
                    if s > 0:
                        across[place[i], k, x * hub.size + y] = lp[k]
                    else:
                        along[place[i], k, x] = lp[k]


@jit
def _conditional(joint, log_weights, residual, x, weight, spread):
    """Sum one dimension out at the node `x` of the hub: its likelihood goes to `weight[x]`, its variance to
    `spread[x]`; return its mean, as a residual."""
    size = residual.size
    begin = x * size
    top = -np.inf
    for y in range(size):
        joint[begin + y] += log_weights[y]
        top = max(top, joint[begin + y])
    for y in range(size):
        joint[begin + y] = exp(joint[begin + y] - top)
    total = 0.0
    first = 0.0
    for y in range(size):
        total += joint[begin + y]
        first += joint[begin + y] * residual[y]
    first /= total
    second = 0.0
    for y in range(size):
        gap = residual[y] - first
        second += joint[begin + y] * (gap * gap)
    weight[x] += top + log(total)
    spread[x] = second / total
    return first


@jit(nogil=True)
def _moments(low, high, tables, nodes, indptr, item, category, mean, cov):
    size = nodes.hub.size
    dimensions = nodes.line.shape[0] + 1
    weight = np.empty(size)
    joint = np.empty(size * size)
    centre = np.empty((dimensions, size))  # of every dimension at each node of the hub, and its variance
    spread = np.zeros((dimensions, size))
    for x in range(size):
        centre[0, x] = nodes.hub[x]
    for p in range(low, high):
        for x in range(size):
            weight[x] = nodes.log_hub[x]
        for r in range(indptr[p], indptr[p + 1]):
            if tables.owner[item[r]] < 0:
                row = tables.along[tables.place[item[r]], category[r]]
                for x in range(size):
                    weight[x] += row[x]
        for d in range(1, dimensions):
            for m in range(joint.size):
                joint[m] = 0.0
            for r in range(indptr[p], indptr[p + 1]):
                if tables.owner[item[r]] == d:
                    row = tables.across[tables.place[item[r]], category[r]]
                    for m in range(joint.size):
                        joint[m] += row[m]
            for x in range(size):
                off = _conditional(
                    joint, nodes.log_residual[d - 1], nodes.residual[d - 1], x, weight, spread[d]
                )
                centre[d, x] = nodes.line[d - 1, x] + off
        weights(weight)
        total = 0.0
        for x in range(size):
            total += weight[x]
        for d in range(dimensions):
            mean[p, d] = 0.0
            for x in range(size):
                mean[p, d] += weight[x] / total * centre[d, x]
            for e in range(d + 1):
                cov[p, d, e] = 0.0
                for x in range(size):
                    both = (centre[d, x] - mean[p, d]) * (centre[e, x] - mean[p, e])
                    cov[p, d, e] += weight[x] / total * (both + (spread[d, x] if d == e else 0.0))
                cov[p, e, d] = cov[p, d, e]


def _nodes(population: Population, hub: int, others: np.ndarray, n: int) -> _Nodes:
    mean, cov = population
    grid = Grid.normal(mean[hub], np.sqrt(cov[hub, hub]), n=n)
    steepness = cov[others, hub] / cov[hub, hub]
    left = cov[others, others] - steepness * cov[others, hub]
    around = [Grid.normal(0.0, np.sqrt(v), n=n) for v in left]
    return _Nodes(
        grid.nodes,
        grid.log_weights,
        mean[others, None] + steepness[:, None] * (grid.nodes - mean[hub]),
        np.array([g.nodes for g in around]).reshape(-1, n),
        np.array([g.log_weights for g in around]).reshape(-1, n),
    )


def _tables(pool: ItemPool, slopes: np.ndarray, hub: int, others: np.ndarray, nodes: _Nodes) -> _Tables:
    loads = slopes[:, others] != 0.0
    mixed = loads.any(axis=1)
    owner = np.where(mixed, 1 + (loads * np.arange(len(others))).sum(axis=1), -1)
    on_owner = slopes[:, others].sum(axis=1)  # no item loads on two
    place = np.where(mixed, np.cumsum(mixed), np.cumsum(~mixed)) - 1
    size, width = len(nodes.hub), int(pool.n_cat.max())
    tables = _Tables(
        owner,
        place,
        np.full((int((~mixed).sum()), width, size), -np.inf),
        np.full((int(mixed.sum()), width, size * size), -np.inf),
    )
    nobody = Answers(np.zeros(1, np.int64), np.empty(0, np.int32), np.empty(0, np.int8))
    for block, part in zip(pool.blocks, parts(pool, nobody), strict=True):
        _tabulate(
            part.line,
            block.index,
            np.ascontiguousarray(slopes[:, hub]),
            on_owner,
            nodes.hub,
            nodes.line,
            nodes.residual,
            *tables,
        )
    return tables


def reduced_moments(
    pool: ItemPool, answers: Answers, population: Population, hub: int, n: int = _NODES
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and covariance matrix of every person's posterior, shapes ``(N, D)`` and ``(N, D, D)``.

    Parameters
    ----------
    hub
        What :func:`hub_of` says.
    n
        Nodes a dimension.
    """
    slopes = slopes_of(pool)
    dimensions = slopes.shape[1]
    others = np.delete(np.arange(dimensions), hub)
    nodes = _nodes(population, hub, others, n)
    tables = _tables(pool, slopes, hub, others, nodes)
    mean = np.empty((answers.n_persons, dimensions))
    cov = np.empty((answers.n_persons, dimensions, dimensions))
    over_chunks(_moments, len(mean), tables, nodes, *answers, mean, cov, chunk=256)
    back = np.argsort([hub, *others])
    return mean[:, back], cov[:, back][:, :, back]
