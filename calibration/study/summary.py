"""What a study's sittings say: precision, length, exposure, classification, and whether every rule held."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from calibration.fit.persons import cutoffs, lz_of
from calibration.fit.residuals import sums_of
from calibration.study.plan import CHUNK, Part, answers_of
from calibration.study.run import Study
from cat_engine.grid import Grid, tabulate
from cat_engine.record import RECORD_VERSION
from cat_engine.scoring import Prior, score
from cat_engine.selection.blueprint import crossing
from cat_engine.session import AdaptiveTest
from cat_engine.stopping import REASONS

__all__ = ["SCHEMA", "item_table", "shadow_tests", "summarise"]

SCHEMA = "acquis/study/1"

_FEWEST = 200
"""Persons from whom on a quantile of 1 % is stated."""

_NORMAL_95 = 1.6448536269514722
"""0.95 quantile of the standard normal: the half width of a 90 % interval in standard errors."""


def summarise(study: Study) -> dict[str, Any]:
    """Return the content of ``summary.json``; ``docs/reference/simulation.md`` lists its keys."""
    plan, part = study.plan, study.part
    test, sittings = plan.test, part.sittings
    error = part.theta - part.against
    length = sittings.length
    served = _served(part, len(test.pool))
    exposure = served / plan.n
    checks = _constraints(test, part)
    limits = test.design.exposure
    stop = test.design.stop
    return {
        "schema": SCHEMA,
        "n": plan.n,
        "seed": plan.seed,
        "engine": {"acquis": version("acquis"), "record": RECORD_VERSION},
        "n_items": len(test.pool),
        "population": {"mean": plan.mean, "sd": plan.sd},
        "answers": "simulated" if plan.responses is None else "given",
        "against": "true theta" if plan.responses is None else "estimate from all given responses",
        **_precision(error, part.se),
        "correlation": _correlation(part.theta, part.against),
        "mean_length": float(length.mean()),
        "length": {
            "min": int(length.min()),
            "max": int(length.max()),
            "sd": float(length.std()),
            "counts": {int(k): int(c) for k, c in zip(*np.unique(length, return_counts=True), strict=True)},
        },
        "reasons": {
            REASONS[int(r)]: int(c)
            for r, c in zip(*np.unique(sittings.reason, return_counts=True), strict=True)
        },
        "se_target": stop.se,
        "se_met": None if stop.se is None else float((part.se <= stop.se).mean()),
        "conditional": _conditional(part),
        "classification": _classification(study),
        "exposure_method": limits.method,
        "exposure_target": None if limits.method == "none" else limits.rate,
        "max_exposure": float(exposure.max()),
        "most_exposed": test.pool.ids[int(exposure.argmax())],
        "over_target": 0 if limits.method == "none" else int((exposure > limits.rate).sum()),
        "overlap_rate": _overlap(served, plan.n),
        "unused": int((served == 0).sum()),
        "unused_share": float((served == 0).mean()),
        "price": study.price,
        "accommodation": list(study.pools),
        "person_fit": _person_fit(study),
        "constraints": checks,
        "constraints_violated": sum(check["violated"] for check in checks),
        "shadow_tests": shadow_tests(test),
        "shadow_lack": None if test.machine.shadow is None else float(sittings.lack.max()),
        "seconds": study.seconds,
        "sittings_per_second": plan.n / study.seconds,
    }


def shadow_tests(test: AdaptiveTest) -> str | None:
    """Say what makes the design need shadow tests, which take long; None where look-ahead suffices."""
    if test.machine.shadow is None:
        return None
    return crossing(test.machine.blueprint.requirements) or "blueprint.method = 'shadow'"


def item_table(study: Study) -> dict[str, list[Any]]:
    """Return the columns of ``items.csv``."""
    test, plan = study.plan.test, study.plan
    served = _served(study.part, len(test.pool))
    grid = Grid.normal(plan.mean, plan.sd)
    info = tabulate(test.pool, grid).info
    columns: dict[str, list[Any]] = {
        "item": list(test.pool.ids),
        "served": served.tolist(),
        "exposure": (served / plan.n).tolist(),
        "information": (info @ grid.weights).tolist(),
        "peak": grid.nodes[info.argmax(axis=1)].tolist(),
    }
    for name, values in test.attributes.items():
        columns[name if name not in columns else f"bank.{name}"] = list(values)
    return columns


def _person_fit(study: Study) -> dict[str, Any] | None:
    """Return how lz* is distributed where everyone answers as the model says, by the first persons' sittings.

    An adaptive test chooses its items by the answers, so that lz* is not standard normal: what marks a person
    is the quantile that this design gives (Snijders, 2001; van Krimpen-Stoop & Meijer, 1999).
    """
    plan, sittings = study.plan, study.part.sittings.part(0, CHUNK)
    if plan.responses is not None:
        return None
    answers = answers_of(sittings)
    theta = score(plan.test.pool, answers, "map", Prior.normal(*plan.design.score.prior)).theta
    values = lz_of(sums_of(plan.test.pool, answers, theta).by_person)[1]
    known = values[np.isfinite(values)]
    if len(known) < _FEWEST:
        return None
    return {
        "statistic": "lz_star",
        "n": len(known),
        "mean": float(known.mean()),
        "sd": float(known.std()),
        "cutoffs": {f"{level:g}": cut for level, cut in cutoffs(known).items()},
    }


def _served(part: Part, n: int) -> np.ndarray:
    items = part.sittings.items
    return np.bincount(items[items >= 0], minlength=n)


def _precision(error: np.ndarray, se: np.ndarray) -> dict[str, float]:
    return {
        "bias": float(error.mean()),
        "rmse": float(np.sqrt((error * error).mean())),
        "mean_se": float(se.mean()),
        "coverage_90": float((np.abs(error) <= _NORMAL_95 * se).mean()),
    }


def _correlation(a: np.ndarray, b: np.ndarray) -> float | None:
    if len(a) < 2 or a.std() == 0.0 or b.std() == 0.0:
        return None
    return float(np.corrcoef(a, b)[0, 1])


def _conditional(part: Part) -> list[dict[str, Any]]:
    """Precision by tenths of the persons, in order of true theta."""
    order = np.argsort(part.against, kind="stable")
    out = []
    for held in np.array_split(order, min(10, len(order))):
        true = part.against[held]
        out.append(
            {
                "low": float(true[0]),
                "high": float(true[-1]),
                "theta": float(true.mean()),
                "n": len(held),
                **_precision(part.theta[held] - true, part.se[held]),
                "mean_length": float(part.sittings.length[held].mean()),
            }
        )
    return out


def _classification(study: Study) -> dict[str, Any] | None:
    """How often levels are right, and the same when people sit again; None without cut scores."""
    part, cuts = study.part, study.plan.design.cuts.values
    if not cuts:
        return None
    true = np.searchsorted(np.array(cuts), part.against, side="right")
    table = np.zeros((len(cuts) + 1, len(cuts) + 1), dtype=np.int64)
    np.add.at(table, (true, part.level), 1)
    decided = part.decision >= 0
    again = study.again
    return {
        "cuts": list(cuts),
        "confidence": study.plan.design.cuts.confidence,
        "accuracy": float((part.level == true).mean()),
        "expected_accuracy": float(np.take_along_axis(part.levels, part.level[:, None], 1).mean()),
        "consistency": None
        if again is None
        else float((again.level == part.level[: len(again.level)]).mean()),
        "consistency_n": 0 if again is None else len(again.level),
        "decided": float(decided.mean()),
        "accuracy_decided": float((part.decision == true)[decided].mean()) if decided.any() else None,
        "levels": [float(share) for share in np.bincount(part.level, minlength=len(table)) / len(true)],
        "true_by_assigned": table.tolist(),
    }


def _overlap(served: np.ndarray, n: int) -> float | None:
    """Mean share of a test's items that two persons have in common (Chen, Ankenmann & Spray, 2003)."""
    if n < 2:
        return None
    pairs = (served.astype(np.float64) * (served - 1.0)).sum() / (n * (n - 1.0))
    return float(pairs / (served.sum() / n))


