"""The status list: what a file cannot say of itself, and what `acquis verify` makes of it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from api.accounts.people import erase, find
from api.command import main
from api.database.plans import Commit, Plan
from api.keys.signing import load_or_make
from api.results.issue import withdrawn
from api.results.status import KIND, SIGNED, listed
from api.runtime import Runtime
from api.sittings import service
from tests.api.browser import Browser
from tests.api.desk import invite, sit
from tests.api.sample import ORGANISATION, invited, right

ISSUER = "http://127.0.0.1:8000"


async def credential(runtime: Runtime, name: str = "M-1") -> str:
    """Sit the sample test; return the signed file."""
    entry = await service.enter(runtime, (await invited(runtime, identifier=name)).code)
    view = entry.view
    while view.phase == "item":
        view = await service.answer(
            runtime, entry.token, handle=view.handle or "", response=right(view), key=view.handle or ""
        )
    return (await service.result(runtime, entry.token)).credential


@pytest.fixture
def verify(run: Any, tmp_path: Path, capsys: Any) -> Any:
    """Verify a signed file against the list as it is now; return the status and what was printed."""

    def verify(file: str, *words: str, status: str | None = None) -> tuple[int, Any]:
        async def now(runtime: Runtime) -> tuple[str, str]:
            keys = {"keys": [dict(runtime.keyring.first.jwk)]}
            return json.dumps(keys), await runtime.read(listed, ISSUER, runtime.keyring)

        keys, made = run(now)
        for name, text in (("keys", keys), ("status", status or made), ("file", file)):
            (tmp_path / f"{name}.json").write_text(text)
        capsys.readouterr()
        told = ["--jwks", str(tmp_path / "keys.json"), "--status", str(tmp_path / "status.json")]
        code = main(["verify", str(tmp_path / "file.json"), *told, *words])
        out, err = capsys.readouterr()
        return code, json.loads(out) if "--json" in words and out else out + err

    return verify


def changed(file: str, to: Any) -> Any:
    """A scenario that withdraws the result of a signed file."""
    id = json.loads(file)["result"]["id"]

    async def scenario(runtime: Runtime) -> None:
        def plan() -> Plan[None]:
            yield []
            return Commit(None, withdrawn(id, to, 1))

        await runtime.write(plan)

    return scenario


def test_a_result_that_stands(run: Any, verify: Any) -> None:
    file = run(credential)
    status, told = verify(file, "--json")
    assert (status, told["authentic"], told["holds"]) == (0, True, True)
    assert (told["revocation"], told["status"]) == ("checked", "valid")
    assert "neither superseded nor revoked (status of 20" in verify(file)[1]


@pytest.mark.parametrize(("to", "word"), [("revoked", "revoked"), ("superseded", "superseded by a newer")])
def test_genuine_and_no_longer_in_force(run: Any, verify: Any, to: str, word: str) -> None:
    file, other = run(credential), run(lambda runtime: credential(runtime, "M-2"))
    run(changed(file, to))
    status, told = verify(file, "--json")
    assert (status, told["authentic"], told["holds"], told["status"]) == (3, True, False, to)
    assert f"it is authentic and {word}" in verify(file)[1]
    assert verify(other)[0] == 0


def test_an_erased_result_is_revoked_like_another(run: Any, verify: Any) -> None:
    file = run(credential)

    async def erased(runtime: Runtime) -> str:
        (person,) = await runtime.read(find, ORGANISATION, "M-1")
        await runtime.write(erase, person.id, True)
        return await runtime.read(listed, ISSUER, runtime.keyring)

    run(erased)
    assert verify(file, "--json")[1]["status"] == "revoked"


def test_without_a_list_it_says_what_is_not_known(run: Any, verify: Any, tmp_path: Path, capsys: Any) -> None:
    file = run(credential)
    verify(file)
    run(changed(file, "revoked"))
    words = ["verify", str(tmp_path / "file.json"), "--jwks", str(tmp_path / "keys.json")]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert said.startswith(
        "Authentic, revocation not checked.\nNot known: whether a newer version supersedes it"
    )
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["authentic"], told["revocation"], "status" in told) == (True, "not checked", False)


def payload(jws: str) -> bytes:
    """What was signed."""
    return base64.urlsafe_b64decode(jws.split(".")[1] + "==")


def test_a_list_that_cannot_be_relied_on(run: Any, verify: Any, tmp_path: Path) -> None:
    file = run(credential)

    async def lists(runtime: Runtime) -> list[str]:
        other = load_or_make(tmp_path / "other.pem")
        made = await runtime.read(listed, ISSUER, runtime.keyring)
        return [
            json.dumps({"schema": SIGNED, "jws": other.sign(payload(json.loads(made)["jws"]), KIND)}),
            await runtime.read(listed, "https://other.example", runtime.keyring),
            made.replace('"jws": "', '"jws": "x'),
            json.dumps({"schema": "acquis/signed-status-list/1", "jws": json.loads(file)["jws"]}),
        ]

    for text in run(lists):
        status, told = verify(file, "--json", status=text)
        assert (status, told["authentic"], told["holds"]) == (3, True, False), told
        assert "status list" in told["reason"]
    for text in ("{", "[]", file):
        status, said = verify(file, status=text)
        assert (status, said.count("\n"), "status list" in said) == (2, 1, True)


def test_a_list_from_before_the_result_tells_nothing_of_it(run: Any, verify: Any) -> None:
    async def early(runtime: Runtime) -> str:
        def plan() -> Plan[str]:
            from api.results.issue import encoded
            from api.results.status import SCHEMA

            yield []
            old = {"schema": SCHEMA, "issuer": ISSUER, "issued_at": "2020-01-01T00:00:00Z"}
            text = encoded(old | {"superseded": [], "revoked": []}).encode()
            return Commit(json.dumps({"schema": SIGNED, "jws": runtime.keyring.first.sign(text, KIND)}))

        return await runtime.read(plan)

    status, said = verify(run(credential), status=run(early))
    assert (status, "made after the result" in said) == (2, True)


def test_anybody_may_read_the_list(client: Browser) -> None:
    sit(client, invite(client))
    reply = client.get("/verify/status.json")
    assert (reply.status_code, reply.json()["schema"]) == (200, "acquis/signed-status-list/1")
    assert "/verify/status.json" in client.get("/verify").text
