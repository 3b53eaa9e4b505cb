"""Results as a table that opens in a French spreadsheet.

``;`` between cells, UTF-8 with a byte order mark, CRLF, ISO dates, a column ``schema_version``; decimal
numbers with a comma unless asked otherwise (`docs/decisions/csv-for-hr.md`). Programs read the columns by
names that never change, people by headings in their language. A cell that a spreadsheet could take for a
formula gets an apostrophe in front.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

from api.results.claims import NOTICE

__all__ = ["COLUMNS", "SCHEMA_VERSION", "row", "safe", "table"]

SCHEMA_VERSION = "1"

_HEADINGS = {
    "schema_version": ("Version du format", "Format version"),
    "result_id": ("Résultat (n°)", "Result (number)"),
    "result_version": ("Version du résultat", "Result version"),
    "person_id": ("Personne (n°)", "Person (number)"),
    "person_identifier": ("Identifiant", "Identifier"),
    "person_identifier_type": ("Type d'identifiant", "Type of identifier"),
    "family_name": ("Nom", "Family name"),
    "given_name": ("Prénom", "Given name"),
    "assessment_code": ("Code du test", "Test code"),
    "assessment_title": ("Test", "Test"),
    "assessment_version": ("Version du test", "Test version"),
    "decision": ("Niveau attesté", "Level attested"),
    "level_code": ("Code du niveau le plus probable", "Code of the most probable level"),
    "level_label": ("Niveau le plus probable", "Most probable level"),
    "level_probability": ("Sa probabilité", "Its probability"),
    "score": ("Score", "Score"),
    "score_standard_error": ("Erreur type du score", "Standard error of the score"),
    "score_scale": ("Échelle", "Scale"),
    "score_scale_low": ("Échelle : de", "Scale: from"),
    "score_scale_high": ("Échelle : à", "Scale: to"),
    "theta": ("Thêta", "Theta"),
    "theta_standard_error": ("Erreur type de thêta", "Standard error of theta"),
    "domains": ("Domaines (score ± erreur type)", "Domains (score ± standard error)"),
    "assessed_on": ("Passé le", "Assessed on"),
    "valid_from": ("Valable du", "Valid from"),
    "valid_until": ("Valable jusqu'au", "Valid until"),
    "status": ("État", "Status"),
    "status_on": ("État depuis le", "Status since"),
    "notice": ("Mention", "Notice"),
    "log_head": ("Empreinte du journal", "Digest of the log"),
    "verification_address": ("Pour vérifier", "To verify"),
}
COLUMNS = tuple(_HEADINGS)
_WORDS = {
    "valid": ("valable", "valid"),
    "superseded": ("remplacé", "superseded"),
    "revoked": ("retiré", "revoked"),
    "erased": ("effacé", "erased"),
    "undecided": ("aucun (non tranché)", "none (undecided)"),
}
"""What stands in cells for people instead of the words that programs read."""
_LANGUAGES = ("fr", "en")

_RISKY = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # the last are wide


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


def headed(language: str) -> list[str]:
    """Return the headings for people."""
    return [headings[_LANGUAGES.index(language)] for headings in _HEADINGS.values()]


def _worded(cells: Mapping[str, str], language: str) -> dict[str, str]:
    """Return cells for people: words of theirs, and the label of the level that is attested."""
    told = {
        name: _WORDS[cells[name]][_LANGUAGES.index(language)]
        for name in ("status", "decision")
        if cells[name] in _WORDS
    }
    if cells["decision"] and cells["decision"] == cells["level_code"]:
        told["decision"] = cells["level_label"]
    return {**cells, **told}


def table(
    entries: Iterable[Mapping[str, Any]], language: str, comma: bool, base_url: str, words: bool = False
) -> bytes:
    """Return the file.

    Parameters
    ----------
    words
        Whether people read it: headings, status and attested level in their language.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    writer.writerow(headed(language) if words else COLUMNS)
    for entry in entries:
        cells = row(entry, language, comma, base_url)
        if words:
            cells = list(_worded(dict(zip(COLUMNS, cells, strict=True)), language).values())
        writer.writerow(cells)
    return b"\xef\xbb\xbf" + out.getvalue().encode()
