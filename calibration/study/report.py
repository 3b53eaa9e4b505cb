"""The report of a study: one HTML page, verdict first, charts inside, nothing fetched from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from calibration.report.html import Figures, style, template
from calibration.study import plots
from calibration.study.run import Study
from calibration.study.summary import item_table
from calibration.study.verdict import judge
from calibration.study.words import StudyWords

__all__ = ["render", "write_report"]

_MOST = 10
"""Items listed by name: those shown most."""


def render(study: Study, summary: Mapping[str, Any], language: str = "fr") -> str:
    """Return the page in French or in English (``fr``, ``en``)."""
    words = StudyWords(language)
    figure = Figures(language)
    found = judge(summary, words)
    part, items = study.part, item_table(study)
    true = words("truth_axis" if summary["answers"] == "simulated" else "all_axis")
    pictures = {
        "precision": figure(plots.plot_precision(summary, words), words("precision")),
        "scatter": figure(
            plots.plot_scatter(part.against, part.theta, summary["mean_se"], true, words), words("scatter")
        ),
        "length": figure(plots.plot_length(summary, words), words("length")),
        "exposure": figure(
            plots.plot_exposure(items["exposure"], summary["exposure_target"], words), words("exposure")
        ),
        "levels": figure(
            plots.plot_levels(part.against, part.levels, summary["classification"]["cuts"], words),
            words("classification"),
        )
        if summary["classification"]
        else None,
        "price": figure(plots.plot_price(summary["price"], words), words("price"))
        if summary["price"]
        else None,
    }
    order = sorted(range(len(items["item"])), key=lambda i: -items["served"][i])[:_MOST]
    return template("calibration.study").render(
        t=words,
        s=summary,
        found=found,
        weight=found[0][0],
        pictures=pictures,
        top=[{name: items[name][i] for name in ("item", "served", "exposure", "information")} for i in order],
        style=style(),
    )


def write_report(folder: str | Path, study: Study, summary: Mapping[str, Any], language: str = "fr") -> Path:
    """Write ``report.html`` into a folder and return its path."""
    path = Path(folder) / "report.html"
    path.write_text(render(study, summary, language), encoding="utf-8")
    return path
