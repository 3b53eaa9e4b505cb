"""How often items are shown: rules that hold exposure down, and the counts they look at.

`RULES` is the register. Counts live outside the engine: it gets a `Snapshot` and returns a `Usage`; what
adds the two up is pure. One snapshot serves a whole sitting, so that a sitting can be recomputed from
its seed and the snapshot's digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from cat_engine.errors import InputError
from cat_engine.kernels import pick

__all__ = ["RULES", "Rule", "Snapshot", "Usage"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One exposure rule.

    Attributes
    ----------
    code
        How the item is taken from the values (:mod:`cat_engine.kernels.pick`).
    source
        Author and year.
    draws
        Whether every choice needs chance.
    masks
        Whether each sitting is open to items drawn for it.
    ordered
        Whether items are taken in descending order of value, so that ranks made beforehand serve.
    """

    code: int
    source: str
    draws: bool = False
    masks: bool = False
    ordered: bool = True


RULES = {
    "none": Rule(pick.BEST, "the item of greatest value"),
    "randomesque": Rule(pick.RANDOMESQUE, "Kingsbury & Zara (1989)", draws=True),
    "progressive": Rule(pick.PROGRESSIVE, "Revuelta & Ponsoda (1998)", draws=True, ordered=False),
    "proportional": Rule(pick.PROPORTIONAL, "Barrada et al. (2008)", draws=True, ordered=False),
    "restricted": Rule(pick.BEST, "Revuelta & Ponsoda (1998): restricted maximum information", masks=True),
    "progressive-restricted": Rule(
        pick.PROGRESSIVE, "Revuelta & Ponsoda (1998)", draws=True, masks=True, ordered=False
    ),
    "sympson-hetter": Rule(pick.BEST, "Sympson & Hetter (1985)", masks=True),
    "eligibility": Rule(pick.BEST, "van der Linden & Veldkamp (2004, 2007)", masks=True),
}
"""Every exposure rule by the name that designs use.

The rules that open each sitting to a set of items draw that set by systematic sampling, which keeps each
item's probability and makes the set's size, overall and in each part of the blueprint, nearly certain.
Sympson-Hetter's lotteries are drawn at once, when the sitting begins: an item rejected once would stay
rejected anyhow.
"""


@dataclass(frozen=True, slots=True)
class Usage:
    """What one sitting used: reported when it is over, added to the counts outside.

    Attributes
    ----------
    interval
        The interval of theta that the person ended in.
    items
        Positions of the items served.
    barred
        Positions of the items that the snapshot kept from a sitting there.
    """

    interval: int
    items: tuple[int, ...]
    barred: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """Counts of earlier sittings, as a sitting sees them.

    Attributes
    ----------
    sittings
        Shape ``(G,)``: how many ended in each interval of theta (faded).
    administered, eligible
        Shape ``(G, n)``: in how many of them each item was served, in whatever interval the person was then;
        to how many it was open in the one where they ended.
    control
        Shape ``(n,)``: Sympson-Hetter control parameters.
    """

    sittings: np.ndarray
    administered: np.ndarray
    eligible: np.ndarray
    control: np.ndarray

    @classmethod
    def empty(cls, n: int, intervals: int = 1) -> Snapshot:
        """Return the counts before the first sitting."""
        shape = (intervals, n)
        return cls(np.zeros(intervals), np.zeros(shape), np.zeros(shape), np.ones(n))

    @property
    def digest(self) -> str:
        """SHA-256 of the content, which the record of a sitting names."""
        content = hashlib.sha256()
        for array in (self.sittings, self.administered, self.eligible, self.control):
            content.update(repr(array.shape).encode())
            content.update(np.ascontiguousarray(array, dtype="<f8").tobytes())
        return content.hexdigest()

    def chances(self, method: str, rate: float) -> np.ndarray:
        """Return the probability that each item may be served, shape ``(G, n)``.

        Eligibility: ``min(1, rate eligible / administered)`` (van der Linden & Veldkamp, 2004, eq. 9);
        Sympson-Hetter: the control parameters; restricted rules: 1 while ``administered / sittings`` is
        below the rate, else 0.
        """
        if method == "sympson-hetter":
            return np.broadcast_to(self.control, self.administered.shape).copy()
        if method == "eligibility":
            share = self.administered / np.maximum(self.sittings, 1.0)[:, None]
            target = np.maximum(rate + (rate - share), 0.0)
            return np.where(
                self.administered > 0.0,
                np.minimum(1.0, target * self.eligible / np.maximum(self.administered, 1e-100)),
                1.0,
            )
        share = self.administered.sum(axis=0) / max(float(self.sittings.sum()), 1.0)
        return np.broadcast_to(np.where(share < rate, 1.0, 0.0), self.administered.shape).copy()

    def after(self, usages: Iterable[Usage], fading: float = 1.0) -> Snapshot:
        """Return the counts with further sittings added, in the order given.

        Parameters
        ----------
        fading
            What each sitting multiplies the counts of its interval by; below 1 old sittings fade.
        """
        sittings, administered = self.sittings.copy(), self.administered.copy()
        eligible = self.eligible.copy()
        for usage in usages:
            g = usage.interval
            sittings[g] = fading * sittings[g] + 1.0
            administered[g] *= fading
            eligible[g] *= fading
            administered[g, list(usage.items)] += 1.0
            eligible[g] += 1.0
            eligible[g, list(usage.barred)] -= 1.0
        return Snapshot(sittings, administered, eligible, self.control)

    def to_json(self) -> dict[str, Any]:
        """Return the content as plain lists."""
        return {
            "schema": "acquis/exposure/1",
            "sittings": self.sittings.tolist(),
            "administered": self.administered.tolist(),
            "eligible": self.eligible.tolist(),
            "control": self.control.tolist(),
        }

    @classmethod
    def from_json(cls, content: Any) -> Snapshot:
        """Return the snapshot that `to_json` made."""
        if not isinstance(content, dict) or content.get("schema") != "acquis/exposure/1":
            raise InputError(
                'expected exposure counts with schema = "acquis/exposure/1"; make them with acquis simulate'
            )
        names = ("sittings", "administered", "eligible", "control")
        return cls(*(np.array(content[name], dtype=np.float64) for name in names))

    def check(self, n: int, intervals: int) -> None:
        """Raise InputError where the counts belong to another test."""
        if self.administered.shape != (intervals, n) or self.control.shape != (n,):
            raise InputError(
                f"expected exposure counts of {n} items in {intervals} intervals, got "
                f"{self.administered.shape[1]} items in {self.administered.shape[0]}; "
                "use this test's own counts"
            )
