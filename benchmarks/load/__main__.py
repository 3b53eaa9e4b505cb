"""Offer more and more answers a second to a server, and look up every answer that it acknowledged."""

from __future__ import annotations

import argparse
import os
import platform
import resource
import shlex
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import psycopg

from benchmarks.load.exam import Exam, Row
from benchmarks.load.report import ASKED, Report, write
from benchmarks.load.stage import Server, syncs
from tests.databases import start_postgres, with_database

PEOPLE = {"postgresql": 13_000, "sqlite": 6_000}
STEP = 1.15
RUSH = 1_000
WORKERS = (1, 2, 3)
LIMITS = (8, 16, 32, 64, 128)
PARTS = ("cohort", "ladder", "overload", "rush", "growth")


def day(exam: Exam, workers: int, seconds: float, parts: Sequence[str]) -> float:
    """The day on one server, or parts of it; return the most answers a second that it carried."""
    most = asked = float(ASKED[exam.database])
    with exam.served(workers) as server:
        exam.begin(server, workers, PEOPLE[exam.database])
        if "cohort" in parts:
            exam.answers("cohort", server, workers, asked, seconds)
        if "ladder" in parts:
            most = ladder(exam, server, workers, asked, max(4.0, seconds / 6))
        if "overload" in parts:
            offered = max(2 * most, 4 * asked)
            exam.warm(server, offered)
            exam.answers("overload", server, workers, offered, seconds / 3)
        if "rush" in parts and exam.database == "postgresql":
            exam.rush(server, workers, RUSH, asked, seconds / 6)
    if "cohort" in parts:
        with exam.served(workers) as server:
            exam.answers("restarted", server, workers, asked, max(4.0, seconds / 6))
    return most


def ladder(exam: Exam, server: Server, workers: int, asked: float, seconds: float) -> float:
    """Offer more, step by step, until a tenth is not accepted in time; return the most that was."""
    most, rate = 0.0, float(asked)
    while True:
        row = exam.answers("ladder", server, workers, rate, seconds)
        most = max(most, row.accepted)
        if row.accepted < 0.9 * rate:
            return most
        rate *= STEP


def growth(exam: Exam, most: float, seconds: float) -> str:
    """One worker, two, three; limits of what a worker takes on; then nobody remembered.

    Returns where the time of one worker goes.
    """
    for workers in WORKERS:
        with exam.served(workers) as server:
            exam.warm(server, STEP * most)
            exam.answers("workers", server, workers, STEP * most, seconds)
    for limit in LIMITS:
        with exam.served(2, in_flight=limit) as server:
            exam.warm(server, 2 * most)
            exam.answers(f"limit {limit}", server, 2, 2 * most, seconds)
    with exam.served(2, sittings=1) as server:
        exam.answers("nobody remembered", server, 2, ASKED[exam.database], seconds)
    with exam.served(1, profile=True) as server:
        exam.warm(server, most / 2)
        server.shares()
        exam.answers("looking where the time goes", server, 1, most / 2, seconds)
        return server.shares()


def main() -> int:
    """Run what is asked for, print it, and say whether anything was lost or failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument(
        "--seconds", type=float, default=60, help="of the cohort (default 60); the rest follows"
    )
    parser.add_argument("--part", action="append", choices=PARTS, help="this part of it; may be repeated")
    parser.add_argument("--only", choices=tuple(ASKED), help="one of the databases")
    parser.add_argument("--write", metavar="DIR", type=Path, help="also write load.md and its pictures there")
    args = parser.parse_args()
    if args.write and (args.only or args.part):
        parser.error("expected --write without --only and --part: the page tells of everything")
    parts: Sequence[str] = args.part or PARTS
    if shutil.which("wrk") is None:
        print("acquis load: expected the generator wrk, got none; apt install wrk", file=sys.stderr)
        return 2
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # a connection is a file to the generator, too
    folder = Path(tempfile.mkdtemp(prefix="acquis-load-"))
    rows: list[Row] = []
    lost: list[str] = []
    shares, checked = "", 0
    postgres = start_postgres(folder)
    try:
        machine = (
            f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} before it began; the disk does "
            f"{syncs(folder):,.0f} syncs a second; Python {platform.python_version()}"
        )
        print(machine, flush=True)
        for database in (args.only,) if args.only else tuple(ASKED):
            if database == "sqlite":
                exam = Exam(f"sqlite:///{folder}/load.db", folder / "sqlite", PEOPLE[database])
                day(exam, 1, args.seconds / 2, parts)
            else:
                with psycopg.connect(postgres.get_uri(), autocommit=True) as admin:
                    admin.execute("CREATE DATABASE load")
                url = with_database(postgres.get_uri(), "load")
                invited = PEOPLE[database] + round(RUSH * args.seconds / 6)
                exam = Exam(url, folder / "postgresql", invited, postgres.get_pid())
                most = day(exam, 2, args.seconds, parts)
                if "growth" in parts:
                    shares = growth(exam, most, max(4.0, args.seconds / 8))
                    print(f"Of one worker's processor time: {shares}", flush=True)
            lost += exam.lost()
            checked += len(exam.acknowledged) + len(exam.started)
            rows += exam.rows
    finally:
        postgres.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
    report = Report(machine, rows, shares, checked, lost)
    print(report.verdict())
    if args.write:
        write(args.write, report, shlex.join(["python", "-m", "benchmarks.load", *sys.argv[1:]]))
    return 0 if report.sound else 1


if __name__ == "__main__":
    sys.exit(main())
