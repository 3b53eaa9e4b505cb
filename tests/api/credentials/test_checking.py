"""What our own verifier makes of badges: the command, and the page that anybody may use."""

from __future__ import annotations

import copy
import html
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from api.command import main
from api.credentials import proof
from api.credentials.checking import check
from api.credentials.did import did_of, document_address, keys_of
from api.credentials.did import document as did_document
from api.credentials.document import Place
from api.credentials.document import badge as badge_of
from api.keys.signing import BadSignature, UnknownKey, load_or_make, public_keys
from api.moments import from_iso
from api.pages.language import messages
from tests.api.credentials.conftest import BASE, DID, World, sat, withdraw
from tests.api.credentials.forging import forged
from tests.api.desk import call, invite, runtime_of
from tests.api.pages.test_verifying import state

Command = Callable[..., tuple[int, Any]]


@pytest.fixture
def verify(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """Verify a badge with the issuer's keys from a file; return the status and what was printed."""

    def verify(badge: Any, *words: str, keys: Any = None, status: Any = None) -> tuple[int, Any]:
        told = {"badge": badge, "keys": keys or world.client.get("/.well-known/did.json").json()}
        if status is not None:
            told["status"] = status
            words = (*words, "--status", str(tmp_path / "status.json"))
        for name, content in told.items():
            text = content if isinstance(content, str) else json.dumps(content)
            (tmp_path / f"{name}.json").write_text(text, encoding="utf-8")
        capsys.readouterr()
        code = main(["verify", str(tmp_path / "badge.json"), "--did", str(tmp_path / "keys.json"), *words])
        out, err = capsys.readouterr()
        return code, json.loads(out) if "--json" in words else out + err

    return verify


def test_a_badge_that_stands(world: World, verify: Command) -> None:
    code, said = verify(world.badges["decided"], status=world.list())
    assert (code, said.splitlines()[0].startswith("Authentic, neither superseded nor revoked")) == (0, True)
    for word in ("Essai : haut", "level     haut", "told by the hash of number and name", f"{BASE} ({DID})"):
        assert word in said, said
    code, said = verify(world.badges["undecided"])
    assert "level     none attested" in said
    code, told = verify(world.badges["decided"], "--json", status=world.list())
    assert (code, told["holds"], told["status"], told["badge"]["name"]) == (0, True, "valid", "Essai : haut")


def test_without_a_list_it_says_what_is_not_known(world: World, verify: Command) -> None:
    code, said = verify(world.badges["revoked"])
    assert (code, said.splitlines()[0]) == (0, "Authentic, revocation not checked.")
    code, told = verify(world.badges["revoked"], "--json")
    assert (told["authentic"], told["revocation"], "status" in told) == (True, "not checked", False)


@pytest.mark.parametrize("name", ["revoked", "superseded", "erased"])
def test_genuine_and_no_longer_in_force(world: World, verify: Command, name: str) -> None:
    code, told = verify(world.badges[name], "--json", status=world.list())
    assert (code, told["authentic"], told["holds"], told["status"]) == (3, True, False, "withdrawn")
    assert "revoked, or superseded by a newer version" in told["reason"]
    results = world.client.get("/verify/status.json").json()
    code, told = verify(world.badges[name], "--json", status=results)
    assert (code, told["status"]) == (3, "superseded" if name == "superseded" else "revoked")


def test_a_withdrawal_is_reflected_at_once(world: World, verify: Command) -> None:
    claims = sat(world.client, invite(world.client, identifier="M-7"), "B")
    badge = world.badge(claims["id"]).json()
    before = world.client.get("/verify/lists/1")
    same = world.client.get("/verify/lists/1", headers={"If-None-Match": f'W/"x", {before.headers["etag"]}'})
    assert (same.status_code, same.content) == (304, b"") or same.headers["etag"] != before.headers["etag"]
    assert verify(badge, status=before.json())[0] == 0
    withdraw(world.client, claims["id"], "revoked")
    after = world.client.get("/verify/lists/1", headers={"If-None-Match": before.headers["etag"]})
    assert (after.status_code, "no-cache" in after.headers["cache-control"]) == (200, True)
    assert after.headers["etag"] != before.headers["etag"]
    assert verify(badge, status=after.json())[0] == 3


def test_whose_a_badge_is(world: World, verify: Command) -> None:
    badge = world.badges["decided"]
    for named in ("M-1", "Léa Durand", " Léa  Durand"):
        code, said = verify(badge, "--person", named)
        assert (code, f"It is of '{named}'." in said) == (0, True), named
    for other in ("M-2", "Lea Durand", "", "identifier"):
        code, told = verify(badge, "--person", other, "--json")
        assert (code, told["authentic"], told["holds"]) == (3, True, False), other
        assert "not of" in told["reason"]


@pytest.mark.parametrize("name", forged({}, names=True, tricks=True))
def test_what_was_forged_is_refused(world: World, verify: Command, name: str) -> None:
    badge = forged(world.badges["decided"], tricks=True)[name]
    code, told = verify(badge, "--json", status=world.list())
    assert (code, told["authentic"], told["holds"]) == (3, False, False), told


def members(value: Any) -> Iterator[dict[str, Any]]:
    """Every object within a document."""
    if isinstance(value, dict):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from members(part)


def test_nothing_may_be_added_anywhere(world: World) -> None:
    keys = public_keys(dict(runtime_of(world.client).keyring.first.jwk))
    badge = world.badges["decided"]
    assert check(badge, keys)[1] in keys
    places = len(list(members(badge)))
    assert places > 20
    for n in range(places):
        for term in ("note", "https://schema.org/award", "@id", "id"):
            changed = copy.deepcopy(badge)
            place = list(members(changed))[n]
            if term in place:
                continue
            place[term] = "https://evil.example/x"
            with pytest.raises(BadSignature):
                check(changed, keys)


def leaves(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every text of a document."""
    if isinstance(value, str):
        yield way
    for name, part in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        yield from leaves(part, (*way, name))


def test_no_text_may_be_changed(world: World) -> None:
    """One letter or digit of each is made another, so that most keep their shape."""
    keys = public_keys(dict(runtime_of(world.client).keyring.first.jwk))
    badge = world.badges["nameless"]
    for way in leaves(badge):
        changed = copy.deepcopy(badge)
        place = changed
        for name in way[:-1]:
            place = place[name]
        text = place[way[-1]]
        place[way[-1]] = text[:-2] + ("1" if text[-2:-1] != "1" else "2") + text[-1]
        with pytest.raises((BadSignature, UnknownKey)):
            check(changed, keys)


def test_another_issuer_cannot_sign_in_our_name(world: World, verify: Command, tmp_path: Path) -> None:
    thief = load_or_make(tmp_path / "thief.pem")
    unsigned = {name: value for name, value in world.badges["decided"].items() if name != "proof"}
    stolen = proof.sign(unsigned, thief, DID, 0)
    code, told = verify(stolen, "--json")
    assert (code, told["authentic"]) == (3, False)
    assert "not one of the issuer's" in told["reason"]
    elsewhere = proof.sign(unsigned, thief, "did:web:thief.example", 0)
    own = did_document("did:web:thief.example", public_keys(dict(thief.jwk)))
    for keys in (None, own):
        code, told = verify(elsewhere, "--json", keys=keys)
        assert (code, told["authentic"]) == (3, False)
    ours = runtime_of(world.client).keyring.first
    code, told = verify(proof.sign(unsigned, ours, "did:web:thief.example", 0), "--json")
    assert (code, "not of its issuer" in told.get("reason", "")) == (3, True)
    code, told = verify(world.badges["decided"], "--json", keys=own)
    assert (code, "keys are of" in told["reason"]) == (3, True)
    code, told = verify(world.badges["decided"], "--json", "--issuer", "https://other.example")
    assert (code, "its issuer is" in told["reason"]) == (3, True)
    assert verify(world.badges["decided"], "--issuer", BASE)[0] == 0


def test_before_its_first_and_past_its_last_day(world: World, verify: Command) -> None:
    unsigned = {name: value for name, value in world.badges["decided"].items() if name != "proof"}
    key = runtime_of(world.client).keyring.first
    for changes, said in (
        ({"validUntil": "2020-01-01T23:59:59Z"}, "was valid until 2020-01-01T23:59:59Z"),
        ({"validFrom": "2999-01-01T00:00:00Z"}, "valid from 2999-01-01T00:00:00Z on"),
    ):
        code, told = verify(proof.sign({**unsigned, **changes}, key, DID, 0), "--json")
        assert (code, told["authentic"], told["holds"]) == (3, True, False)
        assert said in told["reason"]


def test_a_list_that_cannot_be_relied_on(world: World, verify: Command, tmp_path: Path) -> None:
    badge, good = world.badges["revoked"], world.list()
    unsigned = {name: value for name, value in good.items() if name != "proof"}
    key, thief = runtime_of(world.client).keyring.first, load_or_make(tmp_path / "thief.pem")
    subject = unsigned["credentialSubject"]
    empty = {**subject, "encodedList": "uH4sIAAAAAAAA_-3BMQEAAADCoPVPbQsvoAAAAAAAAAAAAAAAAP4GcwM92tQwAAA"}
    for named, forgery in (
        ("another key", proof.sign(unsigned, thief, DID, 0)),
        ("emptied", {**good, "credentialSubject": empty}),
        ("another list", proof.sign({**unsigned, "id": f"{BASE}/verify/lists/2"}, key, DID, 0)),
        (
            "too short",
            proof.sign(
                {**unsigned, "credentialSubject": {**subject, "encodedList": "uH4sIAAAAAAAAAwMAAAAAAAAAAAA"}},
                key,
                DID,
                0,
            ),
        ),
        (
            "no bits",
            proof.sign({**unsigned, "credentialSubject": {**subject, "encodedList": "uAAAA"}}, key, DID, 0),
        ),
        ("more", {**good, "note": "x"}),
        ("a badge", world.badges["decided"]),
    ):
        code, told = verify(badge, "--json", status=forgery)
        assert (code, told["authentic"], told["holds"]) == (3, True, False), named
        assert "status list" in told["reason"], named
    early = proof.sign({**unsigned, "validFrom": "2020-01-01T00:00:00Z"}, key, DID, 0)
    for unusable in (early, "{", "[]", {}):
        code, said = verify(badge, status=unusable)
        assert (code, "status list" in said, said.count("\n")) == (2, True, 1), said


@pytest.mark.parametrize("content", ["{", "[]", "null", '{"@context": 7}', '{"@context": []}', "[" * 5000])
def test_what_is_no_badge(world: World, verify: Command, content: str) -> None:
    code, said = verify(content)
    assert (code, said.count("\n")) == (3 if "@context" in content else 2, 1), said


def test_a_key_that_stands_twice(world: World, verify: Command) -> None:
    text = json.dumps(world.badges["decided"])
    twice = text.replace('"validUntil"', '"validUntil": "2999-01-01T00:00:00Z", "validUntil"', 1)
    code, told = verify(twice, "--json")
    assert (code, "stands twice" in told["reason"]) == (3, True)


@pytest.mark.parametrize("name", ["decided", "undecided", "demonstration", "nameless"])
def test_the_page_says_what_the_command_says(world: World, name: str) -> None:
    reply = sent(world, world.badges[name])
    assert (reply.status_code, state(reply)) == (200, "valid")
    assert world.badges[name]["name"] in html.unescape(reply.text)
    assert world.badges[name]["credentialSubject"]["narrative"] in html.unescape(reply.text)
    assert "Durand" not in reply.text
    last = messages("fr").day(from_iso(world.badges[name]["validUntil"][:10]))  # in Paris, too
    assert f"au {last}" in html.unescape(reply.text)
    assert ("Démonstration, sans valeur." in reply.text.partition("<main")[2]) is (name == "demonstration")


@pytest.mark.parametrize("name", ["revoked", "superseded", "erased"])
def test_the_page_knows_what_was_withdrawn(world: World, name: str) -> None:
    reply = sent(world, world.badges[name])
    assert state(reply) == ("superseded" if name == "superseded" else "revoked")
    assert world.badges[name]["credentialSubject"]["narrative"] not in html.unescape(reply.text)


def test_the_page_refuses_forgeries(world: World, tmp_path: Path) -> None:
    for name, badge in forged(world.badges["decided"], tricks=True).items():
        found = state(sent(world, badge))
        assert found == "altered", name
    other = "https://other.example"
    unsigned = json.loads(
        json.dumps({name: value for name, value in world.badges["decided"].items() if name != "proof"})
        .replace(BASE, other)
        .replace(DID, did_of(other))
    )
    signed = proof.sign(unsigned, load_or_make(tmp_path / "other.pem"), did_of(other), 0)
    reply = sent(world, signed)
    assert (state(reply), other in reply.text) == ("elsewhere", True)
    assert "Essai" not in reply.text


def sent(world: World, badge: Any) -> Any:
    """Send a badge as a browser does."""
    world.client.cookies.clear()
    files = {"attestation": ("badge.json", json.dumps(badge), "application/json")}
    return world.client.post("/verify/file", files=files, headers={"accept": "text/html"})


@pytest.mark.parametrize(
    ("base", "did", "at"),
    [
        ("https://example.org", "did:web:example.org", "https://example.org/.well-known/did.json"),
        ("https://Example.org", "did:web:example.org", "https://Example.org/.well-known/did.json"),
        ("https://e.org:8443", "did:web:e.org%3A8443", "https://e.org:8443/.well-known/did.json"),
        ("https://e.org:1/a/b~c", "did:web:e.org%3A1:a:b~c", "https://e.org:1/a/b~c/did.json"),
        ("http://127.0.0.1:8000", "did:web:127.0.0.1%3A8000", "http://127.0.0.1:8000/.well-known/did.json"),
        ("http://[::1]:8000", "did:web:%5B%3A%3A1%5D%3A8000", "http://[::1]:8000/.well-known/did.json"),
        ("http://10.0.0.5", "did:web:10.0.0.5", "http://10.0.0.5/.well-known/did.json"),
    ],
)
def test_the_issuer_s_name_is_its_address(world: World, base: str, did: str, at: str) -> None:
    assert did_of(base) == did
    assert document_address(base) == at
    key = runtime_of(world.client).keyring.first
    unsigned = badge_of({**world.claims["decided"], "issuer": base}, Place(3, 5), "fr", lambda kind: "0" * 32)
    found, kid = check(json.loads(json.dumps(proof.sign(unsigned, key, did, 0))), public_keys(dict(key.jwk)))
    assert (found.issuer, found.shape.issuer.id, kid) == (base, did, key.kid)


@pytest.mark.parametrize(
    "url", ["https://evil.example", "https://[", "https://tests.example.org:8443/acquis/x"]
)
def test_an_address_that_is_not_the_issuer_s_name(world: World, url: str) -> None:
    changed = copy.deepcopy(world.badges["decided"])
    changed["issuer"]["url"] = url
    with pytest.raises(BadSignature, match="issuer"):
        check(changed, public_keys(dict(runtime_of(world.client).keyring.first.jwk)))


def test_the_did_document_keeps_the_keys_of_before(world: World, verify: Command, tmp_path: Path) -> None:
    from api.keys.store import record

    newer = load_or_make(tmp_path / "newer.pem")
    call(world.client, runtime_of(world.client).write, record, newer.jwk)
    found = world.client.get("/.well-known/did.json")
    assert found.headers["content-type"] == "application/did+json"
    assert found.headers["access-control-allow-origin"] == "*"
    document = found.json()
    assert document["id"] == DID
    assert document["assertionMethod"] == [one["id"] for one in document["verificationMethod"]]
    keys = keys_of(document)[1]
    assert {newer.kid, runtime_of(world.client).keyring.first.kid} <= set(keys)
    assert verify(world.badges["decided"], keys=document)[0] == 0
    for change in (
        {"controller": "did:web:x.org"},
        {"type": "Other"},
        {"publicKeyMultibase": "z6Mk"},
        {"id": "x"},
    ):
        damaged = copy.deepcopy(document)
        for method in damaged["verificationMethod"]:
            method.update(change)
        code, said = verify(world.badges["decided"], keys=damaged)
        assert (code, "expected an Ed25519 Multikey" in said) == (2, True), change
    assert verify(world.badges["decided"], keys={**document, "assertionMethod": []})[0] == 2


def test_a_service_that_makes_no_badge_loads_nothing_for_it() -> None:
    look = "import sys, api.app, api.commands.verify; print({'openbadgeslib', 'pyld'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
