"""Criteria for the next item: where on the scale it is judged x what is measured there.

`CRITERIA` is the register; the law tests run over it. A criterion composes a place (`WHERE`) with a
measure (`MEASURES`); how the values are reduced to one item is the exposure rule's part
(:mod:`cat_engine.selection.exposure`). A new combination is one line here; a new measure is one class.

Values are integers of record: the measure in millionths, greater is better.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from cat_engine.compile import Direct
from cat_engine.errors import InputError
from cat_engine.grid import Grid
from cat_engine.kernels import measures
from cat_engine.kernels.choose import Bounded, Ranked, choose_by_bounds
from cat_engine.kernels.seats import SERVED, Seats
from cat_engine.selection.expected import Expected
from cat_engine.selection.material import Judge, Material, rank

__all__ = [
    "CRITERIA",
    "MEASURES",
    "WHERE",
    "Composition",
    "Exact",
    "Selector",
    "comfortable",
    "judge",
]

WHERE = {
    "estimate": "at the current estimate",
    "likelihood": "over the likelihood",
    "posterior": "over the posterior",
    "normal": "over a normal density with the posterior's mean and standard deviation",
    "cut": "at the cut score nearest to the estimate",
}
"""Where on the scale items are judged."""

_SPREAD = {"likelihood": measures.LIKELIHOOD, "posterior": measures.POSTERIOR, "normal": measures.NORMAL}
_DEPTH_BOUNDED = 512
_ROOM = 2_000_000


@dataclass(frozen=True, slots=True)
class Composition:
    """One criterion: a place, a measure, and where it was proposed.

    Attributes
    ----------
    where, measure
        Keys of `WHERE` and `MEASURES`.
    source
        Author and year.
    rule
        The exposure rule that the name brings along, if any.
    """

    where: str
    measure: str
    source: str
    rule: str | None = None


CRITERIA = {
    "mfi": Composition("estimate", "information", "Lord (1977); Weiss (1982)"),
    "mlwi": Composition("likelihood", "information", "Veerkamp & Berger (1997)"),
    "mpwi": Composition("posterior", "information", "van der Linden (1998)"),
    "mei": Composition("estimate", "expected-information", "van der Linden (1998)"),
    "mepv": Composition("posterior", "variance", "van der Linden (1998); van der Linden & Pashley (2000)"),
    "owen": Composition("normal", "variance", "Owen (1975)"),
    "kl": Composition("likelihood", "divergence", "Chang & Ying (1996); Barrada et al. (2009)"),
    "klp": Composition("posterior", "divergence", "Chang & Ying (1996); Barrada et al. (2009)"),
    "entropy": Composition("posterior", "entropy", "Cheng (2009); Wang & Chang (2011)"),
    "gdi": Composition("likelihood", "discrimination", "Kaplan, de la Torre & Barrada (2015)"),
    "gdip": Composition("posterior", "discrimination", "Kaplan, de la Torre & Barrada (2015)"),
    "cut": Composition("cut", "information", "Spray & Reckase (1994); Eggen (1999)"),
    "urry": Composition("estimate", "difficulty", "Urry (1970)"),
    "thopt": Composition("estimate", "peak", "Li & Schafer (2005); Magis (2013)"),
    "astrat": Composition("estimate", "stratum", "Chang & Ying (1999); Chang, Qian & Ying (2001)"),
    "progressive": Composition("estimate", "information", "Revuelta & Ponsoda (1998)", "progressive"),
    "proportional": Composition("estimate", "information", "Barrada et al. (2008)", "proportional"),
    "random": Composition("estimate", "lottery", "the baseline of every comparison"),
    "fixed": Composition("estimate", "order", "a linear test"),
}
"""Every criterion by the name that designs use."""


@dataclass(frozen=True, slots=True, eq=False)
class Exact:
    """A point criterion evaluated at theta itself, and bounds that spare most evaluations.

    Attributes
    ----------
    tables
        For each table of the pool: the kernel for its type (`choose.choose_by_bounds`), its parameters, the
        row of each item of the pool (-1: not in it), bounds.
    values
        The criterion of every item.
    """

    tables: tuple[tuple[Direct, Any, np.ndarray, Bounded], ...]
    values: Judge


Selector = Judge | Ranked | Exact | Expected


def judge(material: Material, name: str) -> Selector:
    """Return what criterion `name` needs at run time: values computed each time, or ranked beforehand.

    Raises
    ------
    InputError
        Where the criterion does not suit the pool or the design.
    """
    composition = CRITERIA[name]
    return MEASURES[composition.measure](material, composition.where)


def comfortable(material: Material, success: float) -> Ranked:
    """Rank by information the items that a person of each theta solves with at least `success`.

    The others follow, the likeliest to be solved first (Eggen & Verschoor, 2006).
    """
    table = material.information_table.copy()
    share = np.empty(len(material.pool))
    for g, theta in enumerate(material.fine):
        for block in material.pool.blocks:
            measures.success_at(block.table, block.index, float(theta), share)
        hard = share < success
        table[g, hard] = np.rint(1e6 * (share[hard] - success)).astype(np.int64) - 1
    return rank(material.fine, table)


def _over(material: Material, where: str, plain: bool = False) -> Callable[[Seats, np.ndarray], Any]:
    """Return a function that writes the weights over which items are judged.

    `plain`: the nodes are points of equal weight, without the trapezoid rule's halves at the ends.
    """
    code, size = _SPREAD[where], len(material.grid)
    rule = np.ones(size) if plain else material.rule
    prior = material.grid.weights / material.rule if plain else material.grid.weights

    def weigh(seats: Seats, active: np.ndarray) -> Any:
        n = len(active)
        over = measures.Spread(np.empty((n, size)), np.empty(n, np.int64), np.empty(n, np.int64))
        measures.spread(code, seats, active, prior, rule, material.grid.nodes, over)
        return over

    return weigh


def _information(material: Material, where: str) -> Selector:
    if where == "cut":
        return _at_cuts(material)
    if where in _SPREAD:
        weigh, table = _over(material, where), material.info
        return lambda seats, active, thetas, keys, out: measures.weighted(weigh(seats, active), table, out)
    if material.options.comfort > 0.0:
        return comfortable(material, material.options.comfort)
    if material.options.evaluate == "table":
        return material.ranked_information
    return Exact(
        tuple(_bounded(material, b) for b in range(len(material.pool.blocks))),
        lambda seats, active, thetas, keys, out: material.information(thetas, out),
    )


def _bounded(material: Material, b: int) -> tuple[Direct, Any, np.ndarray, Bounded]:
    """Bound one table's information around dense nodes, by five places in each node's cell.

    The step between two places is a fraction of the grid's; what a parabola could add between them,
    eight times over, is added to the greatest value and taken off the least.
    """
    pool, grid = material.pool, material.grid
    block = pool.blocks[b]
    n = len(block.index)
    depth = min(n, _DEPTH_BOUNDED)
    finer = max(1, min(16, _ROOM // (n * len(grid))))
    size = finer * (len(grid) - 1) + 1
    low, high = float(grid.nodes[0]), float(grid.nodes[-1])
    quarter = (high - low) / (size - 1) / 4.0
    shape = (size, depth)
    order, upper, lower = (np.empty(shape, dtype=kind) for kind in (np.int32, np.int64, np.int64))
    rows = np.empty((5, n), dtype=np.int64)
    for g, node in enumerate(Grid.uniform(low, high, size).nodes):
        around = np.array([node + q * quarter for q in (-2, -1, 0, 1, 2)])
        measures.information_exact(block.table, np.arange(n), True, around, np.empty(n), rows)
        slack = np.abs(np.diff(rows, 2, axis=0)).max(axis=0) + 2
        most, least = rows.max(axis=0) + slack, rows.min(axis=0) - slack
        ranked = np.argsort(-most, kind="stable")[:depth]
        order[g], upper[g], lower[g] = block.index[ranked], most[ranked], least[ranked]
    row_of = np.full(len(pool), -1, dtype=np.int64)
    row_of[block.index] = np.arange(n)
    bounded = Bounded(low, high, size, order, upper, lower, depth == n)
    return Direct(choose_by_bounds), block.table, row_of, bounded


def _at_cuts(material: Material) -> Ranked:
    if not len(material.cuts):
        raise InputError(
            "expected cut scores for the criterion 'cut', got none; give [cuts] values in the design file"
        )
    table = np.empty((len(material.cuts), len(material.pool)), dtype=np.int64)
    material.information(material.cuts, table)
    nearest = np.abs(material.fine[:, None] - material.cuts[None, :]).argmin(axis=1)
    return rank(material.fine, table, nearest.astype(np.int64))


def _variance(material: Material, where: str) -> Judge:
    weigh, n_cat = _over(material, where), material.tables.n_cat
    predictive = material.options.predict == "posterior"
    none = np.empty((0, 0, 0))

    def values(
        seats: Seats, active: np.ndarray, thetas: np.ndarray, keys: np.ndarray, out: np.ndarray
    ) -> None:
        at = none if predictive else material.chances(thetas)
        measures.expected_variance(
            weigh(seats, active),
            material.grid.nodes,
            material.probability,
            n_cat,
            at,
            predictive,
            out,
        )

    return values


def _divergence(material: Material, where: str) -> Judge:
    weigh = _over(material, where)
    return lambda seats, active, thetas, keys, out: measures.divergence(
        weigh(seats, active), material.logp, material.tables.n_cat, material.chances(thetas), out
    )


def _entropy(material: Material, where: str) -> Judge:
    weigh = _over(material, where)
    return lambda seats, active, thetas, keys, out: measures.mutual(
        weigh(seats, active),
        material.probability,
        material.minus_entropy,
        material.tables.n_cat,
        out,
    )


def _discrimination(material: Material, where: str) -> Judge:
    weigh = _over(material, where, plain=True)
    squared = material.score * material.score
    return lambda seats, active, thetas, keys, out: measures.discrimination(
        weigh(seats, active), material.score, squared, out
    )


def _difficulties(material: Material, name: str) -> np.ndarray:
    places = []
    for row in material.pool.rows():
        b = row.get("b")
        if isinstance(b, bool) or not isinstance(b, int | float):
            raise InputError(
                f"expected items with one difficulty 'b' for the criterion '{name}', got item '{row['id']}' "
                f"(model '{row['model']}'); choose 'thopt', which places any item where it tells most"
            )
        places.append(float(b))
    return np.array(places)


def _near(places: np.ndarray) -> Judge:
    return lambda seats, active, thetas, keys, out: measures.nearness(places, thetas, out)


def _strata(material: Material, where: str) -> Judge:
    """Strata by slope within blocks of similar place, from the lowest slopes to the highest.

    A slope is taken from the information at its peak, which orders any model's items.
    """
    places, strata = material.peaks(), material.options.strata
    height = np.empty(len(places))
    values = np.empty((1, len(places)), dtype=np.int64)
    for i, place in enumerate(places):
        material.information(np.array([place]), values)
        height[i] = values[0, i]
    stratum = np.empty(len(places), dtype=np.int64)
    by_place = np.argsort(places, kind="stable")
    for begin in range(0, len(places), strata):
        block = by_place[begin : begin + strata]
        ranked = block[np.argsort(height[block], kind="stable")]
        stratum[ranked] = np.arange(len(ranked)) * strata // len(ranked)

    def values_now(
        seats: Seats, active: np.ndarray, thetas: np.ndarray, keys: np.ndarray, out: np.ndarray
    ) -> None:
        now = min(int(seats.tally[active[0], SERVED]) * strata // material.length, strata - 1)
        measures.in_stratum(places, stratum, now, thetas, out)

    return values_now


def _lottery(material: Material, where: str) -> Judge:
    return lambda seats, active, thetas, keys, out: measures.lottery(keys, out)


def _order(material: Material, where: str) -> Ranked:
    wanted = material.options.order or material.pool.ids
    table = np.full((1, len(material.pool)), -1, dtype=np.int64)
    for place, i in enumerate(material.pool.positions(wanted)):
        table[0, i] = len(wanted) - place
    return rank(material.fine, table, np.zeros(len(material.fine), dtype=np.int64))


MEASURES: dict[str, Callable[[Material, str], Selector]] = {
    "information": _information,
    "variance": _variance,
    "divergence": _divergence,
    "entropy": _entropy,
    "discrimination": _discrimination,
    "expected-information": lambda material, where: Expected(material, _over(material, "posterior")),
    "difficulty": lambda material, where: _near(_difficulties(material, "urry")),
    "peak": lambda material, where: _near(material.peaks()),
    "stratum": _strata,
    "lottery": _lottery,
    "order": _order,
}
"""What is measured at a place; each entry builds what a criterion needs at run time."""
