"""Erasing a person: what goes, what stays, and that what stays can still be relied on."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import bindparam, select, text

from api.accounts.invitations import invitation_by_code
from api.accounts.people import Erasure, erase, find, held, idle
from api.catalogue import store
from api.catalogue.neutralisation import neutralise
from api.database import tables
from api.database.plans import Commit, Plan, Query
from api.problems import Problem
from api.results import feed
from api.runtime import Runtime
from api.settings import Settings
from api.sittings import service
from api.sittings.log import PERSONAL, Log, impersonal
from api.sittings.replay import Replay, finished_sittings, replay
from api.sittings.rescoring import rescore
from api.sittings.turn import EVENTS
from api.webhooks.store import fan_out, register
from item_bank.log import append
from tests.api.sample import CODE, ORGANISATION, document, invited, prepare, right

Run = Callable[[Callable[[Runtime], Coroutine[Any, Any, Any]]], Any]

NEED = "reads-braille"
NAMES = ("Durand", "Léa", "'M-1'", NEED, "fainted")
"""What must be nowhere once M-1 is erased."""
SUITED: dict[str, Any] = {
    "schema": "acquis/design/1",
    "accommodation": {"needs": [NEED], "max": 7},
    "stop": {"min": 5, "max": 5},
    "cuts": {"values": [0.0]},
}


async def published(runtime: Runtime) -> None:
    """Publish a timed test that is offered for a need, which half of its items suit."""
    attributes = {"domain": ["D1", "D2"] * 10, "accommodation": [NEED, NEED, "", ""] * 5}
    test, blobs = document(20, design=SUITED, attributes=attributes, time={"limit_s": 3600})
    await runtime.write(store.publish, "SUITED", test, blobs, 1)


async def begun(
    runtime: Runtime, name: str = "M-1", need: str | None = NEED, extra: int = 33
) -> service.Entry:
    """Begin the timed test."""
    invitation = await invited(runtime, "SUITED", name, extra, need)
    return await service.enter(runtime, invitation.code)


async def sat(runtime: Runtime, *args: Any) -> service.Entry:
    """Sit the timed test."""
    entry = await begun(runtime, *args)
    view = entry.view
    while view.phase == "item":
        view = await answered(runtime, entry, view)
    return entry


async def answered(runtime: Runtime, entry: service.Entry, view: Any) -> Any:
    return await service.answer(
        runtime, entry.token, handle=view.handle or "", response=right(view), key=view.handle or ""
    )


async def number(runtime: Runtime, name: str = "M-1") -> str:
    (one,) = await runtime.read(find, ORGANISATION, name)
    return one.id


def everything() -> Plan[str]:
    """Plan: all that is stored about people, as text."""
    names = sorted(set(tables.metadata.tables) - {"test", "blob"})
    found = yield [Query(select(tables.metadata.tables[name]))() for name in names]
    return Commit(str(found))


def changed(statement: str) -> Callable[[], Plan[None]]:
    """A plan that changes the database behind our back."""

    def plan() -> Plan[None]:
        yield []
        return Commit(None, [Query(text(statement))()])

    return plan


async def replayed(runtime: Runtime, entry: service.Entry) -> Replay:
    return await runtime.read(replay, store.Tests(), entry.view.sitting)


@pytest.mark.parametrize("answers", [False, True])
def test_nothing_that_names_or_tells_of_the_person_stays(run: Run, answers: bool) -> None:
    async def scenario(runtime: Runtime) -> None:
        await published(runtime)
        await runtime.write(register, ORGANISATION, "https://hr.example.org/x")
        entry = await sat(runtime)
        await invited(runtime, identifier="M-1")  # and once more, not begun
        await runtime.write(fan_out)
        before = await runtime.read(everything)
        assert all(name in before for name in NAMES[:-1])
        signature = json.loads((await service.result(runtime, entry.token)).credential)["jws"]
        assert signature in before  # which holds all of it in base 64
        person = await number(runtime)
        told: Erasure = await runtime.write(erase, person, answers)
        after = await runtime.read(everything)
        assert [name for name in (*NAMES, signature) if name in after] == []
        sitting = entry.view.sitting
        assert (told.invitations, len(told.results)) == (2, 1)
        assert (tuple(told.cut), told.deleted) == (((), (sitting,)) if answers else ((sitting,), ()))
        assert (sitting in after) is not answers
        assert await runtime.read(find, ORGANISATION, "M-1") == []
        again: Erasure = await runtime.write(erase, person, answers)
        assert (again.invitations, again.results) == (0, ())
        assert (await runtime.read(everything) == after) is True

    run(scenario)


def test_the_file_of_the_database_holds_it_no_more(sqlite_url: str, tmp_path: Path) -> None:
    """Not even in what SQLite has freed: whoever reads the disk finds nothing."""
    settings = Settings(sqlite_url, keys=tmp_path / "keys", connections=4, upkeep=0)
    file = Path(sqlite_url.removeprefix("sqlite:///"))

    async def scenario(then: Callable[[Runtime], Coroutine[Any, Any, Any]]) -> bytes:
        runtime = Runtime.of(settings)
        await runtime.database.open()
        try:
            await then(runtime)
        finally:
            await runtime.database.close()
        return file.read_bytes()

    async def before(runtime: Runtime) -> None:
        await prepare(runtime)
        await published(runtime)
        await sat(runtime)

    async def after(runtime: Runtime) -> None:
        await runtime.write(erase, await number(runtime))

    told = [name.encode() for name in ("Durand", "Léa", f'"need":"{NEED}"')]
    stored = asyncio.run(scenario(before))
    assert all(name in stored for name in told)
    stored = asyncio.run(scenario(after))
    assert [name for name in told if name in stored] == []


def test_a_dry_run_tells_the_same_and_changes_nothing(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        await published(runtime)
        await sat(runtime)
        before, person = await runtime.read(everything), await number(runtime)
        told = await runtime.read(erase, person, dry=True)
        assert (await runtime.read(everything) == before) is True
        assert await runtime.write(erase, person) == told
        assert told.adjusted == tuple(told.cut)

    run(scenario)


def test_others_keep_all_they_have(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        await published(runtime)
        other = await sat(runtime, "M-2")
        await sat(runtime)
        before = await runtime.read(held, await number(runtime, "M-2"))
        await runtime.write(erase, await number(runtime))
        after = await runtime.read(held, await number(runtime, "M-2"))
        assert after | {"exported_at": ""} == before | {"exported_at": ""}
        assert (await replayed(runtime, other)).holds

    run(scenario)


def test_the_log_that_stays_is_chained_and_its_score_recomputed(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        await published(runtime)
        for name, need in (("M-1", NEED), ("M-2", None)):
            entry = await sat(runtime, name, need)
            before = await replayed(runtime, entry)
            await runtime.write(erase, await number(runtime, name))
            found = await replayed(runtime, entry)
            assert found.holds, found.differences
            assert (found.theta, found.se, found.items) == (before.theta, before.se, before.items)
            assert (before.erased, found.erased) == (False, True)
            assert found.events == before.events + 1
            assert entry.view.sitting in await runtime.read(finished_sittings)

    run(scenario)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE event SET body = replace(body, '\"B\"', '\"C\"') WHERE seq = 3", "hash of event 3"),
        ("UPDATE event SET body = replace(body, '\"fr\"', '\"en\"') WHERE seq = 1", "hash of event 1"),
        ('UPDATE event SET body = replace(body, \'"bodies":{\', \'"bodies":{"2":"",\')', "hash of event"),
        ("DELETE FROM event WHERE kind = 'erased'", "hash of event 1"),
        ("DELETE FROM event WHERE seq = 4", "expected event 4"),
    ],
)
def test_tampering_with_what_stays_is_told(run: Run, statement: str, told: str) -> None:
    async def scenario(runtime: Runtime) -> None:
        await published(runtime)
        entry = await sat(runtime)
        await runtime.write(erase, await number(runtime))
        await runtime.write(changed(statement))
        found = await replayed(runtime, entry)
        assert [line for line in found.differences if told in line], found.differences

    run(scenario)


def test_no_answer_can_be_put_in_as_if_it_were_cut(run: Run) -> None:
    """An erasure that names an event which holds nothing personal does not vouch for it."""
    put = Query(
        tables.event.update()
        .where(tables.event.c.session_id == bindparam("session"), tables.event.c.seq == bindparam("n"))
        .values(body=bindparam("left"), hash=bindparam("head"))
    )

    async def scenario(runtime: Runtime) -> None:
        from api.ids import digest

        await published(runtime)
        entry = await sat(runtime)
        session = entry.view.sitting
        await runtime.write(erase, await number(runtime))

        def forge() -> Plan[None]:
            (rows,) = yield [EVENTS(session_id=session, after=1)]
            answer = rows[2][2].replace('"B"', '"C"')
            last = json.loads(rows[-1][2])
            last["data"]["bodies"]["3"] = digest(answer)
            log = Log(session, last["seq"] - 1, 0, bytes(rows[-2][3]))
            end = log.append("erased", last["at"], last["data"])
            return Commit(
                None,
                [
                    put(session=session, n=3, left=answer, head=rows[2][3]),
                    put(session=session, n=end.seq, left=end.body, head=end.hash),
                ],
            )

        await runtime.write(forge)
        assert "hash of event 3" in (await replayed(runtime, entry)).differences[0]

    run(scenario)


def test_a_log_that_says_erased_while_the_result_stands_is_told(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        await published(runtime)
        entry = await sat(runtime)
        row: list[tuple[Any, ...]] = []

        def keep() -> Plan[None]:
            row.extend((yield [Query(text("SELECT document, jws FROM result"))()])[0])
            return Commit(None)

        await runtime.read(keep)
        await runtime.write(erase, await number(runtime))

        def back() -> Plan[None]:
            yield []
            write = Query(text("UPDATE result SET document = :document, jws = :jws"))
            return Commit(None, [write(document=row[0][0], jws=row[0][1])])

        await runtime.write(back)
        assert "disagree on whether it was erased" in (await replayed(runtime, entry)).differences[0]

    run(scenario)


def test_no_guess_at_what_was_cut_out_can_be_confirmed(run: Run) -> None:
    """The hash of each event that stays was made with a text of which 128 bits are nowhere any more."""

    async def scenario(runtime: Runtime) -> None:
        from api.accounts.clients import Client
        from api.sittings import supervision

        await published(runtime)
        entry = await begun(runtime)
        by = Client("proctor", ORGANISATION, frozenset())
        session = entry.view.sitting
        await supervision.set_aside(runtime, by, session, 1, "fainted")
        await service.enter(runtime, (await invited(runtime, "SUITED", "M-1")).code)  # another sitting
        await supervision.end(runtime, by, session, "fainted")

        def events() -> Plan[list[Any]]:
            (rows,) = yield [EVENTS(session_id=session, after=1)]
            return Commit(Log(session).read([(row[1], row[2], bytes(row[3])) for row in rows]))

        whole = await runtime.read(events)
        cut = [event for event in whole if impersonal(event) is not None]
        assert [event.kind for event in cut] == ["started", "item_set_aside", "finished"]
        await runtime.write(erase, await number(runtime))
        after = await runtime.read(everything)
        for event in cut:
            unknown = event.data.get("device") or event.data["salt"]
            assert len(unknown) >= 32
            assert unknown not in after
        assert "fainted" not in after
        assert {event.kind for event in cut} <= set(PERSONAL)

    run(scenario)


def test_a_sitting_in_progress_is_over_and_its_browser_is_out(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        await published(runtime)
        for answers in (False, True):
            name = f"M-{answers}"
            entry = await begun(runtime, name)
            code = (await invited(runtime, identifier=name)).code
            view = await answered(runtime, entry, entry.view)
            assert runtime.sittings.get(view.sitting) is not None  # this worker remembers it
            await runtime.write(erase, await number(runtime, name), answers)
            with pytest.raises(Problem) as refused:
                await answered(runtime, entry, view)
            assert refused.value.code in ("unauthenticated", "not_found")
            with pytest.raises(Problem) as refused:
                await service.current(runtime, entry.token)
            assert refused.value.code in ("unauthenticated", "not_found")
            with pytest.raises(Problem) as refused:
                await service.enter(runtime, code)
            assert refused.value.code == "code_unknown"
            if not answers:
                found = await replayed(runtime, entry)
                assert found.holds, found.differences
        page = await runtime.read(feed.page, ORGANISATION, "", 0, 10)
        assert page.results == []

    run(scenario)


def test_whoever_could_read_the_result_can_no_more(run: Run) -> None:
    """A finished sitting opens for reading with a secret that is not in the log."""

    async def scenario(runtime: Runtime) -> None:
        await published(runtime)
        invitation = await invited(runtime, "SUITED", need=NEED)
        entry = await service.enter(runtime, invitation.code)
        view = entry.view
        while view.phase == "item":
            view = await answered(runtime, entry, view)
        reader = await service.enter(runtime, invitation.code)
        assert (await service.result(runtime, reader.token)).status == "valid"
        await runtime.write(erase, await number(runtime))
        for token in (reader.token, entry.token):
            for ask in (service.result, service.current):
                with pytest.raises(Problem) as refused:
                    await ask(runtime, token)
                assert refused.value.code == "unauthenticated"

    run(scenario)


@pytest.mark.parametrize("kind", PERSONAL)
def test_each_kind_of_event_loses_what_is_personal_alone(kind: str) -> None:
    data = dict.fromkeys(PERSONAL[kind], "secret") | {"position": 3, "given_back": 1}
    event = Log("S").append(kind, 1, data)
    left = impersonal(event)
    assert left is not None
    assert json.loads(left) == json.loads(event.body) | {"data": {"position": 3, "given_back": 1}}


def test_what_people_write_and_browsers_show_is_personal() -> None:
    """A field of these names anywhere in the service's events is cut out, wherever it is said."""
    told = {name for names in PERSONAL.values() for name in names}
    assert told == {"by", "device", "extra_time_percent", "need", "reason", "salt", "time", "why"}
    assert {kind for kind, names in PERSONAL.items() if "salt" in names} == {
        *("item_set_aside", "decided", "finished", "contested", "reviewed")
    }
    assert "reason" in PERSONAL["decided"]
    assert "reason" in PERSONAL["item_set_aside"]
    assert "why" in PERSONAL["finished"]


