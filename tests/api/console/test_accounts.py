"""Whoever manages accounts at the console, and the audit log; published tests and what they stand on."""

from __future__ import annotations

import asyncio
import re

import pytest

from api.accounts import passwords
from tests.api.browser import Browser
from tests.api.console.office import PASSWORD, Desk, at_desk, employed
from tests.api.sample import ORGANISATION, SECRET_WORDS

ROOM = "/console/comptes"
NEW = {"person": "Zoé Martin", "login": "Zoe@Hospital.example", "roles": ["hr", "jury"]}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: `test_stored` asks both."""
    return sqlite_url


def link(page: str) -> str:
    found = re.search(r"<code[^>]*>[^<]*(/console/mot-de-passe/[^<]+)</code>", page)
    assert found is not None
    return found[1]


def test_an_account_is_made_used_renewed_and_removed(client: Browser) -> None:
    id = employed(client, "olga@hospital.example", "operator")
    desk, new = Desk(client, at_desk(client, id)), Desk(client)
    form = desk.get(ROOM).text
    address = link(desk.post(ROOM, NEW, form).text)
    fields = {"password": PASSWORD, "again": PASSWORD}
    assert new.post(address, fields, new.get(address).text).status_code == 200
    sign_in = {"login": "zoe@hospital.example", "password": PASSWORD}
    assert new.post("/console/connexion", sign_in, new.get("/console/connexion").text).status_code == 303
    assert new.get("/console/invitations").status_code == new.get("/console/contestations").status_code == 200
    page = desk.get(ROOM).text
    assert "Mot de passe choisi" in page
    assert id not in page  # nobody removes or renews their own account
    (renewing,) = re.findall(rf'action="({ROOM}/\w+/lien)"', page)
    other = link(desk.post(renewing, {}, page).text)
    assert new.get("/console/invitations").status_code == 303
    assert Desk(client).get(other).status_code == 200
    removing = renewing.replace("/lien", "/retrait")
    assert desk.post(removing, {}, page).headers["location"] == f"{ROOM}?avis=retire"
    assert Desk(client).get(other).status_code == 410
    assert desk.post(removing, {}, page).status_code == 404
    assert desk.post(f"{ROOM}/{id}/retrait", {}, page).status_code == 409
    said = desk.get("/console/journal").text
    for told in ("a créé un compte", "a donné un nouveau lien", "a retiré un compte", "est connecté"):
        assert told in said
    assert "Zoé Martin" in said  # the name of who signed in stays


def test_what_is_wrong_with_a_new_account_is_told(client: Browser) -> None:
    desk = Desk(client, at_desk(client, employed(client, "olga@hospital.example", "operator")))
    form = desk.get(ROOM).text
    wrong: list[tuple[dict[str, object], str]] = [
        ({"person": " "}, "Écrivez un nom"),
        ({"login": "zoe"}, "comme alice.martin"),
        ({"login": "OLGA@hospital.example"}, "a déjà cette adresse"),
        ({"roles": []}, "au moins un rôle"),
        ({"roles": ["boss"]}, "au moins un rôle"),
    ]
    for fields, told in wrong:
        reply = desk.post(ROOM, NEW | fields, form)
        assert (reply.status_code, told in reply.text) == (422, True), told


def test_another_organisation_is_seen_nowhere(client: Browser) -> None:
    theirs = employed(client, "eve@else.example", "hr jury psychometrician operator", "ELSEWHERE")
    desk = Desk(client, at_desk(client, theirs, organisation="ELSEWHERE"))
    employed(client, "olga@hospital.example", "operator")
    for room in ("comptes", "journal", "invitations", "resultats", "contestations"):
        page = desk.get(f"/console/{room}").text
        assert "Olga" not in page and ORGANISATION not in page, room


def test_a_published_test_shows_what_it_stands_on_and_no_item(client: Browser) -> None:
    desk = Desk(client, at_desk(client, employed(client, "paul@hospital.example", "psychometrician")))
    (path,) = re.findall(r"/console/tests/\w+", desk.get("/console/tests").text)
    page = desk.get(path).text
    assert "De 5 à 7 questions" in page
    assert "80\N{NO-BREAK SPACE}% au moins" in page
    assert not [word for word in SECRET_WORDS if word in page]
    assert desk.get("/console/tests/01ARZ3NDEKTSV4RRFFQ69G5FAV").status_code == 404


def test_passwords_are_hashed_by_argon2id_as_rfc_9106_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As much memory and as many passes as its second recommended option: 64 MiB, three; in one lane."""
    monkeypatch.undo()
    stored = asyncio.run(passwords.hashed(PASSWORD))
    assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=1$")
    assert asyncio.run(passwords.holds(stored, PASSWORD))
    assert not asyncio.run(passwords.holds(stored, PASSWORD + "."))
    assert not asyncio.run(passwords.holds(None, ""))
    assert passwords._nobody(passwords._HASHER).rpartition("$")[0].startswith(stored.rpartition("$")[0][:30])
    accents = asyncio.run(passwords.hashed("ze\u0301brures e\u0301tonnantes"))
    assert asyncio.run(passwords.holds(accents, "z\u00e9brures \u00e9tonnantes"))
