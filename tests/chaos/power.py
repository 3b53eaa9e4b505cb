"""Power loss at every write of a server on SQLite."""

from __future__ import annotations

import asyncio
import random
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from api.database import sqlite
from api.database.migrate import migrate
from api.database.sqlite import SQLite, driver
from api.runtime import Runtime
from api.settings import Settings
from api.sittings import service
from tests.api.sample import invited, prepare, right
from tests.chaos.recording import Disk, images, module_on, written

__all__ = ["Outcome", "power_loss"]


@dataclass(slots=True)
class Outcome:
    """What was found at all crash points together."""

    points: int = 0
    operations: int = 0
    acknowledged: int = 0
    lost: list[str] = field(default_factory=list)
    corrupt: list[str] = field(default_factory=list)

    def told(self) -> str:
        """Return it for people."""
        return (
            f"{self.points} crash points among {self.operations} operations, "
            f"{self.acknowledged} acknowledged answers; "
            f"some of them lost at {len(self.lost)} points, corrupt at {len(self.corrupt)}"
        )


@dataclass(frozen=True, slots=True)
class _Told:
    """An acknowledged answer, and how much had been done to the disk by then."""

    after: int
    session: str
    key: str


def power_loss(sittings: int, points: int, synchronous: str = "FULL", seed: int = 1) -> Outcome:
    """Sit tests on a recording disk, then lose the power at `points` places (0: at every one)."""
    folder = Path(tempfile.mkdtemp(prefix="acquis-power-"))
    try:
        return _power_loss(folder, sittings, points, synchronous, seed)
    finally:
        shutil.rmtree(folder)


def _power_loss(folder: Path, sittings: int, points: int, synchronous: str, seed: int) -> Outcome:
    url = f"sqlite:///{folder / 'acquis.db'}"
    settings = Settings(url, keys=folder / "keys")
    migrate(url)
    codes = asyncio.run(_prepared(settings, sittings))
    baseline = {"acquis.db": (folder / "acquis.db").read_bytes()}
    disk = Disk()
    told = asyncio.run(_sat(settings, disk, codes, synchronous))
    done = list(disk.done)
    outcome = Outcome(operations=len(done), acknowledged=len(told))
    every = range(len(done) + 1)
    cuts = sorted(random.Random(seed).sample(every, points)) if points else list(every)
    for cut, files in images(baseline, done, cuts, seed):
        outcome.points += 1
        expected = {(one.session, one.key) for one in told if one.after <= cut}
        _recovered(folder, files, cut, expected, outcome)
    return outcome


async def _prepared(settings: Settings, sittings: int) -> list[str]:
    runtime = Runtime.of(settings)
    await runtime.database.open()
    try:
        await prepare(runtime)
        return [(await invited(runtime, identifier=f"M-{n}")).code for n in range(sittings)]
    finally:
        await runtime.database.close()


async def _sat(settings: Settings, disk: Disk, codes: list[str], synchronous: str) -> list[_Told]:
    runtime = Runtime.of(settings)
    runtime.database = SQLite(
        Path(settings.database_url.removeprefix("sqlite:///")),
        module=module_on(disk),
        durable=synchronous == "FULL",
        synchronous=synchronous,
        readers=0,
    )
    often, sqlite.CHECKPOINT_PAGES = sqlite.CHECKPOINT_PAGES, 60  # checkpoints are crash points, too
    told: list[_Told] = []
    try:
        await runtime.database.open()
        await asyncio.gather(*(_one(runtime, disk, code, told) for code in codes))
        told.sort(key=lambda one: one.after)
        return told
    finally:
        await runtime.database.close()
        sqlite.CHECKPOINT_PAGES = often


async def _one(runtime: Runtime, disk: Disk, code: str, told: list[_Told]) -> None:
    entry = await service.enter(runtime, code)
    view = entry.view
    while view.phase == "item":
        key = f"{view.handle}"
        view = await service.answer(runtime, entry.token, handle=key, response=right(view), key=key)
        told.append(_Told(len(disk.done), view.sitting, key))


def _recovered(
    folder: Path, files: dict[str, bytes], cut: int, expected: set[tuple[str, str]], outcome: Outcome
) -> None:
    place = folder / "crashed"
    place.mkdir()
    written(files, place)
    connection: Any = driver().connect(str(place / "acquis.db"))
    try:
        sound = connection.execute("PRAGMA quick_check").fetchone()[0]
        if sound != "ok":
            outcome.corrupt.append(f"after operation {cut}: {sound}")
        rows = connection.execute(
            "SELECT session_id, idempotency_key FROM event WHERE kind = 'answered'"
        ).fetchall()
        lost = expected - set(rows)
        if lost:
            outcome.lost.append(f"after operation {cut}: {len(lost)} of {len(expected)}")
    except driver().Error as error:
        outcome.corrupt.append(f"after operation {cut}: {error}")
    finally:
        connection.close()
        shutil.rmtree(place)
