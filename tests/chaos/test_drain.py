"""Told to stop in mid-load, the server loses nothing, and new sittings go elsewhere."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from api.settings import Settings
from tests.chaos.storm import prepared, ready
from tests.ports import reserved


@pytest.fixture
def serving(
    postgres_url: str, tmp_path: Path, seconds: int
) -> Iterator[tuple[subprocess.Popen[bytes], int, list[str]]]:
    """A server of two workers in a process group of its own, its port, and codes to enter with."""
    keys = tmp_path / "keys"
    codes = asyncio.run(prepared(Settings(postgres_url, keys=keys), 20))
    with reserved() as port:
        command = [sys.executable, "-c", "from api.command import main; raise SystemExit(main())", "serve"]
        command += ["--database-url", postgres_url, "--keys", str(keys), "--port", str(port)]
        command += ["--workers", "2", "--drain", str(seconds), "--log-level", "ERROR"]
        process = subprocess.Popen(command, start_new_session=True)
        try:
            yield process, port, codes
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@pytest.mark.parametrize(("everyone", "seconds"), [(False, 4), (True, 500)])
def test_a_server_that_is_told_to_stop_drains(
    serving: tuple[subprocess.Popen[bytes], int, list[str]], postgres_url: str, everyone: bool, seconds: int
) -> None:
    """A service manager tells the parent alone, or, as systemd does by default, the workers as well.

    It drains for as long as it was asked to, or until it is told again: here, once everything was seen. The
    parent hears of it when the workers drain already, and telling them then is not telling them again.
    """
    process, port, codes = serving
    acknowledged: list[tuple[str, str]] = []
    seen: dict[str, list[float]] = {"not ready": [], "refused": [], "answered": []}
    told_at = stopped = 0.0

    def after() -> float:
        return time.monotonic() - told_at

    async def sit(code: str) -> None:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=200) as http:
            reply = await http.post("/api/v1/sittings", json={"code": code})
            assert reply.status_code == 201
            sitting, token = reply.json()["sitting"], reply.json()["token"]
            while sitting["phase"] == "item":
                while told_at and not stopped and not seen["not ready"]:
                    await asyncio.sleep(0.05)
                handle = sitting["handle"]
                reply = await http.post(
                    "/api/v1/sittings/current/answers",
                    headers={"Authorization": f"Bearer {token}", "Idempotency-Key": handle},
                    json={"handle": handle, "response": {"RESPONSE": ["B"]}},
                )
                assert reply.status_code == 200
                acknowledged.append((sitting["sitting"], handle))
                sitting = reply.json()
                if told_at:
                    seen["answered"].append(after())
                await asyncio.sleep(0.3)

    async def look() -> None:
        while True:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=200) as http:
                reply = await http.get("/ready")
                if reply.status_code == 503:
                    seen["not ready"].append(after())
                reply = await http.post("/api/v1/sittings", json={"code": codes[-1]})
                if reply.status_code == 503:
                    assert (reply.json()["code"], reply.headers["retry-after"]) == ("draining", "2")
                    seen["refused"].append(after())
            await asyncio.sleep(0.1)

    async def scenario() -> None:
        nonlocal told_at, stopped
        await ready(port)
        people = [asyncio.create_task(sit(code)) for code in codes[:8]]
        while len(acknowledged) < 16:
            await asyncio.sleep(0.05)
        told_at = time.monotonic()
        if everyone:
            process.send_signal(signal.SIGSTOP)
            os.killpg(process.pid, signal.SIGTERM)
        else:
            process.terminate()
        looking = asyncio.create_task(look())
        while everyone and not (
            all(seen.values())
            and max(seen["answered"]) > min(seen["not ready"])
            and len(seen["not ready"]) > 10  # long after the parent went on
        ):
            assert process.poll() is None, "it did not drain"
            if seen["not ready"]:
                process.send_signal(signal.SIGCONT)
            if looking.done():
                looking.result()
            await asyncio.sleep(0.05)
        if everyone:
            os.killpg(process.pid, signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 200) == 0
        stopped = after()
        await asyncio.gather(looking, *people, return_exceptions=True)

    asyncio.run(scenario())
    if everyone:
        assert all(seen.values())
        assert stopped < seconds
    else:
        assert stopped >= seconds
    with psycopg.connect(postgres_url) as connection:
        stored: set[Any] = set(
            connection.execute("SELECT session_id, idempotency_key FROM event WHERE kind = 'answered'")
        )
    assert set(acknowledged) <= stored
