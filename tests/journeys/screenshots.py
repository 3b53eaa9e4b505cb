"""Take the pictures of the guides and the README (``make screenshots``).

A person who knows what grades 1 to 3 of the demonstration bank ask, and guesses at the rest, sits the
demonstration test in a real browser against a real server.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from api.accounts.invitations import ORGANISATION
from api.database.migrate import migrate
from item_bank.content import Item
from item_bank.demo import load
from tests.api.pages.right_answers import fields
from tests.journeys.chromium import ROOT, Chromium
from tests.journeys.server import Server
from tests.journeys.sitting import QUICKLY, SUBMIT
from tests.ports import reserved

IMAGES = ROOT / "docs" / "images"
DESKTOP, TELEPHONE = 960, 390

KNOWS = """
for (const [name, value] of arguments[0]) {
  const box = document.querySelector(`input[name="${name}"][value="${value}"]`);
  const other = document.querySelector(`select[name="${name}"], input.entry[name="${name}"]`);
  if (box) box.click(); else other.value = value;
}
"""

FILL = """
for (const [name, value] of Object.entries(arguments[0])) document.getElementById(name).value = value;
"""
PEOPLE = (
    "nom;prénom;matricule;temps supplémentaire\n"
    "Martin;Zoé;0042;\nDiallo;Sékou;0043;33\nLefèvre;Marc;0044;beaucoup\n"
)


class Photographer:
    """Takes pictures, each once, as a desktop and as a telephone show the page."""

    def __init__(self, chromium: Chromium) -> None:
        self.chromium = chromium
        self.taken: set[str] = set()

    def take(self, name: str, *widths: int) -> None:
        """Save the page as ``NAME.png`` and ``NAME-telephone.png``."""
        if name in self.taken:
            return
        self.taken.add(name)
        for width in widths:
            self.chromium.size(width, 640)
            ending = "-telephone" if width == TELEPHONE else ""
            self.chromium.picture(IMAGES / f"{name}{ending}.png")
        self.chromium.size(DESKTOP, 640)


def main() -> int:
    """Take all pictures; return the exit status."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    bank = {item.id: item for item in load().items}
    with tempfile.TemporaryDirectory() as name, reserved() as port:
        folder = Path(name)
        url = f"sqlite:///{folder / 'acquis.db'}"
        migrate(url)
        server = Server(url, folder, port, invitations=1)
        link = _employ(server)
        server.start()
        chromium = Chromium(folder / "profile")
        try:
            _sit(Photographer(chromium), server, bank)
            _console(Photographer(chromium), server, link)
        finally:
            chromium.close()
            server.kill()
    print(f"{len(list(IMAGES.glob('*.png')))} pictures in {IMAGES.relative_to(ROOT)}", file=sys.stderr)
    return 0


def _sit(photographer: Photographer, server: Server, bank: dict[str, Item]) -> None:
    chromium = photographer.chromium
    chromium.open(server.invitation())
    photographer.take("bienvenue", DESKTOP)
    with chromium.next_page():
        chromium.one("main form button").click()
    sitting = (chromium.driver.get_cookie("acquis_sitting") or {})["value"].strip('"').split(".")[0]
    while chromium.path != "/resultat":
        item = bank[server.log(sitting)[-1]["data"]["item"]]
        knows = (item.grade or 3) <= 3
        if knows:
            _take_question(photographer, item)  # as it is served: a picture shows no key
            chromium.script(KNOWS, fields(item, "fr"))
        with chromium.next_page():
            chromium.script(f"document.querySelector('{SUBMIT}').click()" if knows else QUICKLY, 0)
    photographer.take("resultat", DESKTOP, TELEPHONE)


def _employ(server: Server) -> str:
    """Make an account for somebody of HR, before the server starts; return the link to choose a password."""
    told = server.acquis(
        *(
            "staff",
            "add",
            "alice.martin@chu.example",
            "--organisation",
            ORGANISATION,
            "--name",
            "Alice Martin",
        ),
        *("--role", "hr", "--base-url", server.url, "--database-url", server.settings.database_url, "--json"),
    )
    return str(json.loads(told.stdout)["link"])


def _console(photographer: Photographer, server: Server, link: str) -> None:
    """The console: a list of people as it was read, the invitations, the results."""
    chromium = photographer.chromium
    chromium.open(link)
    password = "une courte phrase"
    chromium.script(FILL, {"password": password, "again": password})
    with chromium.next_page():
        chromium.one("main button.primary").click()
    chromium.script(FILL, {"login": "alice.martin@chu.example", "password": password})
    with chromium.next_page():
        chromium.one("main button.primary").click()
    chromium.open(f"{server.url}/console/invitations/liste")
    chromium.script(FILL, {"people": PEOPLE})
    with chromium.next_page():
        chromium.one("main button[value=voir]").click()
    photographer.take("console-liste", DESKTOP)
    chromium.script(FILL, {"people": PEOPLE.replace("beaucoup", "33")})
    for value in ("voir", "inviter"):
        with chromium.next_page():
            chromium.one(f"main button[value={value}]").click()
    for room in ("invitations", "resultats"):
        chromium.open(f"{server.url}/console/{room}")
        photographer.take(f"console-{room}", DESKTOP)


def _take_question(photographer: Photographer, item: Item) -> None:
    """One picture of a plain question, of one with a picture to read, of each other kind, and of the dark."""
    chromium = photographer.chromium
    kind = type(next(iter(item.versions["fr"].interactions.values()))).__name__.lower()
    if chromium.all(".stimulus img"):
        photographer.take("question-image", DESKTOP, TELEPHONE)
    elif kind == "choice":
        if "question" in photographer.taken:
            chromium.media(prefers_color_scheme="dark")
            photographer.take("question-sombre", DESKTOP)
            chromium.media()
        photographer.take("question", DESKTOP, TELEPHONE)
    else:
        photographer.take("question-autre", TELEPHONE)


if __name__ == "__main__":
    raise SystemExit(main())
