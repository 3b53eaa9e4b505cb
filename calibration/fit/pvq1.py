"""PV-Q1: item fit over bins of plausible values; needs no total score, so that it serves adaptive data.

A value of theta is drawn from each person's posterior; for each item those who met it are sorted by it
into bins of equal size, and observed and expected counts are compared (Yen's Q1). The statistic and its
degrees of freedom are averaged over draws. Expected counts are sums of the persons' own probabilities, not
the probability at a bin's mean: a steep item would otherwise misfit by the width of its bins.

The average varies less than a chi-squared variable of the same mean, so that a p-value read from that
distribution hardly ever rejects (Chalmers and Ng bootstrap it instead). Each single draw has variance
2 df; the part of it that comes from drawing is seen between the draws and goes away in the average. The
p-value is from the gamma distribution with mean df and what variance remains.

References
----------
Yen, W. M. (1981). Using simulation results to choose a latent trait model. Applied Psychological
Measurement, 5, 245-262. Chalmers, R. P., & Ng, V. (2017). Plausible-value imputation statistics for
detecting item misfit. Applied Psychological Measurement, 41, 372-387.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import gamma

from calibration.fit.evidence import Evidence, Part
from calibration.fit.freedom import Freedom, freedom
from calibration.fit.sx2 import ItemChi2, rmsea
from calibration.kernels.fit import binned, draw_nodes

__all__ = ["LEAST_ANSWERS", "ObservedCurves", "observed_curves", "pv_q1"]

LEAST_ANSWERS = 50
"""Answers below which an item's fit is not judged."""


class _Bins(NamedTuple):
    """Counts of each draw, item, bin and category, and sums of theta of each draw, item and bin."""

    observed: np.ndarray
    expected: np.ndarray
    theta: np.ndarray


def _tables(part: Part, bins: int, draws: int, random: np.random.Generator) -> _Bins:
    n, width, _ = part.probability.shape
    answers = part.answers
    count = np.bincount(answers.item, minlength=n)
    found = _Bins(
        np.zeros((draws, n, bins, width)), np.zeros((draws, n, bins, width)), np.zeros((draws, n, bins))
    )
    node, place = np.empty(part.n_persons, np.int64), np.empty(part.n_persons)
    for draw in range(draws):
        draw_nodes(part.posterior, random.random(part.n_persons), node, place)
        order = np.argsort(place)
        observed, expected, theta = (table[draw] for table in found)
        binned(
            order,
            node,
            part.grid.nodes,
            *answers,
            part.probability,
            count,
            bins,
            observed,
            expected,
            theta,
        )
    return found


class ObservedCurves(NamedTuple):
    """What was answered along theta, to be drawn beside the curves.

    Attributes
    ----------
    theta
        Mean of each bin, shape ``(n, bins)``; NaN without answers.
    n
        Answers in each bin.
    share
        Share of each category, shape ``(n, bins, K)``.
    """

    theta: np.ndarray
    n: np.ndarray
    share: np.ndarray


def observed_curves(evidence: Evidence, bins: int = 10, draws: int = 10, seed: int = 1) -> ObservedCurves:
    """Return observed proportions in bins of plausible values.

    Persons are placed by draws from their posterior and not by an estimate: estimates are shrunken, and the
    points would not lie on the true curve even if the model held.
    """
    random = np.random.Generator(np.random.Philox(seed))
    n, width = evidence.n_items, int(evidence.pool.n_cat.max())
    count, theta, share = np.zeros((n, bins)), np.zeros((n, bins)), np.zeros((n, bins, width))
    for part in evidence.parts:
        found = _tables(part, bins, draws, random)
        count += found.observed.sum(axis=(0, 3)) / draws
        theta += found.theta.sum(axis=0) / draws
        share += found.observed.sum(axis=0) / draws
    with np.errstate(invalid="ignore"):
        return ObservedCurves(theta / count, count, share / count[:, :, None])


def _compared(observed: np.ndarray, expected: np.ndarray, least: float) -> tuple[np.ndarray, np.ndarray]:
    """Return X2 and the number of independent cells of each item, shapes ``(draws, n)``.

    Within a bin, categories are joined from the lowest up until each expects `least`; what is left over at
    the top joins the last one. A bin that ends with a single category says nothing.
    """
    shape = observed.shape[:-1]
    statistic, cells = np.zeros(shape), np.zeros(shape)
    o, e = np.zeros(shape), np.zeros(shape)
    last_o, last_e = np.zeros(shape), np.zeros(shape)  # the last complete cell, still open to leftovers
    started = np.zeros(shape, dtype=bool)
    for k in range(observed.shape[-1]):
        o, e = o + observed[..., k], e + expected[..., k]
        full = e >= least
        close = full & started
        statistic += np.where(close, (last_o - last_e) ** 2 / np.where(close, last_e, 1.0), 0.0)
        cells += close
        last_o, last_e = np.where(full, o, last_o), np.where(full, e, last_e)
        started |= full
        o, e = np.where(full, 0.0, o), np.where(full, 0.0, e)
    last_o, last_e = last_o + o, last_e + e
    statistic += np.where(started, (last_o - last_e) ** 2 / np.where(started, last_e, 1.0), 0.0)
    useful = cells > 0
    return np.where(useful, statistic, 0.0).sum(axis=-1), np.where(useful, cells, 0.0).sum(axis=-1)


def pv_q1(
    evidence: Evidence,
    bins: int = 10,
    draws: int = 30,
    seed: int = 1,
    least: float = 2.0,
    free: Freedom | None = None,
) -> ItemChi2:
    """Return PV-Q1 of every item.

    Parameters
    ----------
    bins, draws
        Bins along theta, and plausible values a person.
    seed
        Of the draws: the same seed gives the same numbers.
    least
        Categories are joined until each expects this many in a bin.

    Returns
    -------
    ItemChi2
        NaN for items with fewer than `LEAST_ANSWERS` answers or no degree of freedom.
    """
    free = free or freedom(evidence)
    random = np.random.Generator(np.random.Philox(seed))
    statistic, cells = np.zeros((draws, evidence.n_items)), np.zeros((draws, evidence.n_items))
    for part in evidence.parts:
        tables = _tables(part, bins, draws, random)
        value, size = _compared(tables.observed, tables.expected, least)
        statistic += value
        cells += size
    count = np.bincount(evidence.answers.item, minlength=evidence.n_items)
    df = cells.mean(axis=0) - free.by_item
    judged = (df > 0) & (count >= LEAST_ANSWERS)
    df = np.where(judged, df, 0.0)
    mean = np.where(judged, statistic.mean(axis=0), np.nan)
    within = statistic.var(axis=0, ddof=1) if draws > 1 else np.zeros(evidence.n_items)
    some = np.where(judged, df, 1.0)
    share = np.median(within[judged] / (2.0 * df[judged])) if judged.any() else 0.0
    variance = 2.0 * some * max(1.0 - share * (1.0 - 1.0 / draws), 0.05)
    p = gamma.sf(mean, some * some / variance, scale=variance / some)
    return ItemChi2(mean, df, np.where(judged, p, np.nan), rmsea(mean, df, np.maximum(count, 2)))
