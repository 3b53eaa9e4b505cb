"""An answer gets the same reply with and without the framework, which says what is wrong with its form."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.sittings import quick
from tests.api.browser import Browser
from tests.api.desk import enter, invite

ADDRESS = "/api/v1/sittings/current/answers"


def test_both_ways_reply_alike(client: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    headers, sitting = enter(client, invite(client))
    told = []
    encoded = quick._encoded
    monkeypatch.setattr(quick, "_encoded", lambda value: told.append(value) or encoded(value))
    body = json.dumps({"handle": sitting["handle"], "response": {"RESPONSE": ["B"]}})
    replies = [
        client.post(
            ADDRESS,
            content=body,
            headers=headers | {"Idempotency-Key": "k", "Content-Type": content_type},
        )
        for content_type in ("application/json", "application/json; charset=utf-8")
    ]
    assert len(told) == 1
    assert [reply.status_code for reply in replies] == [200, 200]
    assert replies[0].content == replies[1].content
    assert dict(replies[0].headers) == dict(replies[1].headers)


@pytest.mark.parametrize(
    ("more", "body", "code"),
    [
        ({}, {"handle": "h", "response": {"RESPONSE": ["B"]}, "extra": 1}, "malformed"),
        ({}, {"handle": "h", "response": {"RESPONSE": [1]}}, "malformed"),
        ({"Idempotency-Key": ""}, {"handle": "h", "response": {}}, "malformed"),
        ({"Idempotency-Key": "k" * 201}, {"handle": "h", "response": {}}, "malformed"),
        ({}, {"handle": "h", "response": {}}, "stale"),
        ({"Authorization": "Bearer x.y"}, {"handle": "h", "response": {}}, "unauthenticated"),
    ],
)
def test_what_is_wrong_is_a_problem(client: Browser, more: Any, body: Any, code: str) -> None:
    headers, _ = enter(client, invite(client))
    reply = client.post(ADDRESS, json=body, headers=headers | {"Idempotency-Key": "k"} | more)
    assert reply.json()["code"] == code
    assert reply.headers["content-type"] == "application/problem+json"


def test_metrics_tell_its_route(client: Browser) -> None:
    headers, sitting = enter(client, invite(client))
    client.post(
        ADDRESS,
        json={"handle": sitting["handle"], "response": {}},
        headers=headers | {"Idempotency-Key": "k"},
    )
    assert (
        f'acquis_requests_total{{method="POST",route="{ADDRESS}",status="200"}}'
        in client.get("/metrics").text
    )
    assert "acquis_requests_in_flight 0.0" in client.get("/metrics").text
