"""Classical statistics: difficulty, discrimination, reliability, and what each option of a question does.

They need no model, and are the first thing to look at when a model does not fit.

References
----------
Lord, F. M., & Novick, M. R. (1968). Statistical theories of mental test scores. Cronbach, L. J. (1951).
Coefficient alpha and the internal structure of tests. Psychometrika, 16, 297-334. McDonald, R. P. (1999).
Test theory: A unified treatment, ch. 6 (omega). Harman, H. H., & Jones, W. H. (1966). Factor analysis by
minimizing residuals (minres). Psychometrika, 31, 351-368.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cat_engine.errors import InputError
from item_bank.responses import MISSING, Responses

__all__ = ["Classical", "Option", "alpha", "classical", "distractors", "omega"]


@dataclass(frozen=True)
class Classical:
    """What responses say by themselves.

    Attributes
    ----------
    items
        Columns by name, one value an item: ``id``, ``n``, ``missing`` (share), ``p`` (mean over the greatest
        category), ``mean``, ``sd``, ``item_total``, ``item_rest`` (correlations with the total score, and
        without the item itself), ``alpha_without``. The last three need a total score, and are NaN when
        ``total`` is None.
    total
        ``n``, ``mean``, ``sd``, ``skewness``, ``alpha``, ``omega``, ``sem`` (standard error of measurement by
        alpha), ``greatest``; None when too few persons answered every item.
    scores
        Number of persons at each total score; empty when there is none.
    """

    items: dict[str, Any]
    total: dict[str, float] | None
    scores: np.ndarray


@dataclass(frozen=True)
class Option:
    """One option of a question.

    Attributes
    ----------
    option, key
        Its code, and whether it is the right one.
    n, share
        How many chose it.
    rest
        Correlation of choosing it with the score on the other items: positive for a key, negative for a
        distractor that works.
    by_group
        Share that chose it in each fifth of the persons by that score, lowest first.
    """

    option: str
    key: bool
    n: int
    share: float
    rest: float
    by_group: list[float]


def alpha(covariance: np.ndarray) -> float:
    """Return coefficient alpha (KR-20 for items scored 0 and 1) from the items' covariance matrix."""
    n, total = len(covariance), covariance.sum()
    if n < 2 or total <= 0:
        return float("nan")
    return float(n / (n - 1) * (1.0 - np.trace(covariance) / total))


def omega(covariance: np.ndarray) -> float:
    """Return coefficient omega: the share of the total's variance that one common factor explains.

    The factor is fitted by minres on the correlations.
    """
    n = len(covariance)
    scale = np.sqrt(np.diag(covariance))
    if n < 3 or (scale <= 0).any():
        return float("nan")
    correlation = covariance / np.outer(scale, scale)
    communality = np.clip(np.max(np.abs(correlation - np.eye(n)), axis=1), 0.05, 0.95)
    for _ in range(500):
        reduced = correlation.copy()
        np.fill_diagonal(reduced, communality)
        values, vectors = np.linalg.eigh(reduced)
        loading = vectors[:, -1] * np.sqrt(max(values[-1], 0.0))
        new = np.clip(loading**2, 0.0, 0.995)
        if np.abs(new - communality).max() < 1e-8:
            break
        communality = new
    common = float(np.abs((loading * scale).sum())) ** 2
    return common / (common + float((scale**2 * (1.0 - communality)).sum()))


def _correlations(matrix: np.ndarray, against: np.ndarray) -> np.ndarray:
    """Return the correlation of each column with the column of `against`."""
    x, y = matrix - matrix.mean(axis=0), against - against.mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((x * y).sum(axis=0) / np.sqrt((x**2).sum(axis=0) * (y**2).sum(axis=0)))


