"""From a response to a category, on the server.

References
----------
1EdTech (2022). QTI 3.0 Assessment, Section and Item information model: the templates match_correct,
map_response and map_response_point.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence

from cat_engine.errors import InputError
from item_bank.content import Content, Item, Response
from item_bank.mapping import inside, is_correct, mapped
from item_bank.processing import evaluate

__all__ = ["category", "inside", "is_omitted", "score"]

_NEAR = 1e-6
"""A score this little under a category's worth earns it: files write thirds with some decimals."""

_LONGEST = 10_000
"""Characters of one value; a control that we show never sends more."""


def is_omitted(response: Mapping[str, Sequence[str]]) -> bool:
    """Return whether nothing at all was answered."""
    return not any(value.strip() for values in response.values() for value in values)


def category(item: Item, response: Mapping[str, Sequence[str]], language: str) -> int:
    """Return the category (0 .. n_cat - 1) that `response` earns on `item`.

    Whether nothing was answered is for :func:`is_omitted` to say, and for the design to score.

    Raises
    ------
    InputError
        When the response names a variable that the item has not got, holds too many values, or a point
        that is no two numbers.
    """
    worth = score(item.versions[language], response)
    return max(0, bisect_right(item.scores, worth + _NEAR) - 1)


def score(content: Content, response: Mapping[str, Sequence[str]]) -> float:
    """Return the raw score of `response` (QTI's SCORE)."""
    unknown = sorted(set(response) - set(content.responses))
    if unknown:
        raise InputError(
            f"expected responses for {', '.join(content.responses)}, got '{unknown[0]}' as well; "
            "send the identifiers that the item was shown with"
        )
    given = {name: _values(r, response.get(name, ())) for name, r in content.responses.items()}
    if content.processing == "rules" and content.rules is not None:
        return evaluate(content.rules, content.responses, given)
    if content.processing == "match_correct":
        return float(all(is_correct(r, given[name]) for name, r in content.responses.items()))
    return float(sum(mapped(r, given[name]) for name, r in content.responses.items() if given[name]))


def _values(response: Response, values: Sequence[str]) -> tuple[str, ...]:
    filled = tuple(value.strip() for value in values if value.strip())
    if response.cardinality == "single" and len(filled) > 1:
        raise InputError(f"expected one value, got {len(filled)}: {', '.join(filled)}; send one")
    if any(len(value) > _LONGEST for value in filled):
        raise InputError(f"expected values of at most {_LONGEST:,} characters, got a longer one; shorten it")
    if response.base_type == "point":
        for value in filled:
            _point(value)
    return filled


def _point(value: str) -> None:
    try:
        x, y = (float(part) for part in value.split())
        if not abs(x) + abs(y) < float("inf"):
            raise ValueError
    except ValueError:
        raise InputError(
            f"expected a point as two numbers ('102 113'), got '{value[:40]}'; send its coordinates"
        ) from None
