"""Receipts: answers that were cut off the end of a log are missed by who was told that they are stored."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import bindparam, delete

from api.accounts.clients import Client
from api.cat10 import service as sections
from api.cat10.wire import ImsProblem, Scored
from api.command import main
from api.database import tables
from api.database.plans import Commit, Plan, Query
from api.runtime import Runtime
from api.sittings import service, supervision
from api.sittings.receipt import Receipt
from api.sittings.replay import Replay, replay
from api.sittings.view import Entry, View
from tests.api.sample import CODE, ORGANISATION, invited

Run = Callable[[Any], Any]

BOSS = Client("boss", ORGANISATION, frozenset({"sittings:supervise", "sections:run"}))
_CUT = Query(
    delete(tables.event).where(
        tables.event.c.session_id == bindparam("session"), tables.event.c.seq > bindparam("last")
    )
)
LOST = "the log of a sitting ends before what was told of it"


def cut(session: str, last: int) -> Plan[None]:
    """Plan: take events off the end of a log, as whoever can write to the database may."""
    yield []
    return Commit(None, [_CUT(session=session, last=last)])


async def answered(runtime: Runtime, token: str, view: View, choice: str = "B") -> View:
    handle = view.handle or ""
    return await service.answer(runtime, token, handle=handle, response={"RESPONSE": [choice]}, key=handle)


async def three_answers(runtime: Runtime) -> tuple[Entry, list[View]]:
    """A sitting in progress, and what was replied so far."""
    entry = await service.enter(runtime, (await invited(runtime)).code)
    views = [entry.view]
    for _ in range(3):
        views.append(await answered(runtime, entry.token, views[-1]))
    return entry, views


async def held(runtime: Runtime, text: str) -> Replay:
    receipt = Receipt.parse(runtime.secret, text)
    return await runtime.read(replay, runtime.tests, receipt.session, receipt)


def test_every_receipt_fits_the_log_that_it_was_given_for(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        _, views = await three_answers(runtime)
        for view in views:
            found = await held(runtime, view.receipt)
            assert found.holds, found.differences
        assert len({view.receipt for view in views}) == 4

    run(scenario)


def test_answers_cut_off_an_unfinished_log_are_missed(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        entry, views = await three_answers(runtime)
        session = entry.view.sitting
        await runtime.write(cut, session, views[1].seq)
        runtime.sittings.forget(session)
        found = await runtime.read(replay, runtime.tests, session)
        assert found.holds  # what is left is whole: nothing in the database tells
        assert (await held(runtime, views[1].receipt)).holds
        (difference,) = (await held(runtime, views[3].receipt)).differences
        assert "ends at event 4" in difference
        assert "for event 8" in difference
        view = await service.current(runtime, entry.token)
        for _ in range(2):
            view = await answered(runtime, entry.token, view, choice="A")
        assert view.seq == views[3].seq
        (difference,) = (await held(runtime, views[3].receipt)).differences
        assert difference == "event 8 is another one than the receipt was given for"

    run(scenario)


@pytest.mark.parametrize("place", [0, 28, 30, -1])
def test_a_receipt_cannot_be_made_up(run: Run, place: int) -> None:
    async def scenario(runtime: Runtime) -> None:
        _, views = await three_answers(runtime)
        text = list(views[3].receipt)
        text[place] = "1" if text[place] != "1" else "2"
        with pytest.raises(ValueError, match="not a receipt"):
            Receipt.parse(runtime.secret, "".join(text))
        with pytest.raises(ValueError, match="of this deployment"):
            Receipt.parse(bytes(32), views[3].receipt)

    run(scenario)


def test_the_hash_that_a_receipt_stands_for_is_not_told(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        entry, views = await three_answers(runtime)
        sitting = runtime.sittings.get(entry.view.sitting)
        assert sitting is not None
        assert sitting.head.hex()[:16] not in views[3].receipt

    run(scenario)


def test_a_worker_that_knows_better_says_what_the_database_lost(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(runtime: Runtime) -> None:
        entry, views = await three_answers(runtime)
        assert LOST not in caplog.text
        await runtime.write(cut, entry.view.sitting, views[1].seq)
        assert (await service.current(runtime, entry.token)).seq == views[1].seq
        (record,) = (record for record in caplog.records if record.message == LOST)
        assert record.levelno == logging.ERROR
        assert vars(record)["fields"] == {"sitting": entry.view.sitting, "event": views[3].seq}

    run(scenario)


def test_another_player_is_told_that_the_log_lost_what_its_state_was_given_for(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(runtime: Runtime) -> None:
        section = await runtime.write(sections.create_section, BOSS, CODE, "{}")
        told = first = await runtime.write(sections.create_session, runtime, BOSS, section, None)
        session = first.body["sessionIdentifier"]

        async def submit(score: float) -> Any:
            item, state = told.body["nextItems"]["itemIdentifiers"][0], told.body["sessionState"]
            results = [Scored(item, score)]
            return await runtime.write(sections.submit, runtime, BOSS, section, session, results, state)

        told = later = await submit(1.0)
        await runtime.write(cut, session, first.sitting.seq)
        runtime.sittings.forget(session)
        with pytest.raises(ImsProblem) as caught:
            await submit(1.0)
        assert caught.value.status == 409
        assert LOST in caplog.text
        told = first
        told = await submit(0.0)
        assert told.sitting.seq == later.sitting.seq
        told = later  # as long a log with another answer in it
        with pytest.raises(ImsProblem, match="does not hold any more"):
            await submit(1.0)

    run(scenario)


def test_what_is_said_again_is_made_durable_again(run: Run) -> None:
    """What a database shows after a failure may be on one machine alone until the next commit."""
    confirmed: list[int] = []

    async def scenario(runtime: Runtime) -> None:
        whole = runtime.database.write

        async def write(plan: Any, /, *args: Any, **kwargs: Any) -> Any:
            def noted() -> Plan[Any]:
                commit = yield from plan(*args, **kwargs)
                confirmed.append(len(commit.writes))
                return commit

            return await whole(noted)

        code = (await invited(runtime)).code
        entry = await service.enter(runtime, code)
        await service.interrupt(runtime, entry.token)
        await supervision.end(runtime, BOSS, entry.view.sitting, "over")
        section = await runtime.write(sections.create_section, BOSS, CODE, "{}")
        told = await runtime.write(sections.create_session, runtime, BOSS, section, None)
        item, state = told.body["nextItems"]["itemIdentifiers"][0], told.body["sessionState"]
        session = told.body["sessionIdentifier"]
        submitted = (sections.submit, runtime, BOSS, section, session, [Scored(item, 1.0)], state)
        await runtime.write(*submitted)
        runtime.database.write = write  # type: ignore[method-assign]
        await service.interrupt(runtime, entry.token)
        await service.resume(runtime, entry.token)
        await service.enter(runtime, code)
        await supervision.end(runtime, BOSS, entry.view.sitting, "over")
        await runtime.write(*submitted)
        await runtime.write(sections.submit, runtime, BOSS, section, session, [], None)
        await runtime.write(sections.end_session, runtime, BOSS, section, session)
        before = len(confirmed)
        await runtime.write(sections.end_session, runtime, BOSS, section, session)
        assert before == 7
        assert confirmed[:6] == [1] * 6
        assert confirmed[7:] == [1]

    run(scenario)


def test_the_command_holds_a_log_against_a_receipt(
    sqlite_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from api.settings import Settings
    from tests.api.sample import prepare

    keys = tmp_path / "keys"

    async def sat() -> list[View]:
        runtime = Runtime.of(Settings(sqlite_url, keys=keys))
        await runtime.database.open()
        try:
            await prepare(runtime)
            _, views = await three_answers(runtime)
            await runtime.write(cut, views[0].sitting, views[1].seq)
            return views
        finally:
            await runtime.database.close()

    views = asyncio.run(sat())
    words = ["replay", views[0].sitting, "--database-url", sqlite_url, "--keys", str(keys), "--receipt"]
    assert main([*words, views[1].receipt]) == 0
    assert main([*words, views[3].receipt]) == 3
    assert "what came after is lost" in capsys.readouterr().out
    assert main([*words, "made up"]) == 2
    assert "copy it whole" in capsys.readouterr().err
    assert main([*words[:-2], str(tmp_path / "elsewhere"), "--receipt", views[1].receipt]) == 2
    assert "give --keys" in capsys.readouterr().err
    other = ["replay", "0" * 26, *words[2:]]
    assert main([*other, views[1].receipt]) == 2
    assert "got one of" in capsys.readouterr().err
