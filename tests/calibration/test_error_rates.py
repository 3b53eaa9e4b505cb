"""The quick form of ``make error-rates``: what it counts, and that it tells a nominal level from another."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import error_rates
from benchmarks.replication import generator


def counts(rate: float, replicates: int = 100) -> list[error_rates.Counts]:
    random = generator(1)
    return [{("S-X2", "type I"): (int(random.binomial(20, rate)), 20)} for _ in range(replicates)]


@pytest.mark.parametrize(("rate", "nominal"), [(0.05, True), (0.12, False), (0.005, False)])
def test_a_level_that_is_not_nominal_is_marked(rate: float, nominal: bool) -> None:
    (found,) = error_rates.summarise("2pl", "complete", counts(rate))
    assert abs(found.type_1 - rate) < 4 * found.type_1_mcse
    assert found.nominal is nominal
    assert ("not nominal" in error_rates.table([found])) is not nominal


def test_misfit_is_found_more_often_than_fit() -> None:
    """Two replicates of each kind: every statistic that applies is counted, and sees the misfitting item."""
    found = [error_rates.measure(("fit", "2pl", data, k, 1)) for data in error_rates.DATA for k in range(2)]
    complete, adaptive = (
        {row.statistic: row for row in error_rates.summarise("2pl", data, found[2 * k : 2 * k + 2])}
        for k, data in enumerate(error_rates.DATA)
    )
    for name in ("S-X2", "PV-Q1", "LD-X2", "M2", "Q3 as the report reads it", "lz* (1.645)"):
        assert complete[name].power > 0.5 > complete[name].type_1
    assert {"S-X2", "LD-X2", "M2"}.isdisjoint(adaptive)
    assert adaptive["PV-Q1"].power > 0.5 > adaptive["PV-Q1"].type_1


def test_adaptive_data_keep_informative_items() -> None:
    test, random = error_rates._test("2pl"), generator(3)
    theta = np.repeat([-1.5, 1.5], 200)
    given = error_rates.adaptive(random, test, test.answer(random, theta)) >= 0
    assert (given.sum(axis=1) == error_rates.ITEMS // 2).all()
    b = np.array([row["b"] for row in test.rows])
    low, high = (np.average(b, weights=given[part].mean(axis=0)) for part in (theta < 0, theta > 0))
    assert low < high - 0.3
