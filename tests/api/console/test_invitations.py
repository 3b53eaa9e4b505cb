"""HR at the console: invitations one by one and by lists, results, contests and the jury's answer."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

import pytest
from sqlalchemy import select

from api.database import tables
from api.database.plans import Commit, Plan, Query
from api.sittings.contest import contests
from tests.api.browser import Browser
from tests.api.console.office import Desk, at_desk, employed
from tests.api.desk import bearer, call, enter, invite, runtime_of, sit
from tests.api.sample import CODE, ORGANISATION, prepare

LIST = "/console/invitations/liste"
ONE = "/console/invitations/nouvelle"
FIELDS = {"test": CODE, "days": "30"}
_INVITATIONS = Query(
    select(
        tables.person.c.identifier,
        tables.person.c.identifier_type,
        tables.person.c.family_name,
        tables.invitation.c.extra_time_percent,
    )
    .join(tables.person, tables.person.c.id == tables.invitation.c.person_id)
    .order_by(tables.invitation.c.id)
)


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: `test_stored` asks both."""
    return sqlite_url


@pytest.fixture
def hr(client: Browser) -> Desk:
    """Somebody of HR, signed in."""
    return Desk(client, at_desk(client, employed(client, "alice@hospital.example", "hr")))


@pytest.fixture
def jury(client: Browser) -> Desk:
    """Somebody of a jury, signed in."""
    return Desk(client, at_desk(client, employed(client, "bruno@hospital.example", "jury")))


def stored() -> Plan[list[tuple[Any, ...]]]:
    """Plan: whom invitations are for."""
    (rows,) = yield [_INVITATIONS()]
    return Commit(rows)


def who(client: Browser) -> list[tuple[Any, ...]]:
    return list(call(client, runtime_of(client).read, stored))


def codes(page: str) -> list[str]:
    return re.findall(r"<code[^>]*>http[^<]*/i/(\w{20})</code>", page)


def test_one_person_is_invited_and_enters(client: Browser, hr: Desk) -> None:
    form = hr.get(ONE).text
    person = {
        "family_name": "Martin",
        "given_name": "Zoé",
        "identifier": "42",
        "identifier_type": "matricule",
    }
    reply = hr.post(ONE, FIELDS | person | {"extra_time_percent": "33 %"}, form)
    assert reply.status_code == 200
    (code,) = codes(reply.text)
    assert codes(hr.post(ONE, FIELDS | person | {"extra_time_percent": "33 %"}, form).text) == [code]
    assert who(client) == [("42", "matricule", "Martin", 33)]  # sent twice, invited once
    _, sitting = enter(client, code)
    assert sitting["phase"] == "item"
    assert "Test commencé" in hr.get("/console/invitations").text


def test_what_is_wrong_is_said_where_it_is(client: Browser, hr: Desk) -> None:
    form = hr.get(ONE).text
    wrong: list[tuple[dict[str, str], str]] = [
        ({}, "ni identifiant"),
        ({"family_name": "M", "days": "0"}, "1 à 366"),
        ({"family_name": "M", "test": "NONE"}, "Choisissez un test"),
        ({"family_name": "M", "extra_time_percent": "much"}, "de 0 à 200"),
        ({"family_name": "M", "identifier_type": "N° 1"}, "petites lettres"),
        ({"family_name": "M" * 201}, "plus de 200"),
        ({"family_name": "M", "need": "no-visual"}, "pas proposé"),
    ]
    for fields, told in wrong:
        reply = hr.post(ONE, FIELDS | fields, form)
        assert reply.status_code == 422, told
        assert told in reply.text.replace("\N{NO-BREAK SPACE}", " ")
    assert who(client) == []


