"""Whoever manages accounts gives colleagues other roles, and makes, renews and shuts out programs."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest

from api.webhooks.message import secret_of
from api.webhooks.sender import deliver
from tests.api.browser import Browser
from tests.api.console.office import Desk, at_desk, employed
from tests.api.console.test_signing import audit
from tests.api.desk import bearer, call, invite, runtime_of, sit

ROOM = "/console/programmes"
NEW = {"program": "SIRH <paie>", "scopes": ["results:read", "invitations:write"]}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: the plans are those of the interface and the commands."""
    return sqlite_url


@pytest.fixture
def desk(client: Browser) -> Desk:
    """Somebody who manages accounts, signed in."""
    return Desk(client, at_desk(client, employed(client, "olga@hospital.example", "operator")))


def told(page: str) -> list[str]:
    """What is shown once."""
    return [unescape(one) for one in re.findall(r'<code class="big">([^<]+)</code>', page)]


def token(client: Browser, id: str, secret: str) -> Any:
    grant = {"grant_type": "client_credentials"}
    return client.post("/api/v1/oauth/token", data=grant, auth=(id, secret))


def test_a_program_is_made_renewed_and_shut_out(
    client: Browser, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.accounts.clients._MEMORY", 0.0)
    form = desk.get(ROOM).text
    made = desk.post(ROOM, NEW, form)
    id, secret = told(made.text)
    assert desk.post(ROOM, NEW, form).status_code == 409  # the same form, sent twice
    access = token(client, id, secret).json()
    assert sorted(access["scope"].split()) == ["invitations:write", "results:read"]
    headers = {"Authorization": f"Bearer {access['access_token']}"}
    assert client.get("/api/v1/results", headers=headers).status_code == 200
    page = desk.get(ROOM).text
    assert "SIRH &lt;paie&gt;" in page and id in page and secret not in page
    _, other = told(desk.post(f"{ROOM}/{id}/secret", {}, page).text)
    assert (token(client, id, secret).status_code, token(client, id, other).status_code) == (401, 200)
    assert desk.post(f"{ROOM}/{id}/retrait", {}, page).headers["location"] == f"{ROOM}?avis=ferme"
    assert token(client, id, other).status_code == 401
    assert client.get("/api/v1/results", headers=headers).status_code == 401
    said = call(client, runtime_of(client).read, audit)
    assert [action for action, _ in said][-3:] == ["client.added", "client.renewed", "client.disabled"]


def test_what_is_wrong_with_a_program_or_an_address_is_told(client: Browser, desk: Desk) -> None:
    form = desk.get(ROOM).text
    wrong: list[tuple[str, dict[str, object], str]] = [
        (ROOM, NEW | {"program": " "}, "Écrivez un nom"),
        (ROOM, NEW | {"scopes": []}, "Cochez au moins une chose"),
        (ROOM, NEW | {"scopes": ["everything"]}, "Cochez au moins une chose"),
        (f"{ROOM}/adresses", {"url": "http://hr.example.org"}, "commence par https://"),
        (f"{ROOM}/adresses", {"url": "https://127.0.0.1/"}, "commence par https://"),
        (f"{ROOM}/adresses", {"url": "https://hr.example.org/" + "a" * 500}, "commence par https://"),
    ]
    for path, fields, what in wrong:
        reply = desk.post(path, fields, form)
        assert (reply.status_code, what in reply.text) == (422, True), (path, fields)
    url = {"url": "https://hr.example.org/acquis"}
    assert desk.post(f"{ROOM}/adresses", url, form).status_code == 200
    assert "déjà prévenue" in desk.post(f"{ROOM}/adresses", url, form).text


def test_an_address_is_told_with_another_secret_and_again(
    client: Browser, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = runtime_of(client)
    page = desk.post(f"{ROOM}/adresses", {"url": "https://hr.example.org/acquis"}, desk.get(ROOM).text).text
    (secret,) = told(page)
    ((id, _),) = re.findall(rf"{ROOM}/adresses/(\w+)/(secret)", desk.get(ROOM).text)
    assert secret == secret_of(runtime, id)
    (other,) = told(desk.post(f"{ROOM}/adresses/{id}/secret", {}, page).text)
    assert other == secret_of(runtime, id, 1) != secret
    assert desk.post(f"{ROOM}/adresses/{id}/renvoi", {}, page).status_code == 404  # nothing was given up
    monkeypatch.setattr("api.webhooks.sender.ATTEMPTS", 1)
    monkeypatch.setattr("api.webhooks.sender.post", lambda *_: 500)
    sit(client, invite(client))
    call(client, deliver, runtime)
    assert "1 abandonné" in desk.get(ROOM).text.replace("\N{NO-BREAK SPACE}", " ")
    again = desk.post(f"{ROOM}/adresses/{id}/renvoi", {}, page)
    assert again.headers["location"] == f"{ROOM}?avis=renvoi"
    assert "1 en attente" in desk.get(ROOM).text.replace("\N{NO-BREAK SPACE}", " ")
    assert desk.post(f"{ROOM}/adresses/{id}/retrait", {}, page).status_code == 303
    assert "Aucune adresse" in desk.get(ROOM).text


def test_another_organisation_reaches_none_of_them(client: Browser, desk: Desk) -> None:
    bearer(client, "results:read")
    url = {"url": "https://hr.example.org/acquis"}
    desk.post(f"{ROOM}/adresses", url, desk.get(ROOM).text)
    page = desk.get(ROOM).text
    acts = re.findall(rf'action="({ROOM}/[^"]+/\w+)"', page)
    assert len(acts) == 4
    theirs = employed(client, "eve@else.example", "operator", "ELSEWHERE")
    eve = Desk(client, at_desk(client, theirs, organisation="ELSEWHERE"))
    form = eve.get(ROOM).text
    assert "hr.example.org/acquis</code>" not in form
    for path in acts:
        assert eve.post(path, {}, form).status_code == 404, path
    assert desk.get(ROOM).text.partition("<main")[2].count("/retrait") == 2


def test_a_colleague_gets_other_roles_and_comes_back_with_them(client: Browser, desk: Desk) -> None:
    account = employed(client, "zoe@hospital.example", "hr")
    zoe = Desk(client, at_desk(client, account))
    path = f"/console/comptes/{account}/roles"
    assert path in desk.get("/console/comptes").text
    form = desk.get(path).text
    assert re.findall(r'value="(\w+)"(?: id="roles")? checked', form) == ["hr"]
    assert desk.post(path, {"roles": []}, form).status_code == 422
    assert zoe.get("/console/invitations").status_code == 200
    reply = desk.post(path, {"roles": ["jury", "psychometrician"]}, form)
    assert reply.headers["location"] == "/console/comptes?avis=roles"
    assert zoe.get("/console/invitations").status_code == 303  # signed out
    zoe = Desk(client, at_desk(client, account))
    assert (zoe.get("/console/invitations").status_code, zoe.get("/console/tests").status_code) == (403, 200)
    journal = desk.get("/console/journal").text
    assert f"{account} jury psychometrician" in journal
    own = re.findall(r"/console/comptes/(\w+)/roles", desk.get("/console/comptes").text)
    assert own == [account]  # nobody's own
