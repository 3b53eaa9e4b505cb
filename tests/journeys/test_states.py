"""What takes time, or goes wrong: the time left, its end, a person's decision, a busy server, an old browser.

The application runs in this process, so that a test can turn its clock and close its gate.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi import FastAPI
from selenium.common.exceptions import WebDriverException

from api.app import create_app
from api.runtime import Runtime
from api.settings import Settings
from tests.api.sample import invited, prepare
from tests.journeys.chromium import Chromium
from tests.journeys.server import in_process
from tests.journeys.sitting import SUBMIT, begin, handle
from tests.journeys.test_accessible import check

TIMES = {"limit_s": 600, "grace_s": 600, "silence_s": 100_000, "give_back_s": 60, "abandon_s": 2_592_000}
OLD_BROWSER = """
delete AbortSignal.timeout;
window.FormData = class extends FormData { constructor(form) { super(form); } };
"""
"""Safari 15, the last on telephones of 2016, has neither; nor does it tell which button sent a form."""
CLOCK = """
const due = new Map(), [began, later, never] = [Date.now(), setTimeout, clearTimeout];
let ahead = 0;
Date.now = () => began + ahead;
window.setTimeout = (act, after) => {
  const timer = later(() => { due.delete(timer); act(); }, after);
  due.set(timer, [Date.now() + after, act]);
  return timer;
};
window.clearTimeout = (timer) => { due.delete(timer); never(timer); };
window.letPass = (seconds) => {
  ahead += 1000 * seconds;
  for (const [timer, [moment, act]] of [...due]) {
    if (moment <= Date.now()) { clearTimeout(timer); act(); }
  }
};
"""
"""A clock of the page that stands until a test turns it; what is due by real time comes as well."""


@contextlib.contextmanager
def turnable_clock(chromium: Chromium) -> Iterator[Callable[[int], None]]:
    """Give pages that clock; yield how seconds pass in the page that is shown."""

    def pass_(seconds: int) -> None:
        with contextlib.suppress(WebDriverException):  # the page may just leave by itself
            chromium.script("letPass(arguments[0])", seconds)

    with chromium.prepared(CLOCK):
        yield pass_


@dataclass
class Desk:
    """The running application, and invitations to its timed test."""

    app: FastAPI
    address: str
    codes: list[str]

    @property
    def invitation(self) -> str:
        """Address of an invitation that nobody has used."""
        return f"{self.address}/i/{self.codes.pop()}"

    def wait(self, seconds: int) -> None:
        """Let time pass, by the clock of the service alone."""
        self.app.state.runtime.skew += seconds * 1_000_000

    def wait_until_left(self, chromium: Chromium, seconds: int) -> None:
        """Let all time pass but so much of the sitting's, or up to ten seconds less, and look at the page.

        The seconds that looking took are given back and the page is asked for again.
        """

        def left() -> int:
            return int(chromium.one("#left").get_attribute("data-seconds") or 0)

        while not seconds - 10 < left() <= seconds:
            self.wait(left() - seconds)
            chromium.driver.refresh()

    def busy(self, busy: bool) -> None:
        """Refuse every request, or none."""
        self.app.state.gate.limit = 0 if busy else 100


@pytest.fixture(scope="module")
def _desk(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    (folder / "acquis.db").write_bytes(sqlite_template.read_bytes())
    settings = Settings(f"sqlite:///{folder / 'acquis.db'}", keys=folder / "keys", upkeep=0)

    async def prepared() -> list[str]:
        runtime = Runtime.of(settings)
        await runtime.database.open()
        try:
            await prepare(runtime, time=TIMES)
            return [(await invited(runtime, identifier=f"M-{n}")).code for n in range(8)]
        finally:
            await runtime.database.close()

    codes = asyncio.run(prepared())
    app = create_app(settings)
    with in_process(app) as address:
        yield Desk(app, address, codes)


@pytest.fixture
def desk(_desk: Desk) -> Iterator[Desk]:
    """The application at its real time, open."""
    yield _desk
    _desk.app.state.runtime.skew = 0
    _desk.busy(False)


@pytest.mark.usefixtures("axe")
def test_the_time_left_is_told_and_its_end_sends_what_is_chosen(chromium: Chromium, desk: Desk) -> None:
    with turnable_clock(chromium) as pass_:
        begin(chromium, desk.invitation)
        assert "Il reste 10 minutes." in chromium.one(".deadline").text
        assert "heure de Paris" in chromium.one(".deadline").text
        desk.wait_until_left(chromium, 340)
        assert (chromium.one("#left").text, chromium.one("#time").text) == ("Il reste 6 minutes.", "")
        pass_(60)
        assert chromium.one("#time").text == chromium.one("#left").text == "Il reste 5 minutes."
        desk.wait_until_left(chromium, 100)
        assert (chromium.one("#left").text, chromium.one("#time").text) == ("Il reste 2 minutes.", "")
        pass_(60)
        last = "Il reste moins d\N{RIGHT SINGLE QUOTATION MARK}une minute."
        assert chromium.one("#time").text == chromium.one("#left").text == last
        check(chromium, "the last minute")
        desk.wait_until_left(chromium, 40)
        chromium.one(".option [value=B]").click()
        desk.wait(41)
        pass_(41)
        chromium.arrives_at("Votre résultat – ")  # the answer was sent at the end of the time
    assert "1 question" in chromium.text
    assert "à la fin du temps prévu" in chromium.text
    check(chromium, "the result of a sitting whose time ran out")


@pytest.mark.usefixtures("axe")
def test_a_person_decides_after_a_long_pause(chromium: Chromium, desk: Desk) -> None:
    begin(chromium, desk.invitation)
    with chromium.next_page():
        chromium.one(".pause button").click()
    assert "Le temps d\N{RIGHT SINGLE QUOTATION MARK}une pause vous est rendu" in chromium.text
    assert "Si vous ne reprenez pas avant le" in chromium.text
    desk.wait(2000)
    with chromium.next_page():
        chromium.one("main form button").click()
    assert chromium.title.startswith("Test suspendu – ")
    check(chromium, "awaiting a decision")
    with chromium.next_page():
        chromium.one(".languages [lang=en]").click()
    assert chromium.title.startswith("Test suspended – ")
    with chromium.next_page():
        chromium.one("main a.primary").click()
    check(chromium, "awaiting a decision, in English")


def test_a_busy_server_is_asked_again_by_the_page_itself(chromium: Chromium, desk: Desk) -> None:
    with turnable_clock(chromium) as pass_:
        begin(chromium, desk.invitation)
        first = handle(chromium)
        desk.busy(True)
        chromium.one(".option [value=B]").click()
        chromium.one(SUBMIT).click()
        chromium.until(lambda: "nous réessayons" in chromium.one("#connection").text, "word of it")
        assert chromium.script("return document.querySelector('.item').inert")
        desk.busy(False)
        pass_(10)
        chromium.arrives_at("Question 2 – ")
        second = handle(chromium)
        assert second != first
        desk.busy(True)
        chromium.driver.refresh()
        assert chromium.title.startswith("Un instant")
        assert "réessaie d\N{RIGHT SINGLE QUOTATION MARK}elle-même" in chromium.one("#connection").text
        desk.busy(False)
        pass_(10)
        chromium.arrives_at("Question 2 – ")
        assert handle(chromium) == second
        desk.busy(True)
        chromium.one(".pause button").click()
        chromium.until(lambda: chromium.one("#connection").text, "word of the pause that is not taken yet")
        desk.busy(False)
        pass_(10)
        chromium.arrives_at("Test en pause")


def test_an_old_browser_sends_the_button_that_was_pressed(chromium: Chromium, desk: Desk) -> None:
    """Without it, skipping and changing the language would each submit what is chosen."""
    with chromium.prepared(OLD_BROWSER):
        begin(chromium, desk.invitation)
        first = handle(chromium)
        chromium.one(".option [value=B]").click()
        with chromium.next_page():
            chromium.one("[value=passer]").click()
        assert chromium.title.startswith("Passer cette question")
        with chromium.next_page():
            chromium.one("[value=revenir]").click()
        with chromium.next_page():
            chromium.one(".languages [lang=en]").click()
        assert (handle(chromium), chromium.one(".option [value=B]").is_selected()) == (first, True)
        with chromium.next_page():
            chromium.one(SUBMIT).click()
        assert chromium.title.startswith("Question 2 – ")


@pytest.mark.usefixtures("axe")
def test_an_undecided_result_says_so_on_one_sheet_of_paper(chromium: Chromium, desk: Desk) -> None:
    begin(chromium, desk.invitation)
    for chosen in "CBCBBCC":
        chromium.one(f".option [value={chosen}]").click()
        with chromium.next_page():
            chromium.one(SUBMIT).click()
    assert "Le test ne tranche pas" in chromium.text
    check(chromium, "an undecided result")
    assert "Léa Durand, matricule M-" in chromium.text
    assert chromium.sheets() == 1
