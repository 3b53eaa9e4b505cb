"""Person fit: how likely a person's answers are beside what the model expects at that person's theta.

References
----------
Drasgow, F., Levine, M. V., & Williams, E. A. (1985). Appropriateness measurement with polychotomous item
response models and standardized indices. British Journal of Mathematical and Statistical Psychology, 38,
67-86 (lz; called Zh at an EAP estimate). Snijders, T. A. B. (2001). Asymptotic null distribution of
person fit statistics with estimated person parameter. Psychometrika, 66, 331-342 (lz*, eqs. 8 to 11).
Sinharay, S. (2016). Asymptotically correct standardization of person-fit statistics beyond dichotomous
items. Psychometrika, 81, 992-1013. van Krimpen-Stoop, E. M. L. A., & Meijer, R. R. (1999). The null
distribution of person-fit statistics for conventional and adaptive tests. Applied Psychological Measurement,
23, 327-345.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from calibration.fit.evidence import Evidence
from calibration.fit.residuals import sums_at, sums_of
from calibration.kernels.fit import draw_nodes, simulate_answers
from cat_engine.answers import Answers
from cat_engine.design import Design
from cat_engine.pool import ItemPool
from cat_engine.scoring import Prior, score
from item_bank.parameters import Population

__all__ = ["FEWEST_SITTINGS", "PersonFit", "cutoffs", "lz_of", "person_fit", "sat", "simulated"]

FEWEST_SITTINGS = 5_000
"""Sittings that `sat` simulates at least: a 1 % cut-off stands on 50 persons then."""


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
    kept. In an adaptive test the items depend on the answers, which this does not imitate: real lz* spread
    less, and the cut-offs find too few. There `sat` simulates whole sittings by the test's design.
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
        values.append(_lz_star(part.pool, answers, part.population))
    return np.concatenate(values)


def _lz_star(pool: ItemPool, answers: Answers, population: Population) -> np.ndarray:
    theta = score(pool, answers, "map", Prior.normal(population.mean[0], population.sd)).theta
    return lz_of(sums_of(pool, answers, theta).by_person)[1]


def sat(
    evidence: Evidence,
    design: Design,
    attributes: Mapping[str, tuple[str, ...]] | None = None,
    seed: int = 1,
) -> np.ndarray:
    """Return lz* of simulated persons who sit the adaptive test itself.

    Each group is simulated by its population, in the size it has among the persons, `FEWEST_SITTINGS` in all
    at least. The items follow the answers as they do in the real test, which is what moves the
    distribution of lz* in adaptive data (van Krimpen-Stoop & Meijer, 1999).

    Parameters
    ----------
    design, attributes
        Of the test, as `calibration.study.Plan` takes them.
    """
    from calibration.study.plan import Plan, answers_of  # the study's summary judges persons by this module
    from calibration.study.run import study

    rows = [row for row in evidence.parameters.items if row.get("status") != "left-out"]
    total = max(evidence.n_persons, FEWEST_SITTINGS)
    values = []
    for k, part in enumerate(evidence.parts):
        population = part.population
        n = max(1, round(total * part.n_persons / max(1, evidence.n_persons)))
        plan = Plan(rows, design, n, seed + k, population.mean[0], population.sd, attributes or {})
        sittings = study(plan, beside=False).part.sittings
        values.append(_lz_star(plan.test.pool, answers_of(sittings), population))
    return np.concatenate(values)


def cutoffs(values: np.ndarray, levels: tuple[float, ...] = (0.05, 0.01)) -> dict[float, float]:
    """Return the value below which a share `level` of fitting persons lies.

    Parameters
    ----------
    values
        lz* of simulated persons, from `simulated` or `sat`.
    """
    known = values[np.isfinite(values)]
    return {level: float(np.quantile(known, level)) if len(known) else float("nan") for level in levels}
