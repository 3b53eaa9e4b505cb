"""What the console stands on in the database, on both kinds."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import select, text

from api.accounts.attempts import ATTEMPTS, WINDOW
from api.accounts.people import erase
from api.accounts.staff import accounts, add
from api.accounts.staff_sessions import standing
from api.catalogue.store import latest
from api.console.evidence import evidence
from api.database import tables
from api.database.migrate import engine_for
from api.database.plans import Commit, Plan, Query
from api.ids import digest, new_secret
from api.problems import Problem
from tests.api.browser import Browser
from tests.api.console.office import PASSWORD, Desk, at_desk, employed, with_password
from tests.api.console.test_signing import LOGIN, audit, sign_in
from tests.api.desk import answer, bearer, call, enter, invite, runtime_of, sit
from tests.api.sample import CODE, ORGANISATION


@pytest.fixture
def hr(client: Browser) -> Desk:
    """Somebody of HR, signed in."""
    return Desk(client, at_desk(client, employed(client, "alice@hospital.example", "hr")))


def test_attempts_are_limited_for_known_and_unknown_alike(
    client: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ATTEMPTS, "account", 3)
    with_password(client, LOGIN)
    for login in (LOGIN, "nobody@chu.example"):
        desk = Desk(client)
        for _ in range(ATTEMPTS["account"]):
            assert "adresse ou le mot de passe" in sign_in(desk, login, "wrong").text
        for password in ("wrong", PASSWORD):
            assert "Trop d" in sign_in(desk, login, password).text
    runtime_of(client).skew += WINDOW
    assert sign_in(Desk(client)).status_code == 303


def test_a_house_behind_one_address_is_never_too_many(
    client: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Right passwords do not count, wherever they are asked for; wrong ones do, whoever else is right."""
    monkeypatch.setitem(ATTEMPTS, "address", 2)
    monkeypatch.setitem(ATTEMPTS, "account", 2)
    with_password(client, LOGIN)
    desk = Desk(client)
    for _ in range(3):
        assert sign_in(desk).status_code == 303
    page, room = desk.get("/console/compte").text, "/console/compte/mot-de-passe"
    for new in ("a new and longer one", PASSWORD) * 2:
        own = PASSWORD if new != PASSWORD else "a new and longer one"
        assert desk.post(room, {"current": own, "password": new, "again": new}, page).status_code == 303
        page = desk.get("/console/compte").text
    for login in ("nobody@chu.example", "no-one@chu.example"):
        assert "adresse ou le mot de passe" in sign_in(Desk(client), login, "wrong").text
    assert "Trop d" in sign_in(Desk(client)).text


def test_nobody_acts_who_was_signed_out_as_the_act_was_written(client: Browser) -> None:
    """PostgreSQL: another worker ends the session between what a plan reads and what it writes."""
    runtime, account = runtime_of(client), employed(client, LOGIN, "operator")
    token = at_desk(client, account).partition("=")[2]
    engine = engine_for(runtime.settings.database_url)
    between = engine.dialect.name == "postgresql"

    def end() -> None:
        with engine.begin() as connection:
            connection.execute(text("DELETE FROM staff_session"))

    def adding() -> Plan[Any]:
        if between:
            end()
        return (yield from add(ORGANISATION, "Zoé", "zoe@hospital.example", "hr", new_secret(), account))

    if not between:  # one writer: nothing can come between
        end()
    with pytest.raises(Problem, match="Sign in"):
        call(client, runtime.write, standing, digest(token), adding)
    engine.dispose()
    assert [one.login for one in call(client, runtime.read, accounts, ORGANISATION)] == [LOGIN]


def test_accounts_are_asked_for_by_their_organisation(client: Browser) -> None:
    ours, theirs = employed(client, LOGIN, "hr"), employed(client, "eve@else.example", "hr", "ELSEWHERE")
    for organisation, found in ((ORGANISATION, [ours]), ("ELSEWHERE", [theirs]), ("NOWHERE", [])):
        assert [one.id for one in call(client, runtime_of(client).read, accounts, organisation)] == found
    assert {one.id for one in call(client, runtime_of(client).read, accounts)} == {ours, theirs}


def test_the_audit_log_cannot_be_changed(client: Browser) -> None:
    employed(client, LOGIN, "hr")
    engine = engine_for(runtime_of(client).settings.database_url)
    for statement in ("UPDATE audit SET action = 'nothing'", "DELETE FROM audit"):
        with engine.connect() as connection, pytest.raises(Exception, match="only appended to"):
            connection.execute(text(statement))
    engine.dispose()
    assert call(client, runtime_of(client).read, audit) == [("account.added", None)]


