"""The page where anyone verifies a signed result: what it says of files, and what no file can do to it."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest

from api.database.plans import Commit, Plan
from api.keys.signing import BadSignature, SigningKey, load_or_make, public_keys
from api.pages.language import messages
from api.pages.verifying import LARGEST
from api.results.credential import check, pack
from api.results.issue import CREDENTIAL, encoded, withdrawn
from tests.api.pages.conftest import BROWSER, Site
from tests.api.results.test_status import credential
from tests.api.sample import ORGANISATION

STATES = ("valid", "superseded", "revoked", "expired", "altered", "elsewhere", "distrusted")


@pytest.fixture
def file(site: Site) -> str:
    """A signed file."""
    found: str = site.client.portal.call(credential, site.runtime)
    return found


def sent(site: Site, content: bytes | str, name: str = "attestation.json", **headers: str) -> Any:
    """Send a file as a browser without JavaScript and without cookies does."""
    site.forget()
    content = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    files = {"attestation": (name, content, "application/json")}
    return site.client.post("/verify/file", files=files, headers={"accept": "text/html"} | headers)


def state(reply: Any) -> str:
    """What a page says of a file, by the name of the message."""
    heading = re.search(r'id="state">([^<]+)<', reply.text)
    words = {messages("fr").plain(f"verify.is.{one}"): one for one in STATES}
    return words[heading[1]] if heading else ""


def resigned(file: str, key: SigningKey, **changes: Any) -> str:
    """The file signed anew, with changes to its claims."""
    document = encoded(json.loads(file)["result"] | changes)
    return pack(document, key.sign(document.encode(), CREDENTIAL))


def withdraw(site: Site, file: str, to: Any) -> None:
    """Withdraw the result of a file."""
    id = json.loads(file)["result"]["id"]

    def plan() -> Plan[None]:
        yield []
        return Commit(None, withdrawn(id, to, 1))

    site.client.portal.call(site.runtime.write, plan)


def test_a_browser_gets_a_page_and_others_the_words(site: Site) -> None:
    page, words = site.get("/verify"), site.client.get("/verify")
    assert 'enctype="multipart/form-data"' in page.text
    assert "Content-Security-Policy" in page.headers
    assert words.headers["content-type"].startswith("text/plain")
    assert "acquis verify" in words.text
    assert page.headers["vary"] == words.headers["vary"] == "Accept"
    assert 'href="/verify"' in site.get("/").text
    assert site.get("/verify/file").headers["location"] == "/verify"
    assert site.client.post("/verify").status_code == 405  # the OpenAPI document says that it only reads
    assert 'href="/langue?vers=en&amp;retour=/verify"' in page.text


def test_an_authentic_file_is_told_with_what_it_does_not_prove(site: Site, file: str) -> None:
    reply = sent(site, file)
    assert (reply.status_code, state(reply)) == (200, "valid")
    claims = json.loads(file)["result"]
    for word in ("Léa Durand, matricule M-1", claims["id"], claims["issuer"], "ne prouve pas", "VAE"):
        assert word in reply.text, word
    assert "<title>Authentique et en vigueur" in reply.text
    assert "démonstration" not in reply.text.lower().partition("<main")[2]


@pytest.mark.parametrize("to", ["superseded", "revoked", "erased"])
def test_what_no_longer_stands_is_told_without_its_level(site: Site, file: str, to: str) -> None:
    withdraw(site, file, to)
    reply = sent(site, file)
    assert state(reply) == ("superseded" if to == "superseded" else "revoked")
    assert "chances sur 100" not in reply.text
    assert "effac" not in reply.text


def test_past_its_last_day_it_is_no_longer_valid(site: Site, file: str) -> None:
    reply = sent(site, resigned(file, site.runtime.keyring.first, valid_until="2020-01-01"))
    assert state(reply) == "expired"
    assert "1er\u00a0janvier 2020" in reply.text
    withdraw(site, file, "revoked")
    assert (
        state(sent(site, resigned(file, site.runtime.keyring.first, valid_until="2020-01-01"))) == "revoked"
    )


def test_a_demonstration_says_so(site: Site, file: str) -> None:
    signed = resigned(
        file, site.runtime.keyring.first, demonstration=True, notice="démonstration, sans valeur"
    )
    reply = sent(site, signed)
    assert state(reply) == "valid"
    assert "Démonstration, sans valeur." in reply.text.partition("<main")[2]


def test_a_changed_file_is_not_authentic_and_nothing_of_it_is_shown(site: Site, file: str) -> None:
    for forged in (
        file.replace("Durand", "Dupont"),
        file.replace('"jws":"', '"jws":"x'),
        file.replace('"result":{', '"result":{"id":"twice",'),
        file[:-1] + ',"more":1}',
        resigned(file, site.runtime.keyring.first, schema="acquis/other/1"),
    ):
        reply = sent(site, forged)
        assert (reply.status_code, state(reply)) == (200, "altered")
        assert "Dupont" not in reply.text
        assert "Durand" not in reply.text


def test_a_file_of_another_service_is_sent_there(site: Site, file: str, tmp_path: Any) -> None:
    other = load_or_make(tmp_path / "other.pem")
    reply = sent(site, resigned(file, other, issuer="https://tests.example.org"))
    assert state(reply) == "elsewhere"
    assert "dit venir de https://tests.example.org, et" in reply.text
    assert "Durand" not in reply.text
    ours = site.runtime.settings.base_url
    for issuer in (
        ours,
        "",
        7,
        ["x"],
        "javascript:alert(1)",
        "https://x.org/<b>",
        "https://x.org/ Call 0800",
    ):
        reply = sent(site, resigned(file, other, issuer=issuer))
        assert state(reply) == "altered", issuer
        assert "0800" not in reply.text


def test_names_that_are_markup_are_text(site: Site, file: str) -> None:
    evil = "<script>alert(1)</script>\"'>{{ 7 * 7 }}{0.__class__}"
    person = json.loads(file)["result"]["person"] | {"family_name": evil, "identifier": "<b>&"}
    title = {"fr": "<img src=x onerror=alert(1)>", "en": "%s {day}"}
    test = json.loads(file)["result"]["test"] | {"title": title}
    reply = sent(site, resigned(file, site.runtime.keyring.first, person=person, test=test))
    assert state(reply) == "valid"
    assert "&lt;script&gt;alert(1)" in reply.text
    assert "{{ 7 * 7 }}" in reply.text
    for raw in ("<script>alert", "<img src=x", "<b>&"):
        assert raw not in reply.text


def nested(file: str, depth: int) -> list[str]:
    """Files that are lists in lists, as a whole and in each of their parts."""
    jws = json.loads(file)["jws"]
    deep = "[" * depth + "]" * depth
    header = f'{{"alg":"EdDSA","kid":{deep},"typ":"{CREDENTIAL}"}}'.encode()
    encoded_header = base64.urlsafe_b64encode(header).rstrip(b"=").decode()
    return [
        deep,
        "[" * depth,
        f'{{"schema":"acquis/signed-result/1","result":{{"issuer":{deep}}},"jws":"{jws}"}}',
        f'{{"schema":"acquis/signed-result/1","result":{{}},"jws":{deep}}}',
        f'{{"schema":"acquis/signed-result/1","result":{{}},"jws":"{encoded_header}.{jws.partition(".")[2]}"}}',
    ]


def test_deep_nesting_is_no_failure(site: Site, file: str) -> None:
    """Every depth around the one that can just be read: reading and comparing give up at different ones."""
    for depth in (10, 500, *range(860, 1000, 2), 5_000, 20_000):
        for content in nested(file, depth):
            reply = sent(site, content)
            assert (reply.status_code, state(reply)) in ((422, ""), (200, "altered")), (depth, content[:60])


def test_what_is_too_deep_to_compare_is_not_what_was_signed(site: Site, file: str) -> None:
    deep: list[Any] = []
    for _ in range(5_000):
        deep = [deep]
    with pytest.raises(BadSignature):
        check(
            json.loads(file) | {"result": {"issuer": deep}}, public_keys(dict(site.runtime.keyring.first.jwk))
        )


@pytest.mark.parametrize(
    "content",
    [
        b"{", b"[]", b"null", b'"x"', b"7", b"9" * 5000, b"NaN", b"\x00", b"\xff\xfe", b"%PDF-1.7",
        b"\xef\xbb\xbf{}",
        b'{"schema": "other"}', b'{"schema": ["acquis/signed-result/1"]}', b"x" * LARGEST,
    ],
)  # fmt: skip
def test_what_is_no_statement_is_told_beside_the_field(site: Site, content: bytes) -> None:
    reply = sent(site, content)
    assert (reply.status_code, state(reply)) == (422, "")
    assert "<title>À corriger" in reply.text
    assert 'href="#attestation"' in reply.text
    assert 'aria-describedby="attestation.hint attestation.fault"' in reply.text
    assert "Choisissez celui dont le nom commence" in reply.text


@pytest.mark.parametrize(
    "content",
    [
        b'{"schema": "acquis/signed-result/1"}',
        b'{"schema": "acquis/signed-result/1", "result": {}, "jws": ""}',
        b'{"schema": "acquis/signed-result/1", "result": {}, "jws": "\xc3\xa9..\\ud800"}',
        b'{"schema": "acquis/signed-result/1", "result": {"issuer": "\\ud800"}, "jws": "e30.e30.e30"}',
        b'{"schema": "acquis/signed-result/1", "result": {"issuer": 1e999}, "jws": "bnVsbA.e30.e30"}',
        b'{"schema": "acquis/signed-result/1", "result": [], "jws": "a.b.c"}',
    ],
)
def test_what_only_looks_like_a_statement_is_not_authentic(site: Site, content: bytes) -> None:
    assert state(sent(site, content)) == "altered"


def test_no_file_is_told_and_too_large_a_one_leads_back(site: Site) -> None:
    nothing = site.post("/verify/file"), site.client.post("/verify/file")
    for reply in (*nothing, sent(site, b""), sent(site, b"", name="")):
        assert reply.status_code == 422
        assert "Choisissez un fichier." in reply.text
    for size in (LARGEST + 1, 1_000_000, 2_000_000):
        reply = sent(site, b"x" * size)
        assert (reply.status_code, "Fichier non lu" in reply.text) == (413, True), size
        assert 'href="/verify"' in reply.text


def part(value: bytes, name: bytes = b"attestation", more: bytes = b"") -> bytes:
    """A field of a form in parts whose boundary is x."""
    return (
        b'--x\r\nContent-Disposition: form-data; name="' + name + b'"' + more + b"\r\n\r\n" + value + b"\r\n"
    )


PARTS = "multipart/form-data; boundary=x"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=", b"x"),
        (PARTS, b""),
        (PARTS, b"--x\r\n\r\nno header\r\n--x--"),
        (PARTS, part(b"cut")),
        (f"{PARTS}; charset=punycode", part(b"\xff", b"\xff") + b"--x--\r\n"),
        (f"{PARTS}; charset=unicode_escape", part(rb"\ud800") + b"--x--\r\n"),
        (f"{PARTS}; charset=\x00", part(b"1") + b"--x--\r\n"),
        (PARTS, part(b"1", b"a") * 50 + b"--x--\r\n"),
        (PARTS, part(b"{}", more=b'; filename="a"') * 3 + b"--x--\r\n"),
        ("application/x-www-form-urlencoded", b"attestation=%ff%ed%a0%80&" * 200),
        ("application/x-www-form-urlencoded", b"attestation=%7B%7D"),
        ("application/json", b"{}"),
        ("", b"\xff"),
    ],
)
def test_a_broken_form_is_refused_as_a_page(site: Site, kind: str, body: bytes) -> None:
    headers = [(b"content-type", kind.encode("latin-1")), (b"accept", b"text/html")]
    reply = site.client.post("/verify/file", content=body, headers=headers)
    assert reply.status_code == 422
    assert "<html lang" in reply.text


def test_it_keeps_nothing_and_needs_no_cookie(site: Site, file: str) -> None:
    site.forget()
    reply = site.client.post(
        "/verify/file",
        files={"attestation": ("a.json", file)},
        headers=BROWSER | {"cookie": "acquis_langue=en", "sec-fetch-site": "cross-site"},
    )
    assert "Authentic and in force" in reply.text
    assert reply.headers["cache-control"] == "no-store"
    assert ORGANISATION not in reply.text
    assert set(reply.cookies) <= {"acquis_formulaire"}
