"""One sitting that cannot be ended keeps none of the others from being ended."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any

import pytest

from api import upkeep
from api.database.plans import Busy, Conflict, Plan
from api.problems import Problem
from api.runtime import Runtime
from api.sittings import service, sweep
from api.sittings.fold import FINISHED, Sitting
from api.sittings.overdue import overdue, settle
from api.sittings.sweep import PassedOver
from api.sittings.timing import SECOND
from tests.api.sample import invited, prepare

Run = Callable[[Callable[[Runtime], Coroutine[Any, Any, Any]]], Any]
CODE = "TIMED"


async def begun(runtime: Runtime, count: int) -> list[str]:
    """Let people begin and their time pass; return their sittings, the longest overdue first."""
    await prepare(runtime, CODE, time={"limit_s": 60, "grace_s": 10, "silence_s": 1000})
    for n in range(count):
        runtime.skew += SECOND
        await service.enter(runtime, (await invited(runtime, CODE, f"M-{n}")).code)
    runtime.skew += 100 * SECOND
    sessions: list[str] = await runtime.read(overdue, runtime.skew)
    assert len(sessions) == count
    return sessions


def ended(runtime: Runtime, sessions: list[str]) -> list[bool]:
    known = [runtime.sittings.get(session) for session in sessions]
    return [sitting is not None and sitting.phase == FINISHED for sitting in known]


@pytest.mark.parametrize("failure", [Conflict("someone was faster"), ValueError("damaged")])
def test_sittings_that_are_never_ended_hold_nobody_up(
    run: Run, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    async def scenario(runtime: Runtime) -> None:
        sessions = await begun(runtime, 5)
        never = sessions[:2]

        def settled(runtime: Runtime, session: str) -> Plan[Sitting]:
            tried.append(session)
            if session in never:
                raise failure
            return (yield from settle(runtime, session))

        tried: list[str] = []
        with monkeypatch.context() as patch:
            patch.setattr(upkeep, "settle", settled)
            while await upkeep.end_overdue(runtime, some=2):
                pass
        assert ended(runtime, sessions) == [False, False, True, True, True]
        assert len(set(tried)) == 5
        assert await upkeep.end_overdue(runtime, some=2) == 0  # those that failed are left alone ...
        runtime.passed_over = PassedOver()
        assert await upkeep.end_overdue(runtime, some=2) == 2  # ... for a while
        assert ended(runtime, sessions) == [True] * 5
        assert await upkeep.end_overdue(runtime, some=2) == 0

    run(scenario)


def test_what_fails_again_and_again_is_left_alone_for_longer_and_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, over = 0.0, PassedOver()
    monkeypatch.setattr(sweep, "time", SimpleNamespace(monotonic=lambda: now))
    waits = []
    for _ in range(8):
        over.add("sitting")
        began = now
        while over.holds("sitting"):
            now += 10.0
        waits.append(now - began)
    assert waits == [60.0, 120.0, 240.0, 480.0, 960.0, 1920.0, 3600.0, 3600.0]
    over.drop("sitting")
    assert len(over) == 0
    over.add("another")
    now += 10_000.0
    over.add("sitting")
    assert len(over) == 1  # nobody asks about the other any more


def test_a_database_with_too_much_to_do_is_left_alone(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(runtime: Runtime) -> None:
        sessions = await begun(runtime, 2)

        async def busy(*args: Any, **named: Any) -> None:
            tried.append(args)
            raise Busy("too many are waiting")

        tried: list[Any] = []
        with monkeypatch.context() as patch:
            patch.setattr(runtime.database, "write", busy)
            with pytest.raises(Problem, match="busy"):
                await upkeep.end_overdue(runtime)
        assert len(tried) == 1
        assert ended(runtime, sessions) == [False, False]

    run(scenario)
