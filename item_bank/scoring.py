"""From a response to a category, on the server: QTI's standard response processing.

References
----------
1EdTech (2022). QTI 3.0 Assessment, Section and Item information model: the templates match_correct,
map_response and map_response_point.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Mapping, Sequence

from cat_engine.errors import InputError
from item_bank.content import Area, Content, Item, Mapped, Response

__all__ = ["category", "inside", "is_omitted", "score"]


def is_omitted(response: Mapping[str, Sequence[str]]) -> bool:
    """Return whether nothing at all was answered."""
    return not any(value.strip() for values in response.values() for value in values)


def category(item: Item, response: Mapping[str, Sequence[str]], language: str) -> int:
    """Return the category (0 .. n_cat - 1) that `response` earns on `item`.

    Whether nothing was answered is for :func:`is_omitted` to say, and for the design to score.

    Raises
    ------
    InputError
        When the response names a variable that the item has not got, or holds too many values.
    """
    worth = score(item.versions[language], response)
    return max(0, bisect_right(item.scores, worth + 1e-9) - 1)


def score(content: Content, response: Mapping[str, Sequence[str]]) -> float:
    """Return the raw score of `response` (QTI's SCORE)."""
    unknown = sorted(set(response) - set(content.responses))
    if unknown:
        raise InputError(
            f"expected responses for {', '.join(content.responses)}, got '{unknown[0]}' as well; "
            "send the identifiers that the item was shown with"
        )
    given = {name: _values(r, response.get(name, ())) for name, r in content.responses.items()}
    if content.processing == "match_correct":
        return float(all(_correct(r, given[name]) for name, r in content.responses.items()))
    return float(sum(_mapped(r, given[name]) for name, r in content.responses.items()))


def _values(response: Response, values: Sequence[str]) -> tuple[str, ...]:
    filled = tuple(value.strip() for value in values if value.strip())
    if response.cardinality == "single" and len(filled) > 1:
        raise InputError(f"expected one value, got {len(filled)}: {', '.join(filled)}; send one")
    return filled


def _correct(response: Response, values: tuple[str, ...]) -> bool:
    key = [_normal(response, value) for value in response.correct]
    given = [_normal(response, value) for value in values]
    return given == key if response.cardinality == "ordered" else sorted(given) == sorted(key)


def _mapped(response: Response, values: tuple[str, ...]) -> float:
    mapping = response.mapping
    if mapping is None:
        return float(_correct(response, values))
    total = sum(_worth(response, mapping, value) for value in dict.fromkeys(values))
    total += _areas(mapping, values)
    if mapping.lower is not None:
        total = max(total, mapping.lower)
    if mapping.upper is not None:
        total = min(total, mapping.upper)
    return total


def _worth(response: Response, mapping: Mapped, value: str) -> float:
    if mapping.areas:
        return 0.0
    sought = _normal(response, value, fold=not mapping.case_sensitive)
    for entry, worth in mapping.values.items():
        if _normal(response, entry, fold=not mapping.case_sensitive) == sought:
            return worth
    return mapping.default


def _areas(mapping: Mapped, values: tuple[str, ...]) -> float:
    """Each area counts once, however many points fall into it (QTI map_response_point)."""
    if not mapping.areas:
        return 0.0
    points = [tuple(float(number) for number in value.split()) for value in values]
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


def _normal(response: Response, value: str, fold: bool = False) -> str:
    """Bring a value to the form in which it is compared."""
    match response.base_type:
        case "integer" | "float":
            try:
                return repr(float(value.replace(",", ".").replace("\u202f", "").replace(" ", "")))
            except ValueError:
                return value
        case "pair":
            return " ".join(sorted(value.split()))
        case "string":
            text = " ".join(unicodedata.normalize("NFC", value).split())
            return text.casefold() if fold else text
        case _:
            return " ".join(value.split())
