"""EAP in several dimensions by adaptive Gauss-Hermite quadrature.

Nodes are laid for each person around the mode of the posterior and scaled by its curvature there:
``theta = mode + L z`` with ``L L'`` the inverse of the precision at the mode, so that a few nodes a dimension
do. L is lower triangular: an item that loads on the first dimensions alone is evaluated over the nodes of
these alone.

References
----------
Naylor, J. C., & Smith, A. F. M. (1982). Applications of a method for the efficient computation of posterior
distributions. Applied Statistics, 31, 214-225. Liu, Q., & Pierce, D. A. (1994). A note on Gauss-Hermite
quadrature. Biometrika, 81, 624-629. Schilling, S., & Bock, R. D. (2005). High-dimensional maximum marginal
likelihood item factor analysis by adaptive quadrature. Psychometrika, 70, 533-555.
"""

from __future__ import annotations

import itertools

import numpy as np

from cat_engine.compile import jit
from cat_engine.family import logp as family_logp
from cat_engine.scoring.composite import Part, Population
from cat_engine.scoring.mode import modes
from cat_engine.scoring.posterior import weights
from cat_engine.threads import over_chunks

__all__ = ["NODES", "adaptive_moments"]

NODES = {1: 31, 2: 21, 3: 15, 4: 9, 5: 7, 6: 5}
"""Nodes a dimension, by the number of dimensions."""

_AT_ONCE = 2_000_000  # nodes of several persons that are held at once


@jit(nogil=True)
def _prior(low, high, root, start, across, nodes, log_weights, out):
    """Write log(prior x weight) at every node: the prior's `root` turns theta - mean into unit normals."""
    size = nodes.shape[1]
    turn = np.empty((size, size))
    begin = np.empty(size)
    for p in range(low, high):
        for d in range(size):
            begin[d] = 0.0
            for e in range(size):
                begin[d] += root[d, e] * start[p, e]
                turn[d, e] = 0.0
                for f in range(size):
                    turn[d, e] += root[d, f] * across[p, f, e]
        for m in range(log_weights.size):
            total = 0.0
            for d in range(size):
                u = begin[d]
                for e in range(size):
                    u += turn[d, e] * nodes[m, e]
                total += u * u
            out[p, m] = log_weights[m] - 0.5 * total


@jit(nogil=True)
def _add(low, high, line, slopes, indptr, row, category, persons, mode, across, z, out):
    """Add the log-likelihood at every node, dimension by dimension: item after item as soon as its
    composite is known."""
    size = slopes.shape[1]
    width = 2
    for i in range(line.n_cat.size):
        width = max(width, line.n_cat[i])
    lp = np.empty(width)
    composite = np.empty(out.shape[1])
    total = np.empty(out.shape[1])
    turn = np.empty(size)
    for t in range(low, high):
        start, stop = indptr[persons[t]], indptr[persons[t] + 1]
        total[0] = 0.0
        known = 1
        for depth in range(1, size + 1):
            _repeat(total, known, z, 0.0)
            known *= z.size
            for r in range(start, stop):
                i = row[r]
                last = 0  # dimensions of z that the item's composite depends on
                for d in range(size):
                    if slopes[i, d] != 0.0:
                        last = d + 1
                if max(last, 1) != depth:
                    continue
                composite[0] = 0.0
                for d in range(size):
                    composite[0] += slopes[i, d] * mode[t, d]
                reached = 1
                for d in range(depth):
                    turn[d] = 0.0
                    for e in range(size):
                        turn[d] += slopes[i, e] * across[t, e, d]
                    _repeat(composite, reached, z, turn[d])
                    reached *= z.size
                k = category[r]
                for m in range(known):
                    family_logp(line, i, composite[m], lp)
                    total[m] += lp[k]
        for m in range(known):
            out[t, m] += total[m]


@jit
def _repeat(values, n, z, slope):
    """Spread the first `n` values over one dimension more, in place: ``values[m] + slope z[q]``."""
    for m in range(n - 1, -1, -1):
        value = values[m]
        for q in range(z.size):
            values[m * z.size + q] = value + slope * z[q]


@jit(nogil=True)
def _moments(low, high, log_post, nodes, mean, cov):
    size = nodes.shape[1]
    for p in range(low, high):
        weight = log_post[p]
        weights(weight)
        total = 0.0
        for m in range(weight.size):
            total += weight[m]
        for d in range(size):
            mean[p, d] = 0.0
            for m in range(weight.size):
                mean[p, d] += weight[m] * nodes[m, d]
            mean[p, d] /= total
        for d in range(size):
            for e in range(d + 1):
                cov[p, d, e] = 0.0
                for m in range(weight.size):
                    cov[p, d, e] += weight[m] * (nodes[m, d] - mean[p, d]) * (nodes[m, e] - mean[p, e])
                cov[p, d, e] /= total
                cov[p, e, d] = cov[p, d, e]


def adaptive_moments(
    items: list[Part], n: int, population: Population, nodes: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and covariance matrix of the posterior of `n` persons, shapes ``(n, D)`` and ``(n, D, D)``.

    Parameters
    ----------
    nodes
        Nodes a dimension, `NODES` unless told.
    """
    size = len(population.mean)
    z, density = np.polynomial.hermite_e.hermegauss(NODES[size] if nodes is None else nodes)
    points = np.array(list(itertools.product(z, repeat=size)))
    log_weights = np.log(np.array(list(itertools.product(density, repeat=size)))).sum(axis=1)
    log_weights += 0.5 * (points * points).sum(axis=1)
    root = np.linalg.cholesky(population.precision).T
    mode, precision = modes(items, n, population)
    across = np.linalg.cholesky(np.linalg.inv(precision))
    mean, cov = np.empty((n, size)), np.empty((n, size, size))
    step = max(_AT_ONCE // len(points), 1)
    for low in range(0, n, step):
        these = np.arange(low, min(low + step, n))
        start, turn = mode[these] - population.mean, across[these]
        out = np.empty((len(these), len(points)))
        chunk = max(len(these) // 8, 1)
        over_chunks(_prior, len(these), root, start, turn, points, log_weights, out, chunk=chunk)
        for part in items:
            over_chunks(
                _add,
                len(these),
                part.line,
                part.slopes,
                *part.answers,
                these,
                mode[these],
                turn,
                z,
                out,
                chunk=chunk,
            )
        over_chunks(_moments, len(these), out, points, mean[these[0] :], cov[these[0] :], chunk=chunk)
    mean = mode + np.einsum("nde,ne->nd", across, mean)
    return mean, np.asarray(across @ cov @ across.transpose(0, 2, 1))
