"""Posteriors in several dimensions by brute force, from the formulas alone: nothing of the engine is used."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_softmax

Row = Mapping[str, Any]


def log_probability(row: Row, category: int, theta: np.ndarray) -> np.ndarray:
    """Return log P(X = category) at each row of `theta`, shape ``(M, D)``."""
    z = theta @ np.asarray(row["slopes"], dtype=float)
    if row["model"] == "m2pl":
        z = z + row["intercept"]
        return -np.logaddexp(0.0, -z if category else z)
    if row["model"] == "m3pl":
        z = z + row["intercept"]
        if category:
            return np.asarray(np.log(row["c"] + (1.0 - row["c"]) * expit(z)))
        return np.log(1.0 - row["c"]) - np.logaddexp(0.0, z)
    if row["model"] == "mgrm":
        reach = [np.ones_like(z), *(expit(z + d) for d in row["intercept"]), np.zeros_like(z)]
        return np.log(reach[category] - reach[category + 1])
    steps = np.arange(len(row["intercept"]))
    return np.asarray(log_softmax(np.outer(z, steps) + row["intercept"], axis=1)[:, category])


def log_posterior(
    rows: Sequence[Row], answers: np.ndarray, mean: np.ndarray, cov: np.ndarray, theta: np.ndarray
) -> np.ndarray:
    """Return log-prior + log-likelihood of one person's answers (negative: none) at each row of `theta`."""
    away = theta - mean
    total = -0.5 * np.einsum("md,de,me->m", away, np.linalg.inv(cov), away)
    for row, category in zip(rows, answers, strict=True):
        if category >= 0:
            total += log_probability(row, int(category), theta)
    return np.asarray(total)


def moments(
    rows: Sequence[Row], answers: np.ndarray, mean: np.ndarray, cov: np.ndarray, n: int = 121
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and covariance matrix of the posterior: sums over `n` nodes a dimension, mean +- 7 sd."""
    sd = np.sqrt(np.diag(cov))
    axes = [np.linspace(m - 7.0 * s, m + 7.0 * s, n) for m, s in zip(mean, sd, strict=True)]
    total, first, second = 0.0, np.zeros(len(mean)), np.zeros((len(mean), len(mean)))
    for slab in axes[0]:
        theta = np.array([(slab, *rest) for rest in itertools.product(*axes[1:])])
        weight = np.exp(log_posterior(rows, answers, mean, cov, theta))
        total += weight.sum()
        first += weight @ theta
        second += (theta * weight[:, None]).T @ theta
    first = first / total
    return first, second / total - np.outer(first, first)


def mode(rows: Sequence[Row], answers: np.ndarray, mean: np.ndarray, cov: np.ndarray) -> np.ndarray:
    """Return the highest of the maxima that a general optimiser finds from several points."""
    sd = np.sqrt(np.diag(cov))
    starts = [mean + shift * sd for shift in (-1.0, 0.0, 1.0)]

    def depth(x: np.ndarray) -> float:
        return -float(log_posterior(rows, answers, mean, cov, x[None])[0])

    found = [minimize(depth, start, method="BFGS", options={"gtol": 1e-8}) for start in starts]
    return np.asarray(min(found, key=lambda f: f.fun).x)


def hessian(rows: Sequence[Row], answers: np.ndarray, theta: np.ndarray, h: float = 1e-3) -> np.ndarray:
    """Return the second derivative of the log-likelihood by central differences, shape ``(D, D)``."""
    size = len(theta)
    flat, unit = np.zeros(size), np.eye(size)

    def value(x: np.ndarray) -> float:
        return float(log_posterior(rows, answers, flat, unit, x[None])[0] + 0.5 * x @ x)

    out = np.empty((size, size))
    for d, e in itertools.product(range(size), repeat=2):
        corners = [(s, t, value(theta + h * (s * unit[d] + t * unit[e]))) for s in (-1, 1) for t in (-1, 1)]
        out[d, e] = sum(s * t * v for s, t, v in corners) / (4.0 * h * h)
    return out


def expected_information(rows: Sequence[Row], answered: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Return ``sum_k P_k (d log P_k)(d log P_k)'`` of the items answered, by central differences."""
    size, h = len(theta), 1e-5
    total = np.zeros((size, size))
    for row, given in zip(rows, answered, strict=True):
        width = (
            2 if row["model"] in ("m2pl", "m3pl") else np.size(row["intercept"]) + (row["model"] == "mgrm")
        )
        for k in range(width if given else 0):
            ends = [log_probability(row, k, theta + side * h * np.eye(size)) for side in (1.0, -1.0)]
            slope = (ends[0] - ends[1]) / (2.0 * h)
            total += np.exp(log_probability(row, k, theta[None])[0]) * np.outer(slope, slope)
    return total