def classical(responses: Responses, least_complete: float = 0.5) -> Classical:
    """Return classical statistics.

    Parameters
    ----------
    least_complete
        Statistics of the total score are given when at least this share of the persons answered every item;
        they are of those persons. An adaptive test has no total score.
    """
    counts = responses.counts.astype(np.float64)
    n = counts.sum(axis=1)
    k = np.arange(counts.shape[1], dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = counts @ k / n
        sd = np.sqrt(np.maximum(counts @ k**2 / n - mean**2, 0.0))
    nothing = np.full(responses.n_items, np.nan)
    items: dict[str, Any] = {
        "id": list(responses.items),
        "n": n.astype(np.int64),
        "missing": 1.0 - n / max(responses.n_persons, 1),
        "p": mean / (responses.n_cat - 1),
        "mean": mean,
        "sd": sd,
        "item_total": nothing,
        "item_rest": nothing,
        "alpha_without": nothing,
    }
    lengths = np.diff(responses.indptr)
    complete = lengths == responses.n_items
    if complete.mean() < least_complete or complete.sum() < 3 or responses.n_items < 2:
        return Classical(items, None, np.zeros(0, np.int64))
    matrix = responses.dense()[complete].astype(np.float64)
    total = matrix.sum(axis=1)
    covariance = np.cov(matrix.T)
    items["item_total"] = _correlations(matrix, np.repeat(total[:, None], matrix.shape[1], axis=1))
    items["item_rest"] = _correlations(matrix, total[:, None] - matrix)
    items["alpha_without"] = _alpha_without(covariance)
    spread, reliability = float(total.std(ddof=1)), alpha(covariance)
    centred = total - total.mean()
    about = {
        "n": float(len(total)),
        "mean": float(total.mean()),
        "sd": spread,
        "skewness": float((centred**3).mean() / total.std() ** 3) if spread > 0 else float("nan"),
        "alpha": reliability,
        "omega": omega(covariance),
        "sem": spread * float(np.sqrt(max(1.0 - reliability, 0.0))),
        "greatest": float((responses.n_cat - 1).sum()),
    }
    return Classical(items, about, np.bincount(total.astype(np.int64), minlength=int(about["greatest"]) + 1))


def _alpha_without(covariance: np.ndarray) -> np.ndarray:
    n = len(covariance)
    if n < 3:
        return np.full(n, np.nan)
    diagonal, rows = np.diag(covariance), covariance.sum(axis=1)
    total = covariance.sum() - 2.0 * rows + diagonal
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((n - 1) / (n - 2) * (1.0 - (diagonal.sum() - diagonal) / total))


def distractors(
    options: Sequence[Sequence[str]],
    items: Sequence[str],
    scored: Responses,
    key: Mapping[str, str],
    groups: int = 5,
) -> dict[str, list[Option]]:
    """Return what each option of each question does.

    Parameters
    ----------
    options
        The options chosen, one row a person in the order of `scored`; ``""`` for none.
    items
        Names of the columns of `options`.
    scored
        The scored responses; their mean on the other items is what persons are ranked by.
    key
        The right option of each item.

    Raises
    ------
    InputError
        When options and scored responses do not go together.
    """
    if len(options) != scored.n_persons:
        raise InputError(
            f"expected the options of {scored.n_persons} persons, got {len(options)}; give the raw file of "
            "the same persons in the same order"
        )
    matrix = scored.dense().astype(np.float64)
    given = matrix != MISSING
    share = np.where(given, matrix / (scored.n_cat - 1), 0.0)
    total, count = share.sum(axis=1), given.sum(axis=1)
    place = {item: j for j, item in enumerate(scored.items)}
    out: dict[str, list[Option]] = {}
    columns = list(zip(*options, strict=True))
    for item, column in zip(items, columns, strict=True):
        if item not in place:
            continue
        j = place[item]
        others = count - given[:, j]
        rest = (total - share[:, j]) / np.maximum(others, 1)
        chosen = np.array(column)
        answered = (chosen != "") & (others > 0)
        if not answered.any():
            continue
        rank = np.argsort(np.argsort(rest[answered], kind="stable"), kind="stable")
        fifth = rank * groups // int(answered.sum())
        out[item] = []
        for option in sorted(set(chosen[answered].tolist())):
            mark = (chosen[answered] == option).astype(np.float64)
            by_group = [float(mark[fifth == g].mean()) if (fifth == g).any() else 0.0 for g in range(groups)]
            out[item].append(
                Option(
                    option,
                    option == key.get(item),
                    int(mark.sum()),
                    float(mark.mean()),
                    float(_correlations(mark[:, None], rest[answered][:, None])[0]),
                    by_group,
                )
            )
    return out
