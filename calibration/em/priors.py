"""Priors on item parameters: a density on the named scale, no Jacobian.

``a=lognormal(0,0.5)``, ``b=normal(0,2)``, ``c=beta(5,17)``, ``logit(c)=normal(-1.4,0.5)``, ``c[ITEM]=...``,
``none``. The 3PL and 4PL have defaults, because their asymptotes are hardly determined without.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calibration.em.structure import Block, Structure
from cat_engine.errors import InputError
from cat_engine.family import ItemModel

__all__ = ["DEFAULTS", "Prior", "Priors", "parse_priors"]

DEFAULTS = {
    "3pl": ("logit(c)=normal(-1.4,0.5)",),
    "4pl": ("logit(c)=normal(-1.4,0.5)", "logit(d)=normal(3,1)"),
    "m3pl": ("logit(c)=normal(-1.4,0.5)",),
}
"""Priors that hold unless the parameter is given another, or ``none`` is: c is about 0.2 (0.08 to 0.40)
and the upper asymptote about 0.95 (0.74 to 0.99)."""

_FORM = re.compile(
    r"^\s*(?P<name>[A-Za-z_]\w*|logit\(\w+\))\s*(?:\[(?P<item>.+)\])?\s*="
    r"\s*(?P<kind>[a-z]+)\s*\((?P<numbers>[^()]*)\)\s*$"
)


@dataclass(frozen=True)
class Prior:
    """One density.

    Attributes
    ----------
    name
        Parameter: ``"a"``, ``"b"``, ``"c"``, ``"logit(c)"``, ...
    kind
        ``"normal"`` (mean, sd), ``"lognormal"`` (mean and sd of the logarithm) or ``"beta"``.
    numbers
        Its two parameters.
    item
        Item it is for; None for every item that has the parameter.
    """

    name: str
    kind: str
    numbers: tuple[float, float]
    item: str | None = None

    def density(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the log density at `x` with its first and second derivative."""
        m, s = self.numbers
        if self.kind == "normal":
            z = (x - m) / s
            constant = -math.log(s * math.sqrt(2.0 * math.pi))
            return constant - 0.5 * z * z, -z / s, np.full_like(x, -1.0 / (s * s))
        if self.kind == "lognormal":
            inside = x > 0.0
            safe = np.where(inside, x, 1.0)
            z = (np.log(safe) - m) / s
            constant = -math.log(s * math.sqrt(2.0 * math.pi))
            value = np.where(inside, constant - np.log(safe) - 0.5 * z * z, -np.inf)
            first = -(1.0 + z / s) / safe
            second = (1.0 + z / s - 1.0 / (s * s)) / (safe * safe)
            return value, first, second
        inside = (x > 0.0) & (x < 1.0)
        safe = np.where(inside, x, 0.5)
        constant = math.lgamma(m + s) - math.lgamma(m) - math.lgamma(s)
        value = constant + (m - 1.0) * np.log(safe) + (s - 1.0) * np.log1p(-safe)
        first = (m - 1.0) / safe - (s - 1.0) / (1.0 - safe)
        second = -(m - 1.0) / safe**2 - (s - 1.0) / (1.0 - safe) ** 2
        return np.where(inside, value, -np.inf), first, second


def parse_priors(specs: Sequence[str]) -> tuple[list[Prior], bool]:
    """Return the priors that `specs` name, and whether the defaults still stand.

    Raises
    ------
    InputError
        A specification that is not ``NAME=KIND(X,Y)``, an unknown density or an impossible number.
    """
    priors, defaults = [], True
    for spec in specs:
        if spec.strip() == "none":
            defaults = False
            continue
        found = _FORM.match(spec)
        if not found:
            raise InputError(
                f"expected a prior like 'a=lognormal(0,0.5)' or 'c[ITEM]=beta(5,17)', or 'none', got "
                f"'{spec}'; write NAME=DENSITY(X,Y)"
            )
        kind = found["kind"]
        if kind not in ("normal", "lognormal", "beta"):
            raise InputError(
                f"expected a density normal, lognormal or beta, got '{kind}' in the prior '{spec}'; "
                "choose one"
            )
        try:
            numbers = [float(x) for x in found["numbers"].split(",")]
        except ValueError:
            numbers = []
        least = 0.0 if kind == "beta" else -math.inf
        if (
            len(numbers) != 2
            or not all(map(math.isfinite, numbers))
            or numbers[0] <= least
            or numbers[1] <= 0
        ):
            raise InputError(
                f"expected two numbers, {'both' if kind == 'beta' else 'the second'} above 0, got "
                f"'{found['numbers']}' in the prior '{spec}'; correct them"
            )
        priors.append(Prior(found["name"], kind, (numbers[0], numbers[1]), found["item"]))
    return priors, defaults


