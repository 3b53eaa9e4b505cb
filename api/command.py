"""The command line ``acquis``.

Exit status: 0 success; 2 bad usage or input, with one clear sentence on stderr; 1 a failure of ours;
3 from ``verify`` and ``replay``: genuine input that does not hold; 130 interrupted.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from difflib import get_close_matches
from importlib.metadata import version

from cat_engine.errors import InputError

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
    "invite": "invite people to a test",
    "bank": "import, export, check, compare and publish item banks",
    "replay": "recompute a sitting from its log and compare",
    "verify": "check a signed result or credential",
    "warm": "compile the numerical kernels ahead of use",
}
"""Every command and what it does; ``api/commands/NAME.py`` is imported when it is called."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]  # one sentence, no usage dump
        raise InputError(f"{message}; see '{self.prog} --help'")


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


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help", "help"):
        print(_overview())
        return 0 if words else 2
    if words[0] == "--version":
        print(f"acquis {version('acquis')}")
        return 0
    name = words[0]
    if name not in COMMANDS:
        near = get_close_matches(name, COMMANDS, 1)
        hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(COMMANDS)}"
        print(f"acquis: there is no command '{name}'; {hint}", file=sys.stderr)
        return 2
    try:
        command = importlib.import_module(f"api.commands.{name}")
        parser = _Parser(prog=f"acquis {name}", description=COMMANDS[name], allow_abbrev=False)
        command.configure(parser)
        return int(command.run(parser.parse_args(words[1:])) or 0)
    except InputError as error:
        print(f"acquis {name}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
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
