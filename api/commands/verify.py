"""``acquis verify``: check a signed result, without the server that issued it.

Whose key? In this order: the JWK set given with ``--jwks``; the keys that this machine knows for the
issuer (`api.keys.known`); the set published at the issuer's address. A key that a file brings along
would prove nothing, so files bring none: they name it.
"""

from __future__ import annotations

import argparse
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cat_engine.errors import InputError

if TYPE_CHECKING:
    from api.results.credential import Verified

_MAX_FILE = 1_000_000
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("credential", metavar="CREDENTIAL.json", help="the signed file")
    parser.add_argument(
        "--jwks", metavar="FILE|URL", help="the issuer's public keys (default: known here, else its address)"
    )
    parser.add_argument("--issuer", metavar="URL", help="refuse any other issuer")
    parser.add_argument("--json", action="store_true", help="print the outcome as JSON")


def run(args: argparse.Namespace) -> int:
    """Verify; 3 when it does not hold."""
    from api.keys.signing import BadSignature, UnknownKey
    from api.results.credential import check, issuer_of, parse

    text = _text(Path(args.credential))
    try:
        content = parse(text)
        issuer = issuer_of(content)
        if args.issuer and issuer != args.issuer.rstrip("/"):
            raise BadSignature(f"its issuer is {issuer or 'nobody'}, not {args.issuer}")
        keys, source = _keys(args.jwks, issuer)
        verified = check(content, keys)
        _refuse_expired(verified.claims)
    except (BadSignature, UnknownKey) as error:
        reason = str(error)
        if isinstance(error, UnknownKey):
            reason = f"it is signed with the key {error.kid}, which is not one of the issuer's"
        if args.json:
            print(json.dumps({"authentic": False, "reason": reason}))
        else:
            print(f"Does not hold: {reason}.")
        return 3
    if args.json:
        outcome = {
            "authentic": True,
            "revocation": "not checked",
            "kid": verified.kid,
            "key_source": source,
            "result": verified.claims,
        }
        print(json.dumps(outcome, ensure_ascii=False))
    else:
        print(_told(verified, source))
    return 0


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_FILE:
            raise InputError(f"expected a signed result in {path}, got a file of more than {_MAX_FILE} bytes")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; give the path of the signed file") from error
    except UnicodeDecodeError as error:
        raise InputError(f"expected a signed result (JSON in UTF-8) in {path}, got other bytes") from error


def _keys(told: str | None, issuer: str) -> tuple[Mapping[str, Any], str]:
    """Return the keys to trust and where they are from."""
    from api.keys import known
    from api.keys.signing import public_keys

    if told is not None:
        if told.startswith(("http://", "https://")):
            return public_keys(_fetched(told)), told
        return public_keys(_parsed(_text(Path(told)), told)), told
    here = known.keys_of(issuer)
    if here is not None:
        return public_keys(here), f"known on this machine ({known.path()})"
    address = f"{issuer}/.well-known/jwks.json"
    try:
        return public_keys(_fetched(address)), address
    except InputError as error:
        raise InputError(
            f"expected the public key of the issuer '{issuer}', got none: this machine does not know it and "
            f"{error}; give it with --jwks FILE"
        ) from error


def _fetched(address: str) -> Any:
    parts = urlsplit(address)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise InputError(f"'{address}' is not an https address")
    try:
        with urllib.request.urlopen(address, timeout=5) as reply:  # noqa: S310 - https or loopback
            if urlsplit(reply.url).hostname != parts.hostname:
                raise InputError(f"{address} leads to another host")
            return _parsed(reply.read(100_000).decode(), address)
    except (urllib.error.URLError, OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "reason", error)
        raise InputError(f"{address} does not answer ({reason})") from error


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise InputError(f"expected a JWK set in {where}, got something that is not JSON") from error


def _refuse_expired(claims: Mapping[str, Any]) -> None:
    from api.keys.signing import BadSignature

    if datetime.now(UTC).date().isoformat() > claims["valid_until"]:
        raise BadSignature(f"it is authentic and was valid until {claims['valid_until']}")


def _told(verified: Verified, source: str) -> str:
    claims = verified.claims
    person, score, level = claims["person"], claims["score"], claims["level"]
    name = " ".join(part for part in (person["given_name"], person["family_name"]) if part)
    lines = ["Authentic, revocation not checked."]
    if claims["demonstration"]:
        lines.append(claims["notice"].capitalize() + ".")
    lines += [
        f"  person    {name or 'not named'}"
        + (f" ({person['identifier_type']} {person['identifier']})" if person["identifier"] else ""),
        f"  test      {claims['test']['title'].get('fr') or claims['test']['code']}, "
        f"version {claims['test']['version']}",
        f"  level     {level['code']} {level['label'].get('fr', '')} (probability {level['probability']})"
        + ("" if claims["decision"] else ", not decided"),
        f"  score     {score['points']} ± {score['points_error']} {score['scale']} "
        f"({score['scale_low']} to {score['scale_high']})",
        f"  assessed  {claims['assessed']['until']}, valid until {claims['valid_until']}",
        f"  log       sitting {claims['log']['sitting']}, head {claims['log']['head']}",
        f"  issuer    {claims['issuer']}",
        f"  key       {verified.kid}, {source}",
    ]
    return "\n".join(lines)
