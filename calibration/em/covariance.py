"""From information to covariance: the uncertainty of what was estimated.

References
----------
White, H. (1982). Maximum likelihood estimation of misspecified models. Econometrica, 50, 1-25.
"""

from __future__ import annotations

import numpy as np

from calibration.blas import blas_threads
from calibration.em.information import Information
from calibration.em.threads import workers

__all__ = ["covariance_of"]

LARGE = 1000
"""Rows from which an inverse is worth several threads."""


def covariance_of(information: Information, bounded: np.ndarray, errors: str) -> np.ndarray:
    """Return the covariance of the free parameters; NaN where the data do not determine them.

    Parameters
    ----------
    information
        At the maximum.
    bounded
        Which parameters sit at a bound, shape ``(n_free,)``; they have no standard error.
    errors
        ``"crossproduct"`` inverts the cross-product of the persons' gradients, ``"sandwich"`` puts it between
        two inverses of the observed information (White, 1982), anything else inverts that.
    """
    observed, meat = information.observed, information.meat
    free = np.flatnonzero(~bounded)
    chosen = meat if errors == "crossproduct" and meat is not None else observed
    covariance = np.full(observed.shape, np.nan)
    covariance[np.ix_(free, free)] = _inverse(chosen[np.ix_(free, free)])
    if errors == "sandwich":
        sound = np.flatnonzero(~np.isnan(np.diag(covariance)))
        kept = np.ix_(sound, sound)
        assert meat is not None
        covariance[kept] = covariance[kept] @ meat[kept] @ covariance[kept]
    return covariance


def _inverse(matrix: np.ndarray) -> np.ndarray:
    """Invert an information matrix; NaN for parameters that its null space touches."""
    scale = 1.0 / np.sqrt(np.maximum(np.abs(np.diag(matrix)), 1e-300))
    scaled = matrix * scale[:, None] * scale
    try:
        with blas_threads(workers() if len(scaled) > LARGE else 1):
            np.linalg.cholesky(scaled)  # is it positive definite?
            inverse: np.ndarray = np.linalg.inv(scaled)
        if np.diag(inverse).max() < 1e10:
            return np.asarray(0.5 * (inverse + inverse.T) * scale[:, None] * scale)
    except np.linalg.LinAlgError:
        pass
    values, vectors = np.linalg.eigh(scaled)
    fine = values > 1e-10 * values[-1]
    inverse = (vectors[:, fine] / values[fine]) @ vectors[:, fine].T
    lost = (vectors[:, ~fine] ** 2).sum(axis=1) > 1e-6
    inverse[lost] = np.nan
    inverse[:, lost] = np.nan
    return inverse * scale[:, None] * scale
