"""axe-core finds nothing on any page, in light, in dark and on the narrowest screen.

The rules are those tagged WCAG 2.0 to 2.2 A and AA, RGAA 4, and axe's best practices: a floor, not
conformity. Nothing is cut off on the narrowest screen either.
"""

from __future__ import annotations

import pytest

from tests.journeys.chromium import Chromium
from tests.journeys.gallery import KINDS, MADE
from tests.journeys.server import Server
from tests.journeys.sitting import begin, fill, sit, submit

pytestmark = pytest.mark.usefixtures("axe")

WIDTH_320 = 320  # CSS pixels: a small telephone, or 1280 at 400 %


def check(chromium: Chromium, where: str) -> None:
    """Check the page as it stands: light, then dark and narrow."""
    assert chromium.violations() == [], where
    chromium.media(prefers_color_scheme="dark")
    chromium.size(WIDTH_320)
    assert chromium.violations() == [], f"{where}, dark and narrow"
    assert chromium.too_wide() == 0, f"{where}, narrow"
    chromium.media()
    chromium.size(1000, 900)


@pytest.mark.parametrize("kind", [*KINDS, *MADE])
def test_every_kind_of_interaction(chromium: Chromium, gallery: str, kind: str) -> None:
    chromium.open(f"{gallery}/kind/{kind}?filled=1")
    assert chromium.violations() == [], kind
    chromium.open(f"{gallery}/kind/{kind}?faults=1")
    assert chromium.one(".summary").is_displayed()
    check(chromium, f"{kind} with faults")
    assert chromium.complaints() == []


def test_every_page_of_a_sitting(
    chromium: Chromium, other_chromium: Chromium, sqlite_journey: Server
) -> None:
    chromium.open(sqlite_journey.url)
    check(chromium, "the first page")
    with chromium.next_page():
        chromium.one("main form button").click()
    check(chromium, "the first page, no code")
    chromium.open(f"{sqlite_journey.url}/nowhere")
    check(chromium, "not found")
    invitation = sqlite_journey.invitation()
    chromium.open(invitation)
    check(chromium, "welcome")
    begin(chromium, invitation)
    check(chromium, "question")
    with chromium.next_page():
        chromium.one("[value=passer]").click()
    check(chromium, "skip")
    with chromium.next_page():
        chromium.one("[value=revenir]").click()
    fill(chromium)
    submit(chromium)
    with chromium.next_page():
        chromium.one(".pause button").click()
    check(chromium, "pause")
    other_chromium.reset()
    begin(other_chromium, invitation, "en")
    check(other_chromium, "question in English")
    with chromium.next_page():
        chromium.one("main form button").click()
    check(chromium, "taken over")
    sit(other_chromium)
    check(other_chromium, "result in English")
    with other_chromium.next_page():
        other_chromium.one(".languages [lang=fr]").click()
    check(other_chromium, "result")
    assert other_chromium.sheets() == 1
    assert chromium.complaints() == other_chromium.complaints() == []


def test_a_picture_that_was_enlarged(chromium: Chromium, gallery: str) -> None:
    chromium.open(f"{gallery}/kind/picture")
    chromium.one(".enlarged summary").click()
    assert chromium.one(".enlarged img").is_displayed()
    check(chromium, "picture")


def test_a_group_is_called_by_its_question(chromium: Chromium, gallery: str) -> None:
    for kind, group, legend in (
        ("single", "fieldset", "Une seule réponse"),
        ("match", "fieldset.rows", "pour chaque cas"),
        ("gaps", "fieldset", "Complétez avec les textes"),
        ("text_entry", "input.entry", "Votre réponse"),
    ):
        chromium.open(f"{gallery}/kind/{kind}")
        name = chromium.one(f".item {group}").accessible_name
        question = chromium.all(".item > p:has(+ fieldset), .item > p:has(+ .field), .item .prompt")[-1].text
        assert name.startswith(question), kind
        assert legend in name, kind


def test_text_twice_as_large_is_not_cut_off(chromium: Chromium, gallery: str) -> None:
    """A reader who has set the browser's own font size to twice the usual."""
    for kind in ("match", "order", "gaps", "hotspot"):
        chromium.open(f"{gallery}/kind/{kind}?faults=1")
        chromium.size(640)
        chromium.script("document.documentElement.style.fontSize = '200%'")
        assert chromium.too_wide() == 0, kind


def test_text_spaced_out_is_not_cut_off(chromium: Chromium, gallery: str) -> None:
    """A reader who has set the spacing of WCAG 1.4.12."""
    for kind in ("match", "order", "gaps", "hotspot"):
        chromium.open(f"{gallery}/kind/{kind}?faults=1")
        chromium.size(WIDTH_320)
        chromium.script(
            "for (const one of document.querySelectorAll('body, body *')) {"
            " one.style.letterSpacing = '.12em'; one.style.wordSpacing = '.16em';"
            " one.style.lineHeight = Math.max(1.5, parseFloat(one.style.lineHeight) || 0); }"
            "for (const one of document.querySelectorAll('p')) one.style.marginBottom = '2em';"
        )
        assert chromium.too_wide() == 0, kind
        cut = chromium.script(
            "return [...document.querySelectorAll('main button, main .option, main .rank, main legend')]"
            ".filter((one) => one.scrollWidth > one.clientWidth + 1).map((one) => one.textContent)"
        )
        assert cut == [], kind


@pytest.mark.parametrize("kind", ["single", "text_entry"])
def test_what_can_be_touched_is_large_enough(chromium: Chromium, gallery: str, kind: str) -> None:
    """44 CSS pixels, more than WCAG 2.2 AA asks (24)."""
    chromium.size(360)
    chromium.open(f"{gallery}/kind/{kind}")
    targets = [*chromium.all("main button"), *chromium.all(".option"), *chromium.all(".language")]
    small = [(target.text, target.size) for target in targets if target.size["height"] < 44]
    assert small == []


def test_the_checker_can_bite(chromium: Chromium, gallery: str) -> None:
    chromium.open(f"{gallery}/kind/single")
    chromium.script(
        "document.querySelector('legend').remove(); document.documentElement.removeAttribute('lang')"
    )
    chromium.script("document.querySelector('.primary').setAttribute('aria-hidden', 'true')")
    chromium.script("document.querySelector('h1').style.color = '#ddd'")
    found = {violation.split(":")[0] for violation in chromium.violations()}
    assert {"html-has-lang", "aria-hidden-focus", "color-contrast"} <= found
    chromium.size(WIDTH_320)
    chromium.script("document.querySelector('main').style.minWidth = '400px'")
    assert chromium.too_wide() > 0
