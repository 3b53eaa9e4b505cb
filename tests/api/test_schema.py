"""A stranger's tool tries every operation of a running server, in every role, with all its checks.

``make schema`` is the long form. The document's links are followed one by one, from the tests to a result.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.api.browser import Browser
from tests.api.desk import bearer
from tests.api.stranger.broken import PROMISES
from tests.api.stranger.links import Step, Walk
from tests.api.stranger.place import PEERS, ROLES, Place, broken
from tests.api.stranger.tool import REACHES, Run, as_peers, as_role, run

EXAMPLES = 2
LESS = {
    "nobody": tuple(word for name in sorted(REACHES["nobody"]) for word in ("--include-operation-id", name)),
    "candidate": ("--include-tag", "Sittings"),
    "viewer": ("--include-path-regex", "sittings/current(/media|$)"),
    "graduate": ("--include-tag", "Sittings"),
    "secret": ("--include-tag", "Access", "--phases", "examples,coverage,fuzzing"),  # no reply leads on
    "results-read": ("--include-tag", "Results"),
    "invitations-write": ("--include-tag", "Tests", "--include-tag", "Invitations"),
    "webhooks-write": ("--include-tag", "Webhooks"),
    "sittings-supervise": ("--include-tag", "Supervision"),
    "sections-run": ("--include-tag", "1EdTech CAT 1.0"),
}
"""What the short form leaves to the long one: who may do one thing alone tries that."""


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: it is the interface that is tried."""
    return sqlite_url


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Run]]]:
    """A run in each role, two at a time; they share a server and no organisation."""
    with Place.open(tmp_path_factory.mktemp("stranger")) as place, ThreadPoolExecutor(2) as several:
        yield {role: several.submit(as_role, place, role, EXAMPLES, *LESS.get(role, ())) for role in ROLES}
        several.shutdown(cancel_futures=True)


@pytest.mark.parametrize("role", ROLES)
def test_every_check_holds(runs: dict[str, Future[Run]], role: str) -> None:
    done = runs[role].result()
    assert done.status == 0, done.text
    assert REACHES[role] <= done.done, f"{role} never did {REACHES[role] - done.done}"
    assert role in LESS or len(done.reached) >= 33


def test_a_broken_promise_is_found(tmp_path: Path) -> None:
    promises = ("status", "body", "door")
    with Place.open(tmp_path, broken(*promises), PEERS) as place:
        words = [
            word
            for path in ("/api/v1/tests", "/.well-known/jwks.json", "/api/v1/results.csv")
            for word in ("--include-path", path)
        ]
        header = f"Authorization: {place.shown('everything')}"
        done = run(place, "broken", EXAMPLES, "-H", header, "--phases", "examples,coverage", *words)
    assert done.status == 1
    for promise in promises:
        assert PROMISES[promise][1] in done.text, done.text


def test_what_is_shown_to_another_organisation_is_found(tmp_path: Path) -> None:
    with Place.open(tmp_path, broken("walls"), PEERS) as place:
        done = as_peers(place, 5, "--phases", "stateful", "--include-path-regex", "results")
    assert done.status == 1
    assert PROMISES["walls"][1] in done.text, done.text


def test_every_link_leads_on(client: Browser) -> None:
    scopes = "results:read invitations:write webhooks:write sittings:supervise sections:run"
    walk = Walk(client, client.get("/openapi.json").json(), bearer(client, scopes))

    def go(step: Step, *names: str) -> Step:
        for name in names:
            step = walk.follow(step, name)
            assert step.status < 300, (name, step)
        return step

    tests = walk.start("read_tests")
    sitting = go(tests, "invite", "read", "enter", "read", "interrupt", "resume", "read", "answer")
    sitting = go(sitting, "read", "answer", "interrupt", "resume", "answer")
    while sitting.content["phase"] == "item":
        sitting = go(sitting, "answer")
    go(sitting, "credential")
    go(sitting, "read", "credential")

    entered = go(tests, "invite", "enter")
    go(entered, "answer")
    go(entered, "interrupt", "resume")
    supervised = go(entered, "supervise")
    assert walk.follow(supervised, "decide").status == 409  # it waits for no decision
    go(supervised, "set_aside", "read")
    go(go(entered, "supervise"), "set_aside", "end", "read")
    go(tests, "invite", "enter")
    go(walk.start("open_sittings"), "read", "end")

    results = walk.start("read_results")
    assert len(go(results, "read", "credential").content["result"]["levels"]) == 2
    go(results, "credential")
    go(results, "badge")
    go(results, "read", "badge")
    go(results, "next")

    hook = {"url": "https://hr.example.org/acquis"}
    registered = walk.start("register_webhook", hook)
    go(registered, "renew")
    go(registered, "remove")
    walk.start("register_webhook", hook)
    go(walk.start("read_webhooks"), "remove")

    section = go(tests, "section")
    go(section, "session", "end")
    go(section, "read", "session", "submit", "submit", "end")
    go(section, "read", "end")
    go(go(tests, "section"), "end")

    missing = walk.links() - walk.followed
    assert missing == {("decide", 200, "read"), ("decide", 200, "end")}
