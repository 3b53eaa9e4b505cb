"""Limited-information model fit: M2, M2*, C2 and the indices that stand on them.

All three compare observed and expected first and second moments of the responses,

    M2    proportions of every category, and of every pair of categories
    M2*   means of the categories' numbers, and means of their products (both collapsed)
    C2    proportions of every category, and means of the products (second moments collapsed)

and are ``N e' (X - X D (D' X D)^-1 D' X) e`` with ``X`` the inverse of the moments' covariance matrix, ``D``
their derivatives in the free parameters and ``e`` the residuals.

References
----------
Maydeu-Olivares, A., & Joe, H. (2006). Limited information goodness-of-fit testing in multidimensional
contingency tables. Psychometrika, 71, 713-732 (M2). Cai, L., & Hansen, M. (2013). Limited-information
goodness-of-fit testing of hierarchical item factor models. British Journal of Mathematical and Statistical
Psychology, 66, 245-276 (M2*). Cai, L., & Monroe, S. (2014). A new statistic for evaluating item response
theory models for ordinal data. CRESST Report 839 (C2). Maydeu-Olivares, A. (2013). Goodness-of-fit assessment
of item response theory models. Measurement, 11, 71-101.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy.linalg import solve_triangular
from scipy.optimize import brentq
from scipy.stats import chi2, ncx2

from calibration.fit.evidence import Evidence, Part
from calibration.fit.freedom import Freedom, freedom, slopes
from calibration.sentences import NotApplicable

__all__ = ["KINDS", "Kind", "LimitedFit", "MomentModel", "limited_information", "srmsr"]

Kind = Literal["m2", "m2*", "c2"]
KINDS: tuple[Kind, ...] = ("m2", "m2*", "c2")


@dataclass(frozen=True)
class LimitedFit:
    """Model fit by limited information.

    Attributes
    ----------
    kind, statistic, df, p
        Which statistic, and its reference to the chi-squared distribution.
    rmsea, rmsea_low, rmsea_high
        Root mean square error of approximation with its 90 % interval.
    srmsr
        Root mean square of the residual correlations; NaN for nominal items.
    tli, cfi
        Against the model of independent items.
    n
        Persons used.
    """

    kind: str
    statistic: float
    df: int
    p: float
    rmsea: float
    rmsea_low: float
    rmsea_high: float
    srmsr: float
    tli: float
    cfi: float
    n: int


class _Moments(NamedTuple):
    """Functions of single items whose means (first) and products (second) are compared.

    first, second
        For each item a matrix, shape ``(functions, K_i)``.
    """

    first: list[np.ndarray]
    second: list[np.ndarray]


def _moments(n_cat: np.ndarray, kind: Kind) -> _Moments:
    marks = [np.eye(k)[1:] for k in n_cat]
    means = [np.arange(k, dtype=np.float64)[None, :] for k in n_cat]
    return _Moments(means if kind == "m2*" else marks, marks if kind == "m2" else means)


class _Layout:
    """Where each moment stands: first moments item by item, then pairs ``(i, j)``, ``i < j``."""

    def __init__(self, moments: _Moments) -> None:
        self.first_at = np.cumsum([0, *[len(f) for f in moments.first]])
        self.width = np.array([len(g) for g in moments.second])
        n = len(self.width)
        self.pair_at = np.zeros((n, n), np.int64)
        at = int(self.first_at[-1])
        for i in range(n):
            for j in range(i + 1, n):
                self.pair_at[i, j] = at
                at += int(self.width[i] * self.width[j])
        self.size = at

    def pairs_with(self, i: int, a: int) -> np.ndarray:
        """Return the positions of the products of function `a` of item `i` with all others, item by item."""
        out = []
        for j in range(len(self.width)):
            if j < i:
                out.append(self.pair_at[j, i] + np.arange(self.width[j]) * self.width[i] + a)
            elif j > i:
                out.append(self.pair_at[i, j] + a * self.width[j] + np.arange(self.width[j]))
        return np.concatenate(out) if out else np.zeros(0, np.int64)


class MomentModel:
    """A model as moments see it: probabilities over weighted nodes, and their derivatives.

    Parameters
    ----------
    probability
        Of each item, shape ``(K_i, Q)``.
    weights
        Shape ``(Q,)``.
    slopes, columns
        Of each item the derivatives in its free parameters, shape ``(free, K_i, Q)``, and their positions
        among all free parameters.
    weight_slopes
        Derivatives of the weights in the free parameters of the population, shape ``(free, Q)``.
    n_free
        Number of free parameters, the population's at the end.
    """

    def __init__(
        self,
        probability: list[np.ndarray],
        weights: np.ndarray,
        slopes: list[np.ndarray],
        columns: list[np.ndarray],
        weight_slopes: np.ndarray,
        weight_columns: np.ndarray,
        n_free: int,
    ) -> None:
        self.probability = probability
        self.weights = weights
        self.slopes = slopes
        self.columns = columns
        self.weight_slopes = weight_slopes
        self.weight_columns = weight_columns
        self.n_free = n_free

    def compare(self, matrix: np.ndarray, kind: Kind) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return residual moments, their derivatives and the covariance of one person's moments.

        Shapes ``(M,)``, ``(M, n_free)``, ``(M, M)``.
        """
        n_cat = np.array([len(p) for p in self.probability])
        moments = _moments(n_cat, kind)
        layout = _Layout(moments)
        w = self.weights
        first = [f @ p for f, p in zip(moments.first, self.probability, strict=True)]  # (F_i, Q)
        second = [g @ p for g, p in zip(moments.second, self.probability, strict=True)]  # (G_i, Q)
        given = np.empty((layout.size, len(w)))  # conditional means of all moments
        observed = np.empty(layout.size)
        marks = [matrix[:, i][:, None] == np.arange(k) for i, k in enumerate(n_cat)]
        value = [m @ g.T for m, g in zip(marks, moments.second, strict=True)]  # (N, G_i)
        for i, at in enumerate(layout.first_at[:-1]):
            given[at : layout.first_at[i + 1]] = first[i]
            observed[at : layout.first_at[i + 1]] = moments.first[i] @ marks[i].mean(axis=0)
        stacked = np.hstack(value)
        starts = np.cumsum([0, *layout.width])
        products = stacked.T @ stacked / len(matrix)
        for i in range(len(n_cat)):
            for j in range(i + 1, len(n_cat)):
                at, size = layout.pair_at[i, j], layout.width[i] * layout.width[j]
                given[at : at + size] = (second[i][:, None] * second[j][None]).reshape(size, -1)
                observed[at : at + size] = products[
                    starts[i] : starts[i + 1], starts[j] : starts[j + 1]
                ].ravel()
        expected = given @ w
        covariance = self._covariance(moments, layout, first, second, given, expected)
        return observed - expected, self._derivatives(moments, layout, second, given), covariance

    def _covariance(
        self,
        moments: _Moments,
        layout: _Layout,
        first: list[np.ndarray],
        second: list[np.ndarray],
        given: np.ndarray,
        expected: np.ndarray,
    ) -> np.ndarray:
        """Covariance of conditional means, plus what moments that share items covary given theta."""
        w = self.weights
        out: np.ndarray = (given * w) @ given.T - np.outer(expected, expected)
        for i, p in enumerate(self.probability):
            functions = np.vstack([moments.first[i], moments.second[i]])
            means = np.vstack([first[i], second[i]])
            within = np.einsum("ak,bk,kq->abq", functions, functions, p) - means[:, None] * means[None]
            others = np.vstack([second[j] for j in range(len(second)) if j != i])
            n_first = len(moments.first[i])
            rows = [np.array([layout.first_at[i] + a]) for a in range(n_first)]
            rows += [layout.pairs_with(i, a) for a in range(len(moments.second[i]))]
            terms = [np.ones((1, len(w)))] * n_first + [others] * len(moments.second[i])
            for a in range(len(rows)):
                for b in range(len(rows)):
                    out[np.ix_(rows[a], rows[b])] += (terms[a] * (w * within[a, b])) @ terms[b].T
        self._same_pair(moments, layout, second, out)
        return out

    def _same_pair(
        self, moments: _Moments, layout: _Layout, second: list[np.ndarray], out: np.ndarray
    ) -> None:
        """Add the product of both items' conditional covariances where two moments share both."""
        within = [
            np.einsum("ak,bk,kq->abq", g, g, p) - m[:, None] * m[None]
            for g, p, m in zip(moments.second, self.probability, second, strict=True)
        ]
        for i in range(len(within)):
            for j in range(i + 1, len(within)):
                at, size = layout.pair_at[i, j], layout.width[i] * layout.width[j]
                both = np.einsum("abq,cdq,q->acbd", within[i], within[j], self.weights)
                out[at : at + size, at : at + size] += both.reshape(size, size)

    def _derivatives(
        self, moments: _Moments, layout: _Layout, second: list[np.ndarray], given: np.ndarray
    ) -> np.ndarray:
        out = np.zeros((layout.size, self.n_free))
        for i, own in enumerate(self.slopes):
            d_first = np.einsum("fk,pkq,q->fp", moments.first[i], own, self.weights)
            at = slice(layout.first_at[i], layout.first_at[i + 1])
            out[at, self.columns[i]] += d_first
            d_second = np.einsum("gk,pkq->gpq", moments.second[i], own) * self.weights
            others = np.vstack([second[j] for j in range(len(second)) if j != i])
            for a in range(len(d_second)):
                out[np.ix_(layout.pairs_with(i, a), self.columns[i])] += others @ d_second[a].T
        out[:, self.weight_columns] += given @ self.weight_slopes.T
        return out