def test_a_pasted_list_is_looked_at_mended_and_invited_once(client: Browser, hr: Desk) -> None:
    form = hr.get(LIST).text
    bad = "Nom\tPrénom\tMatricule\tTemps supplémentaire (%)\nMartin\tZoé\t1\t\nPetit\tLéa\t1\tmuch\n\t\t\t\n"
    reply = hr.post(LIST, FIELDS | {"people": bad, "geste": "inviter"}, form)
    assert reply.status_code == 422
    assert reply.text.count('class="bad"') == 1
    for told in ("est déjà à la ligne 2", "est un nombre de 0 à 200"):
        assert told in reply.text
    good = FIELDS | {"people": bad.replace("\t1\tmuch", "\t2\t33")}
    seen = hr.post(LIST, good | {"geste": "voir"}, form)
    assert "2 personnes" in seen.text
    assert who(client) == []
    made = hr.post(LIST, good | {"geste": "inviter"}, seen.text)
    assert len(codes(made.text)) == 2
    file = hr.post(LIST, good | {"geste": "csv"}, made.text)
    assert file.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(file.content.decode("utf-8-sig")), delimiter=";"))
    assert [row["link"].rpartition("/")[2] for row in rows] == codes(made.text)
    assert [row["name"] for row in rows] == ["Zoé Martin", "Léa Petit"]
    assert who(client) == [("2", "matricule", "Petit", 33), ("1", "matricule", "Martin", 0)]
    assert re.findall('scope="row">(Zoé|Léa)', hr.get("/console/invitations").text) == ["Zoé", "Léa"]


def test_a_file_of_a_french_spreadsheet_is_read(client: Browser, hr: Desk) -> None:
    fields = FIELDS | {"geste": "inviter", "people": ""}
    for encoding in ("utf-8-sig", "cp1252"):
        content = "identifiant;nom;prénom\r\n7;Lefèvre;Zoé\r\n".encode(encoding)
        file = {"file": ("people.csv", content, "text/csv")}
        reply = hr.post(LIST, fields, hr.get(LIST).text, files=file)
        assert reply.status_code == 200, reply.text
    assert who(client) == [("7", "matricule", "Lefèvre", 0)] * 2


def test_what_is_no_list_is_told(client: Browser, hr: Desk) -> None:
    form = hr.get(LIST).text
    for text in ("", "badge;nom\n1;M\n", "nom;nom\nM;M\n", 'nom\n"M\n', "nom\n"):
        reply = hr.post(LIST, FIELDS | {"people": text, "geste": "voir"}, form)
        assert reply.status_code == 422, text
    assert who(client) == []


def test_a_lost_link_is_replaced_and_an_unused_invitation_cancelled(client: Browser, hr: Desk) -> None:
    first = invite(client, identifier="M-1")
    page = hr.get("/console/invitations").text
    (path,) = re.findall(r'action="(/console/invitations/\w+/lien)"', page)
    reply = hr.post(path, {}, page)
    (code,) = codes(reply.text)
    assert codes(hr.post(path, {}, page).text) == [code]
    assert client.get(f"/api/v1/invitations/{first}").status_code == 404
    assert client.get(f"/api/v1/invitations/{code}").status_code == 200
    cancelling = path.replace("/lien", "/annulation")
    assert hr.post(cancelling, {}, page).status_code == 303
    assert client.post("/api/v1/sittings", json={"code": code}).json()["code"] == "code_expired"
    assert hr.post(cancelling, {}, page).status_code == hr.post(path, {}, page).status_code == 409
    assert "Annulée" in hr.get("/console/invitations?etat=cancelled").text


def test_a_test_that_was_begun_is_not_cancelled(client: Browser, hr: Desk) -> None:
    enter(client, invite(client))
    page = hr.get("/console/invitations").text
    (path,) = re.findall(r'action="(/console/invitations/\w+)/lien"', page)
    reply = hr.post(f"{path}/annulation", {}, page)
    assert (reply.status_code, "Rien n" in reply.text) == (409, True)


