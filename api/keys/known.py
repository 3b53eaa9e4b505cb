"""The public keys of issuers that this user's machine knows.

``acquis demo`` writes its own key here, so that ``acquis verify`` works on the same machine without the
server; where a key of an issuer known here is changed or revoked, ``acquis key`` writes that too. The file is
``$XDG_DATA_HOME/acquis/known-issuers.json`` (``~/.local/share/acquis/...``): issuer -> JWK set. Anyone may
add an issuer by hand.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from api.keys.signing import public_keys
from cat_engine.errors import InputError

__all__ = ["follow", "keys_of", "path", "remember"]


def path() -> Path:
    """Return the file's place."""
    home = os.environ.get("XDG_DATA_HOME")
    base = Path(home) if home else Path.home() / ".local" / "share"
    return base / "acquis" / "known-issuers.json"


def _read() -> dict[str, Any]:
    try:
        content = json.loads(path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def keys_of(issuer: str) -> Any | None:
    """Return the JWK set known for `issuer`, or None."""
    return _read().get(issuer)


def remember(issuer: str, published: Mapping[str, Any]) -> None:
    """Add the JWK set that `issuer` publishes, and drop the keys that it has revoked.

    A home that cannot be written to is left alone.
    """
    known = _read()
    before = known.get(issuer, {"keys": []})
    revoked = {one.get("x"): one for source in (before, published) for one in source.get("revoked", [])}
    keys = {key.get("x"): key for source in (before, published) for key in source["keys"]}
    left = [key for x, key in keys.items() if x not in revoked]
    now = {"keys": left, **({"revoked": list(revoked.values())} if revoked else {})}
    if now == before:
        return
    known[issuer] = now
    with contextlib.suppress(OSError):
        path().parent.mkdir(parents=True, exist_ok=True)
        partial = path().with_suffix(f".{os.getpid()}")
        partial.write_text(json.dumps(known, indent=1), encoding="utf-8")
        partial.replace(path())


def follow(holds: Callable[[str], bool], published: Mapping[str, Any]) -> None:
    """Take over what is published now, for every issuer here with a key whose private half the caller holds.

    `holds` tells it of a ``kid``; that a public key lies in the caller's database would prove nothing.
    """
    for issuer, jwks in _read().items():
        with contextlib.suppress(InputError, KeyError):  # what stands here by hand and is no JWK set stays
            if any(map(holds, public_keys(jwks))):
                remember(issuer, published)
