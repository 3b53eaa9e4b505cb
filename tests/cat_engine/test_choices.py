"""Whole sittings are the same, item by item and bit by bit, however the process is set up."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.cat_engine.choices import DESIGNS
from tests.cat_engine.test_record import GLIBC, LONG, _avx512_dispatched, alone

SETTINGS: dict[str, dict[str, str]] = {
    "compiler off": {"NUMBA_DISABLE_JIT": "1"},
    "compiler on, one thread": {"NUMBA_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    "two threads, other vector code": {
        "NUMBA_NUM_THREADS": "2",
        "OPENBLAS_NUM_THREADS": "2",
        "NPY_DISABLE_CPU_FEATURES": " ".join(_avx512_dispatched()),
        "GLIBC_TUNABLES": GLIBC,
    },
}
if LONG:  # half a minute of compiling, and test_record finds no kernel that a processor may round its own way
    SETTINGS["compiled for a generic processor"] = {"NUMBA_CPU_NAME": "generic"}


@pytest.fixture(scope="module")
def runs() -> dict[str, dict[str, Any]]:
    """Every setting in a process of its own, two at a time."""
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(SETTINGS, pool.map(lambda s: alone("choices", **s), SETTINGS.values()), strict=True))


@pytest.mark.timeout(1200)  # the kernels may have to be compiled
@pytest.mark.parametrize("design", DESIGNS)
def test_the_same_items_and_the_same_score(runs: dict[str, dict[str, Any]], design: str) -> None:
    assert len({run["digests"][design] for run in runs.values()}) == 1


@pytest.mark.timeout(1200)
def test_the_settings_were_in_force(runs: dict[str, dict[str, Any]]) -> None:
    said = {name: run["evidence"] for name, run in runs.items()}
    assert not said["compiler off"]["jit"]
    assert [run["threads"] for name, run in said.items() if "thread" in name] == [1, 2]
    assert said.get("compiled for a generic processor", {"cpu": "generic"})["cpu"] == "generic"
    assert all(len(set(run["digests"].values())) == len(DESIGNS) for run in runs.values())
