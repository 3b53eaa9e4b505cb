"""Comparing a response with its key, and what its values are worth by a mapping (QTI's own semantics).

References
----------
1EdTech (2022). QTI 3.0 Assessment, Section and Item information model: ``match``, ``mapResponse``,
``mapResponsePoint``.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence

from item_bank.content import Area, Mapped, Response

__all__ = ["inside", "is_correct", "mapped", "normal", "number"]


def is_correct(response: Response, values: Sequence[str]) -> bool:
    """Return whether `values` equal the key: in order where the response is ordered, as a bag elsewhere."""
    key = [normal(response.base_type, value) for value in response.correct]
    given = [normal(response.base_type, value) for value in values]
    return given == key if response.cardinality == "ordered" else sorted(given) == sorted(key)


def mapped(response: Response, values: Sequence[str]) -> float:
    """Return the sum of what `values` are worth, within the bounds; 1 for the key where there is no mapping.

    A value given twice counts once.
    """
    mapping = response.mapping
    if mapping is None:
        return float(is_correct(response, values))
    total = _areas(mapping, values) if mapping.areas else _entries(response, mapping, values)
    if mapping.lower is not None:
        total = max(total, mapping.lower)
    if mapping.upper is not None:
        total = min(total, mapping.upper)
    return total


def _entries(response: Response, mapping: Mapped, values: Sequence[str]) -> float:
    distinct = {normal(response.base_type, value): value for value in values}
    return float(sum(_worth(response.base_type, mapping, value) for value in distinct.values()))


def _worth(base_type: str, mapping: Mapped, value: str) -> float:
    exact, folded = normal(base_type, value), normal(base_type, value, fold=True)
    for entry, worth in mapping.values.items():
        fold = entry in mapping.caseless
        if normal(base_type, entry, fold) == (folded if fold else exact):
            return worth
    return mapping.default


def _areas(mapping: Mapped, values: Sequence[str]) -> float:
    """Each area counts once, however many points fall into it (QTI map_response_point)."""
    points = [tuple(float(part) for part in value.split()) for value in values]
    total = 0.0
    left = list(points)
    for area, worth in mapping.areas:
        hit = [point for point in left if inside(area, point)]
        if hit:
            total += worth
            left = [point for point in left if point not in hit]
    return total + mapping.default * len(left)


def inside(area: Area, point: tuple[float, ...]) -> bool:
    """Return whether `point` lies in `area` (its border included)."""
    x, y = point
    c = area.coords
    match area.shape:
        case "rect":
            return c[0] <= x <= c[2] and c[1] <= y <= c[3]
        case "circle":
            return (x - c[0]) ** 2 + (y - c[1]) ** 2 <= c[2] ** 2
        case "ellipse":
            return ((x - c[0]) / c[2]) ** 2 + ((y - c[1]) / c[3]) ** 2 <= 1.0
        case "poly":
            return _in_polygon(c, x, y)
        case _:
            return True


def _in_polygon(coords: tuple[float, ...], x: float, y: float) -> bool:
    corners = list(zip(coords[::2], coords[1::2], strict=True))
    odd = False
    for (x1, y1), (x2, y2) in zip(corners, corners[1:] + corners[:1], strict=True):
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            odd = not odd
    return odd


_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?\Z")


def number(value: str) -> float | None:
    """Return a number as people write it (decimal comma or point, blanks between thousands), or None."""
    plain = "".join(value.split()).replace(",", ".")
    figure = float(plain) if _NUMBER.match(plain) else math.inf
    return figure if math.isfinite(figure) else None


def normal(base_type: str, value: str, fold: bool = False) -> str:
    """Return a value in the form in which it is compared; `fold` forgets upper and lower case of texts."""
    match base_type:
        case "integer" | "float":
            figure = number(value)
            return value if figure is None else repr(figure + 0.0)
        case "pair":
            return " ".join(sorted(value.split()))
        case "string":
            plain = " ".join(unicodedata.normalize("NFC", value).split())
            return plain.casefold() if fold else plain
        case _:
            return " ".join(value.split())
