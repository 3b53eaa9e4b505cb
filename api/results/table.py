"""Results as a table that opens in a French spreadsheet.

``;`` between cells, UTF-8 with a byte order mark, CRLF, ISO dates, a column ``schema_version``; decimal
numbers with a comma unless asked otherwise (`docs/decisions/csv-for-hr.md`). A cell that a spreadsheet
could take for a formula gets an apostrophe in front.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

from api.results.claims import NOTICE

__all__ = ["COLUMNS", "SCHEMA_VERSION", "row", "safe", "table"]

SCHEMA_VERSION = "1"

COLUMNS = (
    "schema_version",
    "result_id",
    "result_version",
    "person_id",
    "person_identifier",
    "person_identifier_type",
    "family_name",
    "given_name",
    "assessment_code",
    "assessment_title",
    "assessment_version",
    "decision",
    "level_code",
    "level_label",
    "level_probability",
    "score",
    "score_standard_error",
    "score_scale",
    "score_scale_low",
    "score_scale_high",
    "theta",
    "theta_standard_error",
    "domains",
    "assessed_on",
    "valid_from",
    "valid_until",
    "status",
    "status_on",
    "notice",
    "log_head",
    "verification_address",
)

_RISKY = ("=", "+", "-", "@", "\t", "\r", "\n")


def safe(text: str) -> str:
    """Defuse a text that a spreadsheet would compute (CWE-1236)."""
    return f"'{text}" if text.lstrip(" ").startswith(_RISKY) else text


def _number(value: Any, comma: bool) -> str:
    text = str(value)
    return text.replace(".", ",") if comma else text


def row(entry: Mapping[str, Any], language: str, comma: bool, base_url: str) -> list[str]:
    """Return the cells of one entry of the feed; what a tombstone has lost is empty.

    Texts are defused, numbers are not: they are ours, and a minus sign is part of them.
    """
    result: Mapping[str, Any] | None = entry["result"]
    cells: dict[str, str] = {
        "schema_version": SCHEMA_VERSION,
        "result_id": entry["id"],
        "result_version": str(entry["version"]),
        "person_id": entry["person_id"],
        "status": entry["status"],
        "status_on": entry["status_at"][:10],
    }
    if result is not None:
        person, test, score, level = result["person"], result["test"], result["score"], result["level"]
        texts = {
            "person_identifier": person["identifier"],
            "person_identifier_type": person["identifier_type"],
            "family_name": person["family_name"],
            "given_name": person["given_name"],
            "assessment_code": test["code"],
            "assessment_title": _in(test["title"], language),
            "decision": result["decision"] or "undecided",
            "level_code": level["code"],
            "level_label": _in(level["label"], language),
            "score_scale": score["scale"],
            "domains": " | ".join(
                f"{domain['code']}: {domain['points']} ± {domain['points_error']}"
                for domain in result["domains"]
            ),
        }
        cells |= {name: safe(text or "") for name, text in texts.items()}
        cells |= {
            "assessment_version": str(test["version"]),
            "level_probability": _number(level["probability"], comma),
            "score": str(score["points"]),
            "score_standard_error": str(score["points_error"]),
            "score_scale_low": str(score["scale_low"]),
            "score_scale_high": str(score["scale_high"]),
            "theta": _number(score["theta"], comma),
            "theta_standard_error": _number(score["standard_error"], comma),
            "assessed_on": result["assessed"]["until"][:10],
            "valid_from": result["valid_from"],
            "valid_until": result["valid_until"],
            "notice": NOTICE if result["demonstration"] else "",
            "log_head": result["log"]["head"],
            "verification_address": f"{base_url}/verify",
        }
    return [cells.get(name, "") for name in COLUMNS]


def _in(texts: Mapping[str, str], language: str) -> str:
    return texts.get(language) or next(iter(texts.values()), "")


def table(entries: Iterable[Mapping[str, Any]], language: str, comma: bool, base_url: str) -> bytes:
    """Return the file."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for entry in entries:
        writer.writerow(row(entry, language, comma, base_url))
    return b"\xef\xbb\xbf" + out.getvalue().encode()
