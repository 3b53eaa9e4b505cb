"""A sitting for a person with a need: the items that suit it, the longer test, and who may know of it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import pytest
from sqlalchemy import bindparam, select

from api.catalogue import store
from api.catalogue.neutralisation import neutralise
from api.database import tables
from api.database.plans import Commit, Plan, Query
from api.problems import Problem
from api.runtime import Runtime
from api.sittings import service
from api.sittings.cookie import COOKIE
from api.sittings.log import Log
from api.sittings.replay import Replay, replay
from api.sittings.rescoring import rescore
from api.sittings.turn import EVENTS
from cat_engine.selection.exposure import Snapshot
from item_bank.log import append
from tests.api.browser import Browser
from tests.api.desk import bearer, call, runtime_of, sit
from tests.api.sample import document, invited, right

Run = Callable[[Callable[[Runtime], Coroutine[Any, Any, Any]]], Any]

CODE, NEED, OTHER = "SUITED", "reads-braille", "no-colour"
N = 32
SUITS = [f"{OTHER} {NEED}" if n % 4 in (1, 2) else OTHER if n % 4 == 3 else "" for n in range(1, N + 1)]
"""Half of the items suit the need, in both domains."""
DESIGN: dict[str, Any] = {
    "schema": "acquis/design/1",
    "constraint": [{"attribute": "domain", "value": "D1", "min": 2, "max": 4}],
    "accommodation": {"needs": [NEED, OTHER], "max": 7},
    "stop": {"min": 5, "max": 5},
    "cuts": {"values": [0.0]},
}
RULES: Mapping[str, dict[str, Any]] = {
    "greedy": {},
    "shadow": {"blueprint": {"method": "shadow"}},
    "eligibility": {"exposure": {"method": "eligibility", "rate": 0.4}},
    "rotation": {"exposure": {"rotation": 2}},
}


async def published(runtime: Runtime, **sections: Any) -> None:
    """Publish the test; `sections` are added to its design."""
    attributes = {"domain": ["D1" if n % 2 else "D2" for n in range(1, N + 1)], "accommodation": SUITS}
    test, blobs = document(N, design=DESIGN | sections, attributes=attributes)
    counts = Snapshot.empty(N, 1) if "exposure" in sections else None
    await runtime.write(store.publish, CODE, test, blobs, 1, counts)


async def sat(runtime: Runtime, need: str | None, number: int = 1) -> service.Entry:
    """Sit the whole test."""
    code = (await invited(runtime, CODE, f"M-{number}", need=need)).code
    entry = await service.enter(runtime, code)
    view = entry.view
    while view.phase == "item":
        runtime.sittings.forget(view.sitting)  # another worker goes on from the log alone
        view = await service.answer(
            runtime, entry.token, handle=view.handle or "", response=right(view), key=view.handle or ""
        )
    return entry


def items(runtime: Runtime, entry: service.Entry) -> list[int]:
    """The positions of the items served."""
    sitting = runtime.sittings.get(entry.view.sitting)
    assert sitting is not None
    return list(sitting.state.items)


async def replayed(runtime: Runtime, entry: service.Entry) -> Replay:
    return await runtime.read(replay, store.Tests(), entry.view.sitting)


async def bodies(runtime: Runtime, entry: service.Entry) -> list[dict[str, Any]]:
    def plan() -> Plan[list[dict[str, Any]]]:
        (rows,) = yield [EVENTS(session_id=entry.view.sitting, after=1)]
        return Commit([json.loads(row[2]) for row in rows])

    return await runtime.read(plan)


@pytest.mark.parametrize("rule", RULES)
def test_a_need_is_met_by_items_that_suit_it_and_a_longer_test(run: Run, rule: str) -> None:
    async def scenario(runtime: Runtime) -> None:
        await published(runtime, **RULES[rule])
        for n, (need, length) in enumerate(((NEED, 7), (None, 5), (OTHER, 7))):
            entry = await sat(runtime, need, n)
            served = items(runtime, entry)
            suited = [need is None or need in SUITS[i].split() for i in served]
            assert (len(served), all(suited)) == (length, True)
            assert (entry.view.least, entry.view.most, entry.view.test.most) == (5, length, length)
            started = (await bodies(runtime, entry))[0]["data"]
            assert started.get("need") == need
            assert ("need" in started) == (need is not None)  # a log without one stays as it was
            found = await replayed(runtime, entry)
            assert found.holds, found.differences

    run(scenario)


def test_before_it_begins_the_candidate_is_told_the_length_that_holds(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        await published(runtime)
        for need, most in ((NEED, 7), (None, 5)):
            card = await service.invitation(runtime, (await invited(runtime, CODE, need=need)).code)
            assert (card.state, card.test.least, card.test.most) == ("new", 5, most)

    run(scenario)


def test_without_the_need_other_items_are_served(run: Run) -> None:
    """What the test above holds for would hold by itself, did everybody meet the items that suit."""

    async def scenario(runtime: Runtime) -> None:
        await published(runtime)
        assert not all(NEED in SUITS[i] for i in items(runtime, await sat(runtime, None)))

    run(scenario)


@pytest.mark.parametrize("rule", ["greedy", "shadow"])
def test_a_replay_tells_when_the_need_was_changed(run: Run, rule: str) -> None:
    update = Query(
        tables.event.update()
        .where(tables.event.c.session_id == bindparam("session"), tables.event.c.seq == bindparam("n"))
        .values(body=bindparam("new_body"), hash=bindparam("new_hash"))
    )

    async def scenario(runtime: Runtime) -> None:
        await published(runtime, **RULES[rule])
        entry = await sat(runtime, NEED)
        session = entry.view.sitting
        for need, told in ((None, "the engine chooses"), ("other", "not offered for")):
            log, changed = Log(session), await bodies(runtime, entry)
            changed[0]["data"]["need"] = need
            events = [log.append(body["kind"], body["at"], body["data"]) for body in changed]

            def forge(events: Any = events) -> Plan[None]:
                yield []
                return Commit(
                    None, [update(session=session, n=e.seq, new_body=e.body, new_hash=e.hash) for e in events]
                )

            await runtime.write(forge)
            found = await replayed(runtime, entry)
            assert [line for line in found.differences if told in line], found.differences

    run(scenario)


def test_an_item_taken_out_of_the_score_leaves_that_of_the_person_too(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        await published(runtime)
        entry = await sat(runtime, NEED)
        item = f"BANK-ITEM-{items(runtime, entry)[0] + 1}"
        decided = append((), "neutralised", "Bo", "2026-11-22", item=item, why="two keys", requested_by="Al")
        await runtime.write(neutralise, CODE, decided)
        assert await rescore(runtime) == 1
        found = await replayed(runtime, entry)
        assert found.holds, found.differences
        assert found.results == 2

    run(scenario)


def test_an_item_without_which_a_need_cannot_be_met_stays_until_another_version(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        await published(runtime)
        suited = [n for n in range(1, N + 1) if n % 2 and NEED in SUITS[n - 1]]  # of D1: two are needed
        chained: tuple[Any, ...] = ()
        for n in suited[1:]:
            chained = append(
                chained,
                "neutralised",
                "Bo",
                "2026-11-22",
                item=f"BANK-ITEM-{n}",
                why="two keys",
                requested_by="Al",
            )
        with pytest.raises(Problem, match="another version"):
            await runtime.write(neutralise, CODE, chained)

    run(scenario)


def test_a_need_that_the_test_is_not_offered_for_is_refused(run: Run) -> None:
    async def scenario(runtime: Runtime) -> None:
        await published(runtime)
        with pytest.raises(Problem, match=f"offered for \\('{NEED}', '{OTHER}'\\), got another") as refused:
            await invited(runtime, CODE, need="large-print")
        assert refused.value.code == "conflict"
        with pytest.raises(Problem, match="none, for its design has none"):
            await invited(runtime, need=NEED)

    run(scenario)


def everything() -> Plan[dict[str, str]]:
    """Plan: all that is stored in a form that can be read, by table."""
    names = sorted(set(tables.metadata.tables) - {"test", "blob"})  # these are about no person
    found = yield [Query(select(tables.metadata.tables[name]))() for name in names]
    return Commit({name: str(rows) for name, rows in zip(names, found, strict=True)})


def test_a_need_is_told_to_nobody(client: Browser, caplog: pytest.LogCaptureFixture) -> None:
    """It stands in the invitation and in the log of the sitting; nothing that leaves the service has it."""
    caplog.set_level(logging.INFO)
    runtime = runtime_of(client)
    call(client, published, runtime)
    headers = bearer(client, "invitations:write results:read sittings:supervise")
    body = {"person": {"identifier": "7"}, "test": CODE, "need": "large-print"}
    refused = client.post("/api/v1/invitations", headers=headers, json=body)
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert NEED in refused.json()["detail"]  # told to who may invite, of the test and not of a person
    reply = client.post("/api/v1/invitations", headers=headers, json=body | {"need": NEED})
    code = reply.json()["code"]
    client.get(f"/i/{code}")
    welcome = client.get("/bienvenue", headers={"Accept": "text/html"})
    client.cookies.clear()
    candidate = sit(client, code)
    cookie = {"Cookie": f"{COOKIE}={candidate['Authorization'].removeprefix('Bearer ')}"}
    page = client.get("/resultat", headers={"Accept": "text/html", **cookie})
    assert (welcome.status_code, page.status_code) == (200, 200)
    (entry,) = client.get("/api/v1/results", headers=headers).json()["results"]
    assert entry["result"]["items"] == 7
    assert caplog.records
    told = [
        reply.text,
        welcome.text,
        page.text,
        client.get(f"/api/v1/invitations/{code}").text,
        client.get("/api/v1/sittings/current", headers=candidate).text,
        client.get("/api/v1/sittings/current/credential", headers=candidate).text,
        client.get(f"/api/v1/sittings/{entry['result']['log']['sitting']}", headers=headers).text,
        client.get("/api/v1/results", headers=headers).text,
        client.get("/api/v1/results.csv", headers=headers).text,
        client.get("/metrics").text,
        *(str(vars(record)) for record in caplog.records),
    ]
    assert not [page for page in told if NEED in page]
    stored = call(client, runtime.read, everything)
    assert {name for name, rows in stored.items() if NEED in rows} == {"invitation", "event"}
    assert stored["event"].count(NEED) == stored["invitation"].count(NEED) == 1
