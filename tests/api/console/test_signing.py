"""Signing in at the console: what is told, what is counted, when a session ends."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select

from api.accounts import totp
from api.accounts.attempts import network
from api.accounts.staff import remove, renew
from api.accounts.staff_sessions import ABSOLUTE, IDLE
from api.database import tables
from api.database.plans import Commit, Plan, Query
from api.pages.site import asset
from api.sittings.timing import SECOND
from tests.api.browser import Browser
from tests.api.console.office import PASSWORD, Desk, at_desk, employed, with_password
from tests.api.desk import call, runtime_of

LOGIN = "alice.martin@chu.example"


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """SQLite alone: `test_stored` asks both."""
    return sqlite_url


_AUDIT = Query(select(tables.audit.c.action, tables.audit.c.staff_id).order_by(tables.audit.c.id))


def audit() -> Plan[list[tuple[str, str | None]]]:
    """Plan: the actions in the audit log."""
    (rows,) = yield [_AUDIT()]
    return Commit([(action, staff) for action, staff in rows])


def sign_in(
    desk: Desk, login: str = LOGIN, password: str = PASSWORD, retour: str = "/console", **more: str
) -> object:
    form = desk.get("/console/connexion").text
    fields = {"login": login, "password": password, "retour": retour} | more
    return desk.post("/console/connexion", fields, form)


def test_who_signs_in_comes_where_they_wanted(client: Browser) -> None:
    id, desk = with_password(client, LOGIN), Desk(client)
    wanted = desk.get("/console/resultats")
    assert wanted.headers["location"] == "/console/connexion?retour=/console/resultats"
    reply = sign_in(desk, f"  {LOGIN.upper()} ", retour="/console/resultats")
    assert (reply.status_code, reply.headers["location"]) == (303, "/console/resultats")
    cookie = reply.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "Max-Age" not in cookie
    assert desk.get("/console").headers["location"] == "/console/invitations"
    page = desk.get("/console/resultats")
    assert (page.status_code, page.headers["cache-control"]) == (200, "no-store")
    assert re.findall("<script[^>]*>", page.text) == [f'<script src="{asset("console.js")}" defer>']
    assert desk.post("/console/deconnexion", {}, page.text).headers["location"] == "/console/connexion"
    desk.cookie = cookie.partition(";")[0]  # the very session that was ended
    assert desk.get("/console/resultats").status_code == 303
    said = call(client, runtime_of(client).read, audit)
    assert said[-2:] == [("signed_in", id), ("signed_out", id)]


@pytest.mark.parametrize("retour", ["https://evil.example/", "//evil.example", "/console//evil", "/question"])
def test_nobody_is_led_elsewhere_after_signing_in(client: Browser, retour: str) -> None:
    with_password(client, LOGIN)
    assert sign_in(Desk(client), retour=retour).headers["location"] == "/console"


def test_nobody_learns_which_accounts_exist(client: Browser) -> None:
    with_password(client, LOGIN)
    employed(client, "new@chu.example", "hr")  # has not chosen a password yet
    told = {
        sign_in(Desk(client), login, password)
        .text.replace(login, "-")
        .partition("<main")[2]
        .partition("jeton")[0]
        for login, password in ((LOGIN, "wrong"), ("nobody@chu.example", PASSWORD), ("new@chu.example", ""))
    }
    assert len(told) == 1
    assert "adresse ou le mot de passe" in told.pop()


def test_an_ipv6_household_counts_as_one_address() -> None:
    assert network("2001:db8::1") == network("2001:db8::ffff:2") != network("2001:db8:0:1::1")
    assert network("192.0.2.1") != network("192.0.2.2")
    assert network("fe80::1%eth0") and network("unix") == "unix"


def test_a_session_ends_by_the_clock(client: Browser) -> None:
    runtime, account = runtime_of(client), employed(client, LOGIN, "hr")
    desk = Desk(client, at_desk(client, account))
    for skew in range(0, ABSOLUTE - IDLE, IDLE * 3 // 4):
        runtime.skew = skew
        assert desk.get("/console/compte").status_code == 200
    runtime.skew = ABSOLUTE
    assert desk.get("/console/compte").status_code == 303  # after a day, however busy
    runtime.skew = 0
    idle = Desk(client, at_desk(client, account))
    runtime.skew = IDLE
    assert idle.get("/console/compte").status_code == 303


def test_how_long_a_session_lasts_is_told_and_can_be_made_longer(client: Browser) -> None:
    runtime = runtime_of(client)
    with_password(client, LOGIN)
    desk = Desk(client)
    sign_in(desk)
    page = desk.get("/console/compte").text
    assert 300 < int(page.partition('data-seconds="')[2].partition('"')[0]) <= IDLE // SECOND
    runtime.skew = IDLE - 300 * SECOND
    left = desk.get("/console/session").json()
    assert 0 < left["seconds"] <= 300  # asking is no activity
    assert desk.get("/console/session").json()["seconds"] <= left["seconds"]
    longer = desk.post("/console/session", {}, page).json()
    assert longer["seconds"] > 300 and longer["hour"] != left["hour"] and not longer["last"]
    runtime.skew = 0
    sign_in(desk, garder="1")
    runtime.skew = ABSOLUTE - 3600 * SECOND
    kept = desk.get("/console/session").json()
    assert 0 < kept["seconds"] <= 3600 and kept["last"]
    assert desk.get("/console/compte").status_code == 200
    runtime.skew = ABSOLUTE
    assert desk.get("/console/session").status_code == 303


def test_a_link_to_choose_a_password_works_once(client: Browser) -> None:
    runtime, desk = runtime_of(client), Desk(client)
    employed(client, LOGIN, "hr")
    call(client, runtime.write, renew, LOGIN, "the-link", None)
    form = desk.get("/console/mot-de-passe/the-link").text
    assert LOGIN in form
    for password, again, told in (
        ("short", "short", "trop court"),
        ("aaaaaaaaaaaaaa", "aaaaaaaaaaaaaa", "se devine"),
        (LOGIN, LOGIN, "se devine"),
        (PASSWORD, "another password", "pas les mêmes"),
    ):
        fields = {"password": password, "again": again}
        reply = desk.post("/console/mot-de-passe/the-link", fields, form)
        assert reply.status_code == 422
        assert told in reply.text
        assert password == LOGIN or password not in reply.text
    fields = {"password": PASSWORD, "again": PASSWORD}
    assert "est enregistré" in desk.post("/console/mot-de-passe/the-link", fields, form).text
    assert desk.get("/console/mot-de-passe/the-link").status_code == 410
    assert desk.post("/console/mot-de-passe/the-link", fields, form).status_code == 410
    assert sign_in(desk).status_code == 303


def test_reset_and_removal_sign_out_at_once(client: Browser) -> None:
    runtime, account = runtime_of(client), with_password(client, LOGIN)
    desk = Desk(client, at_desk(client, account))
    assert desk.get("/console/resultats").status_code == 200
    call(client, runtime.write, renew, LOGIN, "another-link", None)
    assert desk.get("/console/resultats").status_code == 303
    assert sign_in(Desk(client)).status_code == 422  # the password is forgotten
    desk = Desk(client, at_desk(client, account))
    call(client, runtime.write, remove, account, None)
    assert desk.get("/console/resultats").status_code == 303
    assert desk.get("/console/mot-de-passe/another-link").status_code == 410
    employed(client, LOGIN, "jury")  # the login is free again


def test_a_changed_password_signs_other_browsers_out(client: Browser) -> None:
    account = with_password(client, LOGIN)
    desk, other = Desk(client, at_desk(client, account)), Desk(client, at_desk(client, account))
    page = desk.get("/console/compte").text
    fields = {"current": "wrong", "password": "a new and longer one", "again": "a new and longer one"}
    assert "pas votre mot de passe" in desk.post("/console/compte/mot-de-passe", fields, page).text
    reply = desk.post("/console/compte/mot-de-passe", fields | {"current": PASSWORD}, page)
    assert reply.status_code == 303
    assert desk.get("/console/compte").status_code == 200
    assert other.get("/console/compte").status_code == 303
    assert sign_in(Desk(client)).status_code == 422
    assert sign_in(Desk(client), password="a new and longer one").status_code == 303


@pytest.mark.parametrize(
    ("seconds", "wanted"),
    [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")],
)
def test_codes_are_those_of_rfc_6238(seconds: int, wanted: str) -> None:
    """Its appendix B, SHA-1, the last six of eight digits."""
    secret = b"12345678901234567890"
    assert totp.code(secret, seconds // 30) == wanted
    step = totp.matching(secret, f" {wanted[:3]} {wanted[3:]} ", seconds * 1_000_000, None)
    assert step == seconds // 30
    assert totp.matching(secret, wanted, seconds * 1_000_000, step) is None  # used up
    assert totp.matching(secret, wanted, (seconds + 90) * 1_000_000, None) is None


def test_the_second_step_is_set_up_asked_for_and_stopped(client: Browser) -> None:
    runtime, account = runtime_of(client), with_password(client, LOGIN)
    desk = Desk(client, at_desk(client, account))
    page = desk.get("/console/compte").text
    page = desk.post("/console/compte/second-facteur", {"geste": "debut"}, page).text
    secret, proof = (
        page.partition(f'name="{name}" value="')[2].partition('"')[0] for name in ("secret", "preuve")
    )
    fields = {"geste": "preuve", "secret": secret, "preuve": proof, "current": PASSWORD}
    wrong = desk.post("/console/compte/second-facteur", fields | {"code": "1"}, page)
    assert (wrong.status_code, secret in wrong.text) == (422, True)
    own = {"secret": "MZXW6YTBOI======", "code": totp.code(b"foobar", 1)}  # not a secret of ours
    desk.post("/console/compte/second-facteur", fields | own, page)
    assert "demandé à chaque" not in desk.get("/console/compte").text

    def code(ahead: int = 0) -> str:
        return totp.code(totp.read(secret), call(client, runtime.now) // totp.STEP + ahead)

    stranger = desk.post("/console/compte/second-facteur", fields | {"code": code(), "current": "x"}, page)
    assert (stranger.status_code, "pas votre mot de passe" in stranger.text) == (422, True)
    assert "demandé à chaque" not in desk.get("/console/compte").text
    desk.post("/console/compte/second-facteur", fields | {"code": code()}, page)
    assert "demandé à chaque" in desk.get("/console/compte").text
    new = Desk(client)
    assert sign_in(new).headers["location"] == "/console/code?retour=/console"
    for room in ("/console", "/console/resultats", "/console/compte"):
        assert new.get(room).status_code == 303  # nothing is open yet
    form = new.get("/console/code").text
    assert new.post("/console/code", {"code": "1"}, form).status_code == 422
    runtime.skew += 2 * totp.STEP  # the code of the set-up is used up
    waiting = new.cookie
    typed = code()
    assert new.post("/console/code", {"code": typed, "retour": "/console"}, form).status_code == 303
    assert new.get("/console/compte").status_code == 200
    assert Desk(client, waiting).get("/console/code").status_code == 303  # the secret has changed hands
    again = Desk(client, at_desk(client, account, waits=True))
    form = again.get("/console/code").text
    assert again.post("/console/code", {"code": typed}, form).status_code == 422  # counts once
    page = new.get("/console/compte").text
    stop = {"geste": "fin", "current": PASSWORD}
    assert new.post("/console/compte/second-facteur", stop, page).status_code == 303
    assert sign_in(Desk(client)).headers["location"] == "/console"


def test_a_form_counts_from_our_own_pages_alone(client: Browser) -> None:
    account = employed(client, LOGIN, "hr")
    desk, other = Desk(client, at_desk(client, account)), Desk(client, at_desk(client, account))
    page = desk.get("/console/compte").text
    for reply in (
        desk.post("/console/deconnexion", {}, ""),
        desk.post("/console/deconnexion", {}, page, headers={"sec-fetch-site": "same-site"}),
        other.post("/console/deconnexion", {}, page),  # the form of another session
    ):
        assert reply.status_code == 403
        assert "n\N{RIGHT SINGLE QUOTATION MARK}est pas permis" in reply.text
    assert desk.get("/console/compte").status_code == 200
