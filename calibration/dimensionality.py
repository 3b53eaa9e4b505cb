"""Is one dimension enough? Parallel analysis, DETECT, and the structure of what the model leaves over.

References
----------
Horn, J. L. (1965). A rationale and test for the number of factors in factor analysis. Psychometrika, 30,
179-185. Glorfeld, L. W. (1995). An improvement on Horn's parallel analysis methodology. Educational and
Psychological Measurement, 55, 377-393 (95th percentile). Zhang, J., & Stout, W. (1999). The theoretical
DETECT index of dimensionality and its application to approximate simple structure. Psychometrika, 64,
213-249. Roussos, L. A., & Ozbek, O. Y. (2006). Formulation of the DETECT population parameter and evaluation
of DETECT estimator bias. Journal of Educational Measurement, 43, 215-243.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from calibration.kernels.dimension import conditional_covariances
from calibration.sentences import Sentence
from cat_engine.threads import over_chunks
from item_bank.responses import Responses

__all__ = ["Detect", "Dimensionality", "Parallel", "detect_index", "dimensionality", "parallel_analysis"]

FEW = 10
"""With fewer items DETECT conditions on too coarse a score."""

LEAST_COMPLETE = 0.9
"""Share of persons with complete responses below which a total score says nothing."""

WEAK, MODERATE, STRONG = 0.2, 0.4, 1.0
"""Roussos and Ozbek's bounds of DETECT."""


@dataclass(frozen=True)
class Parallel:
    """Parallel analysis.

    Attributes
    ----------
    observed, chance
        Eigenvalues of the correlation matrix, and the 95th percentile of those of shuffled data.
    factors
        How many observed eigenvalues exceed chance before the first that does not.
    """

    observed: np.ndarray
    chance: np.ndarray
    factors: int


@dataclass(frozen=True)
class Detect:
    """DETECT.

    Attributes
    ----------
    value
        Mean conditional covariance, x 100, counted positive within clusters and negative between; items
        scored from 0 to 1.
    ratio
        Share of the covariances' size that agrees with the clusters (1: simple structure).
    clusters
        Cluster of each item, from 0.
    """

    value: float
    ratio: float
    clusters: np.ndarray


@dataclass(frozen=True)
class Dimensionality:
    """What was found, None where it does not apply.

    Attributes
    ----------
    parallel, detect
        For complete data.
    by_domain
        DETECT for the domains that were given.
    contrast, contrast_items
        Largest eigenvalue of the residual correlations, and the items at its two ends.
    not_applicable
        Statistic -> why.
    """

    parallel: Parallel | None
    detect: Detect | None
    by_domain: Detect | None
    contrast: float | None
    contrast_items: tuple[list[str], list[str]]
    not_applicable: dict[str, Sentence]

    @property
    def verdict(self) -> str:
        """``one``, ``nearly one`` or ``several``; empty when nothing can be said."""
        if self.parallel is None:
            return ""
        dominant = self.parallel.observed[0] > 4.0 * self.parallel.observed[1]
        value = 0.0 if self.detect is None else self.detect.value
        if value < WEAK and (self.parallel.factors <= 1 or (dominant and self.detect is not None)):
            return "one"
        return "nearly one" if value < MODERATE and (self.detect is not None or dominant) else "several"

    def to_dict(self) -> dict[str, Any]:
        """Return it in plain values."""
        parallel, detect = self.parallel, self.detect
        return {
            "verdict": self.verdict,
            "eigenvalues": None if parallel is None else parallel.observed[:10].tolist(),
            "eigenvalues_by_chance": None if parallel is None else parallel.chance[:10].tolist(),
            "factors": None if parallel is None else parallel.factors,
            "detect": None if detect is None else detect.value,
            "detect_ratio": None if detect is None else detect.ratio,
            "clusters": None if detect is None else detect.clusters.tolist(),
            "detect_by_domain": None if self.by_domain is None else self.by_domain.value,
            "contrast": self.contrast,
            "contrast_items": [list(names) for names in self.contrast_items],
            "not_applicable": self.not_applicable,
        }


def parallel_analysis(matrix: np.ndarray, draws: int = 20, seed: int = 1) -> Parallel:
    """Compare the eigenvalues of the items' correlations with those of data shuffled within items.

    Parameters
    ----------
    matrix
        Complete categories, shape ``(N, n)``.
    """
    random = np.random.Generator(np.random.Philox(seed))
    values = matrix.astype(np.float32)
    values = values[:, values.std(axis=0) > 0]
    values = (values - values.mean(axis=0)) / values.std(axis=0)
    size = len(values)
    observed = np.linalg.eigvalsh((values.T @ values / size).astype(np.float64))[::-1]
    chance = np.empty((draws, values.shape[1]))
    for draw in range(draws):
        shuffled = random.permuted(values, axis=0)
        chance[draw] = np.linalg.eigvalsh((shuffled.T @ shuffled / size).astype(np.float64))[::-1]
    limit = np.quantile(chance, 0.95, axis=0)
    below = np.flatnonzero(observed <= limit)
    return Parallel(observed, limit, int(below[0]) if len(below) else len(observed))


