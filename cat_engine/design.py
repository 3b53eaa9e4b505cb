"""What a test design says: the content of DESIGN.toml as checked values.

Each section is a frozen dataclass; its fields are the keys of the file. :meth:`Design.from_mapping` refuses
unknown keys (naming the nearest known one), wrong types and values out of bounds, so that what
reaches the engine is sound.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from difflib import get_close_matches
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from cat_engine.errors import InputError

__all__ = [
    "SCHEMA",
    "Answers",
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


@dataclass(frozen=True, slots=True)
class Score:
    """How theta is estimated while the test runs and at its end."""

    method: str = _bounded("eap", among=("eap",))
    prior: tuple[float, ...] = (0.0, 1.0)
    """Mean and standard deviation of the one published prior."""
    grid: tuple[float, ...] = (-6.0, 6.0, 61.0)
    """Lowest node, highest node, number of nodes."""


@dataclass(frozen=True, slots=True)
class Select:
    """How the next item is chosen."""

    criterion: str = _bounded("mfi", among=("mfi",))
    evaluate: str = _bounded("table", among=("exact", "table"))


@dataclass(frozen=True, slots=True)
class Constraint:
    """Between `min` and `max` items whose `attribute` is `value`."""

    attribute: str
    value: str
    min: int = _bounded(0, 0)
    max: int = _bounded(10_000, 0)


@dataclass(frozen=True, slots=True)
class Exposure:
    """How often an item may be shown."""

    method: str = _bounded("none", among=("none",))
    rate: float = _bounded(1.0, 0.01, 1.0)


@dataclass(frozen=True, slots=True)
class Stop:
    """When a sitting ends."""

    min: int = _bounded(1, 1)
    max: int = _bounded(30, 1)
    se: float | None = _bounded(None, 0.0)


@dataclass(frozen=True, slots=True)
class Cuts:
    """Cut scores, ascending, and the confidence that a decision asks for."""

    values: tuple[float, ...] = ()
    confidence: float = _bounded(0.9, 0.5, 1.0)


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
    exposure: Exposure = Exposure()
    stop: Stop = Stop()
    cuts: Cuts = Cuts()
    answers: Answers = Answers()
    report: Report = Report()

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
            near = get_close_matches(key, known, 1)
            hint = f"did you mean '{near[0]}'?" if near else f"known keys: {', '.join(known)}"
            place = f"[{where}] of the design file" if where else "the design file"
            raise InputError(f"unknown key '{key}' in {place}; {hint}")
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
            raise InputError(f"expected '{place}' to be a list, got {value!r}")
        inner = get_args(hint)[0]
        return tuple(_value(inner, item, f"{place}", allowed) for item in value)
    kinds = [kind for kind in (get_args(hint) or (hint,)) if kind is not type(None)]
    if float in kinds and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if isinstance(value, bool) != (bool in kinds) or not isinstance(value, tuple(kinds)):
        raise InputError(f"expected '{place}' to be {_name(kinds[0])}, got {value!r}")
    low, high, among = allowed.get("low"), allowed.get("high"), allowed.get("among")
    if among and value not in among:
        near = get_close_matches(str(value), among, 1)
        hint_text = f" (did you mean '{near[0]}'?)" if near else ""
        raise InputError(f"expected '{place}' to be one of {', '.join(among)}, got '{value}'{hint_text}")
    if (low is not None and value < low) or (high is not None and value > high):
        raise InputError(f"expected '{place}' between {low} and {high}, got {value}")
    return value


def _name(kind: type) -> str:
    return {"float": "a number", "int": "a whole number", "str": "a text", "bool": "true or false"}[
        kind.__name__
    ]


def _check(design: Design) -> None:
    """What no single key can say."""
    low, high, nodes = design.score.grid if len(design.score.grid) == 3 else (0.0, 0.0, 0.0)
    if not (low < high and nodes >= 5 and nodes == int(nodes)):
        raise InputError(
            f"expected 'score.grid' to be [low, high, nodes] with low < high and at least 5 nodes, "
            f"got {list(design.score.grid)}"
        )
    if len(design.score.prior) != 2 or design.score.prior[1] <= 0:
        raise InputError(
            f"expected 'score.prior' to be [mean, sd] with sd > 0, got {list(design.score.prior)}"
        )
    if design.stop.min > design.stop.max:
        raise InputError(
            f"expected 'stop.min' not above 'stop.max', got {design.stop.min} and {design.stop.max}"
        )
    if list(design.cuts.values) != sorted(set(design.cuts.values)):
        raise InputError(f"expected 'cuts.values' in ascending order, got {list(design.cuts.values)}")
    for constraint in design.constraint:
        if constraint.min > constraint.max:
            raise InputError(
                f"expected min <= max in the constraint on {constraint.attribute} = {constraint.value}, "
                f"got {constraint.min} and {constraint.max}"
            )
