"""What the divide-by-total models share: ``P(X = k)`` proportional to ``exp(z_k)``.

References
----------
Thissen, D., & Steinberg, L. (1986). A taxonomy of item response models. Psychometrika, 51, 567-577.
"""

from __future__ import annotations

from cat_engine.arithmetic import exp, log
from cat_engine.compile import jit

__all__ = ["normalise"]


@jit
def normalise(z, size):
    """Turn the first `size` exponents into log-probabilities, in place."""
    top = z[0]
    for k in range(1, size):
        top = max(top, z[k])
    total = 0.0
    for k in range(size):
        total += exp(z[k] - top)
    shift = log(total)
    for k in range(size):
        z[k] = z[k] - top - shift
