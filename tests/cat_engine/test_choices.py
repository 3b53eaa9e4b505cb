"""Whole sittings are the same, item by item and bit by bit, however the process is set up."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.cat_engine.choices import DESIGNS
from tests.cat_engine.test_record import GLIBC, _avx512_dispatched, alone

SETTINGS: dict[str, dict[str, str]] = {
    "compiler off": {"NUMBA_DISABLE_JIT": "1"},
    "compiled for a generic processor": {"NUMBA_CPU_NAME": "generic"},
    "compiler on, one thread": {"NUMBA_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    "two threads": {"NUMBA_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"},
    "other vector code": {
        "NPY_DISABLE_CPU_FEATURES": " ".join(_avx512_dispatched()),
        "GLIBC_TUNABLES": GLIBC,
    },
}


@pytest.fixture(scope="module")
def runs() -> dict[str, dict[str, Any]]:
    """Every setting in a process of its own, two at a time."""
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(SETTINGS, pool.map(lambda s: alone("choices", **s), SETTINGS.values()), strict=True))


@pytest.mark.timeout(1200)  # the generic processor's kernels may have to be compiled
@pytest.mark.parametrize("design", DESIGNS)
def test_the_same_items_and_the_same_score(runs: dict[str, dict[str, Any]], design: str) -> None:
    assert len({run["digests"][design] for run in runs.values()}) == 1


@pytest.mark.timeout(1200)
def test_the_settings_were_in_force(runs: dict[str, dict[str, Any]]) -> None:
    said = {name: run["evidence"] for name, run in runs.items()}
    assert not said["compiler off"]["jit"]
    assert said["compiled for a generic processor"]["cpu"] == "generic"
    assert [said[name]["threads"] for name in ("compiler on, one thread", "two threads")] == [1, 2]
    assert len({run["digests"]["table"] for run in runs.values()}) == 1
    assert len(set(runs["two threads"]["digests"].values())) == len(DESIGNS)
