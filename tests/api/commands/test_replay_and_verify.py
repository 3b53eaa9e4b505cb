"""`acquis replay` and `acquis verify`: what holds passes, and every tampering is told."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from api.command import main
from api.database.plans import Commit, Plan, Query
from api.runtime import Runtime
from api.settings import Settings
from api.sittings import service
from tests.api.sample import invited, prepare, right

Run = Callable[[Any], Any]


async def sat(runtime: Runtime, test: str = "SAMPLE", wrong: int = 3) -> tuple[str, str]:
    """Sit a test with some wrong answers; return the sitting's id and its credential."""
    entry = await service.enter(runtime, (await invited(runtime, test)).code)
    view = entry.view
    while view.phase == "item":
        response = {"RESPONSE": ["D"]} if view.position == wrong else right(view)
        view = await service.answer(
            runtime, entry.token, handle=view.handle or "", response=response, key=f"k{view.position}"
        )
    return view.sitting, (await service.result(runtime, entry.token)).credential


def altered(statement: str) -> Any:
    """A plan that tampers with the database."""
    query = Query(text(statement))

    def plan() -> Plan[None]:
        yield []
        return Commit(None, [query()])

    return plan


@pytest.fixture
def sitting(run: Run, settings: Settings) -> tuple[str, str]:
    """A finished sitting and its credential."""
    found: tuple[str, str] = run(sat)
    return found


@pytest.fixture
def replay(settings: Settings, capsys: pytest.CaptureFixture[str]) -> Callable[[str], tuple[int, str]]:
    """Run `acquis replay` on a sitting."""

    def replay(session: str) -> tuple[int, str]:
        status = main(["replay", session, "--database-url", settings.database_url])
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    return replay


@pytest.fixture
def jwks(run: Run, tmp_path: Path) -> Path:
    """The public key as a JWK set in a file."""

    async def write(runtime: Runtime) -> None:
        (tmp_path / "jwks.json").write_text(json.dumps({"keys": [dict(runtime.keyring.first.jwk)]}))

    run(write)
    return tmp_path / "jwks.json"


def test_a_sitting_is_replayed(sitting: tuple[str, str], replay: Any) -> None:
    session, credential = sitting
    status, said = replay(session)
    assert status == 0
    result = json.loads(credential)["result"]
    assert f"log head {result['log']['head']}" in said
    assert f"theta {result['score']['theta']:.3f}"[:-1] in said


def test_an_unfinished_and_a_timed_out_sitting_are_replayed(
    run: Run, settings: Settings, replay: Any
) -> None:
    async def scenario(runtime: Runtime) -> list[str]:
        await prepare(runtime, "TIMED", time={"limit_s": 60, "silence_s": 10_000})
        begun = await service.enter(runtime, (await invited(runtime)).code)
        late = await service.enter(runtime, (await invited(runtime, "TIMED")).code)
        runtime.skew = 3_600_000_000
        assert (await service.current(runtime, late.token)).phase == "finished"
        return [begun.view.sitting, late.view.sitting]

    for session in run(scenario):
        status, said = replay(session)
        assert status == 0, said


def test_a_pause_cut_off_the_end_of_a_log_is_told(run: Run, replay: Any) -> None:
    """The row of a sitting follows its log in the same transaction: in what phase it is."""

    async def scenario(runtime: Runtime) -> str:
        entry = await service.enter(runtime, (await invited(runtime)).code)
        await service.interrupt(runtime, entry.token)
        return entry.view.sitting

    session = run(scenario)
    assert replay(session)[0] == 0

    async def tamper(runtime: Runtime) -> None:
        await runtime.write(altered("DELETE FROM event WHERE kind = 'interrupted'"))

    _again(run, tamper)
    status, said = replay(session)
    assert status == 3
    assert "the row of the sitting does not say what its log says" in said


def test_all_finished_sittings_are_replayed(sitting: Any, settings: Settings, capsys: Any) -> None:
    assert main(["replay", "--all", "--json", "--database-url", settings.database_url]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["session"] == sitting[0]
    assert found["holds"]


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE event SET body = replace(body, '\"B\"', '\"C\"') WHERE seq = 3", "hash of event 3"),
        ("DELETE FROM event WHERE seq = 4", "expected event 4"),
        ("UPDATE event SET position = 99 WHERE seq = 2", "event 2: its columns"),
        ("UPDATE event SET idempotency_key = 'x' WHERE seq = 3", "event 3: its columns"),
        ("UPDATE result SET document = replace(document, 'Durand', 'Dupont')", "not the one that was signed"),
        ("UPDATE result SET jws = ''", "not a compact JWS"),
        ("DELETE FROM result", "has no result"),
        ("DELETE FROM event WHERE kind = 'finished'", "0 outcomes, stored are 1 results"),
        ("UPDATE result SET current = 0", "not the current one"),
        ("UPDATE session SET status = 'item'", "the row of the sitting"),
        ("UPDATE session SET person_id = NULL", "another person or organisation"),
    ],
)
def test_tampering_with_the_database_is_told(
    sitting: tuple[str, str], run: Run, settings: Settings, replay: Any, statement: str, told: str
) -> None:
    async def tamper(runtime: Runtime) -> None:
        await runtime.write(altered(statement))

    _again(run, tamper)
    status, said = replay(sitting[0])
    assert status == 3
    assert told in said


