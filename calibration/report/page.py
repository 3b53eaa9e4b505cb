"""One self-contained HTML page from findings: verdict first, then what it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from calibration.dif.detect import adjusted
from calibration.report import plots
from calibration.report.findings import Findings, write_findings
from calibration.report.html import Figures, style, template
from calibration.report.verdict import DROP, KEEP, WATCH, Verdict, dependent_pairs, overall, verdicts
from calibration.report.words import Words

__all__ = ["MOST_DRAWN", "render", "write_page"]

MOST_DRAWN = 40
"""Items drawn large, one by one: those that ask for action first."""

FEW = 6
"""With so few items each is drawn large, action or not."""

MOST_SIDE_BY_SIDE = 240
"""Items drawn small, side by side."""

SHEET = 24
"""Items in one picture of small ones."""

_MARKS = {KEEP: "", WATCH: "! ", DROP: "✕ "}

PAGE = "report.html"


def _columns(table: Mapping[str, list[Any]]) -> dict[str, dict[str, Any]]:
    names = list(table)
    rows = zip(*(table[name] for name in names), strict=True)
    return {str(row[names.index("id")]): dict(zip(names, row, strict=True)) for row in rows}


def _parameters(row: Mapping[str, Any], words: Words) -> list[tuple[str, str, str]]:
    """Return name, estimate and standard error of each parameter that an item has."""
    out = []
    errors = row.get("se") or {}
    for name in ("a", "b", "c", "d", "tau", "alpha", "delta", "intercept"):
        value = row.get(name)
        if value is None:
            continue
        values = value if isinstance(value, list) else [value]
        spread = errors.get(name)
        spreads = spread if isinstance(spread, list) else [spread] * len(values)
        for k, (v, s) in enumerate(zip(values, spreads, strict=True)):
            label = name if len(values) == 1 else f"{name}{k + 1}"
            out.append((label, words.number(v), words.number(s)))
    return out


def _fit_rows(findings: Findings) -> list[dict[str, Any]]:
    """Return each item's RMSEA and whether its misfit is significant after correction."""
    items = findings["fit"]["items"]
    name = "s_x2" if "s_x2" in items else "pv_q1"
    p = adjusted(np.array([np.nan if x is None else x for x in items[f"{name}_p"]], dtype=np.float64))
    return [
        {"item": item, "rmsea": size, "significant": bool(q < 0.05)}
        for item, size, q in zip(items["id"], items[f"{name}_rmsea"], p, strict=True)
    ]


def _cards(findings: Findings, judged: list[Verdict], words: Words, figure: Figures) -> list[dict[str, Any]]:
    """Return what the section "item by item" shows."""
    simple, fit = _columns(findings["classical"]["items"]), _columns(findings["fit"]["items"])
    by_id = {str(row["id"]): row for row in findings["parameters"]}
    asking = [k for k, verdict in enumerate(judged) if verdict.decision != KEEP]
    asking.sort(key=lambda k: judged[k].decision != DROP)
    drawn = set(range(len(judged)) if len(judged) <= FEW else asking[:MOST_DRAWN])
    cards = []
    for k, verdict in enumerate(judged):
        row = by_id[verdict.item]
        calibrated = row.get("status") != "left-out"
        card: dict[str, Any] = {
            "id": verdict.item,
            "anchor": f"item-{k}",
            "decision": verdict.decision,
            "reasons": [words.reason(reason) for reason in verdict.reasons],
            "model": row["model"],
            "domain": findings["domains"].get(verdict.item, ""),
            "parameters": _parameters(row, words) if calibrated else [],
            "classical": simple.get(verdict.item, {}),
            "fit": fit.get(verdict.item, {}),
            "curve": None,
            "options": None,
        }
        if k in drawn and calibrated:
            title = f"{words('curve')}, {verdict.item}"
            observed = findings["observed"].get(verdict.item)
            card["curve"] = figure(plots.plot_item(row, observed, words), title)
            options = findings["distractors"].get(verdict.item)
            if options:
                card["options"] = figure(
                    plots.plot_options(options, words), f"{words('options')}, {verdict.item}"
                )
        cards.append(card)
    return cards


