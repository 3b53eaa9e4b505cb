"""`acquis demo` as a newcomer runs it: what it prints, kill -9, and a result verified without the server."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.command import main
from tests.ports import reserved

RUN = [sys.executable, "-c", "import sys; from api.command import main; sys.exit(main())"]


class Demo:
    """A demonstration server in a process of its own."""

    def __init__(self, port: int, folder: Path) -> None:
        self.port = port
        self.data = folder / "data"
        self.out = folder / "out.txt"
        self.environment = os.environ | {"XDG_DATA_HOME": str(folder / "home")}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> str:
        """Start it; return what it prints once it serves."""
        with self.out.open("wb") as out:
            self.process = subprocess.Popen(
                [*RUN, "demo", "--port", str(self.port), "--data", str(self.data)],
                stdout=out,
                stderr=subprocess.STDOUT,
                env=self.environment,
            )
        end = time.monotonic() + 200
        while "acquis.db" not in self.out.read_text() and "everything is in" not in self.out.read_text():
            assert self.process.poll() is None, self.out.read_text()
            assert time.monotonic() < end, self.out.read_text()
            time.sleep(0.05)
        return self.out.read_text()

    def stop(self, sig: int) -> int:
        """Send a signal and wait for the end."""
        assert self.process is not None
        self.process.send_signal(sig)
        return self.process.wait(100)


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    with reserved() as port:
        demo = Demo(port, tmp_path)
        yield demo
        if demo.process is not None and demo.process.poll() is None:
            demo.stop(signal.SIGKILL)


def answer(http: httpx.Client, sitting: dict[str, Any]) -> dict[str, Any]:
    """Answer the open item with something that fits it; skip what is not a choice."""
    response = {}
    for part in sitting["item"]["parts"]:
        if isinstance(part, dict) and part["kind"] in ("choice", "inline_choice"):
            response[part["response"]] = [part["options"][0]["id"]]
    reply = http.post(
        "/api/v1/sittings/current/answers",
        headers={"Idempotency-Key": sitting["handle"]},
        json={"handle": sitting["handle"], "response": response},
    )
    assert reply.status_code == 200, reply.text
    return dict(reply.json())


def test_the_demonstration_from_start_to_verified_result(demo: Demo, tmp_path: Path, capsys: Any) -> None:
    said = demo.start()
    assert "démonstration, sans valeur" in said
    codes = re.findall(r"/i/(\w{20})", said)
    assert len(codes) == 3
    login = re.search(r"(\S+@\S+) +(\S{16})\n", said)
    assert login is not None
    secret = re.search(r"rh:(\S+) ", said)
    assert secret is not None
    base = f"http://127.0.0.1:{demo.port}"
    with httpx.Client(base_url=base, timeout=90) as http:  # kernels may have to be compiled
        assert "<html" in http.get("/").text
        form = http.get("/console/connexion", headers={"Accept": "text/html"}).text
        fields = {"login": login[1], "password": login[2], "jeton": _token(form)}
        signed_in = http.post("/console/connexion", data=fields)
        assert signed_in.headers["location"] == "/console", signed_in.text
        console = http.get("/console/invitations").text
        assert "Awa N" in console
        assert "Démonstration, sans valeur" in console.replace("\N{NO-BREAK SPACE}", " ")
        http.cookies.clear()
        entry = http.post("/api/v1/sittings", json={"code": codes[0]}).json()
        sitting = entry["sitting"]
        for _ in range(4):
            sitting = answer(http, sitting)
        demo.stop(signal.SIGKILL)
        again = demo.start()
        assert re.findall(r"/i/(\w{20})", again) == codes
        assert http.get("/api/v1/sittings/current").json() == sitting
        assert sitting["answered"] == 4
        while sitting["phase"] == "item":
            sitting = answer(http, sitting)
        token = http.post(
            "/api/v1/oauth/token", data={"grant_type": "client_credentials"}, auth=("rh", secret[1])
        ).json()["access_token"]
        reader = {"Authorization": f"Bearer {token}"}
        (result,) = http.get("/api/v1/results", headers=reader).json()["results"]
        assert result["result"]["notice"] == "démonstration, sans valeur"
        assert "démonstration, sans valeur" in http.get("/api/v1/results.csv", headers=reader).text
        (tmp_path / "result.json").write_bytes(http.get(result["credential"], headers=reader).content)
    database = f"sqlite:///{demo.data / 'acquis.db'}"
    assert main(["replay", sitting["sitting"], "--database-url", database]) == 0  # beside the server
    assert demo.stop(signal.SIGTERM) in (0, -signal.SIGTERM)
    verified = subprocess.run(
        [*RUN, "verify", str(tmp_path / "result.json")], capture_output=True, text=True, env=demo.environment
    )
    assert verified.returncode == 0, verified.stderr
    assert verified.stdout.startswith("Authentic, revocation not checked.\n")
    assert "\nDémonstration, sans valeur.\n" in verified.stdout
    changed = (tmp_path / "result.json").read_text().replace('"points"', '"pints"', 1)
    (tmp_path / "changed.json").write_text(changed)
    assert main(["verify", str(tmp_path / "changed.json"), "--jwks", str(known(demo, tmp_path))]) == 3
    capsys.readouterr()


def _token(form: str) -> str:
    found = re.search(r'name="jeton" value="([^"]+)"', form)
    assert found is not None
    return found[1]


def known(demo: Demo, tmp_path: Path) -> Path:
    """The key that the demonstration left on this machine."""
    issuers = json.loads((tmp_path / "home" / "acquis" / "known-issuers.json").read_text())
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps(issuers[f"http://127.0.0.1:{demo.port}"]))
    return path


def test_a_taken_port_is_told_in_one_sentence(tmp_path: Path, capsys: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert main(["demo", "--port", port, "--data", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "--port" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["serve"], "--database-url"),
        (["serve", "--database-url", "mysql://x"], "sqlite:///"),
        (["serve", "--database-url", "postgresql://127.0.0.1:1/none"], "expected a database"),
        (["serve", "--database-url", "sqlite:///DIR/x.db", "--workers", "2"], "one worker"),
        (["serve", "--database-url", "sqlite:///DIR/x.db", "--base-url", "example.org"], "https://"),
        (["replay"], "--all"),
        (["replay", "X", "--database-url", "sqlite:///DIR/none.db"], "no such file"),
    ],
)
def test_bad_use_is_one_sentence(
    words: list[str], told: str, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ACQUIS_DATABASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    assert main([word.replace("DIR", str(tmp_path)) for word in words]) == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1
