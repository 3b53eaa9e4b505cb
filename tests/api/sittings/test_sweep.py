"""One sitting that cannot be ended keeps none of the others from being ended."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from api import upkeep
from api.database.plans import Busy, Conflict, Plan
from api.problems import Problem
from api.runtime import Runtime
from api.sittings import service
from api.sittings.fold import FINISHED, Sitting
from api.sittings.overdue import overdue, settle
from api.sittings.sweep import each
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
            if session in never:
                raise failure
            return (yield from settle(runtime, session))

        monkeypatch.setattr(upkeep, "settle", settled)
        assert await upkeep.end_overdue(runtime, some=2) == 2  # behind two that cannot be ended
        assert ended(runtime, sessions) == [False, False, True, True, False]
        assert await upkeep.end_overdue(runtime, some=2) == 1
        assert ended(runtime, sessions) == [False, False, True, True, True]
        assert await upkeep.end_overdue(runtime, some=2) == 0

    run(scenario)


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
                await each(runtime, settle, [(session, session) for session in sessions])
        assert len(tried) == 1
        assert ended(runtime, sessions) == [False, False]

    run(scenario)
