"""Raw answers and a key: score them, and keep the options for what distractors do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from cat_engine.errors import InputError
from item_bank.layout import PLAIN, Layout, is_long
from item_bank.responses import MISSING, Responses
from item_bank.tabular import listed, read_table, separator_of

__all__ = ["RawOptions", "read_key", "read_options"]


class RawOptions:
    """The options that persons chose, before scoring.

    Attributes
    ----------
    items
        Names of the columns.
    rows
        One row a person, in the order of the responses; ``""`` where nothing was chosen.
    key
        The right option of each item.
    """

    def __init__(self, items: Sequence[str], rows: Sequence[Sequence[str]], key: Mapping[str, str]) -> None:
        self.items = list(items)
        self.rows = rows
        self.key = dict(key)


def read_key(path: str | Path, items: list[str]) -> dict[str, str]:
    """Read the right option of each item.

    Parameters
    ----------
    path
        Columns ``item,key``; or a single line of as many keys as there are items, in their order; or such a
        line under a header of item ids.

    Raises
    ------
    InputError
        When an item has no key, or the file holds something else.
    """
    path = Path(path)
    try:
        lines = [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError):
        raise InputError(
            f"expected a key file, got none that can be read at {path}; check the path"
        ) from None
    if len(lines) == 1:
        separator = separator_of(lines[0])
        keys = [word.strip().strip('"') for word in lines[0].split(separator)]
        if len(keys) != len(items):
            raise InputError(
                f"expected {len(items)} keys on the line of {path}, one an item, got {len(keys)}; complete it"
            )
        return dict(zip(items, keys, strict=True))
    table = read_table(path)
    if table.height == 1 and "key" not in table.names:
        key = {name: table.texts(name)[0] for name in table.names}
    else:
        key = dict(zip(table.texts("item"), table.texts("key"), strict=True))
    missing = [item for item in items if not key.get(item)]
    if missing:
        raise InputError(
            f"expected a key for every item in {path}, got none for '{missing[0]}'; add it, or say "
            f"--leave-out {missing[0]}"
        )
    return key


def read_options(
    path: str | Path,
    key: str | Path,
    layout: Layout = PLAIN,
    known: Mapping[str, Sequence[int]] | None = None,
) -> tuple[Responses, RawOptions]:
    """Read chosen options and score them: 1 where the key was chosen, 0 for any other option.

    Parameters
    ----------
    path
        Wide CSV or Parquet: a header of item ids, an optional first column ``person``, the options chosen
        as they are (``A``, ``3``, ...); an empty cell is a question that was not asked.
    key
        As in `read_key`.
    layout, known
        As in :func:`item_bank.responses.read_responses`.

    Raises
    ------
    InputError
        The file is long or has no items, or nobody ever chose the key.
    """
    table = layout.of(read_table(path))
    if is_long(table.names):
        raise InputError(
            f"expected one row a person and one column an item to score by a key, got one response a row in "
            f"{path}; make it wide"
        )
    items = [name for name in table.names if name != "person"]
    if not items:
        raise InputError(f"expected at least one item in {path}, got the column 'person' alone; add items")
    right = read_key(key, items)
    columns = [table.answers(name) for name in items]
    matrix = np.full((table.height, len(items)), MISSING, np.int8)
    for j, (item, column) in enumerate(zip(items, columns, strict=True)):
        chosen = np.array(column)
        matrix[:, j] = np.where(chosen == "", MISSING, chosen == right[item])
    if not (matrix == 1).any():
        given = sorted({text for column in columns for text in column if text})
        raise InputError(
            f"expected answers written as in the key {key} ({listed(sorted(set(right.values())))}), got "
            f"{listed(given)} in {path}; write both alike, small letters or capitals"
        )
    persons = table.texts("person") if "person" in table.names else None
    rows = list(zip(*columns, strict=True))
    return Responses.from_dense(matrix, items, persons, known=known), RawOptions(items, rows, right)
