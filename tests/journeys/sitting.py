"""How the person at the browser sits a test, with the mouse or with the keyboard alone."""

from __future__ import annotations

from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from tests.journeys.chromium import Chromium

SUBMIT = "button.primary[value=valider]"


def begin(chromium: Chromium, invitation: str, language: str = "fr") -> None:
    """Open an invitation, read, begin."""
    chromium.open(invitation)
    if language != "fr":
        with chromium.next_page():
            chromium.one(f".languages [lang={language}]").click()
    with chromium.next_page():
        chromium.one("main form button").click()


def handle(chromium: Chromium) -> str:
    """What the pending question is called."""
    return chromium.one("input[name=question]").get_attribute("value") or ""


def fill(chromium: Chromium, pick: int = 0) -> None:
    """Answer whatever is asked with the mouse: the option number `pick` where one chooses."""
    for group in chromium.all("fieldset"):
        boxes = group.find_elements("css selector", ":scope > .option input, :scope > .columns input")
        if boxes and not any(box.is_selected() for box in boxes):
            boxes[pick % len(boxes)].click()
    for place, select in enumerate(chromium.all(".rank select"), start=1):
        select.send_keys(str(place))
    for select in chromium.all(".inline select, .gapped select"):
        select.send_keys(Keys.ARROW_DOWN)
    for entry in chromium.all("input.entry"):
        entry.clear()
        entry.send_keys("12")


def submit(chromium: Chromium) -> None:
    """Press the button that submits the answer."""
    with chromium.next_page():
        chromium.one(SUBMIT).click()


QUICKLY = """
for (const group of document.querySelectorAll('fieldset')) {
  const boxes = group.querySelectorAll(':scope > .option input, :scope > .columns input');
  if (boxes.length) boxes[arguments[0] % boxes.length].click();
}
document.querySelectorAll('.rank select').forEach((select, place) => { select.selectedIndex = place + 1; });
document.querySelectorAll('input.entry').forEach((entry) => { entry.value = '12'; });
document.querySelector('button.primary[value=valider]').click();
"""


def sit(chromium: Chromium, most: int = 60) -> int:
    """Answer to the end, quickly; return how many questions were answered."""
    for answered in range(most):
        if chromium.path == "/resultat":
            return answered
        with chromium.next_page():
            chromium.script(QUICKLY, answered)
    raise AssertionError(f"after {most} answers the test is not over")


def focused(chromium: Chromium) -> WebElement:
    """The element that has the keyboard."""
    return chromium.driver.switch_to.active_element


def tab_to(chromium: Chromium, selector: str, most: int = 60) -> WebElement:
    """Press Tab until the element that `selector` names has the keyboard."""
    for _ in range(most):
        chromium.press(Keys.TAB)
        if chromium.script("return document.activeElement.matches(arguments[0])", selector):
            return focused(chromium)
    raise AssertionError(f"Tab does not reach {selector} on '{chromium.title}'")


HERE = """
const here = document.activeElement;
return [here.tagName, here.name, here.type, here.value, here.parentElement.className];
"""
"""What has the keyboard, in one question instead of five."""


def answer_by_keyboard(chromium: Chromium) -> None:
    """Answer the question with Tab, Space, arrows, digits and Enter, and nothing else."""
    places = 0
    done: set[str] = set()
    for _ in range(150):
        chromium.press(Keys.TAB)
        tag, name, kind, value, around = chromium.script(HERE)
        if tag == "SELECT":
            places += 1
            chromium.press(*[Keys.ARROW_DOWN] * (places if "rank" in around else 1))
        elif kind in ("radio", "checkbox") and name not in done:
            chromium.press(Keys.SPACE)
            done.add(name)
        elif kind == "text" and name not in done:
            chromium.press("1", "2")
            done.add(name)
        elif kind == "submit" and value == "valider":
            with chromium.next_page():
                chromium.press(Keys.ENTER)
            return
    raise AssertionError(f"the keyboard does not reach the button on '{chromium.title}'")
