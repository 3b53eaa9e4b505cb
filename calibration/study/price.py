"""What the rules of a design cost: the same people sit a test of the same length without them.

A rule's price is stated in standard error, and in items: how many fewer would measure as precisely
if the rule were not there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from calibration.study.plan import Plan
from cat_engine.counting import counts, follow, seeded
from cat_engine.design import Design, Stop
from cat_engine.errors import InputError
from cat_engine.kernels.seats import SE
from cat_engine.pool import ItemPool
from cat_engine.session import AdaptiveTest
from cat_engine.simulation import Sittings, simulate

__all__ = ["people", "price", "sit"]

_PEOPLE, _PEOPLE_SHADOW = 2_000, 200


def people(plan: Plan) -> int:
    """Return how many persons sit a test beside the study's own: the first ones."""
    return min(plan.n, _PEOPLE if plan.test.machine.shadow is None else _PEOPLE_SHADOW)


def sit(plan: Plan, test: AdaptiveTest) -> tuple[np.ndarray, Sittings]:
    """Let the study's first persons sit another test; return their true theta and their sittings."""
    theta = plan.theta(0)[: people(plan)]
    if counts(test):
        return theta, follow(test, theta, plan.seed, seeded(test, plan.mean, plan.sd, plan.seed))[0]
    return theta, simulate(test, theta, plan.seed)


def price(plan: Plan, length: int) -> dict[str, Any] | None:
    """Return what comfort, blueprint and exposure control cost a test of `length` items.

    Returns
    -------
    dict or None
        With all rules `se`, `rmse`, `points` (mean share of the points) and `curve` (mean standard error
        after 0, 1, ... items); under `without`, the same without each rule and, where there are several,
        without any, and `items`: how many of the `length` items the rule costs. None without such rules,
        or where no test of exactly this length meets them.
    """
    present = _present(plan.test)
    if not present or plan.responses is not None:
        return None
    fixed = replace(plan.design, stop=Stop(min=length, max=length))
    left_out = [(name,) for name in present] + ([tuple(present)] if len(present) > 1 else [])
    try:
        base = _measured(plan, fixed)
        others = [_measured(plan, _without(fixed, names)) for names in left_out]
    except InputError:
        return None
    return {
        "n": people(plan),
        "length": length,
        **base,
        "without": [
            {
                "rule": names[0] if len(names) == 1 else "all",
                **other,
                "items": length - _items_for(other["curve"], base["se"]),
            }
            for names, other in zip(left_out, others, strict=True)
        ],
    }


def _present(test: AdaptiveTest) -> list[str]:
    """Name the rules that a design has beside the criterion."""
    design, needs = test.design, test.machine.blueprint.requirements
    found = {
        "comfort": design.select.comfort > 0.0,
        "blueprint": bool(needs.bounds or needs.enemies or needs.stimuli),
        "exposure": design.exposure.method != "none" or design.exposure.rotation > 1,
    }
    return [name for name, there in found.items() if there]


def _without(design: Design, names: tuple[str, ...]) -> Design:
    if "comfort" in names:
        design = replace(design, select=replace(design.select, comfort=0.0))
    if "blueprint" in names:
        free = replace(design.blueprint, enemies="", stimulus="", stimulus_min=1)
        design = replace(design, constraint=(), blueprint=free)
    if "exposure" in names:
        design = replace(design, exposure=replace(design.exposure, method="none", rotation=1))
    return design


def _measured(plan: Plan, design: Design) -> dict[str, Any]:
    test = AdaptiveTest.prepare(ItemPool.from_rows(plan.rows), design, plan.attributes)
    theta, sittings = sit(plan, test)
    error = sittings.theta - theta
    there = sittings.items >= 0
    points = sittings.categories[there] / (test.pool.n_cat[sittings.items[there]] - 1)
    return {
        "se": float(sittings.se.mean()),
        "rmse": float(np.sqrt((error * error).mean())),
        "points": float(points.mean()),
        "curve": _curve(test, sittings),
    }


def _curve(test: AdaptiveTest, sittings: Sittings) -> list[float]:
    """Return the mean standard error after each number of items, from none."""
    machine = test.machine
    seats = machine.seats(len(sittings))
    out = [float(seats.now[:, SE].mean())]
    for position in range(sittings.items.shape[1]):
        active = np.flatnonzero(sittings.items[:, position] >= 0)
        chosen = sittings.items[active, position].astype(np.int64)
        machine.take(seats, active, chosen, sittings.categories[active, position].astype(np.int64))
        out.append(float(seats.now[:, SE].mean()))
    return out


def _items_for(curve: list[float], se: float) -> float:
    """Return after how many items a curve comes down to `se`, between whole numbers linearly."""
    for k in range(1, len(curve)):
        if curve[k] <= se:
            return k - 1 + (curve[k - 1] - se) / max(curve[k - 1] - curve[k], 1e-12)
    return float(len(curve) - 1)
