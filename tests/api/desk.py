"""What people at their desks do with the HTTP interface: sit a test, fetch results."""

from __future__ import annotations

from typing import Any

from api.accounts.clients import register
from api.runtime import Runtime
from tests.api.browser import Browser
from tests.api.sample import CODE, ORGANISATION, invited

SECRET = "a-secret-of-the-tests"


def runtime_of(client: Browser) -> Runtime:
    return client.app.state.runtime


def call(client: Browser, function: Any, *args: Any) -> Any:
    """Run a coroutine function in the application's event loop."""
    return client.portal.call(function, *args)


def invite(client: Browser, test: str = CODE, identifier: str | None = "M-1") -> str:
    """Invite someone; return the code."""
    return str(call(client, invited, runtime_of(client), test, identifier).code)


def bearer(client: Browser, scopes: str, organisation: str = ORGANISATION) -> dict[str, str]:
    """Register a client of an organisation and return the header with its access token."""
    id = f"{organisation}-{'-'.join(scopes.split())}".lower().replace(":", "-")
    call(client, runtime_of(client).write, register, organisation, organisation, id, id, SECRET, scopes)
    reply = client.post("/api/v1/oauth/token", data={"grant_type": "client_credentials"}, auth=(id, SECRET))
    assert reply.status_code == 200, reply.text
    return {"Authorization": f"Bearer {reply.json()['access_token']}"}


def enter(client: Browser, code: str) -> tuple[dict[str, str], dict[str, Any]]:
    """Begin or go on; return the header to act with, and the sitting."""
    reply = client.post("/api/v1/sittings", json={"code": code})
    client.cookies.clear()
    assert reply.status_code == 201, reply.text
    return {"Authorization": f"Bearer {reply.json()['token']}"}, reply.json()["sitting"]


def answer(
    client: Browser, headers: dict[str, str], sitting: dict[str, Any], choice: str = "B", key: str = ""
) -> Any:
    """Answer the pending item."""
    return client.post(
        "/api/v1/sittings/current/answers",
        headers={**headers, "Idempotency-Key": key or sitting["handle"]},
        json={"handle": sitting["handle"], "response": {"RESPONSE": [choice]}},
    )


def sit(client: Browser, code: str) -> dict[str, str]:
    """Sit a whole test; return the header that reads its result."""
    headers, sitting = enter(client, code)
    while sitting["phase"] == "item":
        reply = answer(client, headers, sitting)
        assert reply.status_code == 200, reply.text
        sitting = reply.json()
    return headers
