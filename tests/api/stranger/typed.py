"""A command of schemathesis as somebody would type it, in a process that need not import it first."""

from __future__ import annotations

import multiprocessing
import os
import sys
from pathlib import Path

__all__ = ["typed"]

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        "schemathesis.cli.commands.run.executor",
        "schemathesis.engine.run.stateful",
        "schemathesis.engine.run.unit",
        "schemathesis.pytest",
        "schemathesis.specs.openapi.schemas",
        __name__,
    ]
)


def typed(words: list[str], folder: Path) -> tuple[int, str]:
    """Run ``schemathesis`` with `words` in `folder`; return its exit status and what it printed."""
    process = _CONTEXT.Process(target=_run, args=(words, folder))
    process.start()
    process.join()
    return process.exitcode or 0, (folder / "printed").read_text()


def _run(words: list[str], folder: Path) -> None:
    from schemathesis.cli import schemathesis

    os.chdir(folder)
    with Path("printed").open("wb") as printed:
        os.dup2(printed.fileno(), 1)
        os.dup2(printed.fileno(), 2)
    sys.stdin = sys.stdout  # nobody types
    schemathesis(words)
