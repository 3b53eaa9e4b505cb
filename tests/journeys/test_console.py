"""HR and a jury at the console, in a real browser and by keyboard: from signing in to an answered contest.

``ACQUIS_PICTURES=FOLDER`` keeps the pages as pictures.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from api.accounts.passwords import hashed
from api.accounts.staff import add, choose
from api.app import create_app
from api.runtime import Runtime
from api.settings import Settings
from tests.api.sample import ORGANISATION, prepare
from tests.journeys.chromium import Chromium
from tests.journeys.server import in_process
from tests.journeys.sitting import begin, focused, sit, tab_to
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


@pytest.fixture(scope="module")
def console(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of an application with a test, somebody of HR and somebody of a jury."""
    folder = tmp_path_factory.mktemp("console")
    (folder / "acquis.db").write_bytes(sqlite_template.read_bytes())
    settings = Settings(f"sqlite:///{folder / 'acquis.db'}", keys=folder / "keys", upkeep=0)

    async def staffed() -> None:
        runtime = Runtime.of(settings)
        await runtime.database.open()
        try:
            await prepare(runtime)
            password = await hashed(PASSWORD)
            for login, roles in STAFF.items():
                name = " ".join(part.title() for part in re.split("[.@]", login)[:2])
                await runtime.write(add, ORGANISATION, name, login, roles, login, None)
                await runtime.write(choose, login, password)
        finally:
            await runtime.database.close()

    asyncio.run(staffed())
    with in_process(create_app(settings)) as address:
        yield address


def enter(chromium: Chromium, selector: str) -> None:
    """Go to a button or link by Tab, and press it."""
    tab_to(chromium, selector)
    with chromium.next_page():
        chromium.press(Keys.ENTER)


def write(chromium: Chromium, selector: str, text: str) -> None:
    """Go to a field by Tab and write."""
    tab_to(chromium, selector)
    focused(chromium).clear()
    focused(chromium).send_keys(text)


def sign_in(chromium: Chromium, console: str, login: str) -> None:
    chromium.open(f"{console}/console")
    write(chromium, "#login", login)
    write(chromium, "#password", PASSWORD)
    enter(chromium, "main button.primary")


NARROW = ("sign-in", "list-wrong", "handed-out", "invitations", "results", "result", "contest")
"""Pages that are also looked at in the dark and on the narrowest screen, with something on them."""


def seen(chromium: Chromium, name: str) -> None:
    """Check the page, and keep its picture."""
    if name in NARROW:
        check(chromium, name)
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
    assert "summary" in (focused(hr).get_attribute("class") or "")
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
    assert "le résultat est maintenu" in jury.text
    seen(jury, "contests-answered")
    jury.open(f"{console}/console/invitations")
    assert jury.title.startswith("Ce n\N{RIGHT SINGLE QUOTATION MARK}est pas permis")
    seen(jury, "not-allowed")
    assert [line for line in jury.complaints() if "403" not in line] == []


ROOMS = (
    *("invitations", "invitations/nouvelle", "invitations/liste", "resultats", "contestations"),
    *("tests", "comptes", "journal", "compte", "nowhere"),
)


@pytest.mark.parametrize("language", ["fr", "en"])
def test_every_other_page(chromium: Chromium, console: str, language: str) -> None:
    def seen(name: str) -> None:
        assert chromium.one("html").get_attribute("lang") == language
        assert chromium.violations() == [], name
        keep(chromium, f"console-{name}-{language}")

    chromium.open(f"{console}/langue?vers={language}&retour=/console")
    sign_in(chromium, console, list(STAFF)[-1])
    for path in ROOMS:
        chromium.open(f"{console}/console/{path}")
        seen(path.replace("/", "-"))
        chromium.size(WIDTH_320)
        assert chromium.too_wide() == 0, path
        chromium.size(1000, 900)
    chromium.open(f"{console}/console/tests")
    enter(chromium, "tbody a")
    seen("test")
    for path in ("invitations/nouvelle", "comptes"):
        chromium.open(f"{console}/console/{path}")
        enter(chromium, "main button.primary")
        seen(f"{path.replace('/', '-')}-wrong")
    write(chromium, "#person", "Zoé Martin")
    write(chromium, "#login", f"zoe.martin.{language}@hospital.example")
    tab_to(chromium, "[name=roles]")
    chromium.press(Keys.SPACE)
    enter(chromium, "main button.primary")
    assert "/console/mot-de-passe/" in chromium.one("code").text
    seen("linked")
    chromium.open(f"{console}/console/compte")
    enter(chromium, "[action$=second-facteur] button")
    seen("second-step")
