"""Anyone with a browser verifies a signed file: by keyboard, in both languages, whatever the file is.

``ACQUIS_PICTURES=FOLDER`` keeps the pages as pictures.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from api.app import create_app
from api.credentials.making import made
from api.runtime import Runtime
from api.settings import Settings
from tests.api.results.test_status import credential
from tests.api.sample import prepare
from tests.journeys.chromium import Chromium
from tests.journeys.server import in_process
from tests.journeys.sitting import tab_to
from tests.journeys.test_accessible import check
from tests.journeys.test_problem_pages import keep


@pytest.fixture(scope="module")
def place(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Address of the application, and a folder with files: one signed, its badge, one changed, others."""
    folder = tmp_path_factory.mktemp("verifying")
    (folder / "acquis.db").write_bytes(sqlite_template.read_bytes())
    settings = Settings(f"sqlite:///{folder / 'acquis.db'}", keys=folder / "keys", upkeep=0)

    async def signed() -> tuple[str, str]:
        runtime = Runtime.of(settings)
        await runtime.database.open()
        try:
            await prepare(runtime)
            file = await credential(runtime)
            return file, await made(runtime, json.loads(file)["result"], "fr")
        finally:
            await runtime.database.close()

    file, badge = asyncio.run(signed())
    (folder / "badge.json").write_text(badge, encoding="utf-8")
    (folder / "attestation.json").write_text(file, encoding="utf-8")
    (folder / "changed.json").write_text(file.replace("Durand", "Dupont"), encoding="utf-8")
    (folder / "sheet.pdf").write_bytes(b"%PDF-1.7\n" + bytes(2_000))
    (folder / "scan.pdf").write_bytes(b"%PDF-1.7\n" + bytes(3_000_000))
    with in_process(create_app(settings)) as address:
        yield address, folder


def send(chromium: Chromium, path: Path | None) -> None:
    """Choose a file and send the form, by keyboard."""
    if path is not None:
        chromium.one("#attestation").send_keys(str(path))
    tab_to(chromium, "main form button")
    with chromium.next_page():
        chromium.press(Keys.ENTER)


@pytest.mark.usefixtures("axe")
def test_a_file_is_verified(chromium: Chromium, place: tuple[str, Path]) -> None:
    address, folder = place
    chromium.open(address)
    tab_to(chromium, "main a[href='/verify']")
    with chromium.next_page():
        chromium.press(Keys.ENTER)
    check(chromium, "the form")
    keep(chromium, "verify-form")
    send(chromium, None)
    assert chromium.title.startswith("À corriger\N{NO-BREAK SPACE}: Vérifier une attestation")
    chromium.focuses(".summary")
    check(chromium, "no file")
    send(chromium, folder / "attestation.json")
    assert chromium.title.startswith("Authentique et en vigueur – ")
    chromium.focuses(".verdict")
    assert "Léa Durand, matricule M-1" in chromium.text
    check(chromium, "authentic")
    keep(chromium, "verify-authentic")
    send(chromium, folder / "badge.json")
    assert chromium.title.startswith("Authentique et en vigueur – ")
    assert "Essai : haut" in chromium.text
    assert "Durand" not in chromium.text
    check(chromium, "an authentic badge")
    keep(chromium, "verify-badge")
    send(chromium, folder / "changed.json")
    assert chromium.title.startswith("Pas authentique – ")
    assert "Dupont" not in chromium.text
    check(chromium, "not authentic")
    keep(chromium, "verify-changed")
    send(chromium, folder / "sheet.pdf")
    assert "Ce fichier n\N{RIGHT SINGLE QUOTATION MARK}est pas une attestation" in chromium.text
    keep(chromium, "verify-none")
    with chromium.next_page():
        chromium.one(".languages [lang=en]").click()
    send(chromium, folder / "attestation.json")
    assert chromium.title.startswith("Authentic and in force – ")
    check(chromium, "authentic, in English")
    keep(chromium, "verify-english")
    send(chromium, folder / "scan.pdf")
    assert chromium.title.startswith("File not read – ")
    check(chromium, "too large")
    with chromium.next_page():
        chromium.one("main a.primary").click()
    assert chromium.path == "/verify"
    assert chromium.complaints() == []
