"""Kills, cuts, doubled and reordered requests: nothing lost, nothing doubled, the same item again.

The short form; ``make chaos`` asks for 5,000 answers and 15 kills.
"""

from __future__ import annotations

import asyncio
from typing import Any

from tests.chaos.storm import storm


def test_nothing_acknowledged_is_lost_or_doubled(mortal_postgres: Any) -> None:
    report = asyncio.run(storm(mortal_postgres, 250, 3, seed=1, victims=("server", "database")))
    assert report.bad == [], report.told()
    assert report.acknowledged >= 250
    assert report.kills.total() == 3
    assert set(report.refused) <= {"503 unavailable", "503 busy"}, report.told()
    assert report.without_retry_after == 0
    assert len(report.faults) == 7
    assert min(report.done[act] for act in ("reload", "pause", "other browser", "two tabs")) > 0


def test_control_without_synchronous_commit_answers_are_lost(mortal_postgres: Any) -> None:
    report = asyncio.run(storm(mortal_postgres, 50, 12, 2, "no synchronous commit", ("database",)))
    assert report.lost or report.stuck, report.told()


def test_control_without_unique_keys_answers_are_doubled(mortal_postgres: Any) -> None:
    report = asyncio.run(storm(mortal_postgres, 200, 0, 3, "no unique keys"))
    assert report.doubled, report.told()


def test_control_an_item_drawn_anew_is_noticed(mortal_postgres: Any) -> None:
    report = asyncio.run(storm(mortal_postgres, 60, 0, 4, "redrawing"))
    assert report.different, report.told()


def test_control_a_former_browser_that_is_still_heeded_is_noticed(mortal_postgres: Any) -> None:
    report = asyncio.run(storm(mortal_postgres, 60, 0, 5, "unrevoked"))
    assert report.heeded, report.told()
