"""One run of ``schemathesis run``, as somebody would type it, and what it reached."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from tests.api.stranger.place import Place

__all__ = ["Run", "as_peers", "as_role", "run"]


@dataclass(frozen=True, slots=True)
class Run:
    """What a run found.

    Attributes
    ----------
    reached
        The statuses that each operation answered with to requests that fit its description.
    """

    status: int
    text: str
    seconds: float
    reached: dict[str, set[int]]

    @property
    def done(self) -> set[str]:
        """The operations that did what they are for."""
        return {name for name, statuses in self.reached.items() if any(200 <= one < 300 for one in statuses)}

    def told(self) -> str:
        """Return the run in a line."""
        found = {
            "operations": r"Tested: (\d+)",
            "links": r"API Links: +(\d+) covered",
            "requests": r"(\d+) generated",
        }
        numbers = {name: re.search(pattern, self.text) for name, pattern in found.items()}
        told = ", ".join(f"{name} {number[1]}" for name, number in numbers.items() if number)
        failures = re.search(r"(\d+) failures?[, ]", self.text)
        number = failures[1] if failures else "0"
        return f"{told}, done {len(self.done)}, failures {number}, {self.seconds:.0f} s"


def run(place: Place, name: str, examples: int, *words: str, config: str = "") -> Run:
    """Run every check and every phase against a server.

    Parameters
    ----------
    examples
        Requests for an operation at most, in each phase that makes them up.
    words
        More of the command line.
    config
        A ``schemathesis.toml``; by default there is none.
    """
    folder = place.folder / name
    folder.mkdir()
    report = folder / "report.ndjson"
    command = [sys.executable, "-m", "schemathesis.cli"]
    if config:
        (folder / "schemathesis.toml").write_text(config)
        command += ["--config-file", str(folder / "schemathesis.toml")]
    command += ["run", f"{place.url}/openapi.json", "--checks", "all", "--max-examples", str(examples)]
    command += ["--generation-deterministic", "--no-color"]
    command += ["--suppress-health-check", "too_slow"]  # the tool's own: it minds a busy machine
    command += ["--report", "ndjson", "--report-ndjson-path", str(report), *words]
    started = time.monotonic()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=3600, check=False)
    text = done.stdout + done.stderr
    return Run(done.returncode, text, time.monotonic() - started, _reached(report))


def _reached(report: Path) -> dict[str, set[int]]:
    found: dict[str, set[int]] = defaultdict(set)
    for line in report.read_text().splitlines() if report.exists() else ():
        scenario = json.loads(line).get("ScenarioFinished")
        recorder = (scenario or {}).get("recorder") or {}
        for id, exchange in recorder.get("interactions", {}).items():
            case, response = recorder["cases"][id]["value"], exchange.get("response")
            mode = (case.get("meta") or {}).get("generation", {}).get("mode")
            if response and mode == "positive":
                found[f"{case['method']} {case['path']}"].add(response["status_code"])
    return dict(found)


def as_role(place: Place, role: str, examples: int, *words: str) -> Run:
    """Run as somebody with a role: the address, the token, nothing else."""
    token = place.token(role)
    shown = ["-H", f"Authorization: Bearer {token}"] if token else []
    return run(place, role, examples, *shown, *words)


def as_peers(place: Place, examples: int, *words: str) -> Run:
    """Run as two organisations of which neither may see what the other has made."""
    peers = ("everything", "elsewhere")
    header = {role: [{"name": "Authorization", "value": f"Bearer {place.token(role)}"}] for role in peers}
    accounts = place.folder / f"peers-{time.monotonic_ns()}.json"
    accounts.write_text(
        json.dumps({"auth": [{"name": role, "fixedHeaders": header[role]} for role in peers]})
    )
    config = f'[auth.wfc]\npath = "{accounts}"\npeers = {json.dumps(peers)}\n'
    return run(place, "peers", examples, *words, config=config)
