"""Staff at the console, in a real browser and by keyboard: from signing in to an answered contest, from a
link to choose a password to a decision about an interruption.

``ACQUIS_PICTURES=FOLDER`` keeps the pages as pictures.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from argon2 import PasswordHasher
from selenium.webdriver.common.keys import Keys

from api.accounts import totp
from api.accounts.staff import add, choose
from api.accounts.staff_sessions import IDLE
from api.app import create_app
from api.runtime import Runtime
from api.settings import Settings
from api.sittings.timing import SECOND
from tests.api.sample import ORGANISATION, invited, prepare
from tests.journeys.chromium import Chromium
from tests.journeys.server import in_process
from tests.journeys.sitting import begin, sit, tab_to
from tests.journeys.test_accessible import WIDTH_320, check
from tests.journeys.test_problem_pages import keep

PASSWORD = "correct horse battery staple"
PEOPLE = "nom\tprénom\tmatricule\nMartin\tZoé\t1\nDiallo\tSékou\t2\n\tLéa\t{}\n"
STAFF = {
    "alice.martin@hospital.example": "hr",
    "bruno.petit@hospital.example": "jury",
    "claire.roux@hospital.example": "hr jury psychometrician operator",
}

pytestmark = pytest.mark.usefixtures("axe")


class Office(NamedTuple):
    """An application with two tests, and staff."""

    address: str
    runtime: Runtime
    code: str
    """Of an invitation to the test that has a time limit."""


NEW, ELSEWHERE = "dora.leroy@elsewhere.example", "ELSEWHERE"
"""A jury's member who has a link and no password yet, in another organisation than the others."""


