"""Where a command writes: never over what it reads, never over what something else wrote."""

from __future__ import annotations

import json
import os.path
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from cat_engine.errors import InputError

__all__ = ["own_folder", "spare_inputs"]

_WRITTEN = ("out", "covariance")
_REPORT = ("report.html", "findings.json")


def spare_inputs(args: Namespace) -> None:
    """Refuse, before any work, a result over a file that is read, a report over another page, or no folder.

    Raises
    ------
    InputError
        ``--out`` or ``--covariance`` names a file that another argument names, or one in a folder that is not
        there; ``--report``, a folder with a ``report.html`` that is no calibration's.
    """
    given = vars(args)
    if isinstance(given.get("report"), str):
        own_folder(given["report"], "--report", _REPORT, "findings.json", "acquis/findings/")
    for name in _WRITTEN:
        out = given.get(name)
        if not isinstance(out, str):
            continue
        parent = os.path.dirname(out) or "."
        if not os.path.isdir(parent):
            raise InputError(
                f"expected a file that can be written, got {out}, and there is no folder {parent}; make "
                f"it, or choose another --{name}"
            )
        for other, value in given.items():
            if other != name and isinstance(value, str) and _same(out, value):
                raise InputError(
                    f"expected a file to write that is not read as well, got {out} for --{name} and as "
                    f"{_called(other)}; choose another --{name}"
                )


def _called(argument: str) -> str:
    return {"responses": "RESPONSES", "start": "FROM", "to": "TO"}.get(argument, f"--{argument}")


def _same(out: str, value: str) -> bool:
    """Whether `value`, a path or ``FILE:COLUMN``, is the file `out`."""
    paths = (value, value.rpartition(":")[0])
    return os.path.isfile(out) and any(os.path.isfile(path) and os.path.samefile(path, out) for path in paths)


def own_folder(folder: str, option: str, names: Sequence[str], mark: str, schema: str) -> None:
    """Refuse a folder where files called as ours were not written by us.

    Parameters
    ----------
    option
        That named the folder, for the message.
    names
        Files that will be written.
    mark, schema
        The file that an earlier run left there, and what its key ``schema`` begins with.

    Raises
    ------
    InputError
        One of `names` is there, and no `mark` of ours beside it.
    """
    there = [name for name in names if (Path(folder) / name).exists()]
    if there and not _ours(Path(folder) / mark, schema):
        raise InputError(
            f"expected a new folder or one that an earlier run wrote, got {folder} with a file {there[0]} of "
            f"another origin, which would be overwritten; choose another {option}"
        )


def _ours(path: Path, schema: str) -> bool:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and str(content.get("schema", "")).startswith(schema)
