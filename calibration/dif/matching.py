"""What persons are matched on: the total score where there is one, else theta.

References
----------
Holland, P. W., & Thayer, D. T. (1988). Differential item performance and the Mantel-Haenszel procedure. In
Wainer & Braun, Test validity (the studied item belongs to the matching score). Zwick, R., Thayer, D. T., &
Wingersky, M. (1994). A simulation study of methods for assessing differential item functioning in
computerized adaptive tests. Applied Psychological Measurement, 18, 121-140 (matching on theta).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from calibration.dif.groups import Pair
from calibration.estimation import calibrate
from calibration.fit.evidence import Evidence, Part
from cat_engine.errors import InputError
from item_bank.parameters import ParameterSet
from item_bank.responses import MISSING

__all__ = ["Kind", "Matching"]

Kind = Literal["total", "theta"]

STRATUM = 40
"""Persons in a stratum of theta, about; between 5 and 30 strata are made."""


class Matching:
    """Matches persons for one item at a time.

    The total score includes the studied item (for Rasch items it is then exactly what must be held
    constant). Theta is the posterior mean from the other items *with the person's own group as prior*:
    persons of two groups with the same value are then equally able on average. With one prior for all, or
    with the studied item in it, the less able group is compared with persons who only look alike.

    Parameters
    ----------
    pair
        The two groups.
    kind
        ``total``, ``theta`` or None: total where at least nine persons in ten answered everything (the
        others are then left out), theta otherwise.
    parameters
        Item parameters for theta; estimated from the responses (`model`) when they are not given. The
        groups' populations are estimated in either case.

    Attributes
    ----------
    kind
        What is matched on.
    rows
        Positions of the persons that can be matched.
    matrix
        Their categories, shape ``(N, n)``.
    """

    def __init__(
        self,
        pair: Pair,
        kind: Kind | None = None,
        parameters: ParameterSet | None = None,
        model: str | None = None,
        item_models: Mapping[str, str] | None = None,
    ) -> None:
        matrix = pair.responses.dense()
        complete = (matrix != MISSING).all(axis=1)
        if kind is None:
            kind = "total" if complete.mean() >= 0.9 else "theta"
        if kind == "total" and not complete.any():
            raise InputError(
                "expected persons who answered every item, got none, so that there is no total score; "
                "match on theta"
            )
        self.kind: Kind = kind
        self.rows = np.flatnonzero(complete) if kind == "total" else np.arange(len(matrix))
        self.matrix = np.ascontiguousarray(matrix[self.rows])
        if kind == "theta":
            found = _calibrated(pair, parameters, model, item_models)
            self._evidence = Evidence(pair.responses, found, pair.names, estimated=False)
            position = {item: j for j, item in enumerate(self._evidence.pool.ids)}
            self._place = [position.get(item, -1) for item in pair.responses.items]

    def value(self, item: int, anchors: np.ndarray) -> np.ndarray:
        """Return the matching variable for `item`, shape ``(N,)``.

        Parameters
        ----------
        anchors
            Which items belong to the matching variable, bool, shape ``(n,)``.
        """
        used = anchors.copy()
        if self.kind == "total":
            used[item] = True
            return np.asarray(self.matrix[:, used].sum(axis=1, dtype=np.int64))
        used[item] = False
        places = [self._place[j] for j in np.flatnonzero(used) if self._place[j] >= 0]
        return self._evidence.gather([_theta(part, places) for part in self._evidence.parts])

    def strata(self, item: int, anchors: np.ndarray) -> np.ndarray:
        """Return each person's stratum for `item`: the score, or a slice of theta; shape ``(N,)``."""
        value = self.value(item, anchors)
        if self.kind == "total":
            return value
        met = self.matrix[:, item] != MISSING
        count = int(np.clip(met.sum() / STRATUM, 5, 30))
        edges = np.quantile(value[met], np.linspace(0.0, 1.0, count + 1)[1:-1]) if met.any() else []
        return np.searchsorted(edges, value)


def _calibrated(
    pair: Pair,
    parameters: ParameterSet | None,
    model: str | None,
    item_models: Mapping[str, str] | None,
) -> ParameterSet:
    """Return item parameters with a population for each of the two groups."""
    models = dict(item_models or {})
    default = model or ("2pl" if (pair.responses.n_cat == 2).all() else "gpcm")
    if parameters is not None:
        models = {str(row["id"]): str(row["model"]) for row in parameters.items}
        models = {item: models[item] for item in pair.responses.items if item in models}
    return calibrate(
        pair.responses,
        default,
        item_models=models,
        groups=pair.names,
        reference=pair.reference_name,
        fixed=parameters,
        errors="none",
    ).parameters


def _theta(part: Part, places: list[int]) -> np.ndarray:
    """Return posterior means from the answers to some items."""
    if len(places) == len(part.pool):
        return part.theta()
    left_out = np.setdiff1d(np.arange(len(part.pool)), places)
    logp = part.tables.logp
    if len(left_out) < len(places):
        height = part.log_joint.copy()
        for i in left_out:
            met = part.matrix[:, i] != MISSING
            height[met] -= logp[i, part.matrix[met, i]]
    else:
        height = np.tile(part.grid.log_weights, (part.n_persons, 1))
        for i in places:
            met = part.matrix[:, i] != MISSING
            height[met] += logp[i, part.matrix[met, i]]
    weight = np.exp(height - height.max(axis=1, keepdims=True))
    return np.asarray(weight @ part.grid.nodes / weight.sum(axis=1))
