"""``acquis verify``: check a signed result or a badge, without the server that issued it.

Whose key? In this order: the JWK set or DID document given with ``--jwks``; the keys that this machine knows
for the issuer (`api.keys.known`); those published at the issuer's address. A key that a file brings along
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
    from api.commands.signed import SignedFile

_MAX_FILE = 1_000_000
_MAX_LIST = 100_000_000
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "credential",
        metavar="CREDENTIAL.json",
        help="the signed result, or the badge; also a picture with it in",
    )
    parser.add_argument(
        "--jwks",
        "--did",
        metavar="FILE|URL",
        help="the issuer's public keys: a JWK set or a DID document (default: known here, else its address)",
    )
    parser.add_argument(
        "--status",
        metavar="FILE|URL",
        nargs="?",
        const="",
        help="look whether it was superseded or revoked: the issuer's status list (alone: from its address)",
    )
    parser.add_argument("--issuer", metavar="URL", help="refuse any other issuer")
    parser.add_argument("--person", metavar="TEXT", help="refuse it unless it is of this number, or name")
    parser.add_argument("--json", action="store_true", help="print the outcome as JSON")


def run(args: argparse.Namespace) -> int:
    """Verify; 3 when it does not hold."""
    from api.commands.signed import opened
    from api.keys.signing import BadSignature, UnknownKey
    from api.results.credential import read

    text = _text(Path(args.credential), pictures=True)
    revoked: set[str] = set()
    told: dict[str, Any] = {"authentic": False, "holds": False, "revocation": "not checked"}
    try:
        file = opened(read(text))
        if args.issuer and file.issuer != args.issuer.rstrip("/"):
            raise BadSignature(f"its issuer is {file.issuer or 'nobody'}, not {args.issuer}")
        keys, revoked, source = _keys(args.jwks, file)
        kid = file.check(keys)
        told |= {"authentic": True, "kid": kid, "key_source": source, **file.told()}
        if args.status is not None:
            told |= _standing(args.status, file, keys)
    except (BadSignature, UnknownKey) as error:
        reason = str(error)
        if isinstance(error, UnknownKey):
            reason = f"it is signed with the key {error.kid}, which is not one of the issuer's"
            if error.kid in revoked:
                reason = (
                    f"it is signed with the key {error.kid}, which its issuer has revoked: somebody "
                    "else may have made it; ask for the file anew, it is then signed with the present key"
                )
    else:
        reason = _refusal(file, told, args.person)
    told |= {"holds": not reason} | ({"reason": reason} if reason else {})
    if args.json:
        print(json.dumps(told, ensure_ascii=False))
    elif reason:
        print(f"Does not hold: {reason}.")
    else:
        of = [f"It is of '{args.person}'."] if args.person is not None else []
        print("\n".join([*_head(told), *of, *file.lines(), f"  key       {kid}, {source}"]))
    return 3 if reason else 0


def _standing(told: str, file: SignedFile, keys: Mapping[str, Any]) -> dict[str, str]:
    """Return what the status list says of a file."""
    from api.keys.signing import BadSignature, UnknownKey
    from api.results.credential import read

    where = told or file.status_at
    remote = where.startswith(("http://", "https://"))
    text = _fetched(where, _MAX_LIST) if remote else _text(Path(where), _MAX_LIST)
    try:
        status, at = file.standing(read(text, "a status list"), keys)
    except (BadSignature, UnknownKey) as error:
        raise BadSignature(f"it is authentic, the status list is not: {error}") from error
    return {"revocation": "checked", "status": status, "status_at": at}


def _refusal(file: SignedFile, told: Mapping[str, Any], person: str | None) -> str:
    """Return why an authentic file does not hold; empty where it does."""
    if person is not None and not file.is_of(person):
        return f"it is authentic and not of '{person}'"
    match told.get("status"):
        case "superseded":
            return f"it is authentic and superseded by a newer version (status of {told['status_at']})"
        case "revoked":
            return f"it is authentic and revoked (status of {told['status_at']})"
        case "withdrawn":
            return (
                "it is authentic and revoked, or superseded by a newer version "
                f"(status of {told['status_at']})"
            )
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if now[: len(file.valid_from)] < file.valid_from:
        return f"it is authentic and valid from {file.valid_from} on"
    if now[: len(file.valid_until)] > file.valid_until:
        return f"it is authentic and was valid until {file.valid_until}"
    return ""


def _text(path: Path, most: int = _MAX_FILE, pictures: bool = False) -> str:
    from api.credentials.baking import text_in

    try:
        if path.stat().st_size > most:
            raise InputError(f"expected a signed file in {path}, got one of more than {most} bytes")
        content = path.read_bytes()
        return text_in(content) if pictures else content.decode()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; give the path of the signed file") from error
    except UnicodeDecodeError as error:
        raise InputError(f"expected a signed file (JSON in UTF-8) in {path}, got other bytes") from error


def _keys(told: str | None, file: SignedFile) -> tuple[Mapping[str, Any], set[str], str]:
    """Return the keys to trust, the names of those that were revoked, and where they are from."""
    from api.keys import known
    from api.keys.signing import public_keys, revoked_keys

    if told is not None:
        remote = told.startswith(("http://", "https://"))
        return *_published(_fetched(told) if remote else _text(Path(told)), told, file.issuer), told
    here = known.keys_of(file.issuer)
    if here is not None:
        return public_keys(here), revoked_keys(here), f"known on this machine ({known.path()})"
    try:
        return *_published(_fetched(file.keys_at), file.keys_at, file.issuer), file.keys_at
    except InputError as error:
        raise InputError(
            f"expected the public key of the issuer '{file.issuer}', got none: this machine does not know it "
            f"and {error}; give it with --jwks FILE"
        ) from error


def _published(text: str, where: str, issuer: str) -> tuple[Mapping[str, Any], set[str]]:
    """Return the keys of a JWK set, or of the issuer's DID document, and the names of those revoked."""
    from api.credentials.did import did_of, keys_of
    from api.keys.signing import BadSignature, public_keys, revoked_keys

    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"expected a JWK set in {where}, got something that is not JSON") from error
    if not isinstance(content, dict) or "verificationMethod" not in content:
        return public_keys(content), revoked_keys(content)
    did, keys = keys_of(content)
    if did_of(issuer) != did:
        raise BadSignature(f"its issuer is {issuer}, and the keys are of {did!a}")
    return keys, revoked_keys(content)


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


def _head(told: Mapping[str, Any]) -> list[str]:
    """Return what was found, in a sentence or two."""
    if "status" in told:
        return [f"Authentic, neither superseded nor revoked (status of {told['status_at']})."]
    return [
        "Authentic, revocation not checked.",
        "Not known: whether a newer version supersedes it, or it was revoked (--status looks).",
    ]