def _again(run: Run, scenario: Any) -> None:
    run(scenario)


def forge(session: str, change: Callable[[list[dict[str, Any]]], None], rows: list[Any]) -> list[Any]:
    """Rewrite a log with its hashes in order, as one would who can write to the database."""
    from api.sittings.log import Log

    bodies = [json.loads(row[1]) for row in rows]
    change(bodies)
    log = Log(session)
    return [log.append(body["kind"], body["at"], body["data"]) for body in bodies]


def forged(run: Run, session: str, change: Callable[[list[dict[str, Any]]], None]) -> None:
    """Forge a stored log."""

    async def tamper(runtime: Runtime) -> None:
        from sqlalchemy import bindparam, update

        from api.database import tables
        from api.sittings.turn import EVENTS

        query = Query(
            update(tables.event)
            .where(tables.event.c.session_id == bindparam("session"), tables.event.c.seq == bindparam("n"))
            .values(body=bindparam("new_body"), hash=bindparam("new_hash"))
        )

        def plan() -> Plan[None]:
            (rows,) = yield [EVENTS(session_id=session, after=1)]
            events = forge(session, change, [row[1:] for row in rows])
            return Commit(
                None,
                [query(session=session, n=e.seq, new_body=e.body, new_hash=e.hash) for e in events],
            )

        await runtime.write(plan)

    run(tamper)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda bodies: bodies[2]["data"].update(category=2), "the response earns"),
        (lambda bodies: bodies[2]["data"].update(response={"RESPONSE": ["A"]}), "the response earns"),
        (lambda bodies: bodies[1]["data"].update(criterion=1), "the engine chooses"),
        (lambda bodies: bodies[-1]["data"]["record"].update(theta=3_000_000), "record is stored as"),
        (lambda bodies: bodies[-1]["data"].update(level=0), "level is stored as"),
        (lambda bodies: bodies[-1]["data"].update(reason="se"), "did not end for the reason"),
        (lambda bodies: bodies[1]["data"].update(item="BANK-ITEM-12"), "the engine chooses"),
    ],
)
def test_a_forged_log_with_hashes_in_order_is_told(
    sitting: tuple[str, str],
    run: Run,
    replay: Any,
    change: Callable[[list[dict[str, Any]]], None],
    told: str,
) -> None:
    session = sitting[0]
    forged(run, session, change)
    status, said = replay(session)
    assert status == 3
    assert told in said
    assert "result version 1" in said  # and the signed head no longer fits


SHADOW = {
    "schema": "acquis/design/1",
    "blueprint": {"method": "shadow"},
    "constraint": [{"attribute": "domain", "value": "D1", "min": 2, "max": 4}],
    "stop": {"min": 5, "max": 7},
    "cuts": {"values": [0.0]},
}


def test_shadow_tests_are_replayed_from_what_was_recorded(run: Run, replay: Any) -> None:
    async def scenario(runtime: Runtime) -> str:
        await prepare(runtime, "SHADOW", design=SHADOW)
        return (await sat(runtime, "SHADOW"))[0]

    session = run(scenario)
    assert replay(session)[0] == 0

    def worse(bodies: list[dict[str, Any]]) -> None:
        """Serve something else of the same shadow test."""
        data = bodies[5]["data"]
        others = [f"BANK-ITEM-{i + 1}" for i in data["assembled"]]
        served = [body["data"]["item"] for body in bodies if body["kind"] == "item_served"]
        data["item"] = next(item for item in others if item not in served[: data["position"]])

    def smaller(bodies: list[dict[str, Any]]) -> None:
        """A set of which no whole test can be made."""
        del bodies[1]["data"]["assembled"][3:]

    for change, told in ((worse, "the engine chooses"), (smaller, "expected a whole test")):
        session = run(scenario)
        forged(run, session, change)
        status, said = replay(session)
        assert status == 3
        assert told in said


def test_a_sitting_that_is_not_there_is_bad_input(settings: Settings, sitting: Any, replay: Any) -> None:
    status, said = replay("01NONE")
    assert status == 2
    assert said.count("\n") == 1


