"""catR's banks and reference values, as the tests read them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from cat_engine.answers import Answers
from cat_engine.pool import ItemPool
from item_bank.r_tables import read_catr

DICHOTOMOUS = ("b1pl", "b2pl", "b3pl", "b4pl")
POLYTOMOUS = ("GRM", "GRMmix", "MGRM", "GPCM", "GPCMmix", "PCM", "RSM", "NRM")
BANKS = (*DICHOTOMOUS, *POLYTOMOUS)


def bank(reference: Path, name: str) -> ItemPool:
    """Return one of catR's banks."""
    size = 200 if name in DICHOTOMOUS else 100
    return read_catr(reference / "cat" / f"bank_{name}_{size}.csv").pool()


def values(reference: Path, file: str) -> dict[str, Any]:
    """Return what stands under ``res`` in one of the files."""
    return dict(json.loads((reference / "cat" / f"{file}.json").read_text())["res"])


def answers(case: dict[str, Any]) -> Answers:
    """Return the answers of one case, whose items count from 1."""
    item = np.atleast_1d(case["items"]) - 1
    return Answers.from_sparse([0, len(item)], item, np.atleast_1d(case["x"]))
