"""The demonstration bank as a published test.

Everything made with it says « démonstration, sans valeur »: its parameters come from rated difficulties.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from api.catalogue import publication
from item_bank import demo

__all__ = ["CODE", "document"]

CODE = "DEMO-NUM-SANTE"
_WRITTEN = date(2026, 11, 1)
"""The day by which shelf lives are judged: the demonstration is the same test on every day."""

_DESIGN: dict[str, Any] = {
    "schema": "acquis/design/1",
    "select": {"criterion": "mfi", "evaluate": "table"},
    "constraint": [
        {"attribute": "domain", "value": domain, "min": 3, "max": 6}
        for domain in ("D1", "D2", "D3", "D4", "D5")
    ],
    "stop": {"min": 15, "max": 25, "se": 0.42},
    "cuts": {"values": [-1.0, 0.75], "confidence": 0.8},
    "report": {"attribute": "domain", "reliability": 0.5},
}

_DEFINITION: dict[str, Any] = {
    "schema": publication.DEFINITION,
    "code": CODE,
    "languages": list(demo.LANGUAGES),
    "title": {
        "fr": "Compétences numériques en santé (démonstration, sans valeur)",
        "en": "Digital health skills (demonstration, without value)",
    },
    "level": [
        {"code": "N1", "fr": "À consolider", "en": "To be strengthened"},
        {"code": "N2", "fr": "Autonome", "en": "Independent"},
        {"code": "N3", "fr": "Référent", "en": "Able to guide others"},
    ],
}


def document() -> tuple[dict[str, Any], dict[str, tuple[str, bytes]]]:
    """Return the test document and the pictures it names: SHA-256 -> media type and bytes."""
    definition = publication.Definition.from_mapping(_DEFINITION)
    return publication.document(demo.load().bank(), definition, _DESIGN, _WRITTEN, demonstration=True)