def _model_of(part: Part, free: Freedom, group: int) -> MomentModel:
    n_cat, nodes, weights = part.pool.n_cat, part.grid.nodes, part.grid.weights
    z = (nodes - part.population.mean[0]) / part.population.sd
    weight_slopes, weight_columns = [], []
    column = free.n_items
    for g in range(len(free.mean)):
        for is_free, slope in (
            (free.mean[g], weights * z / part.population.sd),
            (free.variance[g], weights * (z * z - 1.0) / (2.0 * part.population.sd**2)),
        ):
            if is_free and g == group:
                weight_slopes.append(slope)
                weight_columns.append(column)
            column += is_free
    return MomentModel(
        [part.probability[i, :k] for i, k in enumerate(n_cat)],
        weights,
        slopes(part, free, group),
        free.columns[group],
        np.array(weight_slopes).reshape(-1, len(nodes)),
        np.array(weight_columns, np.int64),
        free.n,
    )


def _independent(matrix: np.ndarray, n_cat: np.ndarray) -> MomentModel:
    """Return the model of independent items: every category at its observed proportion."""
    probability, slopes, columns = [], [], []
    at = 0
    for i, k in enumerate(n_cat):
        share = np.bincount(matrix[:, i], minlength=k) / len(matrix)
        seen = np.flatnonzero(share > 0)
        step = np.zeros((len(seen) - 1, k, 1))
        for r, c in enumerate(seen[1:]):
            step[r, c, 0], step[r, seen[0], 0] = 1.0, -1.0
        probability.append(share[:, None])
        slopes.append(step)
        columns.append(np.arange(at, at + len(step)))
        at += len(step)
    return MomentModel(probability, np.ones(1), slopes, columns, np.zeros((0, 1)), np.zeros(0, np.int64), at)


