"""Taking an item out of everybody's score: what two people have decided in the bank, applied to a test.

The decision is the bank's (`item_bank.publication`: one person asks, another agrees, both in its log). Here
it reaches the tests that hold the item: sittings that begin later are never served it, and every sitting that
met it gets a new version of its result (`api.sittings.rescoring`, in the background).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, func, insert, select

from api.catalogue.document import unpack
from api.catalogue.live import live
from api.database import tables
from api.database.clock import NOW
from api.database.plans import Commit, Plan, Query
from api.ids import new_id
from api.problems import Problem
from cat_engine import session as engine
from cat_engine.errors import InputError
from item_bank.log import Event

__all__ = ["neutralise"]

_TESTS = Query(
    select(tables.test.c.id, tables.test.c.version, tables.test.c.document)
    .where(tables.test.c.code == bindparam("code"))
    .order_by(tables.test.c.version)
)
_KNOWN = Query(
    select(tables.neutralisation.c.item).where(tables.neutralisation.c.test_code == bindparam("code"))
)
_BEGUN = Query(
    select(func.count()).select_from(tables.session).where(tables.session.c.test_id == bindparam("test_id"))
)
_INSERT = Query(insert(tables.neutralisation))


def neutralise(code: str, decided: Sequence[Event]) -> Plan[list[dict[str, Any]]]:
    """Plan: take the items of `decided` out of the test with `code`, those that it holds.

    Parameters
    ----------
    decided
        Events ``neutralised`` of a bank's log.

    Raises
    ------
    Problem
        ``not_found`` when there is no such test or it holds none of the items; ``conflict`` when the newest
        version could not make a whole test without them: publish one without the items first.
    """
    versions, known, time = yield [_TESTS(code=code), _KNOWN(code=code), NOW()]
    if not versions:
        raise Problem("not_found", f"There is no test '{code}'; 'acquis test list' names them.")
    begun = yield [_BEGUN(test_id=id) for id, _, _ in versions]
    ready = [live(id, code, version, unpack(bytes(stored))) for id, version, stored in versions]
    held = [event for event in decided if any(event.facts["item"] in test.index for test in ready)]
    if not held:
        raise Problem("not_found", f"No version of '{code}' holds an item that the bank has neutralised.")
    before = {item for (item,) in known}
    newest = ready[-1]
    closed = {item for item in before | {event.facts["item"] for event in held} if item in newest.index}
    try:
        first = engine.First(seen=frozenset(newest.index[item] for item in closed))
        for adaptive in map(newest.adaptive_for, newest.needs):
            engine.start(adaptive, b"\0" * 16, first)
    except InputError as error:
        raise Problem("conflict", f"Publish another version of the test first: {error}.") from error
    found, writes = [], []
    for event in held:
        item = event.facts["item"]
        sittings = sum(n[0][0] for n, test in zip(begun, ready, strict=True) if item in test.index)
        found.append({"item": item, "new": item not in before, "sittings": sittings})
        if item not in before:
            writes.append(
                _INSERT(
                    id=new_id(),
                    test_code=code,
                    item=item,
                    why=event.facts["why"],
                    requested_by=event.facts["requested_by"],
                    approved_by=event.by,
                    evidence=event.hash,
                    made_at=time[0][0],
                    done_at=None,
                )
            )
    return Commit(found, writes)