def test_a_credential_verifies_without_the_server(
    sitting: Any, jwks: Path, tmp_path: Path, capsys: Any
) -> None:
    path = tmp_path / "credential.json"
    path.write_text(sitting[1])
    assert main(["verify", str(path), "--jwks", str(jwks)]) == 0
    said = capsys.readouterr().out
    assert "Authentic, revocation not checked." in said
    assert "Léa Durand (matricule M-1)" in said
    assert main(["verify", str(path), "--jwks", str(jwks), "--json"]) == 0
    outcome = json.loads(capsys.readouterr().out)
    assert (outcome["authentic"], outcome["revocation"]) == (True, "not checked")


def test_one_byte_changed_anywhere_is_refused(sitting: Any, jwks: Path, tmp_path: Path, capsys: Any) -> None:
    whole = sitting[1].encode()
    path = tmp_path / "credential.json"
    draw = random.Random(20261122)
    places = [*draw.sample(range(len(whole)), 150), *range(len(whole) - 90, len(whole))]
    for place in places:
        for byte in {whole[place] ^ 1, whole[place] ^ 0x20, draw.randrange(256)} - {whole[place]}:
            path.write_bytes(whole[:place] + bytes([byte]) + whole[place + 1 :])
            status = main(["verify", str(path), "--jwks", str(jwks)])
            assert status in (2, 3), (place, byte)
    capsys.readouterr()


def test_a_credential_of_another_key_is_refused(sitting: Any, tmp_path: Path, capsys: Any) -> None:
    from api.keys.signing import load_or_make

    other = load_or_make(tmp_path / "other.pem")
    (tmp_path / "other.json").write_text(json.dumps({"keys": [dict(other.jwk)]}))
    path = tmp_path / "credential.json"
    path.write_text(sitting[1])
    assert main(["verify", str(path), "--jwks", str(tmp_path / "other.json")]) == 3
    assert "not one of the issuer's" in capsys.readouterr().out


def resigned(credential: str, tmp_path: Path, **changes: Any) -> str:
    """The credential signed anew by the right key, with changes to its claims."""
    from api.keys.signing import load_or_make
    from api.results.credential import pack
    from api.results.issue import CREDENTIAL, encoded

    key = load_or_make(tmp_path / "keys" / "signing-key.pem")
    document = encoded(json.loads(credential)["result"] | changes)
    return pack(document, key.sign(document.encode(), CREDENTIAL))


def test_an_expired_credential_and_another_issuer_are_told(
    sitting: Any, jwks: Path, tmp_path: Path, capsys: Any
) -> None:
    path = tmp_path / "credential.json"
    path.write_text(resigned(sitting[1], tmp_path, valid_until="2020-01-01"))
    assert main(["verify", str(path), "--jwks", str(jwks)]) == 3
    assert "valid until 2020-01-01" in capsys.readouterr().out
    path.write_text(sitting[1])
    assert main(["verify", str(path), "--jwks", str(jwks), "--issuer", "https://other.example"]) == 3
    assert "its issuer is http://127.0.0.1:8000" in capsys.readouterr().out


def test_signatures_over_other_things_and_doubled_keys_are_refused(
    sitting: Any, jwks: Path, tmp_path: Path, capsys: Any
) -> None:
    path = tmp_path / "credential.json"
    for forged in (
        resigned(sitting[1], tmp_path, schema="acquis/other/1"),
        sitting[1].replace('"schema":"acquis/signed-result/1"', '"schema":"acquis/signed-result/1","more":1'),
        sitting[1].replace('"result":{', '"result":{"id":"twice",'),
    ):
        path.write_text(forged)
        assert main(["verify", str(path), "--jwks", str(jwks)]) == 3, forged[:80]
    capsys.readouterr()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema": "other"}', "[" * 100_000, "\udcff"])
def test_what_is_no_credential_is_bad_input(content: str, tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "credential.json"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    assert main(["verify", str(path)]) == 2
    assert main(["verify", str(tmp_path / "none.json")]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 2


def test_without_a_key_the_sentence_says_how_to_give_one(
    sitting: Any, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "empty"))
    path = tmp_path / "credential.json"
    path.write_text(resigned(sitting[1], tmp_path, issuer="http://127.0.0.1:1"))
    assert main(["verify", str(path)]) == 2
    assert "--jwks" in capsys.readouterr().err
    path.write_text(resigned(sitting[1], tmp_path, issuer="file:///etc"))
    assert main(["verify", str(path)]) == 2
    assert "https" in capsys.readouterr().err


def test_an_issuer_known_on_this_machine_needs_no_server(
    sitting: Any, jwks: Path, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from api.keys.known import remember

    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    remember("http://127.0.0.1:8000", json.loads(jwks.read_text()))
    path = tmp_path / "credential.json"
    path.write_text(sitting[1])
    assert main(["verify", str(path)]) == 0
    assert "known on this machine" in capsys.readouterr().out
