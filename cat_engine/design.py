"""What a test design says: the content of DESIGN.toml as checked values.

Each section is a frozen dataclass; its fields are the keys of the file. :meth:`Design.from_mapping` refuses
unknown keys (naming the nearest known one), wrong types and values out of bounds, so that what
reaches the engine is sound.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from cat_engine.errors import InputError, suggestion
from cat_engine.selection.criteria import CRITERIA
from cat_engine.selection.exposure import RULES
from cat_engine.stopping import CLASSIFIERS

__all__ = [
    "SCHEMA",
    "Accommodation",
    "Answers",
    "Blueprint",
    "Constraint",
    "Cuts",
    "Design",
    "Exposure",
    "Report",
    "Score",
    "Select",
    "Start",
    "Stop",
]

SCHEMA = "acquis/design/1"

S = TypeVar("S")


def _bounded(
    default: Any, low: float | None = None, high: float | None = None, among: tuple[str, ...] = ()
) -> Any:
    """A field with its default and what is allowed, as data."""
    return field(default=default, metadata={"low": low, "high": high, "among": among})


@dataclass(frozen=True, slots=True)
class Start:
    """Where a sitting starts."""

    theta: float = _bounded(0.0, -6.0, 6.0)
    """Where the first items are chosen; an earlier result of the person may replace it."""
    items: int = _bounded(1, 1)
    """How many items are chosen there, before the running estimate takes over."""
    thetas: tuple[float, ...] = _bounded((), -6.0, 6.0)
    """One place for each of the first items instead, e.g. ``[-1.0, 0.0, 1.0]``."""
    criterion: str = _bounded("", among=("", *CRITERIA))
    """How the first items are chosen there; empty: like the others."""
    warmup: int = _bounded(0, 0)
    """How many first items are easy ones."""
    success: float = _bounded(0.8, 0.5, 0.99)
    """The least expected share of the points on an easy first item."""


@dataclass(frozen=True, slots=True)
class Score:
    """How theta is estimated while the test runs and at its end."""

    method: str = _bounded("eap", among=("eap", "map", "ml", "wle"))
    prior: tuple[float, ...] = (0.0, 1.0)
    """Mean and standard deviation of the one published prior."""
    grid: tuple[float, ...] = (-6.0, 6.0, 61.0)
    """Lowest node, highest node, number of nodes."""


@dataclass(frozen=True, slots=True)
class Select:
    """How the next item is chosen."""

    criterion: str = _bounded("mfi", among=tuple(CRITERIA))
    evaluate: str = _bounded("table", among=("exact", "table"))
    """At theta itself, or at the nearest of the tabled nodes, four times as dense as the grid."""
    predict: str = _bounded("estimate", among=("estimate", "posterior"))
    """Where `mepv` takes the chance of each answer."""
    information: str = _bounded("observed", among=("observed", "expected"))
    """Which information `mei` expects."""
    comfort: float = _bounded(0.0, 0.0, 0.95)
    """The least expected share of the points on an item; 0: no such wish."""
    strata: int = _bounded(4, 2, 20)
    """Strata of `astrat`."""
    order: tuple[str, ...] = ()
    """The items of `fixed`, in order; default: the bank's order."""


