"""S-X2: observed and expected proportions of each category by total score.

References
----------
Orlando, M., & Thissen, D. (2000). Likelihood-based item-fit indices for dichotomous item response theory
models. Applied Psychological Measurement, 24, 50-64. Kang, T., & Chen, T. T. (2008).
Performance of the generalized S-X2 item fit index for polytomous IRT models. Journal of Educational
Measurement, 45, 391-406.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import chi2

from calibration.fit.evidence import Evidence, Part
from calibration.fit.freedom import Freedom, freedom
from calibration.fit.sumscore import score_distribution, without_each

__all__ = ["ItemChi2", "collapse", "rmsea", "s_x2", "score_tables"]


class ItemChi2(NamedTuple):
    """A chi-squared statistic of every item; NaN where it cannot be computed.

    Attributes
    ----------
    statistic, df, p, rmsea
        Shape ``(n,)``.
    """

    statistic: np.ndarray
    df: np.ndarray
    p: np.ndarray
    rmsea: np.ndarray


def rmsea(statistic: np.ndarray, df: np.ndarray, n: float | np.ndarray) -> np.ndarray:
    """Return the root mean square error of approximation, ``sqrt((X2 / df - 1) / (n - 1))`` or 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        out: np.ndarray = np.sqrt(np.maximum(statistic / df - 1.0, 0.0) / (n - 1.0))
    return np.where(df > 0, out, np.nan)


def score_tables(part: Part) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return observed and expected counts of each item, shapes ``(S - 1, K_i)``.

    Totals 0 and S are left out: every item is then in its lowest or highest category. Persons with a
    missing response have no total score and are left out.
    """
    matrix = part.matrix[part.complete].astype(np.int64)
    n_cat, weights = part.pool.n_cat, part.grid.weights
    greatest = int((n_cat - 1).sum())
    total = matrix.sum(axis=1)
    size = np.bincount(total, minlength=greatest + 1)[1:greatest].astype(np.float64)
    marginal = (score_distribution(part.probability, n_cat) @ weights)[1:greatest]
    observed, expected = [], []
    for i, others in without_each(part.probability, n_cat):
        categories = int(n_cat[i])
        cells = np.bincount(total * categories + matrix[:, i], minlength=(greatest + 1) * categories)
        observed.append(cells.reshape(-1, categories)[1:greatest].astype(np.float64))
        joint = np.zeros((greatest + 1, categories))
        for k in range(categories):
            joint[k : k + len(others), k] = others @ (part.probability[i, k] * weights)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(marginal[:, None] > 0.0, joint[1:greatest] / marginal[:, None], 0.0)
        expected.append(share * size[:, None])
    return observed, expected


def _whole(observed: np.ndarray, expected: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Merge totals at either end at which some category is impossible with the nearest full one."""
    edge = observed.shape[1] - 2
    if not edge or len(observed) < 2 * edge + 1:
        return observed.copy(), expected.copy()

    def merged(table: np.ndarray) -> np.ndarray:
        out = table[edge : len(table) - edge].copy()
        out[0] += table[:edge].sum(axis=0)
        out[-1] += table[len(table) - edge :].sum(axis=0)
        return out

    return merged(observed), merged(expected)


def _merge(table: np.ndarray, gone: int, into: int) -> np.ndarray:
    table[into] += table[gone]
    return np.delete(table, gone, axis=0)


def _narrow(observed: np.ndarray, expected: np.ndarray, least: float) -> None:
    """Merge neighbouring categories of one total score until none is rare, in place; 2 remain at least."""
    o, e = observed.copy(), expected.copy()
    while len(e) > 2:
        rare = int(len(e) - 1 - np.argmin(e[::-1]))
        if rare == 0:
            into = 1
        elif rare == len(e) - 1:
            into = rare - 1
        else:
            into = rare - 1 if e[rare - 1] <= e[rare + 1] else rare + 1
        o, e = _merge(o, rare, into), _merge(e, rare, into)
        if (e >= least).all():
            break
    observed[:], expected[:] = 0.0, 0.0
    observed[: len(o)], expected[: len(e)] = o, e


