"""Raw answers and a key: score them, and keep the options for what distractors do."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from calibration.report.findings import RawOptions
from cat_engine.errors import InputError
from item_bank.responses import MISSING, Responses
from item_bank.tabular import read_table

__all__ = ["read_key", "read_options"]


def read_key(path: str | Path, items: list[str]) -> dict[str, str]:
    """Read the right option of each item.

    Parameters
    ----------
    path
        Columns ``item,key``; or a single line of as many keys as there are items, in their order.

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
        separator = max(",;\t", key=lines[0].count)
        keys = [word.strip().strip('"') for word in lines[0].split(separator)]
        if len(keys) != len(items):
            raise InputError(
                f"expected {len(items)} keys on the line of {path}, one an item, got {len(keys)}; complete it"
            )
        return dict(zip(items, keys, strict=True))
    table = read_table(path)
    key = dict(zip(table.texts("item"), table.texts("key"), strict=True))
    missing = [item for item in items if not key.get(item)]
    if missing:
        raise InputError(
            f"expected a key for every item in {path}, got none for '{missing[0]}'; add it, or leave the "
            "item out of the responses"
        )
    return key


def read_options(path: str | Path, key: str | Path) -> tuple[Responses, RawOptions]:
    """Read chosen options and score them: 1 where the key was chosen, 0 for any other option.

    Parameters
    ----------
    path
        Wide CSV or Parquet: a header of item ids, an optional first column ``person``, the options chosen
        as they are (``A``, ``3``, ...); an empty cell is a question that was not asked.
    key
        As in `read_key`.
    """
    table = read_table(path)
    items = [name for name in table.names if name != "person"]
    if not items:
        raise InputError(f"expected at least one item in {path}, got the column 'person' alone; add items")
    right = read_key(key, items)
    columns = [table.texts(name) for name in items]
    matrix = np.full((table.height, len(items)), MISSING, np.int8)
    for j, (item, column) in enumerate(zip(items, columns, strict=True)):
        chosen = np.array(column)
        matrix[:, j] = np.where(chosen == "", MISSING, chosen == right[item])
    persons = table.texts("person") if "person" in table.names else None
    rows = list(zip(*columns, strict=True))
    return Responses.from_dense(matrix, items, persons), RawOptions(items, rows, right)
