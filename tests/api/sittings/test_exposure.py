"""Exposure counts in live sittings: pinned at the start, counted at the end, found again by a replay."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np
import pytest
from sqlalchemy import bindparam, func, select, text

from api.catalogue import store
from api.catalogue.store import publish
from api.database import tables
from api.database.plans import Commit, Plan, Query
from api.runtime import Runtime
from api.sittings import exposure, service
from api.sittings.replay import replay
from cat_engine.counting import seeded
from cat_engine.selection.exposure import Snapshot
from tests.api.sample import document, invited, right

Run = Callable[[Callable[[Runtime], Coroutine[Any, Any, Any]]], Any]

CODE = "EXPOSED"
DESIGN: dict[str, Any] = {
    "schema": "acquis/design/1",
    "exposure": {"method": "eligibility", "rate": 0.35},
    "stop": {"min": 4, "max": 4},
    "cuts": {"values": [0.0]},
}

_BODIES = Query(
    select(tables.event.c.body)
    .where(tables.event.c.session_id == bindparam("session"))
    .order_by(tables.event.c.seq)
)
_STORED = Query(
    select(tables.exposure_snapshot.c.number, tables.exposure_snapshot.c.digest).order_by(
        tables.exposure_snapshot.c.number
    )
)
_WAITING = Query(select(func.count()).select_from(tables.exposure_usage))


def stored() -> Plan[tuple[list[Any], int]]:
    """Plan: the counts stored, and how many usages wait."""
    counts, waiting = yield [_STORED(), _WAITING()]
    return Commit((counts, waiting[0][0]))


async def published(runtime: Runtime, seed_counts: bool = False) -> str:
    """Publish a test that controls exposure; return its id."""
    test, blobs = document(40, design=DESIGN)
    from api.catalogue.document import to_bytes
    from api.catalogue.live import live

    adaptive = live("x", CODE, 1, to_bytes(test)).adaptive
    counts = seeded(adaptive, 0.0, 1.0, 1) if seed_counts else adaptive.no_exposure()
    return await runtime.write(publish, CODE, test, blobs, 1, counts)


async def sat(runtime: Runtime, number: int) -> str:
    """Sit the test; return the sitting."""
    entry = await service.enter(runtime, (await invited(runtime, CODE, f"M-{number}")).code)
    view = entry.view
    while view.phase == "item":
        view = await service.answer(
            runtime, entry.token, handle=view.handle or "", response=right(view), key=view.handle or ""
        )
    return view.sitting


def test_sittings_see_counts_use_items_and_replay(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        await published(runtime)
        sittings = [await sat(runtime, n) for n in range(6)]
        counts, waiting = await runtime.read(stored)
        assert [number for number, _ in counts] == list(range(7))  # young counts are renewed at once
        assert waiting == 0
        for session in sittings:
            found = await runtime.read(replay, store.Tests(), session)
            assert found.holds, found.differences

        def bodies() -> Plan[list[str]]:
            rows = yield [_BODIES(session=session) for session in sittings]
            return Commit([sitting[0][0] for sitting in rows])

        seen = [body.split('"exposure":"')[1][:64] for body in await runtime.read(bodies)]
        assert seen == [digest for _, digest in counts[:-1]]
        last = runtime.tests.counts.get(counts[-1][1])
        test = next(iter(runtime.tests._ready.values()))
        if last is None:
            last = await runtime.read(_seen, runtime, test, counts[-1][1])
        assert float(last.sittings.sum()) == pytest.approx(sum(0.999**n for n in range(6)))
        assert 0.9 * 24 < float(last.administered.sum()) <= 24

    run(scenario)


def _seen(runtime: Runtime, test: Any, digest: str) -> Plan[Snapshot]:
    found = yield from exposure.seen_by(runtime.tests, test, digest)
    assert found is not None
    return Commit(found)


def test_counts_hold_exposure_down(run: Run) -> None:
    """Forty people of one ability: without the rule all of them would meet the same four items."""

    async def scenario(runtime: Runtime) -> None:
        await published(runtime)
        for n in range(40):
            await sat(runtime, n)
        counts, _ = await runtime.read(stored)
        test = next(iter(runtime.tests._ready.values()))
        last = await runtime.read(_seen, runtime, test, counts[-1][1])
        share = last.administered.sum(axis=0) / last.sittings.sum()
        assert np.sort(share)[-4:].max() < 0.6
        assert (share > 0).sum() > 8

    run(scenario)


def test_old_counts_wait_for_a_batch_and_two_that_end_at_once_are_both_counted(run: Run) -> None:
    import asyncio

    async def scenario(runtime: Runtime) -> None:
        await published(runtime, seed_counts=True)
        await asyncio.gather(*(sat(runtime, n) for n in range(60)))
        counts, waiting = await runtime.read(stored)
        assert [number for number, _ in counts] == [0, 1]  # after 3,000 faded to 950: batches of 47
        counted = 60 - waiting
        assert 47 <= counted < 60  # some end at the very moment in which a batch is closed
        test = next(iter(runtime.tests._ready.values()))
        first, second = [await runtime.read(_seen, runtime, test, digest) for _, digest in counts]
        faded = float(first.sittings.sum()) * 0.999**counted + sum(0.999**n for n in range(counted))
        assert float(second.sittings.sum()) == pytest.approx(faded)  # none lost, none twice

    run(scenario)


def test_a_replay_tells_when_the_counts_were_changed(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        await published(runtime)
        await sat(runtime, 0)
        session = await sat(runtime, 1)
        swap = Query(
            text(
                "UPDATE exposure_snapshot SET body = "
                "(SELECT body FROM exposure_snapshot WHERE number = 0) WHERE number = 1"
            )
        )

        def tamper() -> Plan[None]:
            yield []
            return Commit(None, [swap()])

        await runtime.write(tamper)
        found = await runtime.read(replay, store.Tests(), session)
        assert not found.holds
        assert "not what they were" in found.differences[0]

    run(scenario)


def test_without_a_rule_nothing_is_pinned_or_counted(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        entry = await service.enter(runtime, (await invited(runtime)).code)
        sitting = runtime.sittings.get(entry.view.sitting)
        assert sitting is not None
        assert sitting.exposure is None
        assert await runtime.read(stored) == ([], 0)

    run(scenario)
