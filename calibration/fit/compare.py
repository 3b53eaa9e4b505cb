"""Comparing models: information criteria, nested likelihood ratios, and G2 of the whole table.

References
----------
Akaike, H. (1974). A new look at the statistical model identification. IEEE Transactions on Automatic
Control, 19, 716-723. Schwarz, G. (1978). Estimating the dimension of a model. Annals of Statistics, 6,
461-464. Sclove, S. L. (1987). Application of model-selection criteria to some problems in multivariate
analysis. Psychometrika, 52, 333-343 (sample-size adjusted BIC). Hannan, E. J., & Quinn, B. G. (1979). The
determination of the order of an autoregression. JRSS B, 41, 190-195.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import chi2

from calibration.fit.evidence import Evidence
from calibration.sentences import NotApplicable
from cat_engine.errors import InputError

__all__ = ["Criteria", "LikelihoodRatio", "criteria", "g2", "likelihood_ratio"]


class Criteria(NamedTuple):
    """Information criteria; smaller is better. `sabic`: sample-size adjusted BIC; `hq`: Hannan-Quinn."""

    loglik: float
    n_parameters: int
    aic: float
    bic: float
    sabic: float
    hq: float


class LikelihoodRatio(NamedTuple):
    """Twice the difference of log-likelihoods of nested models, against chi-squared."""

    statistic: float
    df: int
    p: float


def criteria(loglik: float, n_parameters: int, n_persons: int) -> Criteria:
    """Return the information criteria of one model."""
    n = float(n_persons)
    return Criteria(
        loglik,
        n_parameters,
        -2.0 * loglik + 2.0 * n_parameters,
        -2.0 * loglik + np.log(n) * n_parameters,
        -2.0 * loglik + np.log((n + 2.0) / 24.0) * n_parameters,
        -2.0 * loglik + 2.0 * np.log(np.log(n)) * n_parameters,
    )


def likelihood_ratio(smaller: Criteria, larger: Criteria) -> LikelihoodRatio:
    """Test a model against one that contains it.

    Raises
    ------
    InputError
        When the larger model has no more parameters than the smaller one.
    """
    df = larger.n_parameters - smaller.n_parameters
    if df < 1:
        raise InputError(
            f"expected nested models, the larger second, got {smaller.n_parameters} and "
            f"{larger.n_parameters} parameters; exchange them or choose models that contain each other"
        )
    statistic = max(2.0 * (larger.loglik - smaller.loglik), 0.0)
    return LikelihoodRatio(statistic, df, float(chi2.sf(statistic, df)))


def g2(evidence: Evidence, n_parameters: int, largest: int = 1024) -> LikelihoodRatio:
    """Return the likelihood ratio of the model against the table of all response patterns.

    Raises
    ------
    NotApplicable
        For incomplete data or several groups; for more than `largest` patterns, where most cells are
        empty and the statistic has no chi-squared distribution; without degrees of freedom.
    """
    cells = float(np.prod(evidence.pool.n_cat.astype(np.float64)))
    if cells > largest:
        raise NotApplicable("many-patterns", cells=cells, persons=evidence.n_persons)
    if evidence.share_complete < 1.0 or len(evidence.parts) > 1:
        raise NotApplicable("complete-one-group")
    part = evidence.parts[0]
    _, first, count = np.unique(part.matrix, axis=0, return_index=True, return_counts=True)
    statistic = 2.0 * float((count * (np.log(count / evidence.n_persons) - part.log_marginal[first])).sum())
    df = int(cells) - 1 - n_parameters
    if df < 1:
        raise NotApplicable("few-patterns", cells=int(cells), free=n_parameters)
    return LikelihoodRatio(statistic, df, float(chi2.sf(statistic, df)))
