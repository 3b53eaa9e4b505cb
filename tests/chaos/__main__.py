"""The long forms of the chaos tests, and their controls; status 1 when a promise or a control fails."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from api.database.migrate import migrate
from tests.chaos.acts import killed
from tests.chaos.power import power_loss
from tests.chaos.storm import CONTROLS, postgres, storm


def _killed(database: str, folder: Path) -> bool:
    """Kill acts on a fresh database; print what happened."""
    migrate(database)
    found = killed(database, folder / f"keys of {database.partition(':')[0]}", every=1)
    control = found.pop("control")
    bad = [f"{act}: {what}" for act, left in found.items() for what in left.bad]
    kills = sum(len(left.killed) for left in found.values())
    print(
        "\n".join([f"{len(found)} acts, {kills} kills, {len(bad)} that left what they must not", *bad[:10]])
    )
    print(f"Control, writes one by one: {'caught' if control.halves else 'NOT CAUGHT'}", flush=True)
    return not bad and bool(control.halves)


def main() -> int:
    """Run everything and print what happened."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--answers", type=int, default=5000)
    parser.add_argument("--kills", type=int, default=15)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    sound = True
    with postgres() as server, tempfile.TemporaryDirectory() as folder:
        for database in (f"sqlite:///{folder}/acquis.db", server.get_uri()):
            print(f"Every act on a sitting killed at every place, {database.partition(':')[0]}")
            sound &= _killed(database, Path(folder))
        print("Storm: kill -9 of servers and database, cut, doubled and reordered requests")
        report = asyncio.run(storm(server, args.answers, args.kills, args.seed))
        print(report.told(), flush=True)
        sound &= not report.bad and not report.without_retry_after
        for control, victims in CONTROLS.items():
            report = asyncio.run(storm(server, 400, 6, args.seed, (control,), victims))
            caught = control in report.noticed
            print(f"Control, {control}: {'caught' if caught else 'NOT CAUGHT'}\n{report.told()}", flush=True)
            sound &= caught
    print("Power loss at every write, SQLite")
    outcome = power_loss(sittings=30, points=0)
    print(f"synchronous=FULL: {outcome.told()}", flush=True)
    control_outcome = power_loss(sittings=30, points=0, synchronous="NORMAL")
    print(f"Control, synchronous=NORMAL: {control_outcome.told()}")
    sound &= outcome.points >= 500 and not outcome.lost and not outcome.corrupt and bool(control_outcome.lost)
    print("All promises held, all controls were caught." if sound else "A promise or a control FAILED.")
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
