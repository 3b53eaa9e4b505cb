"""Status lists: which badges no longer stand, as W3C's Bitstring Status List 1.0.

A list has one bit for each of its places, set where a badge was revoked, erased, or superseded by a newer
version; that a person had a result erased is told to nobody. A badge's place is drawn by chance when the
badge is first made, so that it says nothing, and kept for ever. Lists have the 131,072 places that the
standard asks for so that one badge hides among many; each begins when the one before is so full that chance
finds no free place at once.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import json
import secrets
import zlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import bindparam, func, insert, select, text

from api.credentials import proof
from api.credentials.checking import Badge
from api.credentials.did import did_of
from api.credentials.document import Place, list_address
from api.credentials.shapes import LIST_CONTEXTS, LIST_TYPE, ListOut, shaped
from api.database import tables
from api.database.clock import NOW
from api.database.plans import Commit, Plan, Query
from api.keys.signing import BadSignature, SigningKey
from api.moments import from_iso, iso
from api.problems import Problem
from api.sittings.timing import SECOND
from cat_engine.errors import InputError

__all__ = [
    "PLACES",
    "TTL",
    "BadgeList",
    "Withdrawn",
    "bits",
    "check",
    "placed",
    "positions",
    "signed",
    "withdrawn",
]

PLACES = 131_072
"""Places of a list (Bitstring Status List 1.0, 6.1: 16 kB at least)."""
DRAWS = 16
"""Places drawn at once. When none is free, more than half are taken, and a new list begins."""
TTL = 300 * SECOND
"""For so long a list is told to be good, and looks the same while nothing changes, in microseconds."""

_entry = tables.status_entry
_OF = Query(select(_entry.c.list, _entry.c.position).where(_entry.c.result_id == bindparam("result")))
_NEWEST = Query(select(func.max(_entry.c.list)))
_TAKEN = Query(
    select(_entry.c.position).where(
        _entry.c.list == bindparam("list"),
        _entry.c.position.in_([bindparam(f"p{k}") for k in range(DRAWS)]),
    )
)
_PLACE = Query(insert(_entry))
_BEGUN = Query(select(_entry.c.list).where(_entry.c.list == bindparam("list")).limit(1))
_WITHDRAWN = Query(
    select(_entry.c.position, tables.result.c.status_at)
    .join(tables.result, tables.result.c.id == _entry.c.result_id)
    .where(_entry.c.list == bindparam("list"), text("result.status <> 'valid'"))
    .order_by(_entry.c.position)
)


def placed(result: str) -> Plan[Place]:
    """Plan: where the badge of a result stands; it is drawn the first time."""
    known, newest = yield [_OF(result=result), _NEWEST()]
    if known:
        return Commit(Place(*known[0]))
    number = newest[0][0] or 1
    drawn = [secrets.randbelow(PLACES) for _ in range(DRAWS)]
    (taken,) = yield [_TAKEN(list=number, **{f"p{k}": position for k, position in enumerate(drawn)})]
    free = set(drawn) - {position for (position,) in taken}
    place = Place(number, free.pop()) if free else Place(number + 1, drawn[0])
    return Commit(place, [_PLACE(list=place.list, position=place.position, result_id=result)])


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """What a list says.

    Attributes
    ----------
    positions
        Of the badges that no longer stand, in their order.
    at
        A moment at which it said so, in microseconds: the same for some minutes unless anything changes.
    """

    number: int
    positions: tuple[int, ...]
    at: int


def withdrawn(number: int) -> Plan[Withdrawn]:
    """Plan: what list `number` says now.

    Raises
    ------
    Problem
        ``not_found``
    """
    begun, time, rows = yield [_BEGUN(list=number), NOW(), _WITHDRAWN(list=number)]
    if not begun:
        raise Problem("not_found", "There is no such list yet.")
    now = time[0][0]
    at = max([now - now % TTL, *(min(changed, now) for _, changed in rows)])
    return Commit(Withdrawn(number, tuple(position for position, _ in rows), at))


def bits(taken: Iterable[int]) -> str:
    """Return a list whose bits `taken` are set; the first is the highest of the first byte (3.2)."""
    content = bytearray(PLACES // 8)
    for position in taken:
        content[position // 8] |= 0x80 >> position % 8
    return "u" + base64.urlsafe_b64encode(gzip.compress(bytes(content), mtime=0)).rstrip(b"=").decode()


def positions(encoded: str) -> bytes:
    """Return the bytes of a list.

    Raises
    ------
    BadSignature
        When it is not one of `PLACES` bits.
    """
    try:
        packed = base64.urlsafe_b64decode(encoded[1:] + "=" * (-len(encoded[1:]) % 4))
        content = zlib.decompressobj(wbits=31).decompress(packed, PLACES // 8 + 1)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise BadSignature("the status list is not GZIP in base64url") from error
    if len(content) != PLACES // 8:
        raise BadSignature(f"the status list has not {PLACES} places")
    return content


_made: OrderedDict[tuple[str, str, Withdrawn], bytes] = OrderedDict()
_KEPT = 64


def signed(base_url: str, key: SigningKey, told: Withdrawn) -> bytes:
    """Return a signed list; the same bits on every server for the same content, made once a worker."""
    name = (base_url, key.kid, told)
    if name in _made:
        return _made[name]
    address, did = list_address(base_url, told.number), did_of(base_url)
    unsigned = {
        "@context": LIST_CONTEXTS,
        "id": address,
        "type": LIST_TYPE,
        "issuer": did,
        "validFrom": iso(told.at),
        "credentialSubject": {
            "id": f"{address}#list",
            "type": "BitstringStatusList",
            "statusPurpose": "revocation",
            "encodedList": bits(told.positions),
            "ttl": TTL // 1000,
        },
    }
    body = json.dumps(proof.sign(unsigned, key, did, told.at), separators=(",", ":")).encode()
    _made[name] = body
    while len(_made) > _KEPT:
        _made.popitem(last=False)
    return body


@dataclass(frozen=True, slots=True)
class BadgeList:
    """A status list whose proof holds."""

    address: str
    issuer: str
    issued_at: str
    content: bytes

    def withdrawn(self, position: int) -> bool:
        """Return whether the badge at `position` no longer stands."""
        return bool(self.content[position // 8] & 0x80 >> position % 8)


def check(content: dict[str, Any], keys: Mapping[str, Ed25519PublicKey]) -> BadgeList:
    """Return the list that `content` holds when its proof holds under one of `keys`.

    Raises
    ------
    BadSignature, api.keys.signing.UnknownKey
        When it does not.
    """
    shape = shaped(content, ListOut)
    proof.check(content, shape.issuer, keys)
    return BadgeList(shape.id, shape.issuer, shape.validFrom, positions(shape.credentialSubject.encodedList))


def standing(badge: Badge, listed: BadgeList) -> Literal["valid", "withdrawn"]:
    """Return how a badge stood when its list was made.

    Raises
    ------
    BadSignature
        When the list is another one.
    InputError
        When it was made before the badge, by more than a list looks the same.
    """
    shape = badge.shape
    if listed.address != shape.credentialStatus.statusListCredential or listed.issuer != shape.issuer.id:
        raise BadSignature(
            f"the status list is {listed.address}, "
            f"the badge's is {shape.credentialStatus.statusListCredential}"
        )
    if from_iso(listed.issued_at) + TTL < from_iso(shape.awardedDate):
        raise InputError(
            f"expected a status list made after the badge ({shape.awardedDate}), got one of "
            f"{listed.issued_at}; fetch a new one from {listed.address}"
        )
    return "withdrawn" if listed.withdrawn(badge.place) else "valid"