def test_invitations_are_found(client: Browser, hr: Desk) -> None:
    sit(client, invite(client, identifier="AB-1"))
    invite(client, identifier="AB_2")
    for query, found in (
        ("", ["AB_2", "AB-1"]),
        ("qui=ab", ["AB_2", "AB-1"]),
        ("qui=ab_", ["AB_2"]),
        ("qui=%25", []),
        ("qui=DUR", ["AB_2", "AB-1"]),
        ("etat=finished", ["AB-1"]),
        ("etat=waiting", ["AB_2"]),
        ("etat=expired", []),
        ("test=OTHER", []),
        (f"test={CODE}", ["AB_2", "AB-1"]),
    ):
        assert re.findall(r"AB[-_]\d", hr.get(f"/console/invitations?{query}").text) == found, query


_EVENTS = Query(
    select(tables.event.c.session_id, tables.event.c.kind, tables.event.c.position, tables.event.c.body)
)


def events() -> Plan[list[tuple[str, str, int, dict[str, Any]]]]:
    """Plan: every event of every sitting."""
    (rows,) = yield [_EVENTS()]
    return Commit([(id, kind, position, json.loads(body)["data"]) for id, kind, position, body in rows])


def test_what_sittings_show_is_what_their_logs_hold(client: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database adds up what the events say one by one; of one organisation, and of finished sittings."""
    headers, sitting = enter(client, invite(client, identifier="M-1"))
    nothing = {"handle": sitting["handle"], "response": {}}
    key = headers | {"Idempotency-Key": "skipped"}
    reply = client.post("/api/v1/sittings/current/answers", headers=key, json=nothing)
    assert reply.json()["position"] == 2  # skipped
    sitting = reply.json()
    while sitting["phase"] == "item":
        sitting = answer(client, headers, sitting).json()
    sit(client, invite(client, identifier="M-2"))
    enter(client, invite(client, identifier="M-3"))
    runtime = runtime_of(client)
    logs = call(client, runtime.read, events)
    ends = {id: data for id, kind, _, data in logs if kind == "finished"}
    served = {(id, n): data["item"] for id, kind, n, data in logs if kind == "item_served" and id in ends}
    skipped = [served[id, n] for id, kind, n, data in logs if data.get("category") == "omitted"]
    test = call(client, runtime.read, latest, CODE)
    found = call(client, runtime.read, evidence, test, ORGANISATION)
    assert (found.sittings, found.finished, found.going) == (2, 2, 1)
    assert {use.item: use.served for use in found.items} == Counter(served.values())
    assert [use.served for use in found.items] == sorted(Counter(served.values()).values(), reverse=True)
    assert {use.item: use.unanswered for use in found.items if any(use.unanswered)} == {skipped[0]: (1, 0, 0)}
    assert found.errors == tuple(sorted(data["record"]["se"] / 1e6 for data in ends.values()))
    assert found.lengths == tuple(sorted(data["n_items"] for data in ends.values()))
    assert dict(found.reasons) == Counter(data["reason"] for data in ends.values())
    assert call(client, runtime.read, evidence, test, "ELSEWHERE").items == ()
    desk = Desk(client, at_desk(client, employed(client, "paul@hospital.example", "psychometrician")))
    page = desk.get(f"/console/tests/{test}/passations").text
    assert f"<code>{skipped[0]}</code>" in page and "2 passations terminées" in page
    rows = list(csv.DictReader(desk.get(f"/console/tests/{test}/questions.csv").text.splitlines()))
    assert len(rows) == 12  # the items that were never served, too
    assert {row["item"]: int(row["served"]) for row in rows if row["served"] != "0"} == Counter(
        served.values()
    )
    monkeypatch.setattr("api.console.evidence.MOST", 1)
    assert call(client, runtime.read, evidence, test, ORGANISATION).sittings == 1


def test_results_are_the_same_as_for_programs(client: Browser, hr: Desk) -> None:
    sit(client, invite(client, identifier="=1+1"))
    program = bearer(client, "results:read")
    (entry,) = client.get("/api/v1/results", headers=program).json()["results"]
    page = hr.get("/console/resultats").text
    assert entry["id"] in page
    score = entry["result"]["score"]
    assert str(score["points"]) in page
    table = client.get("/api/v1/results.csv", headers=program, params={"headings": "words"}).content
    assert hr.get("/console/resultats.csv").content == table
    for query in ("statut=revoked", "du=2200-01-01", "au=1999-01-01", "test=OTHER"):
        assert entry["id"] not in hr.get(f"/console/resultats?{query}").text, query
        assert len(hr.get(f"/console/resultats.csv?{query}").text.splitlines()) == 1
    assert (
        entry["id"] in hr.get("/console/resultats?statut=valid&du=2020-01-01&au=2199-01-01&test=SAMPLE").text
    )
    one = hr.get(f"/console/resultats/{entry['id']}").text
    assert "9 fois sur 10" in one
    file = hr.get(f"/console/resultats/{entry['id']}/attestation.json")
    assert file.text == client.get(entry["credential"], headers=program).text
    call(client, runtime_of(client).write, erase, entry["person_id"])
    gone = hr.get(f"/console/resultats/{entry['id']}").text
    assert "a été effacé" in gone
    assert "Durand" not in gone + hr.get("/console/resultats").text + hr.get("/console/invitations").text
