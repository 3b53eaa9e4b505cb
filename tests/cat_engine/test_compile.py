"""Kernels on disk: several processes may compile one for different types at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from numba.core.caching import IndexDataCacheFile

from cat_engine import grid


def loaded_by_a_third(kind: Any, folder: Path) -> Any:
    """Return what a third process finds where one saved its form between two steps of another's saving."""
    mine, theirs, third = (kind(str(folder), "kernel", 0) for _ in range(3))
    write = mine._save_index
    theirs._load_index = dict  # it had looked before we wrote

    def write_and_be_overtaken(index: Any) -> None:
        write(index)
        theirs.save("their types", "their code")

    mine._save_index = write_and_be_overtaken
    mine.save("my types", "my code")
    return {types: third.load(types) for types in ("my types", "their types")}


def test_nothing_is_loaded_for_other_types(tmp_path: Path) -> None:
    kernel: Any = grid._tabulate
    found = loaded_by_a_third(type(kernel._cache._cache_file), tmp_path)
    assert found == {"my types": None, "their types": "their code"}, "what is not found is compiled again"


def test_control_numba_loads_one_for_the_other(tmp_path: Path) -> None:
    if loaded_by_a_third(IndexDataCacheFile, tmp_path)["their types"] == "their code":
        pytest.fail("numba has mended this: cat_engine.compile needs no cache file of its own any more")
