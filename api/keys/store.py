"""The public keys of this deployment, past ones included: which one signs, which are believed.

A new key is published before it signs, for longer than anybody may keep a copy of the public keys: whoever
meets its first signature knows it already. Which key signs follows from the database's clock, so that all
servers change at the same moment, and without being told. A key that was retired stays published, so that
what it has signed still verifies. A revoked one is believed no more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import bindparam, insert, select, update

from api.database import tables
from api.database.clock import NOW, now_us
from api.database.plans import Call, Commit, Plan, Query, Rows
from api.keys.ring import Keyring
from api.keys.signing import SigningKey
from api.moments import iso
from api.problems import Problem
from api.sittings.timing import SECOND

__all__ = [
    "BEFORE",
    "BELIEVED",
    "KEPT",
    "believed",
    "hasten",
    "key_set",
    "listed",
    "record",
    "revoke",
    "rotate",
    "signer",
]

KEPT = 300
"""Seconds for which a copy of the public keys may be kept (``Cache-Control`` of JWK set and DID document)."""
BEFORE = 2 * KEPT * SECOND
"""Microseconds for which a new key is published before it signs: twice as long, for copies that were on their
way and clocks that are put right."""

_key = tables.signing_key
_ALL = Query(
    select(_key.c.kid, _key.c.jwk, _key.c.created_at, _key.c.signs_from, _key.c.revoked_at).order_by(
        _key.c.created_at.desc(), _key.c.kid
    )
)
_INSERT = Query(insert(_key))
_HASTEN = Query(update(_key).where(_key.c.kid == bindparam("waiting")).values(signs_from=bindparam("at")))
_REVOKE = Query(update(_key).where(_key.c.kid == bindparam("revoked")).values(revoked_at=bindparam("at")))
BELIEVED = Query(
    select(_key.c.kid, _key.c.signs_from, _key.c.created_at, now_us()).where(_key.c.revoked_at.is_(None))
)
"""What a plan that signs asks: the keys that are believed."""


class _Row(NamedTuple):
    kid: str
    jwk: str
    created_at: int
    signs_from: int
    revoked_at: int | None


def believed(rows: Rows) -> list[str]:
    """Return the answer to `BELIEVED`: the keys' ``kid``, the one that signs first.

    Of those whose time has come it is the newest. Those that still wait come last, the next of them first:
    they sign where no other key is left.
    """
    return [kid for kid, *_ in sorted(rows, key=lambda row: _turn(*row[1:]))]


def _turn(signs_from: int, created_at: int, now: int) -> tuple[bool, int, int]:
    return signs_from > now, abs(now - signs_from), -created_at


def signer(ring: Keyring) -> Plan[SigningKey]:
    """Plan: the key to sign with now."""
    (rows,) = yield [BELIEVED()]
    return Commit(ring.among(believed(rows)))


def _state(row: _Row, signs: str, now: int) -> str:
    if row.revoked_at is not None:
        return "revoked"
    return "signs" if row.kid == signs else "waits" if row.signs_from > now else "retired"


def _read(answer: Rows, now: int) -> tuple[list[_Row], str]:
    """Return the keys, the newest first, and the ``kid`` of the one that signs."""
    rows = [_Row(*row) for row in answer]
    left = [row for row in rows if row.revoked_at is None]
    turns = sorted(left, key=lambda row: _turn(row.signs_from, row.created_at, now))
    return rows, turns[0].kid if turns else ""


def record(jwk: Mapping[str, str]) -> Plan[None]:
    """Plan: keep the public half of the key of ``signing-key.pem``; a new one follows as `rotate` has it."""
    rows, time = yield [_ALL(), NOW()]
    if any(row[0] == jwk["kid"] for row in rows):
        return Commit(None)
    return Commit(None, [_new(jwk, rows, time[0][0], BEFORE if rows else 0)])


def _new(jwk: Mapping[str, str], rows: Rows, now: int, wait: int) -> Call:
    """Return the write after which a key is published, and signs after a time."""
    created = max([now, *(row[2] + 1 for row in rows[:1])])  # the newest, whatever the clock has done
    return _INSERT(
        kid=jwk["kid"], jwk=json.dumps(dict(jwk)), created_at=created, signs_from=now + wait, revoked_at=None
    )


def rotate(jwk: Mapping[str, str], at_once: bool = False) -> Plan[int]:
    """Plan: publish a new key, which signs after `BEFORE`, or at once; the moment from which it does.

    The former ones stay published.

    Raises
    ------
    Problem
        ``conflict`` when a key waits already.
    """
    answer, time = yield [_ALL(), NOW()]
    now, wait = time[0][0], 0 if at_once else BEFORE
    rows, signs = _read(answer, now)
    for row in rows:
        if _state(row, signs, now) == "waits":
            raise Problem(
                "conflict", f"The key '{row.kid}' waits already, and signs from {iso(row.signs_from)}."
            )
    return Commit(now + wait, [_new(jwk, answer, now, wait)])


def hasten(kid: str) -> Plan[int]:
    """Plan: sign at once with a key that waits; the moment from which it signs.

    Raises
    ------
    Problem
        ``conflict`` when it does not wait.
    """
    answer, time = yield [_ALL(), NOW()]
    now = time[0][0]
    rows, signs = _read(answer, now)
    if not any(row.kid == kid and _state(row, signs, now) == "waits" for row in rows):
        raise Problem("conflict", f"The key '{kid}' does not wait any more; 'acquis key list' tells.")
    return Commit(now, [_HASTEN(waiting=kid, at=now)])


def revoke(kid: str, successor: Mapping[str, str] | None) -> Plan[list[str]]:
    """Plan: believe a key no more; `successor` signs at once where it was the one that signs.

    A key that waits goes with the one that signs: it lay in the same folder, and has signed nothing.

    Returns
    -------
    list of str
        What was revoked.

    Raises
    ------
    Problem
        ``not_found``; ``conflict`` when it is revoked already, or signs and has no successor.
    """
    answer, time = yield [_ALL(), NOW()]
    now = time[0][0]
    rows, signs = _read(answer, now)
    states = {row.kid: _state(row, signs, now) for row in rows}
    if kid not in states:
        raise Problem("not_found", f"There is no key '{kid}'; 'acquis key list' names them.")
    if states[kid] == "revoked":
        raise Problem("conflict", f"The key '{kid}' is revoked already.")
    if successor is None and kid == signs:
        raise Problem("conflict", f"The key '{kid}' signs; revoke it with another to follow.")
    gone = [kid]
    if kid == signs:
        gone += [name for name, state in states.items() if state == "waits"]
    writes = [] if successor is None else [_new(successor, answer, now, 0)]
    return Commit(gone, [*writes, *(_REVOKE(revoked=name, at=now) for name in gone)])


def listed() -> Plan[list[dict[str, Any]]]:
    """Plan: every key, the newest first: ``kid``, ``state`` and moments (us).

    A key ``waits``, ``signs``, is ``retired`` or ``revoked``; ``retired_at`` is when the next one came.
    """
    answer, time = yield [_ALL(), NOW()]
    now = time[0][0]
    rows, signs = _read(answer, now)
    began = sorted(row.signs_from for row in rows if row.signs_from <= min(now, row.revoked_at or now))

    def told(row: _Row) -> dict[str, Any]:
        state = _state(row, signs, now)
        after = (moment for moment in began if moment > row.signs_from)
        return {
            "kid": row.kid,
            "state": state,
            "created_at": row.created_at,
            "signs_from": row.signs_from,
            "retired_at": next(after, None) if state == "retired" else None,
            "revoked_at": row.revoked_at,
        }

    return Commit([told(row) for row in rows])


def key_set(every: bool = False) -> Plan[dict[str, Any]]:
    """Plan: the believed public keys as a JWK set (RFC 7517), the newest first.

    Revoked ones are named beside them, in a member that readers of JWK sets ignore (RFC 7517, 5); with
    `every`, for a look at what is stored here, they are among the keys.
    """
    (rows,) = yield [_ALL()]
    gone = [_revoked(row) for row in rows if row[4] is not None]
    keys = [json.loads(row[1]) for row in rows if every or row[4] is None]
    return Commit({"keys": keys, **({"revoked": gone} if gone else {})})


def _revoked(row: Sequence[Any]) -> dict[str, str]:
    jwk = json.loads(row[1])
    return {"kid": row[0], "x": jwk["x"], "revoked_at": iso(row[4])}