def collapse(observed: np.ndarray, expected: np.ndarray, least: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Merge cells of one item until no expected count is below `least`.

    In this order: totals at which some category is impossible, with the nearest one where all are
    possible; totals that one person reached, with the next; categories within a total, the rarest with its
    rarer neighbour; totals, with their less frequent neighbour. A cell that was merged away holds 0.

    Returns
    -------
    observed, expected
        Shapes ``(rows, columns)``.
    """
    o, e = _whole(observed, expected)
    reached = o.sum(axis=1) > 0
    o, e = o[reached], e[reached]
    if len(o) < 2:
        return o, e
    for row in range(len(o) - 1):
        if o[row].sum() == 1.0:
            o[row + 1] += o[row]
            e[row + 1] += e[row]
            o[row] = np.nan
    kept = ~np.isnan(o[:, 0])
    o, e = o[kept], e[kept]
    if len(o) > 1 and o[-1].sum() == 1.0:
        o, e = _merge(o, len(o) - 1, len(o) - 2), _merge(e, len(e) - 1, len(e) - 2)
    if o.shape[1] > 2:
        for row in range(len(e)):
            if (e[row] < least).any():
                _narrow(o[row], e[row], least)
        o, e = _drop_rare_columns(o, e, least)
    return _merge_rows(o, e, least)


def _drop_rare_columns(o: np.ndarray, e: np.ndarray, least: float) -> tuple[np.ndarray, np.ndarray]:
    """Merge columns that hold next to nothing with the one on their left."""
    while e.shape[1] > 2 and e[:, -1].sum() < least * np.ceil(0.1 * len(e)):
        o[:, -2] += o[:, -1]
        e[:, -2] += e[:, -1]
        o, e = o[:, :-1], e[:, :-1]
    for column in range(e.shape[1] - 1, 0, -1):
        if (e[:, column] > 0).mean() < 0.05:
            e[:, column - 1] += e[:, column]
            o[:, column - 1] += o[:, column]
            o, e = np.delete(o, column, axis=1), np.delete(e, column, axis=1)
    return o, e


def _merge_rows(o: np.ndarray, e: np.ndarray, least: float) -> tuple[np.ndarray, np.ndarray]:
    while len(e) > 1:
        small = ((e < least) & (e != 0.0)).any(axis=1)
        if not small.any():
            break
        row = int(np.argmax(small))
        if row == 0:
            into = 1
        elif row == len(e) - 1:
            into = row - 1
        else:
            into = row - 1 if o[row - 1].sum() <= o[row + 1].sum() else row + 1
        o, e = _merge(o, row, into), _merge(e, row, into)
    return o, e


def s_x2(evidence: Evidence, least: float = 1.0, free: Freedom | None = None) -> ItemChi2:
    """Return S-X2 of every item on the persons who answered all of them.

    Parameters
    ----------
    least
        Cells are merged until none expects fewer than this.
    free
        Which parameters were free; found from the parameters by default.
    """
    free = free or freedom(evidence)
    n = evidence.n_items
    statistic, cells = np.zeros(n), np.zeros(n)
    persons = 0
    for part in evidence.parts:
        persons += int(part.complete.sum())
        for i, (observed, expected) in enumerate(zip(*score_tables(part), strict=True)):
            o, e = collapse(observed, expected, least)
            used = e > 0.0
            statistic[i] += ((o[used] - e[used]) ** 2 / e[used]).sum()
            cells[i] += used.sum() - len(e)
    df = np.maximum(cells - free.by_item - sum(free.mean) - sum(free.variance), 0.0)
    statistic = np.where(df > 0, statistic, np.nan)
    return ItemChi2(
        statistic,
        df,
        np.where(df > 0, chi2.sf(statistic, np.maximum(df, 1)), np.nan),
        rmsea(statistic, df, persons),
    )
