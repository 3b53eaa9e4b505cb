"""PV-Q1: item fit over bins of plausible values; needs no total score, so that it serves adaptive data.

A plausible value of theta is drawn from each person's posterior; for each item those who met it are put
into bins along theta, and observed and expected counts are compared (Yen's Q1). PV-Q1 averages this over
draws. Nothing is drawn here: with `w_pq` the posterior of person `p` over the nodes `q`, and `M_qb` the
share of a node that lies in bin `b`, a person adds on average

    u_pbk = sum_q w_pq M_qb (1[x_p = k] - P_k(q))

to observed minus expected count of category `k` in bin `b`, and the statistic is what PV-Q1 tends to with
ever more draws: ``sum_bk (sum_p u_pbk)**2 / E_bk`` plus what drawing adds, a constant.

Where the model holds ``sum_p u`` is normal with mean 0; its covariance is the sum of the persons' products,
once the part of `u` that goes along with the person's scores in the item's own parameters is taken off (the
estimates have used it up). So the statistic is a weighted sum of chi-squared variables; its p-value is from
the gamma distribution of the same mean and variance. In data where theta is little known the parameters use
up far less than one degree of freedom each, and an average of draws varies far less than one draw: read
from chi-squared with all parameters taken off, the statistic rejects too often in adaptive data and hardly
ever in long tests.

References
----------
Yen, W. M. (1981). Using simulation results to choose a latent trait model. Applied Psychological
Measurement, 5, 245-262. Chalmers, R. P., & Ng, V. (2017). Plausible-value imputation statistics for
detecting item misfit. Applied Psychological Measurement, 41, 372-387 (PV-Q1). Haberman, S. J., & Sinharay, S.
(2013). Generalized residuals for general models for contingency tables with application to item response
theory. Journal of the American Statistical Association, 108, 1435-1444 (the distribution). Satterthwaite,
F. E. (1946). An approximate distribution of estimates of variance components. Biometrics Bulletin, 2,
110-114.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy.stats import gamma

from calibration.fit.evidence import Evidence, Part
from calibration.fit.freedom import Freedom, freedom, slopes
from calibration.fit.sx2 import ItemChi2, rmsea

__all__ = ["BINS", "LEAST_ANSWERS", "ObservedCurves", "observed_curves", "pv_q1"]

BINS = 10
"""Bins along theta; fewer where they would hold less than `LEAST_IN_BIN` answers."""

LEAST_IN_BIN, LEAST_ANSWERS = 20, 50
"""Answers below which an item's fit is not judged."""


class _Met(NamedTuple):
    """Those who met an item: bins of equal mass along theta, and where the persons are in them.

    Attributes
    ----------
    posterior, category
        Shapes ``(N, Q)`` and ``(N,)``.
    member
        Share of each node in each bin, shape ``(Q, bins)``.
    placed
        Share of each person in each bin, shape ``(N, bins)``.
    """

    posterior: np.ndarray
    category: np.ndarray
    member: np.ndarray
    placed: np.ndarray


