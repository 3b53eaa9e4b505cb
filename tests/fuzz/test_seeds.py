"""The fuzzing corpus is read as the fuzzer reads it, so that what it once found stays found."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.importers import FORMATS, one
from tests.fuzz.seeds import CORPUS

SEEDS = sorted(CORPUS.iterdir())


def test_there_is_a_seed_of_every_format() -> None:
    assert {path.name[0] for path in SEEDS} >= set(FORMATS)


@pytest.mark.parametrize("path", SEEDS, ids=lambda path: path.name)
def test_a_seed_is_accepted_or_refused_in_one_sentence(path: Path) -> None:
    one(path.read_bytes())
