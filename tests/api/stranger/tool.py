"""One run of ``schemathesis run``, as somebody would type it, and what it reached."""

from __future__ import annotations

import json
import re
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.api.stranger.place import PEERS, Place
from tests.api.stranger.typed import typed

__all__ = ["REACHES", "Run", "as_peers", "as_role", "run"]

_OPEN = {
    "health",
    "ready",
    "read_metrics",
    "read_keys",
    "read_did",
    "read_did_below_a_path",
    "read_status_list",
    "how_to_verify",
    "read_invitation",
    "enter",
}
_SCOPED = {
    "results-read": {"read_results", "read_table", "read_result", "read_credential", "read_badge"},
    "invitations-write": {"read_tests", "invite_someone"},
    "webhooks-write": {"read_webhooks", "register_webhook", "remove_webhook"},
    "sittings-supervise": {"open_sittings", "read_supervised", "set_aside", "decide", "end_sitting"},
    "sections-run": {
        "createSection",
        "getSection",
        "endSection",
        "createSession",
        "submitResults",
        "endSession",
    },
}
REACHES = {
    "nobody": _OPEN,
    "candidate": {"read_invitation", "enter", "read_sitting", "answer", "interrupt", "resume"},
    "viewer": {"read_sitting", "media"},
    "graduate": {"read_sitting", "read_own_credential"},
    "secret": {"fetch_token"},
    **_SCOPED,
    "everything": _OPEN.union(*_SCOPED.values()) - {"invite_someone"},
}
"""What each role has to get done: who is refused everywhere has tried nothing. Inviting succeeds for a test
that the tool has found first; a short run of all operations may not come to it."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a run found.

    Attributes
    ----------
    reached
        The statuses that each operation answered with to requests that fit its description, by its
        ``operationId``.
    """

    status: int
    text: str
    seconds: float
    reached: dict[str, set[int]]

    @property
    def done(self) -> set[str]:
        """The operations that did what they are for."""
        return {name for name, statuses in self.reached.items() if any(200 <= one < 300 for one in statuses)}

    def and_then(self, later: Run) -> Run:
        """Return this run and a later one as one."""
        names = self.reached.keys() | later.reached.keys()
        reached = {name: self.reached.get(name, set()) | later.reached.get(name, set()) for name in names}
        return Run(later.status, later.text, self.seconds + later.seconds, reached)

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


def run(
    place: Place, name: str, examples: int, *words: str, config: str = "", seed: int | None = None
) -> Run:
    """Run every check and every phase against a server.

    Parameters
    ----------
    examples
        Requests for an operation at most, in each phase that makes them up.
    words
        More of the command line.
    config
        A ``schemathesis.toml``; by default there is none.
    seed
        What requests are drawn by; by default they are drawn as in every run without one.
    """
    folder = place.folder / name
    folder.mkdir()
    report = folder / "report.ndjson"
    command = []
    if config:
        (folder / "schemathesis.toml").write_text(config)
        command += ["--config-file", str(folder / "schemathesis.toml")]
    command += ["run", f"{place.url}/openapi.json", "--checks", "all", "--max-examples", str(examples)]
    command += ["--generation-deterministic"] if seed is None else ["--seed", str(seed)]
    command += ["--no-color"]
    command += [
        "--suppress-health-check",
        "too_slow",
        "--request-timeout",
        "60",
    ]  # a busy machine is no fault
    command += ["--report", "ndjson", "--report-ndjson-path", str(report), *words]
    started = time.monotonic()
    status, text = typed(command, folder)
    seconds = time.monotonic() - started
    return Run(status, text, seconds, _reached(report, place.operations()))


def _reached(report: Path, operations: Mapping[str, str]) -> dict[str, set[int]]:
    found: dict[str, set[int]] = defaultdict(set)
    for line in report.read_text().splitlines() if report.exists() else ():
        scenario = json.loads(line).get("ScenarioFinished")
        recorder = (scenario or {}).get("recorder") or {}
        for id, exchange in recorder.get("interactions", {}).items():
            case, response = recorder["cases"][id]["value"], exchange.get("response")
            mode = (case.get("meta") or {}).get("generation", {}).get("mode")
            if response and mode == "positive":
                found[operations[f"{case['method']} {case['path']}"]].add(response["status_code"])
    return dict(found)


def as_role(place: Place, role: str, examples: int, *words: str) -> Run:
    """Run as somebody with a role: the address, what it shows of itself, and identifiers that it knows.

    What the role has to get done and a run, drawn as it is, did not come to, is tried for in further runs.
    """
    authorization = place.shown(role)
    shown = ["-H", f"Authorization: {authorization}"] if authorization else []
    config = place.offices[role].config()
    done = run(place, role, examples, *shown, *words, config=config)
    for seed in range(5):
        if done.status or REACHES[role] <= done.done:
            break
        done = done.and_then(run(place, f"{role} {seed}", examples, *shown, *words, config=config, seed=seed))
    return done


def as_peers(place: Place, examples: int, *words: str) -> Run:
    """Run as `PEERS`: what one's replies lead it to is asked for again as the other."""
    header = {role: [{"name": "Authorization", "value": place.shown(role)}] for role in PEERS}
    accounts = place.folder / "peers.json"
    accounts.write_text(
        json.dumps({"auth": [{"name": role, "fixedHeaders": header[role]} for role in PEERS]})
    )
    config = f'[auth.wfc]\npath = "{accounts}"\npeers = {json.dumps(list(PEERS))}\n'
    return run(place, "peers", examples, *words, config=config)
