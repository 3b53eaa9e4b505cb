"""Exposure counts in live sittings.

A sitting sees the counts that were newest when it began, pins them by their digest in its ``started``
event, and adds what it used in the transaction that ends it. Counts are stored once under their digest and
never change, so that a replay finds what the sitting saw. New ones are made of a batch of ended sittings,
as large as the simulator's (`cat_engine.counting.batch_size`): what was studied is what runs. Of two
sittings that end at once and would both make them, the unique key lets one through, and the other begins
anew.

Tests without such a rule never come here.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, func, insert, select

from api.catalogue.document import unpack
from api.catalogue.live import LiveTest
from api.catalogue.store import Tests, insert_counts
from api.database import tables
from api.database.plans import Call, Query, Rows
from api.sittings.log import BrokenLog
from cat_engine import session as engine
from cat_engine.counting import batch_size, counts
from cat_engine.selection.exposure import Snapshot, Usage

if TYPE_CHECKING:
    from api.sittings.fold import Sitting

__all__ = ["newest", "seen_by", "used"]

_NEWEST = Query(
    select(tables.exposure_snapshot.c.number, tables.exposure_snapshot.c.digest)
    .where(tables.exposure_snapshot.c.test_id == bindparam("test_id"))
    .order_by(tables.exposure_snapshot.c.number.desc())
    .limit(1)
)
_BODY = Query(
    select(tables.exposure_snapshot.c.body)
    .where(
        tables.exposure_snapshot.c.test_id == bindparam("test_id"),
        tables.exposure_snapshot.c.digest == bindparam("digest"),
    )
    .limit(1)
)
_WAITING = Query(
    select(func.count())
    .select_from(tables.exposure_usage)
    .where(tables.exposure_usage.c.test_id == bindparam("test_id"))
)
_USAGES = Query(
    select(tables.exposure_usage.c.session_id, tables.exposure_usage.c.body)
    .where(tables.exposure_usage.c.test_id == bindparam("test_id"))
    .order_by(tables.exposure_usage.c.session_id)
)
_ADD = Query(insert(tables.exposure_usage))
_COUNTED = Query(
    delete(tables.exposure_usage).where(tables.exposure_usage.c.session_id == bindparam("session_id"))
)


def newest(tests: Tests, test: LiveTest) -> Generator[Sequence[Call], list[Rows], str | None]:
    """Return the digest of the counts that a sitting which begins now sees, from inside a plan.

    None where the test's rule looks at no counts, or where none were stored with it.
    """
    if not counts(test.adaptive):
        return None
    (rows,) = yield [_NEWEST(test_id=test.id)]
    return rows[0][1] if rows else None


def seen_by(
    tests: Tests, test: LiveTest, digest: str | None
) -> Generator[Sequence[Call], list[Rows], Snapshot | None]:
    """Return the counts that `digest` names, from inside a plan.

    Raises
    ------
    BrokenLog
        When they are not stored, or are not what the digest says.
    """
    if digest is None:
        return None
    known = tests.counts.get(digest)
    if known is not None:
        return tests.keep(known, digest)
    (rows,) = yield [_BODY(test_id=test.id, digest=digest)]
    if not rows:
        raise BrokenLog(f"the exposure counts {digest[:12]} that the sitting saw are not stored")
    snapshot = Snapshot.from_json(json.loads(unpack(bytes(rows[0][0]))))
    if snapshot.digest != digest:
        raise BrokenLog(f"the exposure counts {digest[:12]} are not what they were")
    return tests.keep(snapshot, digest)


def used(
    tests: Tests, test: LiveTest, sitting: Sitting, now: int
) -> Generator[Sequence[Call], list[Rows], list[Call]]:
    """Return the writes that count what an ended sitting used, from inside a plan."""
    if sitting.exposure is None:
        return []
    saw = yield from seen_by(tests, test, sitting.exposure)
    usage = engine.usage(test.adaptive_for(sitting.need), sitting.state, saw)
    waiting, newest = yield [_WAITING(test_id=test.id), _NEWEST(test_id=test.id)]
    number, digest = newest[0]
    before = yield from seen_by(tests, test, digest)
    assert before is not None
    if waiting[0][0] + 1 < batch_size(test.adaptive, before):
        return [_ADD(session_id=sitting.id, test_id=test.id, body=_text(usage))]
    (rows,) = yield [_USAGES(test_id=test.id)]
    batch = [*(_usage(body) for _, body in rows), usage]
    after = before.after(batch, test.design.exposure.fading)
    return [
        insert_counts(test.id, number + 1, after, now),
        *(_COUNTED(session_id=session) for session, _ in rows),
    ]


def _text(usage: Usage) -> str:
    content = {"interval": usage.interval, "items": usage.items, "barred": usage.barred}
    return json.dumps(content, separators=(",", ":"))


def _usage(text: str) -> Usage:
    content = json.loads(text)
    return Usage(content["interval"], tuple(content["items"]), tuple(content["barred"]))
