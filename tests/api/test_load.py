"""What `make load` looks up, one by one, in the database after it."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from api.database.plans import Commit, Plan, Query
from benchmarks.load.exam import missing
from benchmarks.load.offered import Acknowledged, Candidate
from tests.api.browser import Browser
from tests.api.desk import answer, call, enter, invite, runtime_of

ANSWERED = Query(text("SELECT session_id, idempotency_key FROM event WHERE kind = 'answered'"))
SERVED = Query(text("SELECT session_id, body FROM event WHERE kind = 'item_served'"))
FINISHED = Query(text("SELECT session_id, kind FROM event WHERE kind = 'finished'"))


def _log() -> Plan[list[list[tuple[str, str]]]]:
    rows = yield [ANSWERED(), SERVED(), FINISHED()]
    return Commit(rows)  # type: ignore[arg-type]


def test_what_was_acknowledged_is_found_and_what_is_not_there_is_named(client: Browser) -> None:
    headers, sitting = enter(client, invite(client))
    token = headers["Authorization"].removeprefix("Bearer ")
    begun = Candidate(token, sitting["handle"])
    told = []
    while sitting["phase"] == "item":
        after = answer(client, headers, sitting).json()
        told.append(Acknowledged(token, sitting["handle"], after["handle"]))
        sitting = after
    log = call(client, runtime_of(client).read, _log)
    assert missing(told, [begun], *log) == []

    name = f"sitting {sitting['sitting']}:"
    last, first = told[-1], told[0]
    assert last.next is None
    answered, served, finished = log
    for damaged, lost in (
        (([row for row in answered if row[1] != first.answered], served, finished), "the answer to"),
        ((answered, [row for row in served if str(first.next) not in row[1]], finished), "the question"),
        ((answered, served, []), "its end"),
        ((answered, [row for row in served if begun.handle not in row[1]], finished), "its beginning"),
    ):
        (found,) = missing(told, [begun], *damaged)
        assert found.startswith(f"{name} {lost}")


@pytest.mark.parametrize("token", ["none.x", "x.none"])
def test_a_sitting_that_is_not_there_is_missing(token: str) -> None:
    assert len(missing([Acknowledged(token, "a", "b")], [Candidate(token, "a")], [], [], [])) == 2
