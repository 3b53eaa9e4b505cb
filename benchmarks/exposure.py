"""Exposure: how near each rule keeps its target, how much of the bank it leaves unused, what it costs."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.engine import bank, people, prepare
from benchmarks.harness import Report
from cat_engine.counting import counts, follow, seeded
from cat_engine.selection.exposure import RULES
from cat_engine.session import AdaptiveTest
from cat_engine.simulation import Sittings, simulate

__all__ = ["run"]

PERSONS = 10_000
INTERVALS = [-1.0, 0.0, 1.0]


def run(report: Report) -> None:
    """Print one table for each bank, length and target; every figure is reproducible."""
    theta = people(PERSONS)
    for n in (300, 1_000):
        for length in (15, 30):
            plain = _sit(prepare(bank(n)[0], stop={"min": length, "max": length}), theta)
            for rate in (0.2, 0.1):
                load = length / (n * rate)
                print(
                    f"\nExposure: {n:,} items, {length} asked, target {rate} "
                    f"({load:.0%} of what the target allows); {PERSONS:,} people\n"
                    f"  {'':<26}{'greatest':>9}{'by theta':>9}{'unused':>8}{'overlap':>9}"
                    f"{'next':>7}{'RMSE':>8}{'cost':>8}"
                )
                for name, exposure in _rules(rate):
                    if report.only not in name:
                        continue
                    test = prepare(bank(n)[0], exposure=exposure, stop={"min": length, "max": length})
                    print(f"  {name:<26}{_row(_sit(test, theta), theta, plain, n)}", flush=True)
    print(
        "\ngreatest: greatest rate of an item; by theta: among people of one interval of true theta (bounds "
        f"{', '.join(f'{bound:g}' for bound in INTERVALS)})"
        "\noverlap: mean share of a test that two people have in common; next: that a person and the next one"
        "\nhave; cost: RMSE above that of the rule 'none'"
    )


def _rules(rate: float) -> list[tuple[str, dict[str, Any]]]:
    """Every rule of the register, and the two that are options of others."""
    rules: list[tuple[str, dict[str, Any]]] = [(name, {"method": name, "rate": rate}) for name in RULES]
    by_theta = {"method": "eligibility", "rate": rate, "intervals": INTERVALS}
    return [
        *rules,
        ("eligibility by theta", by_theta),
        (f"{round(1 / rate)} rotating sub-banks", {"rotation": round(1 / rate)}),
    ]


def _sit(test: AdaptiveTest, theta: np.ndarray) -> Sittings:
    if counts(test):
        return follow(test, theta, 2, seeded(test, 0.0, 1.0, 1))[0]
    return simulate(test, theta, 2)


def _row(done: Sittings, theta: np.ndarray, plain: Sittings, n: int) -> str:
    served = np.zeros((len(theta), n), dtype=bool)
    np.put_along_axis(served, done.items.astype(np.int64), True, axis=1)
    share = served.mean(axis=0)
    interval = np.searchsorted(INTERVALS, theta, side="right")
    by_theta = max(served[interval == g].mean(axis=0).max() for g in range(len(INTERVALS) + 1))
    length = share.sum()
    overlap = (len(theta) * (share**2).sum() - length) / (length * (len(theta) - 1))
    following = (served[1:] & served[:-1]).sum(axis=1).mean() / length
    rmse = _rmse(done, theta)
    return (
        f"{share.max():9.3f}{by_theta:9.3f}{(share == 0).mean():8.0%}{overlap:9.3f}{following:7.3f}"
        f"{rmse:8.3f}{rmse - _rmse(plain, theta):8.3f}"
    )


def _rmse(done: Sittings, theta: np.ndarray) -> float:
    return float(np.sqrt(((done.theta - theta) ** 2).mean()))