def _covariances(matrix: np.ndarray) -> np.ndarray:
    columns = np.ascontiguousarray(matrix.T.astype(np.int64))
    total = columns.sum(axis=0)
    out = np.zeros((len(columns), len(columns)))
    over_chunks(
        conditional_covariances, len(columns), columns, total, int(total.max(initial=0)), out, chunk=8
    )
    return out


def detect_index(covariances: np.ndarray, clusters: np.ndarray) -> Detect:
    """Return DETECT of a partition from conditional covariances, shape ``(n, n)``."""
    low = np.tril_indices(len(covariances), -1)
    same = np.equal.outer(clusters, clusters)[low]
    values = covariances[low]
    signed = float(np.where(same, values, -values).sum())
    size = float(np.abs(values).sum())
    return Detect(100.0 * signed / max(len(values), 1), signed / size if size > 0 else 0.0, clusters)


def _best_partition(covariances: np.ndarray, most: int = 6) -> np.ndarray:
    """Return the clusters with the largest DETECT: a hierarchy cut at each number, then single moves."""
    n = len(covariances)
    distance = covariances.max() - covariances
    np.fill_diagonal(distance, 0.0)
    tree = linkage(squareform(distance, checks=False), "average")
    best = np.zeros(n, np.int64)
    top = detect_index(covariances, best).value
    for count in range(2, min(most, n // 2) + 1):
        clusters = fcluster(tree, count, "maxclust").astype(np.int64) - 1
        for _ in range(20):
            marks = np.eye(clusters.max() + 1)[clusters]
            gain = covariances @ marks  # how much each item goes with each cluster (its own diagonal is 0)
            moved = gain.argmax(axis=1)
            change = gain[np.arange(n), moved] - gain[np.arange(n), clusters]
            item = int(change.argmax())
            if change[item] <= 1e-12:
                break
            clusters[item] = moved[item]
        value = detect_index(covariances, clusters).value
        if value > top + 1e-12:
            best, top = clusters.copy(), value
    return np.unique(best, return_inverse=True)[1]


def dimensionality(
    responses: Responses,
    domains: Sequence[str] | None = None,
    residual_correlations: np.ndarray | None = None,
    seed: int = 1,
) -> Dimensionality:
    """Judge whether one dimension is enough.

    Parameters
    ----------
    domains
        Domain of each item: DETECT is given for this partition too.
    residual_correlations
        Q3 of the calibration, shape ``(n, n)``, in the order of the items.

    Notes
    -----
    DETECT's clusters are found on one half of the persons and judged on the other, so that chance is not
    taken for structure.
    """
    reasons: dict[str, Sentence] = {}
    complete = np.diff(responses.indptr) == responses.n_items
    parallel = detect = by_domain = None
    if responses.n_items < 4:
        reasons["parallel analysis"] = reasons["detect"] = Sentence("few-items", least=4)
    elif complete.mean() < LEAST_COMPLETE or complete.sum() < 50:
        why = Sentence("incomplete-structure", share=float(complete.mean()))
        reasons["parallel analysis"] = reasons["detect"] = why
    else:
        matrix = responses.dense()[complete]
        varies = matrix.std(axis=0) > 0
        parallel = parallel_analysis(matrix[:, varies], seed=seed)
    if parallel is not None and int(varies.sum()) < FEW:
        reasons["detect"] = Sentence("few-items", least=FEW)
    elif parallel is not None:
        matrix = matrix[:, varies]
        greatest = (responses.n_cat[varies] - 1).astype(np.float64)
        order = np.random.Generator(np.random.Philox(seed)).permutation(len(matrix))
        halves = [_covariances(matrix[order[h::2]]) / np.outer(greatest, greatest) for h in (0, 1)]
        found = [detect_index(halves[1 - h], _best_partition(halves[h])) for h in (0, 1)]
        shown = max(found, key=lambda x: x.value)
        mean = float(np.mean([x.value for x in found]))
        detect = Detect(mean, float(np.mean([x.ratio for x in found])), shown.clusters)
        if domains is not None and varies.all() and len(set(domains)) > 1:
            marks = np.unique(np.asarray(domains), return_inverse=True)[1]
            by_domain = detect_index(0.5 * (halves[0] + halves[1]), marks)
    contrast, ends = _contrast(residual_correlations, responses.items)
    if contrast is None and residual_correlations is not None:
        reasons["contrast"] = Sentence("few-pairs")
    return Dimensionality(parallel, detect, by_domain, contrast, ends, reasons)


def _contrast(
    correlations: np.ndarray | None, items: Sequence[str]
) -> tuple[float | None, tuple[list[str], list[str]]]:
    """Return the largest eigenvalue of the residual correlations and the items at its ends."""
    if correlations is None or not np.isfinite(correlations).all() or len(correlations) < 4:
        return None, ([], [])
    values, vectors = np.linalg.eigh(correlations)
    order = np.argsort(vectors[:, -1])
    size = min(3, len(items) // 2)
    return float(values[-1]), ([items[i] for i in order[-size:][::-1]], [items[i] for i in order[:size]])
