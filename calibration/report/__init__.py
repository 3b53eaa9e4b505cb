"""The calibration report: one HTML page that says which items to keep, watch or drop, and why.

`write_report` makes it from Python; ``acquis calibrate --report DIR`` from the command line. Reading order:
`findings` (what is gathered), `verdict` (the rules), `words` (texts), `plots`, `html` (what every page
shares), `page`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from calibration.report.findings import Findings, add, gather, read_findings
from calibration.report.page import render, write_page
from calibration.report.verdict import Verdict, overall, verdicts
from item_bank.options import RawOptions
from item_bank.parameters import ParameterSet
from item_bank.responses import Responses

__all__ = [
    "Findings",
    "Verdict",
    "add",
    "gather",
    "overall",
    "read_findings",
    "render",
    "verdicts",
    "write_page",
    "write_report",
]


def write_report(
    folder: str | Path,
    responses: Responses,
    parameters: ParameterSet,
    groups: Sequence[str] | None = None,
    *,
    language: str = "en",
    options: RawOptions | None = None,
    domains: Mapping[str, str] | None = None,
    about: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
) -> Path:
    """Judge a calibration and write ``report.html`` and ``findings.json`` into `folder`.

    Parameters
    ----------
    responses, parameters, groups
        What was calibrated, and the result.
    language
        ``fr`` or ``en``.
    options
        Raw options, for what distractors do.
    domains
        Domain of each item.
    about
        Provenance to print: ``title``, ``files``, ``command``, ``versions``, ``date``.
    notes
        What concerns the data set as a whole.

    Returns
    -------
    Path
        Of the page.
    """
    findings = gather(
        responses, parameters, groups, options=options, domains=domains, about=about, notes=notes
    )
    return write_page(Path(folder), findings, language)