@dataclass(frozen=True, slots=True)
class Constraint:
    """Between `min` and `max` items whose `attribute` is `value`; without `value`, bounds of its sum."""

    attribute: str
    value: str | int | None = None
    min: float = _bounded(0.0, 0.0)
    max: float = _bounded(math.inf, 0.0)
    share: float | None = _bounded(None, 0.000001, 1.0)
    """Target share of the test: the next item comes from where the test lags most behind."""

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"the sum of {self.attribute}" if self.value is None else f"{self.attribute} = {self.value}"


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What belongs together and what does not, and how constraints are met."""

    method: str = _bounded("auto", among=("auto", "greedy", "shadow"))
    """By look-ahead (nested sets only) or by shadow tests; `auto` takes the first that is exact."""
    enemies: str = "enemies"
    """The attribute whose equal labels (or named items) never meet in one test."""
    stimulus: str = "stimulus"
    """The attribute whose equal labels are served one after the other."""
    stimulus_min: int = _bounded(1, 1)
    """Least number of items of a stimulus, once it is used."""
    stimulus_max: int = _bounded(1_000, 1)
    """Greatest number of items of a stimulus."""
    time: str = "time"
    """The attribute that holds expected seconds."""
    nodes: int = _bounded(200, 1, 100_000)
    """Branching limit of one shadow test."""


@dataclass(frozen=True, slots=True)
class Accommodation:
    """What people may need, and how long a test may get on the items that suit them."""

    needs: tuple[str, ...] = ()
    """The needs that the test is offered for; each leaves the items whose cell has all its labels."""
    attribute: str = "accommodation"
    """The attribute that says what an item suits."""
    max: int | None = _bounded(None, 1)
    """Greatest number of items of such a test; default: that of every test."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """How often an item may be shown."""

    method: str = _bounded("none", among=tuple(RULES))
    rate: float = _bounded(0.25, 0.01, 1.0)
    """Target for the share of sittings that meet an item."""
    among: int = _bounded(5, 1, 1_000)
    """`randomesque`: drawn from so many best items."""
    power: float = _bounded(1.0, 0.0, 20.0)
    """`progressive`, `proportional`: how late information takes over (acceleration)."""
    intervals: tuple[float, ...] = _bounded((), -6.0, 6.0)
    """`eligibility`: bounds of the intervals of theta that are controlled each by itself."""
    fading: float = _bounded(0.999, 0.9, 1.0)
    """What every sitting multiplies earlier counts by."""
    rotation: int = _bounded(1, 1, 20)
    """Number of sub-banks, of which each sitting uses one."""


@dataclass(frozen=True, slots=True)
class Stop:
    """When a sitting ends."""

    min: int = _bounded(1, 1)
    max: int = _bounded(30, 1)
    se: float | None = _bounded(None, 0.0)
    """Standard error small enough."""
    change: float | None = _bounded(None, 0.0)
    """Estimate moved by no more than this."""
    information: float | None = _bounded(None, 0.0)
    """No item left that tells at least this much at the estimate."""
    time: float | None = _bounded(None, 1.0)
    """Expected seconds of the items served."""
    classify: str = _bounded("none", among=tuple(CLASSIFIERS))
    """End when every cut score is decided by this rule."""
    combine: str = _bounded("any", among=("any", "all"))
    """Whether one of `se`, `change`, `information`, `classify` suffices."""


@dataclass(frozen=True, slots=True)
class Cuts:
    """Cut scores, ascending, and the confidence that a decision asks for."""

    values: tuple[float, ...] = ()
    confidence: float = _bounded(0.9, 0.5, 0.9999)
    """Posterior probability of a level; coverage of the interval."""
    delta: float = _bounded(0.2, 0.001, 3.0)
    """`sprt`, `glr`: half the width of the indifference region."""
    alpha: float = _bounded(0.05, 0.0001, 0.5)
    """`sprt`, `glr`: nominal risk of deciding too high."""
    beta: float = _bounded(0.05, 0.0001, 0.5)
    """`sprt`, `glr`: nominal risk of deciding too low."""


_ABSENT = ("ignored", "lowest")


@dataclass(frozen=True, slots=True)
class Answers:
    """What an absent answer counts as: ignored, or the item's lowest category."""

    omitted: str = _bounded("ignored", among=_ABSENT)
    not_reached: str = _bounded("ignored", among=_ABSENT)
    timed_out: str = _bounded("ignored", among=_ABSENT)


