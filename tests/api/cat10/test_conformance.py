"""Our server holds the conformance checks, and its sessions can be replayed."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from api.accounts.clients import Client
from api.cat10 import service
from api.cat10.wire import Scored
from api.database.plans import Commit, Plan
from api.problems import Problem
from api.runtime import Runtime
from api.settings import Settings
from api.sittings import supervision
from api.sittings.fold import Sitting
from api.sittings.replay import finished_sittings, replay
from api.sittings.timing import SECOND
from api.sittings.turn import turn
from api.upkeep import end_overdue
from tests.api.browser import Browser
from tests.api.cat10.conformance import CHECKS, Player, refused, scored, submission
from tests.api.desk import bearer, call, runtime_of
from tests.api.sample import CODE, prepare


def player(client: Browser, organisation: str = "PLAYERS", scopes: str = "sections:run") -> Player:
    """A test player that sends to the application in this process."""

    def send(method: str, path: str, body: Any, token: str | None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        content = None if body is None else json.dumps(body)
        reply = client.request(method, f"/ims/cat/v1p0{path}", headers=headers, content=content)
        return reply.status_code, reply.json() if reply.content else None

    token = bearer(client, scopes, organisation)["Authorization"].removeprefix("Bearer ")
    return Player(send, token, CODE)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_conformance(client: Browser, check: Callable[[Player], None]) -> None:
    check(player(client))


def test_sections_belong_to_their_organisation(client: Browser) -> None:
    section = player(client).section()
    stranger = player(client, "ELSEWHERE")
    assert stranger.call("GET", f"/sections/{section}")[0] == 404
    assert stranger.call("DELETE", f"/sections/{section}")[0] == 404
    reader = player(client, scopes="results:read")
    status, info = reader.call("GET", f"/sections/{section}")
    assert status == 403
    assert info["imsx_codeMinor"]["imsx_codeMinorField"][0]["imsx_codeMinorFieldValue"] == "forbidden"


def test_sessions_are_replayed_like_sittings(client: Browser) -> None:
    one = player(client)
    section = one.section()
    session = reply = one.session(section, {"priorData": [{"key": "initialEstimatedAbility", "value": "-1"}]})
    number = 0
    while ids := reply["nextItems"]["itemIdentifiers"]:
        number += 1
        items = [scored(ids[0], number % 2)] if number != 2 else [scored(ids[2], 1), scored(ids[1], 0)]
        status, reply = one.results(section, session, submission(reply["sessionState"], *items))
        assert status == 201
    runtime = runtime_of(client)
    (id,) = call(client, runtime.read, finished_sittings)
    found = call(client, runtime.read, replay, runtime.tests, id)
    assert found.holds, found.differences
    assert found.theta is not None


def test_two_copies_at_once_act_once(settings: Settings, run: Any, tmp_path: Path) -> None:
    who = Client("player", "HOSPITAL", frozenset({"sections:run"}))

    async def scenario(runtime: Runtime) -> None:
        section = await runtime.write(service.create_section, who, CODE, "{}")
        told = await runtime.write(service.create_session, runtime, who, section, None)
        id, state = told.body["sessionIdentifier"], told.body["sessionState"]
        item = told.body["nextItems"]["itemIdentifiers"][0]
        replies = await asyncio.gather(
            *(
                runtime.write(service.submit, runtime, who, section, id, [Scored(item, 1.0)], state)
                for _ in range(8)
            )
        )
        assert all(reply.body == replies[0].body for reply in replies)

    run(scenario)


def test_a_session_that_nobody_goes_on_with_ends(run: Any) -> None:
    """The sweep ends it like a sitting; the player reads what was answered, and no result is issued."""
    who = Client("player", "HOSPITAL", frozenset({"sections:run"}))
    day = 86_400

    async def scenario(runtime: Runtime) -> None:
        await prepare(runtime, "UNTIMED", time={"limit_s": 3600, "abandon_s": 30 * day})
        section = await runtime.write(service.create_section, who, "UNTIMED", "{}")
        told = await runtime.write(service.create_session, runtime, who, section, None)
        id, state = told.body["sessionIdentifier"], told.body["sessionState"]
        runtime.skew += 20 * day * SECOND  # the player keeps the time: there is no limit of ours
        item = told.body["nextItems"]["itemIdentifiers"][0]
        told = await runtime.write(service.submit, runtime, who, section, id, [Scored(item, 1.0)], state)
        assert told.body["nextItems"]["itemIdentifiers"]
        runtime.skew += 20 * day * SECOND
        assert await end_overdue(runtime) == 1  # looked at, and found to have gone on
        assert await end_overdue(runtime) == 0
        assert told.sitting.phase == "item"
        runtime.skew += 20 * day * SECOND
        assert await end_overdue(runtime) == 1
        assert await end_overdue(runtime) == 0
        state, items = told.body["sessionState"], [Scored(told.body["nextItems"]["itemIdentifiers"][0], 1.0)]
        with pytest.raises(service.ImsProblem) as caught:
            await runtime.write(service.submit, runtime, who, section, id, items, state)
        assert caught.value.status == 409
        told = await runtime.write(service.submit, runtime, who, section, id, items, None)
        assert told.body["nextItems"]["itemIdentifiers"] == []
        assert {"STOP_REASON": "abandoned"}.items() <= {
            one["identifier"]: one["value"][0]["value"]
            for one in told.body["assessmentResult"]["testResult"]["outcomeVariables"]
        }.items()
        found = await runtime.read(replay, runtime.tests, id)
        assert found.holds, found.differences
        assert (found.finished, found.results) == (True, 0)

    run(scenario)


def test_supervisors_have_nothing_to_do_with_sessions_of_another_player(run: Any) -> None:
    who = Client("player", "HOSPITAL", frozenset({"sections:run", "sittings:supervise"}))

    async def scenario(runtime: Runtime) -> None:
        section = await runtime.write(service.create_section, who, CODE, "{}")
        told = await runtime.write(service.create_session, runtime, who, section, None)
        assert await runtime.read(supervision.open_sittings, who.organisation) == []
        with pytest.raises(Problem, match="not_found"):
            await supervision.end(runtime, who, told.body["sessionIdentifier"], "the room closed")

    run(scenario)


PLAYER = Client("player", "HOSPITAL", frozenset({"sections:run"}))


class Told:
    """A session as its last reply had it."""

    def __init__(self, session: Any, last: Any) -> None:
        self.body = {**session.body, **last.body}


async def begun(runtime: Runtime, section: str) -> Any:
    return await runtime.write(service.create_session, runtime, PLAYER, section, None)


async def submitted(runtime: Runtime, section: str, told: Any) -> Any:
    """The result of the item that was offered first."""
    id, state = told.body["sessionIdentifier"], told.body["sessionState"]
    results = [Scored(told.body["nextItems"]["itemIdentifiers"][0], 1.0)]
    return await runtime.write(service.submit, runtime, PLAYER, section, id, results, state)


def folded(runtime: Runtime, id: str) -> Plan[Sitting]:
    return Commit((yield from turn(runtime, id)).sitting)


async def outcome(runtime: Runtime, id: str) -> tuple[str, int]:
    """Why a session ended, and how many answers count in it; its log holds."""
    found = await runtime.read(replay, runtime.tests, id)
    assert found.holds, found.differences
    assert (found.finished, found.results) == (True, 0)
    sitting = await runtime.read(folded, runtime, id)
    assert sitting.finished is not None
    return sitting.finished["reason"], sum(given >= 0 for given in sitting.state.categories)


def test_a_section_ends_at_the_moment_that_was_named_for_it(run: Any) -> None:
    """What was answered is scored; an answer within the grace counts, a later one does not."""

    async def scenario(runtime: Runtime) -> None:
        until = await runtime.now() + 3600 * SECOND
        section = await runtime.write(service.create_section, PLAYER, CODE, "{}", until)
        sessions = [await begun(runtime, section) for _ in range(3)]
        told = [await submitted(runtime, section, one) for one in sessions]

        async def it_is(seconds: int) -> None:
            """So long after the end."""
            runtime.skew += until + seconds * SECOND - await runtime.now()

        await it_is(-1000)
        assert await end_overdue(runtime) == 0
        assert (await begun(runtime, section)).body["nextItems"]["itemIdentifiers"]
        await it_is(1)
        for act in (begun(runtime, section), runtime.read(service.read_section, runtime, PLAYER, section)):
            with pytest.raises(service.ImsProblem, match="section"):
                await act
        in_grace = await submitted(runtime, section, Told(sessions[0], told[0]))
        assert in_grace.body["nextItems"]["itemIdentifiers"] == []
        await it_is(11)
        late = await submitted(runtime, section, Told(sessions[1], told[1]))
        assert late.body["nextItems"]["itemIdentifiers"] == []
        assert (await submitted(runtime, section, Told(sessions[1], told[1]))).body == late.body
        assert await end_overdue(runtime) == 2
        assert await end_overdue(runtime) == 0
        ids = [one.body["sessionIdentifier"] for one in sessions]
        assert [await outcome(runtime, id) for id in ids] == [("time", 2), ("time", 1), ("time", 1)]

    run(scenario)


def test_ending_a_section_scores_what_was_answered_in_its_sessions(run: Any) -> None:
    async def scenario(runtime: Runtime) -> None:
        until = await runtime.now() + 3600 * SECOND
        for ends in (None, until):
            section = await runtime.write(service.create_section, PLAYER, CODE, "{}", ends)
            session = await begun(runtime, section)
            told = Told(session, await submitted(runtime, section, session))
            await runtime.write(service.end_section, runtime, PLAYER, section)
            for act in (submitted(runtime, section, told), begun(runtime, section)):
                with pytest.raises(service.ImsProblem, match="section"):
                    await act
            runtime.skew += SECOND
            assert await end_overdue(runtime) == 1
            assert await outcome(runtime, session.body["sessionIdentifier"]) == ("ended", 1)

    run(scenario)


@pytest.mark.parametrize("until", ["soon", 3, "2026-01-01T00:00:00Z", "2026-13-01", {}, "9" * 50])
def test_a_section_ends_at_a_moment_to_come(client: Browser, until: Any) -> None:
    told = base64.b64encode(json.dumps({"test": CODE, "until": until}).encode()).decode()
    refused(player(client).call("POST", "/sections", {"sectionConfiguration": told}), 422, "invaliddata")