def _sheets(
    findings: Findings, judged: list[Verdict], words: Words, figure: Figures
) -> tuple[list[Markup], list[Markup]]:
    """Return pictures of many small items: their curves, and what their options do."""
    marks = {verdict.item: _MARKS[verdict.decision] for verdict in judged}
    rows = [row for row in findings["parameters"] if row.get("status") != "left-out"]
    if len(judged) <= FEW:
        return [], []
    rows = rows[:MOST_SIDE_BY_SIDE]
    sizes = findings["data"]["categories"]
    curves = []
    for kind in (True, False):
        some = [row for row in rows if (sizes.get(row["id"], 2) == 2) is kind]
        curves += [
            figure(plots.plot_items(some[k : k + SHEET], findings["observed"], words, marks), words("curve"))
            for k in range(0, len(some), SHEET)
        ]
    options = list(findings["distractors"].items())[:MOST_SIDE_BY_SIDE]
    chosen = [
        figure(plots.plot_all_options(dict(options[k : k + SHEET]), words, marks), words("options"))
        for k in range(0, len(options), SHEET)
    ]
    return curves, chosen


def _whole(findings: Findings, words: Words, figure: Figures) -> dict[str, Any]:
    """Return the pictures of the test as a whole."""
    shape = findings["dimensionality"]
    scores = findings["classical"]["scores"]
    return {
        "information": figure(plots.plot_information(findings["precision"], words), words("information")),
        "wright": figure(
            plots.plot_wright_map(findings["persons"], findings["parameters"], words), words("wright")
        ),
        "scores": figure(plots.plot_scores(scores, words), words("scores")) if scores else None,
        "scree": figure(plots.plot_dimensions(shape, words), words("dimensions"))
        if shape["eigenvalues"]
        else None,
        "fit": figure(plots.plot_item_fit(_fit_rows(findings), words), words("fit_items")),
        "persons": figure(plots.plot_person_fit(findings["persons"], words), words("person_fit")),
        "dif": [figure(plots.plot_dif(entry, words), words("dif_axis")) for entry in findings["dif"]],
        "link": [
            figure(plots.plot_drift(entry, words), words("displacement_axis"))
            if any(row["displacement"] is not None for row in entry["drift"])
            else None
            for entry in findings["link"]
        ],
    }


def render(findings: Findings, language: str = "en") -> str:
    """Return the page.

    Parameters
    ----------
    language
        ``fr`` or ``en``.
    """
    words = Words(language)
    figure = Figures(language)
    judged = verdicts(findings)
    cards = _cards(findings, judged, words, figure)
    curves, options = _sheets(findings, judged, words, figure)
    pairs = findings["fit"]["pairs"]
    mean = pairs["mean"] if pairs["mean"] is not None else 0.0
    return template("calibration.report").render(
        style=style(),
        t=words,
        f=findings,
        about={"title": "", "date": "", **findings["about"]},
        counts={d: sum(v.decision == d for v in judged) for d in (KEEP, WATCH, DROP)},
        overall=[(reason.weight, words.reason(reason)) for reason in overall(findings, judged)],
        act=[card for card in sorted(cards, key=lambda c: c["decision"] != DROP) if card["decision"] != KEEP],
        cards=cards,
        curves=curves,
        options=options,
        some=len(findings["parameters"]) > MOST_SIDE_BY_SIDE,
        pictures=_whole(findings, words, figure),
        dependent=dependent_pairs(findings),
        q3_mean=mean,
    )


def write_page(folder: Path, findings: Findings, language: str = "en") -> Path:
    """Write findings and page into a folder; return the page's path."""
    page = render(findings, language)
    write_findings(folder, findings)
    path = folder / PAGE
    path.write_text(page, encoding="utf-8")
    return path
