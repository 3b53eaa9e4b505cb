"""Supervisors set items aside, decide about interruptions, end sittings; of their organisation alone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.browser import Browser
from tests.api.desk import answer, bearer, call, enter, invite, runtime_of
from tests.api.sample import prepare

SECOND = 1_000_000


@pytest.fixture
def supervisor(client: Browser) -> dict[str, str]:
    return bearer(client, "sittings:supervise")


def act(client: Browser, who: dict[str, str], sitting: dict[str, Any], what: str, **body: Any) -> Any:
    return client.post(f"/api/v1/sittings/{sitting['sitting']}/{what}", headers=who, json=body)


def test_an_item_set_aside_counts_no_more(client: Browser, supervisor: dict[str, str]) -> None:
    headers, sitting = enter(client, invite(client))
    reply = act(client, supervisor, sitting, "set-aside", position=1, reason="picture unreadable")
    assert (reply.json()["position"], reply.json()["answered"]) == (2, 0)
    refused = answer(client, headers, sitting)
    assert (refused.status_code, refused.json()["code"]) == (409, "already_answered")
    again = act(client, supervisor, sitting, "set-aside", position=1, reason="twice")
    assert (again.status_code, again.json()["code"]) == (409, "stale")
    now = client.get("/api/v1/sittings/current", headers=headers).json()
    assert now["position"] == 2
    assert now["handle"] != sitting["handle"]
    while now["phase"] == "item":
        now = answer(client, headers, now).json()
    assert now["answered"] == 7


def test_a_person_decides_beyond_the_cap(client: Browser, supervisor: dict[str, str]) -> None:
    runtime = runtime_of(client)
    times = {"limit_s": 600, "grace_s": 10, "silence_s": 100, "give_back_s": 60}

    async def timed() -> None:
        await prepare(runtime, "TIMED", time=times)

    call(client, timed)
    code = invite(client, "TIMED")
    headers, sitting = enter(client, code)
    early = act(client, supervisor, sitting, "decision", reason="nothing to decide")
    assert (early.status_code, early.json()["code"]) == (409, "conflict")
    client.post("/api/v1/sittings/current/interruption", headers=headers)
    runtime.skew = 5000 * SECOND
    supervisor = bearer(client, "sittings:supervise")  # the token from before has expired
    waiting = client.post("/api/v1/sittings/current/resumption", headers=headers).json()
    assert waiting["phase"] == "awaiting_decision"
    decided = act(client, supervisor, sitting, "decision", give_back_s=4990, reason="fire drill")
    assert decided.json()["phase"] == "interrupted"
    resumed = client.post("/api/v1/sittings/current/resumption", headers=headers).json()
    assert resumed["phase"] == "item"
    assert resumed["handle"] == sitting["handle"]
    assert answer(client, headers, resumed).json()["position"] == 2


def test_a_decision_may_give_nothing_back(client: Browser, supervisor: dict[str, str]) -> None:
    runtime = runtime_of(client)

    async def timed() -> None:
        await prepare(runtime, "TIMED", time={"limit_s": 600, "give_back_s": 60})

    call(client, timed)
    headers, sitting = enter(client, invite(client, "TIMED"))
    client.post("/api/v1/sittings/current/interruption", headers=headers)
    runtime.skew = 5000 * SECOND
    supervisor = bearer(client, "sittings:supervise")  # the token from before has expired
    client.post("/api/v1/sittings/current/resumption", headers=headers)
    act(client, supervisor, sitting, "decision", give_back_s=0, reason="left without a word")
    over = client.post("/api/v1/sittings/current/resumption", headers=headers).json()
    assert (over["phase"], over["reason"]) == ("finished", "time")


@pytest.mark.parametrize("interrupted", [False, True])
def test_ending_scores_what_was_answered(
    client: Browser, supervisor: dict[str, str], interrupted: bool
) -> None:
    headers, sitting = enter(client, invite(client))
    answer(client, headers, sitting)
    if interrupted:
        client.post("/api/v1/sittings/current/interruption", headers=headers)
    ended = act(client, supervisor, sitting, "end", reason="room closed").json()
    assert (ended["phase"], ended["reason"]) == ("finished", "ended")
    assert act(client, supervisor, sitting, "end", reason="again").json() == ended
    result = client.get("/api/v1/sittings/current/credential", headers=headers).json()["result"]
    assert (result["ended"], result["items"]) == ("ended", 1)
    aside = act(client, supervisor, sitting, "set-aside", position=2, reason="too late")
    assert (aside.status_code, aside.json()["code"]) == (409, "finished")


def test_the_list_holds_what_is_not_over(client: Browser, supervisor: dict[str, str]) -> None:
    sittings = [enter(client, invite(client))[1]["sitting"] for _ in range(3)]
    listed = client.get("/api/v1/sittings", headers=supervisor).json()["sittings"]
    assert [row["sitting"] for row in listed] == sorted(sittings)
    second = client.get(
        "/api/v1/sittings", headers=supervisor, params={"after": sorted(sittings)[0], "limit": 1}
    ).json()["sittings"]
    assert [row["sitting"] for row in second] == sorted(sittings)[1:2]
    act(client, supervisor, {"sitting": sittings[0]}, "end", reason="over")
    assert len(client.get("/api/v1/sittings", headers=supervisor).json()["sittings"]) == 2


def test_sittings_of_another_organisation_do_not_exist(client: Browser) -> None:
    _, sitting = enter(client, invite(client))
    stranger = bearer(client, "sittings:supervise", "ELSEWHERE")
    assert client.get("/api/v1/sittings", headers=stranger).json()["sittings"] == []
    assert client.get(f"/api/v1/sittings/{sitting['sitting']}", headers=stranger).status_code == 404
    for what, body in (("set-aside", {"position": 1}), ("decision", {}), ("end", {})):
        assert act(client, stranger, sitting, what, reason="x", **body).status_code == 404


def test_a_supervisor_sees_neither_items_nor_answers(client: Browser, supervisor: dict[str, str]) -> None:
    headers, sitting = enter(client, invite(client))
    answer(client, headers, sitting)
    seen = client.get(f"/api/v1/sittings/{sitting['sitting']}", headers=supervisor).json()
    assert set(seen) == {
        "sitting",
        "person",
        "phase",
        "seq",
        "position",
        "answered",
        "started_at",
        "changed_at",
        "deadline",
        "reason",
    }
    assert (seen["phase"], seen["answered"]) == ("item", 1)
