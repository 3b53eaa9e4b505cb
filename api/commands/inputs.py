"""What several commands do with their files: read responses beside parameters, write JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cat_engine.errors import InputError

if TYPE_CHECKING:
    from item_bank.parameters import ParameterSet
    from item_bank.responses import Responses

__all__ = ["responses_for", "write_json"]


def responses_for(path: str, parameters: ParameterSet, recode: str | None) -> Responses:
    """Read responses to items whose parameters are known.

    Without `recode` every category is checked against the item's own; with it the file's codes are mended
    first, as they were for the calibration.
    """
    from cat_engine.pool import ItemPool
    from item_bank.responses import read_responses
    from item_bank.tabular import LARGEST

    if recode is not None:
        return read_responses(path, recode=recode)
    pool = ItemPool.from_rows([row for row in parameters.items if row.get("calibrated") is not False])
    known: dict[str, int] = dict(zip(pool.ids, pool.n_cat.tolist(), strict=True))
    for row in parameters.items:
        known.setdefault(str(row.get("id")), LARGEST + 1)
    return read_responses(path, known=known)


def write_json(path: str, content: Any) -> None:
    """Write `content` as JSON, or say why the file cannot be written."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"expected a file that can be written, got {path} ({error.strerror}); choose another --out"
        ) from None