def test_a_contest_is_noted_looked_at_and_answered_once(client: Browser, hr: Desk, jury: Desk) -> None:
    sit(client, invite(client))
    (entry,) = client.get("/api/v1/results", headers=bearer(client, "results:read")).json()["results"]
    path = f"/console/resultats/{entry['id']}"
    page = hr.get(path).text
    assert hr.post(f"{path}/contestation", {"why": " "}, page).status_code == 422
    said = {"why": "a picture\n <was> missing"}
    changing = hr.checked(f"{path}/contestation", said, page, "modifier")
    assert "a picture\n &lt;was&gt; missing</textarea>" in changing.text
    assert (
        call(client, runtime_of(client).read, contests, ORGANISATION) == []
    )  # nothing before it was checked
    assert hr.checked(f"{path}/contestation", said, page).status_code == 303
    assert hr.checked(f"{path}/contestation", {"why": "again"}, page).status_code == 409
    assert "&lt;was&gt; missing" in jury.get("/console/contestations").text
    path = f"/console/contestations/{entry['id']}"
    page = jury.get(path).text
    assert "tout concorde" in page
    assert jury.post(path, {"outcome": "", "why": ""}, page).status_code == 422
    answer = {"outcome": "retirer", "why": "it was missing"}
    changing = jury.checked(path, answer, page, "modifier")
    assert 'value="retirer" checked' in changing.text and "it was missing" in changing.text
    reply = jury.checked(path, answer, page)
    assert reply.headers["location"] == "/console/contestations?avis=retire"
    assert jury.checked(path, {"outcome": "maintenir", "why": "or was it"}, page).status_code == 409
    (told,) = call(client, runtime_of(client).read, contests, ORGANISATION)
    assert (told["by"], told["answer"]["by"], told["answer"]["outcome"]) == ("Alice", "Bruno", "revoked")
    assert "a été retiré" in hr.get(f"/console/resultats/{entry['id']}").text
    assert "Retiré" in jury.get(path).text


def test_a_jury_is_warned_where_the_log_does_not_hold(client: Browser, hr: Desk, jury: Desk) -> None:
    sit(client, invite(client))
    (entry,) = client.get("/api/v1/results", headers=bearer(client, "results:read")).json()["results"]
    path = f"/console/resultats/{entry['id']}"
    hr.checked(f"{path}/contestation", {"why": "why"}, hr.get(path).text)
    forge = Query(tables.event.update().where(tables.event.c.seq == 3).values(position=9))

    def forged() -> Plan[None]:
        yield []
        return Commit(None, [forge()])

    call(client, runtime_of(client).write, forged)
    assert "ne concorde pas" in jury.get(f"/console/contestations/{entry['id']}").text


@pytest.mark.parametrize(
    ("fields", "phase"),
    [
        ({"outcome": "tout", "minutes": "dix"}, "item"),
        ({"outcome": "minutes", "minutes": "90"}, "item"),
        ({"outcome": "rien"}, "finished"),
        ({"outcome": "finir"}, "finished"),
    ],
)
def test_an_interruption_is_decided(client: Browser, jury: Desk, fields: dict[str, str], phase: str) -> None:
    runtime = runtime_of(client)

    async def timed() -> None:
        await prepare(runtime, "TIMED", time={"limit_s": 600, "silence_s": 100, "give_back_s": 60})

    call(client, timed)
    headers, sitting = enter(client, invite(client, "TIMED"))
    client.post("/api/v1/sittings/current/interruption", headers=headers)
    runtime.skew = 1_000_000_000
    client.post("/api/v1/sittings/current/resumption", headers=headers)
    path = f"/console/interruptions/{sitting['sitting']}"
    assert path in jury.get("/console/contestations").text
    form = jury.get(path).text
    for minutes in ("x", "601", "00000000019999"):
        fault = {"outcome": "minutes", "minutes": minutes, "why": "fire drill"}
        assert jury.post(path, fault, form).status_code == 422
    assert "fire drill" in jury.checked(path, fields | {"why": "fire drill"}, form, "modifier").text
    assert jury.checked(path, fields | {"why": "fire drill"}, form).status_code == 303
    now = client.post("/api/v1/sittings/current/resumption", headers=headers).json()
    assert now["phase"] == phase
