"""A program that invites and does not hear the answer asks again: nobody is invited twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from api.accounts.invitations import renew
from api.accounts.invited import invitations
from api.ids import new_code
from tests.api.browser import Browser
from tests.api.desk import bearer, call, runtime_of
from tests.api.sample import CODE, ORGANISATION

BODY: dict[str, Any] = {"person": {"identifier": "M-9", "family_name": "Durand"}, "test": CODE}


def ask(client: Browser, who: dict[str, str], key: str | None, body: dict[str, Any] = BODY) -> Any:
    """Invite."""
    headers = who if key is None else who | {"Idempotency-Key": key}
    return client.post("/api/v1/invitations", headers=headers, json=body)


def live(client: Browser) -> int:
    """How many invitations of the organisation there are."""
    rows, _ = call(client, runtime_of(client).read, invitations, ORGANISATION, None, "", "", "~")
    return len(rows)


def test_the_same_key_and_request_get_the_same_reply(client: Browser) -> None:
    inviter = bearer(client, "invitations:write")
    first = ask(client, inviter, "a")
    assert first.status_code == 201
    again = ask(client, inviter, "a", BODY | {"days": 30})  # what is left out is the same said
    assert (again.status_code, again.json()) == (201, first.json())
    assert live(client) == 1
    assert client.get(f"/api/v1/invitations/{first.json()['code']}").json()["state"] == "new"


def test_another_key_another_program_or_none_invite_again(client: Browser) -> None:
    inviter, other = (bearer(client, f"invitations:write{more}") for more in ("", " results:read"))
    asked = [(inviter, "a"), (inviter, "b"), (other, "a"), (inviter, None), (inviter, None)]
    replies = [ask(client, who, key).json() for who, key in asked]
    assert len({reply["code"] for reply in replies}) == len({reply["invitation"] for reply in replies}) == 5
    assert len({reply["person"] for reply in replies}) == 1
    assert live(client) == 5


@pytest.mark.parametrize(
    "change", [{"days": 3}, {"extra_time_percent": 33}, {"test": "NONE"}, {"person": {"identifier": "M-8"}}]
)
def test_the_same_key_for_another_request_is_refused(client: Browser, change: dict[str, Any]) -> None:
    inviter = bearer(client, "invitations:write")
    ask(client, inviter, "a")
    reply = ask(client, inviter, "a", BODY | change)
    assert (reply.status_code, reply.json()["code"]) == (409, "key_reused")
    assert live(client) == 1


def test_a_request_that_was_refused_can_be_mended_under_the_same_key(client: Browser) -> None:
    inviter = bearer(client, "invitations:write")
    assert ask(client, inviter, "a", BODY | {"test": "NONE"}).status_code == 404
    assert ask(client, inviter, "a").status_code == 201


def test_a_code_that_was_replaced_is_not_told_again(client: Browser) -> None:
    inviter = bearer(client, "invitations:write")
    made = ask(client, inviter, "a").json()
    call(client, runtime_of(client).write, renew, ORGANISATION, made["invitation"], new_code())
    reply = ask(client, inviter, "a")
    assert (reply.status_code, reply.json()["code"]) == (409, "conflict")
    assert ask(client, inviter, "a", BODY | {"days": 3}).json()["code"] == "key_reused"


def test_asked_at_the_same_moment_one_invitation_is_made(client: Browser) -> None:
    inviter = bearer(client, "invitations:write")
    with ThreadPoolExecutor(6) as threads:
        replies = list(threads.map(lambda _: ask(client, inviter, "a"), range(6)))
    told = [reply.json() for reply in replies if reply.status_code == 201]
    assert told
    assert all(one == told[0] for one in told)
    assert {reply.status_code for reply in replies} <= {201, 503}  # others may be told to come back
    assert live(client) == 1