def _quadratic(
    blocks: list[tuple[np.ndarray, np.ndarray, np.ndarray, int]],
) -> tuple[float, int, int]:
    """Return the statistic, the number of moments that vary and the rank of the derivatives.

    With ``L L'`` the covariance, everything is moved to the metric in which it is the identity; the
    statistic is the squared length of what the derivatives cannot explain.
    """
    residuals, derivatives = [], []
    for e, d, covariance, n in blocks:
        varies = np.diag(covariance) > 1e-14
        e, d, covariance = e[varies], d[varies], covariance[np.ix_(varies, varies)]
        scale = np.sqrt(np.diag(covariance))
        try:
            factor = np.linalg.cholesky(covariance / np.outer(scale, scale))
        except np.linalg.LinAlgError:
            raise NotApplicable("dependent-moments") from None
        both = np.column_stack([e * np.sqrt(n), d * np.sqrt(n)]) / scale[:, None]
        both = solve_triangular(factor, both, lower=True)
        residuals.append(both[:, 0])
        derivatives.append(both[:, 1:])
    e, d = np.concatenate(residuals), np.vstack(derivatives)
    norms = np.linalg.norm(d, axis=0)
    d = d / np.where(norms > 0, norms, 1.0)
    size, basis = np.linalg.eigh(d.T @ d)
    known = size > 1e-11 * max(size[-1], 1e-300) if len(size) else np.zeros(0, dtype=bool)
    fitted = (basis[:, known].T @ (d.T @ e)) / np.sqrt(size[known])
    return float(max(e @ e - fitted @ fitted, 0.0)), len(e), int(known.sum())


