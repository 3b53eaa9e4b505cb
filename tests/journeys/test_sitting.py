"""Journeys of a candidate in a real browser, against a real server, on both databases."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from selenium.webdriver.common.keys import Keys

from tests.journeys.chromium import Chromium
from tests.journeys.server import Server
from tests.journeys.sitting import (
    SUBMIT,
    answer_by_keyboard,
    begin,
    fill,
    focused,
    handle,
    sit,
    submit,
    tab_to,
)


def test_from_the_first_page_to_the_result_with_a_reload_in_the_middle(
    chromium: Chromium, server: Server
) -> None:
    code = server.codes.pop()
    chromium.open(server.url)
    assert chromium.title == "Votre test – Acquis"
    chromium.one("#code").send_keys("-".join(re.findall("....", code.lower())))
    with chromium.next_page():
        chromium.one("main form button").click()
    assert chromium.path == "/bienvenue"
    assert "VAE" in chromium.text
    assert "Démonstration, sans valeur" in chromium.text
    with chromium.next_page():
        chromium.one("main form button").click()
    assert chromium.title.startswith("Question 1 – ")
    for _ in range(3):
        fill(chromium)
        submit(chromium)
    question, shown = handle(chromium), chromium.one(".item").text
    fill(chromium, 1)
    with chromium.next_page():
        chromium.driver.refresh()
    assert (handle(chromium), chromium.one(".item").text) == (question, shown)
    answered = 3 + sit(chromium)
    assert 15 <= answered <= 25
    assert chromium.title.startswith("Votre résultat – ")
    said = chromium.text
    assert f"{answered} questions" in said
    assert "Démonstration, sans valeur" in said
    assert re.search(r"9 fois sur 10, entre [\d\s]+ et [\d\s]+ points", said)
    assert chromium.complaints() == []
    with chromium.next_page():
        chromium.driver.refresh()
    assert chromium.text == said
    _check_the_signed_result(chromium, server)


def _check_the_signed_result(chromium: Chromium, server: Server) -> None:
    """Download it as the page offers, verify it, verify it changed, replay its sitting."""
    address = chromium.one(".primary[download]").get_attribute("href")
    body = chromium.driver.execute_async_script(
        "fetch(arguments[0]).then((r) => r.text()).then(arguments[1])", address
    )
    path, keys = server.folder / "attestation.json", f"{server.url}/.well-known/jwks.json"
    path.write_text(body, encoding="utf-8")
    verified = server.acquis("verify", str(path), "--jwks", keys)
    assert verified.returncode == 0, verified.stderr
    path.write_text(body.replace('"points":', '"points":1', 1), encoding="utf-8")
    assert server.acquis("verify", str(path), "--jwks", keys).returncode == 3
    sitting = json.loads(body)["result"]["log"]["sitting"]
    replayed = server.acquis("replay", sitting, "--database-url", server.settings.database_url)
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr


def test_by_keyboard_alone_in_english(chromium: Chromium, sqlite_journey: Server) -> None:
    chromium.open(sqlite_journey.invitation())
    chromium.press(Keys.TAB)
    assert focused(chromium).get_attribute("class") == "skip"
    tab_to(chromium, ".languages [lang=en]")
    with chromium.next_page():
        chromium.press(Keys.ENTER)
    assert chromium.script("return document.documentElement.lang") == "en"
    tab_to(chromium, "main form button")
    with chromium.next_page():
        chromium.press(Keys.ENTER)
    for number in range(1, 27):
        if chromium.path == "/resultat":
            break
        assert chromium.title.startswith(f"Question {number} – ")
        answer_by_keyboard(chromium)
    assert chromium.title.startswith("Your result – ")
    assert "Demonstration, without value" in chromium.text
    tab_to(chromium, ".primary[download]")


def test_killed_in_the_middle_it_resumes_at_the_same_item_with_no_answer_lost(
    chromium: Chromium, server: Server
) -> None:
    begin(chromium, server.invitation())
    acknowledged = []
    for number in range(4):
        acknowledged.append(handle(chromium))
        fill(chromium, number)
        submit(chromium)
    question, shown = handle(chromium), chromium.one(".item").text
    server.kill()
    server.start()
    with chromium.next_page():
        chromium.driver.refresh()
    assert (handle(chromium), chromium.one(".item").text) == (question, shown)

    server.kill()
    fill(chromium, 2)
    chromium.one(SUBMIT).click()
    chromium.until(lambda: "Envoi impossible" in chromium.one("#connection").text, "word of the lost server")
    assert handle(chromium) == question
    server.start()
    chromium.hears_of_the_network()
    chromium.arrives_at("Question 6 – ")

    sitting = (chromium.driver.get_cookie("acquis_sitting") or {})["value"].strip('"').split(".")[0]
    events = server.log(sitting)
    served = {e["data"]["position"]: e["data"]["handle"] for e in events if e["kind"] == "item_served"}
    answers = [e["data"]["position"] for e in events if e["kind"] == "answered"]
    assert answers == [1, 2, 3, 4, 5]
    assert [served[position] for position in range(1, 7)] == [*acknowledged, question, handle(chromium)]


def test_going_back_and_answering_again_shows_the_open_question_and_why(
    chromium: Chromium, sqlite_journey: Server
) -> None:
    begin(chromium, sqlite_journey.invitation())
    old = handle(chromium)
    fill(chromium)
    submit(chromium)
    question = handle(chromium)
    chromium.driver.back()
    chromium.until(lambda: handle(chromium) == question and chromium.ready, "the open question again")
    # a second tab that was left at the question before
    chromium.script("document.querySelector('input[name=question]').value = arguments[0]", old)
    fill(chromium, 1)
    submit(chromium)
    assert "pas été prise" in chromium.one(".notice").text
    chromium.focuses(".notice")
    assert handle(chromium) == question


def test_the_language_in_the_middle_of_a_question_keeps_what_was_chosen(
    chromium: Chromium, sqlite_journey: Server
) -> None:
    begin(chromium, sqlite_journey.invitation())
    fill(chromium, 2)
    chosen = [element.get_attribute("value") for element in chromium.all("input:checked")]
    question = handle(chromium)
    with chromium.next_page():
        chromium.one(".languages [lang=en]").click()
    assert chromium.script("return document.documentElement.lang") == "en"
    assert handle(chromium) == question
    assert [element.get_attribute("value") for element in chromium.all("input:checked")] == chosen
    with chromium.next_page():
        chromium.one(".languages [lang=fr]").click()
    submit(chromium)
    assert chromium.title.startswith("Question 2 – ")


def test_errors_stand_beside_the_field_and_the_summary_has_the_keyboard(
    chromium: Chromium, sqlite_journey: Server
) -> None:
    begin(chromium, sqlite_journey.invitation())
    submit(chromium)
    assert chromium.title.startswith("À corriger\N{NO-BREAK SPACE}: Question 1")
    chromium.focuses(".summary")
    link = chromium.one(".summary a")
    link.click()
    target = (link.get_attribute("href") or "").split("#")[1]
    chromium.focuses(f"[id='{target}']")
    assert chromium.one(".item .fault").is_displayed()
    fill(chromium)
    submit(chromium)
    assert chromium.title.startswith("Question 2 – ")


def test_a_pause_and_another_device(
    chromium: Chromium, other_chromium: Chromium, sqlite_journey: Server
) -> None:
    invitation = sqlite_journey.invitation()
    begin(chromium, invitation)
    question = handle(chromium)
    with chromium.next_page():
        chromium.one(".pause button").click()
    assert chromium.title.startswith("Test en pause")
    other_chromium.reset()
    other_chromium.open(invitation)
    assert "Vous avez déjà commencé" in other_chromium.text
    with other_chromium.next_page():
        other_chromium.one("main form button").click()
    assert handle(other_chromium) == question
    with chromium.next_page():
        chromium.one("main form button").click()
    assert chromium.title == "Le test continue ailleurs – Acquis"


def test_without_the_network_nothing_chosen_is_lost(chromium: Chromium, sqlite_journey: Server) -> None:
    begin(chromium, sqlite_journey.invitation())
    fill(chromium)
    chosen = [element.get_attribute("value") for element in chromium.all("input:checked")]
    chromium.offline(True)
    chromium.one(SUBMIT).click()
    chromium.until(lambda: "Pas de réseau" in chromium.one("#connection").text, "word of the lost network")
    assert [element.get_attribute("value") for element in chromium.all("input:checked")] == chosen
    chromium.offline(False)
    chromium.arrives_at("Question 2 – ")


def test_without_javascript(open_chromium: Callable[..., Chromium], sqlite_journey: Server) -> None:
    chromium = open_chromium(javascript=False)
    driver = chromium.driver
    driver.get(sqlite_journey.invitation())
    chromium.one("main form button").click()
    for number in range(1, 60):
        expected = (f"Question {number} – ", "Votre résultat – ")
        chromium.until(
            lambda e=expected: chromium.title.startswith(e) and chromium.ready,
            f"question {number} or the result",
        )
        if chromium.path == "/resultat":
            break
        fill(chromium, number)
        chromium.one(SUBMIT).click()
    assert chromium.title.startswith("Votre résultat – ")


def test_a_picture_can_be_enlarged_and_a_click_on_it_chooses(chromium: Chromium, gallery: str) -> None:
    chromium.open(f"{gallery}/kind/hotspot")
    chromium.script("arguments[0].scrollIntoView()", chromium.one(".picture"))
    chromium.all(".target")[2].click()
    assert [box.get_attribute("data-n") for box in chromium.all("input:checked")] == ["3"]
    chromium.open(f"{gallery}/kind/point")
    picture = chromium.one(".picture svg")
    picture.click()
    assert abs(float(chromium.one("[id='a.R.0.x']").get_attribute("value") or "0") - 50) < 1
    assert chromium.one("[data-mark='0']").get_attribute("visibility") == "visible"
