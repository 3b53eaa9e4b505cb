"""Differential item functioning: items that work differently in two groups of equal ability.

`detect` is the way in. Reading order: `groups`, `matching` (total score or theta), `mantel` and `logistic`
(persons matched on what they scored), `parametric` (likelihood ratio, Wald, area), `size`, `detect`.
"""

from calibration.dif.detect import METHODS, Dif, adjusted, detect
from calibration.dif.groups import Pair, pair_of
from calibration.dif.logistic import effect_class, logistic
from calibration.dif.mantel import ets_class, mantel, tables
from calibration.dif.size import size_class, size_of

__all__ = [
    "METHODS",
    "Dif",
    "Pair",
    "adjusted",
    "detect",
    "effect_class",
    "ets_class",
    "logistic",
    "mantel",
    "pair_of",
    "size_class",
    "size_of",
    "tables",
]
