"""Everything that can happen to a sitting, on the real application (`tests.api.sittings.automaton`).

Each edge of the automaton in `api.sittings.fold` is walked by a script that was written for it; hypothesis
walks wherever it likes.
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from api.runtime import Runtime
from api.settings import Settings
from api.sittings import fold
from tests.api.sample import prepare
from tests.api.sittings.automaton import DESIGN, TIMES, machine

ANSWER, WRONG, SKIP = ("answer", ["B"]), ("answer", ["A"]), ("answer", [])
WAITS = ("cut_off_for_long",)

WALKS: dict[str, tuple[str, tuple[tuple[Any, ...], ...], str]] = {
    "to the end, and all that comes after it": (
        "untimed",
        (ANSWER, WRONG, SKIP, ANSWER, ("contested",), ("neutralised",), ("erased",)),
        "item: item_served answered finished; finished: contested reviewed rescored erased",
    ),
    "another item instead": ("untimed", (("supervisor_sets_aside",),), "item: item_set_aside item_served"),
    "a pause": ("untimed", (("pause",), ("go_on",)), "item: interrupted; interrupted: resumed"),
    "another browser": ("untimed", (ANSWER, ("take_over",), ("former_browsers_are_out",)), "item: resumed"),
    "a person gives time": (
        "timed",
        (ANSWER, WAITS, ("supervisor_decides", None), ("go_on",), ANSWER),
        "interrupted: referred resumed; awaiting_decision: decided",
    ),
    "ended in a pause": (
        "untimed",
        (ANSWER, ("pause",), ("supervisor_ends",)),
        "interrupted: answered finished",
    ),
    "ended while it waits": (
        "timed",
        (ANSWER, WAITS, ("supervisor_ends",)),
        "awaiting_decision: answered finished",
    ),
    "abandoned": ("untimed", (ANSWER, ("abandoned",)), "item: answered finished"),
    "abandoned in a pause": (
        "untimed",
        (ANSWER, ("pause",), ("abandoned",)),
        "interrupted: answered finished",
    ),
    "abandoned while it waits": (
        "timed",
        (ANSWER, WAITS, ("abandoned",)),
        "awaiting_decision: answered finished",
    ),
    "the time runs out": ("timed", (ANSWER, ("time_runs_out",)), "item: answered finished"),
    "erased": ("untimed", (ANSWER, ("erased",)), "item: erased"),
    "erased in a pause": ("untimed", (("pause",), ("erased",)), "interrupted: erased"),
    "erased while it waits": ("timed", (WAITS, ("erased",)), "awaiting_decision: erased"),
}
"""How the sitting begins, what is done, and edges (phase: events) that this has to walk."""

Edges = set[tuple[str, str]]


def edges(told: str) -> Edges:
    """The edges that a line of `WALKS` names."""
    parts = [part.split(":") for part in told.split(";")]
    return {(phase.strip(), kind) for phase, kinds in parts for kind in kinds.split()}


@pytest.fixture
def walked(monkeypatch: pytest.MonkeyPatch) -> Edges:
    """The edges that are walked during a test."""
    found: Edges = set()
    for kind, (step, phases) in fold._STEPS.items():

        def noted(test: Any, sitting: Any, *told: Any, step: Any = step, kind: str = kind) -> Any:
            found.add((sitting.phase, kind))
            return step(test, sitting, *told)

        monkeypatch.setitem(fold._STEPS, kind, (noted, phases))
    return found


@pytest.fixture(scope="module")
def published(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with a test without and one with a time limit, to copy."""
    folder = tmp_path_factory.mktemp("automaton")
    path = folder / "published.db"
    shutil.copy(sqlite_template, path)

    async def publish() -> None:
        runtime = Runtime.of(Settings(f"sqlite:///{path}", keys=folder / "keys"))
        await runtime.database.open()
        await prepare(runtime, design=DESIGN, time={"abandon_s": TIMES["abandon_s"]})
        await prepare(runtime, "TIMED", design=DESIGN, time=TIMES)
        await runtime.database.close()

    asyncio.run(publish())
    return path


@pytest.mark.parametrize("walk", WALKS)
def test_every_edge_is_walked(published: Path, walked: Edges, walk: str) -> None:
    first, steps, told = WALKS[walk]
    sitting: Any = machine(published)()
    try:
        sitting.start(first, last="nothing more")
        for name, *how in steps:
            getattr(sitting, name)(*how)
    finally:
        sitting.teardown()
    assert edges(told) - walked == set()


def test_every_edge_has_a_walk() -> None:
    automaton = {(phase, kind) for kind, (_, phases) in fold._STEPS.items() for phase in phases}
    assert set().union(*(edges(told) for _, _, told in WALKS.values())) == automaton


def test_hypothesis_walks_anywhere(published: Path) -> None:
    run_state_machine_as_test(
        machine(published),
        settings=settings(
            max_examples=100,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
