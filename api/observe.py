"""What operators see: metrics for Prometheus, and one line of JSON a request.

Neither holds a name, an answer, a code or a secret: a request is told by the pattern of its route, never
by its address, and a failure by its type.
"""

from __future__ import annotations

import functools
import json
import logging
import sys
import time
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from api.database.plans import Database

__all__ = ["DATABASE_FAILURES", "Metrics", "configure_logging"]

DATABASE_FAILURES = ("away", "unconfirmed", "busy")
"""Why the database did not do what it was asked: it does not answer; it has writes and does not say that they
will last, as while a standby is away; too much waits for it."""

_COMMITS = {
    "under_way": ("commits", "Commits that were sent and that the database has not confirmed yet"),
    "oldest": ("commit_seconds", "Seconds for which one of them has not been confirmed, at most"),
    "waiting": ("waiting", "Requests that wait for a connection to the database, or for its writer"),
}

_BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """The metrics of one worker."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "acquis_requests", "Requests answered", ("route", "method", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "acquis_request_seconds",
            "Seconds from the request's arrival to its reply",
            ("route",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "acquis_requests_in_flight", "Requests being worked on", registry=self.registry
        )
        self.waiting = Gauge(
            "acquis_requests_waiting", "Requests that wait their turn", ("urgency",), registry=self.registry
        )
        self.longest_wait = Gauge(
            "acquis_requests_waiting_seconds",
            "Seconds for which one of them has waited, at most",
            registry=self.registry,
        )
        self.refused = Counter(
            "acquis_requests_refused",
            "Requests refused to protect the more urgent ones",
            ("reason",),
            registry=self.registry,
        )
        self.database = Counter(
            "acquis_database_failures",
            "What the database was asked for in vain",
            ("reason",),
            registry=self.registry,
        )
        for reason in DATABASE_FAILURES:
            self.database.labels(reason)  # there from the start, at 0

    def watch(self, database: Database) -> None:
        """Tell, whenever asked, what commits are under way in a database."""
        for field, (name, meaning) in _COMMITS.items():
            gauge = Gauge(f"acquis_database_{name}", meaning, registry=self.registry)
            gauge.set_function(functools.partial(_commits, database, field))


def _commits(database: Database, field: str) -> float:
    return float(getattr(database.commits(), field))


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{record.msecs:03.0f}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= getattr(record, "fields", {})
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = record.exc_info[0].__name__
            line["at"] = _places(record.exc_info[2])
        return json.dumps(line, ensure_ascii=False)


def _places(traceback: Any) -> list[str]:
    """Where an exception passed, without the values that its message may hold."""
    places = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        places.append(f"{code.co_filename.rsplit('/', 1)[-1]}:{traceback.tb_lineno} {code.co_name}")
        traceback = traceback.tb_next
    return places[-12:]


def configure_logging(level: str = "INFO") -> None:
    """Send every log line to standard error as JSON; the server's own access lines are ours already."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("uvicorn.access").disabled = True
