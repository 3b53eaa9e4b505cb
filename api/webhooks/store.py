"""Registered addresses, their secrets' numbers, and what is still to be delivered to them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, case, func, insert, null, select, update

from api.database import tables
from api.database.clock import NOW, now_us
from api.database.plans import Commit, Plan, Query
from api.ids import new_id
from api.problems import Problem

__all__ = [
    "MOST",
    "Due",
    "Secrets",
    "dead_letters",
    "due",
    "fan_out",
    "register",
    "registered",
    "remove",
    "renew_secret",
    "send_again",
    "settled",
]

MOST = 10
"""Addresses of one organisation at most."""
RENEWALS = 1000
"""Secrets of one address at most."""

_hook, _delivery, _outbox = tables.webhook, tables.delivery, tables.outbox

_OF = Query(
    select(
        _hook.c.id,
        _hook.c.url,
        _hook.c.created_at,
        func.coalesce(func.sum(case((_delivery.c.next_at.is_not(None), 1), else_=0)), 0),
        func.coalesce(func.sum(case((_delivery.c.dead_at.is_not(None), 1), else_=0)), 0),
    )
    .outerjoin(_delivery, _delivery.c.webhook_id == _hook.c.id)
    .where(_hook.c.organisation_id == bindparam("organisation_id"), _hook.c.disabled_at.is_(None))
    .group_by(_hook.c.id, _hook.c.url, _hook.c.created_at)
    .order_by(_hook.c.id)
)
_INSERT = Query(insert(_hook))
_REMOVE = Query(
    update(_hook)
    .where(_hook.c.id == bindparam("hook"), _hook.c.organisation_id == bindparam("organisation"))
    .values(disabled_at=bindparam("at"))
)
_SECRETS = Query(
    select(_hook.c.url, _hook.c.former_until, now_us()).where(
        _hook.c.id == bindparam("hook"),
        _hook.c.organisation_id == bindparam("organisation"),
        _hook.c.disabled_at.is_(None),
    )
)
_RENEW = Query(
    update(_hook)
    .where(_hook.c.id == bindparam("hook"), _hook.c.former_until == bindparam("seen"))
    .values(former_until=bindparam("until"))
)
_WAITING = Query(
    select(_outbox.c.id, _outbox.c.body)
    .where(_outbox.c.sent_at.is_(None))
    .order_by(_outbox.c.id)
    .limit(bindparam("most"))
)
_HOOKS = Query(
    select(_hook.c.id)
    .join(tables.result, tables.result.c.organisation_id == _hook.c.organisation_id)
    .where(tables.result.c.id == bindparam("result_id"), _hook.c.disabled_at.is_(None))
)
_ADD = Query(insert(_delivery))
_TAKEN = Query(update(_outbox).where(_outbox.c.id == bindparam("row")).values(sent_at=bindparam("at")))
_COLUMNS = (
    _delivery.c.outbox_id,
    _delivery.c.webhook_id,
    _delivery.c.attempts,
    _hook.c.organisation_id,
    _hook.c.url,
    _outbox.c.topic,
    _outbox.c.body,
    _outbox.c.created_at,
    _hook.c.former_until,
    now_us(),
)
_JOINED = _delivery.join(_hook, _hook.c.id == _delivery.c.webhook_id).join(
    _outbox, _outbox.c.id == _delivery.c.outbox_id
)
_DUE = Query(
    select(*_COLUMNS)
    .select_from(_JOINED)
    .where(_delivery.c.next_at.is_not(None), _delivery.c.next_at <= now_us(), _hook.c.disabled_at.is_(None))
    .order_by(_delivery.c.next_at)
    .limit(bindparam("most"))
)
_DEAD = Query(
    select(*_COLUMNS, _delivery.c.dead_at, _delivery.c.told)
    .select_from(_JOINED)
    .where(_delivery.c.dead_at.is_not(None))
    .order_by(_delivery.c.dead_at)
)
_THIS = (_delivery.c.outbox_id == bindparam("row"), _delivery.c.webhook_id == bindparam("hook"))
_SETTLE = Query(
    update(_delivery)
    .where(*_THIS)
    .values(
        attempts=_delivery.c.attempts + 1,
        next_at=bindparam("next"),
        delivered_at=bindparam("delivered"),
        dead_at=bindparam("dead"),
        told=bindparam("said"),
    )
)
_AGAIN = Query(
    update(_delivery)
    .where(_delivery.c.webhook_id == bindparam("hook"), _delivery.c.dead_at.is_not(None))
    .values(attempts=0, dead_at=null(), next_at=bindparam("at"))
)


@dataclass(frozen=True, slots=True)
class Secrets:
    """Until when each former secret of an address signs, too (us); the one after them is in force.

    Secrets are derived from their number, which counts from 0; none is stored.
    """

    former_until: tuple[int, ...]

    @staticmethod
    def read(stored: str) -> Secrets:
        """Return them from what is stored."""
        return Secrets(tuple(json.loads(stored)))

    def text(self) -> str:
        """Return what is stored of them."""
        return json.dumps(self.former_until)

    @property
    def newest(self) -> int:
        """The number of the one that is in force."""
        return len(self.former_until)

    def signing(self, now: int) -> list[int]:
        """Return the numbers of those that sign at a moment, the newest first."""
        former = [number for number, until in enumerate(self.former_until) if until > now]
        return [self.newest, *reversed(former)]

    def renewed(self, now: int, overlap: int) -> Secrets:
        """Return them with a new one, beside which those that sign go on for `overlap` at most."""
        until = now + overlap
        return Secrets((*(min(former, until) for former in self.former_until), until))


@dataclass(frozen=True, slots=True)
class Due:
    """A message that should be sent to an address now."""

    outbox: str
    webhook: str
    attempts: int
    organisation: str
    url: str
    topic: str
    body: str
    created_at: int
    former_until: str
    now: int
    """When it was looked up, by the database's clock: receivers refuse what a wrong one has dated."""

    @property
    def result(self) -> str:
        """Identifier of the result that it is about."""
        return str(json.loads(self.body)["result"])

    @property
    def secrets(self) -> list[int]:
        """Numbers of the secrets that sign it, the newest first."""
        return Secrets.read(self.former_until).signing(self.now)