def test_hr_sees_a_tombstone_after_its_cursor(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        await published(runtime)
        await sat(runtime)
        await sat(runtime, "M-2")
        first = await runtime.read(feed.page, ORGANISATION, "", 0, 10)
        person = await number(runtime)
        await runtime.write(erase, person)
        page = await runtime.read(feed.page, ORGANISATION, first.cursor, 0, 10)
        (tombstone,) = page.results
        assert (tombstone["status"], tombstone["person_id"]) == ("erased", person)
        assert (tombstone["result"], tombstone["credential"]) == (None, None)

        def topics() -> Plan[list[str]]:
            (rows,) = yield [Query(text("SELECT topic FROM outbox ORDER BY id"))()]
            return Commit([row[0] for row in rows])

        assert (await runtime.read(topics)) == ["result.issued", "result.issued", "result.erased"]

    run(scenario)


def test_an_erased_result_is_not_made_anew(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        await published(runtime)
        entry = await sat(runtime)
        sitting = runtime.sittings.get(entry.view.sitting)
        assert sitting is not None
        item = f"BANK-ITEM-{sitting.state.items[0] + 1}"
        await runtime.write(erase, await number(runtime))
        decided = append((), "neutralised", "Bo", "2026-11-22", item=item, why="two keys", requested_by="Al")
        await runtime.write(neutralise, "SUITED", decided)
        assert await rescore(runtime) == 1
        assert (await replayed(runtime, entry)).holds
        page = await runtime.read(feed.page, ORGANISATION, "", 0, 10)
        assert [entry["status"] for entry in page.results] == ["erased"]

    run(scenario)


def test_a_log_written_before_salts_is_erased_alike(run: Run) -> None:
    """What supervisors said had no salt once; the need and the browser stood where they stand."""

    async def scenario(runtime: Runtime) -> None:
        from api.accounts.clients import Client
        from api.sittings import supervision

        await published(runtime)
        entry = await begun(runtime)
        session = entry.view.sitting
        await supervision.end(runtime, Client("proctor", ORGANISATION, frozenset()), session, "fainted")
        put = Query(
            tables.event.update()
            .where(tables.event.c.session_id == bindparam("session"), tables.event.c.seq == bindparam("n"))
            .values(body=bindparam("left"), hash=bindparam("head"))
        )

        def older() -> Plan[None]:
            (rows,) = yield [EVENTS(session_id=session, after=1)]
            log = Log(session)
            bodies = [json.loads(row[2]) for row in rows]
            del bodies[-1]["data"]["salt"]
            events = [log.append(body["kind"], body["at"], body["data"]) for body in bodies]
            return Commit(
                None, [put(session=session, n=one.seq, left=one.body, head=one.hash) for one in events]
            )

        await runtime.write(older)
        await runtime.write(erase, await number(runtime))
        assert (await replayed(runtime, entry)).holds
        assert "fainted" not in await runtime.read(everything)

    run(scenario)


def test_a_log_that_does_not_hold_goes_with_its_answers_alone(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        await published(runtime)
        await sat(runtime)
        await runtime.write(changed("UPDATE event SET body = replace(body, '\"B\"', '\"C\"') WHERE seq = 3"))
        person = await number(runtime)
        with pytest.raises(Problem, match="--answers"):
            await runtime.write(erase, person)
        await runtime.write(erase, person, True)
        assert "Durand" not in await runtime.read(everything)

    run(scenario)


def test_erased_while_people_answer_and_enter(run: Run) -> None:
    """Whoever is faster: afterwards the person is erased, whole, and the log holds."""

    async def scenario(runtime: Runtime) -> None:
        await published(runtime)
        for n in range(6):
            name = f"M-{n}"
            entry = await begun(runtime, name)
            other = (await invited(runtime, identifier=name)).code
            person = await number(runtime, name)

            async def candidate(entry: service.Entry = entry) -> None:
                view = entry.view
                while view.phase == "item":
                    view = await answered(runtime, entry, view)

            tasks = (
                candidate(),
                service.enter(runtime, other),
                _later(n * 0.004, runtime.write(erase, person, bool(n % 2))),
            )
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            assert not isinstance(outcomes[2], BaseException), outcomes
            for outcome in outcomes[:2]:
                assert not isinstance(outcome, BaseException) or isinstance(outcome, Problem), outcome
            assert (repr(name) in await runtime.read(everything)) is False
            if not n % 2:
                found = await replayed(runtime, entry)
                assert found.holds, found.differences

            def left(person: str = person) -> Plan[int]:
                query = Query(
                    text("SELECT count(*) FROM event WHERE kind = 'started' AND body LIKE '%device%'")
                )
                (rows,) = yield [query()]
                return Commit(rows[0][0])

            assert await runtime.read(left) == 0

    run(scenario)


async def _later(seconds: float, work: Coroutine[Any, Any, Any]) -> Any:
    await asyncio.sleep(seconds)
    return await work


def test_an_invitation_made_at_the_moment_of_erasing_leads_nowhere(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        code = (await invited(runtime)).code
        await runtime.write(changed("UPDATE person SET erased_at = 1"))
        with pytest.raises(Problem) as refused:
            await runtime.read(lambda: _invited(code))
        assert refused.value.code == "code_unknown"

    def _invited(code: str) -> Plan[Any]:
        return Commit((yield from invitation_by_code(code)))

    run(scenario)


def test_a_person_named_without_a_type_is_the_same_person_again(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        from api.accounts.invitations import invite
        from api.ids import new_code, new_id
        from api.results.claims import Person

        made = [
            await runtime.write(invite, ORGANISATION, Person(new_id(), "7", kind), CODE, new_code())
            for kind in (None, None, "rpps")
        ]
        assert made[0].person_id == made[1].person_id != made[2].person_id

    run(scenario)


def test_people_with_whom_nothing_happens_any_more_are_found(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        await published(runtime)
        await sat(runtime)
        await invited(runtime, identifier="M-2")
        day = 86_400_000_000
        assert await runtime.read(idle, ORGANISATION, day) == []
        for statement in (
            f"UPDATE person SET created_at = created_at - {3 * day}",
            f"UPDATE invitation SET expires_at = expires_at - {33 * day}",
        ):
            await runtime.write(changed(statement))
        assert await runtime.read(idle, ORGANISATION, day) == [await number(runtime, "M-2")]
        await runtime.write(changed(f"UPDATE session SET changed_at = changed_at - {2 * day}"))
        assert len(await runtime.read(idle, ORGANISATION, day)) == 2
        assert await runtime.read(idle, "OTHER", day) == []

    run(scenario)


KILLED = """
import asyncio, os, signal, sys
from api.accounts.people import erase
from api.database.connect import connect
from api.database.plans import Call, Commit, Query

class Deadly(Query):
    def sql(self, dialect):
        os.kill(os.getpid(), signal.SIGKILL)

def plan(person, n):
    writes = list((yield from erase(person)).writes)
    if n < len(writes):
        writes[n] = Call(Deadly(writes[n].query.statement), writes[n].values)
    return Commit(None, writes)

async def main():
    database = connect(sys.argv[1])
    await database.open()
    try:
        await database.write(plan, sys.argv[2], int(sys.argv[3]))
    finally:
        await database.close()

asyncio.run(main())
"""


def test_killed_in_the_middle_it_has_erased_nothing_or_all(
    run: Run, settings: Settings, tmp_path: Path
) -> None:
    async def prepared(runtime: Runtime) -> tuple[str, str]:
        await published(runtime)
        await sat(runtime)
        return await number(runtime), await runtime.read(everything)

    async def stored(runtime: Runtime) -> str:
        return await runtime.read(everything)

    person, before = run(prepared)
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    for n in (3, 6, 99):
        done = subprocess.run(
            [sys.executable, str(script), settings.database_url, person, str(n)],
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
        )
        after = run(stored)
        if n < 99:
            assert done.returncode == -signal.SIGKILL, done.stderr
            assert (after == before) is True
        else:
            assert done.returncode == 0, done.stderr
            assert "Durand" not in after
