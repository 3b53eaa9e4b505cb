"""What is sent: the result as it stands in the feed now, signed as Standard Webhooks 1.0 says.

``webhook-signature: v1,base64(HMAC-SHA256(secret, "{webhook-id}.{webhook-timestamp}.{body}"))``, once for
each secret that is in force, with a space between. The secrets of an address are derived from the
deployment's; nothing of them is stored.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from api.moments import iso
from api.webhooks.store import Due

if TYPE_CHECKING:
    from api.runtime import Runtime

__all__ = ["body", "headers", "secret_of"]

_PREFIX = "whsec_"


def secret_of(runtime: Runtime, webhook: str, number: int = 0) -> str:
    """Return a secret of an address, as receivers' libraries want it: ``whsec_`` and base 64."""
    name = f"{webhook} {number}" if number else webhook
    return _PREFIX + base64.b64encode(bytes.fromhex(runtime.mac("webhook", name))).decode()


def body(one: Due, entry: Mapping[str, Any]) -> bytes:
    """Return the body of a message about a result's entry in the feed."""
    content = {"type": one.topic, "timestamp": iso(one.created_at), "data": entry}
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def headers(one: Due, secrets: Sequence[str], sent_at: int, content: bytes) -> dict[str, str]:
    """Return the headers that go with `content`.

    Parameters
    ----------
    secrets
        Those that sign it: receivers look for one signature that fits theirs.
    sent_at
        Seconds since 1970; receivers refuse what is old.
    """
    signed = f"{one.outbox}.{sent_at}.".encode() + content
    return {
        "Content-Type": "application/json",
        "User-Agent": "Acquis",
        "webhook-id": one.outbox,
        "webhook-timestamp": str(sent_at),
        "webhook-signature": " ".join(_signature(secret, signed) for secret in secrets),
    }


def _signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    return f"v1,{base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}"
