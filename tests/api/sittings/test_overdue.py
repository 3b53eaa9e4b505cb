"""Sittings whose time is up end without a word from the candidate; a cut-off is left to a person."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from sqlalchemy import bindparam, delete

from api.accounts.clients import Client
from api.database import tables
from api.database.plans import Commit, Plan, Query
from api.runtime import Runtime
from api.sittings import service, supervision
from api.sittings.fold import Sitting
from api.sittings.overdue import settle
from api.sittings.replay import replay
from api.sittings.timing import SECOND, Clock
from api.sittings.turn import Turn
from api.upkeep import end_overdue
from tests.api.sample import ORGANISATION, invited, prepare, right

Run = Callable[[Callable[[Runtime], Coroutine[Any, Any, Any]]], Any]

CODE = "TIMED"
TIMES = {"limit_s": 600, "grace_s": 10, "silence_s": 100, "give_back_s": 120}
_LOSE = Query(delete(tables.event).where(tables.event.c.session_id == bindparam("session")))
PROCTOR = Client("proctor", ORGANISATION, frozenset({"sittings:supervise"}))


async def begun(runtime: Runtime) -> Any:
    await prepare(runtime, CODE, time=TIMES)
    return await service.enter(runtime, (await invited(runtime, CODE)).code)


async def after(runtime: Runtime, seconds: int) -> int:
    """Let time pass, then sweep until nothing is left to do; return how many sittings were looked at."""
    runtime.skew += seconds * SECOND
    looked = 0
    while found := await end_overdue(runtime):
        looked += found
    return looked


def state(runtime: Runtime, entry: Any) -> Sitting:
    found = runtime.sittings.get(entry.view.sitting)
    assert found is not None
    return found


async def holds(runtime: Runtime, entry: Any) -> None:
    found = await runtime.read(replay, runtime.tests, entry.view.sitting)
    assert found.holds, found.differences


def test_who_was_there_when_the_time_ran_out_gets_a_result(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        await prepare(runtime, "SHORT", time={**TIMES, "limit_s": 90})
        entry = await service.enter(runtime, (await invited(runtime, "SHORT")).code)
        runtime.skew += 60 * SECOND
        await service.answer(
            runtime, entry.token, handle=entry.view.handle or "", response=right(entry.view), key="k"
        )
        assert await after(runtime, 5) == 0
        assert await after(runtime, 600) == 1
        assert state(runtime, entry).phase == "finished"
        result = await service.result(runtime, entry.token)
        assert result.document["ended"] == "time"
        await holds(runtime, entry)
        assert await after(runtime, 10_000) == 0

    run(scenario)


def test_who_fell_silent_before_is_left_to_a_person(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        entry = await begun(runtime)
        assert await after(runtime, 601) == 0  # within the grace
        assert await after(runtime, 24) == 1  # noted: the candidate may have been cut off
        assert state(runtime, entry).phase == "interrupted"
        assert await after(runtime, 60) == 0  # and may still come back for the time that the rules give back
        assert await after(runtime, 100) == 1
        assert state(runtime, entry).phase == "awaiting_decision"
        assert await after(runtime, 100_000) == 0
        await holds(runtime, entry)

    run(scenario)


def test_who_comes_back_in_time_goes_on(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        entry = await begun(runtime)
        runtime.skew += 450 * SECOND
        view = await service.resume(runtime, entry.token)  # silent for 350 seconds: 120 are given back
        assert view.phase == "item"
        await service.interrupt(runtime, entry.token)
        assert await after(runtime, 280) == 1  # given back all that the rules have: past it, a person
        assert state(runtime, entry).phase == "awaiting_decision"

    run(scenario)


@pytest.mark.parametrize(("give_back", "phase"), [(30 * SECOND, "finished"), (None, "interrupted")])
def test_what_a_person_has_given_ends_like_any_other(run: Run, give_back: int | None, phase: str) -> None:
    async def scenario(runtime: Runtime) -> None:
        entry = await begun(runtime)
        await after(runtime, 2_000)
        await supervision.decide(runtime, PROCTOR, entry.view.sitting, give_back, "the network failed")
        await after(runtime, 2_000)
        assert (await supervision.read(runtime, PROCTOR, entry.view.sitting)).phase == phase
        await holds(runtime, entry)

    run(scenario)


MONTH = 30 * 86_400


async def left_open(runtime: Runtime, **time: int) -> Any:
    """An untimed sitting with two answers and an open item."""
    await prepare(runtime, "UNTIMED", time=time)
    entry = await service.enter(runtime, (await invited(runtime, "UNTIMED")).code)
    view = entry.view
    for _ in range(2):
        runtime.skew += 100 * SECOND
        view = await service.answer(
            runtime, entry.token, handle=view.handle or "", response=right(view), key=view.handle or ""
        )
    return entry


@pytest.mark.parametrize("paused", [False, True])
def test_an_abandoned_sitting_ends_with_what_was_answered(run: Run, paused: bool) -> None:
    async def scenario(runtime: Runtime) -> None:
        entry = await left_open(runtime, abandon_s=MONTH)
        if paused:
            await service.interrupt(runtime, entry.token)
        assert await after(runtime, MONTH - 100) == (not paused)  # its answers are looked at, no more
        assert await after(runtime, 50) == 0
        assert await after(runtime, 60) == 1
        assert state(runtime, entry).phase == "finished"
        result = (await service.result(runtime, entry.token)).document
        assert (result["ended"], result["items"]) == ("abandoned", 2)
        assert await after(runtime, 10 * MONTH) == 0
        await holds(runtime, entry)

    run(scenario)


def test_who_comes_back_within_the_month_goes_on_for_another(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        entry = await left_open(runtime, abandon_s=MONTH)
        await after(runtime, MONTH - 100)
        view = await service.current(runtime, entry.token)
        await service.answer(runtime, entry.token, handle=view.handle or "", response=right(view), key="k")
        await after(runtime, MONTH - 100)
        assert (await service.current(runtime, entry.token)).phase == "item"
        await after(runtime, 200)
        assert (await service.current(runtime, entry.token)).reason == "abandoned"
        await holds(runtime, entry)

    run(scenario)


@pytest.mark.parametrize("decided", [False, True])
def test_a_sitting_that_a_person_leaves_undecided_ends_as_well(run: Run, decided: bool) -> None:
    """Or one to which somebody gave all the time it wants, and whose candidate never comes back."""

    async def scenario(runtime: Runtime) -> None:
        await prepare(runtime, CODE, time={**TIMES, "abandon_s": MONTH})
        entry = await service.enter(runtime, (await invited(runtime, CODE)).code)
        await after(runtime, 2_000)
        assert state(runtime, entry).phase == "awaiting_decision"
        (waits,) = await runtime.read(supervision.open_sittings, ORGANISATION)
        assert (waits["sitting"], waits["overdue"]) == (entry.view.sitting, True)
        if decided:
            await supervision.decide(runtime, PROCTOR, entry.view.sitting, None, "the network failed")
        assert await after(runtime, MONTH - 100) == 0
        assert await after(runtime, 200) == 1
        assert (await supervision.read(runtime, PROCTOR, entry.view.sitting)).reason == "abandoned"
        assert await runtime.read(supervision.open_sittings, ORGANISATION) == []
        await holds(runtime, entry)

    run(scenario)


def test_replay_does_not_take_abandoned_for_granted(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(runtime: Runtime) -> None:
        entry = await left_open(runtime, abandon_s=MONTH)
        with monkeypatch.context() as patch:
            patch.setattr(Clock, "abandoned", lambda *_: True)  # a sweep that is in a hurry
            patch.setattr(Turn, "due", lambda turn: turn.now - 1)
            await runtime.write(settle, runtime, entry.view.sitting)
        found = await runtime.read(replay, runtime.tests, entry.view.sitting)
        assert found.differences == ["event 8: the sitting did not end for the reason 'abandoned'"]

    run(scenario)


def test_a_test_published_without_the_rule_keeps_its_sittings_open(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        entry = await service.enter(runtime, (await invited(runtime)).code)
        assert await after(runtime, 100 * MONTH) == 0
        assert "abandon" not in state(runtime, entry).clock.rules.data()
        await holds(runtime, entry)

    run(scenario)


def test_a_sitting_that_cannot_be_ended_holds_nobody_up(run: Run) -> None:
    """Its log is gone: that is found out at once, every time, and is not the others' misfortune."""

    def lose(session: str) -> Plan[None]:
        yield []
        return Commit(None, [_LOSE(session=session)])

    async def scenario(runtime: Runtime) -> None:
        await prepare(runtime, "SHORT", time={**TIMES, "limit_s": 90})
        lost, whole = [
            await service.enter(runtime, (await invited(runtime, "SHORT", f"M-{n}")).code) for n in range(2)
        ]
        await runtime.write(lose, lost.view.sitting)
        runtime.sittings.forget(lost.view.sitting)
        assert await after(runtime, 200) == 2  # looked at
        assert state(runtime, whole).phase == "finished"

    run(scenario)
