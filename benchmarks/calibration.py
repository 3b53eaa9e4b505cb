"""Calibration, side by side with girth and Python's mirt: the same data, one process a program.

Each line gives wall-clock seconds of the fit alone (median, after a first fit that compiles), and as a note
CPU seconds, peak memory and the log-likelihood of what came out, all integrated by one function on 121
nodes: the one yardstick, without any prior. The 3PL stands there twice, with our default prior on the lower
asymptote and with ``--prior none``: a prior costs likelihood by design, and peers have none.

The sparse case is an adaptive test's data, 40 of 1,000 items a person in a long Parquet file, read and fitted
at five sizes: the cost of a million responses should stay the same.

References
----------
girth 0.8 and mirt 1.2 from PyPI, at 61 nodes (mirt without its standard errors, which ours are timed apart).
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import Report, peer

__all__ = ["run"]

CASES = {
    "rasch 10,000 x 50": ("rasch", 10_000, 50, 0.02),
    "2pl 10,000 x 50": ("2pl", 10_000, 50, 0.03),
    "3pl 10,000 x 50": ("3pl", 10_000, 50, 0.3),
    "grm 5,000 x 40, 5 categories": ("grm", 5_000, 40, 0.1),
    "gpcm 5,000 x 40, 5 categories": ("gpcm", 5_000, 40, 0.1),
    "2pl 50,000 x 100": ("2pl", 50_000, 100, 0.3),
}
"""Model, persons, items and the seconds we promise."""

SIZES = (31_250, 62_500, 125_000, 250_000, 500_000)
"""Persons of the sparse case."""

GIRTH = {"rasch": "rasch_mml", "2pl": "twopl_mml", "grm": "grm_mml"}
MIRT = {"rasch": "1PL", "2pl": "2PL", "3pl": "3PL", "grm": "GRM", "gpcm": "GPCM"}


def simulate(model: str, persons: int, items: int) -> np.ndarray:
    """Answers of normal people to lognormal slopes and normal locations."""
    rng = np.random.default_rng(1)
    a = np.ones(items) if model == "rasch" else rng.lognormal(0.0, 0.3, items)
    theta = rng.normal(size=persons)
    if model in ("grm", "gpcm"):
        b = np.sort(rng.normal(size=(items, 4)), axis=1)
        b = np.maximum.accumulate(b + 0.1 * np.arange(4), axis=1)
        above = 1.0 / (1.0 + np.exp(-a[:, None] * (theta[:, None, None] - b)))
        return (rng.random((persons, items, 1)) < above).sum(axis=2).astype(np.int8)
    p = 1.0 / (1.0 + np.exp(-a * (theta[:, None] - rng.normal(size=items))))
    c = rng.beta(5, 17, items) if model == "3pl" else np.zeros(items)
    return (rng.random(p.shape) < c + (1.0 - c) * p).astype(np.int8)


def sparse(persons: int) -> Any:
    """Answers of people who met 40 of 1,000 items."""
    from item_bank.responses import Responses

    rng = np.random.default_rng(2)
    a, b = rng.lognormal(0.0, 0.3, 1000), rng.normal(size=1000)
    item = np.empty((persons, 40), np.int32)
    category = np.empty((persons, 40), np.int8)
    for low in range(0, persons, 10_000):
        part = rng.random((min(10_000, persons - low), 1000), dtype=np.float32)
        chosen = np.sort(np.argpartition(part, 40, axis=1)[:, :40], axis=1)
        theta = rng.normal(size=len(chosen))[:, None]
        right = rng.random(chosen.shape) < 1.0 / (1.0 + np.exp(-a[chosen] * (theta - b[chosen])))
        item[low : low + len(chosen)], category[low : low + len(chosen)] = chosen, right
    names = [f"I{j}" for j in range(1000)]
    triple = (np.arange(persons + 1) * 40, item.ravel(), category.ravel())
    return Responses(names, np.full(1000, 2), sparse=triple)


def yardstick(rows: list[dict[str, Any]], matrix: np.ndarray, sd: float) -> float:
    """Marginal log-likelihood on 121 nodes, by plain table look-up."""
    from cat_engine.grid import Grid, tabulate
    from cat_engine.pool import ItemPool

    grid = Grid.normal(0.0, sd, n=121)
    logp = tabulate(ItemPool.from_rows(rows), grid).logp
    total = 0.0
    for low in range(0, len(matrix), 2000):
        part = matrix[low : low + 2000]
        line = grid.log_weights + sum(logp[j][part[:, j]] for j in range(part.shape[1]))
        top = line.max(axis=1)
        total += float((top + np.log(np.exp(line - top[:, None]).sum(axis=1))).sum())
    return total


def _row(j: int, model: str, a: float, b: Any, c: float = 0.0) -> dict[str, Any]:
    row = {"id": f"I{j}", "model": model, "a": float(a), "b": np.asarray(b, dtype=float).tolist()}
    return row | ({"c": float(c)} if model == "3pl" else {})


def ours(
    model: str, matrix: np.ndarray, prior: tuple[str, ...] = ()
) -> tuple[list[dict[str, Any]], float, dict[str, float]]:
    """Fit by this project; standard errors are timed apart."""
    from calibration import calibrate
    from item_bank.responses import Responses

    found = calibrate(Responses.from_dense(matrix), model, prior=prior)
    times = {name: float(found.parameters.fit[name]) for name in ("seconds", "seconds_se")}
    return found.parameters.items, found.parameters.population[0].sd, times


def without_prior(model: str, matrix: np.ndarray) -> tuple[list[dict[str, Any]], float, dict[str, float]]:
    """Fit by this project as peers do, without a prior."""
    return ours(model, matrix, ("none",))


def by_girth(model: str, matrix: np.ndarray) -> tuple[list[dict[str, Any]], float, dict[str, float]]:
    """Fit by girth; its Rasch model holds the variance at 1, so its slope goes to the yardstick as it is."""
    import girth

    shape = matrix.T.astype(int) + (1 if model == "grm" else 0)
    start = time.perf_counter()
    found = getattr(girth, GIRTH[model])(shape, options={"quadrature_n": 61})
    seconds = time.perf_counter() - start
    a = np.broadcast_to(found["Discrimination"], (matrix.shape[1],))
    code = "2pl" if model == "rasch" else model
    rows = [_row(j, code, a[j], found["Difficulty"][j]) for j in range(matrix.shape[1])]
    return rows, 1.0, {"seconds": seconds}


def by_mirt(model: str, matrix: np.ndarray) -> tuple[list[dict[str, Any]], float, dict[str, float]]:
    """Fit by Python's mirt."""
    import mirt

    start = time.perf_counter()
    found = mirt.fit_mirt(
        matrix.astype(int), MIRT[model], n_quadpts=61, compute_standard_errors=False, accelerate="squarem"
    )
    seconds = time.perf_counter() - start
    values = found.model.parameters
    a = np.broadcast_to(np.ravel(values.get("discrimination", 1.0)), (matrix.shape[1],))
    b = values.get("difficulty", values.get("thresholds", values.get("steps")))
    c = values.get("guessing", np.zeros(matrix.shape[1]))
    code = "2pl" if model == "rasch" else model
    return [_row(j, code, a[j], b[j], c[j]) for j in range(matrix.shape[1])], 1.0, {"seconds": seconds}


