"""Shadow tests: whether every test meets 60 constraints, and what these and harder designs cost."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from benchmarks.cat_peers import people
from benchmarks.engine import GRID, LENGTH, bank, prepare, sixty
from benchmarks.harness import Report
from calibration.study import Plan, study, summarise
from cat_engine.counting import counts, follow
from cat_engine.design import Design
from cat_engine.selection.shadow import GAP, Shadow
from cat_engine.selection.solver import Solution
from cat_engine.simulation import simulate

__all__ = ["run"]

PERSONS = 100
WATCHED = 20
EXACT = 20_000


class _Watched(Shadow):
    """Assembles each shadow test a second time, to the proven optimum, and notes what the first lacks."""

    def __init__(self, shadow: Shadow, nodes: int) -> None:
        super().__init__(shadow.requirements, nodes)
        self._exact = Shadow(shadow.requirements, EXACT)
        self.seconds: list[float] = []
        self.nodes: list[int] = []
        self.lacks: list[float] = []

    def assemble(
        self,
        values: np.ndarray,
        usable: np.ndarray,
        held: np.ndarray,
        gap: float = GAP,
        last: Sequence[int] = (),
    ) -> Solution:
        begun = time.thread_time()
        found = super().assemble(values, usable, held, gap, last)
        self.seconds.append(time.thread_time() - begun)
        best = self._exact.assemble(values, usable, held, 0.0)
        assert found.chosen is not None
        assert best.chosen is not None
        assert best.proven
        self.nodes.append(found.nodes)
        self.lacks.append(1.0 - float(values[found.chosen].sum() / values[best.chosen].sum()))
        return found


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
    machine = plan.test.machine
    assert machine.shadow is not None
    watched = _Watched(machine.shadow, plan.design.blueprint.nodes)
    simulate(replace(plan.test, machine=replace(machine, shadow=watched)), plan.theta(0)[:WATCHED], 1)
    lacks, nodes = np.array(watched.lacks), np.array(watched.nodes)
    milliseconds = np.quantile(watched.seconds, [0.5, 0.9, 0.99, 1.0]) * 1e3
    print(
        f"  {len(lacks):,} shadow tests: {(nodes == 1).mean():.0%} by one relaxation, at most {nodes.max()}; "
        f"processor ms p50 {milliseconds[0]:.2f}, p90 {milliseconds[1]:.2f}, p99 {milliseconds[2]:.1f}, "
        f"most {milliseconds[3]:.1f}\n"
        f"  of the proven optimum's value they lack {lacks.mean():.5%} on average, {lacks.max():.3%} at most "
        f"(allowed: {GAP:.1%})",
        flush=True,
    )

    _harder()


def _harder() -> None:
    """Sittings whose shadow tests are hard to find: items held back, sums that bind on a small bank."""
    bounds, columns = sixty(1_000)
    small = bank(120)[0]
    rng = np.random.default_rng(2)
    attributes = {
        "domain": [f"D{i % 5}" for i in range(120)],
        "seconds": [round(float(x), 3) for x in rng.lognormal(4.0, 0.3, 120)],
        "words": rng.integers(20, 120, 120).tolist(),
    }
    words = {"attribute": "words", "min": 2_090, "max": 2_110}
    domains = [{"attribute": "domain", "value": f"D{k}", "min": 5, "max": 7} for k in range(5)]
    seconds = {"attribute": "seconds", "max": 1_450}
    held = {"method": "eligibility", "rate": 0.2}
    theta = people(WATCHED)
    print("\nSittings by shadow tests")
    for name, test in (
        ("1,000 items, 60 constraints", prepare(bank(1_000)[0], columns, constraint=bounds)),
        ("the same with eligibility", prepare(bank(1_000)[0], columns, constraint=bounds, exposure=held)),
        ("120 items, a sum that binds", prepare(small, attributes, constraint=[*domains, words])),
        ("120 items, two sums that bind", prepare(small, attributes, constraint=[*domains, words, seconds])),
    ):
        snapshot = (
            follow(test, people(2 * WATCHED)[WATCHED:], 2, test.no_exposure())[1] if counts(test) else None
        )
        simulate(test, theta[:1], 1, snapshot=snapshot)
        begun = time.process_time()
        done = simulate(test, theta, 1, snapshot=snapshot)
        spent = time.process_time() - begun
        print(
            f"  {name:<32}{len(theta) / spent:6.1f} a processor second, "
            f"{1e3 * spent / done.length.sum():6.2f} ms an item; "
            f"a shadow test may lack {done.lack.max():.2%} of the best at most",
            flush=True,
        )


def _kept(se: float, free: float) -> float:
    """Test information beside the prior's, as a share of what it is without constraints."""
    return (1.0 / se**2 - 1.0) / (1.0 / free**2 - 1.0)
