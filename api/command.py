"""The command line ``acquis``.

Exit status: 0 success; 2 bad usage or input, with one clear sentence on stderr; 1 a failure of ours;
3 from ``verify`` and ``replay``: genuine input that does not hold; 130 interrupted.
"""

from __future__ import annotations

import argparse
import atexit
import contextlib
import gc
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import Any, NoReturn

from api.commands.outputs import spare_inputs
from cat_engine.errors import InputError, suggestion

__all__ = ["COMMANDS", "main"]

COMMANDS = {
    "demo": "a server with the demonstration bank, ready to try",
    "serve": "the production server",
    "calibrate": "item parameters from responses",
    "score": "ability estimates from responses and parameters",
    "fit": "item, person and model fit",
    "dif": "differential item functioning",
    "link": "put one calibration on the scale of another",
    "simulate": "study a test design on simulated people",
    "test": "publish tests, list them, take an item out of everybody's score",
    "client": "register the programs that may call the service",
    "key": "the keys that sign results: list, change, revoke",
    "staff": "the people who work at the console",
    "invite": "invite people to a test",
    "person": "what is held about somebody: show, export, erase",
    "contest": "results that candidates contest, and what came of it",
    "webhook": "addresses that are told of results, and what could not be delivered",
    "bank": "import, export, check, compare and publish item banks",
    "backup": "copy the whole database while the server runs",
    "restore": "make a new database of such a copy",
    "replay": "recompute a sitting from its log and compare",
    "verify": "check a signed result or credential",
    "warm": "compile the numerical kernels ahead of use",
}
"""Every command and what it does; ``api/commands/NAME.py`` is imported when it is called."""

SERVERS = ("demo", "serve")
COMPILED = ("calibrate", "dif", "fit", "link", "replay", "score", "simulate")
"""Commands that stay, and commands that use compiled kernels."""

OBJECTS = 1_000_000
"""Objects that a short-lived command allocates between two searches for garbage."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say it in one sentence, without a dump of the usage."""
        if message.endswith("expected one argument"):
            message += "; a value that begins with '-' is written after '=', as in --missing=-1,9"
        raise InputError(f"{message}; see '{self.prog} --help'")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Name an option that does not exist first: argparse would rather miss the one that was meant."""
        if self._subparsers is None:  # else the options are those of the command that is named
            known = self._option_string_actions
            for word in args or ():
                name = word.split("=", 1)[0]
                if name == "--":
                    break
                if name.startswith("--") and name not in known:
                    advice = suggestion(name, known, f"see '{self.prog} --help'")
                    raise InputError(f"there is no option {name}; {advice}")
        return super().parse_known_args(args, namespace)


def _overview() -> str:
    lines = [f"  {name:<10} {what}" for name, what in COMMANDS.items()]
    return "\n".join(
        [
            "usage: acquis COMMAND ...",
            "",
            "Open adaptive testing.",
            "",
            *lines,
            "",
            "acquis COMMAND --help tells more.",
        ]
    )


def _hurry(name: str) -> None:
    """Start and end a short-lived process quickly.

    Importing numba makes a million objects that live until the end: looking for garbage among them, again
    and again and once more at the exit, took a quarter of the time of a small calibration. Nor do our kernels
    need what numba imports where it happens to be installed (a C parser, a coverage tracer, YAML).
    """
    if name in SERVERS:
        return
    gc.set_threshold(OBJECTS, 10, 10)
    atexit.register(gc.freeze)
    if name in COMPILED:
        optional = ["cffi", "coverage"] + ["yaml"] * (not os.path.isfile(".numba_config.yaml"))
        hidden = [module for module in optional if module not in sys.modules]
        sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: not to be found
        try:
            importlib.import_module("numba")
            importlib.import_module("numba.core.typing.cffi_utils")  # else with the first kernel
        finally:
            for module in hidden:
                del sys.modules[module]


def _heed_no_more() -> None:
    """Ignore further interruptions: the impatient press twice."""
    for _ in range(3):
        with contextlib.suppress(KeyboardInterrupt):
            signal.signal(signal.SIGINT, signal.SIG_IGN)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status.

    Parameters
    ----------
    argv
        The words after ``acquis``; None for those of this process, which is then the command's own.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help", "help"):
        print(_overview())
        return 0 if words else 2
    if words[0] == "--version":
        from importlib.metadata import version

        print(f"acquis {version('acquis')}")
        return 0
    name = words[0]
    if name not in COMMANDS:
        advice = suggestion(name, COMMANDS, f"there are: {', '.join(COMMANDS)}")
        print(f"acquis: there is no command '{name}'; {advice}", file=sys.stderr)
        return 2
    try:
        command = importlib.import_module(f"api.commands.{name}")
        parser = _Parser(prog=f"acquis {name}", description=COMMANDS[name], allow_abbrev=False)
        command.configure(parser)
        args = parser.parse_args(words[1:])
        spare_inputs(args)
        if argv is None:
            _hurry(name)
        return int(command.run(args) or 0)
    except InputError as error:
        print(f"acquis {name}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        if argv is None:
            _heed_no_more()
        print(f"acquis {name}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:  # noqa: BLE001 - the edge of the program: a failure of ours, said in one line
        if os.environ.get("ACQUIS_DEBUG"):
            traceback.print_exc()
        print(
            f"acquis {name}: an internal error, {type(error).__name__}: {error}; "
            "this is a failure of ours, please report it (ACQUIS_DEBUG=1 prints the traceback)",
            file=sys.stderr,
        )
        return 1