def _by_item(part: Part) -> Iterator[_Met]:
    """Yield who met each item."""

    def binned(posterior: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        bins = int(np.clip(len(posterior) // LEAST_IN_BIN, 3, BINS))
        member = _membership(posterior.sum(axis=0), bins)
        return member, posterior @ member

    if part.complete.all():
        bins = binned(part.posterior)
        for i in range(len(part.pool)):
            yield _Met(part.posterior, part.matrix[:, i], *bins)
        return
    item, category = part.answers.item, part.answers.category
    person = np.repeat(np.arange(part.n_persons), np.diff(part.answers.indptr))
    order = np.argsort(item, kind="stable")
    ends = np.cumsum(np.bincount(item, minlength=len(part.pool)))
    for start, end in zip([0, *ends[:-1]], ends, strict=True):
        posterior = part.posterior[person[order[start:end]]]
        yield _Met(posterior, category[order[start:end]], *binned(posterior))


def _membership(mass: np.ndarray, bins: int) -> np.ndarray:
    """Return the share of each node in each of `bins` bins of equal mass, shape ``(Q, bins)``."""
    ends = np.cumsum(mass) / max(float(mass.sum()), 1e-300)
    starts = np.concatenate([[0.0], ends[:-1]])
    edges = np.linspace(0.0, 1.0, bins + 1)
    overlap = np.minimum(ends[:, None], edges[1:]) - np.maximum(starts[:, None], edges[:-1])
    width = (ends - starts)[:, None]
    return np.where(width > 0.0, np.maximum(overlap, 0.0) / np.where(width > 0.0, width, 1.0), 0.0)


def _cells(expected: np.ndarray, least: float) -> np.ndarray:
    """Return which categories of which bins make a cell, shape ``(cells, bins, K)``.

    Within a bin, categories are joined from the lowest up until each cell expects `least`; what is left
    over at the top joins the last one. A bin that ends with a single cell says nothing and is left out.
    """
    bins, width = expected.shape
    cells = []
    for b in range(bins):
        groups: list[list[int]] = []
        open_: list[int] = []
        for k in range(width):
            open_.append(k)
            if expected[b, open_].sum() >= least:
                groups.append(open_)
                open_ = []
        if groups:
            groups[-1] += open_
        for group in groups if len(groups) > 1 else ():
            cell = np.zeros((bins, width))
            cell[b, group] = 1.0
            cells.append(cell)
    return np.array(cells).reshape(-1, bins, width)


class _Compared(NamedTuple):
    """One item in one group of persons, by cell.

    Attributes
    ----------
    expected, residual, drawn
        Expected count, observed minus expected, and what drawing adds to the square of that.
    products, crossed, scores
        Sums over persons of what they add to the residual times itself, times their score in the item's own
        free parameters, and of those scores' products: shapes ``(cells, cells)``, ``(cells, free)``,
        ``(free, free)``.
    """

    expected: np.ndarray
    residual: np.ndarray
    drawn: np.ndarray
    products: np.ndarray
    crossed: np.ndarray
    scores: np.ndarray


def _compare(met: _Met, probability: np.ndarray, derivatives: np.ndarray, least: float) -> _Compared:
    """Compare one item's answers with what is expected.

    Parameters
    ----------
    probability
        Shape ``(K, Q)``.
    derivatives
        Of the probabilities in the item's own free parameters, shape ``(free, K, Q)``.
    """
    width, free, bins = len(probability), len(derivatives), met.member.shape[1]
    slopes = derivatives / np.maximum(probability, 1e-300)
    within = met.member[:, :, None] * probability.T[:, None, 1:]  # (Q, bins, K - 1)
    both = met.posterior @ np.hstack(
        [within.reshape(len(within), -1), slopes.reshape(free * width, len(within)).T]
    )
    expecting = both[:, : bins * (width - 1)].reshape(-1, bins, width - 1)
    chosen = (met.category[:, None] == np.arange(width)).astype(np.float64)
    own = np.einsum("npk,nk->np", both[:, bins * (width - 1) :].reshape(len(both), free, width), chosen)
    added = (met.placed[:, :, None] * chosen[:, None, 1:] - expecting).reshape(len(chosen), -1)
    mass = met.posterior.sum(axis=0)
    expected = np.einsum("q,qb,kq->bk", mass, met.member, probability)
    cells = _cells(expected, least)
    # What is added to category 0 is minus what is added to all others.
    turned = (cells[:, :, 1:] - cells[:, :, :1]).reshape(len(cells), -1)
    at = cells.max(axis=2).argmax(axis=1)
    inside = cells.max(axis=1) @ probability  # probability of each cell's categories, (cells, Q)
    sums = np.empty((width, bins, width))  # of those who chose k: how often k' was expected of them
    sums[:, :, 1:] = np.tensordot(chosen, expecting, (0, 0))
    sums[:, :, 0] = chosen.T @ met.placed - sums[:, :, 1:].sum(axis=2)
    of_chosen = np.einsum("cbk,cbm,kbm->c", cells, cells, sums)
    drawn = np.einsum("cbk,kb->c", cells, chosen.T @ met.placed) - 2.0 * of_chosen
    drawn += np.einsum("q,qc,cq->c", mass, met.member[:, at], inside**2)
    products = turned @ (added.T @ added) @ turned.T
    return _Compared(
        np.einsum("cbk,bk->c", cells, expected),
        turned @ added.sum(axis=0),
        np.maximum(drawn - np.diag(products), 0.0),
        products,
        turned @ (added.T @ own),
        own.T @ own,
    )


def pv_q1(evidence: Evidence, least: float = 2.0, free: Freedom | None = None) -> ItemChi2:
    """Return PV-Q1 of every item, averaged over all draws.

    Parameters
    ----------
    least
        Categories are joined until each expects this many in a bin.
    free
        Which parameters were free; found from the parameters by default.

    Returns
    -------
    ItemChi2
        `df` is the expectation of the statistic; NaN for items with fewer than `LEAST_ANSWERS` answers or
        without two categories to compare.
    """
    free = free or freedom(evidence)
    n = evidence.n_items
    count = np.bincount(evidence.answers.item, minlength=n)
    statistic, df, p = np.full(n, np.nan), np.zeros(n), np.full(n, np.nan)
    derivatives = [slopes(part, free, g) for g, part in enumerate(evidence.parts)]
    groups = [_by_item(part) for part in evidence.parts]
    for i in range(n):
        met = [next(group) for group in groups]
        if count[i] < LEAST_ANSWERS:
            continue
        found: list[_Compared] = []
        columns: list[np.ndarray] = []
        for g, part in enumerate(evidence.parts):
            if len(met[g].category):
                own = ~free.shared[free.columns[g][i]]
                size = int(part.pool.n_cat[i])
                found.append(_compare(met[g], part.probability[i, :size], derivatives[g][i][own], least))
                columns.append(free.columns[g][i][own])
        statistic[i], df[i], p[i] = _judged(found, columns)
    judged = np.isfinite(p)
    df = np.where(judged, df, 0.0)
    return ItemChi2(statistic, df, p, rmsea(statistic, df, np.maximum(count, 2)))


def _judged(found: list[_Compared], columns: list[np.ndarray]) -> tuple[float, float, float]:
    """Return statistic, its expectation and p of one item from all groups of persons."""
    sizes = [len(x.expected) for x in found]
    ends = np.cumsum([0, *sizes])
    if not ends[-1]:
        return np.nan, 0.0, np.nan
    known, place = np.unique(np.concatenate(columns), return_inverse=True)
    places = np.split(place, np.cumsum([len(c) for c in columns])[:-1])
    covariance = np.zeros((ends[-1], ends[-1]))
    crossed, scores = np.zeros((ends[-1], len(known))), np.zeros((len(known), len(known)))
    for k, (x, where) in enumerate(zip(found, places, strict=True)):
        rows = slice(ends[k], ends[k + 1])
        covariance[rows, rows] = x.products
        crossed[rows, where] = x.crossed
        scores[np.ix_(where, where)] += x.scores
    if len(known):
        covariance -= crossed @ np.linalg.pinv(scores, hermitian=True) @ crossed.T
    expected, residual, drawn = (
        np.concatenate([getattr(x, name) for x in found]) for name in ("expected", "residual", "drawn")
    )
    covariance /= np.sqrt(np.outer(expected, expected))
    square, added = float((residual**2 / expected).sum()), float((drawn / expected).sum())
    mean, variance = float(np.trace(covariance)), 2.0 * float((covariance**2).sum())
    if not (mean > 1e-9 and variance > 0.0):
        return np.nan, 0.0, np.nan
    p = float(gamma.sf(square, mean * mean / variance, scale=variance / mean))
    return square + added, mean + added, p


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


def observed_curves(evidence: Evidence) -> ObservedCurves:
    """Return observed proportions in bins of equal size along theta.

    Persons are spread over the bins by their posterior and not put where an estimate is: estimates are
    shrunken, and the points would not lie on the true curve even if the model held.
    """
    n, width, bins = evidence.n_items, int(evidence.pool.n_cat.max()), BINS
    count, theta, share = np.zeros((n, bins)), np.zeros((n, bins)), np.zeros((n, bins, width))
    for part in evidence.parts:
        for i, met in enumerate(_by_item(part)):
            mass, size = met.posterior.sum(axis=0), met.member.shape[1]
            count[i, :size] += mass @ met.member
            theta[i, :size] += (mass * part.grid.nodes) @ met.member
            chosen = (met.category[:, None] == np.arange(width)).astype(np.float64)
            share[i, :size] += met.placed.T @ chosen
    with np.errstate(invalid="ignore", divide="ignore"):
        return ObservedCurves(theta / count, count, share / count[:, :, None])
