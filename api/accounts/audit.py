"""What staff did: who, what, when, to which identifier. Never a name, an answer or a reason.

An entry is written in the transaction of what it tells; the database refuses to change or delete one.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, insert, select

from api.database import tables
from api.database.clock import NOW
from api.database.plans import Call, Commit, Plan, Query
from api.ids import new_id

__all__ = ["ACTIONS", "audited", "entry", "journal", "note"]

ACTIONS = (
    "account.added",
    "account.reset",
    "account.roles",
    "account.removed",
    "password.chosen",
    "second_step.on",
    "second_step.off",
    "signed_in",
    "signed_out",
    "invited",
    "invitation.cancelled",
    "invitation.renewed",
    "results.exported",
    "result.downloaded",
    "contest.noted",
    "contest.kept",
    "contest.revoked",
    "interruption.decided",
    "sitting.ended",
    "client.added",
    "client.renewed",
    "client.disabled",
    "webhook.added",
    "webhook.renewed",
    "webhook.removed",
    "webhook.sent_again",
)
"""Every action there is."""

_audit = tables.audit
_INSERT = Query(insert(_audit))
_JOURNAL = Query(
    select(_audit.c.id, _audit.c.at, tables.staff.c.name, _audit.c.action, _audit.c.subject)
    .outerjoin(tables.staff, tables.staff.c.id == _audit.c.staff_id)
    .where(_audit.c.organisation_id == bindparam("organisation"), _audit.c.id < bindparam("before"))
    .order_by(_audit.c.id.desc())
    .limit(bindparam("most"))
)


def entry(organisation: str, staff: str | None, action: str, subject: str, now: int) -> Call:
    """Return the write that tells of an action; `staff` is None for the command line."""
    if action not in ACTIONS:
        raise ValueError(f"expected one of {', '.join(ACTIONS)}, got '{action}'")
    return _INSERT(
        id=new_id(), organisation_id=organisation, staff_id=staff, action=action, subject=subject, at=now
    )


def audited(
    organisation: str, staff: str, action: str, subject: str | None, plan: Any, /, *with_: Any
) -> Plan[Any]:
    """Plan: what `plan` does, and an entry that says so, in one transaction.

    There is no entry where `plan` writes nothing. Without a `subject` it is what the plan made.
    """
    (time,) = yield [NOW()]
    commit: Commit[Any] = yield from plan(*with_)
    if not commit.writes:
        return commit
    about = commit.value if subject is None else subject
    return Commit(commit.value, [*commit.writes, entry(organisation, staff, action, about, time[0][0])])


def note(organisation: str, staff: str, action: str, subject: str) -> Plan[None]:
    """Plan: an entry about something that was only read."""
    (time,) = yield [NOW()]
    return Commit(None, [entry(organisation, staff, action, subject, time[0][0])])


def journal(organisation: str, before: str = "~", limit: int = 100) -> Plan[list[dict[str, Any]]]:
    """Plan: entries of an organisation, the latest first; `before` is the last one that was seen."""
    (rows,) = yield [_JOURNAL(organisation=organisation, before=before, most=limit)]
    names = ("id", "at", "by", "action", "subject")
    return Commit([dict(zip(names, row, strict=True)) for row in rows])
