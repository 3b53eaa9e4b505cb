"""What is believed about ability before the answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from cat_engine.errors import InputError
from cat_engine.grid import Grid

__all__ = ["Prior"]


@dataclass(frozen=True, slots=True)
class Prior:
    """A prior distribution of theta; make it with `normal`, `uniform` or `jeffreys`.

    Attributes
    ----------
    kind
        ``"normal"``, ``"uniform"`` or ``"jeffreys"``: proportional to the square root of the information
        of the items that the person answered (Jeffreys, 1946).
    mean, sd
        Of the normal prior.
    low, high
        The range of theta: where estimates may lie, and where the default grid does.
    """

    kind: Literal["normal", "uniform", "jeffreys"]
    mean: float
    sd: float
    low: float
    high: float

    @classmethod
    def normal(
        cls, mean: float = 0.0, sd: float = 1.0, low: float | None = None, high: float | None = None
    ) -> Prior:
        """Return the normal prior; its range is mean +- 6 sd unless told."""
        if not sd > 0.0 or not np.isfinite([mean, sd]).all():
            raise InputError(
                f"expected a finite mean and a standard deviation above 0, got {mean!r} and {sd!r} for "
                "the prior; correct the population"
            )
        low, high = mean - 6.0 * sd if low is None else low, mean + 6.0 * sd if high is None else high
        return cls("normal", float(mean), float(sd), *_range(low, high))

    @classmethod
    def uniform(cls, low: float = -6.0, high: float = 6.0) -> Prior:
        """Return the uniform prior on a range."""
        return cls("uniform", 0.0, np.inf, *_range(low, high))

    @classmethod
    def jeffreys(cls, low: float = -6.0, high: float = 6.0) -> Prior:
        """Return Jeffreys' prior on a range."""
        return cls("jeffreys", 0.0, np.inf, *_range(low, high))

    @property
    def lift(self) -> float:
        """Weight of log(information) in the log-prior."""
        return 0.5 if self.kind == "jeffreys" else 0.0

    @property
    def precision(self) -> float:
        """``1 / sd**2``; 0 where the prior is not normal."""
        return 1.0 / (self.sd * self.sd) if self.kind == "normal" else 0.0

    def grid(self, n: int = 61) -> Grid:
        """Return `n` nodes over the range, weighted by the prior (its part that needs no answers)."""
        if self.kind == "normal":
            return Grid.normal(self.mean, self.sd, self.low, self.high, n)
        return Grid.uniform(self.low, self.high, n)


def _range(low: float, high: float) -> tuple[float, float]:
    if not low < high or not np.isfinite([low, high]).all():
        raise InputError(f"expected a finite range low < high for theta, got [{low!r}, {high!r}]; correct it")
    return float(low), float(high)
