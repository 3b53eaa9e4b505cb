"""A response as it comes from outside: what may be stored of it, and the category that it earns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from api.catalogue.live import LiveTest
from api.problems import Problem
from cat_engine.errors import InputError
from item_bank import scoring

__all__ = ["category", "checked"]

MAX_VALUES = 64
MAX_VALUE_LENGTH = 2_000


def checked(response: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Return a response as it is stored.

    Raises
    ------
    Problem
        ``invalid_response``
    """
    count = sum(len(values) for values in response.values())
    if len(response) > MAX_VALUES or count > MAX_VALUES:
        raise Problem("invalid_response", f"Send at most {MAX_VALUES} values.")
    clean = {}
    for name, values in response.items():
        if not name.isascii() or any(
            len(value) > MAX_VALUE_LENGTH or "\0" in value for value in (name, *values)
        ):
            raise Problem("invalid_response", f"Send values of at most {MAX_VALUE_LENGTH} characters.")
        try:
            clean[name] = [value.encode().decode() for value in values]
        except UnicodeEncodeError:
            raise Problem("invalid_response", "Send text in valid Unicode.") from None
    return clean


def category(test: LiveTest, item: str, response: Mapping[str, Sequence[str]], language: str) -> int | str:
    """Return the category that a response earns, or ``omitted``.

    Raises
    ------
    Problem
        ``invalid_response``
    """
    try:
        if scoring.is_omitted(response):
            return "omitted"
        return scoring.category(test.item(item), response, language)
    except (InputError, ValueError) as error:
        raise Problem("invalid_response", str(error)) from error
