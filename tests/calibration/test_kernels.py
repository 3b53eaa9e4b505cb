"""The compiled kernels of calibration compute what their Python text says."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import calibration

PROGRAM = """
import json, sys
import numpy as np
from calibration import calibrate
from calibration.conditional import calibrate_conditional
from item_bank.responses import Responses

rng = np.random.default_rng(6)
theta = rng.normal(size=(60, 1))
x = ((theta + rng.logistic(size=(60, 4)))[:, :, None] > np.array([-0.8, 0.6])).sum(axis=2).astype(np.int8)
x[:, :2] = x[:, :2] > 0
few = x.copy()
few[rng.random(x.shape) < 0.1] = -1
dense = Responses.from_dense(few)
sparse = Responses(dense.items, dense.n_cat, sparse=(dense.indptr, dense.item, dense.category))
models = {"I3": "grm", "I4": "gpcm"}
options = dict(quadrature=15, item_models=models, prior=["a=lognormal(0,0.5)"], errors="sandwich")
found = [
    calibrate(x, "3pl", **options),
    calibrate(sparse, "2pl", groups=["a", "b"] * 30, **options),
    calibrate_conditional((x > 0).astype(np.int8)),
]
print(json.dumps([[f.estimates.tolist(), f.covariance.tolist(), f.loglik] for f in found]))
"""


def fitted(**environment: str) -> list[Any]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_estimates_are_the_same_without_the_compiler() -> None:
    for compiled, interpreted in zip(fitted(), fitted(NUMBA_DISABLE_JIT="1"), strict=True):
        assert compiled[2] == pytest.approx(interpreted[2], abs=1e-8)
        assert np.allclose(compiled[0], interpreted[0], rtol=0, atol=1e-6)
        # The persons' spread is added up in single precision, in another order.
        assert np.allclose(compiled[1], interpreted[1], rtol=1e-4, atol=1e-6)


def test_functions_that_may_reorder_sums_are_inlined() -> None:
    """Of two compiled copies of one function a process takes the first it loads: its history would show."""
    loose = []
    for path in sorted((Path(calibration.__file__).parent / "kernels").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            for call in getattr(node, "decorator_list", []):
                options = {k.arg for k in call.keywords} if isinstance(call, ast.Call) else set()
                if "fastmath" in options and "forceinline" not in options:
                    loose.append(f"{path.name}: {node.name}")  # type: ignore[attr-defined]
    assert not loose
