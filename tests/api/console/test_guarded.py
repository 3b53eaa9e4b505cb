"""What must not happen at the console, whoever tries it: forms of other sites, acts of accounts that are
gone, acts without their entry in the audit log, names that a page or a spreadsheet would obey, secrets in
a log.
"""

from __future__ import annotations

import csv
import io
import json
import logging
import os
import re
import sys
import threading
from typing import Any

import pytest
from sqlalchemy import text

from api.accounts import passwords
from api.accounts.staff import renew
from api.console import signing
from api.console.desk import cookie
from api.database.migrate import engine_for
from api.ids import new_id
from api.observe import _Lines
from api.pages.protection import HEADERS
from tests.api.browser import Browser
from tests.api.console.office import PASSWORD, Desk, at_desk, employed, with_password
from tests.api.console.test_invitations import FIELDS, LIST, ONE, codes, who
from tests.api.console.test_signing import LOGIN, audit, sign_in
from tests.api.desk import bearer, call, invite, runtime_of, sit
from tests.api.test_roles import routes

EVERY_ROLE = "hr jury psychometrician operator"


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: `test_stored` asks both."""
    return sqlite_url


@pytest.fixture
def desk(client: Browser) -> Desk:
    """Somebody who may come into every room, signed in."""
    return Desk(client, at_desk(client, employed(client, LOGIN, EVERY_ROLE)))


def addresses(client: Browser, method: str) -> list[str]:
    """Every address of the console that answers to a method, about things that are not there."""
    found = [path for verb, path in routes(client.app) if verb == method and path.startswith("/console")]
    assert len(found) > 10
    return [re.sub(r"\{\w+\}", new_id(), path) for path in found]


def test_no_form_counts_without_the_page_that_it_stands_on(client: Browser, desk: Desk) -> None:
    page = desk.get("/console/compte").text
    for path in addresses(client, "POST"):
        assert desk.post(path, {"jeton": "0"}, "").status_code == 403, path
        reply = desk.post(path, {"x": ""}, page, headers={"sec-fetch-site": "cross-site"})
        assert reply.status_code == 403, path
    assert desk.get("/console/compte").status_code == 200  # and nobody was signed out


def test_every_page_is_kept_by_nobody_and_framed_by_nobody(client: Browser, desk: Desk) -> None:
    for path in [*addresses(client, "GET"), "/console/nowhere"]:
        for reply in (desk.get(path), Desk(client).get(path)):
            assert {name: reply.headers.get(name) for name in HEADERS} == dict(HEADERS), path


def test_signing_in_gives_a_new_session_and_ends_the_former(client: Browser) -> None:
    with_password(client, LOGIN)
    other = at_desk(client, employed(client, "olga@hospital.example", "operator"))
    name = cookie(runtime_of(client).settings)
    for known in (other, f"{name}=chosen-by-somebody-else"):
        desk = Desk(client, known)
        assert sign_in(desk).status_code == 303
        given = re.search(rf"{name}=([^;]+)", desk.cookie)
        assert given is not None and given[0] not in (other, known)
        assert desk.get("/console/compte").status_code == 200
        assert Desk(client, known).get("/console/compte").status_code == 303


def test_a_password_changed_while_the_account_was_reset_does_not_count(
    client: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = runtime_of(client)
    desk = Desk(client, at_desk(client, with_password(client, LOGIN)))
    hashed = passwords.hashed

    async def slowly(password: str) -> str:
        await runtime.write(renew, LOGIN, "link-of-the-operator", None)
        return await hashed(password)

    monkeypatch.setattr(signing.passwords, "hashed", slowly)
    new = "a new and longer one"
    fields = {"current": PASSWORD, "password": new, "again": new}
    reply = desk.post("/console/compte/mot-de-passe", fields, desk.get("/console/compte").text)
    assert reply.headers["location"] == "/console/connexion?avis=fin"
    assert sign_in(Desk(client), password=new).status_code == 422
    assert Desk(client).get("/console/mot-de-passe/link-of-the-operator").status_code == 200


def test_nothing_is_done_that_the_audit_log_cannot_tell(client: Browser, desk: Desk) -> None:
    sit(client, invite(client, identifier="M-1"))
    invite(client, identifier="M-2")
    (result,) = client.get("/api/v1/results", headers=bearer(client, "results:read")).json()["results"]
    employed(client, "zoe@hospital.example", "hr")
    rooms = ("invitations", "resultats", "contestations", "comptes", "programmes", "compte")
    before = [desk.get(f"/console/{room}").text.partition("<main")[2] for room in rooms]
    (waiting,) = re.findall(r'action="(/console/invitations/\w+)/annulation"', before[0])
    (account,) = re.findall(r'action="(/console/comptes/\w+)/lien"', before[3])
    acts: list[tuple[str, dict[str, Any]]] = [
        (ONE, FIELDS | {"family_name": "M"}),
        (LIST, FIELDS | {"people": "nom\nN\n", "geste": "inviter"}),
        (f"{waiting}/lien", {}),
        (f"{waiting}/annulation", {}),
        (f"/console/resultats/{result['id']}/contestation", {"why": "why", "geste": "envoyer"}),
        ("/console/comptes", {"person": "Léa", "login": "lea@hospital.example", "roles": "hr"}),
        ("/console/programmes", {"program": "HR", "scopes": "results:read"}),
        ("/console/programmes/adresses", {"url": "https://hr.example.org/acquis"}),
        (f"{account}/roles", {"roles": "jury"}),
        (f"{account}/lien", {}),
        (f"{account}/retrait", {}),
        ("/console/deconnexion", {}),
    ]
    taken = ("/console/resultats.csv", f"/console/resultats/{result['id']}/attestation.json")
    engine = engine_for(runtime_of(client).settings.database_url)
    with engine.begin() as connection:
        connection.execute(
            text("CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'full'); END")
        )
    page = desk.get("/console/invitations").text
    for path, fields in acts:
        assert desk.post(path, fields, page).status_code == 503, path
    for path in taken:
        reply = desk.get(path)
        assert (reply.status_code, "Durand" in reply.text) == (503, False), path
    after = [desk.get(f"/console/{room}").text.partition("<main")[2] for room in rooms]
    once = re.compile(r'name="once" value="\w+"|data-seconds="\d+"')
    assert [once.sub("", one) for one in after] == [once.sub("", one) for one in before]
    with engine.begin() as connection:
        connection.execute(text("DROP TRIGGER full"))
    engine.dispose()
    told = len(call(client, runtime_of(client).read, audit))
    for path, fields in acts[:-1]:
        assert desk.post(path, fields, page).status_code in (200, 303), path
    for path in taken:
        assert desk.get(path).status_code == 200
    assert len(call(client, runtime_of(client).read, audit)) == told + len(acts) - 1 + len(taken)


EVIL = ("<img src=x onerror=alert(1)>", "\"' onfocus=alert(1) x='", "=HYPERLINK(0)", "{{ staff }} %s {0}")


def test_names_are_text_on_every_page_and_in_every_table(client: Browser, desk: Desk) -> None:
    people = "nom;prénom;matricule\n" + "".join(
        ";".join('"{}"'.format(cell.replace('"', '""')) for cell in (one, one[::-1], one)) + "\n"
        for one in EVIL
    )
    form = desk.get(LIST).text
    seen = desk.post(LIST, FIELDS | {"people": people, "geste": "voir"}, form)
    made = desk.post(LIST, FIELDS | {"people": people, "geste": "inviter"}, seen.text)
    given = codes(made.text)
    assert len(given) == len(EVIL)
    sit(client, given[0])
    (entry,) = client.get("/api/v1/results", headers=bearer(client, "results:read")).json()["results"]
    result = f"/console/resultats/{entry['id']}"
    contest = desk.post(f"{result}/contestation", {"why": EVIL[0]}, desk.get(result).text)
    desk.checked(f"{result}/contestation", {"why": EVIL[0]}, contest.text)
    account = {"person": EVIL[0], "login": "<b>'\"@hospital.example", "roles": "hr"}
    linked = desk.post("/console/comptes", account, form)
    pages = [seen, made, linked, contest]
    rooms = ("invitations", "resultats", "contestations", "comptes", "journal")
    pages += [desk.get(f"/console/{room}") for room in rooms]
    pages += [desk.get(f"/console/invitations?qui={EVIL[0]}"), desk.get(result)]
    pages += [desk.get(f"/console/contestations/{entry['id']}"), desk.get(f"/console/nowhere/{EVIL[0]}")]
    for page in pages[:-1]:
        assert page.status_code == 200
    shown = "".join(page.text for page in pages)
    assert "<img" not in shown and "' onfocus" not in shown and "<b>'" not in shown
    assert shown.count("&lt;img src=x") > 8
    assert "{{ staff }} %s {0}" in shown
    file = desk.post(LIST, FIELDS | {"people": people, "geste": "csv"}, made.text)
    cells = [cell for row in csv.reader(io.StringIO(file.text), delimiter=";") for cell in row]
    assert "'=HYPERLINK(0)" in cells
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]


def test_signs_that_make_text_read_otherwise_are_refused(client: Browser, desk: Desk) -> None:
    form = desk.get(ONE).text
    for sign in ("\N{RIGHT-TO-LEFT OVERRIDE}", "\N{LEFT-TO-RIGHT ISOLATE}", "\x1b", "\x7f"):
        invited = desk.post(ONE, FIELDS | {"family_name": f"Mar{sign}tin"}, form)
        account = {"person": f"Mar{sign}tin", "login": "lea@hospital.example", "roles": "hr"}
        made = desk.post("/console/comptes", account, form)
        assert (invited.status_code, made.status_code) == (422, 422), sign
    assert who(client) == []


def test_a_number_is_what_was_typed_or_none(client: Browser, desk: Desk) -> None:
    form = desk.get(ONE).text
    for typed in ("00000000019999", "9" * 5_000, "-1", "1e2", "²", "dix"):
        for name in ("days", "extra_time_percent"):
            reply = desk.post(ONE, FIELDS | {"family_name": "M", name: typed}, form)
            assert reply.status_code == 422, (name, typed[:20])
    assert who(client) == []


def test_a_list_has_at_most_a_thousand_people(client: Browser, desk: Desk) -> None:
    form = desk.get(LIST).text
    for n, status in ((1_000, 200), (1_001, 422)):
        people = "nom\n" + "".join(f"M{i}\n" for i in range(n))
        reply = desk.post(LIST, FIELDS | {"people": people, "geste": "voir"}, form)
        assert reply.status_code == status
    reply = desk.post(LIST, FIELDS | {"people": "nom\n" + "M" * 2**20}, form)
    assert reply.status_code == 413


def test_no_log_and_no_metric_holds_a_link_a_name_or_what_was_looked_for(
    client: Browser, desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "acquis")
    call(client, runtime_of(client).write, renew, LOGIN, "the-secret-link", None)
    new = Desk(client)
    form = new.get("/console/mot-de-passe/the-secret-link").text
    chosen = {"password": PASSWORD, "again": PASSWORD}
    assert new.post("/console/mot-de-passe/the-secret-link", chosen, form).status_code == 200
    sign_in(new)
    assert new.get("/console/invitations?qui=Durand").status_code == 200
    assert new.get("/console/resultats?test=%00Durand").status_code == 422
    lines = [_Lines().format(record) for record in caplog.records if record.name.startswith("acquis")]
    assert {"/console/mot-de-passe/{link}"} <= {json.loads(line).get("route") for line in lines}
    said = "\n".join(lines) + client.get("/metrics").text
    token = new.cookie.rpartition("=")[2]
    assert not [word for word in ("secret-link", LOGIN, PASSWORD, "Durand", token) if word in said]


def test_one_password_at_a_time_is_looked_at_and_gives_way() -> None:
    def seen() -> tuple[str, int]:
        return threading.current_thread().name, os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    threads = {passwords._THREADS.submit(seen).result() for _ in range(8)}
    assert {name for name, _ in threads} == {"password_0"}
    assert sys.platform != "linux" or {nice for _, nice in threads} == {19}
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) < 19