@pytest.fixture(scope="module")
def office(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """Serve an application with staff of every kind."""
    folder = tmp_path_factory.mktemp("console")
    (folder / "acquis.db").write_bytes(sqlite_template.read_bytes())
    settings = Settings(f"sqlite:///{folder / 'acquis.db'}", keys=folder / "keys", upkeep=0)

    async def staffed() -> str:
        runtime = Runtime.of(settings)
        await runtime.database.open()
        try:
            await prepare(runtime)
            await prepare(runtime, "TIMED", time={"limit_s": 600, "silence_s": 100, "give_back_s": 60})
            password = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
            for login, roles in (STAFF | {NEW: "jury"}).items():
                name = " ".join(part.title() for part in re.split("[.@]", login)[:2])
                where = ELSEWHERE if login == NEW else ORGANISATION
                await runtime.write(add, where, name, login, roles, login, None, where)
                if login != NEW:
                    await runtime.write(choose, login, password)
            return (await invited(runtime, "TIMED", organisation=ELSEWHERE)).code
        finally:
            await runtime.database.close()

    code = asyncio.run(staffed())
    app = create_app(settings)
    with in_process(app) as address:
        yield Office(address, app.state.runtime, code)


@pytest.fixture(scope="module")
def console(office: Office) -> str:
    """Address of the application."""
    return office.address


def enter(chromium: Chromium, selector: str) -> None:
    """Go to a button or link by Tab, and press it."""
    tab_to(chromium, selector)
    with chromium.next_page():
        chromium.press(Keys.ENTER)


def write(chromium: Chromium, selector: str, text: str) -> None:
    """Go to a field by Tab and write."""
    field = tab_to(chromium, selector)
    field.clear()
    field.send_keys(text)


def sign_in(chromium: Chromium, console: str, login: str) -> None:
    chromium.open(f"{console}/console")
    write(chromium, "#login", login)
    write(chromium, "#password", PASSWORD)
    enter(chromium, "main button.primary")


NARROW = ("list-wrong", "handed-out", "invitations", "results", "result", "contest")
"""Pages that are also looked at in the dark, on the narrowest screen and enlarged, with something on them."""


def enlarged(chromium: Chromium, name: str) -> None:
    """Look at the page on a desk with text twice as large (WCAG 1.4.4): it does not scroll sideways."""
    chromium.size(1280, 900)
    chromium.script("document.documentElement.style.fontSize = '200%'")
    assert chromium.too_wide() == 0, f"{name}, large text"
    chromium.script("document.documentElement.style.fontSize = ''")
    chromium.size(1000, 900)


def seen(chromium: Chromium, name: str) -> None:
    """Check the page, and keep its picture."""
    if name in NARROW:
        check(chromium, name)
        enlarged(chromium, name)
    else:
        assert chromium.violations() == [], name
    keep(chromium, f"console-{name}")


def test_three_people_are_invited_one_sits_and_contests_a_jury_answers(
    chromium: Chromium, other_chromium: Chromium, console: str
) -> None:
    hr, candidate = chromium, other_chromium
    candidate.reset()
    hr.open(f"{console}/console")
    seen(hr, "sign-in")
    enter(hr, "main button.primary")
    hr.focuses(".summary")
    seen(hr, "sign-in-wrong")
    alice, bruno, _ = STAFF
    sign_in(hr, console, alice)
    assert hr.path == "/console/invitations"
    seen(hr, "nobody-invited")

    enter(hr, "main .actions a[href$=liste]")
    write(hr, "#people", "placeholder")
    hr.script("document.getElementById('people').value = arguments[0]", PEOPLE.format("1"))  # pasted
    enter(hr, "main button[value=voir]")
    assert "Ligne 4" in hr.text
    seen(hr, "list-wrong")
    hr.script("document.getElementById('people').value = arguments[0]", PEOPLE.format("3"))
    enter(hr, "main button[value=voir]")
    seen(hr, "list-ready")
    enter(hr, "main button[value=inviter]")
    assert hr.one("h1").text.startswith("3 invitations")
    seen(hr, "handed-out")
    links = [code.text for code in hr.all("td code") if "/i/" in code.text]
    assert len(links) == 3

    begin(candidate, f"{console}/i/{links[0].rpartition('/')[2]}")
    sit(candidate)

    enter(hr, ".rooms a[href$=invitations]")
    assert [state.text for state in hr.all(".state")] == ["Test terminé"] + ["Pas encore utilisée"] * 2
    seen(hr, "invitations")
    enter(hr, ".rooms a[href$=resultats]")
    seen(hr, "results")
    table = hr.script("return fetch('/console/resultats.csv').then((reply) => reply.text())")
    assert "Martin;Zoé" in table
    enter(hr, "tbody a")
    assert hr.one("h1").text == "Zoé Martin, matricule 1"
    tab_to(hr, "details summary")
    hr.press(Keys.ENTER)
    seen(hr, "result")
    write(hr, "#why", "L'image ne s'affichait pas.")
    enter(hr, "details button")
    seen(hr, "contest-check")
    enter(hr, "main button.primary")
    assert "La contestation est notée" in hr.text
    enter(hr, ".who button")
    assert hr.path == "/console/connexion"

    jury = hr
    sign_in(jury, console, bruno)
    assert jury.path == "/console/contestations"
    seen(jury, "contests")
    enter(jury, "main .card a")
    assert "tout concorde" in jury.text
    enter(jury, "main button.primary")
    seen(jury, "contest")
    tab_to(jury, "[value=maintenir]")
    jury.press(Keys.SPACE)
    write(jury, "#why", "Elle a été servie.")
    enter(jury, "main button.primary")
    seen(jury, "answer-check")
    enter(jury, "main button.primary")
    assert "le résultat est maintenu" in jury.text
    seen(jury, "contests-answered")
    jury.open(f"{console}/console/invitations")
    assert jury.title.startswith("Ce n\N{RIGHT SINGLE QUOTATION MARK}est pas permis")
    seen(jury, "not-allowed")
    assert [line for line in jury.complaints() if "403" not in line] == []


ROOMS = {
    "fr": (
        *("invitations", "invitations/nouvelle", "invitations/liste", "resultats", "contestations"),
        *("tests", "programmes", "comptes", "journal", "compte", "nowhere"),
    ),
    "en": ("invitations/nouvelle", "comptes", "journal", "nowhere"),
}


@pytest.mark.parametrize("language", list(ROOMS))
def test_every_other_page(chromium: Chromium, console: str, language: str) -> None:
    """In French as on a desk, in English as on a telephone in the dark; none is too wide for one."""

    def seen(name: str) -> None:
        assert chromium.one("html").get_attribute("lang") == language
        assert chromium.violations() == [], name
        keep(chromium, f"console-{name}-{language}")

    chromium.open(f"{console}/langue?vers={language}&retour=/console")
    sign_in(chromium, console, list(STAFF)[-1])
    if language == "en":
        chromium.media(prefers_color_scheme="dark")
        chromium.size(WIDTH_320)
    for path in ROOMS[language]:
        chromium.open(f"{console}/console/{path}")
        seen(path.replace("/", "-"))
        chromium.size(WIDTH_320)
        assert chromium.too_wide() == 0, path
        if language == "fr":
            enlarged(chromium, path)
    chromium.open(f"{console}/console/tests")
    enter(chromium, "tbody a")
    seen("test")
    if language == "fr":
        chromium.open(f"{console}/console/invitations/nouvelle")
        enter(chromium, "main button.primary")
        seen("invitations-nouvelle-wrong")
    chromium.open(f"{console}/console/comptes")
    enter(chromium, "main button.primary")
    seen("comptes-wrong")
    write(chromium, "#person", "Zoé Martin")
    write(chromium, "#login", f"zoe.martin.{language}@hospital.example")
    tab_to(chromium, "[name=roles]")
    chromium.press(Keys.SPACE)
    enter(chromium, "main button.primary")
    assert "/console/mot-de-passe/" in chromium.one("code").text
    seen("linked")


def code(secret: bytes, skew: int) -> str:
    """What an authenticator shows whose clock is a step fast: the service takes it for a minute at least."""
    return totp.code(secret, (time.time_ns() // 1_000 + skew) // totp.STEP + 1)


def test_a_link_a_password_a_second_step_and_a_decision(chromium: Chromium, office: Office) -> None:
    def seen(name: str) -> None:
        assert chromium.violations() == [], name
        assert chromium.too_wide() == 0, name
        keep(chromium, f"console-{name}")

    console, link = office.address, f"{office.address}/console/mot-de-passe/{NEW}"
    chromium.open(f"{console}/langue?vers=en&retour=/console")
    chromium.media(prefers_color_scheme="dark")
    chromium.size(WIDTH_320)
    chromium.open(link)
    write(chromium, "#password", "short")
    enter(chromium, "main button.primary")
    assert "too short" in chromium.text
    chromium.focuses(".summary")
    seen("choose-wrong")
    for field in ("#password", "#again"):
        write(chromium, field, PASSWORD)
    enter(chromium, "main button.primary")
    assert "Your password is stored" in chromium.text
    chromium.open(link)
    seen("link-used")

    sign_in(chromium, console, NEW)
    chromium.open(f"{console}/console/compte")
    enter(chromium, "[action$=second-facteur] button")
    seen("second-step")
    secret = totp.read(chromium.one("[name=secret]").get_attribute("value") or "")
    write(chromium, "#confirm", PASSWORD)
    write(chromium, "#code", code(secret, 0))
    enter(chromium, "[action$=second-facteur] button.primary")
    enter(chromium, ".who button")
    sign_in(chromium, console, NEW)
    assert chromium.path.startswith("/console/code")
    write(chromium, "#code", "1")
    enter(chromium, "main button.primary")
    seen("code-wrong")
    office.runtime.skew = 2 * totp.STEP  # each counts once
    write(chromium, "#code", code(secret, office.runtime.skew))
    enter(chromium, "main button.primary")

    api = f"{console}/api/v1/sittings"
    with httpx.Client(timeout=100, headers={"Connection": "close"}) as candidate:
        token = candidate.post(api, json={"code": office.code}).json()["token"]
        candidate.headers["Authorization"] = f"Bearer {token}"
        candidate.post(f"{api}/current/interruption")
        office.runtime.skew = 1_000_000_000
        assert candidate.post(f"{api}/current/resumption").json()["phase"] == "awaiting_decision"
    chromium.open(f"{console}/console/contestations")
    enter(chromium, "main a[href*=interruptions]")
    enter(chromium, "main button.primary")
    seen("interruption-wrong")
    tab_to(chromium, "[value=tout]")
    chromium.press(Keys.SPACE)
    write(chromium, "#why", "A fire drill.")
    enter(chromium, "main button.primary")
    seen("decision-check")
    with chromium.prepared("const often = setInterval; window.setInterval = (act) => often(act, 50)"):
        enter(chromium, "main button.primary")
    assert chromium.path == "/console/contestations?avis=decide"

    late = IDLE - 200 * SECOND  # nothing is done until the session is near its end
    office.runtime.skew += late
    chromium.script("const then = Date.now() + arguments[0]; Date.now = () => then", late // 1_000)
    chromium.until(lambda: bool(chromium.all("#session button")), "the session's end to be told")
    assert "your session closes at" in chromium.text
    seen("session-ends")
    tab_to(chromium, "#session button")
    chromium.press(Keys.ENTER)
    chromium.until(lambda: "Your session stays open" in chromium.text, "the session to last")
    chromium.open(f"{console}/console/compte")
    assert chromium.path == "/console/compte"
    assert chromium.complaints() == []
