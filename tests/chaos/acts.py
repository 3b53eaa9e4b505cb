"""Everything that is done to a sitting, killed (SIGKILL) at every place in the middle: it is done or not.

Run as ``python -m tests.chaos.acts URL KEYS EVERY``. For each act a child process makes ready what it is
about, begins it, and dies at some statement of its transaction (or word of the server's); the next child dies
``EVERY`` so many later, until one comes through. One act is done once more as a control, with writes that are
committed one by one. Prints as JSON what each has left in the database.

It forks, because starting Python anew would take longer than what is tested.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import bindparam, select, text

from api.accounts.clients import Client
from api.accounts.people import erase
from api.cat10 import service as sections
from api.cat10.wire import Scored
from api.catalogue.neutralisation import neutralise
from api.catalogue.store import Tests, publish
from api.database import tables
from api.database.plans import Call, Commit, Plan, Query
from api.database.postgres import PostgreSQL
from api.ids import new_id
from api.problems import Problem
from api.runtime import Runtime
from api.settings import Settings
from api.sittings import overdue, rescoring, service, supervision
from api.sittings.contest import contest, review
from api.sittings.replay import replay
from item_bank.log import append
from tests.api.database.killed import mortal
from tests.api.sample import CODE, ORGANISATION, document, invited, prepare

__all__ = ["ACTS", "Left", "killed"]

ROOT = Path(__file__).absolute().parent.parent.parent
SECOND = 1_000_000
BOSS = Client("boss", ORGANISATION, frozenset({"sittings:supervise", "sections:run"}))
DESIGN: dict[str, Any] = {
    "schema": "acquis/design/1",
    "stop": {"min": 2, "max": 2},
    "cuts": {"values": [0.0]},
}
TIMES = {"limit_s": 600, "grace_s": 10, "silence_s": 100, "give_back_s": 300}
EXPOSED = {**DESIGN, "exposure": {"method": "eligibility", "rate": 0.6}}

Given = dict[str, Any]
Count = dict[str, int]


@dataclass(frozen=True, slots=True)
class Act:
    """Something to be done whole or not at all.

    Attributes
    ----------
    ready
        Makes what it is about.
    done
        Does it.
    later
        Seconds between the two.
    again
        What doing it once more says, where it was done: a code, nothing where that changes nothing, or None
        where it may be done any number of times.
    """

    ready: Callable[[Runtime], Awaitable[Given]]
    done: Callable[[Runtime, Given], Awaitable[Any]]
    later: int = 0
    again: str | None = ""


@dataclass(slots=True)
class Left:
    """What an act left: how many rows of each kind came or went.

    Attributes
    ----------
    killed
        Of each try that was killed.
    whole
        Of the one that came through.
    again
        What was not as it should be when it was done again.
    broken
        What a replay says of logs that do not hold.
    """

    killed: list[Count] = field(default_factory=list)
    whole: Count = field(default_factory=dict)
    again: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    @property
    def halves(self) -> list[Count]:
        """What was left that is neither nothing nor all."""
        return [came for came in self.killed if came not in ({}, self.whole)]

    @property
    def bad(self) -> list[str]:
        """Everything that must not happen."""
        return [f"half of it was left: {came}" for came in self.halves] + self.again + self.broken


def killed(url: str, keys: Path, every: int) -> dict[str, Left]:
    """Kill acts in the middle, in a process of its own; what each left, and what the control did."""
    script = [sys.executable, "-m", "tests.chaos.acts", url, str(keys), str(every)]
    done = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, timeout=1200, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {name: Left(**left) for name, left in json.loads(done.stdout).items()}


async def entered(runtime: Runtime, test: str = CODE, answers: int = 0) -> Given:
    code = (await invited(runtime, test, identifier=None)).code
    entry = await service.enter(runtime, code)
    given: Given = {"code": code, "token": entry.token, "session": entry.view.sitting}
    given["handle"] = entry.view.handle
    for _ in range(answers):
        given["handle"] = (await answer(runtime, given)).handle
    return given


async def answer(runtime: Runtime, given: Given) -> Any:
    """The same answer with the same key, however often."""
    handle = given["handle"]
    return await service.answer(
        runtime, given["token"], handle=handle, response={"RESPONSE": ["B"]}, key=handle
    )


async def paused(runtime: Runtime) -> Given:
    given = await entered(runtime, "TIMED")
    await service.interrupt(runtime, given["token"])
    return given


async def waiting(runtime: Runtime) -> Given:
    given = await paused(runtime)
    runtime.skew = 2000 * SECOND
    assert (await service.resume(runtime, given["token"])).phase == "awaiting_decision"
    return given


_RESULT = Query(
    select(tables.result.c.id, tables.result.c.person_id).where(
        tables.result.c.session_id == bindparam("session_id")
    )
)


def _result_of(session: str) -> Plan[Any]:
    (rows,) = yield [_RESULT(session_id=session)]
    return Commit(rows[0])


async def finished(runtime: Runtime) -> Given:
    given = await entered(runtime, answers=2)
    result, person = await runtime.read(_result_of, given["session"])
    return given | {"result": result, "person": person}


async def contested(runtime: Runtime) -> Given:
    given = await finished(runtime)
    await runtime.write(contest, given["result"], "Al", "the third question")
    return given


async def flawed(runtime: Runtime) -> Given:
    """A finished sitting of a test of its own, of which two people have taken an item out since."""
    code = new_id()
    await prepare(runtime, code, design=DESIGN, title={"fr": code, "en": code})
    given = await entered(runtime, code, answers=2)
    sitting = runtime.sittings.get(given["session"])
    assert sitting is not None
    test = runtime.tests.get(sitting.test)
    assert test is not None
    item = test.items[sitting.state.items[0]].id
    decided = append((), "neutralised", "Bo", "2026", item=item, why="a flaw", requested_by="Al")[-1]
    await runtime.write(neutralise, code, (decided,))
    works = await runtime.read(rescoring.waiting, 1000)
    return given | {"work": next(list(work) for work in works if work[2] == given["session"])}


async def section(runtime: Runtime) -> Given:
    return {"section": await runtime.write(sections.create_section, BOSS, CODE, "{}")}


async def session(runtime: Runtime) -> Given:
    given = await section(runtime)
    told = await runtime.write(sections.create_session, runtime, BOSS, given["section"], None)
    return given | {
        "session": told.body["sessionIdentifier"],
        "item": told.body["nextItems"]["itemIdentifiers"][0],
        "state": told.body["sessionState"],
    }


async def nothing(runtime: Runtime) -> Given:
    return {}


async def new_invitation(runtime: Runtime) -> Given:
    return {"code": (await invited(runtime, identifier=None)).code}


ACTS: dict[str, Act] = {
    "invite": Act(nothing, lambda r, g: invited(r, identifier=None), again=None),
    "use an invitation": Act(new_invitation, lambda r, g: service.enter(r, g["code"]), again=None),
    "answer": Act(entered, answer),
    "answer the last item": Act(lambda r: entered(r, answers=1), answer),
    "take over": Act(entered, lambda r, g: service.enter(r, g["code"]), again=None),
    "pause": Act(entered, lambda r, g: service.interrupt(r, g["token"])),
    "resume": Act(paused, lambda r, g: service.resume(r, g["token"]), later=200),
    "resume after too long": Act(paused, lambda r, g: service.resume(r, g["token"]), later=2000),
    "come back too late": Act(
        lambda r: entered(r, "SLOW"), lambda r, g: service.current(r, g["token"]), later=700
    ),
    "answer too late": Act(lambda r: entered(r, "SLOW"), answer, later=700),
    "decide": Act(
        waiting, lambda r, g: supervision.decide(r, BOSS, g["session"], None, "why"), 2000, "conflict"
    ),
    "set aside": Act(
        entered, lambda r, g: supervision.set_aside(r, BOSS, g["session"], 1, "smudged"), again="stale"
    ),
    "end": Act(waiting, lambda r, g: supervision.end(r, BOSS, g["session"], "over"), later=2000),
    "sweep": Act(
        lambda r: entered(r, "SLOW"), lambda r, g: r.write(overdue.settle, r, g["session"]), later=700
    ),
    "contest": Act(finished, lambda r, g: r.write(contest, g["result"], "Al", "why"), again="conflict"),
    "revoke": Act(
        contested, lambda r, g: r.write(review, g["result"], "Bo", "why", revoke=True), again="conflict"
    ),
    "rescore": Act(flawed, lambda r, g: r.write(rescoring.renew, r, tuple(g["work"])), again="busy"),
    "erase": Act(finished, lambda r, g: r.write(erase, g["person"])),
    "erase in the middle": Act(entered, lambda r, g: _erase_sitter(r, g)),
    "begin a session": Act(
        section,
        lambda r, g: r.write(sections.create_session, r, BOSS, g["section"], None),
        again=None,
    ),
    "submit results": Act(
        session,
        lambda r, g: r.write(
            sections.submit, r, BOSS, g["section"], g["session"], [Scored(g["item"], 1.0)], g["state"]
        ),
    ),
    "end a session": Act(
        session, lambda r, g: r.write(sections.end_session, r, BOSS, g["section"], g["session"])
    ),
    "answer the last item, exposure counted": Act(lambda r: entered(r, "EXPOSED", 1), answer),
}


async def _erase_sitter(runtime: Runtime, given: Given) -> None:
    seen = await supervision.read(runtime, BOSS, given["session"])
    await runtime.write(erase, seen.person)


_COUNTS = (
    "SELECT 'event ' || kind, count(*) FROM event GROUP BY kind",
    "SELECT 'session ' || status, count(*) FROM session GROUP BY status",
    "SELECT 'result ' || status || ' ' || current, count(*) FROM result GROUP BY status, current",
    "SELECT 'signed', count(jws) FROM result",
    "SELECT 'told ' || topic, count(*) FROM outbox GROUP BY topic",
    "SELECT 'feed', max(position) FROM feed",
    "SELECT 'invitation', count(*) FROM invitation",
    "SELECT 'person', count(*) FROM person",
    "SELECT 'erased', count(erased_at) FROM person",
    "SELECT 'usage', count(*) FROM exposure_usage",
    "SELECT 'counts', count(*) FROM exposure_snapshot",
    "SELECT 'rescored', count(*) FROM rescored",
    "SELECT 'section', count(*) FROM section",
)
_COUNT = Query(text(" UNION ALL ".join(_COUNTS)))


def counted() -> Plan[Count]:
    """Plan: how many rows of each kind there are."""
    (rows,) = yield [_COUNT()]
    return Commit({str(name): int(n) for name, n in rows if n})


def _opened(url: str, keys: str, tests: Tests) -> Runtime:
    runtime = Runtime.of(Settings(url, keys=Path(keys), connections=1))
    runtime.tests = tests
    if isinstance(runtime.database, PostgreSQL):
        runtime.database.pool.silence = 100.0  # a busy machine is none of what is tested
    return runtime


async def _furnished(runtime: Runtime) -> None:
    await runtime.database.open()
    await prepare(runtime, design=DESIGN)
    await prepare(runtime, "TIMED", design=DESIGN, time=TIMES)
    await prepare(runtime, "SLOW", design=DESIGN, time={**TIMES, "silence_s": 10_000})
    test, blobs = document(design=EXPOSED)
    from api.catalogue.document import to_bytes
    from api.catalogue.live import live

    counts = live("x", "EXPOSED", 1, to_bytes(test)).adaptive.no_exposure()
    await runtime.write(publish, "EXPOSED", test, blobs, 1, counts)
    for code in (CODE, "TIMED", "SLOW", "EXPOSED"):  # every child has them ready
        await entered(runtime, code)
    await runtime.database.close()


def _one_by_one() -> None:
    """The control: each write is a transaction."""
    whole = Runtime.write

    def alone(call: Call) -> Plan[None]:
        yield []
        return Commit(None, [call])

    async def write(runtime: Runtime, plan: Any, /, *args: Any, **kwargs: Any) -> Any:
        def looked() -> Plan[Any]:
            return Commit((yield from plan(*args, **kwargs)))

        commit = await whole(runtime, looked)
        for call in commit.writes:
            await whole(runtime, alone, call)
        return commit.value

    Runtime.write = Runtime.attempt = write  # type: ignore[method-assign,assignment]


def _child(runtime: Runtime, act: Act, place: int, control: bool, out: int) -> None:
    """Make ready, tell the parent what there is, and do it, until death."""
    die_after = mortal()

    async def lived() -> None:
        await runtime.database.open()
        given = await act.ready(runtime)
        before = await runtime.read(counted)
        os.write(out, json.dumps([given, before]).encode())
        os.close(out)
        if control:
            _one_by_one()
        runtime.skew = act.later * SECOND
        die_after(place)
        await act.done(runtime, given)
        os._exit(0)

    asyncio.run(lived())


def _settled(url: str) -> None:
    """Wait until PostgreSQL has noticed that a client died, and done or undone what it sent."""
    if url.startswith("sqlite"):
        return
    end = time.monotonic() + 120
    others = """
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
    """
    with psycopg.connect(url, autocommit=True) as connection:
        while (row := connection.execute(others).fetchone()) and row[0]:
            assert time.monotonic() < end, "the server does not notice that its client is dead"
            time.sleep(0.002)


def _came(before: Count, after: Count) -> Count:
    changed = {name: after.get(name, 0) - before.get(name, 0) for name in before.keys() | after.keys()}
    return {name: n for name, n in sorted(changed.items()) if n}


def tried(url: str, keys: str, tests: Tests, act: Act, places: Iterable[int], control: bool = False) -> Left:
    """Kill an act at each of `places` until it comes through; do it again."""

    async def looked() -> Count:
        runtime = _opened(url, keys, tests)
        await runtime.database.open()
        try:
            return await runtime.read(counted)
        finally:
            await runtime.database.close()

    left = Left()
    tries: list[tuple[Given, Count]] = []
    for place in places:
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.close(reading)
            try:
                _child(_opened(url, keys, tests), act, place, control, writing)
            finally:
                traceback.print_exc()
                os._exit(1)
        os.close(writing)
        with os.fdopen(reading, "rb") as told:
            content = told.read()
        status = os.waitpid(child, 0)[1]
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        assert content and (killed or os.WEXITSTATUS(status) == 0), f"a child ended with {status}"
        given, before = json.loads(content)
        _settled(url)
        came = _came(before, asyncio.run(looked()))
        tries.append((given, came))
        if not killed:
            break
    *left.killed, left.whole = [came for _, came in tries]
    asyncio.run(_again(_opened(url, keys, tests), act, tries, left))
    return left


async def _again(runtime: Runtime, act: Act, tries: list[tuple[Given, Count]], left: Left) -> None:
    """Do each act again; then every log has to hold."""
    await runtime.database.open()
    try:
        for given, came in tries:
            if came and act.again is None:
                continue
            runtime.skew = act.later * SECOND
            before = await runtime.read(counted)
            try:
                await act.done(runtime, given)
                told = ""
            except Problem as problem:
                told = problem.code
            now = _came(before, await runtime.read(counted))
            if (told, now) != ((act.again, {}) if came else ("", left.whole)):
                left.again.append(f"after {came}: '{told}' {now}")
        (rows,) = await runtime.read(_sessions)
        for (one,) in rows:
            found = await runtime.read(replay, runtime.tests, one)
            left.broken += [f"{one}: {text}" for text in found.differences]
    finally:
        await runtime.database.close()


def _sessions() -> Plan[Any]:
    rows = yield [Query(select(tables.session.c.id))()]
    return Commit(rows)


def main(url: str, keys: str, every: int) -> None:
    """Try the acts; print what they left."""
    tests = Tests()
    asyncio.run(_furnished(_opened(url, keys, tests)))
    found = {}
    for number, (name, act) in enumerate(ACTS.items()):
        found[name] = tried(url, keys, tests, act, itertools.count(1 + number % min(every, 5), every))
    found["control"] = tried(
        url, keys, tests, ACTS["answer the last item"], itertools.count(4, 3), control=True
    )
    print(json.dumps({name: asdict(left) for name, left in found.items()}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
