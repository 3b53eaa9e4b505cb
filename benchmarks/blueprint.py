"""A blueprint of 60 constraints: whether every test meets all of them, and what that costs."""

from __future__ import annotations

from benchmarks.engine import GRID, LENGTH, bank, sixty
from benchmarks.harness import Report
from calibration.study import Plan, study, summarise
from cat_engine.design import Design

__all__ = ["run"]

PERSONS = 100


def run(report: Report) -> None:
    """Study the design; every figure but the time is reproducible."""
    bounds, columns = sixty(1_000)
    content = {
        "schema": "acquis/design/1",
        "score": {"grid": GRID},
        "constraint": bounds,
        "stop": {"min": LENGTH, "max": LENGTH},
    }
    attributes = {name: tuple(str(value) for value in column) for name, column in columns.items()}
    plan = Plan(bank(1_000)[0].rows(), Design.from_mapping(content), PERSONS, 1, attributes=attributes)
    summary = summarise(study(plan))
    free = summary["price"]["without"][0]
    se, rules = summary["price"]["se"], summary["constraints"]
    enemies = len(plan.test.machine.blueprint.requirements.enemies)
    print(
        f"\n1,000 items, {len(bounds)} constraints and {enemies} sets of enemies, {LENGTH} asked\n"
        f"  {summary['n']} simulated tests: {summary['constraints_violated']} break a constraint "
        f"({len(rules)} rules counted again)\n"
        f"  standard error {se:.3f}, without constraints {free['se']:.3f} (the same "
        f"{summary['price']['n']} people): information {_kept(se, free['se']):.1%} of what it would be, "
        f"{free['items']:.1f} of {LENGTH} items",
        flush=True,
    )


def _kept(se: float, free: float) -> float:
    """Test information beside the prior's, as a share of what it is without constraints."""
    return (1.0 / se**2 - 1.0) / (1.0 / free**2 - 1.0)