OURS = {"acquis": ours, "acquis --prior none": without_prior}
PROGRAMS: dict[str, Callable[..., Any]] = {**OURS, "girth": by_girth, "mirt": by_mirt}
KNOWN: dict[str, Any] = {"acquis": MIRT, "acquis --prior none": ("3pl",), "girth": GIRTH, "mirt": MIRT}
"""The models of each program that are compared."""


def child(program: str, case: str) -> dict[str, Any]:
    """Measure one program on one case in this process."""
    model, persons, items, _ = CASES[case]
    matrix = simulate(model, persons, items)
    fit = PROGRAMS[program]
    repeats = 5 if program in OURS else 1
    fit(model, matrix[:500])  # compiles
    times, cpu = [], []
    for _ in range(repeats):
        began = time.process_time()
        rows, sd, seconds = fit(model, matrix)
        cpu.append(time.process_time() - began)
        times.append(seconds)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    medians = {name: float(np.median([t[name] for t in times])) for name in times[0]}
    return medians | {"cpu": min(cpu), "peak": peak, "loglik": yardstick(rows, matrix, sd)}


def _elsewhere(*words: str) -> dict[str, Any] | str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "benchmarks.calibration", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return done.stderr.strip().splitlines()[-1][:100]
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def run(report: Report) -> None:
    """Print every comparison."""
    for case, (model, _, _, promise) in CASES.items():
        table = report.table(f"Calibration, {case}, 61 nodes", promise)
        for program in PROGRAMS:
            if model not in KNOWN[program]:
                continue
            if program not in OURS and peer(program) is None:
                print(f"  {program:<44}{'not installed':>12}  (make bench installs it)", flush=True)
                continue
            found = _elsewhere(program, case)
            if isinstance(found, str):
                print(f"  {program:<44}{'failed':>12}  {found}", flush=True)
                continue
            note = f"CPU {found['cpu']:.2f} s, {found['peak']:.0f} MB, log-likelihood {found['loglik']:.2f}"
            if program == "acquis" and model == "3pl":
                note += " (prior on the lower asymptote)"
            table.row(program, found["seconds"], note)
            if "seconds_se" in found:
                table.row("  its standard errors (Oakes)", found["seconds_se"])
    _curve(report)
    table = report.table("The whole command on LSAT7-sized data, from the shell", 1.0)
    table.row("acquis calibrate", _shell())


