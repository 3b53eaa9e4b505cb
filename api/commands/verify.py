"""``acquis verify``: check a signed result, without the server that issued it.

Whose key? In this order: the JWK set given with ``--jwks``; the keys that this machine knows for the
issuer (`api.keys.known`); the set published at the issuer's address. A key that a file brings along
would prove nothing, so files bring none: they name it.

A file cannot say what happened after it was signed: that it was superseded by a newer version, or revoked.
The issuer's status list says it (``--status``); without one that is not known, and the command says so.
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
_MAX_LIST = 100_000_000
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("credential", metavar="CREDENTIAL.json", help="the signed file")
    parser.add_argument(
        "--jwks", metavar="FILE|URL", help="the issuer's public keys (default: known here, else its address)"
    )
    parser.add_argument(
        "--status",
        metavar="FILE|URL",
        nargs="?",
        const="",
        help="look whether it was superseded or revoked: the issuer's status list (alone: from its address)",
    )
    parser.add_argument("--issuer", metavar="URL", help="refuse any other issuer")
    parser.add_argument("--json", action="store_true", help="print the outcome as JSON")


def run(args: argparse.Namespace) -> int:
    """Verify; 3 when it does not hold."""
    from api.keys.signing import BadSignature, UnknownKey
    from api.results.credential import check, issuer_of, parse

    text = _text(Path(args.credential))
    told: dict[str, Any] = {"authentic": False, "holds": False, "revocation": "not checked"}
    try:
        content = parse(text)
        issuer = issuer_of(content)
        if args.issuer and issuer != args.issuer.rstrip("/"):
            raise BadSignature(f"its issuer is {issuer or 'nobody'}, not {args.issuer}")
        keys, source = _keys(args.jwks, issuer)
        verified = check(content, keys)
        told |= {"authentic": True, "kid": verified.kid, "key_source": source, "result": verified.claims}
        if args.status is not None:
            told |= _standing(args.status, verified, keys)
    except (BadSignature, UnknownKey) as error:
        reason = str(error)
        if isinstance(error, UnknownKey):
            reason = f"it is signed with the key {error.kid}, which is not one of the issuer's"
    else:
        reason = _refusal(told)
    told |= {"holds": not reason} | ({"reason": reason} if reason else {})
    if args.json:
        print(json.dumps(told, ensure_ascii=False))
    elif reason:
        print(f"Does not hold: {reason}.")
    else:
        print(_told(verified, source, told))
    return 3 if reason else 0


def _standing(told: str, verified: Verified, keys: Mapping[str, Any]) -> dict[str, str]:
    """Return what the status list says of a result."""
    from api.keys.signing import BadSignature, UnknownKey
    from api.results.status import check

    where = told or f"{verified.claims['issuer']}/verify/status.json"
    remote = where.startswith(("http://", "https://"))
    text = _fetched(where, _MAX_LIST) if remote else _text(Path(where), _MAX_LIST)
    try:
        listed = check(text, keys)
    except (BadSignature, UnknownKey) as error:
        raise BadSignature(f"it is authentic, the status list is not: {error}") from error
    return {"revocation": "checked", "status": listed.of(verified.claims), "status_at": listed.issued_at}


def _refusal(told: Mapping[str, Any]) -> str:
    """Return why an authentic result does not hold; empty where it does."""
    from api.results.credential import expired

    until = told["result"]["valid_until"]
    match told.get("status"):
        case "superseded":
            return f"it is authentic and superseded by a newer version (status of {told['status_at']})"
        case "revoked":
            return f"it is authentic and revoked (status of {told['status_at']})"
    past = expired(told["result"], datetime.now(UTC).isoformat())
    return f"it is authentic and was valid until {until}" if past else ""


def _text(path: Path, most: int = _MAX_FILE) -> str:
    try:
        if path.stat().st_size > most:
            raise InputError(f"expected a signed file in {path}, got one of more than {most} bytes")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; give the path of the signed file") from error
    except UnicodeDecodeError as error:
        raise InputError(f"expected a signed file (JSON in UTF-8) in {path}, got other bytes") from error


def _keys(told: str | None, issuer: str) -> tuple[Mapping[str, Any], str]:
    """Return the keys to trust and where they are from."""
    from api.keys import known
    from api.keys.signing import public_keys

    if told is not None:
        if told.startswith(("http://", "https://")):
            return public_keys(_parsed(_fetched(told), told)), told
        return public_keys(_parsed(_text(Path(told)), told)), told
    here = known.keys_of(issuer)
    if here is not None:
        return public_keys(here), f"known on this machine ({known.path()})"
    address = f"{issuer}/.well-known/jwks.json"
    try:
        return public_keys(_parsed(_fetched(address), address)), address
    except InputError as error:
        raise InputError(
            f"expected the public key of the issuer '{issuer}', got none: this machine does not know it and "
            f"{error}; give it with --jwks FILE"
        ) from error


def _fetched(address: str, most: int = _MAX_FILE) -> str:
    parts = urlsplit(address)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise InputError(f"'{address}' is not an https address")
    try:
        with urllib.request.urlopen(address, timeout=5) as reply:  # noqa: S310 - https or loopback
            if urlsplit(reply.url).hostname != parts.hostname:
                raise InputError(f"{address} leads to another host")
            text: bytes = reply.read(most + 1)
    except (urllib.error.URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        raise InputError(f"{address} does not answer ({reason})") from error
    try:
        if len(text) <= most:
            return text.decode()
    except UnicodeDecodeError:
        pass
    raise InputError(f"{address} answers with something else than JSON of at most {most} bytes")


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise InputError(f"expected a JWK set in {where}, got something that is not JSON") from error


def _told(verified: Verified, source: str, told: Mapping[str, Any]) -> str:
    claims = verified.claims
    person, score, level = claims["person"], claims["score"], claims["level"]
    name = " ".join(part for part in (person["given_name"], person["family_name"]) if part)
    if "status" in told:
        lines = [f"Authentic, neither superseded nor revoked (status of {told['status_at']})."]
    else:
        lines = [
            "Authentic, revocation not checked.",
            "Not known: whether a newer version supersedes it, or it was revoked (--status looks).",
        ]
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
        f"  version   {claims['version']} of result {claims['id']}"
        + (f", supersedes {claims['supersedes']}" if "supersedes" in claims else ""),
        f"  issuer    {claims['issuer']}",
        f"  key       {verified.kid}, {source}",
    ]
    return "\n".join(lines)
