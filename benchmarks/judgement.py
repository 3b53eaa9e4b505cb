"""Judging a calibration of 10,000 persons and 50 items: every fit statistic, fairness, a whole report."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from benchmarks.harness import Report, median_seconds
from calibration.dif import detect
from calibration.fit import assess
from calibration.report import gather, write_page
from item_bank.parameters import ParameterSet
from item_bank.responses import Responses

PERSONS, ITEMS = 10_000, 50


def sample() -> tuple[Responses, ParameterSet]:
    """A 2PL test, answers of normal people, and the true parameters."""
    rng = np.random.default_rng(1)
    a, b, theta = rng.lognormal(0.0, 0.3, ITEMS), rng.normal(size=ITEMS), rng.normal(size=PERSONS)
    p = 1.0 / (1.0 + np.exp(-a * (theta[:, None] - b)))
    rows = [{"id": f"i{i}", "model": "2pl", "a": float(a[i]), "b": float(b[i])} for i in range(ITEMS)]
    matrix = (rng.random(p.shape) < p).astype(np.int8)
    return Responses.from_dense(matrix, [row["id"] for row in rows]), ParameterSet(rows)


def run(report: Report) -> None:
    """Time them."""
    responses, parameters = sample()
    groups = ["a", "b"] * (PERSONS // 2)
    table = report.table(f"Fit statistics of {PERSONS:,} x {ITEMS}", limit=2.0)
    table.row("every statistic of acquis fit", median_seconds(lambda: assess(responses, parameters), 3))
    table = report.table(f"DIF of {PERSONS:,} x {ITEMS}")
    for method in ("mh", "logistic"):
        table.row(method, median_seconds(lambda m=method: detect(responses, groups, m), 3))
    table = report.table(f"Report of {PERSONS:,} x {ITEMS}: gathered, drawn, written", limit=10.0)
    with tempfile.TemporaryDirectory() as folder:

        def whole() -> None:
            write_page(Path(folder), gather(responses, parameters), "en")

        table.row("report.html", median_seconds(whole, 1))
