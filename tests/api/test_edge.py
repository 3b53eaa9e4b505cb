"""Back-pressure at the real application: who is refused first, and that nobody loses anything by it."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from httpx import Response
from starlette.requests import Request

from api import bodies, edge
from api.app import create_app
from api.commands import serve
from api.gate import Gate
from api.settings import Settings
from api.sittings.replay import replay
from tests.api.browser import Browser, browser
from tests.api.desk import answer, bearer, call, enter, invite, runtime_of
from tests.api.sample import prepare

LIMIT = 10


@pytest.fixture
def client(sqlite_url: str, tmp_path: Path) -> Iterator[Browser]:
    """A worker that takes on ten requests at once, and where nobody waits for a place."""
    settings = Settings(sqlite_url, keys=tmp_path / "keys", in_flight=LIMIT, upkeep=0)
    app = create_app(settings)

    async def held(request: Request) -> dict[str, str]:
        await request.app.state.released.wait()
        return {}

    app.add_api_route("/held", held)
    app.state.gate.patience = 0.0
    with browser(app, settings.base_url) as client:
        client.portal.call(prepare, app.state.runtime)
        yield client


@contextlib.contextmanager
def in_flight(client: Browser, count: int) -> Iterator[None]:
    """`count` requests that the service is busy with while this lasts."""
    gate: Gate = client.app.state.gate

    async def begin() -> list[asyncio.Task[object]]:
        client.app.state.released = asyncio.Event()
        gate.limit = 2 * count  # whatever these are, they are let in
        tasks = [asyncio.create_task(client.http.get("/held")) for _ in range(count)]
        while gate.in_flight < count:
            await asyncio.sleep(0)
        gate.limit = LIMIT
        return tasks  # type: ignore[return-value]

    async def end() -> None:
        client.app.state.released.set()
        await asyncio.gather(*tasks)

    tasks = client.portal.call(begin)
    try:
        yield
    finally:
        client.portal.call(end)
        assert gate.in_flight == 0


@pytest.mark.parametrize(
    ("busy_with", "refused"),
    [
        (4, set()),
        (5, {"report"}),
        (7, {"report"}),
        (8, {"report", "enter"}),
        (9, {"report", "enter"}),
        (10, {"report", "enter", "answer"}),
    ],
)
def test_reports_are_refused_before_entering_and_entering_before_answers(
    client: Browser, busy_with: int, refused: set[str]
) -> None:
    reader = bearer(client, "results:read")
    code, other = invite(client), invite(client)
    headers, sitting = enter(client, code)
    with in_flight(client, busy_with):
        replies = {
            "report": client.get("/api/v1/results", headers=reader),
            "enter": client.post("/api/v1/sittings", json={"code": other}),
            "answer": answer(client, headers, sitting),
        }
        assert client.get("/health").status_code == client.get("/ready").status_code == 200
    assert {kind for kind, reply in replies.items() if reply.status_code == 503} == refused
    for kind, reply in replies.items():
        if kind in refused:
            assert reply.headers["content-type"] == "application/problem+json"
            assert (reply.json()["code"], reply.headers["retry-after"]) == ("busy", "1")
        else:
            assert reply.is_success, reply.text


def test_an_answer_that_was_refused_changed_nothing_and_is_sent_again(client: Browser) -> None:
    headers, sitting = enter(client, invite(client))
    with in_flight(client, LIMIT):
        assert answer(client, headers, sitting).status_code == 503
    assert client.get("/api/v1/sittings/current", headers=headers).json() == sitting
    after = answer(client, headers, sitting)
    assert (after.status_code, after.json()["answered"]) == (200, 1)
    runtime = runtime_of(client)
    found = call(client, runtime.database.read, replay, runtime.tests, sitting["sitting"])
    assert found.holds, found.differences


def test_an_answer_waits_its_turn_and_is_served(client: Browser) -> None:
    gate: Gate = client.app.state.gate
    gate.patience = 60.0
    headers, sitting = enter(client, invite(client))

    async def sent() -> Response:
        address = "/api/v1/sittings/current/answers"
        body = {"handle": sitting["handle"], "response": {"RESPONSE": ["A"]}}
        keyed = headers | {"Idempotency-Key": sitting["handle"]}
        waiting = asyncio.create_task(client.http.post(address, json=body, headers=keyed))
        while not gate.waiting("answer"):
            await asyncio.sleep(0)
        metrics = (await client.http.get("/metrics")).text
        assert 'acquis_requests_waiting{urgency="answer"} 1.0' in metrics
        assert f"acquis_requests_in_flight {LIMIT}.0" in metrics
        client.app.state.released.set()
        return await waiting

    with in_flight(client, LIMIT):
        reply = client.portal.call(sent)
    assert (reply.status_code, reply.json()["answered"]) == (200, 1)
    metrics = client.get("/metrics").text
    assert 'acquis_requests_waiting{urgency="answer"} 0.0' in metrics
    assert "acquis_requests_waiting_seconds 0.0" in metrics


@contextlib.contextmanager
def half_sent(client: Browser, count: int) -> Iterator[list[asyncio.Task[Response]]]:
    """`count` answers of which the first byte has come; the rest comes when this ends."""
    rest = asyncio.Event()
    begun = 0

    async def slow() -> AsyncIterator[bytes]:
        nonlocal begun
        yield b"{"
        begun += 1
        await rest.wait()

    async def begin() -> list[asyncio.Task[Response]]:
        address = "/api/v1/sittings/current/answers"
        tasks = [asyncio.create_task(client.http.post(address, content=slow())) for _ in range(count)]
        while begun < count:
            assert not any(task.done() for task in tasks), "refused before its body came"
            await asyncio.sleep(0)
        return tasks

    async def end() -> None:
        rest.set()
        await asyncio.gather(*tasks)

    tasks = client.portal.call(begin)
    try:
        yield tasks
    finally:
        client.portal.call(end)


def test_who_sends_slowly_keeps_nobody_out(client: Browser) -> None:
    headers, sitting = enter(client, invite(client))
    reader = bearer(client, "results:read")
    client.app.state.gate.patience = 60.0
    with half_sent(client, 3 * LIMIT) as slow:
        assert client.app.state.gate.in_flight == 0
        assert answer(client, headers, sitting).status_code == 200
        assert client.get("/api/v1/results", headers=reader).status_code == 200
        with in_flight(client, LIMIT):
            pass
    told = [task.result().status_code for task in slow]  # whole at last, all at once
    assert told == [401] * 3 * LIMIT


def test_who_sends_no_more_is_not_waited_for(client: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "SECONDS", 0.05)

    async def silent() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    async def told() -> list[Response]:
        address = "/api/v1/sittings/current/answers"
        return await asyncio.gather(*(client.http.post(address, content=silent()) for _ in range(2)))

    for reply in client.portal.call(told):
        assert (reply.status_code, reply.json()["code"]) == (408, "slow_body")
        assert reply.headers["connection"] == "close"
    assert 'status="408"' in client.get("/metrics").text


def test_those_who_are_refused_together_do_not_come_back_together(
    client: Browser, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen = SimpleNamespace(monotonic=lambda: 0.0, perf_counter=time.perf_counter)
    monkeypatch.setattr(edge, "time", frozen)  # the log gets a line a second
    with in_flight(client, LIMIT), caplog.at_level(logging.WARNING, "acquis.request"):
        replies = [client.get("/api/v1/sittings/current") for _ in range(6)]
        page = client.get("/question", headers={"Accept": "text/html"})
    assert [reply.headers["retry-after"] for reply in replies] == ["1", "2", "3"] * 2
    assert (page.status_code, page.headers["retry-after"]) == (503, "1")
    assert page.headers["content-type"].startswith("text/html")
    metrics = client.get("/metrics").text
    assert 'acquis_requests_refused_total{reason="answer"} 7.0' in metrics
    assert 'acquis_requests_total{method="GET",route="other",status="503"} 7.0' in metrics
    assert len([entry for entry in caplog.records if entry.message == "requests are refused"]) == 1


def test_the_limits_of_a_worker_are_options_and_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACQUIS_IN_FLIGHT", "7")
    monkeypatch.setenv("ACQUIS_SITTINGS", "70")
    parser = argparse.ArgumentParser()
    serve.configure(parser)
    args = parser.parse_args(["--in-flight", "3"])
    assert (args.in_flight, args.sittings) == (3, 70)
    assert (args.connections, args.waiting) == (8, 256)
