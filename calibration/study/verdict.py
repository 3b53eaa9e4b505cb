"""Whether a design meets its targets, as reasons with a weight: ``keep``, ``watch`` or ``drop``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from calibration.study.words import StudyWords

__all__ = ["judge"]

_HONEST = 0.03
"""How far the coverage of 90 % intervals may be off before it is said (beside chance)."""

_AS_GOOD = 1.05
"""How much greater the standard error on a restricted pool may be."""

_PINCH = 0.5
"""Share of tests at a bound from which the bound is said to pinch."""


def judge(summary: Mapping[str, Any], words: StudyWords) -> list[tuple[str, str]]:
    """Return weight and sentence of each finding, the gravest first."""
    found = [*_rules(summary, words), *_precision(summary, words), *_levels(summary, words)]
    found += [*_exposure(summary, words), *_pinches(summary, words), *_pools(summary, words)]
    return sorted(found, key=lambda reason: ("drop", "watch", "keep").index(reason[0]))


def _rules(s: Mapping[str, Any], w: StudyWords) -> list[tuple[str, str]]:
    if not s["constraints_violated"]:
        return [("keep", w("v_rules_keep"))]
    names = ", ".join(
        f"{w.name(c['name'])} ({w.whole(c['violated'])})" for c in s["constraints"] if c["violated"]
    )
    return [("drop", w("v_rules_drop", names=names))]


def _precision(s: Mapping[str, Any], w: StudyWords) -> list[tuple[str, str]]:
    out = []
    if s["se_target"] is not None:
        share = s["se_met"]
        weight = "keep" if share >= 0.95 else "watch" if share >= 0.75 else "drop"
        out.append((weight, w(f"v_se_{weight}", share=w.percent(share, 1), target=w.number(s["se_target"]))))
    values = {
        "rmse": w.number(s["rmse"]),
        "bias": w.number(s["bias"]),
        "correlation": w.number(s["correlation"]),
        "length": w.number(s["mean_length"], 1),
    }
    out.append(("keep", w("v_rmse_keep", **values)))
    worst = max(s["conditional"], key=lambda tenth: float(tenth["rmse"]))
    if worst["n"] >= 50 and worst["rmse"] > 1.25 * s["rmse"]:
        place = {"theta": w.number(worst["theta"], 1), "rmse": w.number(worst["rmse"])}
        out.append(("watch", w("v_worst_watch", **place, overall=w.number(s["rmse"]))))
    off = abs(s["coverage_90"] - 0.9)
    if s["answers"] == "simulated":
        weight = "keep" if off <= _HONEST + 3.0 * math.sqrt(0.09 / s["n"]) else "watch"
        out.append((weight, w(f"v_coverage_{weight}", share=w.percent(s["coverage_90"], 1))))
    return out


def _levels(s: Mapping[str, Any], w: StudyWords) -> list[tuple[str, str]]:
    c = s["classification"]
    if not c:
        return []
    weight = "keep" if c["decided"] >= 0.8 else "watch"
    shares = {"accuracy": c["accuracy"], "decided": c["decided"], "right": c["accuracy_decided"]}
    return [(weight, w(f"v_level_{weight}", **{k: w.percent(v) for k, v in shares.items()}))]


def _exposure(s: Mapping[str, Any], w: StudyWords) -> list[tuple[str, str]]:
    out = []
    values = {"most": w.percent(s["max_exposure"], 1), "item": s["most_exposed"]}
    target = s["exposure_target"]
    if target is None:
        if s["max_exposure"] > 0.5:
            out.append(("watch", w("v_free_watch", **values)))
    else:
        excess = s["max_exposure"] - target
        chance = 3.0 * math.sqrt(target * (1.0 - target) / s["n"])
        weight = "keep" if excess <= chance else "watch" if excess <= 0.2 * target + chance else "drop"
        n = w.whole(s["over_target"])
        out.append((weight, w(f"v_exposure_{weight}", **values, target=w.percent(target), n=n)))
    if s["unused_share"] > 0.25:
        out.append(("watch", w("v_unused_watch", share=w.percent(s["unused_share"]), n=w.whole(s["unused"]))))
    return out


def _pinches(s: Mapping[str, Any], w: StudyWords) -> list[tuple[str, str]]:
    out = []
    for c in s["constraints"]:
        if c["name"] in ("length", "enemies", "stimulus", "time") or c["min"] == c["max"]:
            continue
        for side in ("min", "max"):
            if c[f"at_{side}"] >= _PINCH and (side == "max" or c["min"] > 0.0):
                share = w.percent(c[f"at_{side}"])
                text = w(f"v_{side}_watch", name=w.name(c["name"]), share=share, bound=w.number(c[side], 0))
                out.append(("watch", text))
    return out


def _pools(s: Mapping[str, Any], w: StudyWords) -> list[tuple[str, str]]:
    out = []
    for pool in s["accommodation"]:
        se, most = pool["simulated"]["se"], pool["as_precise"]
        weight = "keep" if se <= _AS_GOOD * s["mean_se"] else "drop" if most is None else "watch"
        values = {"need": pool["need"], "items": w.number(pool["simulated"]["length"], 1), "length": most}
        text = w(f"v_pool_{weight}", **values, se=w.number(se, 3), whole=w.number(s["mean_se"], 3))
        out.append((weight, text))
    return out
