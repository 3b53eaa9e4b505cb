"""Small matrices keep to one thread, and the caller's setting comes back."""

from __future__ import annotations

import numpy as np
import pytest

from calibration import blas, calibrate


@pytest.fixture
def controls():
    found = blas._controls()
    if found is None:
        pytest.skip("numpy has no OpenBLAS of its own here")
    return found


def test_the_number_of_threads_comes_back_even_after_an_error(controls) -> None:
    read, _ = controls
    before = read()

    def fail() -> None:
        with blas.blas_threads(1):
            assert read() == 1
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert read() == before


def test_a_calibration_uses_one_and_gives_the_others_back(controls) -> None:
    read, write = controls
    before, seen = read(), []
    write(2)
    try:
        x = np.random.default_rng(1).integers(0, 2, (60, 4))
        calibrate(x, "2pl", watch=lambda progress: seen.append(read()))
        assert set(seen) == {1}
        assert read() == 2
    finally:
        write(before)