def _interval(statistic: float, df: int, n: int, level: float = 0.9) -> tuple[float, float]:
    """Return the limits of the RMSEA from those of the noncentrality parameter."""

    def limit(tail: float) -> float:
        if chi2.cdf(statistic, df) < tail:
            return 0.0
        high = max(statistic, 1.0)
        while ncx2.cdf(statistic, df, high) > tail:
            high *= 2.0
        root = brentq(lambda nc: ncx2.cdf(statistic, df, nc) - tail, 1e-12, high)
        return float(np.sqrt(root / (n * df)))

    return limit(0.5 + level / 2), limit(0.5 - level / 2)


def srmsr(evidence: Evidence) -> float:
    """Return the standardised root mean square residual of the items' correlations."""
    squares, pairs = 0.0, 0
    for part in evidence.parts:
        matrix = part.matrix[part.complete].astype(np.float64)
        w = part.grid.weights
        mean = part.expected @ w
        joint = (part.expected * w) @ part.expected.T
        k2 = np.arange(part.probability.shape[1], dtype=np.float64) ** 2
        np.fill_diagonal(joint, np.einsum("k,nkq,q->n", k2, part.probability, w))
        model = joint - np.outer(mean, mean)
        varied = np.ptp(matrix, axis=0) > 0.0  # an item that all answer alike correlates with nothing
        matrix, model = matrix[:, varied], model[np.ix_(varied, varied)]
        if len(model) < 2:
            continue
        scale = np.sqrt(np.diag(model))
        below = np.tril_indices(len(model), -1)
        gap = np.corrcoef(matrix.T)[below] - (model / np.outer(scale, scale))[below]
        squares += float((gap**2).sum())
        pairs += len(gap)
    return float(np.sqrt(squares / pairs)) if pairs else float("nan")


def limited_information(
    evidence: Evidence,
    kind: Kind,
    free: Freedom | None = None,
    model_of: Callable[[Any, Freedom, int], MomentModel] = _model_of,
) -> LimitedFit:
    """Return one of `KINDS` with its indices, on the persons who answered every item.

    For items of two categories all three are the same statistic. `model_of` says how a part with its free
    parameters looks to moments.

    Raises
    ------
    NotApplicable
        With the reason: too few degrees of freedom, a category nobody chose, too many moments.
    """
    free = free or freedom(evidence)
    n_cat = evidence.pool.n_cat
    if len(n_cat) < 2:
        raise NotApplicable("one-item")
    layout = _Layout(_moments(n_cat, kind))
    parts = [(g, part, part.matrix[part.complete]) for g, part in enumerate(evidence.parts)]
    size = layout.size * len(parts)
    if size - free.n < 1:
        raise NotApplicable("few-moments", moments=size, free=free.n)
    if layout.size > 8000:
        raise NotApplicable("many-moments", moments=layout.size)
    if any(len(matrix) < 2 for _, _, matrix in parts):
        raise NotApplicable("empty-group")
    blocks = [(*model_of(part, free, g).compare(matrix, kind), len(matrix)) for g, part, matrix in parts]
    statistic, _, _ = _quadratic(blocks)
    df = size - free.n
    n = sum(len(matrix) for _, _, matrix in parts)
    null = [(*_independent(matrix, n_cat).compare(matrix, kind), len(matrix)) for _, _, matrix in parts]
    null_statistic, null_df = 0.0, 0
    for block in null:
        value, varying, rank = _quadratic([block])
        null_statistic += value
        null_df += varying - rank
    low, high = _interval(statistic, df, n)
    nominal = not all(block.model.monotone for block in evidence.pool.blocks)
    return LimitedFit(
        kind,
        statistic,
        df,
        float(chi2.sf(statistic, df)),
        float(np.sqrt(max(statistic / df - 1.0, 0.0) / (n - 1))),
        low,
        high,
        float("nan") if nominal else srmsr(evidence),
        _tli(statistic, df, null_statistic, null_df),
        _cfi(statistic, df, null_statistic, null_df),
        n,
    )


def _tli(statistic: float, df: int, null: float, null_df: int) -> float:
    if null_df < 1 or null <= null_df:
        return float("nan")
    return (null / null_df - statistic / df) / (null / null_df - 1.0)


def _cfi(statistic: float, df: int, null: float, null_df: int) -> float:
    if null <= null_df:
        return float("nan")
    return min(1.0, max(0.0, 1.0 - (statistic - df) / (null - null_df)))
