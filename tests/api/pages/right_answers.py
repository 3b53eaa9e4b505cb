"""The form that answers an item rightly, field by field."""

from __future__ import annotations

from item_bank.content import Item, Order

__all__ = ["fields"]


def fields(item: Item, language: str) -> list[tuple[str, str]]:
    """Return the names and values of the form's fields that answer `item` rightly."""
    content = item.versions[language]
    found = []
    for name, response in content.responses.items():
        if isinstance(content.interactions[name], Order):
            found += [(f"a.{name}.{id}", str(place)) for place, id in enumerate(response.correct, start=1)]
        elif response.base_type == "directedPair":
            found += [(f"a.{name}.{row}", column) for row, column in map(str.split, response.correct)]
        else:
            found += [(f"a.{name}", value) for value in response.correct]
    return found
