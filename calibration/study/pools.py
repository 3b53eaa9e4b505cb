"""Tests on restricted pools: how long and how precise for people who cannot use every item.

The prediction takes the most informative items at every theta, as far as there are any, and is scaled by what
the whole pool's sittings attain of the same bound; the sittings beside it show how good it is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from calibration.study.plan import Part, Plan
from calibration.study.price import people
from cat_engine.design import Stop
from cat_engine.grid import Grid, tabulate
from cat_engine.simulation import simulate

__all__ = ["pools", "predicted"]


def pools(plan: Plan, part: Part) -> list[dict[str, Any]]:
    """Return prediction and simulation for every need of the design.

    Parameters
    ----------
    part
        The sittings on the whole pool.

    Returns
    -------
    list of dict
        `need`; `items` that suit it; `predicted` and `simulated`: mean `length` and `se`; `rmse`;
        `as_precise`: the least length at which the prediction is as precise as the whole pool's test, or
        None where all its items do not suffice.
    """
    test = plan.test
    target, length = float(part.se.mean()), float(part.sittings.length.mean())
    grid = Grid.normal(plan.mean, plan.sd)
    info = tabulate(test.pool, grid).info
    prior = test.design.score.prior[1]
    whole = _bound(info, prior)
    scale = target / float(_at(whole, np.full(len(grid), length)) @ grid.weights)
    out = []
    for need in plan.design.accommodation.needs:
        restricted = test.accommodated(need)
        suits = restricted.machine.initial.usable[0] != 0
        bound = scale * _bound(info[suits], prior)
        means = bound @ grid.weights
        enough = np.flatnonzero(means <= target)
        theta = plan.theta(0)[: people(plan)]
        sittings = simulate(restricted, theta, plan.seed, snapshot=plan.snapshot)  # few, beside everyone else
        error = sittings.theta - theta
        out.append(
            {
                "need": need,
                "items": int(suits.sum()),
                "predicted": predicted(bound, grid.weights, restricted.design.stop, length),
                "simulated": {"length": float(sittings.length.mean()), "se": float(sittings.se.mean())},
                "rmse": float(np.sqrt((error * error).mean())),
                "as_precise": int(enough[0]) if len(enough) else None,
            }
        )
    return out


def predicted(bound: np.ndarray, weights: np.ndarray, stop: Stop, usual: float) -> dict[str, float]:
    """Return the mean length and standard error that the stopping rules give.

    Parameters
    ----------
    bound
        Shape ``(n + 1, Q)``: standard error after each number of items, at each node.
    weights
        Shape ``(Q,)``: the population.
    stop
        The stopping rules.
    usual
        Mean length on the whole pool: taken where rules other than length and standard error stop.
    """
    most = min(stop.max, len(bound) - 1)
    if stop.se is not None:
        met = bound[: most + 1] <= stop.se
        length = np.where(met.any(axis=0), met.argmax(axis=0), most)
        length = np.maximum(length, min(stop.min, most)).astype(np.float64)
    elif stop.classify == "none" and stop.change is None and stop.information is None and stop.time is None:
        length = np.full(bound.shape[1], float(most))
    else:
        length = np.full(bound.shape[1], min(usual, float(most)))
    return {"length": float(length @ weights), "se": float(_at(bound, length) @ weights)}


def _bound(info: np.ndarray, prior: float) -> np.ndarray:
    """Return the standard error after the k most informative items at each node, shape ``(n + 1, Q)``."""
    best = -np.sort(-info, axis=0)
    total = np.vstack([np.zeros(info.shape[1]), np.cumsum(best, axis=0)])
    return np.asarray(1.0 / np.sqrt(1.0 / prior**2 + total))


def _at(bound: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Read a bound at each node's length, between whole numbers linearly, shape ``(Q,)``."""
    low = np.floor(length).astype(np.int64)
    high = np.minimum(low + 1, len(bound) - 1)
    node = np.arange(bound.shape[1])
    part = length - low
    return np.asarray((1.0 - part) * bound[low, node] + part * bound[high, node])
