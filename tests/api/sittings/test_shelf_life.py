"""An item past its shelf life leaves a published test by itself, for the sittings that begin from then on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from api.catalogue import store
from api.problems import Problem
from api.runtime import Runtime
from api.sittings import service
from api.sittings.replay import replay
from tests.api.sample import invited, prepare, right

Run = Callable[[Any], Any]
SECOND = 1_000_000
DAY = 86_400 * SECOND


def noon(runtime: Runtime) -> Callable[[int], str]:
    """Let it be tomorrow at noon, far from any midnight; return how the day after so many is written."""
    now = datetime.now(UTC)
    then = datetime.combine(now.date() + timedelta(days=1), time(12), UTC)
    runtime.skew = int((then - now).total_seconds()) * SECOND
    return lambda days: (then + timedelta(days=days)).date().isoformat()


async def items_of(runtime: Runtime, test: str) -> set[str]:
    """Sit a whole test; return its items."""
    entry = await service.enter(runtime, (await invited(runtime, test)).code)
    view = entry.view
    while view.phase == "item":
        view = await service.answer(
            runtime, entry.token, handle=view.handle or "", response=right(view), key=view.handle or ""
        )
    found = await runtime.read(replay, store.Tests(), view.sitting)
    assert found.holds, found.differences
    sitting = runtime.sittings.get(view.sitting)
    assert sitting is not None
    live = runtime.tests.get(sitting.test)
    assert live is not None
    return {live.items[i].id for i in sitting.state.items}


def test_an_item_is_served_on_its_last_day_and_never_after(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        after = noon(runtime)
        await prepare(runtime, "SHELF", expires={6: after(2)})  # of average difficulty: everybody meets it
        assert "BANK-ITEM-6" in await items_of(runtime, "SHELF")
        runtime.skew += 2 * DAY
        assert "BANK-ITEM-6" in await items_of(runtime, "SHELF")
        runtime.skew += DAY
        assert "BANK-ITEM-6" not in await items_of(runtime, "SHELF")

    run(scenario)


def test_a_sitting_that_could_not_be_whole_does_not_begin(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        after = noon(runtime)
        await prepare(runtime, "SHELF", expires={n: after(1) for n in range(2, 13, 2)})  # all of D2
        invitation = await invited(runtime, "SHELF")
        runtime.skew += 2 * DAY
        with pytest.raises(Problem) as refused:
            await service.enter(runtime, invitation.code)
        assert refused.value.code == "test_closed"
        assert "Publish another version of the test" in str(refused.value.detail)
        runtime.skew -= 2 * DAY
        entry = await service.enter(runtime, invitation.code)  # the invitation was not used up
        runtime.skew += 2 * DAY
        view = await service.answer(
            runtime, entry.token, handle=entry.view.handle or "", response=right(entry.view), key="1"
        )
        assert view.phase == "item"  # who has begun goes on with the test as it was

    run(scenario)