@dataclass(frozen=True, eq=False)
class _Term:
    """One prior on one quantity of some rows of a block.

    The quantity is ``logistic(u.w)`` or ``u.w / w[over]`` of the working parameters ``w`` (``over`` < 0:
    not divided).
    """

    prior: Prior
    block: int
    rows: np.ndarray
    combination: np.ndarray
    over: int = -1
    logistic: bool = False


class Priors:
    """Priors on the rows of a structure.

    Parameters
    ----------
    structure
        Rows and blocks.
    specs
        Specifications; see the module.

    Attributes
    ----------
    used
        Specifications that hold, defaults included.
    """

    def __init__(self, structure: Structure, specs: Sequence[str] = ()) -> None:
        self._structure = structure
        given, defaults = parse_priors(specs)
        self._check_items(given)
        self.used = [spec for spec in specs if spec.strip() != "none"]
        self._terms: list[_Term] = []
        touched = [False] * len(given)
        stated: dict[str, None] = {}
        for b, block in enumerate(structure.blocks):
            chosen: dict[tuple[Prior, tuple[str, str]], list[int]] = {}
            for r, row in enumerate(block.rows):
                i = structure.item_of[row]
                model, item = structure.models[i], structure.items[i]
                mine = _applying(given, model, block, item, touched)
                if defaults:
                    for spec in DEFAULTS.get(model.code, ()):
                        prior = parse_priors([spec])[0][0]
                        if not any(_bare(p.name) == _bare(prior.name) for p in mine):
                            mine.append(prior)
                            stated[spec] = None
                for prior in mine:
                    chosen.setdefault((prior, (model.code, prior.name)), []).append(r)
            for (prior, (code, name)), rows in chosen.items():
                for combination, over, logistic in _quantities(name, code, block) or ():
                    moving = rows
                    if "a1" in block.names:  # on a dimension that an item does not measure it has no slope
                        moving = [r for r in rows if self._free(block, [r], combination, over)]
                    if moving and self._free(block, moving, combination, over):
                        self._terms.append(_Term(prior, b, np.array(moving), combination, over, logistic))
        self.used += stated
        for prior, hit in zip(given, touched, strict=True):
            if not hit:
                names = sorted({n for block in structure.blocks for n in _nameable(structure, block)})
                raise InputError(
                    f"expected a prior on one of {', '.join(names)}, got one on '{prior.name}'"
                    f"{f' of item {prior.item!r}' if prior.item else ''}, which no item has; name another"
                )

    def __bool__(self) -> bool:
        return bool(self._terms)

    def _check_items(self, given: list[Prior]) -> None:
        for prior in given:
            if prior.item is not None and prior.item not in self._structure.items:
                raise InputError(
                    f"expected an item of the responses in the prior on '{prior.name}[{prior.item}]', got "
                    f"'{prior.item}', which is not calibrated; correct its id"
                )

    def _free(self, block: Block, rows: list[int], combination: np.ndarray, over: int) -> bool:
        """Whether the quantity moves at all: a prior on a constant says nothing."""
        maps = np.concatenate([block.own_map[rows], block.common_map[rows]], axis=2)
        return bool(np.any(combination @ maps) or (over >= 0 and np.any(maps[:, over])))

    def evaluate(self, working: np.ndarray) -> tuple[float, np.ndarray, list[np.ndarray]]:
        """Return the log prior, its gradient and its (non-negative) information by block."""
        blocks = self._structure.blocks
        gradient = np.zeros(len(working))
        information = [np.zeros((b.size, b.width, b.width)) for b in blocks]
        total = 0.0
        for term in self._terms:
            value, first, second = self._term(term, working)
            total += float(value.sum())
            block = blocks[term.block]
            block.working(gradient)[term.rows] += first
            information[term.block][term.rows] += _non_negative(-second)
        return total, gradient, information

    def hessian(self, working: np.ndarray) -> list[np.ndarray]:
        """Return the exact second derivatives of the log prior by block, ``(R, P, P)``."""
        blocks = self._structure.blocks
        out = [np.zeros((b.size, b.width, b.width)) for b in blocks]
        for term in self._terms:
            out[term.block][term.rows] += self._term(term, working)[2]
        return out

    def _term(self, term: _Term, working: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        block = self._structure.blocks[term.block]
        w = block.working(working)[term.rows]
        u = term.combination
        z = w @ u
        slope = np.tile(u, (len(w), 1))
        bend = np.zeros((len(w), block.width, block.width))
        if term.logistic:
            x = 1.0 / (1.0 + np.exp(-z))
            bend += (x * (1.0 - x) * (1.0 - 2.0 * x))[:, None, None] * np.outer(u, u)
            slope *= (x * (1.0 - x))[:, None]
        elif term.over >= 0:
            a = w[:, term.over]
            x = z / a
            e = np.zeros(block.width)
            e[term.over] = 1.0
            mixed = np.outer(u, e) + np.outer(e, u)
            bend += -mixed[None] / (a * a)[:, None, None]
            bend += (2.0 * z / a**3)[:, None, None] * np.outer(e, e)
            slope = slope / a[:, None] - (z / (a * a))[:, None] * e
        else:
            x = z
        value, first, second = term.prior.density(x)
        hessian = second[:, None, None] * slope[:, :, None] * slope[:, None, :]
        hessian += first[:, None, None] * bend
        return value, first[:, None] * slope, hessian


def _non_negative(matrices: np.ndarray) -> np.ndarray:
    """Set negative eigenvalues to 0: a preconditioner must not be indefinite."""
    values, vectors = np.linalg.eigh(matrices)
    product: np.ndarray = (vectors * np.maximum(values, 0.0)[:, None, :]) @ np.swapaxes(vectors, 1, 2)
    return product


def _bare(name: str) -> str:
    return name[6:-1] if name.startswith("logit(") else name


def _applying(
    given: list[Prior], model: ItemModel, block: Block, item: str, touched: list[bool]
) -> list[Prior]:
    """Return the priors for one item: the last one on a parameter holds, one that names the item first."""
    mine: dict[str, Prior] = {}
    for named in (False, True):
        for n, prior in enumerate(given):
            if (prior.item is not None) != named or prior.item not in (None, item):
                continue
            if _quantities(prior.name, model.code, block) is not None:
                mine[_bare(prior.name)] = prior
                touched[n] = True
    return list(mine.values())


def _quantities(name: str, code: str, block: Block) -> list[tuple[np.ndarray, int, bool]] | None:
    """Return what `name` means in working parameters: ``(combination, divided by, logistic)`` each."""
    names = block.names
    if code == "4pl":
        name = {"d": "u", "logit(d)": "logit(u)"}.get(name, name)
    unit = np.eye(len(names))
    if f"logit({name})" in names:
        return [(unit[names.index(f"logit({name})")], -1, True)]
    if name in names and not (name == "d" and code == "4pl"):
        return [(unit[names.index(name)], -1, False)]
    if name == "a" and "a1" in names:  # every dimension's slope
        return [(unit[p], -1, False) for p, x in enumerate(names) if x[0] == "a" and x[1:].isdigit()]
    if name == "d" and "d1" in names and "a1" in names:
        return [(unit[p], -1, False) for p, x in enumerate(names) if x[0] == "d"]
    levels = block.n_cat - 1
    if name in ("alpha", "delta") and f"{name}1" in names:
        picked = unit[[names.index(f"{name}{k}") for k in range(1, block.n_cat)]]
        mean = picked.sum(axis=0) / block.n_cat
        return [(row - mean, -1, False) for row in [np.zeros(len(names)), *picked]]
    if name == "b" and "a" in names and code != "rsm":
        over = names.index("a")
        if "d" in names:
            return [(-unit[names.index("d")], over, False)]
        steps = unit[[names.index(f"d{k}") for k in range(1, block.n_cat)]]
        if code == "grm":
            return [(-row, over, False) for row in steps]
        before = np.vstack([np.zeros(len(names)), steps[:-1]])
        return [(before[k] - steps[k], over, False) for k in range(levels)]
    return None


def _nameable(structure: Structure, block: Block) -> list[str]:
    code = structure.models[structure.item_of[block.rows[0]]].code
    tried = ("a", "b", "c", "d", "logit(c)", "logit(d)", "alpha", "delta", *block.names)
    return [name for name in tried if _quantities(name, code, block) is not None]
