"""Putting calibrations on one scale.

`link` is the way in. Reading order: `scale` (moving an item), `coefficients` (A and B), `drift` (which
anchors no longer hold), `link`. Calibrating several groups together, or with anchors held at their
values, is `calibration.calibrate` with ``groups`` or ``fixed``.
"""

from calibration.linking.coefficients import METHODS, Anchors, Weighting, coefficients
from calibration.linking.drift import Drift, drift
from calibration.linking.link import Link, common_items, link
from calibration.linking.scale import move, move_item

__all__ = [
    "METHODS",
    "Anchors",
    "Drift",
    "Link",
    "Weighting",
    "coefficients",
    "common_items",
    "drift",
    "link",
    "move",
    "move_item",
]
