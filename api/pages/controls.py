"""What an item's controls are called, and what a sent form answers with them.

Every interaction is made of native controls, so that a keyboard, a screen reader, a telephone and a browser
without JavaScript can all work them. A field is called ``a.RESPONSE``, or ``a.RESPONSE.PART`` where an
interaction has several: the same in every language, so that what was chosen survives a change of language.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from item_bank.content import (
    Choice,
    GapMatch,
    Hotspot,
    InlineChoice,
    Match,
    Option,
    Order,
    SelectPoint,
    TextEntry,
)
from item_bank.markup import text
from item_bank.render import Slot, View

__all__ = [
    "Fault",
    "Reading",
    "Sent",
    "field_name",
    "percent",
    "plain",
    "read",
    "row_may_stay_empty",
    "whole_number",
]

Sent = Mapping[str, Sequence[str]]
"""The fields of a form and their values."""

_SPACES = re.compile(r"[\s\u00a0\u202f]+")


@dataclass(frozen=True, slots=True)
class Fault:
    """Something to mend in an answer, and the message that says what."""

    at: str
    """The id of the control to go to."""
    group: str
    """The name of what the message stands beside: the interaction, or a row of it."""
    message: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reading:
    """A sent answer as a response, and what has to be mended before it is one."""

    response: Mapping[str, list[str]]
    faults: tuple[Fault, ...]


def field_name(response: str, part: str = "") -> str:
    """Return the name of a field (and the beginning of its HTML id)."""
    return f"a.{response}.{part}" if part else f"a.{response}"


def plain(markup: str) -> str:
    """Return HTML as plain text, for places where no markup can stand (``<option>``)."""
    return " ".join(text(markup).split())


def whole_number(entry: TextEntry) -> bool:
    """Return whether the entry wants a whole number."""
    return entry.pattern == "[0-9]+"


def row_may_stay_empty(match: Match, row: Option) -> bool:
    """Return whether a row of the match may have no column: it takes any number, or there are too few."""
    few = 0 < match.maximum < len(match.rows) or _too_few(match.columns, len(match.rows))
    return match.blanks or row.match_max != 1 or few


def _too_few(options: Sequence[Option], places: int) -> bool:
    """Return whether the options, each used as often as it may be, do not fill the places."""
    return all(option.match_max for option in options) and sum(o.match_max for o in options) < places


def read(view: View, sent: Sent) -> Reading:
    """Return the answer that a form holds for the item shown in `view`.

    Values that the item does not offer are ignored: a form of ours cannot send them.
    """
    response: dict[str, list[str]] = {}
    faults: list[Fault] = []
    slots = [part for part in view.parts if isinstance(part, Slot)]
    blanks = [slot.response for slot in slots if isinstance(slot.interaction, InlineChoice)]
    for slot in slots:
        values, found = _READ[type(slot.interaction)](slot.interaction, slot.response, sent)
        response[slot.response] = values
        if len(blanks) > 1 and slot.response in blanks:  # say which one
            number = {"n": blanks.index(slot.response) + 1}
            found = [replace(fault, message="fault.choose_blank", values=number) for fault in found]
        faults.extend(found)
    return Reading(response, tuple(faults))


_Answer = tuple[list[str], list[Fault]]


def _one(sent: Sent, name: str) -> str:
    return next((value.strip() for value in sent.get(name, ()) if value.strip()), "")


def _among(sent: Sent, name: str, ids: Sequence[str]) -> list[str]:
    return [value for value in dict.fromkeys(sent.get(name, ())) if value in ids]


def _fault(response: str, message: str, part: str = "", **values: Any) -> list[Fault]:
    return [Fault(field_name(response, part), field_name(response), message, values)]


def _chosen(response: str, values: list[str], minimum: int, maximum: int) -> _Answer:
    if not values:
        return values, _fault(response, "fault.choose_one" if maximum == 1 else "fault.choose_some", "0")
    if maximum and len(values) > maximum:
        return values, _fault(response, "fault.too_many", "0", n=maximum, got=len(values))
    if len(values) < minimum:
        return values, _fault(response, "fault.too_few", "0", n=minimum, got=len(values))
    return values, []


def _choice(choice: Choice, response: str, sent: Sent) -> _Answer:
    values = _among(sent, field_name(response), [option.id for option in choice.options])
    return _chosen(response, values, choice.minimum, choice.maximum)


def _hotspot(hotspot: Hotspot, response: str, sent: Sent) -> _Answer:
    values = _among(sent, field_name(response), [area.id for area in hotspot.areas])
    return _chosen(response, values, 0, hotspot.maximum)


def _inline(inline: InlineChoice, response: str, sent: Sent) -> _Answer:
    values = _among(sent, field_name(response), [option.id for option in inline.options])[:1]
    return values, [] if values else _fault(response, "fault.choose_one", "0")


def _entry(entry: TextEntry, response: str, sent: Sent) -> _Answer:
    value = _one(sent, field_name(response))
    if whole_number(entry):
        value = _SPACES.sub("", value)
        if value and not (value.isascii() and value.isdigit()):
            return [value], _fault(response, "fault.whole_number", "0")
    return ([value], []) if value else ([], _fault(response, "fault.write", "0"))


def _order(order: Order, response: str, sent: Sent) -> _Answer:
    places: dict[int, str] = {}
    for index, option in enumerate(order.options):
        value = _one(sent, field_name(response, option.id))
        place = int(value) if value.isascii() and value.isdigit() else 0
        if not 1 <= place <= len(order.options):
            return [], _fault(response, "fault.place_missing", str(index))
        if place in places:
            return [], _fault(response, "fault.place_twice", str(index), n=place)
        places[place] = option.id
    return [places[place] for place in sorted(places)], []


def _match(match: Match, response: str, sent: Sent) -> _Answer:
    columns = [column.id for column in match.columns]
    pairs: list[str] = []
    faults: list[Fault] = []
    left = {column.id: column.match_max or len(match.rows) for column in match.columns}
    for index, row in enumerate(match.rows):
        name = field_name(response, row.id)
        chosen = _among(sent, name, columns)
        message: str = ""
        values: dict[str, Any] = {}
        if not chosen and not row_may_stay_empty(match, row):
            message, values = "fault.row", {"row": plain(row.html)}
        elif row.match_max and len(chosen) > row.match_max:
            message, values = "fault.too_many", {"n": row.match_max, "got": len(chosen)}
        for column in match.columns:
            if column.id in chosen:
                left[column.id] -= 1
                if left[column.id] < 0 and not message:
                    message, values = "fault.used_twice", {"what": plain(column.html)}
        if message:
            faults.append(Fault(field_name(response, f"{index}.0"), name, message, values))
        pairs.extend(f"{row.id} {column}" for column in chosen)
    if not pairs and not faults:
        faults = _fault(response, "fault.choose_some", "0.0")
    if match.maximum and len(pairs) > match.maximum:
        faults = _fault(response, "fault.too_many", "0.0", n=match.maximum, got=len(pairs))
    return pairs, faults


def _gaps(gaps: GapMatch, response: str, sent: Sent) -> _Answer:
    texts = {option.id: option for option in gaps.options}
    pairs: list[str] = []
    used: dict[str, int] = {}
    blanks = gaps.blanks or _too_few(gaps.options, len(gaps.gaps))
    for index, gap in enumerate(gaps.gaps):
        chosen = _one(sent, field_name(response, gap))
        if blanks and not chosen:
            continue
        if chosen not in texts:
            return pairs, _fault(response, "fault.gap", str(index), n=index + 1)
        used[chosen] = used.get(chosen, 0) + 1
        limit = texts[chosen].match_max
        if limit and used[chosen] > limit:
            return pairs, _fault(response, "fault.used_twice", str(index), what=plain(texts[chosen].html))
        pairs.append(f"{chosen} {gap}")
    return pairs, [] if pairs else _fault(response, "fault.gap", "0", n=1)


def _point(point: SelectPoint, response: str, sent: Sent) -> _Answer:
    """Two numbers from 0 to 100 a point: how far from the left and from the top of the picture."""
    points: list[str] = []
    for index in range(max(1, point.maximum)):
        across = _one(sent, field_name(response, f"{index}.x"))
        down = _one(sent, field_name(response, f"{index}.y"))
        if not across and not down:
            continue
        part = f"{index}.{'y' if across else 'x'}"
        if not (across and down):
            return points, _fault(response, "fault.point_half", part)
        x, y = percent(across), percent(down)
        if x is None or y is None:
            return points, _fault(response, "fault.point_range", f"{index}.{'x' if x is None else 'y'}")
        points.append(f"{round(x * point.image.width / 100)} {round(y * point.image.height / 100)}")
    return points, [] if points else _fault(response, "fault.point", "0.x")


def percent(typed: str) -> float | None:
    """Return a coordinate from 0 to 100, or None when the text is none."""
    try:
        value = float(typed.replace(",", "."))
    except ValueError:
        return None
    return value if 0 <= value <= 100 else None


_READ: Mapping[type, Callable[[Any, str, Sent], _Answer]] = {
    Choice: _choice,
    Order: _order,
    Match: _match,
    InlineChoice: _inline,
    TextEntry: _entry,
    Hotspot: _hotspot,
    SelectPoint: _point,
    GapMatch: _gaps,
}
