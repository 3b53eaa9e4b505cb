"""The candidate's pages over HTTP: what they change, what they refuse, what they never say."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from urllib.parse import quote

import pytest

from api.pages import routes
from api.pages.language import messages
from api.pages.protection import HEADERS, MOST_FIELDS
from api.pages.result import possible_levels
from api.problems import Problem
from tests.api.pages.conftest import BROWSER, Site, handle
from tests.api.sample import SECRET_WORDS

DAY = 86_400_000_000
VALID = {"geste": "valider", "a.RESPONSE": "B"}


def test_from_the_code_to_the_signed_result(site: Site) -> None:
    welcome = site.post("/", {"code": site.codes[0].lower()})
    assert (welcome.status_code, welcome.headers["location"]) == (303, "/bienvenue")
    assert "Commencer le test" in site.get("/bienvenue").text
    site.post("/bienvenue")
    for _ in range(7):
        page = site.get("/question")
        if page.status_code == 303:
            break
        reply = site.post("/question", VALID | {"question": handle(page.text)})
        assert (reply.status_code, reply.headers["location"]) == (303, "/question")
    assert site.get("/question").headers["location"] == "/resultat"
    result = site.get("/resultat").text
    assert "chances sur 100" in result
    assert "de 0 à 1\u202f000" in result
    site.get(f"/i/{site.codes[0]}")
    assert "Voir le résultat" in site.get("/bienvenue").text
    site.post("/bienvenue")
    assert site.get("/resultat").text == result
    file = site.get("/resultat/attestation.json")
    assert file.json()["result"]["score"]["cuts"] == [500]
    assert re.fullmatch(r'attachment; filename="attestation-\w+\.json"', file.headers["content-disposition"])


def test_the_link_of_an_invitation_changes_nothing_and_leaves_the_address(site: Site) -> None:
    reply = site.get(f"/i/{site.codes[0]}")
    assert (reply.status_code, reply.headers["location"]) == (303, "/bienvenue")
    assert "Commencer le test" in site.get("/bienvenue").text
    assert "Commencer le test" in site.get("/bienvenue").text


def test_every_page_carries_the_protecting_headers(site: Site) -> None:
    site.enter()
    for path in ("/", "/bienvenue", "/question", "/resultat", "/nowhere", "/i/wrong", "/langue"):
        headers = site.get(path).headers
        for name in HEADERS:
            assert name in headers, (path, name)
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"


def test_no_page_of_a_question_tells_what_the_bank_calls_it_or_what_is_right(site: Site) -> None:
    page = site.enter()
    for _ in range(7):
        for word in SECRET_WORDS:
            assert word not in page
        if 'name="question"' not in page:
            break
        site.post("/question", VALID | {"question": handle(page)})
        page = site.get("/question").text


def test_a_form_from_elsewhere_changes_nothing(site: Site) -> None:
    page = site.enter()
    fields = VALID | {"question": handle(page)}
    for reply in (
        site.post("/question", fields | {"jeton": ""}),
        site.post("/question", fields | {"jeton": "x" * 64}),
        site.post("/question", fields, **{"sec-fetch-site": "cross-site"}),
        site.post("/question", fields, **{"sec-fetch-site": "same-site"}),
        site.post("/pause", {"jeton": "é"}),
        site.post("/quitter", {"jeton": ""}),
        site.post("/bienvenue", {"jeton": ""}),
        site.post("/essai", {"jeton": ""}),
        site.post("/", {"jeton": "", "code": site.codes[0]}),
    ):
        assert reply.status_code == 403
        assert "Demande refusée" in reply.text
    assert handle(site.get("/question").text) == handle(page)


def test_the_token_belongs_to_one_browser(site: Site) -> None:
    stolen = site.token()
    site.forget()
    site.enter()
    assert site.post("/pause", {"jeton": stolen}).status_code == 403


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"a=1", "multipart/form-data; boundary=x", 415),
        (b"a=" + b"x" * 200_000, "application/x-www-form-urlencoded", 413),
        (b"a=1&" * (MOST_FIELDS + 1), "application/x-www-form-urlencoded", 422),
        (b"a=%ff", "application/x-www-form-urlencoded", 422),
        ("a=é".encode(), "application/x-www-form-urlencoded", 422),
    ],
)
def test_a_form_that_is_none_is_refused(site: Site, body: bytes, kind: str, status: int) -> None:
    reply = site.client.post("/question", content=body, headers={"content-type": kind, "accept": "text/html"})
    assert reply.status_code == status


def test_an_answer_sent_twice_counts_once(site: Site) -> None:
    page = site.enter()
    fields = VALID | {"question": handle(page)}
    assert site.post("/question", fields).headers["location"] == "/question"
    then = site.get("/question").text
    again = site.post("/question", fields)
    assert (again.status_code, again.headers["location"]) == (303, "/question")
    assert handle(site.get("/question").text) == handle(then) != handle(page)


def test_another_answer_from_an_old_page_is_refused_and_the_open_question_shown(site: Site) -> None:
    page = site.enter()
    site.post("/question", VALID | {"question": handle(page)})
    late = site.post("/question", VALID | {"question": handle(page), "a.RESPONSE": "C"})
    assert late.status_code == 409
    assert "Cette réponse n\N{RIGHT SINGLE QUOTATION MARK}a pas été prise" in late.text
    assert handle(late.text) == handle(site.get("/question").text)


def test_skipping_asks_first_and_keeps_what_was_chosen(site: Site) -> None:
    page = site.enter()
    fields = {"question": handle(page), "a.RESPONSE": "D"}
    asked = site.post("/question", fields | {"geste": "passer"}).text
    assert "Passer cette question" in asked
    assert 'name="a.RESPONSE" value="D"' in asked
    back = site.post("/question", fields | {"geste": "revenir"}).text
    assert re.search(r'value="D" checked', back)
    assert handle(site.get("/question").text) == handle(page)
    for _ in range(2):  # a double click on "yes"
        assert site.post("/question", fields | {"geste": "passer-oui"}).status_code == 303
    assert handle(site.get("/question").text) != handle(page)


def test_nothing_chosen_is_no_answer(site: Site) -> None:
    page = site.enter()
    reply = site.post("/question", {"question": handle(page), "geste": "valider"})
    assert reply.status_code == 422
    assert "<title>À corriger" in reply.text
    assert 'href="#a.RESPONSE.0"' in reply.text
    assert 'id="a.RESPONSE.0"' in reply.text
    assert 'aria-describedby="a.RESPONSE.fault"' in reply.text


def test_the_language_changes_in_the_middle_of_a_question_and_keeps_what_was_chosen(site: Site) -> None:
    page = site.enter()
    assert "fr question" in page
    reply = site.post("/question", {"question": handle(page), "a.RESPONSE": "C", "langue": "en"})
    assert "en question" in reply.text
    assert '<html lang="en">' in reply.text
    assert re.search(r'value="C" checked', reply.text)
    assert "en question" in site.get("/question").text
    assert "fr question" not in site.get("/question").text


def test_the_language_elsewhere_and_no_way_out_of_the_site(site: Site) -> None:
    reply = site.get("/langue?vers=en&retour=/bienvenue")
    assert reply.headers["location"] == "/bienvenue"
    assert "Your test" in site.get("/").text
    for away in ("//evil.example", "https://evil.example", "/\\evil.example", "/%0d%0aset-cookie:x=y"):
        assert not site.get(f"/langue?retour={away}").headers["location"].startswith(("//", "http", "/\\"))
    assert "\r" not in site.get("/langue?retour=/%0d%0aset-cookie:x=y").headers["location"]
    site.get("/langue?vers=de")
    assert "Your test" in site.get("/").text


def test_a_pause_and_on(site: Site) -> None:
    page = site.enter()
    site.post("/pause")
    paused = site.get("/question").text
    assert "Test en pause" in paused
    assert "Aucune réponse n" in paused
    assert site.post("/question", VALID | {"question": handle(page)}).headers["location"] == "/question"
    site.post("/reprendre")
    assert handle(site.get("/question").text) == handle(page)


def test_a_pause_says_until_when_the_test_waits(site: Site) -> None:
    site.enter(site.codes[2])
    site.post("/pause")
    paused = site.get("/question").text
    site.wait(86_400)
    site.post("/reprendre")
    waiting = site.get("/question").text
    interrupted, referred = site.events()[-2:]
    for event, page, said in ((interrupted, paused, "ne reprenez pas"), (referred, waiting, "Sans nouvelle")):
        end = event["at"] + 30 * DAY
        t = messages("fr")
        assert f"{said} avant le {t.day(end)} à {t.hour(end)}, le test" in page
    site.forget()
    site.enter()
    site.post("/pause")
    assert "arrêtera de lui-même" not in site.get("/question").text  # a test without this rule


def test_the_time_is_the_same_before_the_test_and_at_its_first_question(site: Site) -> None:
    """Ten minutes and a third: 13.3, and a minute begun counts."""
    site.post("/", {"code": site.codes[3]})
    assert "14 minutes au plus." in site.get("/bienvenue").text
    assert "Il reste 14 minutes." in site.enter(site.codes[3])


@pytest.mark.parametrize("fields", [{"a.RESPONSE": "B"}, {"geste": "passer-oui"}])
def test_an_answer_after_a_long_thought_is_the_one_that_counts(site: Site, fields: dict[str, str]) -> None:
    """A timed test takes a long silence for an interruption: whoever comes back with an answer goes on."""
    page = site.enter(site.codes[2])
    site.wait(150)  # 50 seconds more than the rules call silence
    reply = site.post("/question", fields | {"question": handle(page)})
    assert (reply.status_code, reply.headers["location"]) == (303, "/question")
    assert "Question 2" in site.get("/question").text
    assert [e["kind"] for e in site.events()[2:5]] == ["interrupted", "resumed", "answered"]
    assert site.events()[4]["data"]["response"] == ({"RESPONSE": ["B"]} if "a.RESPONSE" in fields else {})


def test_the_language_and_a_mistake_after_a_long_thought_keep_what_was_chosen(site: Site) -> None:
    page = site.enter(site.codes[2])
    site.wait(150)
    fields = {"question": handle(page), "a.RESPONSE": "C"}
    assert re.search(r'value="C" checked', site.post("/question", fields | {"langue": "en"}).text)
    site.wait(150)
    reply = site.post("/question", {"question": handle(page), "geste": "valider"})
    assert (reply.status_code, "To correct" in reply.text) == (422, True)


def test_leaving_a_shared_computer_and_coming_back(site: Site) -> None:
    page = site.enter()
    site.post("/pause")
    assert site.post("/quitter").headers["location"] == "/"
    assert "acquis_sitting" not in site.client.cookies
    assert site.get("/question").headers["location"] == "/?avis=inconnu"
    assert handle(site.enter()) == handle(page)


def test_another_device_takes_over_and_the_first_one_is_told(site: Site) -> None:
    page = site.enter()
    first = dict(site.client.cookies)
    site.forget()
    assert handle(site.enter()) == handle(page)
    site.forget()
    site.client.cookies.update(first)
    for reply in (site.get("/question"), site.post("/question", VALID | {"question": handle(page)})):
        assert reply.status_code == 409
        assert "Le test continue ailleurs" in reply.text


def test_a_wrong_code_is_told_beside_the_field(site: Site) -> None:
    for code, message in (
        ("", "Écrivez le code"),
        ("0123-4567-89ab cdef ghj", "celui que vous avez écrit en a 19"),
        ("0123-4567-89ab cdef ghjk", "Ce code n’est pas le bon"),
        ("<b>", "celui que vous avez écrit en a 3"),
    ):
        reply = site.post("/", {"code": code})
        assert reply.status_code == 422
        assert message in reply.text
        assert 'aria-describedby="code.hint code.fault"' in reply.text
        assert "<b>" not in reply.text
    site.get("/i/WRONG")
    assert site.get("/bienvenue").status_code == 404


def test_the_code_to_note_is_shown_on_one_line(site: Site) -> None:
    site.get(f"/i/{site.codes[0]}")
    code = "-".join(site.codes[0][start : start + 4] for start in range(0, 20, 4))
    assert f'notez votre code\u00a0: <b class="whole">{code}</b>' in site.get("/bienvenue").text
    site.get("/i/" + quote("<i>&" * 5))
    assert "<i>" not in site.get("/bienvenue").text


def test_without_a_sitting_one_is_sent_to_the_first_page(site: Site) -> None:
    assert site.get("/question").headers["location"] == "/?avis=inconnu"
    assert "Nous ne trouvons pas de test" in site.get("/?avis=inconnu").text
    site.enter()
    assert "Reprendre le test en cours" in site.get("/").text


def test_a_passer_by_is_let_in_where_the_server_says_so(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Essayer la démonstration" in site.get("/").text

    async def refused(*_: object) -> str:
        raise Problem("forbidden")

    monkeypatch.setattr(routes.service, "walk_in", refused)
    assert site.post("/essai").status_code == 403


def test_a_result_that_is_not_decided_names_no_level(site: Site) -> None:
    page = site.enter()
    for chosen in "CBCBBCC":
        site.post("/question", {"geste": "valider", "question": handle(page), "a.RESPONSE": chosen})
        page = site.get("/question").text
    said = site.get("/resultat").text
    assert "Le test ne tranche pas" in said
    assert "Entre «\u00a0bas\u00a0» et «\u00a0haut\u00a0»" in said
    assert "Pour affirmer un niveau, il en faut 80." in said
    assert "Niveau atteint" not in said


@pytest.mark.parametrize(
    ("probabilities", "confidence", "levels"),
    [
        ([0.02, 0.90, 0.08], 0.9, range(1, 3)),
        ([0.43, 0.57], 0.8, range(2)),
        ([0.10, 0.75, 0.15], 0.9, range(1, 3)),
        ([0.15, 0.75, 0.10], 0.9, range(2)),
        ([0.30, 0.40, 0.30], 0.9, range(3)),
        ([0.5, 0.3, 0.2], 1.0, range(3)),
    ],
)
def test_an_open_result_lies_between_the_fewest_levels(
    probabilities: list[float], confidence: float, levels: range
) -> None:
    assert possible_levels(probabilities, confidence) == levels


def test_a_result_before_the_end_is_refused(site: Site) -> None:
    site.enter()
    reply = site.get("/resultat")
    assert reply.status_code == 409
    assert "Le test n" in reply.text
    assert site.get("/resultat/attestation.json").status_code == 409


def test_when_the_database_is_away_the_answer_stays_in_the_page(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = site.enter()
    token = site.token()

    async def away(*_: object, **__: object) -> None:
        raise Problem("unavailable", retry_after=7)

    fields = VALID | {"question": handle(page), "jeton": token}
    with monkeypatch.context() as broken:
        broken.setattr(routes.service, "current", away)
        reply = site.client.post("/question", data=fields, headers={"accept": "text/html"})
        assert (reply.status_code, reply.headers["retry-after"]) == (503, "7")
        assert site.get("/question").status_code == 503
    kept = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', reply.text))
    assert kept == fields
    assert site.post("/question", kept).headers["location"] == "/question"
    assert handle(site.get("/question").text) != handle(page)


@pytest.mark.parametrize(
    ("path", "back"), [("/question", "/question"), ("/pause", "/question"), ("/essai", "/"), ("/", "/")]
)
def test_a_form_that_the_edge_refused_unread_is_not_sent_again_empty(
    site: Site, path: str, back: str
) -> None:
    page = site.enter()
    fields = VALID | {"question": handle(page), "jeton": site.token()}
    site.client.app.state.gate.limit = 0
    reply = site.client.post(path, data=fields, headers=BROWSER)
    assert reply.status_code == 503
    assert int(reply.headers["retry-after"]) >= 1
    assert "<form" not in reply.text
    assert f'href="{back}">Réessayer' in reply.text


def test_a_form_that_could_not_be_read_is_not_called_our_fault(site: Site) -> None:
    reply = site.client.post("/question", data={"a": "x" * 200_000}, headers=BROWSER)
    assert reply.status_code == 413
    assert "Demande illisible" in reply.text


def test_a_failure_of_ours_is_a_page_too(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.enter()
    token = site.token()

    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(routes.service, "current", broken)
    reply = site.get("/question")
    assert reply.status_code == 500
    assert "Une erreur de notre part" in reply.text
    assert "secret detail" not in reply.text
    answer = site.client.post("/question", data={"jeton": token, "a.R": "B"}, headers=BROWSER)
    assert '<input type="hidden" name="a.R" value="B">' in answer.text  # to be sent again as it was


def test_an_address_that_is_none_is_a_page_for_browsers_and_a_document_for_programs(site: Site) -> None:
    assert "Page introuvable" in site.get("/nowhere").text
    assert site.client.get("/nowhere").json()["code"] == "not_found"
    assert site.get("/api/v1/nowhere").json()["code"] == "not_found"


def test_static_files_may_be_kept_for_ever_under_the_address_of_their_content(site: Site) -> None:
    page = site.get("/").text
    for path in re.findall(r'"(/static/[^"]+)"', page):
        reply = site.get(path)
        assert reply.status_code == 200
        assert "immutable" in reply.headers["cache-control"]
        old = re.sub(r"/static/\w+/", "/static/000000000000/", path)
        assert site.get(old).headers["cache-control"] == "no-cache"
    assert site.get("/static/x/..%2froutes.py").status_code == 404


class _Scripts(HTMLParser):
    """Finds what a strict content policy would block: inline scripts, styles, handlers."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = {name for name, _ in attrs}
        if tag == "style" or (tag == "script" and "src" not in names):
            self.found.append(tag)
        self.found += [name for name in names if name == "style" or name.startswith("on")]


def test_no_page_holds_a_script_or_a_style_of_its_own(site: Site) -> None:
    pages = [site.get("/").text, site.enter(), site.get("/nowhere").text]
    for page in pages:
        parser = _Scripts()
        parser.feed(page)
        assert parser.found == []
