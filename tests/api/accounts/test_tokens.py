"""Access tokens last by the database's clock, whatever a worker's own says."""

from __future__ import annotations

import datetime
import time
from typing import Any

import pytest

from api.accounts.clients import LIFETIME
from api.database.clock import BACK, DatabaseClock
from api.sittings.timing import SECOND
from tests.api.browser import Browser
from tests.api.desk import bearer, runtime_of


def status(client: Browser, headers: dict[str, str]) -> int:
    """Ask for something that only a client may see."""
    return client.get("/api/v1/results", headers=headers).status_code


@pytest.mark.parametrize("wrong", [-3600, 3600])
def test_a_worker_whose_clock_is_wrong_takes_the_tokens_that_others_take(
    client: Browser, monkeypatch: pytest.MonkeyPatch, wrong: int
) -> None:
    """Its own clock is put wrong between the making of a token and its use, as between two workers."""
    before = bearer(client, "results:read")
    real = time.time

    class Wrong(datetime.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.datetime.fromtimestamp(real() + wrong, tz)

    monkeypatch.setattr("time.time", lambda: real() + wrong)
    monkeypatch.setattr("jwt.api_jwt.datetime", Wrong)
    made_wrong = bearer(client, "results:read")
    assert (status(client, before), status(client, made_wrong)) == (200, 200)
    monkeypatch.undo()
    assert (status(client, before), status(client, made_wrong)) == (200, 200)


def test_a_token_lasts_by_the_clock_of_the_database(client: Browser) -> None:
    runtime = runtime_of(client)
    token = bearer(client, "results:read")
    runtime.skew = (LIFETIME - 60) * SECOND
    assert status(client, token) == 200
    runtime.skew = LIFETIME * SECOND
    assert status(client, token) == 401
    runtime.clock.forget()
    assert status(client, token) == 401
    assert status(client, bearer(client, "results:read")) == 200


def test_the_nearest_reading_of_the_clock_counts_unless_it_was_put_back() -> None:
    clock = DatabaseClock()

    def shows(now: int) -> bool:
        shown = clock.now()
        return shown is not None and abs(shown - now) < SECOND

    hour = 3600 * SECOND
    clock.heard(10 * hour)
    assert shows(10 * hour)
    clock.heard(10 * hour - 8 * SECOND)  # the longest that anybody waits for a reply
    assert shows(10 * hour)
    clock.heard(11 * hour)
    assert shows(11 * hour)
    clock.heard(11 * hour - BACK - SECOND)
    assert shows(11 * hour - BACK - SECOND)
