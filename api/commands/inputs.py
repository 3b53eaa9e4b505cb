"""What several commands do with their files: read responses beside parameters, write JSON and reports."""

from __future__ import annotations

import json
import os
import shlex
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cat_engine.errors import InputError

if TYPE_CHECKING:
    from item_bank.layout import Layout
    from item_bank.options import RawOptions
    from item_bank.parameters import ParameterSet
    from item_bank.responses import Responses

__all__ = [
    "about",
    "add_language",
    "add_reading",
    "add_report",
    "add_to_report",
    "domains_of",
    "groups_of",
    "layout_of",
    "read_answers",
    "sets_of",
    "write_json",
]


def add_reading(parser: ArgumentParser) -> None:
    """Add the arguments that say how RESPONSES is to be read."""
    add = parser.add_argument
    add(
        "--key",
        metavar="KEY.csv",
        help="RESPONSES holds chosen options; score them by this key (columns item,key, or one line of keys)",
    )
    add("--missing", metavar="CODES", help="what stands for no response, e.g. 9,99 (--missing=-1,9)")
    add("--person", metavar="COLUMN", default="person", help="who answered (default: the column 'person')")
    add("--leave-out", metavar="COLUMNS", help="columns of RESPONSES that are no items, e.g. sex,age,total")
    add(
        "--recode",
        nargs="?",
        const="rank",
        metavar="rank|shift",
        help="mend categories that have gaps or do not start at 0; with parameters of recoded items their "
        "codes are known, and 'none' says that the file counts from 0",
    )


def layout_of(args: Namespace) -> Layout:
    """Return what the command line says about the columns and cells of RESPONSES."""
    from item_bank.layout import Layout

    return Layout(args.person, _listed(args.leave_out), _listed(args.missing))


def _listed(words: str | None) -> tuple[str, ...]:
    return tuple(word.strip() for word in (words or "").split(",") if word.strip())


def read_answers(
    args: Namespace, parameters: ParameterSet | None = None
) -> tuple[Responses, RawOptions | None]:
    """Return the responses, and the chosen options that they were scored from, or None.

    Parameters
    ----------
    parameters
        Of the items, where they are known: every code is then one of theirs.
    """
    layout, recode = layout_of(args), args.recode
    known = None if parameters is None else parameters.codes(recode != "none")
    if args.key:
        from item_bank.options import read_options

        return read_options(args.responses, args.key, layout, known)
    from item_bank.responses import read_responses

    recode = None if recode == "none" else recode
    return read_responses(args.responses, recode=recode, known=known, layout=layout), None


def groups_of(args: Namespace, responses: Responses) -> list[str] | None:
    """Return each person's group, or None where no groups are given."""
    from item_bank.responses import read_groups

    return read_groups(args.groups, responses, args.person) if args.groups else None


def write_json(path: str, content: Any) -> None:
    """Write `content` as JSON, or say why the file cannot be written."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"expected a file that can be written, got {path} ({error.strerror}); choose another --out"
        ) from None


def add_report(parser: ArgumentParser) -> None:
    """Add the arguments of commands that can write a whole report."""
    parser.add_argument("--report", metavar="DIR", help="write an HTML report (report.html) into this folder")
    add_language(parser)
    parser.add_argument(
        "--attributes", metavar="BANK.csv", help="columns item,domain: the report judges dimensions by domain"
    )
    parser.add_argument("--title", help="of the report (default: the name of the responses file)")


def add_language(parser: ArgumentParser) -> None:
    """Add the language of a report; French where the system speaks French."""
    spoken = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    parser.add_argument(
        "--language",
        choices=("fr", "en"),
        default="fr" if spoken.startswith("fr") else "en",
        help="of the report (default: the system's, French or English)",
    )


def about(args: Namespace, files: Sequence[str]) -> dict[str, str]:
    """Return provenance for a report: what was read, by which command and versions, when."""
    from datetime import date
    from hashlib import sha256
    from importlib.metadata import version

    read = [f"{path} (sha256 {sha256(Path(path).read_bytes()).hexdigest()[:16]})" for path in files]
    packages = ("acquis", "numpy", "scipy", "numba", "altair", "vl-convert-python")
    return {
        "title": getattr(args, "title", None) or Path(files[0]).name,
        "date": date.today().isoformat(),
        "files": "; ".join(read),
        "command": "acquis " + " ".join(shlex.quote(word) for word in sys.argv[1:]),
        "versions": ", ".join(f"{name} {version(name)}" for name in packages),
    }


def domains_of(path: str | None) -> dict[str, str] | None:
    """Return each item's domain from an item attribute file."""
    return None if path is None else _by_item(path, "domain")


def sets_of(spec: str | None) -> dict[str, str]:
    """Return each item's rating-scale set from a column of an item attribute file, ``FILE:COLUMN``."""
    if spec is None:
        return {}
    path, _, column = spec.rpartition(":")
    if not path or not column:
        raise InputError(f"expected sets as FILE:COLUMN, got '{spec}'; for example items.csv:scale")
    return {item: label for item, label in _by_item(path, column).items() if label}


def _by_item(path: str, column: str) -> dict[str, str]:
    from item_bank.tabular import read_table

    table = read_table(path)
    return dict(zip(table.texts("item"), table.texts(column), strict=True))


def add_to_report(folder: str, kind: str, content: Mapping[str, Any], language: str) -> Path:
    """Add the result of ``dif`` or ``link`` to a report and draw its page anew."""
    from calibration.report import add, read_findings, write_page

    return write_page(Path(folder), add(read_findings(Path(folder)), kind, content), language)
