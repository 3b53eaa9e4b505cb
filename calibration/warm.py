"""Compile the kernels of calibration ahead of use, by small fits of every kind of table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

__all__ = ["warm"]


def warm() -> Iterator[str]:
    """Use every kernel once; yield the name of each part done."""
    from calibration.conditional import calibrate_conditional
    from calibration.data import InMemory
    from calibration.em import estimate
    from calibration.estimation import calibrate
    from calibration.multidimensional.estimation import calibrate_dimensions
    from calibration.multidimensional.pattern import GENERAL, Pattern
    from cat_engine.family import MODELS
    from item_bank.responses import Responses, uncoded_responses
    from item_bank.tabular import Table

    rng = np.random.default_rng(1)
    theta = rng.normal(size=(300, 1))
    graded = ((theta + rng.logistic(size=(300, 6)))[:, :, None] > np.array([-1.0, 0.5])).sum(axis=2)
    right = (graded > 0).astype(np.int8)
    done = set()
    for code, model in MODELS.items():
        if model.table not in done:
            done.add(model.table)
            calibrate(right if model.dichotomous else graded, code)
            yield f"calibration {code}"
    before = estimate.SINGLE
    estimate.SINGLE = 0  # the single-precision E-step, which small data do not reach
    try:
        calibrate(right, "2pl", errors="none")
    finally:
        estimate.SINGLE = before
    items = np.tile(np.arange(3, dtype=np.int32), 300)
    answers = right[:, :3].ravel()
    few = Responses(
        [f"I{j}" for j in range(500)], np.full(500, 2), sparse=(np.arange(301) * 3, items, answers)
    )
    calibrate(few.select(np.arange(12)), "2pl")
    columns = [("b", "a", "b"), ("x", "x", "y"), ("0", "1", "1")]
    long = Table(Path("long.csv"), ["person", "item", "response"], columns, 3, lines=True)
    assert uncoded_responses(long).counts.sum() == 3
    yield "calibration of sparse responses"
    between = np.repeat(np.eye(2, dtype=bool), 3, axis=0)
    general = np.column_stack([np.ones(6, dtype=bool), between[:, 0]])
    for names, slopes in ((("u", "v"), between), ((GENERAL, "u"), general)):
        pattern = Pattern(names, slopes, GENERAL not in names)
        calibrate_dimensions(InMemory(Responses.from_dense(right)), ["m2pl"] * 6, pattern)
    yield "calibration in several dimensions"
    calibrate_conditional(right)
    yield "conditional calibration"
