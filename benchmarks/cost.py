"""What calibration costs as data grow: ``python -m benchmarks.cost [--curves NAME ...] [--out DIR]``.

Three curves of processor seconds and peak memory, each point in a process of its own, after a first fit that
compiles: persons (40 answers each to 1,000 items), items (20,000 persons answer all), and free parameters
with their standard errors (2,000 persons answer all). Slope 1 is a cost linear in responses.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import altair as alt

from benchmarks.calibration import simulate, sparse
from calibration.report.plots.style import BLUE, data, stacked, svg

__all__ = ["Point", "main", "plot_cost"]

CURVES = {
    "persons": (31_250, 62_500, 125_000, 250_000, 500_000),
    "items": (25, 50, 100, 200, 400),
    "parameters": (625, 1_250, 2_500, 5_000, 10_000),
}
"""What grows, and its sizes."""

TITLES = {
    "persons": "Persons, 40 answers each",
    "items": "Items, 20,000 persons",
    "parameters": "Free parameters, with standard errors",
}

Point = dict[str, Any]


def measure(curve: str, size: int) -> Point:
    """Fit one case in this process and return its processor seconds and peak memory."""
    from calibration import calibrate
    from item_bank.responses import Responses

    errors = "oakes" if curve == "parameters" else "none"
    calibrate(Responses.from_dense(simulate("2pl", 500, 20)), "2pl", errors=errors)
    if curve == "persons":
        calibrate(sparse(500), "2pl", errors=errors)
        responses = sparse(size)
    else:
        items = size if curve == "items" else size // 2
        persons = 20_000 if curve == "items" else 2_000
        responses = Responses.from_dense(simulate("2pl", persons, items))
    wall, cpu = time.perf_counter(), time.process_time()
    found = calibrate(responses, "2pl", errors=errors)
    return {
        "curve": curve,
        "size": size,
        "responses": responses.n_responses,
        "seconds": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0**2,
        "converged": found.converged,
    }


def measured(curve: str, size: int) -> Point:
    """Return `measure` of a process of its own."""
    words = [sys.executable, "-m", "benchmarks.cost", "--one", curve, str(size)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    point: Point = json.loads(done.stdout.splitlines()[-1])
    return point


def plot_cost(points: list[Point]) -> Any:
    """Draw processor seconds and gigabytes over the size of the data, both axes logarithmic."""
    rows = []
    for key, title in (("cpu", "Processor seconds"), ("peak", "Peak memory (GB)")):
        panels = []
        for curve in dict.fromkeys(p["curve"] for p in points):
            part = [{"size": p["size"], "value": p[key]} for p in points if p["curve"] == curve]
            at = alt.Axis(format="~s", values=[p["size"] for p in part])
            base = alt.Chart(data(part)).encode(
                x=alt.X("size:Q", scale=alt.Scale(type="log", nice=False), title=TITLES[curve], axis=at),
                y=alt.Y("value:Q", scale=alt.Scale(type="log"), title=title, axis=alt.Axis(format="~g")),
            )
            line = base.mark_line(color=BLUE) + base.mark_point(color=BLUE, filled=True, size=40)
            panels.append(line.properties(width=220, height=150))
        rows.append(alt.hconcat(*panels, spacing=26))
    return stacked(alt.vconcat(*rows, spacing=20))


def main(words: list[str] | None = None) -> int:
    """Measure every point, print the table, draw."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cost", description=__doc__)
    parser.add_argument("--out", metavar="DIR", help="draw calibration-cost.svg into this folder")
    parser.add_argument("--curves", nargs="+", choices=list(CURVES), default=list(CURVES), help="which ones")
    parser.add_argument("--one", nargs=2, metavar=("CURVE", "SIZE"), help=argparse.SUPPRESS)
    args = parser.parse_args(words)
    if args.one:
        print(json.dumps(measure(args.one[0], int(args.one[1]))))
        return 0
    points = []
    for curve in args.curves:
        print(f"\n{TITLES[curve]}\n{'size':>10}{'responses':>14}{'CPU s':>9}{'wall s':>9}{'GB':>7}")
        for size in CURVES[curve]:
            point = measured(curve, size)
            points.append(point)
            figures = f"{point['cpu']:>9.2f}{point['seconds']:>9.2f}{point['peak']:>7.2f}"
            print(f"{size:>10,}{point['responses']:>14,}{figures}", flush=True)
    if args.out:
        Path(args.out, "calibration-cost.svg").write_text(svg(plot_cost(points)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
