"""Kills, cuts, doubled and reordered requests: nothing lost, nothing doubled, the same item again.

The short form; ``make chaos`` asks for 5,000 answers and 15 kills.
"""

from __future__ import annotations

import asyncio
from typing import Any

from tests.chaos.candidates import ACTS
from tests.chaos.proxy import FAULTS
from tests.chaos.storm import storm


def test_nothing_acknowledged_is_lost_or_doubled(mortal_postgres: Any) -> None:
    report = asyncio.run(storm(mortal_postgres, 250, 3, seed=1, victims=("server", "database")))
    assert report.bad == [], report.told()
    assert report.acknowledged >= 250
    assert report.kills.total() == 3
    assert set(report.refused) <= {"503 unavailable", "503 busy"}, report.told()
    assert report.without_retry_after == 0
    assert report.faults.keys() == FAULTS.keys()
    assert all(report.done[act] for act in ACTS)
    assert not report.noticed


def test_control_without_synchronous_commit_answers_are_lost(mortal_postgres: Any) -> None:
    report = asyncio.run(storm(mortal_postgres, 100, 12, 2, ("no synchronous commit",), ("database",)))
    assert report.noticed == {"no synchronous commit"}, report.told()
    assert report.lost, report.told()


def test_control_what_broken_servers_do_is_noticed(mortal_postgres: Any) -> None:
    """Without unique keys answers are doubled; items are drawn anew; former browsers are still heeded."""
    controls = ("no unique keys", "redrawing", "unrevoked")
    report = asyncio.run(storm(mortal_postgres, 400, 0, 3, controls))
    assert report.noticed == set(controls), report.told()
    assert report.doubled, report.told()
    assert report.different, report.told()
    assert report.heeded, report.told()
