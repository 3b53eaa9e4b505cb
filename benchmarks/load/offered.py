"""Requests offered by wrk, and what became of each; nothing else knows the files of ``candidates.lua``."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Acknowledged", "Candidate", "Offer", "Outcome", "offer"]

SCRIPT = Path(__file__).absolute().with_name("candidates.lua")
SECOND = 1_000_000
LEAD = 1.5
"""Seconds before the first request: until then connections are opened."""
PATIENCE = 10.0
"""Seconds after the last request: a reply that has not come by then counts as a failure."""


class Candidate(NamedTuple):
    """Who has something to send: a code, or the token of a sitting and the handle of its open question.

    `most` is how many answers at most, 0: no limit.
    """

    token: str
    handle: str = ""
    most: int = 0


class Acknowledged(NamedTuple):
    """What was acknowledged: an answer, by the handle of its question, and the question that follows."""

    token: str
    answered: str
    next: str | None


@dataclass(frozen=True, slots=True)
class Offer:
    """What is sent.

    Attributes
    ----------
    phase
        ``starts`` or ``answers``.
    rate
        Requests a second, on a schedule; 0: each as soon as a connection is free.
    seconds
        How long the schedule is.
    connections
        How many are open.
    count
        How many candidates take turns; the others replace those whose sitting is over.
    """

    phase: str
    rate: float
    seconds: float
    connections: int
    count: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an offer; times in microseconds since its beginning.

    Attributes
    ----------
    accepted
        When each accepted reply came.
    due, sent
        When its request should have been sent, and when it was; for answers.
    refused
        When each refusal (503) came.
    failed
        Replies that were neither, requests that broke, and those without a reply in time.
    every_p99_ms, every_max_ms
        Of every reply, refusals among them, from when it was sent, in milliseconds (as wrk counts).
    acknowledged, started
        What the accepted replies said.
    """

    accepted: np.ndarray
    due: np.ndarray
    sent: np.ndarray
    refused: np.ndarray
    failed: int
    every_p99_ms: float
    every_max_ms: float
    acknowledged: list[Acknowledged] = field(repr=False)
    started: list[Candidate] = field(repr=False)

    @property
    def latency(self) -> np.ndarray:
        """Milliseconds from when an accepted answer should have been sent to its reply; none of starts."""
        return (self.accepted[: len(self.due)] - self.due) / 1000

    @property
    def lateness(self) -> np.ndarray:
        """Milliseconds by which accepted answers were sent late."""
        return (self.sent - self.due) / 1000


def offer(address: str, folder: Path, told: Offer, candidates: Sequence[Candidate]) -> Outcome:
    """Send what is told and return what became of it."""
    return ended(begin(address, folder, told, candidates), folder)


def begin(address: str, folder: Path, told: Offer, candidates: Sequence[Candidate]) -> subprocess.Popen[str]:
    """Begin to send."""
    threads = 2 if told.rate else 1
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for thread in range(threads):
        lines = (" ".join(str(part) for part in one if part) for one in candidates[thread::threads])
        (folder / f"{thread + 1}.in").write_text("\n".join(lines))
    longest = LEAD + told.seconds + PATIENCE if told.rate else 600
    words: list[Any] = [
        *("wrk", f"-t{threads}", f"-c{told.connections}", f"-d{longest:.0f}s", "--timeout", "30s"),
        *("-s", SCRIPT, address, "--", told.phase, folder, f"{time.monotonic() + LEAD:.6f}"),
        *(told.rate / threads, told.seconds, -(-told.count // threads)),
    ]
    return subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str], folder: Path) -> Outcome:
    """Wait for the end of what was begun and return what became of it."""
    threads = len(list(folder.glob("*.in")))
    while process.poll() is None:
        time.sleep(0.1)
        if len(list(folder.glob("*.done"))) == threads:
            process.send_signal(signal.SIGINT)  # wrk ends as after its time
            break
    out, _ = process.communicate()
    figures: Mapping[str, Any] = json.loads(out[out.rindex("{") :])
    accepted: list[int] = []
    due: list[int] = []
    sent: list[int] = []
    refused: list[int] = []
    acknowledged: list[Acknowledged] = []
    started: list[Candidate] = []
    other = 0
    for path in folder.glob("*.out"):
        for line in path.read_text().splitlines():
            match line.split():
                case ["200", at, at_due, at_sent, token, answered, following]:
                    accepted.append(int(at))
                    due.append(int(at_due))
                    sent.append(int(at_sent))
                    acknowledged.append(
                        Acknowledged(token, answered, None if following == "-" else following)
                    )
                case ["201", at, token, handle]:
                    accepted.append(int(at))
                    started.append(Candidate(token, handle))
                case ["503", at]:
                    refused.append(int(at))
                case _:
                    other += 1
    unanswered = figures["sent"] - len(accepted) - len(refused) - other - figures["repeated"]
    return Outcome(
        np.array(accepted, dtype=np.int64),
        np.array(due, dtype=np.int64),
        np.array(sent, dtype=np.int64),
        np.array(refused, dtype=np.int64),
        other + figures["broken"] + unanswered,
        figures["p99_ms"],
        figures["max_ms"],
        acknowledged,
        started,
    )
