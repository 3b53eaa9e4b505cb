"""Sittings whose time is up end without a word from the candidate; a cut-off is left to a person."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from api.accounts.clients import Client
from api.runtime import Runtime
from api.sittings import service, supervision
from api.sittings.fold import Sitting
from api.sittings.replay import replay
from api.sittings.timing import SECOND
from api.upkeep import end_overdue
from tests.api.sample import ORGANISATION, invited, prepare, right

Run = Callable[[Callable[[Runtime], Coroutine[Any, Any, Any]]], Any]

CODE = "TIMED"
TIMES = {"limit_s": 600, "grace_s": 10, "silence_s": 100, "give_back_s": 120}
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
        assert await after(runtime, 605) == 0  # within the grace
        assert await after(runtime, 20) == 1  # noted: the candidate may have been cut off
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


def test_an_untimed_sitting_never_ends_by_itself(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        await service.enter(runtime, (await invited(runtime)).code)
        assert await after(runtime, 10_000_000) == 0

    run(scenario)
