"""The operator's guide: from an empty PostgreSQL database to signed results, by commands and HTTP alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.databases import with_database
from tests.journeys.test_guides import commands, run
from tests.ports import reserved

PEOPLE = 2


@pytest.fixture
def empty_url(postgres_server: str) -> Iterator[str]:
    """Address of a PostgreSQL database without a single table."""
    name = f"acquis_empty_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
        yield with_database(postgres_server, name)
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def sit(http: httpx.Client, code: str) -> tuple[str, dict[str, str]]:
    """Sit a test; return the sitting and the header that reads its result."""
    entry = http.post("/api/v1/sittings", json={"code": code}).json()
    http.cookies.clear()
    header = {"Authorization": f"Bearer {entry['token']}"}
    sitting = entry["sitting"]
    while sitting["phase"] == "item":
        response = {
            part["response"]: [part["options"][0]["id"]]
            for part in sitting["item"]["parts"]
            if isinstance(part, dict) and part["kind"] in ("choice", "inline_choice")
        }
        reply = http.post(
            "/api/v1/sittings/current/answers",
            headers={**header, "Idempotency-Key": sitting["handle"]},
            json={"handle": sitting["handle"], "response": response},
        )
        assert reply.status_code == 200, reply.text
        sitting = reply.json()
    return str(sitting["sitting"]), header


def results(http: httpx.Client, login: dict[str, str]) -> list[dict[str, Any]]:
    """What the HR program receives."""
    token = http.post(
        "/api/v1/oauth/token",
        data={"grant_type": "client_credentials"},
        auth=(login["id"], login["secret"]),
    ).json()["access_token"]
    reply = http.get("/api/v1/results", headers={"Authorization": f"Bearer {token}"})
    assert reply.status_code == 200, reply.text
    return list(reply.json()["results"])


def answers(http: httpx.Client) -> bool:
    try:
        return http.get("/ready").status_code == 200
    except httpx.HTTPError:
        return False


@pytest.fixture
def port() -> Iterator[int]:
    """A port for the server, and for nobody else."""
    with reserved() as free:
        yield free


def test_the_operators_guide(empty_url: str, port: int, tmp_path: Path) -> None:
    base = f"http://127.0.0.1:{port}"
    variables = (
        f"export ACQUIS_DATABASE_URL='{empty_url}' ACQUIS_BASE_URL={base} PORT={port} PATH=$PWD/.tools:$PATH"
    )
    first, *blocks = commands("operator.md")
    assert "ACQUIS_DATABASE_URL" in first
    serving = next(n for n, block in enumerate(blocks) if block.startswith("acquis serve"))
    before, (look, neutralise, contest, change, ask, prove) = blocks[:serving], blocks[serving + 1 :]
    run("\n".join([variables, *before]), tmp_path)
    hr = json.loads((tmp_path / "hr.json").read_text())
    invited = json.loads((tmp_path / "invited.json").read_text())
    assert [one["identifier"] for one in invited] == ["0042", "0043"]
    assert invited[0]["link"] == f"{base}/i/{invited[0]['code']}"
    with (tmp_path / "server.log").open("wb") as log:
        server = subprocess.Popen(
            ["bash", "-c", f"{variables}; exec {blocks[serving]}"],
            cwd=tmp_path,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        with httpx.Client(base_url=base, timeout=200, headers={"Connection": "close"}) as http:
            end = time.monotonic() + 200
            while not answers(http):
                assert server.poll() is None, (tmp_path / "server.log").read_text()
                assert time.monotonic() < end
                time.sleep(0.1)
            sittings = [sit(http, one["code"]) for one in invited]
            issued = results(http, hr)
            assert [one["status"] for one in issued] == ["valid"] * PEOPLE
            with psycopg.connect(empty_url) as database:
                row = database.execute(
                    "SELECT body FROM event WHERE kind = 'item_served' AND session_id = %s ORDER BY seq",
                    (sittings[0][0],),
                ).fetchone()
            assert row is not None
            item = json.loads(row[0])["data"]["item"]
            text = neutralise.replace("ITEM=D1.1-01", f"ITEM={item}")
            assert text != neutralise
            said = again(f"{variables}\n{look}\n{text}", tmp_path)
            assert "no address is registered" in said
            assert "results are made anew" in said
            end = time.monotonic() + 200
            while True:
                file = http.get("/api/v1/sittings/current/credential", headers=sittings[0][1])
                if file.json()["result"]["version"] == 2:
                    break
                assert time.monotonic() < end, "nothing was rescored"
                time.sleep(0.2)
            assert "superseded" in [one["status"] for one in results(http, hr)]
            (tmp_path / "result.json").write_bytes(file.content)
            (tmp_path / "keys.json").write_bytes(http.get("/.well-known/jwks.json").content)
            (tmp_path / "status.json").write_bytes(http.get("/verify/status.json").content)
            told = file.json()["result"]["id"]
            text = contest.replace("RESULT=01KB4ZJ6Q1E8V3M5R7T9W2X4YA", f"RESULT={told}")
            assert text != contest
            assert f"result {told} is kept" in again(f"{variables}\n{text}", tmp_path)
            verify = "acquis verify result.json --jwks keys.json --status status.json"
            assert "neither superseded nor revoked" in again(verify, tmp_path)
            (old,) = json.loads((tmp_path / "keys.json").read_text())["keys"]
            text = change.replace("KID=kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", f"KID={old['kid']}")
            assert text != change
            assert f"{old['kid']} is revoked" in again(f"{variables}\n{text}", tmp_path)
            (tmp_path / "keys.json").write_bytes(http.get("/.well-known/jwks.json").content)
            assert old["kid"] in again("acquis verify result.json --jwks keys.json || test $? = 3", tmp_path)
            file = http.get("/api/v1/sittings/current/credential", headers=sittings[0][1])
            (tmp_path / "result.json").write_bytes(file.content)
            assert "Authentic" in again("acquis verify result.json --jwks keys.json", tmp_path)
            said = again(f"{variables}\n{ask}", tmp_path)
            assert "would be erased" in said
            assert "Zoé" in (tmp_path / "0042.json").read_text()
            assert {one["status"] for one in results(http, hr)} >= {"erased"}
        said = again(f"{variables}\n{prove}", tmp_path)
        assert said.count(" holds: ") == PEOPLE
        assert said.count("the person was erased") == 1
    finally:
        os.killpg(server.pid, signal.SIGKILL)  # its workers as well
        server.wait()


def again(script: str, folder: Path) -> str:
    """Run a script with the tools that are in the folder already."""
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", f"export PATH=$PWD/.tools:$PATH\n{script}"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
