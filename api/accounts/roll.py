"""A list of people to invite, as a table that somebody copied out of a spreadsheet or a file.

Columns by their names, in English or French, in any order; between cells tabs, semicolons or commas. What is
wrong is said line by line, so that somebody can mend it.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cat_engine.errors import InputError

__all__ = ["COLUMNS", "MOST", "Line", "legible", "read_roll", "whole_number"]

COLUMNS = ("identifier", "identifier_type", "family_name", "given_name", "extra_time_percent", "need")
"""How an organisation names a person, and what was agreed on with them."""

MOST = 1_000
"""People on one list."""

_FRENCH = {
    "identifiant": "identifier",
    "matricule": "identifier",
    "type": "identifier_type",
    "type_identifiant": "identifier_type",
    "nom": "family_name",
    "nom_de_famille": "family_name",
    "prenom": "given_name",
    "temps_supplementaire": "extra_time_percent",
    "besoin": "need",
}
_LONGEST = {"identifier": 100, "family_name": 200, "given_name": 200, "need": 200}
_TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_TYPE = re.compile("[a-z_]{1,20}")


@dataclass(frozen=True, slots=True)
class Line:
    """One person of the list.

    Attributes
    ----------
    number
        Of the line, the heading being the first.
    faults
        What is wrong: a short name, and what it is about.
    """

    number: int
    identifier: str | None = None
    identifier_type: str | None = None
    family_name: str | None = None
    given_name: str | None = None
    extra_time_percent: int = 0
    need: str | None = field(default=None, repr=False)
    faults: tuple[tuple[str, Mapping[str, Any]], ...] = ()


def read_roll(text: str, needs: tuple[str, ...] | None = None) -> list[Line]:
    """Return the people that a table names, each with what is wrong with it.

    Parameters
    ----------
    needs
        What the test is offered for; None: not looked at.

    Raises
    ------
    InputError
        When it is no such table at all.
    """
    text = text.removeprefix("\ufeff")
    heading = text.lstrip("\r\n").partition("\n")[0]
    between = max("\t;,", key=heading.count)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=between, strict=True))
    except csv.Error as error:
        raise InputError(
            f"expected a table, got one that cannot be read: {error}; check its quotes"
        ) from None
    numbered = [(n, row) for n, row in enumerate(rows, 1) if any(cell.strip() for cell in row)]
    if not numbered:
        raise InputError("expected a table of people, got an empty one; its first line names the columns")
    names = [_column(cell) for cell in numbered[0][1]]
    unknown = [cell for cell, name in zip(numbered[0][1], names, strict=True) if name not in COLUMNS]
    if unknown or len(set(names)) < len(names):
        got = ", ".join(f"'{cell.strip()}'" for cell in unknown) or "one of them twice"
        raise InputError(f"expected columns among {', '.join(COLUMNS)}, got {got}; rename them")
    if len(numbered) - 1 > MOST:
        raise InputError(f"expected at most {MOST} people, got {len(numbered) - 1}; part the list")
    seen: dict[tuple[str, str], int] = {}
    return [_line(number, names, row, needs, seen) for number, row in numbered[1:]]


def whole_number(text: str, least: int, most: int) -> int | None:
    """Return the number that somebody typed; None where it is none, or not between the bounds."""
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        return None
    return int(text) if least <= int(text) <= most else None


def legible(text: str) -> bool:
    """Return whether a text reads as it is stored: no control characters, none that turn its direction."""
    return not any(unicodedata.category(sign) == "Cc" or sign in _TURNS for sign in text)


def _column(cell: str) -> str:
    """Return a heading as a name: without accents, capitals, and what stands in brackets."""
    plain = unicodedata.normalize("NFKD", cell.partition("(")[0].strip().lower())
    name = "_".join("".join(c for c in plain if not unicodedata.combining(c)).replace("-", " ").split())
    return _FRENCH.get(name, name)


def _line(
    number: int,
    names: list[str],
    row: list[str],
    needs: tuple[str, ...] | None,
    seen: dict[tuple[str, str], int],
) -> Line:
    cells = dict(zip(names, (" ".join(cell.split()) for cell in row), strict=False))
    faults: list[tuple[str, Mapping[str, Any]]] = []
    if len(row) > len(names) and any(cell.strip() for cell in row[len(names) :]):
        faults.append(("cells", {"n": len(names)}))
    for name, longest in _LONGEST.items():
        if len(cells.get(name, "")) > longest:
            faults.append(("long", {"column": name, "n": longest}))
    if not any(cells.get(name) for name in ("identifier", "family_name", "given_name")):
        faults.append(("nobody", {}))
    kind = cells.get("identifier_type", "")
    if kind and not _TYPE.fullmatch(kind):
        faults.append(("type", {}))
    if not all(map(legible, cells.values())):
        faults.append(("characters", {}))
    extra = whole_number(cells.get("extra_time_percent", "").removesuffix("%").strip() or "0", 0, 200)
    if extra is None:
        faults.append(("extra", {}))
    need = cells.get("need") or None
    if need is not None and needs is not None and need not in needs:
        faults.append(("need", {}))
    identifier = cells.get("identifier", "")
    if identifier:
        first = seen.setdefault((kind, identifier), number)
        if first != number:
            faults.append(("twice", {"line": first}))
    return Line(
        number,
        identifier or None,
        kind or None,
        cells.get("family_name") or None,
        cells.get("given_name") or None,
        extra or 0,
        need,
        tuple(faults),
    )
