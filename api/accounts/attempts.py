"""How often somebody may be wrong when signing in: failures count, by account and by address.

An attempt takes a place before a password is looked at, whether the account exists or not: the next number
of its account and of its address, behind a unique key, so that attempts side by side cannot share one. A
right password gives its places back, so that a house of people behind one address is never too many.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence

from sqlalchemy import bindparam, delete, insert, select

from api.database import tables
from api.database.clock import NOW
from api.database.plans import Call, Commit, Plan, Query
from api.sittings.timing import SECOND

__all__ = ["ATTEMPTS", "WINDOW", "Place", "forgotten", "given_back", "network", "outdated", "taken", "used"]

WINDOW = 15 * 60 * SECOND
"""Microseconds for which a failure counts."""
ATTEMPTS = {"account": 10, "address": 60, "code": 6}
"""How many count at most: of an account, from an address, at the code of the second step."""

Place = tuple[str, int]
"""A key and the number that an attempt took of it."""

_attempt = tables.sign_in_attempt
_LAST = Query(
    select(_attempt.c.number, _attempt.c.at)
    .where(_attempt.c.key == bindparam("key"))
    .order_by(_attempt.c.number.desc())
    .limit(bindparam("most"))
)
_TAKE = Query(insert(_attempt))
_GIVE_BACK = Query(
    delete(_attempt).where(_attempt.c.key == bindparam("key"), _attempt.c.number == bindparam("number"))
)
_FORGET = Query(delete(_attempt).where(_attempt.c.key == bindparam("key")))
_OUTDATED = Query(delete(_attempt).where(_attempt.c.at < bindparam("before")))


def network(address: str) -> str:
    """Return what an address counts as: IPv6 gives one household 2**64 of them."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is None:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


def taken(keys: Mapping[str, str], skew: int) -> Plan[list[Place] | None]:
    """Plan: take a place for one more attempt under each key; None, and nothing is taken, where one is full.

    Parameters
    ----------
    keys
        By the kind of limit, as `ATTEMPTS` names them.
    """
    *found, time = yield [
        *(_LAST(key=key, most=ATTEMPTS[kind]) for kind, key in keys.items()),
        NOW(),
    ]
    now = time[0][0] + skew
    for kind, rows in zip(keys, found, strict=True):
        if len(rows) == ATTEMPTS[kind] and rows[-1][1] > now - WINDOW:
            return Commit(None)
    places = [
        (key, int(rows[0][0]) + 1 if rows else 1) for key, rows in zip(keys.values(), found, strict=True)
    ]
    return Commit(places, [_TAKE(key=key, number=number, at=now) for key, number in places])


def given_back(places: Sequence[Place]) -> list[Call]:
    """Return the writes that make an attempt one that was right."""
    return [_GIVE_BACK(key=key, number=number) for key, number in places]


def forgotten(key: str) -> Call:
    """Return the write that forgets the failures under a key: whoever it is has proved it."""
    return _FORGET(key=key)


def used(secret: str, now: int) -> Call:
    """Return the write that uses something up: of two who use it at the same moment the key refuses one."""
    return _TAKE(key=secret, number=1, at=now)


def outdated(now: int) -> Call:
    """Return the write that forgets what counts no more."""
    return _OUTDATED(before=now - WINDOW)