def register(organisation: str, url: str) -> Plan[str]:
    """Plan: tell `url` of an organisation's results from now on; its identifier.

    Raises
    ------
    Problem
        ``conflict`` for an address that is registered already, or one too many.
    """
    rows, time = yield [_OF(organisation_id=organisation), NOW()]
    if any(row[1] == url for row in rows) or len(rows) >= MOST:
        raise Problem("conflict", f"This address is registered already, or {MOST} others are.")
    id = new_id()
    row = _INSERT(
        id=id,
        organisation_id=organisation,
        url=url,
        created_at=time[0][0],
        disabled_at=None,
        former_until=Secrets(()).text(),
    )
    return Commit(id, [row])


def registered(organisation: str) -> Plan[list[dict[str, Any]]]:
    """Plan: an organisation's addresses, and how much waits or was given up."""
    (rows,) = yield [_OF(organisation_id=organisation)]
    names = ("id", "url", "created_at", "waiting", "dead")
    return Commit([dict(zip(names, row, strict=True)) for row in rows])


def remove(organisation: str, id: str) -> Plan[None]:
    """Plan: tell an address nothing more.

    Raises
    ------
    Problem
        ``not_found``
    """
    rows, time = yield [_OF(organisation_id=organisation), NOW()]
    if not any(row[0] == id for row in rows):
        raise Problem("not_found", "There is no such address.")
    return Commit(None, [_REMOVE(hook=id, organisation=organisation, at=time[0][0])])


def renew_secret(organisation: str, id: str, overlap: int) -> Plan[tuple[str, int, int]]:
    """Plan: sign with a new secret, and for a while with the former ones, too.

    Parameters
    ----------
    overlap
        Microseconds for which they go on.

    Returns
    -------
    tuple
        The address, the number of the new secret, and until when the former ones sign.

    Raises
    ------
    Problem
        ``not_found``; ``conflict`` after `RENEWALS` of them.
    """
    (rows,) = yield [_SECRETS(hook=id, organisation=organisation)]
    if not rows:
        raise Problem("not_found", "There is no such address.")
    url, seen, now = rows[0]
    secrets = Secrets.read(seen)
    if secrets.newest >= RENEWALS:
        raise Problem("conflict", f"This address has had {RENEWALS} secrets; register it anew.")
    new = secrets.renewed(now, overlap)
    return Commit((url, new.newest, now + overlap), [_RENEW(hook=id, seen=seen, until=new.text())])


def fan_out(most: int = 100) -> Plan[int]:
    """Plan: make a delivery of each new row of the outbox for each address of its organisation."""
    rows, time = yield [_WAITING(most=most), NOW()]
    if not rows:
        return Commit(0)
    hooks = yield [_HOOKS(result_id=json.loads(body)["result"]) for _, body in rows]
    now = time[0][0]
    writes = []
    for (row, _), found in zip(rows, hooks, strict=True):
        writes.append(_TAKEN(row=row, at=now))
        for (hook,) in found:
            writes.append(
                _ADD(
                    outbox_id=row,
                    webhook_id=hook,
                    attempts=0,
                    next_at=now,
                    delivered_at=None,
                    dead_at=None,
                    told="",
                )
            )
    return Commit(len(rows), writes)


def due(most: int) -> Plan[list[Due]]:
    """Plan: what should be sent now, the longest due first."""
    (rows,) = yield [_DUE(most=most)]
    return Commit([Due(*row) for row in rows])


def settled(one: Due, accepted: bool, said: str, wait: int | None) -> Plan[None]:
    """Plan: note how an attempt went.

    Parameters
    ----------
    wait
        Microseconds until the next attempt; None: no more.
    """
    (time,) = yield [NOW()]
    now = time[0][0]
    over = accepted or wait is None
    write = _SETTLE(
        row=one.outbox,
        hook=one.webhook,
        next=None if over else now + (wait or 0),
        delivered=now if accepted else None,
        dead=now if over and not accepted else None,
        said=said[:200],
    )
    return Commit(None, [write])


def dead_letters() -> Plan[list[dict[str, Any]]]:
    """Plan: what was given up, and why."""
    (rows,) = yield [_DEAD()]
    return Commit([_dead(row) for row in rows])


def _dead(row: Sequence[Any]) -> dict[str, Any]:
    one = Due(*row[:-2])
    return {
        "message": one.outbox,
        "webhook": one.webhook,
        "organisation": one.organisation,
        "url": one.url,
        "type": one.topic,
        "result": one.result,
        "attempts": one.attempts,
        "dead_at": row[-2],
        "told": row[-1],
    }


def send_again(webhook: str, organisation: str | None = None) -> Plan[int]:
    """Plan: put everything that was given up for an address back into the queue; how much it is.

    Raises
    ------
    Problem
        ``not_found`` where nothing was, also for an address of another organisation than the one named.
    """
    rows, time = yield [_DEAD(), NOW()]
    count = sum(row[1] == webhook and organisation in (None, row[3]) for row in rows)
    if organisation is not None and not count:
        raise Problem("not_found", "Nothing was given up for such an address.")
    return Commit(count, [_AGAIN(hook=webhook, at=time[0][0])])
