"""Our exp and log against the true values, and the edges of their domains."""

from __future__ import annotations

from decimal import Decimal, localcontext

import numpy as np
import pytest

from cat_engine.arithmetic import (
    EXP_FLOOR,
    exp,
    log,
    log1p_unit,
    log_add,
    log_logistic,
    logistic,
    one_minus_exp,
)
from cat_engine.compile import jit


@jit
def _exp(x, out):
    for i in range(x.size):
        out[i] = exp(x[i])


@jit
def _log(x, out):
    for i in range(x.size):
        out[i] = log(x[i])


def ulps(found: np.ndarray, true: np.ndarray) -> float:
    """Largest error in units of the last place of the true value."""
    return float(np.max(np.abs((found - true) / np.spacing(np.abs(true).astype(np.float64)))))


def test_exp_is_within_two_units_in_the_last_place() -> None:
    x = np.random.default_rng(0).uniform(EXP_FLOOR, 300.0, 300_000)
    out = np.empty_like(x)
    _exp(x, out)
    assert ulps(out, np.exp(x.astype(np.longdouble))) < 2.0


def test_log_is_within_two_units_in_the_last_place() -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate(
        [
            rng.uniform(0.5, 2.0, 100_000),
            10.0 ** rng.uniform(-300, 300, 100_000),
            1 + 10.0 ** rng.uniform(-16, 0, 9_000),
        ]
    )
    out = np.empty_like(x)
    _log(x, out)
    assert ulps(out, np.log(x.astype(np.longdouble))) < 2.0


def test_exp_at_the_edges() -> None:
    assert exp(0.0) == 1.0
    assert exp(EXP_FLOOR) > 0.0
    assert exp(np.nextafter(EXP_FLOOR, -np.inf)) == 0.0
    assert exp(-np.inf) == 0.0
    assert np.isfinite(exp(1e9))
    assert np.isnan(exp(np.nan))


def test_log_at_the_edges() -> None:
    assert log(1.0) == 0.0
    assert log(0.0) == -np.inf


@pytest.mark.parametrize("x", [1e-300, 1e-17, 1e-8, 0.009999, 0.01, 0.3, 40.0])
def test_one_minus_exp_loses_no_digits(x: float) -> None:
    with localcontext() as context:
        context.prec = 60
        true = float(1 - (-Decimal(x)).exp())
    assert one_minus_exp(x) == pytest.approx(true, rel=4e-14)


@pytest.mark.parametrize("x", [0.0, 1e-300, 1e-17, 1e-8, 0.5, 1.0])
def test_log1p_loses_no_digits(x: float) -> None:
    assert log1p_unit(x) == pytest.approx(float(np.log1p(np.longdouble(x))), rel=1e-15)


@pytest.mark.parametrize("z", [-5000.0, -229.9, -40.0, -1.0, 0.0, 1e-9, 3.0, 40.0, 5000.0])
def test_logistic_and_its_logarithm(z: float) -> None:
    true = np.longdouble(1) / (1 + np.exp(-np.longdouble(z)))
    assert logistic(z) == pytest.approx(float(true), rel=1e-15, abs=1e-100)
    assert log_logistic(z) == pytest.approx(
        float(min(z, 0) - np.log1p(np.exp(-abs(np.longdouble(z))))), rel=1e-14
    )


def test_log_add() -> None:
    assert log_add(-np.inf, -3.0) == -3.0
    assert log_add(-3.0, -np.inf) == -3.0
    assert log_add(-1000.0, -1000.0) == pytest.approx(-1000.0 + np.log(2.0))


def test_the_polynomial_of_exp_meets_its_function_at_the_chebyshev_points() -> None:
    """Where the coefficients come from: Newton interpolation in 60 digits."""
    from tests.cat_engine.record_twin import EXP

    with localcontext() as context:
        context.prec = 60
        half = Decimal(2).ln() / 2 * Decimal("1.0000001")
        n = len(EXP)
        points = [half * Decimal(float(np.cos(np.pi * (2 * i + 1) / (2 * n)))) for i in range(n)]
        for x in points:
            p = Decimal(0)
            for c in EXP:
                p = p * x + Decimal(c)
            assert abs(p - (x.exp() - 1 - x) / (x * x)) < Decimal("2e-16")
