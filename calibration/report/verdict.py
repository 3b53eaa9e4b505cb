"""Which items to keep, watch or drop, and why: rules on the findings, in the order of their weight."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from calibration.dif.detect import adjusted

__all__ = ["DROP", "KEEP", "WATCH", "Reason", "Verdict", "dependent_pairs", "overall", "verdicts"]

KEEP, WATCH, DROP = "keep", "watch", "drop"
_WEIGHT = {KEEP: 0, WATCH: 1, DROP: 2}


@dataclass(frozen=True)
class Reason:
    """Why an item is not simply kept.

    Attributes
    ----------
    code
        What `calibration.report.words` explains.
    weight
        `WATCH` or `DROP`.
    values
        Figures that the explanation names.
    """

    code: str
    weight: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """What to do with an item."""

    item: str
    decision: str
    reasons: list[Reason]


MISFIT_P, MISFIT_RMSEA, MISFIT_STRONG = 0.05, 0.03, 0.08
FLAT, WEAK = 0.25, 0.5
EASY, HARD = 0.97, 0.03
LOCAL, VERY_LOCAL, BUNDLES = 0.2, 0.3, 1 / 3
CHANCE = 3.3
"""Standard errors that a pair's Q3 lies above the mean before it is taken for more than chance: of 200 pairs
one in ten tests shows such a one. It matters where few persons met both items."""

GUESSING = 0.4
ATTRACTIVE = 0.1


def verdicts(findings: Mapping[str, Any]) -> list[Verdict]:
    """Return a verdict on every item, in the parameters' order."""
    by_item = _Lookup(findings)
    out = []
    for row in findings["parameters"]:
        reasons = _reasons(row, by_item)
        decision = max((reason.weight for reason in reasons), key=_WEIGHT.__getitem__, default=KEEP)
        reasons.sort(key=lambda reason: -_WEIGHT[reason.weight])
        out.append(Verdict(str(row["id"]), decision, reasons))
    return out


class _Lookup:
    """Findings by item."""

    def __init__(self, findings: Mapping[str, Any]) -> None:
        self.fit = _by_item(findings["fit"]["items"])
        self.classical = _by_item(findings["classical"]["items"])
        self.categories = findings["data"]["categories"]
        self.distractors = findings["distractors"]
        self.dif = [(entry, {row["id"]: row for row in entry["items"]}) for entry in findings["dif"]]
        self.link = [{row["id"]: row for row in entry["drift"]} for entry in findings["link"]]
        self.statistic = "s_x2" if "s_x2" in findings["fit"]["items"] else "pv_q1"
        p = findings["fit"]["items"].get(f"{self.statistic}_p", [])
        values = adjusted(np.array([np.nan if x is None else x for x in p], dtype=np.float64))
        self.adjusted = dict(zip(findings["fit"]["items"]["id"], values.tolist(), strict=True))
        self.partners = _partners(findings, LOCAL)
        if len(self.partners) > BUNDLES * len(findings["parameters"]):  # said once, of the whole test
            self.partners = _partners(findings, VERY_LOCAL)


def _partners(findings: Mapping[str, Any], bound: float) -> dict[str, list[tuple[str, float]]]:
    """Return the items that each item goes with beyond ability, with Q3."""
    out: dict[str, list[tuple[str, float]]] = {}
    for pair in dependent_pairs(findings, bound):
        out.setdefault(pair["item"], []).append((pair["with"], pair["q3"]))
        out.setdefault(pair["with"], []).append((pair["item"], pair["q3"]))
    return out


def dependent_pairs(findings: Mapping[str, Any], bound: float = LOCAL) -> list[Mapping[str, Any]]:
    """Return the pairs whose Q3 lies above the mean of all by more than `bound`, and by more than chance."""
    pairs = findings["fit"]["pairs"]
    mean = pairs["mean"] if pairs["mean"] is not None else 0.0
    return [p for p in pairs["largest"] if p["q3"] - mean > max(bound, CHANCE / np.sqrt(max(p["n"], 1)))]


def _by_item(columns: Mapping[str, list[Any]]) -> dict[str, dict[str, Any]]:
    names = list(columns)
    return {
        row[0]: dict(zip(names, row, strict=True)) for row in zip(*(columns[n] for n in names), strict=True)
    }


def _reasons(row: Mapping[str, Any], known: _Lookup) -> list[Reason]:
    item = str(row["id"])
    if row.get("status") == "left-out":
        codes = [str(flag).split(":", 1)[0] for flag in row.get("flags") or []]
        return [Reason(next((c for c in codes if c in ("constant", "no-responses")), "uncalibrated"), DROP)]
    simple, fit = known.classical.get(item, {}), known.fit.get(item, {})
    reasons = [*_by_slope(row, simple), *_by_difficulty(row, simple, known.categories.get(item, 2))]
    reasons += _by_fit(item, fit, known)
    if item in known.partners:
        other, value = max(known.partners[item], key=lambda pair: pair[1])
        reasons.append(Reason("dependent", WATCH, {"other": other, "q3": value}))
    for entry, rows in known.dif:
        found = rows.get(item)
        if found and found["flagged"]:
            weight = DROP if found["class"] == "C" else WATCH
            favoured = entry["focal"] if found["favours"] == "focal" else entry["reference"]
            values = {"class": found["class"], "group": favoured, "method": entry["method"]}
            code = "dif" if weight == WATCH else "dif_strong"
            reasons.append(Reason(code, weight, values | {"p": found["p_adjusted"]}))
    for drifted in known.link:
        found = drifted.get(item)
        if found and found["drifted"]:
            reasons.append(Reason("drift", WATCH, {"displacement": found["displacement"]}))
    reasons += _by_options(known.distractors.get(item, []))
    for flag in row.get("flags") or []:
        code = str(flag).split(":", 1)[0]
        if code in ("few-responses", "nearly-constant", "duplicate", "disconnected", "rare-category"):
            reasons.append(Reason(code, DROP if code == "duplicate" else WATCH, {"why": flag}))
    return reasons


