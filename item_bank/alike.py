"""Documents that say nearly the same."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy import sparse

__all__ = ["alike"]


def alike(documents: Sequence[Sequence[str]], threshold: float) -> list[tuple[int, int, float]]:
    """Return the pairs of documents whose TF-IDF vectors have a cosine of at least `threshold`.

    Words and pairs of neighbouring words count, so that order matters a little.

    References
    ----------
    Salton, G., & Buckley, C. (1988). Term-weighting approaches in automatic text retrieval.
    Information Processing & Management, 24, 513-523.
    """
    if len(documents) < 2:
        return []
    terms: dict[str, int] = {}
    rows, columns, values = [], [], []
    for row, words in enumerate(documents):
        counts = Counter(words) + Counter(map(" ".join, pairwise(words)))
        for term, n in counts.items():
            rows.append(row)
            columns.append(terms.setdefault(term, len(terms)))
            values.append(1.0 + math.log(n))
    if not terms:
        return []
    matrix = sparse.csr_array((values, (rows, columns)), shape=(len(documents), len(terms)))
    spread = np.bincount(matrix.indices, minlength=len(terms))
    matrix = matrix.multiply(np.log1p(len(documents) / spread)[None, :]).tocsr()
    norm = np.sqrt(matrix.multiply(matrix).sum(axis=1))
    matrix = matrix.multiply((1.0 / np.where(norm > 0.0, norm, 1.0))[:, None]).tocsr()
    close = sparse.triu(matrix @ matrix.T, k=1).tocoo()
    keep = close.data >= threshold
    return sorted(
        (int(i), int(j), float(c))
        for i, j, c in zip(close.row[keep], close.col[keep], close.data[keep], strict=True)
    )
