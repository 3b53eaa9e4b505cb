"""exp and log from ``+ - * /``, comparison and bit reinterpretation alone.

Every model formula stands on these, so that a table of log-probabilities holds the same bits on every
machine: no libm, no fused multiply-add, no vector library. They also vectorise where ``math.exp`` does
not (numba's wheel carries no SVML). Errors stay within 2 ulp (exp, log) of the correctly rounded value.

References
----------
Cody, W. J., & Waite, W. (1980). Software manual for the elementary functions. Prentice-Hall.
Reduction of the argument by a two-part ln 2; exp by the polynomial that meets (e**r - 1 - r) / r**2 at
the Chebyshev points of [-ln(2)/2, ln(2)/2], log by the odd series in (m - 1) / (m + 1).
"""

from __future__ import annotations

import numpy as np

from cat_engine.compile import jit

__all__ = [
    "EXP_FLOOR",
    "TINY",
    "exp",
    "log",
    "log1p_unit",
    "log_add",
    "log_logistic",
    "logistic",
    "one_minus_exp",
]

EXP_FLOOR = -230.0
"""Below this (1e-100), `exp` returns exactly 0: products of three exponentials are never denormal."""

TINY = 1e-100
"""What stands for zero in a denominator; no `exp` other than exactly 0 is smaller."""

_LOG2_E = 1.4426950408889634
_LN2_HIGH = 0.693147180369123816490  # 33 bits of ln 2, so that k times it is exact
_LN2_LOW = 1.90821492927058770002e-10
_ROUND = 6755399441055744.0  # 1.5 * 2**52: adding it rounds to an integer, ties to even
_SQRT_HALF_BITS = 0x3FE6A09E667F3BCD
_MANTISSA = 0x000FFFFFFFFFFFFF


@jit
def exp(x):
    """Return e**x; 0 below `EXP_FLOOR`, and the value at 709 above it."""
    y = EXP_FLOOR if x < EXP_FLOOR else x  # written so that nan stays nan
    y = 709.0 if y > 709.0 else y
    shifted = y * _LOG2_E + _ROUND
    k = shifted - _ROUND
    r = (y - k * _LN2_HIGH) - k * _LN2_LOW
    p = 2.51003758422237e-08
    p = p * r + 2.7620075892548164e-07
    p = p * r + 2.7557268480289716e-06
    p = p * r + 2.480152132234228e-05
    p = p * r + 0.00019841269863040559
    p = p * r + 0.0013888888917196736
    p = p * r + 0.008333333333330065
    p = p * r + 0.041666666666624164
    p = p * r + 0.16666666666666669
    p = p * r + 0.5000000000000001
    p = (r * r) * p + r + 1.0
    bits = np.float64(shifted).view(np.int64)
    power = np.int64((bits + np.int64(1023)) << np.int64(52)).view(np.float64)
    return p * power if x >= EXP_FLOOR else 0.0 * p


@jit
def log(x):
    """Return the natural logarithm of a normal positive number; -inf at 0."""
    bits = np.float64(x).view(np.int64)
    k = (bits - np.int64(_SQRT_HALF_BITS)) >> np.int64(52)
    m = np.int64(bits - (k << np.int64(52))).view(np.float64)  # in [sqrt(1/2), sqrt(2))
    f = m - 1.0
    s = f / (2.0 + f)
    z = s * s
    p = 2.0 / 21.0
    p = p * z + 2.0 / 19.0
    p = p * z + 2.0 / 17.0
    p = p * z + 2.0 / 15.0
    p = p * z + 2.0 / 13.0
    p = p * z + 2.0 / 11.0
    p = p * z + 2.0 / 9.0
    p = p * z + 2.0 / 7.0
    p = p * z + 2.0 / 5.0
    p = p * z + 2.0 / 3.0
    e = np.float64(k)
    value = e * _LN2_HIGH + (s * (p * z) + (e * _LN2_LOW + 2.0 * s))
    return value if x > 0.0 else -np.inf


@jit
def log1p_unit(x):
    """Return log(1 + x) for 0 <= x <= 1, exact to the last bits for small x."""
    u = 1.0 + x
    return log(u) + (x - (u - 1.0)) / u


@jit
def one_minus_exp(x):
    """Return 1 - e**-x for x >= 0, exact to the last bits for small x."""
    p = 1.0 / 40320.0
    p = p * -x + 1.0 / 5040.0
    p = p * -x + 1.0 / 720.0
    p = p * -x + 1.0 / 120.0
    p = p * -x + 1.0 / 24.0
    p = p * -x + 1.0 / 6.0
    p = p * -x + 0.5
    p = p * -x + 1.0
    return p * x if x < 0.01 else 1.0 - exp(-x)


@jit
def log_logistic(z):
    """Return log(1 / (1 + e**-z)), finite for every finite z."""
    return min(z, 0.0) - log1p_unit(exp(-abs(z)))


@jit
def logistic(z):
    """Return 1 / (1 + e**-z) without overflow on either side."""
    e = exp(-abs(z))
    return (1.0 if z >= 0.0 else e) / (1.0 + e)


@jit
def log_add(x, y):
    """Return log(e**x + e**y); either may be -inf, not both."""
    high = max(x, y)
    return high + log1p_unit(exp(min(x, y) - high))
