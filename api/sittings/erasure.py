"""What becomes of a sitting's log when its person is erased.

`cut`: the personal parts (`api.sittings.log.PERSONAL`) go from the events and ``erased`` is appended, which
ends the sitting, shuts out its browser and binds what is left. The answers stay, of nobody who is named.
`deleted`: the sitting goes with its answers.

Nothing is locked. A request that changes the sitting meanwhile meets the number of ``erased``, or a sitting
that is not there; an invitation cannot go while a sitting is its own. Then one of the two begins anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, delete, insert, null, select, update

from api.database import tables
from api.database.plans import Call, Query
from api.ids import digest
from api.sittings.fold import FINISHED
from api.sittings.log import Log, impersonal

__all__ = ["LOG", "cut", "deleted"]

LOG = Query(
    select(tables.event.c.seq, tables.event.c.body, tables.event.c.hash)
    .where(tables.event.c.session_id == bindparam("session_id"))
    .order_by(tables.event.c.seq)
)
_CUT = Query(
    update(tables.event)
    .where(tables.event.c.session_id == bindparam("session"), tables.event.c.seq == bindparam("n"))
    .values(body=bindparam("left"))
)
_APPEND = Query(insert(tables.event))
_OVER = Query(
    update(tables.session)
    .where(tables.session.c.id == bindparam("session"))
    .values(status=FINISHED, changed_at=bindparam("at"), due_at=null(), invitation_id=null())
)
_DELETE = (
    Query(delete(tables.event).where(tables.event.c.session_id == bindparam("session"))),
    Query(delete(tables.exposure_usage).where(tables.exposure_usage.c.session_id == bindparam("session"))),
    Query(delete(tables.rescored).where(tables.rescored.c.session_id == bindparam("session"))),
    Query(
        update(tables.result)
        .where(tables.result.c.session_id == bindparam("session"))
        .values(session_id=null())
    ),
    Query(delete(tables.session).where(tables.session.c.id == bindparam("session"))),
)


def cut(session: str, rows: Sequence[tuple[int, str, bytes]], now: int) -> list[Call]:
    """Return the writes that erase the person from the log of a sitting.

    Parameters
    ----------
    rows
        The log, as `LOG` reads it.

    Raises
    ------
    api.sittings.log.BrokenLog
        When the log does not hold: what it says cannot be told from what was put in.
    """
    log = Log(session)
    events = log.read([(seq, body, bytes(stored)) for seq, body, stored in rows])
    if events[-1].kind == "erased":
        return []
    left = {event.seq: body for event in events if (body := impersonal(event)) is not None}
    last = log.append("erased", now, {"bodies": {str(seq): digest(body) for seq, body in left.items()}})
    row: dict[str, Any] = {
        "session_id": session,
        "seq": last.seq,
        "kind": last.kind,
        "position": None,
        "idempotency_key": None,
        "body": last.body,
        "hash": last.hash,
    }
    return [
        _APPEND(**row),
        *(_CUT(session=session, n=seq, left=body) for seq, body in left.items()),
        _OVER(session=session, at=last.at),
    ]


def deleted(session: str) -> list[Call]:
    """Return the writes that delete a sitting with its answers; what its results leave names it no more."""
    return [query(session=session) for query in _DELETE]
