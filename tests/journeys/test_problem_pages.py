"""Every page that refuses something, in both languages: readable, accessible, with a way on.

``ACQUIS_PICTURES=FOLDER`` keeps them as pictures.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.app import create_app
from api.pages.language import LANGUAGES, messages
from api.pages.reception import TEXTS
from api.problems import Problem
from api.settings import Settings
from tests.journeys.chromium import Chromium
from tests.journeys.server import in_process
from tests.journeys.test_accessible import WIDTH_320, check

CODES = sorted({text: code for code, text in TEXTS.items()}.values())
"""One for each page that there is."""


@pytest.fixture(scope="module")
def refusing(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the application, with pages that fail as told."""
    folder = tmp_path_factory.mktemp("refusing")
    (folder / "acquis.db").write_bytes(sqlite_template.read_bytes())
    app = create_app(Settings(f"sqlite:///{folder / 'acquis.db'}", keys=folder / "keys", upkeep=0))

    @app.get("/refused/{code}")
    async def refused(code: str) -> None:
        if code == "crash":
            raise RuntimeError("a failure of ours")
        raise Problem(code)

    @app.post("/refused/{code}")
    async def refused_form(code: str) -> None:
        raise Problem(code)

    with in_process(app) as address:
        yield address


@pytest.mark.usefixtures("axe")
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_refusal(chromium: Chromium, refusing: str, language: str) -> None:
    t = messages(language)
    chromium.open(f"{refusing}/langue?vers={language}")
    for code in [*CODES, "crash"]:
        chromium.open(f"{refusing}/refused/{code}")
        text = f"problem.{TEXTS.get(code, 'internal')}"
        assert chromium.one("h1").text == t(f"{text}.title"), code
        assert chromium.one("html").get_attribute("lang") == language
        keep(chromium, f"{code}-{language}")
        if language == LANGUAGES[0]:
            check(chromium, f"{code} in {language}")
        else:  # the same page with other words: only their language and their lengths are new
            assert chromium.violations() == [], f"{code} in {language}"
            chromium.size(WIDTH_320)
            assert chromium.too_wide() == 0, f"{code} in {language}, narrow"
            chromium.size(1000, 900)
        ways = [link.get_attribute("href") for link in chromium.all("main a, main button")]
        assert ways or code == "test_closed", f"{code} leads nowhere"


def keep(chromium: Chromium, name: str) -> None:
    """Save a picture where somebody wants to look at it."""
    folder = os.environ.get("ACQUIS_PICTURES")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        chromium.picture(Path(folder) / f"{name}.png")
