"""An item is taken out of everybody's score: new result versions, and both can be recomputed."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from sqlalchemy import text

from api.catalogue import store
from api.catalogue.neutralisation import neutralise
from api.database.plans import Commit, Plan, Query
from api.problems import Problem
from api.results import feed
from api.runtime import Runtime
from api.sittings import rescoring, service
from api.sittings.replay import replay
from api.sittings.rescoring import rescore
from api.sittings.sweep import PassedOver
from item_bank.log import Event, append
from tests.api.sample import CODE, ORGANISATION, invited, prepare, right

Run = Callable[[Callable[[Runtime], Coroutine[Any, Any, Any]]], Any]


def decision(item: str) -> Event:
    """What two people have decided in a bank."""
    return append((), "neutralised", "Bo", "2026-11-22", item=item, why="two keys", requested_by="Al")[-1]


async def sat(runtime: Runtime, number: int) -> Any:
    entry = await service.enter(runtime, (await invited(runtime, CODE, f"M-{number}")).code)
    view = entry.view
    while view.phase == "item":
        view = await service.answer(
            runtime, entry.token, handle=view.handle or "", response=right(view), key=view.handle or ""
        )
    return entry


def first_item(runtime: Runtime, entry: Any) -> str:
    """The item that everybody meets first."""
    sitting = runtime.sittings.get(entry.view.sitting)
    assert sitting is not None
    test = runtime.tests.get(sitting.test)
    assert test is not None
    return test.items[sitting.state.items[0]].id


async def entries(runtime: Runtime) -> list[dict[str, Any]]:
    page = await runtime.read(feed.page, ORGANISATION, "", 0, 100)
    return page.results


async def holds(runtime: Runtime, entry: Any) -> int:
    """Replay from what is stored alone; return how many results there are."""
    found = await runtime.read(replay, store.Tests(), entry.view.sitting)
    assert found.holds, found.differences
    return found.results


def test_every_sitting_that_met_the_item_gets_a_new_result(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        sittings = [await sat(runtime, n) for n in range(3)]
        running = await service.enter(runtime, (await invited(runtime, CODE, "M-9")).code)
        item = first_item(runtime, sittings[0])
        before = {entry["id"]: entry for entry in await entries(runtime)}
        (told,) = await runtime.write(neutralise, CODE, (decision(item),))
        assert told == {"item": item, "new": True, "sittings": 4}
        assert await rescore(runtime) == 3
        assert await rescore(runtime) == 0  # once is enough
        after = await entries(runtime)
        assert [entry["status"] for entry in after] == ["superseded", "valid"] * 3
        for old, new in zip(after[::2], after[1::2], strict=True):
            assert new["result"]["supersedes"] == old["id"]
            assert (old["version"], new["version"]) == (1, 2)
            assert old["result"] == before[old["id"]]["result"]  # what was signed stays as it was
            assert new["result"]["items"] == old["result"]["items"] - 1
            assert new["result"]["score"] != old["result"]["score"]
            for name in ("assessed", "valid_from", "valid_until", "person", "test"):
                assert new["result"][name] == old["result"][name]
        for entry in sittings:
            assert await holds(runtime, entry) == 2
            result = await service.result(runtime, entry.token)
            assert (result.version, result.status) == (2, "valid")
        # who was in the middle of it: its result comes with the item, then without
        view = running.view
        while view.phase == "item":
            view = await service.answer(
                runtime, running.token, handle=view.handle or "", response=right(view), key=view.handle or ""
            )
        assert await rescore(runtime) == 1
        assert await holds(runtime, running) == 2
        # who begins now never meets it
        late = await sat(runtime, 10)
        runtime.skew += 0
        assert first_item(runtime, late) != item
        assert await holds(runtime, late) == 1

    run(scenario)


def test_a_second_item_makes_a_third_version_and_the_work_goes_on_where_it_stopped(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(*told: Any) -> Any:
        raise ValueError("damaged")

    async def scenario(runtime: Runtime) -> None:
        sittings = [await sat(runtime, n) for n in range(4)]
        sitting = runtime.sittings.get(sittings[0].view.sitting)
        assert sitting is not None
        test = runtime.tests.get(sitting.test)
        assert test is not None
        both = [decision(test.items[position].id) for position in sitting.state.items[:2]]
        await runtime.write(neutralise, CODE, tuple(both))
        (first, *_) = await runtime.read(rescoring.waiting, 3)
        await runtime.write(rescoring.renew, runtime, first)  # and then the server stopped
        runtime.sittings.forget(first[2])
        left = await runtime.read(rescoring.waiting, 9)
        with monkeypatch.context() as patch:
            patch.setattr(rescoring, "renew", damaged)  # nothing can be done with those that come first
            assert await rescore(runtime, some=3) == 3
        while await rescore(runtime, some=3):
            pass
        assert await runtime.read(rescoring.waiting, 9) == left[:3]  # and everything behind them is done
        runtime.passed_over = PassedOver()
        while await rescore(runtime, some=3):
            pass
        assert await runtime.read(rescoring.waiting, 9) == []
        versions = {}
        for entry in sittings:
            versions[entry.view.sitting] = await holds(runtime, entry)
        assert versions[sittings[0].view.sitting] == 3
        assert set(versions.values()) <= {2, 3}

    run(scenario)


def test_a_sitting_that_did_not_meet_the_item_keeps_its_result(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        entry = await sat(runtime, 0)
        sitting = runtime.sittings.get(entry.view.sitting)
        assert sitting is not None
        test = runtime.tests.get(sitting.test)
        assert test is not None
        unmet = next(item.id for n, item in enumerate(test.items) if n not in sitting.state.items)
        await runtime.write(neutralise, CODE, (decision(unmet),))
        assert await rescore(runtime) == 1
        assert await holds(runtime, entry) == 1
        assert [one["status"] for one in await entries(runtime)] == ["valid"]

    run(scenario)


def test_a_rescore_that_nobody_decided_does_not_hold(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        entry = await sat(runtime, 0)
        await runtime.write(neutralise, CODE, (decision(first_item(runtime, entry)),))
        await rescore(runtime)
        undo = Query(text("UPDATE neutralisation SET item = 'another'"))

        def tamper() -> Plan[None]:
            yield []
            return Commit(None, [undo()])

        await runtime.write(tamper)
        found = await runtime.read(replay, store.Tests(), entry.view.sitting)
        assert [line for line in found.differences if "nobody has neutralised" in line]

    run(scenario)


def test_what_cannot_be_taken_out_is_refused(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        for code, item, told in (("NONE", "BANK-ITEM-1", "no test"), (CODE, "X", "No version")):
            with pytest.raises(Problem, match=told):
                await runtime.write(neutralise, code, (decision(item),))
        await prepare(runtime, "TIGHT", n_items=6, design={**TIGHT})
        with pytest.raises(Problem, match="another version"):
            await runtime.write(neutralise, "TIGHT", (decision("BANK-ITEM-1"),))

    run(scenario)


TIGHT = {
    "schema": "acquis/design/1",
    "constraint": [{"attribute": "domain", "value": "D1", "min": 3, "max": 3}],
    "stop": {"min": 5, "max": 6},
    "cuts": {"values": [0.0]},
}
