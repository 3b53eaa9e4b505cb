"""Calibration in several dimensions, beside what R mirt took on the same data.

R is not run here: its CPU seconds and log-likelihoods stand in ``large/mirt_loglik_and_cpu.json`` of the
reference folder (``ACQUIS_REFERENCE``), measured on another day, one thread. Ours are CPU seconds too, the
least of three fits in this process after one that compiles; standard errors apart.
"""

from __future__ import annotations

import csv
import json
import os
import tempfile
import time
from pathlib import Path

from benchmarks.harness import Report

__all__ = ["run"]

CASES = {
    "2 dimensions, 5,000 x 40": ("sim2d_5000x40", ("2d_5000x40",), 1.5),
    "5 dimensions, 2,000 x 50": ("sim5d_2000x50", ("5d_2000x50_qmcem", "5d_2000x50_mhrm"), 8.0),
}
"""Data, mirt's cases, and the CPU seconds we promise."""


def pattern_of(true: Path, folder: Path) -> Path:
    """Write what each item of a simulated set measures."""
    with true.open(encoding="utf-8") as file:
        factor = {row["item"]: int(float(row["factor"])) for row in csv.DictReader(file)}
    size = max(factor.values())
    path = folder / "dimensions.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        write = csv.writer(file).writerow
        write(["item", *(f"F{d + 1}" for d in range(size))])
        for item, own in factor.items():
            write([item, *(int(own == d + 1) for d in range(size))])
    return path


def run(report: Report) -> None:
    """Print every comparison."""
    from calibration import calibrate
    from item_bank.responses import read_responses

    reference = Path(os.environ.get("ACQUIS_REFERENCE", "../shared/reference"))
    if not (reference / "large").is_dir():
        print(f"  the reference data are not at {reference}; set ACQUIS_REFERENCE to their folder")
        return
    runs = json.loads((reference / "large/mirt_loglik_and_cpu.json").read_text(encoding="utf-8"))
    for case, (name, theirs, promise) in CASES.items():
        table = report.table(f"Calibration, m2pl, {case}: CPU seconds", promise)
        responses = read_responses(reference / f"large/{name}.csv.gz")
        with tempfile.TemporaryDirectory() as folder:
            file = pattern_of(reference / f"large/{name}_true.csv", Path(folder))
            calibrate(responses, "m2pl", dimensions=file, max_iterations=1)
            fits, whole = [], []
            for errors, times in (("none", fits), ("oakes", whole)):
                for _ in range(3):
                    start = time.process_time()
                    found = calibrate(responses, "m2pl", dimensions=file, errors=errors)
                    times.append(time.process_time() - start)
        table.row("acquis", min(fits), f"log-likelihood {found.loglik:.3f}")
        for one in theirs:
            best = min((x for x in runs if x["case"] == one), key=lambda x: x["cpu_seconds"])
            note = f"log-likelihood {best['loglik']:.3f}, {best['package']}'s own, from the file"
            table.row(f"R mirt, {best['method']}, TOL {best['tol']:g}", best["cpu_seconds"], note)
        table.row("acquis, with Oakes' standard errors", min(whole))