@dataclass(frozen=True, slots=True)
class Report:
    """Results by the values of one attribute, given only where they are reliable enough."""

    attribute: str = "domain"
    reliability: float = _bounded(0.7, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Design:
    """A whole design; every section has defaults."""

    start: Start = Start()
    score: Score = Score()
    select: Select = Select()
    constraint: tuple[Constraint, ...] = ()
    blueprint: Blueprint = Blueprint()
    accommodation: Accommodation = Accommodation()
    exposure: Exposure = Exposure()
    stop: Stop = Stop()
    cuts: Cuts = Cuts()
    answers: Answers = Answers()
    report: Report = Report()

    @property
    def accommodated(self) -> Design:
        """The design for a person with one of the needs: the same, but it may be longer."""
        most = self.accommodation.max
        return self if most is None else replace(self, stop=replace(self.stop, max=most))

    @staticmethod
    def from_mapping(values: Mapping[str, Any]) -> Design:
        """Return the design that a parsed DESIGN.toml says.

        Raises
        ------
        InputError
            Naming the key, what was expected and what came.
        """
        values = dict(values)
        schema = values.pop("schema", None)
        if schema != SCHEMA:
            raise InputError(
                f'expected schema = "{SCHEMA}" in the design file, got {schema!r}; put that line first'
            )
        design = _section(Design, values, "")
        _check(design)
        return design


def _section(kind: type[S], values: Mapping[str, Any], where: str) -> S:
    if not isinstance(values, Mapping):
        raise InputError(f"expected [{where}] to be a section of the design file, got {values!r}")
    hints = get_type_hints(kind)
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    for key in values:
        if key not in known:
            advice = suggestion(key, known, f"known keys: {', '.join(known)}")
            place = f"[{where}] of the design file" if where else "the design file"
            raise InputError(f"unknown key '{key}' in {place}; {advice}")
    taken: dict[str, Any] = {}
    for name, f in known.items():
        place = f"{where}.{name}" if where else name
        if name in values:
            taken[name] = _value(hints[name], values[name], place, f.metadata)
        elif f.default is MISSING and f.default_factory is MISSING:
            raise InputError(f"the key '{place}' is missing from the design file")
    return kind(**taken)


def _value(hint: Any, value: Any, place: str, allowed: Mapping[str, Any]) -> Any:
    if is_dataclass(hint):
        return _section(hint, value, place)  # type: ignore[arg-type]
    if get_origin(hint) is tuple:
        if not isinstance(value, list | tuple):
            raise InputError(f"expected '{place}' to be a list in the design file, got {value!r}")
        inner = get_args(hint)[0]
        return tuple(_value(inner, item, place, allowed) for item in value)
    kinds = [kind for kind in (get_args(hint) or (hint,)) if kind is not type(None)]
    if float in kinds and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if isinstance(value, bool) != (bool in kinds) or not isinstance(value, tuple(kinds)):
        raise InputError(f"expected '{place}' to be {_name(kinds[0])} in the design file, got {value!r}")
    low, high, among = allowed.get("low"), allowed.get("high"), allowed.get("among")
    if among and value not in among:
        raise InputError(
            f"expected '{place}' to be one of {', '.join(among)} in the design file, got '{value}'; "
            f"{suggestion(str(value), among, 'choose one of them')}"
        )
    above = high is not None and value > high
    if value != value or above or (low is not None and value < low):
        bounds = f"between {low} and {high}" if high is not None else f"of at least {low}"
        raise InputError(f"expected '{place}' {bounds} in the design file, got {value}")
    return value


def _name(kind: type) -> str:
    return {"float": "a number", "int": "a whole number", "str": "a text", "bool": "true or false"}[
        kind.__name__
    ]


def _check(design: Design) -> None:
    """What no single key can say."""
    low, high, nodes = design.score.grid if len(design.score.grid) == 3 else (0.0, 0.0, 0.0)
    if not (math.isfinite(low) and low < high < math.inf and 9 <= nodes <= 2001 and nodes == int(nodes)):
        raise InputError(
            "expected 'score.grid' to be [low, high, nodes] with low < high and 9 to 2001 nodes, "
            f"got {list(design.score.grid)}"
        )
    prior = design.score.prior
    if len(prior) != 2 or not (math.isfinite(prior[0]) and 0.0 < prior[1] < math.inf):
        raise InputError(f"expected 'score.prior' to be [mean, sd] with sd > 0, got {list(prior)}")
    if not low < prior[0] < high:
        raise InputError(
            f"expected the mean of 'score.prior' inside 'score.grid', got {prior[0]:g} and "
            f"[{low:g}, {high:g}]"
        )
    if design.stop.min > design.stop.max:
        raise InputError(
            f"expected 'stop.min' not above 'stop.max', got {design.stop.min} and {design.stop.max}"
        )
    most = design.accommodation.max
    if most is not None and most < design.stop.max:
        raise InputError(
            f"expected 'accommodation.max' not below 'stop.max', got {most} and {design.stop.max}"
        )
    for name, values in (
        ("cuts.values", design.cuts.values),
        ("exposure.intervals", design.exposure.intervals),
    ):
        if list(values) != sorted(set(values)):
            raise InputError(f"expected '{name}' in ascending order, got {list(values)}")
    if not all(low < cut < high for cut in design.cuts.values):
        raise InputError(
            f"expected 'cuts.values' inside 'score.grid', got {list(design.cuts.values)} and "
            f"[{low:g}, {high:g}]"
        )
    brought = CRITERIA[design.select.criterion].rule
    if brought and design.exposure.method not in ("none", brought):
        raise InputError(
            f"expected exposure.method = '{brought}' or none with the criterion "
            f"'{design.select.criterion}', got '{design.exposure.method}'; choose the criterion 'mfi' to "
            "combine it with another rule"
        )
    if design.stop.classify != "none" and not design.cuts.values:
        raise InputError(
            f"expected cut scores for stop.classify = '{design.stop.classify}', got none; give [cuts] values"
        )
    shares = [constraint for constraint in design.constraint if constraint.share is not None]
    if shares:
        total = sum(constraint.share or 0.0 for constraint in shares)
        of_one = len({c.attribute for c in shares}) == 1 and len({c.value for c in shares}) == len(shares)
        if not of_one or any(c.value is None for c in shares):
            raise InputError(
                "expected constraints with a share to be different values of one attribute, got "
                f"{', '.join(constraint.name for constraint in shares)}; give min and max to the others"
            )
        if abs(total - 1.0) > 1e-6:
            raise InputError(f"expected the constraints' shares to add up to 1, got {total:g}; correct them")
    for constraint in design.constraint:
        if constraint.min > constraint.max:
            raise InputError(
                f"expected min <= max in the constraint on {constraint.name}, "
                f"got {constraint.min:g} and {constraint.max:g}"
            )
        if constraint.value is not None and not _whole(constraint.min, constraint.max):
            raise InputError(
                f"expected whole numbers in the constraint on {constraint.name}, "
                f"got {constraint.min:g} and {constraint.max:g}"
            )
    if design.blueprint.stimulus_min > design.blueprint.stimulus_max:
        raise InputError(
            "expected 'blueprint.stimulus_min' not above 'blueprint.stimulus_max', got "
            f"{design.blueprint.stimulus_min} and {design.blueprint.stimulus_max}"
        )


def _whole(*values: float) -> bool:
    return all(value == math.inf or value == int(value) for value in values)
