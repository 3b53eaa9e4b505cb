"""Badges: what making and checking one costs, a status list, and loading the library, in processor time."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from api.credentials import checking, lists, proof
from api.credentials.did import did_of
from api.credentials.document import Place, badge
from api.keys.signing import SigningKey, public_keys
from benchmarks.harness import Report, median_seconds

__all__ = ["run"]

BASE = "https://tests.example.org"
_LOAD = """
import time
before = time.process_time()
import openbadgeslib.ob3, pyld.jsonld
print(time.process_time() - before)
"""


def claims() -> dict[str, Any]:
    """Return the claims of a result with five domains."""
    score = {"points": 512, "points_error": 31, "scale": "points", "scale_low": 0, "scale_high": 1000}
    levels = [{"code": f"L{k}", "label": {"fr": f"niveau {k}"}, "probability": 0.25} for k in range(4)]
    return {
        "id": "01KB00000000000000000000AA",
        "issuer": BASE,
        "issued_at": "2026-01-31T08:00:00Z",
        "demonstration": False,
        "person": {"id": "P", "identifier": "M-1", "family_name": "Durand", "given_name": "Léa"},
        "test": {"code": "T", "version": 1, "title": {"fr": "Santé numérique"}, "content": "0" * 64},
        "assessed": {"from": "2026-01-31T07:30:00Z", "until": "2026-01-31T08:00:00Z"},
        "valid_from": "2026-01-31",
        "valid_until": "2029-01-31",
        "score": {**score, "cuts": [400, 500, 600]},
        "level": levels[2],
        "levels": levels,
        "decision": "L2",
        "confidence": 0.9,
        "domains": [{"code": f"D{k}", "title": {"fr": f"domaine {k}"}, **score} for k in range(1, 6)],
        "log": {"sitting": "01KB00000000000000000000BB", "events": 70, "head": "0" * 64},
    }


def run(report: Report) -> None:
    """Print one table; the first row is what a download costs."""
    key, did = SigningKey.of(Ed25519PrivateKey.generate()), did_of(BASE)
    unsigned = badge(claims(), Place(1, 7), "fr", lambda kind: "0" * 32)
    signed = json.loads(json.dumps(proof.sign(unsigned, key, did, 0)))
    keys = public_keys(dict(key.jwk))
    half = tuple(range(0, lists.PLACES, 2))

    moments = itertools.count()

    def listed(positions: tuple[int, ...]) -> bytes:
        return lists.signed(BASE, key, lists.Withdrawn(1, positions, next(moments)))  # none is kept yet

    table = report.table(f"Badges: one of {len(json.dumps(signed)):,} bytes, processor time")
    for name, work in (
        ("signed", lambda: proof.sign(unsigned, key, did, 0)),
        ("checked", lambda: checking.check(signed, keys)),
        ("a list, 1,000 of 131,072 withdrawn, signed", lambda: listed(half[:1000])),
        ("a list, half of it withdrawn, signed", lambda: listed(half)),
    ):
        table.row(name, median_seconds(work, clock=time.process_time))
    loaded = subprocess.run([sys.executable, "-c", _LOAD], capture_output=True, text=True, check=True)
    table.row("the library loaded, once a process", float(loaded.stdout))
