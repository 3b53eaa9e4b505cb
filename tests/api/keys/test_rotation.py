"""Changing the key that signs, and revoking one that somebody else may have."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text as sql

from api.accounts.people import held
from api.command import main
from api.database.plans import Commit, Plan, Query
from api.keys.known import follow, keys_of, path, remember
from api.keys.ring import Keyring, inside
from api.keys.signing import SigningKey, load_or_make, public_keys, revoked_keys
from api.keys.store import BEFORE, KEPT, hasten, key_set, listed, record, revoke, rotate, signer
from api.pages.language import messages
from api.problems import Problem
from api.results import feed, status
from api.results.credential import check, parse
from api.runtime import Runtime
from api.settings import Settings
from api.sittings.timing import SECOND
from tests.api.browser import Browser
from tests.api.database.test_killed import killed
from tests.api.desk import bearer, invite, runtime_of, sit
from tests.api.results.test_status import ISSUER, credential
from tests.api.sample import ORGANISATION


def signed_by(file: str) -> str:
    """The ``kid`` of a signed file, whose signature has to hold under no other key than its own."""
    header = json.loads(file)["jws"].split(".")[0]
    return str(json.loads(base64.urlsafe_b64decode(header + "=="))["kid"])


def test_a_server_that_runs_signs_with_the_new_key_at_once_and_old_files_still_verify(
    run: Any, settings: Settings
) -> None:
    async def scenario(runtime: Runtime) -> None:
        before = await credential(runtime)
        elsewhere = Keyring(settings.keys)  # of the operator, or of another server's worker
        new = elsewhere.make()
        assert signed_by(await credential(runtime, "M-2")) == runtime.keyring.first.kid  # not named yet
        await runtime.write(rotate, new.jwk, at_once=True)
        after = await credential(runtime, "M-3")
        assert [signed_by(before), signed_by(after)] == [runtime.keyring.first.kid, new.kid]
        keys = public_keys(await runtime.read(key_set))
        assert list(keys) == [new.kid, runtime.keyring.first.kid]
        for file in (before, after):
            check(parse(file), keys)
        made = json.loads(await runtime.read(status.listed, ISSUER, runtime.keyring))
        assert status.check(made, {new.kid: keys[new.kid]}).issuer == ISSUER
        states = [(one["kid"], one["state"]) for one in await runtime.read(listed)]
        assert states == [(new.kid, "signs"), (runtime.keyring.first.kid, "retired")]

    run(scenario)


async def later(runtime: Runtime, seconds: int) -> None:
    """Let time pass, or go back: all that was noted of keys lies so much longer ago."""
    back = Query(sql("UPDATE signing_key SET created_at = created_at - :us, signs_from = signs_from - :us"))

    def plan() -> Plan[None]:
        yield []
        return Commit(None, [back(us=seconds * SECOND)])

    await runtime.write(plan)


def test_whoever_keeps_the_public_keys_for_as_long_as_they_may_knows_each_that_signs(run: Any) -> None:
    async def scenario(runtime: Runtime) -> None:
        now, copies = 0, list[tuple[int, set[str]]]()

        async def strangers(after: int) -> int:
            """Look at all copies that are kept some time later: in how many is the one that signs not?"""
            nonlocal now
            await later(runtime, after)
            now += max(after, 0)  # a clock that goes back makes no copy younger
            copies.append((now, set(public_keys(await runtime.read(key_set)))))
            signs = (await runtime.read(signer, runtime.keyring)).kid
            return sum(signs not in kids for at, kids in copies if now - at <= KEPT)

        first = (await runtime.read(signer, runtime.keyring)).kid
        assert await strangers(0) == 0
        second, third = runtime.keyring.make(), runtime.keyring.make()
        assert await runtime.write(rotate, second.jwk) > 0
        with pytest.raises(Problem, match="conflict"):
            await runtime.write(rotate, third.jwk)  # one waits
        met = set()
        for _ in range(20):
            assert await strangers(KEPT // 4) == 0
            met.add((await runtime.read(signer, runtime.keyring)).kid)
        assert met == {first, second.kid}
        assert (await runtime.read(listed))[1]["retired_at"] == (await runtime.read(listed))[0]["signs_from"]
        assert await strangers(-4 * KEPT) == 0  # the clock goes back: the first key signs again
        assert (await runtime.read(signer, runtime.keyring)).kid == first
        await runtime.write(hasten, second.kid)
        assert await strangers(0) == 0
        await runtime.write(rotate, third.jwk, at_once=True)
        assert await strangers(0) > 0  # what --now costs
        assert (await runtime.read(signer, runtime.keyring)).kid == third.kid

    run(scenario)


def test_a_first_key_that_was_exchanged_waits_like_any_other_while_the_former_is_there(
    run: Any, tmp_path: Path
) -> None:
    async def scenario(runtime: Runtime) -> None:
        other = Keyring(tmp_path / "other")
        await runtime.write(record, other.first.jwk)
        assert (await runtime.read(signer, runtime.keyring)).kid == runtime.keyring.first.kid
        assert (await runtime.read(signer, other)).kid == other.first.kid  # it has no other
        await later(runtime, BEFORE // SECOND)
        assert (await runtime.read(signer, runtime.keyring)).kid == runtime.keyring.first.kid
        states = {one["kid"]: one["state"] for one in await runtime.read(listed)}
        assert states == {other.first.kid: "signs", runtime.keyring.first.kid: "retired"}

    run(scenario)


def test_a_key_that_waits_in_the_same_folder_is_revoked_with_the_one_that_signs(run: Any) -> None:
    async def scenario(runtime: Runtime) -> None:
        first, second, third = (
            runtime.keyring.first.kid,
            runtime.keyring.make().jwk,
            runtime.keyring.make().jwk,
        )
        await runtime.write(rotate, second)
        assert await runtime.write(revoke, first, third) == [first, second["kid"]]
        assert (await runtime.read(signer, runtime.keyring)).kid == third["kid"]
        assert list(public_keys(await runtime.read(key_set))) == [third["kid"]]
        with pytest.raises(Problem, match="conflict"):
            await runtime.write(hasten, second["kid"])
        fourth = runtime.keyring.make().jwk
        await runtime.write(rotate, fourth)
        assert await runtime.write(revoke, fourth["kid"], None) == [fourth["kid"]]  # alone: it signed nothing

    run(scenario)


def test_a_key_is_in_the_folder_before_the_database_names_it_wherever_the_command_dies(
    sqlite_url: str, tmp_path: Path
) -> None:
    """About the files, so one database is enough: the commit is one, as everywhere (tests/chaos)."""
    settings = Settings(sqlite_url, keys=tmp_path / "keys", upkeep=0)

    async def named() -> dict[str, str]:
        runtime = Runtime.of(settings)
        await runtime.database.open()
        try:
            await runtime.write(record, runtime.keyring.first.jwk)
            return {one["kid"]: one["state"] for one in await runtime.read(listed)}
        finally:
            await runtime.database.close()

    asyncio.run(named())
    where = ("--keys", str(settings.keys), "--database-url", sqlite_url)
    tries = killed(tmp_path, 24, "key", "rotate", "--now", *where)
    states, files = asyncio.run(named()), inside(settings.keys)
    assert list(states.values()).count("signs") == 1
    assert states.keys() <= files.keys()
    assert 0 < len(files.keys() - states.keys()) < tries  # some have died in between


def test_a_server_without_the_new_key_goes_on_with_the_old_one_until_it_is_brought(
    run: Any, settings: Settings, tmp_path: Path
) -> None:
    async def scenario(runtime: Runtime) -> None:
        away = Keyring(tmp_path / "another machine")
        new = away.make()
        await runtime.write(rotate, new.jwk, at_once=True)
        first = runtime.keyring.first.kid
        assert (await runtime.read(signer, runtime.keyring)).kid == first
        await runtime.write(revoke, first, None)
        with pytest.raises(Problem, match="unavailable"):
            await runtime.read(signer, runtime.keyring)
        name = f"signing-key-{new.kid}.pem"
        (settings.keys / name).write_bytes((away.folder / name).read_bytes())
        assert (await runtime.read(signer, runtime.keyring)).kid == new.kid

    run(scenario)


def test_what_a_revoked_key_has_signed_is_signed_anew_when_it_is_asked_for(run: Any) -> None:
    async def scenario(runtime: Runtime) -> None:
        file = await credential(runtime)
        new, gone = runtime.keyring.make(), runtime.keyring.first.kid
        await runtime.write(revoke, gone, new.jwk)
        keys = await runtime.read(key_set)
        assert [key["kid"] for key in keys["keys"]] == [new.kid]
        assert [key["kid"] for key in keys["revoked"]] == [gone]
        id = json.loads(file)["result"]["id"]
        again = await runtime.read(feed.credential, runtime.keyring, ORGANISATION, id)
        assert check(parse(again), public_keys(keys)).kid == new.kid
        assert json.loads(again)["result"] == json.loads(file)["result"]
        person = json.loads(file)["result"]["person"]["id"]
        exported = [await runtime.read(held, person, ring) for ring in (runtime.keyring, None)]
        assert [one["results"][0]["signature"] for one in exported] == [json.loads(again)["jws"], None]
        for kid, code in ((gone, "conflict"), (new.kid, "conflict"), ("x", "not_found")):
            with pytest.raises(Problem, match=code):
                await runtime.write(revoke, kid, None)

    run(scenario)


def test_a_file_by_a_revoked_key_is_refused_in_words(
    client: Browser, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runtime = runtime_of(client)
    reader = bearer(client, "results:read")
    sit(client, invite(client))
    id = client.get("/api/v1/results", headers=reader).json()["results"][0]["id"]

    def fetched(kind: str) -> str:
        return client.get(f"/api/v1/results/{id}/{kind}", headers=reader).text

    old = {kind: fetched(kind) for kind in ("credential", "badge")}
    new, gone = runtime.keyring.make(), runtime.keyring.first.kid
    client.portal.call(runtime.write, revoke, gone, new.jwk)
    did = client.get("/.well-known/did.json").json()
    assert [name.partition("#")[2] for name in did["assertionMethod"]] == [new.kid]
    assert [one["id"].partition("#")[2] for one in did["verificationMethod"] if "revoked" in one] == [gone]
    places = {"credential": "/.well-known/jwks.json", "badge": "/.well-known/did.json"}
    for kind, place in places.items():
        (tmp_path / "keys.json").write_text(client.get(place).text)
        for text, holds in ((old[kind], False), (fetched(kind), True)):
            (tmp_path / "file.json").write_text(text)
            words = ["verify", str(tmp_path / "file.json"), "--jwks", str(tmp_path / "keys.json")]
            assert main(words) == (0 if holds else 3)
            assert ("which its issuer has revoked" in capsys.readouterr().out) is not holds
            page = client.post(
                "/verify/file",
                files={"attestation": ("a.json", text.encode(), "application/json")},
                headers={"accept": "text/html"},
            ).text
            told = messages("fr").plain("verify.is.valid" if holds else "verify.is.distrusted")
            assert f'id="state">{told}<' in page


def test_the_commands(
    run: Any,
    settings: Settings,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))

    def known() -> set[str]:
        return set(public_keys(keys_of(ISSUER)))

    def said(*words: str, code: int = 0) -> Any:
        capsys.readouterr()
        where = ["--keys", str(settings.keys), "--database-url", settings.database_url]
        assert main(["key", *words, *where, "--json"]) == code
        out, err = capsys.readouterr()
        return err if code else json.loads(out)

    async def nothing(_: Runtime) -> None:
        pass

    assert said("list") == []
    assert "first start" in said("rotate", code=2)
    run(nothing)
    first = said("list")[0]["kid"]
    remember(ISSUER, {"keys": [dict(load_or_make(settings.keys / "signing-key.pem").jwk)]})
    second = said("rotate")["kid"]
    assert known() == {first, second}  # what `acquis verify` goes by on this machine
    assert [(one["kid"], one["state"]) for one in said("list")] == [(second, "waits"), (first, "signs")]
    assert "--now signs with it at once" in said("rotate", code=2)
    assert said("rotate", "--now")["kid"] == second
    assert [(one["kid"], one["state"]) for one in said("list")] == [(second, "signs"), (first, "retired")]
    third = said("revoke", second)["kid"]
    assert [one["state"] for one in said("list")] == ["signs", "revoked", "retired"]
    assert known() == {first, third}
    assert revoked_keys(keys_of(ISSUER)) == {second}
    assert said("revoke", first) == {"revoked": [first], "kid": third}
    assert known() == {third}
    assert "revoked already" in said("revoke", first, code=2)
    assert set(inside(settings.keys)) == {first, second, third}
    (settings.keys / f"signing-key-{third}.pem").rename(settings.keys.parent / "away.pem")
    stray = Keyring(settings.keys).make().kid
    files = [(one["state"], one["file"] is None) for one in said("list")]
    assert files == [("signs", True), ("revoked", False), ("revoked", False), ("unknown", False)]
    assert said("list")[-1]["kid"] == stray
    assert "folder of the servers' keys" in said("rotate", code=2)


def test_no_new_key_is_called_like_an_option() -> None:
    assert not [key.kid for key in (SigningKey.new() for _ in range(400)) if key.kid.startswith("-")]


def test_a_machine_that_remembers_keys_hears_of_a_revoked_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    old, new = (load_or_make(tmp_path / name).jwk for name in ("old.pem", "new.pem"))
    remember(ISSUER, {"keys": [dict(old)]})
    remember(ISSUER, {"keys": [dict(new)]})
    assert set(public_keys(keys_of(ISSUER))) == {old["kid"], new["kid"]}
    gone = {"kid": old["kid"], "x": old["x"], "revoked_at": "2026-01-01T00:00:00Z"}
    for published in ({"keys": [dict(new)], "revoked": [gone]}, {"keys": [dict(old)]}):
        remember(ISSUER, published)
        assert set(public_keys(keys_of(ISSUER))) == {new["kid"]}
        assert revoked_keys(keys_of(ISSUER)) == {old["kid"]}


def test_only_who_holds_the_private_half_changes_what_is_known_of_an_issuer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    old, new = (load_or_make(tmp_path / name).jwk for name in ("old.pem", "new.pem"))
    published = {"keys": [dict(old), dict(new)]}
    remember(ISSUER, {"keys": [dict(new)]})
    remember("https://other.example", {"keys": [dict(old)]})
    by_hand = json.loads(path().read_text()) | {"a": None, "b": dict(new), "c": {"keys": []}}
    path().write_text(json.dumps(by_hand))
    follow(lambda kid: kid == new["kid"], published)
    assert json.loads(path().read_text()) == by_hand | {ISSUER: {"keys": [dict(new), dict(old)]}}
