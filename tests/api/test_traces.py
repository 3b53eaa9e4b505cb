"""What a deployment leaves in logs and metrics: no name, code, secret or answer, whatever goes wrong."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import bindparam, update

from api.accounts.invitations import invite
from api.app import create_app
from api.database import tables
from api.database.plans import Commit, Plan, Query
from api.ids import new_code, new_id
from api.observe import configure_logging
from api.results.claims import Person
from api.runtime import Runtime
from api.settings import Settings
from api.sittings import service
from tests.api.browser import browser
from tests.api.desk import answer, bearer, call, enter, runtime_of
from tests.api.sample import CODE, ORGANISATION, prepare

NAMES = ("Durand-Sentinel", "Zoé-Sentinel", "10101010101-SENTINEL")
KEY = "key-Sentinel"
_BREAK = Query(
    update(tables.event)
    .where(tables.event.c.session_id == bindparam("session"), tables.event.c.seq == 2)
    .values(body=bindparam("text"))
)


@pytest.fixture
def lines() -> Iterator[Any]:
    """What every log line of the process goes through, as a server's do."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    configure_logging("INFO")
    logging.getLogger("httpx").disabled = True  # the client of the tests, which tells its addresses
    yield root.handlers[0]
    root.handlers[:], root.level = before[0], before[1]
    logging.getLogger("httpx").disabled = False


def _broken(session: str) -> Plan[None]:
    yield []
    return Commit(None, [_BREAK(session=session, text='{"data":{"response":"Sentinel"}}')])


async def _at_once(runtime: Runtime, headers: dict[str, str], sitting: dict[str, Any]) -> None:
    """Answer in several tabs at once, so that the unique keys have something to refuse."""
    token = headers["Authorization"].removeprefix("Bearer ")
    await asyncio.gather(
        *(
            service.answer(
                runtime,
                token,
                handle=sitting["handle"],
                response={"RESPONSE": ["B"]},
                key=f"{KEY} tab {tab}",
            )
            for tab in range(4)
        ),
        return_exceptions=True,
    )


def server_log(url: str) -> Path | None:
    """Return the log of the PostgreSQL server at `url` where it is a file that we may read."""
    if not url.startswith("postgres"):
        return None
    with psycopg.connect(url) as connection:
        row = connection.execute("SHOW data_directory").fetchone()
    path = Path(row[0] if row else "") / "log"
    return path if path.is_file() else None


def test_logs_and_metrics_hold_no_name_code_secret_or_answer(settings: Settings, lines: Any) -> None:
    theirs = server_log(settings.database_url)
    begun = theirs.stat().st_size if theirs else 0
    ours = io.StringIO()
    lines.setStream(ours)
    secrets = [*NAMES, KEY]
    with browser(create_app(settings), settings.base_url) as client:
        runtime = runtime_of(client)
        call(client, prepare, runtime)
        inviter = bearer(client, "invitations:write")
        person = {
            "family_name": NAMES[0],
            "given_name": NAMES[1],
            "identifier": NAMES[2],
            "identifier_type": "rpps",
        }
        body: dict[str, Any] = {"person": person, "test": CODE}
        codes = [
            client.post("/api/v1/invitations", headers=inviter, json=body).json()["code"] for _ in range(2)
        ]
        headers, sitting = enter(client, codes[0])
        secrets += [*codes, headers["Authorization"].removeprefix("Bearer ").split(".")[1]]
        secrets.append(inviter["Authorization"].removeprefix("Bearer "))
        sitting = answer(client, headers, sitting, key=f"{KEY} 1").json()
        runtime.clock._ahead += 3_600_000_000  # type: ignore[operator] # refused by the database, then read
        assert answer(client, headers, sitting, key=f"{KEY} 2").status_code == 200
        assert answer(client, headers, sitting, key=f"{KEY} 3").status_code == 409
        call(
            client, _at_once, runtime, headers, client.get("/api/v1/sittings/current", headers=headers).json()
        )
        assert client.get(f"/api/v1/invitations/{NAMES[0]}").status_code == 404
        assert client.get(f"/api/v1/{NAMES[0]}?code={codes[1]}").status_code == 404
        assert client.request(NAMES[1].encode("ascii", "ignore").decode(), "/question").status_code == 405
        body = {"handle": NAMES[0], "response": {"RESPONSE": [NAMES[1]]}, "x": NAMES[2]}
        reply = client.post("/api/v1/sittings/current/answers", headers=headers, json=body)
        assert reply.status_code == 422
        body = {"handle": sitting["handle"], "response": {NAMES[0]: [NAMES[2]]}}
        told = headers | {"Idempotency-Key": KEY}
        assert client.post("/api/v1/sittings/current/answers", headers=told, json=body).status_code in (
            409,
            422,
        )
        call(client, runtime.write, _broken, sitting["sitting"])
        runtime.sittings.forget(sitting["sitting"])
        assert client.get("/api/v1/sittings/current", headers=headers).status_code == 500
        metrics = client.get("/metrics").text
    assert '"status": 500' in ours.getvalue()
    assert '"exception": "BrokenLog"' in ours.getvalue()
    texts = {"log": ours.getvalue(), "metrics": metrics}
    if theirs is not None:
        texts["the log of PostgreSQL"] = theirs.read_bytes()[begun:].decode("utf-8", "replace")
        assert "ERROR" in texts["the log of PostgreSQL"]
    found = [(where, secret) for where, text in texts.items() for secret in secrets if secret in text]
    assert found == []
    assert "RESPONSE" not in "".join(texts.values())
    assert '"category"' not in "".join(texts.values())


def test_several_invitations_of_a_new_person_at_once_are_one_person_and_leave_no_trace(
    settings: Settings, run: Any
) -> None:
    theirs = server_log(settings.database_url)
    begun = theirs.stat().st_size if theirs else 0

    def logged() -> str:
        return theirs.read_bytes()[begun:].decode("utf-8", "replace") if theirs else ""

    async def scenario(runtime: Runtime) -> None:
        people: set[str] = set()
        while len(people) < 10 or (theirs and "ERROR" not in logged()):  # until two have met, at last
            n = len(people)
            assert n < 1000
            invitations = (
                runtime.write(
                    invite, ORGANISATION, Person(new_id(), f"{NAMES[2]}-{n}", "rpps"), CODE, new_code()
                )
                for _ in range(4)
            )
            at_once = {one.person_id for one in await asyncio.gather(*invitations)}
            assert len(at_once) == 1
            people |= at_once
            assert len(people) == n + 1

    run(scenario)
    assert NAMES[2] not in logged()
