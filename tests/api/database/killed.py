"""Run a command of ours again and again, killed (SIGKILL) a few statements later each time.

Of SQLite's statements each counts, and each page of a copy; of PostgreSQL's each that is sent, and each
time that the server is heard: what was sent before may be half of a transaction, or all of it. Each name that
a file gets counts, too, before it gets it.

Run as ``python -m tests.api.database.killed FOLDER EVERY COMMAND ...``; ``{}`` in the command stands for
the number of the try. It forks, because starting Python anew and importing all that is used would take longer
than what is tested. The last line that it prints is the number of the try that came through.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from api.catalogue import live, publication, store  # noqa: F401 - imported once, for all tries
from api.command import main
from api.database import wire
from api.database.migrate import migrate
from api.database.sqlite import driver

__all__ = ["mortal", "tries"]


def tries(folder: str, every: int, command: list[str]) -> int:
    """Fork and kill until a child comes through; return how many did not."""
    n = 0
    while True:
        child = os.fork()
        if not child:
            os.chdir(folder)
            mortal()(1 + n * every)
            os._exit(_run([word.replace("{}", str(n)) for word in command]))
        status = os.waitpid(child, 0)[1]
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0, f"try {n} of {command} ended with {status}"
            return n
        n += 1


def _run(command: list[str]) -> int:
    if command[0] == "migrate":
        migrate(command[1])
        return 0
    return main(command)


def mortal() -> Callable[[int], None]:
    """Return what makes this process die at the so many-th statement, page copied, or word of the server's.

    Of SQLite, connections count that are made after this.
    """
    module: Any = driver()
    connect = module.connect
    sent, heard, link = wire._sent, wire.Connection._readable, os.link
    left = 0

    def count(*_: Any) -> None:
        nonlocal left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    def die_after(statements: int) -> None:
        nonlocal left
        left = statements

    class Mortal(module.Connection):  # type: ignore[misc]
        def backup(self, target: Any, **options: Any) -> None:
            super().backup(target, pages=5, progress=count)

    def connected(*place: Any, **options: Any) -> Any:
        connection = connect(*place, **options, factory=Mortal)
        connection.set_trace_callback(count)
        return connection

    def send(values: Any) -> Any:
        count()
        return sent(values)

    def hear(connection: wire.Connection) -> None:
        count()
        heard(connection)

    def linked(*place: Any, **options: Any) -> None:
        count()
        link(*place, **options)

    module.connect = connected
    os.link = linked
    wire._sent = send
    wire.Connection._readable = hear  # type: ignore[method-assign]
    return die_after


if __name__ == "__main__":
    print(tries(str(Path(sys.argv[1])), int(sys.argv[2]), sys.argv[3:]))
