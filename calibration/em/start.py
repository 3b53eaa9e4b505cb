"""Starting values: proportions for the locations, the first principal axis for slopes and their signs."""

from __future__ import annotations

import numpy as np

from calibration.em.structure import Structure
from item_bank.responses import Responses

__all__ = ["starting_values"]

PERSONS = 1000
"""The axis is taken from at most this many persons, evenly spread over the file."""

ITEMS = 600
DENSE = 0.34
STEEPEST = 2.5


def starting_values(structure: Structure, responses: Responses) -> np.ndarray:
    """Return free item parameters to start from.

    Parameters
    ----------
    structure
        What is estimated.
    responses
        Everybody's responses; groups start alike.
    """
    if all(model.fixed.get("a") is not None for model in structure.models):
        slopes, quantities = np.ones(responses.n_items), None
    else:
        slopes, quantities = _axis(responses)
    working = np.empty(len(structure.offset))
    for block in structure.blocks:
        part = block.working(working)
        for r, row in enumerate(block.rows):
            i = structure.item_of[row]
            counts = responses.counts[i, : block.n_cat] + 0.5
            model = structure.models[i]
            slope = 1.0 if model.fixed.get("a") is not None else slopes[i]
            part[r] = model.start(block.n_cat, counts / counts.sum(), slope)
            if not model.monotone and quantities is not None:
                part[r, : block.n_cat - 1] = quantities[i][1 : block.n_cat] - quantities[i][0]
    return structure.free_from(working)


def _axis(responses: Responses) -> tuple[np.ndarray, list[np.ndarray] | None]:
    """Return a slope for every item and a quantity for every category from the main axis."""
    flat = np.ones(responses.n_items)
    if responses.density < DENSE or responses.n_items > ITEMS or responses.n_items < 3:
        return flat, None
    rows = np.linspace(0, responses.n_persons - 1, min(PERSONS, responses.n_persons)).astype(np.int64)
    x = responses.take(rows).dense().astype(np.float64)
    given = x >= 0
    z = np.where(given, x, 0.0)
    n = np.maximum(given.sum(axis=0), 1)
    mean = z.sum(axis=0) / n
    z = np.where(given, x - mean, 0.0)
    sd = np.sqrt((z * z).sum(axis=0) / n)
    z /= np.where(sd > 0.0, sd, 1.0)
    together = given.T.astype(np.float64) @ given
    correlation = (z.T @ z) / np.maximum(together, 1.0)
    loading = _factor(correlation)
    if loading.sum() < 0.0:
        loading = -loading
    score = z @ loading
    score /= max(float(score.std()), 1e-9)
    quantities = []
    for j in range(responses.n_items):
        means = np.zeros(int(responses.n_cat[j]))
        for k in range(len(means)):
            chosen = x[:, j] == k
            means[k] = score[chosen].sum() / (chosen.sum() + 5.0)
        quantities.append(1.5 * means)
    lift = np.array([_polyserial(x[given[:, j], j], sd[j]) for j in range(responses.n_items)])
    full = np.clip(loading * lift, -0.83, 0.83)
    return 1.702 * full / np.sqrt(1.0 - full * full), quantities


def _factor(correlation: np.ndarray) -> np.ndarray:
    """Return loadings of one factor by iterated principal axes."""
    reduced = correlation.copy()
    off = np.abs(correlation - np.diag(np.diag(correlation)))
    communality = off.max(axis=1)
    loading = np.zeros(len(correlation))
    for _ in range(4):
        np.fill_diagonal(reduced, communality)
        values, vectors = np.linalg.eigh(reduced)
        loading = vectors[:, -1] * np.sqrt(max(values[-1], 0.0))
        communality = np.minimum(loading**2, 0.95)
    return loading


def _polyserial(x: np.ndarray, sd: float) -> float:
    """Return by how much coarse categories shrink a correlation with a normal variable."""
    counts = np.bincount(x.astype(np.int64))
    edges = np.cumsum(counts)[:-1] / max(len(x), 1)
    edges = edges[(edges > 0.0) & (edges < 1.0)]
    if not len(edges) or sd <= 0.0:
        return 1.0
    # Winitzki's (2008) inverse of the error function: two digits are plenty here.
    u = 2.0 * edges - 1.0
    t = np.log(1.0 - u * u)
    h = 2.0 / (np.pi * 0.147) + 0.5 * t
    z = np.sign(u) * np.sqrt(2.0) * np.sqrt(np.sqrt(h * h - t / 0.147) - h)
    density = float(np.exp(-0.5 * z * z).sum()) / np.sqrt(2.0 * np.pi)
    return float(min(sd / density, 3.0))
