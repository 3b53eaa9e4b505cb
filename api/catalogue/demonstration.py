"""The demonstration bank as a published test.

Everything made with it says « démonstration, sans valeur »: its parameters come from rated difficulties.
"""

from __future__ import annotations

import hashlib
from typing import Any

from api.catalogue.document import SCHEMA, plain
from item_bank import demo

__all__ = ["CODE", "document"]

CODE = "DEMO-NUM-SANTE"

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

_LEVELS = [
    {"code": "N1", "label": {"fr": "À consolider", "en": "To be strengthened"}},
    {"code": "N2", "label": {"fr": "Autonome", "en": "Independent"}},
    {"code": "N3", "label": {"fr": "Référent", "en": "Able to guide others"}},
]


def document() -> tuple[dict[str, Any], dict[str, tuple[str, bytes]]]:
    """Return the test document and the pictures it names: SHA-256 -> media type and bytes."""
    bank = demo.load()
    blobs: dict[str, tuple[str, bytes]] = {}
    media: dict[str, list[str]] = {}
    for path in sorted(bank.media.glob("*.svg")):
        body = path.read_bytes()
        name = hashlib.sha256(body).hexdigest()
        blobs[name] = ("image/svg+xml", body)
        media[path.name] = [name, "image/svg+xml"]
    return {
        "schema": SCHEMA,
        "title": {
            "fr": "Compétences numériques en santé (démonstration, sans valeur)",
            "en": "Digital health skills (demonstration, without value)",
        },
        "languages": list(demo.LANGUAGES),
        "demonstration": True,
        "design": _DESIGN,
        "levels": _LEVELS,
        "scale": {"name": "points", "origin": 500.0, "unit": 100.0, "low": 0, "high": 1000},
        "time": {},
        "valid_days": 365,
        "domains": {code: dict(domain) for code, domain in bank.domains.items()},
        "items": plain(bank.items),
        "stimuli": plain(bank.stimuli),
        "parameters": list(bank.parameters()),
        "attributes": {
            "domain": [item.domain for item in bank.items],
            "skill": [item.skill for item in bank.items],
            "stimulus": [item.stimulus for item in bank.items],
            "enemies": [" ".join(item.enemies) for item in bank.items],
        },
        "media": media,
    }, blobs
