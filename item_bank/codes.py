"""Category codes: counting them, and making them 0, 1, 2, ... where that was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from cat_engine.errors import InputError
from item_bank.tabular import LARGEST, MISSING

__all__ = ["RECODINGS", "category_maps", "coded_counts", "column_counts", "new_codes"]

RECODINGS = ("rank", "shift")
"""How to mend codes: ``rank`` makes an item's codes 0, 1, ... in their order; ``shift`` makes the file's
smallest code 0."""

IDENTIFIER = 10
"""A column of at least so many responses, no two of them alike, numbers the persons and is no item."""

SHOWN = 12
"""Codes that a message lists."""


def column_counts(matrix: np.ndarray, width: int = LARGEST + 1) -> np.ndarray:
    """Return how often each code from 0 to `width` - 1 stands in each column."""
    counts = np.zeros((matrix.shape[1], width), np.int64)
    for j in range(matrix.shape[1]):
        counts[j] = np.bincount(matrix[:, j].view(np.uint8), minlength=256)[:width]
    return counts


def new_codes(codes: list[int]) -> np.ndarray:
    """Old code -> new code, with `MISSING` (the last place, reached as -1) kept."""
    table = np.full(256, MISSING, np.int8)
    table[codes] = np.arange(len(codes), dtype=np.int8)
    return table


def coded_counts(counts: np.ndarray, maps: Mapping[int, list[int]], n_cat: np.ndarray) -> np.ndarray:
    """Return the counts of new codes from those of old ones."""
    out = np.zeros((len(n_cat), int(n_cat.max())), np.int64)
    for j, row in enumerate(counts):
        used = row[maps[j]] if j in maps else row[: int(n_cat[j])]
        out[j, : len(used)] = used
    return out


def category_maps(
    items: list[str],
    counts: np.ndarray,
    recode: str | None,
    known: Mapping[str, Sequence[int]] | None,
    where: str,
) -> tuple[dict[int, list[int]], np.ndarray]:
    """Return the codes to replace, by item position, and the number of categories of each item."""
    seen = [np.flatnonzero(row).tolist() for row in counts]
    settled = None if known is None else _settled(items, known, where)
    lowest = min((codes[0] for codes in seen if codes), default=0)
    highest = max((codes[-1] for codes in seen if codes), default=0)
    maps: dict[int, list[int]] = {}
    n_cat = np.full(len(items), 2, np.int64)
    for j, codes in enumerate(seen):
        if settled is not None and (recode is None or not _plain(settled[j])):
            _refuse_others(items[j], codes, settled[j], where)
            if not _plain(settled[j]):
                maps[j] = settled[j]
            n_cat[j] = len(settled[j])
            continue
        if not codes:
            continue
        if len(codes) >= IDENTIFIER and counts[j].max() == 1:
            raise InputError(
                f"expected answers to an item in the column '{items[j]}' of {where}, got {len(codes)} "
                f"responses of which no two are alike; say --person {items[j]} if it says who answered, or "
                f"--leave-out {items[j]}"
            )
        if recode == "rank" and len(codes) > 1 and codes != list(range(len(codes))):
            maps[j] = codes
            codes = list(range(len(codes)))
        elif recode == "shift" and lowest > 0:
            maps[j] = list(range(lowest, codes[-1] + 1))
            codes = [code - lowest for code in codes]
        n_cat[j] = max(2, codes[-1] + 1)
        constant = len(codes) == 1 and (highest > codes[0] or codes[0] <= 1 or recode is not None)
        if not constant and codes != list(range(len(codes))):
            wrong = "start above 0" if codes[0] else "have a gap"
            raise InputError(
                f"expected the categories of item '{items[j]}' in {where} to be 0, 1, 2, ... without a gap, "
                f"got {_shown(seen[j])} (they {wrong}); name what stands for a missing response with "
                "--missing, and have the others recoded with --recode"
            )
        if settled is not None:
            _refuse_others(items[j], [int(n_cat[j]) - 1], settled[j], where)
            n_cat[j] = len(settled[j])
    return maps, n_cat


def _settled(items: list[str], known: Mapping[str, Sequence[int]], where: str) -> list[list[int]]:
    """Return the codes of each item, all of which must be known."""
    for name in items:
        if name not in known:
            raise InputError(
                f"expected items that have parameters, got '{name}' in {where} which has none; "
                f"calibrate it, or say --leave-out {name}"
            )
    return [list(known[name]) for name in items]


def _plain(codes: list[int]) -> bool:
    return codes == list(range(len(codes)))


def _refuse_others(item: str, codes: list[int], settled: list[int], where: str) -> None:
    others = [code for code in codes if code not in settled]
    if not others:
        return
    if _plain(settled):
        raise InputError(
            f"expected categories 0 to {settled[-1]} for item '{item}', as in its parameters, "
            f"got {others[-1]} in {where}; correct the responses"
        )
    raise InputError(
        f"expected the codes {_shown(settled)} for item '{item}', its calibration's, got {others[0]} "
        f"in {where}; correct the responses, or say --recode none if they count from 0"
    )


def _shown(codes: list[int]) -> str:
    return ", ".join(map(str, codes[:SHOWN])) + ", ..." * (len(codes) > SHOWN)