def _curve(report: Report) -> None:
    """Read and fit the sparse case at every size, each in a process of its own."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for persons in SIZES:
            path = str(Path(folder, f"{persons}.parquet"))
            written = _elsewhere("write", str(persons), path)
            found[persons] = written if isinstance(written, str) else _elsewhere("sparse", path)
            Path(path).unlink(missing_ok=True)
    for title, key, promise in (
        ("Reading a long Parquet file: 40 of 1,000 items a person", "reading", 3.0),
        ("Calibration of it, 2pl, after reading", "seconds", 12.0),
    ):
        table = report.table(title, promise)
        for persons, result in found.items():
            millions = persons * 40 / 1e6
            name = f"{persons:,} persons, {millions:g} million responses"
            if isinstance(result, str):
                print(f"  {name:<44}{'failed':>12}  {result}", flush=True)
                continue
            cpu, peak = result[f"cpu_{key}"], result[f"peak_{key}"]
            each = f"{result[key] / millions:.3f} s a million ({cpu / millions:.3f} CPU s)"
            table.row(name, result[key], f"{each}, CPU {cpu:.1f} s, {peak:.0f} MB at most so far")


def _shell() -> float:
    """Median seconds of the command on 1,000 x 5."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "answers.csv")
        rows = [",".join(map(str, row)) for row in simulate("2pl", 1000, 5)]
        path.write_text("\n".join(["A,B,C,D,E", *rows]))
        start_of = "import sys; from api.command import main; sys.exit(main(sys.argv[1:]))"
        words = [sys.executable, "-c", start_of, "calibrate", str(path), "--model", "2pl"]
        times = []
        for _ in range(6):
            start = time.perf_counter()
            subprocess.run([*words, "--out", str(Path(folder, "out.json"))], check=True, capture_output=True)
            times.append(time.perf_counter() - start)
    return sorted(times[1:])[2]


def _write(persons: int, path: str) -> dict[str, Any]:
    """Write the sparse case as a long Parquet file."""
    import polars as pl

    responses = sparse(persons)
    person = pl.Series("person", np.repeat(np.arange(persons, dtype=np.int32), 40))
    item = pl.Series("item", responses.items).gather(responses.item)
    pl.DataFrame([person, item, pl.Series("response", responses.category)]).with_columns(
        pl.format("P{}", "person").alias("person")
    ).write_parquet(path)
    return {"bytes": Path(path).stat().st_size}


def _sparse(path: str) -> dict[str, Any]:
    """Read and fit a long file; what compiles is compiled before on other data."""
    from calibration import calibrate
    from item_bank.responses import read_responses

    with tempfile.TemporaryDirectory() as folder:
        small = str(Path(folder, "small.parquet"))
        _write(2000, small)
        calibrate(read_responses(small), "2pl", errors="none")
    out: dict[str, Any] = {}

    def measured(key: str, work: Callable[[], Any]) -> Any:
        wall, cpu = time.perf_counter(), time.process_time()
        result = work()
        out[key], out[f"cpu_{key}"] = time.perf_counter() - wall, time.process_time() - cpu
        out[f"peak_{key}"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
        return result

    responses = measured("reading", lambda: read_responses(path))
    measured("seconds", lambda: calibrate(responses, "2pl", errors="none"))
    return out


def _main(words: list[str]) -> dict[str, Any]:
    match words:
        case ["write", persons, path]:
            return _write(int(persons), path)
        case ["sparse", path]:
            return _sparse(path)
        case [program, case]:
            return child(program, case)
    raise SystemExit(f"expected a program and a case, got {words}")


if __name__ == "__main__":
    print(json.dumps(_main(sys.argv[1:])))
