"""A design worked out for one pool: the tables, the blueprint and the rules that a machine's steps read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from cat_engine.design import Design
from cat_engine.errors import InputError
from cat_engine.grid import Grid, tabulate
from cat_engine.kernels import belief, pick
from cat_engine.kernels.seats import Seats
from cat_engine.machine import Machine
from cat_engine.pool import ItemPool
from cat_engine.selection.blueprint import Blueprint
from cat_engine.selection.criteria import CRITERIA, Selector, comfortable, judge
from cat_engine.selection.exposure import RULES, Rule
from cat_engine.selection.material import Material
from cat_engine.selection.requirements import read, suitable
from cat_engine.selection.shadow import Shadow, conflict, refuse
from cat_engine.stopping import ending, points

__all__ = ["build", "check"]

_METHODS = {"eap": belief.EAP, "map": belief.MAP, "ml": belief.ML, "wle": belief.WLE}


def build(
    pool: ItemPool,
    design: Design,
    attributes: Mapping[str, Sequence[str]],
    need: str | None = None,
) -> Machine:
    """Work `design` out for `pool`, or for the items of it that suit a person with `need`.

    Raises
    ------
    InputError
        Where the design does not suit the pool: unknown attributes, requirements that no test meets,
        a criterion that the items' models do not have.
    """
    grid = _trapezoid(design)
    method = _METHODS[design.score.method]
    tables = tabulate(pool, grid)
    n, width, size = tables.logp.shape
    evidence = np.zeros((n, width, belief.ROWS[method], size))
    compared = points(design)
    logp_points = np.zeros((n, width, len(compared) + (1 if len(compared) else 0)))
    for block in pool.blocks:
        belief.evidence_of(block.table, block.index, grid.nodes, evidence)
        belief.logp_at(block.table, block.index, compared, logp_points)
    blueprint, usable = _fitting(pool, design, attributes, need)
    requirements = blueprint.requirements
    rule = RULES[CRITERIA[design.select.criterion].rule or design.exposure.method]
    material = Material(
        pool,
        grid,
        tables,
        _quadrature(size),
        method,
        np.array(design.score.prior),
        evidence,
        np.array(design.cuts.values, dtype=np.float64),
        requirements.length[1],
        design.select,
    )
    start = design.start
    beliefs = np.zeros((1, belief.ROWS[method], size))
    beliefs[0, 0] = 1.0
    sets = len(blueprint)
    mean, sd = design.score.prior
    initial = Seats(
        beliefs,
        np.zeros((1, logp_points.shape[2])),
        usable[None].copy(),
        blueprint.free(usable)[None],
        np.zeros((1, sets), dtype=np.int64),
        np.array([[mean, sd, mean, 0.0]]),
        np.array([[0, 0, -1]], dtype=np.int64),
    )
    return Machine(
        grid,
        belief.Estimator(
            method,
            evidence,
            logp_points,
            grid.weights,
            grid.weights * grid.nodes,
            grid.weights * grid.nodes * grid.nodes,
            grid.nodes,
            material.prior,
        ),
        blueprint,
        None if blueprint.exact else Shadow(requirements, design.blueprint.nodes),
        ending(design),
        material,
        judge(material, design.select.criterion),
        _openings(material, design),
        rule,
        design.exposure.among,
        _strengths(rule, design.exposure.power, requirements.length[1]),
        np.array(start.thetas or (np.nan,) * start.items, dtype=np.float64),
        _spread(blueprint, material) if RULES[design.exposure.method].masks else np.empty(0, np.int64),
        initial,
        _parts(blueprint, material, design.exposure.rotation, usable),
        rule.draws or CRITERIA[design.select.criterion].measure == "lottery",
    )


def check(machine: Machine, design: Design, attributes: Mapping[str, Sequence[str]], need: str) -> None:
    """Ask that the pool of `machine` makes a whole test for a person with `need`, in every sub-bank.

    Raises
    ------
    InputError
        Where it does not: see `build`.
    """
    blueprint, usable = _fitting(machine.material.pool, design, attributes, need)
    _parts(blueprint, machine.material, design.exposure.rotation, usable)


def _fitting(
    pool: ItemPool, design: Design, attributes: Mapping[str, Sequence[str]], need: str | None = None
) -> tuple[Blueprint, np.ndarray]:
    """Return the blueprint and the items that suit a person with `need` (all without one), shape ``(n,)``.

    Raises
    ------
    InputError
        Where no test of these items meets the requirements; a smallest set of them is named.
    """
    usable, whose = np.ones(len(pool), dtype=np.uint8), ""
    if need is not None:
        design, usable = design.accommodated, suitable(design, attributes, need)
        whose = f" from the {int(usable.sum())} items that suit '{need}'"
    requirements = read(design, attributes, pool.ids)
    blueprint = Blueprint.build(requirements, design.blueprint.method)
    if not blueprint.exact or blueprint.flaw(usable):
        names = conflict(requirements, usable)
        if names:
            raise refuse(names, whose)
    return blueprint, usable


def _quadrature(size: int) -> np.ndarray:
    """Trapezoid weights of equally spaced nodes, the step left out."""
    rule = np.ones(size)
    rule[0] = rule[-1] = 0.5
    return rule


def _trapezoid(design: Design) -> Grid:
    """The design's grid with the prior's density under the trapezoid rule."""
    mean, sd = design.score.prior
    low, high, nodes = design.score.grid
    plain = Grid.normal(mean, sd, low, high, int(nodes))
    weights = plain.weights * _quadrature(len(plain))
    total = 0.0
    for weight in weights:
        total += float(weight)
    return Grid(plain.nodes, weights / total)


def _spread(blueprint: Blueprint, material: Material) -> np.ndarray:
    """Order the items by set of the blueprint, then by where they tell most."""
    return np.lexsort((material.peaks(), blueprint.tree.group)).astype(np.int64)


def _openings(material: Material, design: Design) -> tuple[tuple[int, Selector], ...]:
    """What chooses the first items, where the criterion itself does not."""
    start = design.start
    openings: list[tuple[int, Selector]] = []
    if start.warmup:
        openings.append((start.warmup, comfortable(material, start.success)))
    if start.criterion:
        openings.append((len(start.thetas) or start.items, judge(material, start.criterion)))
    return tuple(openings)


def _parts(blueprint: Blueprint, material: Material, number: int, usable: np.ndarray) -> np.ndarray:
    """Deal the usable items of each set of the blueprint out to sub-banks of like information.

    Raises
    ------
    InputError
        Where a sub-bank could not meet the blueprint.
    """
    n = len(material.pool)
    part = np.zeros(n, dtype=np.int64)
    if number == 1:
        return part
    most = material.tables.info.max(axis=1)
    for v in range(len(blueprint)):
        held = np.flatnonzero((blueprint.tree.group == v) & (usable != 0))
        part[held[np.argsort(-most[held], kind="stable")]] = np.arange(len(held)) % number
    for p in range(number):
        flaw = blueprint.flaw(usable * (part == p))
        if flaw:
            raise InputError(
                f"expected {number} sub-banks that each make a whole test (exposure.rotation), got {flaw} in "
                "one of them; ask for fewer sub-banks or add items"
            )
    return part


def _strengths(rule: Rule, acceleration: float, length: int) -> np.ndarray:
    """How much the value counts after each number of items (Barrada et al., 2008).

    ``W_n = sum_{f <= n} f**p / sum_{f < length} f**p``; proportional choice raises values to ``length W_n``.
    """
    total = [0.0]
    for f in range(1, length):
        total.append(total[-1] + float(pick.power(float(f), acceleration)))
    shares = np.array(total) / max(total[-1], 1e-100)
    return shares * length if rule.code == pick.PROPORTIONAL else shares
