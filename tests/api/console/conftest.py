"""Passwords that cost next to nothing, so that tests may sign in often."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher

from api.accounts import passwords


@pytest.fixture(autouse=True)
def cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash with as little memory and time as argon2id allows."""
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "_HASHER", cheap)
