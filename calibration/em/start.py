"""Starting values: proportions for the locations, the first principal axis for slopes and their signs."""

from __future__ import annotations

import numpy as np

from calibration.em.structure import Structure

__all__ = ["Some", "axis_persons", "starting_values"]

PERSONS = 1000
"""The axis is taken from at most this many persons, evenly spread over the file."""

ITEMS = 600
DENSE = 0.34
STEEPEST = 2.5


Some = tuple[np.ndarray, np.ndarray]
"""Categories of some persons, -1 where none was given, and the persons' sampling weights."""


def starting_values(structure: Structure, counts: np.ndarray, some: Some | None) -> np.ndarray:
    """Return free item parameters to start from.

    Parameters
    ----------
    structure
        What is estimated.
    counts
        Number of responses of each item in each category; groups start alike.
    some
        Answers and weights of the persons that `axis_persons` names; None: all items start alike.
    """
    slopes, quantities = np.ones(len(structure.items)), None
    if some is not None and any(model.fixed.get("a") is None for model in structure.models):
        slopes, quantities = _axis(some, counts)
    working = np.empty(len(structure.offset))
    for block in structure.blocks:
        part = block.working(working)
        for r, row in enumerate(block.rows):
            i = structure.item_of[row]
            seen = counts[i, : block.n_cat] + 0.5
            model = structure.models[i]
            slope = 1.0 if model.fixed.get("a") is not None else slopes[i]
            part[r] = model.start(block.n_cat, seen / seen.sum(), slope)
            if not model.monotone and quantities is not None:
                part[r, : block.n_cat - 1] = quantities[i][1 : block.n_cat] - quantities[i][0]
    return structure.free_from(working)


def axis_persons(n_persons: int, n_items: int, density: float) -> np.ndarray | None:
    """Return the persons from whose answers the axis is taken; None where it is not worth it."""
    if density < DENSE or not 3 <= n_items <= ITEMS:
        return None
    return np.linspace(0, n_persons - 1, min(PERSONS, n_persons)).astype(np.int64)


def _axis(some: Some, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a slope for every item and a quantity for every category from the main axis."""
    x, weight = some
    given = x >= 0
    shown = given * np.sqrt(weight)[:, None]
    n = np.maximum(weight @ given, 1e-12)
    z = np.where(given, x - (weight @ np.where(given, x, 0)) / n, 0.0)
    sd = np.sqrt((weight @ (z * z)) / n)
    z /= np.where(sd > 0.0, sd, 1.0)
    leaning = z * np.sqrt(weight)[:, None]
    together = max(float(weight.sum()), 1e-12) if given.all() else np.maximum(shown.T @ shown, 1e-12)
    loading = _factor((leaning.T @ leaning) / together)
    if loading.sum() < 0.0:
        loading = -loading
    full = np.clip(loading * _polyserial(counts), -0.83, 0.83)
    quantities = _quantities(x, z @ loading, counts.shape[1])
    return np.asarray(1.702 * full / np.sqrt(1.0 - full * full)), quantities


def _quantities(x: np.ndarray, score: np.ndarray, size: int) -> np.ndarray:
    """Return the mean standardised score of those who chose a category, shrunken, shape ``(n_items, K)``."""
    score = score / max(float(score.std()), 1e-9)
    out = np.zeros((x.shape[1], size))
    for k in range(size):
        chosen = (x == k).astype(np.float64)
        out[:, k] = 1.5 * (score @ chosen) / (chosen.sum(axis=0) + 5.0)
    return out


def _factor(correlation: np.ndarray) -> np.ndarray:
    """Return loadings of one factor by iterated principal axes."""
    reduced = correlation.copy()
    off = np.abs(correlation - np.diag(np.diag(correlation)))
    communality = off.max(axis=1)
    np.fill_diagonal(reduced, communality)
    values, vectors = np.linalg.eigh(reduced)
    loading: np.ndarray = vectors[:, -1] * np.sqrt(max(values[-1], 0.0))
    for _ in range(10):  # the axis hardly turns from here on: one multiplication each follows it
        communality = np.minimum(loading**2, 0.95)
        np.fill_diagonal(reduced, communality)
        turned = reduced @ loading
        before, after = float(np.linalg.norm(loading)), float(np.linalg.norm(turned))
        if before * after == 0.0:
            break
        loading = np.asarray(turned / np.sqrt(before * after))
    return loading


def _polyserial(counts: np.ndarray) -> np.ndarray:
    """Return by how much each item's coarse categories shrink a correlation with a normal variable.

    `counts` has shape ``(n_items, K)``.
    """
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    codes = np.arange(counts.shape[1])
    mean = share @ codes
    sd = np.sqrt(np.maximum(share @ codes**2 - mean * mean, 0.0))
    edges = np.cumsum(share, axis=1)[:, :-1]
    inner = (edges > 1e-12) & (edges < 1.0 - 1e-12)
    # Winitzki's (2008) inverse of the error function: two digits are plenty here.
    u = np.where(inner, 2.0 * edges - 1.0, 0.0)
    t = np.log(1.0 - u * u)
    h = 2.0 / (np.pi * 0.147) + 0.5 * t
    z = np.sign(u) * np.sqrt(2.0) * np.sqrt(np.sqrt(h * h - t / 0.147) - h)
    density = np.where(inner, np.exp(-0.5 * z * z), 0.0).sum(axis=1) / np.sqrt(2.0 * np.pi)
    known = (density > 0.0) & (sd > 0.0)
    return np.asarray(np.where(known, np.minimum(sd / np.where(known, density, 1.0), 3.0), 1.0))
