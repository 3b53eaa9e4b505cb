"""Person fit: how likely a person's answers are beside what the model expects at that person's theta.

References
----------
Drasgow, F., Levine, M. V., & Williams, E. A. (1985). Appropriateness measurement with polychotomous item
response models and standardized indices. British Journal of Mathematical and Statistical Psychology, 38,
67-86 (lz; called Zh at an EAP estimate). Snijders, T. A. B. (2001). Asymptotic null distribution of
person fit statistics with estimated person parameter. Psychometrika, 66, 331-342 (lz*, eqs. 8 to 11).
Sinharay, S. (2016). Asymptotically correct standardization of person-fit statistics beyond dichotomous
items. Psychometrika, 81, 992-1013.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from calibration.fit.evidence import Evidence
from calibration.fit.residuals import sums_at, sums_of
from calibration.kernels.fit import draw_nodes, simulate_answers
from cat_engine.answers import Answers
from cat_engine.scoring import Prior, score

__all__ = ["PersonFit", "cutoffs", "lz_of", "person_fit", "simulated"]


class PersonFit(NamedTuple):
    """Person fit, shape ``(n_persons,)`` each; large negative values mean unlikely answers.

    Attributes
    ----------
    zh
        lz at the EAP estimate.
    lz
        lz at the MAP estimate: its spread is below 1, because theta was fitted to the same answers.
    lz_star
        lz corrected for that, at the MAP estimate: nearly standard normal for long fixed tests.
    """

    zh: np.ndarray
    lz: np.ndarray
    lz_star: np.ndarray


def lz_of(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return lz and lz* from rows of `calibration.fit.residuals.Sums`.

    With ``c = Cov(l, s) / Var(s)``, lz* replaces each log-probability ``l`` by ``l - c s``, which the
    estimate of theta does not move; NaN where there is no information.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        surprise = sums[:, 6] - sums[:, 7]
        lz = surprise / np.sqrt(sums[:, 8])
        c = sums[:, 9] / sums[:, 10]
        spread = sums[:, 8] - c * sums[:, 9]
        star = (surprise - c * sums[:, 12]) / np.sqrt(np.where(spread > 1e-12, spread, np.nan))
    return lz, star


def person_fit(evidence: Evidence) -> PersonFit:
    """Return the person fit of everyone; NaN for a person without an answer."""
    zh, _ = lz_of(sums_at(evidence, evidence.theta()).by_person)
    lz, star = lz_of(sums_at(evidence, evidence.theta("map")).by_person)
    return PersonFit(zh, lz, star)


def simulated(evidence: Evidence, seed: int = 1) -> np.ndarray:
    """Return lz* of as many simulated persons, each at a theta drawn from a real person's posterior.

    They answer the items that the real person met, so that a spread of lengths and of gaps in the data is
    kept. In an adaptive test the items depend on the answers: there simulate whole sittings with the
    test's design and give those to `cutoffs`.
    """
    random = np.random.Generator(np.random.Philox(seed))
    values = []
    for part in evidence.parts:
        node, place = np.empty(part.n_persons, np.int64), np.empty(part.n_persons)
        draw_nodes(part.posterior, random.random(part.n_persons), node, place)
        category = np.empty(len(part.answers.item), np.int8)
        uniform = random.random(len(category))
        simulate_answers(part.probability, node, part.answers.indptr, part.answers.item, uniform, category)
        answers = Answers(part.answers.indptr, part.answers.item, category)
        prior = Prior.normal(part.population.mean[0], part.population.sd)
        theta = score(part.pool, answers, "map", prior).theta
        values.append(lz_of(sums_of(part.pool, answers, theta).by_person)[1])
    return np.concatenate(values)


def cutoffs(values: np.ndarray, levels: tuple[float, ...] = (0.05, 0.01)) -> dict[float, float]:
    """Return the value below which a share `level` of fitting persons lies.

    Parameters
    ----------
    values
        lz* of simulated persons, from `simulated` or from simulated sittings.
    """
    known = values[np.isfinite(values)]
    return {level: float(np.quantile(known, level)) if len(known) else float("nan") for level in levels}
