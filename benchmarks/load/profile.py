"""Where a worker's processor time goes: the innermost known place, looked at every millisecond of it."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from pathlib import Path
from types import FrameType

__all__ = ["PARTS", "begin", "told"]

PARTS = {
    "statement and connection": ("/api/database/", "/psycopg", "/sqlalchemy/"),
    "event log": ("/api/sittings/log.py", "/api/sittings/fold.py", "/api/sittings/turn.py"),
    "choice and scoring": ("/cat_engine/", "/item_bank/scoring.py"),
    "item as shown": ("/item_bank/", "/api/sittings/shown.py", "/sittings/view.py", "/sittings/schemas.py"),
    "HTTP": (
        "/uvicorn/",
        "/starlette/",
        "/fastapi/",
        "/pydantic/",
        "/api/edge.py",
        "/api/gate.py",
        "/sittings/quick.py",
    ),
    "logs and metrics": ("/api/observe.py", "/logging/", "/prometheus_client/"),
    "rules of the sitting": ("/api/",),
}
"""Parts of the program and what is in the names of their files; the first that fits counts."""


def begin(file: str) -> None:
    """Look from now on; at SIGUSR1 write the counts so far into `file` and begin anew."""
    counts: Counter[str] = Counter()

    def look(number: int, frame: FrameType | None) -> None:
        while frame is not None:
            name = frame.f_code.co_filename
            for part, fragments in PARTS.items():
                if any(fragment in name for fragment in fragments):
                    counts[part] += 1
                    return
            frame = frame.f_back
        counts["everything else"] += 1

    signal.signal(signal.SIGPROF, look)
    signal.setitimer(signal.ITIMER_PROF, 0.001, 0.001)

    def write(number: int, frame: FrameType | None) -> None:
        whole = Path(f"{file}.part")
        whole.write_text(json.dumps(counts))
        whole.rename(file)
        counts.clear()

    signal.signal(signal.SIGUSR1, write)


def told(pid: int, file: Path) -> str:
    """Return the shares since the last time in process `pid`, as a line."""
    file.unlink(missing_ok=True)
    os.kill(pid, signal.SIGUSR1)
    while not file.exists():
        time.sleep(0.01)
    counts: dict[str, int] = json.loads(file.read_text())
    whole = sum(counts.values())
    shares = sorted(counts.items(), key=lambda one: -one[1])
    return ", ".join(f"{part} {100 * n / whole:.0f} %" for part, n in shares)
