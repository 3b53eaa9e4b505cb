"""An answer that stands on what a worker remembers is one write; if that does not hold, the log is read."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import bindparam, delete

from api.database import tables
from api.database.clock import DatabaseClock
from api.database.plans import Commit, Database, Plan, Query
from api.problems import Problem
from api.runtime import Runtime, Sittings
from api.sittings import service
from api.sittings.replay import replay
from tests.api.sittings.test_service import answered, entered, to_the_end

Run = Callable[[Any], Any]

_LOSE = Query(
    delete(tables.event).where(
        tables.event.c.session_id == bindparam("session_id"), tables.event.c.seq > bindparam("kept")
    )
)


class Counting:
    """A database that counts the batches of reads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.reads = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    async def attempt(self, plan: Any, /, *args: Any, **named: Any) -> Any:
        return await self._database.attempt(self._counted(plan), *args, **named)

    async def write(self, plan: Any, /, *args: Any, **named: Any) -> Any:
        return await self._database.write(self._counted(plan), *args, **named)

    def _counted(self, plan: Any) -> Any:
        def counted(*args: Any, **named: Any) -> Iterator[Any]:
            steps, rows = plan(*args, **named), None
            try:
                while True:
                    batch = steps.send(rows)
                    self.reads += 1
                    rows = yield batch
            except StopIteration as end:
                return end.value

        return counted


def another_worker(runtime: Runtime) -> Runtime:
    return dataclasses.replace(runtime, sittings=Sittings(100), clock=DatabaseClock())


async def held(runtime: Runtime, token: str) -> None:
    found = await runtime.database.read(replay, runtime.tests, token.split(".")[0])
    assert found.holds, found.differences


def test_the_usual_answer_reads_nothing(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        _, entry = await entered(runtime)
        counting = runtime.database = Counting(runtime.database)  # type: ignore[assignment]
        view = await answered(runtime, entry.token, entry.view)
        assert counting.reads == 0
        repeated = await answered(runtime, entry.token, entry.view)
        assert (repeated, counting.reads) == (view, 1)
        await to_the_end(runtime, dataclasses.replace(entry, view=view))
        await held(runtime, entry.token)

    run(scenario)


def test_what_another_worker_did_is_found(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        other = another_worker(runtime)
        _, entry = await entered(runtime)
        view = await answered(other, entry.token, entry.view)
        with pytest.raises(Problem, match="already_answered"):
            await answered(runtime, entry.token, entry.view, key="another")
        runtime.sittings.forget(view.sitting)
        await service.current(runtime, entry.token)
        await service.interrupt(other, entry.token)
        with pytest.raises(Problem, match="interrupted"):
            await answered(runtime, entry.token, view)
        await held(runtime, entry.token)

    run(scenario)


def test_what_another_worker_did_is_no_reason_to_ask_for_the_time_again(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        other = another_worker(runtime)
        _, entry = await entered(runtime)
        _, neighbour = await entered(runtime)
        view = await answered(other, entry.token, entry.view)
        refused, attempts = runtime.clock.forget, 0

        def forget() -> None:
            nonlocal attempts
            attempts += 1
            refused()

        runtime.clock.forget = forget  # type: ignore[method-assign]
        await answered(runtime, entry.token, view)
        runtime.sittings.forget(neighbour.view.sitting)
        await answered(runtime, neighbour.token, neighbour.view)
        assert attempts == 0

    run(scenario)


@pytest.mark.parametrize("wrong", [-3_600_000_000, -300_000, 300_000, 3_600_000_000])
def test_a_clock_that_the_database_does_not_share_is_not_written_by(run: Run, wrong: int) -> None:
    async def scenario(runtime: Runtime) -> None:
        _, entry = await entered(runtime)
        runtime.clock._ahead += wrong  # type: ignore[operator]
        view = await answered(runtime, entry.token, entry.view)
        known = runtime.sittings.get(view.sitting)
        assert known is not None
        assert abs(known.at - known.clock.started) < 60_000_000
        await held(runtime, entry.token)

    run(scenario)


def test_a_database_that_went_back_decides(run: Run) -> None:
    def lose(session: str, kept: int) -> Plan[None]:
        yield []
        return Commit(None, [_LOSE(session_id=session, kept=kept)])

    async def scenario(runtime: Runtime) -> None:
        _, entry = await entered(runtime)
        view = await answered(runtime, entry.token, entry.view)
        await runtime.write(lose, view.sitting, entry.view.seq)
        with pytest.raises(Problem, match="stale"):
            await answered(runtime, entry.token, view)
        again = await service.current(runtime, entry.token)
        assert again.handle == entry.view.handle
        await to_the_end(runtime, dataclasses.replace(entry, view=again))
        await held(runtime, entry.token)

    run(scenario)