def _constraints(test: AdaptiveTest, part: Part) -> list[dict[str, Any]]:
    """Count, for every rule about whole tests, the sittings that break it and those that meet its bound."""
    needs, sittings = test.machine.blueprint.requirements, part.sittings
    there = sittings.items >= 0
    size = len(sittings)
    rows = np.repeat(np.arange(size), there.sum(axis=1))
    held = csr_array(
        (np.ones(len(rows)), (rows, sittings.items[there].astype(np.int64))), shape=(size, needs.n)
    )
    low, high = needs.length
    out = [_check("length", sittings.length.astype(np.float64), low, high)]
    for rule in needs.bounds:
        amount = np.zeros(needs.n)
        amount[rule.items] = rule.amount
        out.append(_check(rule.name, held @ amount, rule.low, rule.high))
    if needs.enemies:
        worst = np.zeros(size)
        for enemies in needs.enemies:
            amount = np.zeros(needs.n)
            amount[enemies.items] = enemies.amount
            worst = np.maximum(worst, held @ amount)
        out.append(_check("enemies", worst, 0.0, 1.0))
    if needs.stimuli:
        least, most = needs.stimulus_range
        broken = np.zeros(size)
        for s in range(needs.stimuli):
            used = held @ (needs.stimulus == s).astype(np.float64)
            broken += (used > most) | ((used > 0.0) & (used < least))
        out.append(_check("stimulus", broken, 0.0, 0.0))
    if test.design.stop.time is not None:
        out.append(_check("time", held @ needs.time, 0.0, test.design.stop.time))
    return out


def _check(name: str, values: np.ndarray, low: float, high: float) -> dict[str, Any]:
    return {
        "name": name,
        "min": low,
        "max": None if np.isinf(high) else high,
        "mean": float(values.mean()),
        "at_min": float((values == low).mean()),
        "at_max": float((values == high).mean()),
        "violated": int(((values < low - 1e-9) | (values > high + 1e-9)).sum()),
    }
