"""Fixtures that every part shares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.databases import (  # noqa: F401 - fixtures
    database_url,
    postgres_server,
    postgres_template,
    postgres_url,
    sqlite_template,
    sqlite_url,
    unhurried,
)

# The same examples in every run, however busy the machine is.
settings.register_profile(
    "acquis", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("acquis")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def reference() -> Path:
    """Folder of reference values from established programs, kept beside the checkout.

    Set ``ACQUIS_REFERENCE`` to use another place. The data sets belong to GPL packages, so they are
    not part of this repository.
    """
    folder = Path(os.environ.get("ACQUIS_REFERENCE", ROOT.parent / "shared" / "reference"))
    if not folder.is_dir():
        message = f"the reference values are not at {folder}; set ACQUIS_REFERENCE to their folder"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return folder
