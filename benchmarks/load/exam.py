"""An exam day on one database: people begin, answer at a rate that is offered, and lose nothing."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import psycopg

from api.database.migrate import migrate
from api.settings import Settings
from benchmarks.load.offered import SECOND, Acknowledged, Candidate, Offer, Outcome, begin, ended, offer
from benchmarks.load.stage import LENGTH, Server, codes, published, served

__all__ = ["Exam", "Row", "missing"]

CONNECTIONS = 2000
SPREAD = 2000
"""How many sittings are brought to all points of the test before anything is measured."""
AGAIN = 3.2
"""Seconds until a candidate's turn comes round: whoever is refused comes back no earlier than asked to."""


Spent = tuple[float, float, float]
NOTHING: Spent = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the report. Times in milliseconds, from when a request should have been sent to its reply.

    Attributes
    ----------
    offered, accepted, refused
        A second.
    failed
        Requests that broke, got another reply, or none in time.
    late_ms
        By how much the generator was late, in 99 of 100 cases.
    cpu_ms
        Processor time of the server, the database and the generator for each accepted request.
    second
        Second by second: accepted, refused, p99.
    """

    name: str
    database: str
    workers: int
    offered: float
    accepted: float
    refused: float
    failed: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    late_ms: float
    cpu_ms: Spent
    second: tuple[tuple[int, int, float], ...]


def _answers(rate: float, seconds: float) -> Offer:
    return Offer("answers", rate, seconds, CONNECTIONS, round(AGAIN * rate))


def _at(values: np.ndarray, percent: float) -> float:
    return float(np.percentile(values, percent)) if len(values) else float("nan")


def _seconds(outcome: Outcome, whole: int) -> Iterator[tuple[int, int, float]]:
    for second in range(whole):
        due = outcome.due // SECOND == second
        yield (
            int((outcome.accepted // SECOND == second).sum()),
            int((outcome.refused // SECOND == second).sum()),
            _at(outcome.latency[due], 99),
        )


class Exam:
    """A database with a published test, who sits it, and what they were told.

    Parameters
    ----------
    url
        Of an empty database.
    folder
        For keys, logs and what the generator reads and writes.
    invited
        How many are invited.
    pid
        Process of the database server, where there is one.
    """

    def __init__(self, url: str, folder: Path, invited: int, pid: int | None = None) -> None:
        self.url = url
        self.folder = folder
        self.pid = pid
        self.settings = Settings(url, keys=folder / "keys")
        self.rows: list[Row] = []
        self.acknowledged: list[Acknowledged] = []
        self.started: list[Candidate] = []
        self._open: dict[str, str] = {}  # handle of the open question by token
        folder.mkdir()
        migrate(url)
        asyncio.run(published(self.settings))
        self._invited = [Candidate(code) for code in asyncio.run(codes(self.settings, invited))]

    @property
    def database(self) -> str:
        """``postgresql`` or ``sqlite``."""
        return self.url.partition(":")[0]

    def served(
        self, workers: int, profile: bool = False, **changed: int
    ) -> contextlib.AbstractContextManager[Server]:
        """Run a server, with settings other than the default."""
        return served(replace(self.settings, **changed), self.folder, workers, self.pid, profile)

    def begin(self, server: Server, workers: int, people: int) -> None:
        """Let people begin as fast as 32 connections can, and some of them answer."""
        told = Offer("starts", 0, 0, 32, people)
        self._row("starts, as fast as they go", server, workers, told, self._come(people))
        some = [one._replace(most=1 + n % (LENGTH - 1)) for n, one in enumerate(self.started[:SPREAD])]
        told = Offer("answers", 0, 0, 32, SPREAD)
        self._row("answers, as fast as they go", server, workers, told, some)

    def warm(self, server: Server, rate: float) -> None:
        """Let those who will take turns answer once, so that new workers know them."""
        people = [one._replace(most=1) for one in self._sitting()[: round(AGAIN * rate)]]
        told = Offer("answers", 0, 0, 32, len(people))
        self._note(offer(server.address, self.folder / "generator", told, people))

    def answers(self, name: str, server: Server, workers: int, rate: float, seconds: float) -> Row:
        """Offer `rate` answers a second."""
        return self._row(name, server, workers, _answers(rate, seconds), self._sitting())

    def rush(self, server: Server, workers: int, starts: float, rate: float, seconds: float) -> None:
        """Offer `starts` starts a second while others answer; processor time belongs to neither alone."""
        people = self._come(round(starts * seconds))
        told = Offer("starts", starts, seconds, CONNECTIONS, len(people)), _answers(rate, seconds)
        folders = self.folder / "rush", self.folder / "generator"
        rush = begin(server.address, folders[0], told[0], people)
        others = begin(server.address, folders[1], told[1], self._sitting())
        self._keep("rush: starts", workers, told[0], ended(rush, folders[0]))
        self._keep("rush: answers", workers, told[1], ended(others, folders[1]))

    def _sitting(self) -> list[Candidate]:
        return [Candidate(token, handle) for token, handle in self._open.items()]

    def _come(self, people: int) -> list[Candidate]:
        come, self._invited = self._invited[:people], self._invited[people:]
        return come

    def _row(self, name: str, server: Server, workers: int, told: Offer, candidates: list[Candidate]) -> Row:
        before = server.used()
        outcome = offer(server.address, self.folder / "generator", told, candidates)
        spent = [1000 * (b - a) for a, b in zip(before, server.used(), strict=True)]
        n = max(1, len(outcome.accepted))
        return self._keep(name, workers, told, outcome, (spent[0] / n, spent[1] / n, spent[2] / n))

    def _keep(self, name: str, workers: int, told: Offer, outcome: Outcome, cpu: Spent = NOTHING) -> Row:
        self._note(outcome)
        seconds = told.seconds or float(outcome.accepted.max() - outcome.accepted.min()) / SECOND
        end = seconds * SECOND if told.rate else np.inf
        row = Row(
            name,
            self.database,
            workers,
            told.rate,
            float((outcome.accepted <= end).sum() / seconds),
            float((outcome.refused <= end).sum() / seconds),
            outcome.failed,
            _at(outcome.latency, 50),
            _at(outcome.latency, 99),
            _at(outcome.latency, 100),
            _at(outcome.lateness, 99),
            cpu,
            tuple(_seconds(outcome, int(told.seconds))),
        )
        self.rows.append(row)
        print(line(row), flush=True)
        return row

    def _note(self, outcome: Outcome) -> None:
        self.acknowledged += outcome.acknowledged
        self.started += outcome.started
        self._open.update((one.token, one.handle) for one in outcome.started)
        for one in outcome.acknowledged:
            if one.next is None:
                self._open.pop(one.token, None)
            else:
                self._open[one.token] = one.next

    def lost(self) -> list[str]:
        """Look up, one by one, all that was acknowledged; return what is not there."""
        read = _reader(self.url)
        return missing(
            self.acknowledged,
            self.started,
            read("SELECT session_id, idempotency_key FROM event WHERE kind = 'answered'"),
            read("SELECT session_id, body FROM event WHERE kind = 'item_served'"),
            read("SELECT session_id, kind FROM event WHERE kind = 'finished'"),
        )


def line(row: Row) -> str:
    """Return a row as a person reads it."""
    workers = f"{row.workers} worker{'s' * (row.workers > 1)}"
    offered = f"offered {row.offered:,.0f}/s: " if row.offered else ""
    refused = f", refused {row.refused:,.0f}/s" if row.refused else ""
    times = (
        ""
        if np.isnan(row.p50_ms)
        else (f"; p50 {row.p50_ms:.0f} ms, p99 {row.p99_ms:.0f} ms, max {row.max_ms:.0f} ms")
    )
    late = f"; generator late by {row.late_ms:.0f} ms (p99)" if row.offered and times else ""
    parts = zip(("server", "database", "generator"), row.cpu_ms, strict=True)
    spent = "; CPU ms each: " + ", ".join(f"{part} {ms:.2f}" for part, ms in parts) if any(row.cpu_ms) else ""
    return (
        f"{row.database:<10} {workers}, {row.name}: {offered}accepted {row.accepted:,.0f}/s{refused}, "
        f"failed {row.failed}{times}{late}{spent}"
    )


def missing(
    acknowledged: Iterable[Acknowledged],
    started: Iterable[Candidate],
    answered: Iterable[tuple[str, str]],
    served: Iterable[tuple[str, str]],
    finished: Iterable[tuple[str, str]],
) -> list[str]:
    """Return what was acknowledged and is not in the log.

    Parameters
    ----------
    acknowledged, started
        What candidates were told. The key of an answer is the handle of its question.
    answered, served, finished
        What the log holds: sitting and key, sitting and body, sitting and anything.
    """
    keys, over = set(answered), {sitting for sitting, _ in finished}
    handles = {(sitting, _handle(body)) for sitting, body in served}
    lost = []
    for one in acknowledged:
        sitting = one.token.partition(".")[0]
        if (sitting, one.answered) not in keys:
            lost.append(f"sitting {sitting}: the answer to {one.answered}")
        elif one.next is None and sitting not in over:
            lost.append(f"sitting {sitting}: its end")
        elif one.next is not None and (sitting, one.next) not in handles:
            lost.append(f"sitting {sitting}: the question {one.next}")
    for begun in started:
        sitting = begun.token.partition(".")[0]
        if (sitting, begun.handle) not in handles:
            lost.append(f"sitting {sitting}: its beginning")
    return lost


def _handle(body: str) -> str:
    found = re.search(r'"handle":"([^"]+)"', body)
    return found[1] if found else ""


def _reader(url: str) -> Any:
    def read(sql: str) -> list[tuple[Any, ...]]:
        if url.startswith("sqlite"):
            from api.database.sqlite import driver

            connection = driver().connect(url.removeprefix("sqlite:///"))
            with contextlib.closing(connection):
                return [tuple(row) for row in connection.execute(sql)]
        with psycopg.connect(url) as connection:
            return connection.execute(sql).fetchall()

    return read
