"""Compile the kernels of calibration by fitting a few people once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from calibration.estimation import calibrate

__all__ = ["warm"]


def warm() -> Iterator[str]:
    """Compile; yield the name of each part when it is done."""
    rng = np.random.default_rng(1)
    ability = rng.normal(size=(200, 1))
    right = (rng.random((200, 4)) < 1.0 / (1.0 + np.exp(-ability))).astype(np.int8)
    graded = right + (rng.random((200, 4)) < 0.5)
    for model, answers in (
        ("2pl", right),
        ("rasch", right),
        ("3pl", right),
        ("grm", graded),
        ("gpcm", graded),
    ):
        calibrate(answers, model)
        yield f"calibration, {model}"
    calibrate(np.where(rng.random(right.shape) < 0.3, -1, right), "2pl")
    yield "calibration with missing responses"