def _by_slope(row: Mapping[str, Any], simple: Mapping[str, Any]) -> list[Reason]:
    a, rest = row.get("a"), simple.get("item_rest")
    held = row.get("model") in ("rasch", "pcm", "rsm")
    if a is not None and not held and a <= 0.0:
        return [Reason("negative", DROP, {"a": a})]
    if rest is not None and rest < 0.0:
        return [Reason("negative_rest", DROP, {"rest": rest})]
    if a is not None and not held and a < FLAT:
        return [Reason("flat", DROP, {"a": a})]
    if a is not None and not held and a < WEAK:
        return [Reason("weak", WATCH, {"a": a})]
    if held and rest is not None and rest < 0.15:
        return [Reason("weak_rest", WATCH, {"rest": rest})]
    if a is not None and a > 5.0:
        return [Reason("steep", WATCH, {"a": a})]
    error = (row.get("se") or {}).get("a")
    if a is not None and error is not None and error > 0.5 * a:
        return [Reason("unsure", WATCH, {"a": a, "se": error})]
    return []


def _by_difficulty(row: Mapping[str, Any], simple: Mapping[str, Any], n_cat: int) -> list[Reason]:
    reasons = []
    p = simple.get("p")
    if p is not None and n_cat == 2:
        if p > EASY:
            reasons.append(Reason("easy", WATCH, {"p": p}))
        elif p < HARD:
            reasons.append(Reason("hard", WATCH, {"p": p}))
    if row.get("c") is not None and row["c"] > GUESSING:
        reasons.append(Reason("guessing", WATCH, {"c": row["c"]}))
    return reasons


def _by_fit(item: str, fit: Mapping[str, Any], known: _Lookup) -> list[Reason]:
    size, p = fit.get(f"{known.statistic}_rmsea"), known.adjusted.get(item)
    if size is None or p is None or not np.isfinite(p) or p >= MISFIT_P or size < MISFIT_RMSEA:
        return []
    values = {"rmsea": size, "p": p, "statistic": known.statistic}
    return [Reason("misfit", DROP if size >= MISFIT_STRONG else WATCH, values)]


def _by_options(options: list[dict[str, Any]]) -> list[Reason]:
    key = next((o for o in options if o["key"]), None)
    if key is None:
        return []
    reasons = []
    total = max(sum(o["n"] for o in options), 1)
    rivals = [o for o in options if not o["key"] and o["rest"] is not None and o["n"] >= 10]
    better = [o for o in rivals if key["rest"] is not None and o["rest"] > max(key["rest"], 0.05)]
    if better:
        reasons.append(Reason("wrong_key", DROP, {"option": better[0]["option"], "key": key["option"]}))
    rival = max(rivals, key=lambda o: float(o["rest"]), default=None)
    if not better and rival and rival["rest"] > max(ATTRACTIVE, 2.6 / np.sqrt(total)):
        reasons.append(Reason("attractive", WATCH, {"option": rival["option"], "rest": rival["rest"]}))
    return reasons


def overall(findings: Mapping[str, Any], items: list[Verdict]) -> list[Reason]:
    """Return what to say of the calibration as a whole, the most important first.

    The weight says how worrying it is: keep (fine), watch or drop (serious).
    """
    out = []
    calibration = findings["calibration"]
    if calibration.get("converged") is False:
        out.append(Reason("not_converged", DROP))
    shape = findings["dimensionality"]["verdict"]
    if shape:
        weight = {"one": KEEP, "nearly one": WATCH, "several": DROP}[shape]
        out.append(Reason(f"dimension_{shape.replace(' ', '_')}", weight))
    bundled = len(_partners(findings, LOCAL))
    if bundled > BUNDLES * len(findings["parameters"]):
        out.append(Reason("bundles", WATCH, {"n": bundled, "all": len(findings["parameters"])}))
    out += _model_fit(findings["fit"]["model"], findings["fit"]["not_applicable"])
    reliability = findings["precision"]["marginal_reliability"]
    weight = KEEP if reliability >= 0.8 else WATCH if reliability >= 0.7 else DROP
    out.append(Reason("reliability", weight, {"value": reliability}))
    persons = findings["persons"]
    if persons["judged"]:
        share = persons["flagged"] / persons["judged"]
        out.append(
            Reason("persons", KEEP if share < 0.03 else WATCH, {"share": share, "n": persons["flagged"]})
        )
    for entry in findings["dif"]:
        found = entry["flagged"]
        names = {name: entry[name] for name in ("reference", "focal", "method")}
        values = {"n": len(found), **names}
        out.append(Reason("dif_found" if found else "dif_none", WATCH if found else KEEP, values))
    return out


def _model_fit(model: Mapping[str, Any], reasons: Mapping[str, Any]) -> list[Reason]:
    """Bounds of Maydeu-Olivares and Joe (2014) for the RMSEA of second moments, 0.05 for SRMSR."""
    for kind in ("m2", "c2", "m2*"):
        found = model.get(kind)
        if found:
            good = found["rmsea"] < 0.05 and (found["srmsr"] is None or found["srmsr"] < 0.06)
            weight = KEEP if good else WATCH if found["rmsea"] < 0.089 else DROP
            values = {**found, "kind": kind.upper()}
            return [Reason("model_fit", weight, values)]
    if "m2" in reasons:
        return [Reason("model_fit_unknown", KEEP)]
    return []
