"""Chance that can be recomputed: HMAC-SHA256 of what it is for, under the session's seed.

A rule that needs chance asks for one number a choice; a rule that needs none makes none. Within a choice
the number is spread over the items by a counter-based generator (:func:`cat_engine.kernels.pick.mix`).
"""

from __future__ import annotations

import hashlib
import hmac

__all__ = ["chance"]


def chance(seed: bytes, position: int, purpose: str) -> int:
    """Return 64 bits for one purpose at one position of a sitting.

    Parameters
    ----------
    seed
        The session's secret seed.
    position
        How many items were served before; 0 for what is drawn once a sitting.
    purpose
        What the number decides: the name of the rule.
    """
    digest = hmac.new(seed, f"{position}:{purpose}".encode(), hashlib.sha256).digest()
    return int.from_bytes(digest[:8], "big")
