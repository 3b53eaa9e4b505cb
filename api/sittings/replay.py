"""Replay: fold a stored log again and compare every choice and the score with what is stored.

What is checked, in this order: that the log is all that a receipt was given for, where there is one; the hash
chain; that each row's columns say what its hashed body says; that every item served is the one that the
engine chooses, given the exposure counts that the sitting saw; that every response earns its category; that
the sitting ended for its reason; that the score is the same to the last bit of its integers of record; that
the result's claims follow from the log, carry its head hash and are signed by a key of this deployment; that
they are kept for the person of the sitting, the newest as the current one.

Where a solver assembled a shadow test, the assembled set is part of the log. The replay asks that a whole
test can be made of that set alone, and that the engine, given no other items, chooses what was served.

Of a person who was erased the need and the extra time are gone. What hangs on them is not computed again:
which items were chosen, and why the sitting ended. The hash chain, the categories and the score are.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import bindparam, exists, or_, select

from api.catalogue.live import LiveTest
from api.catalogue.store import Tests, with_test
from api.database import tables
from api.database.plans import Call, Commit, Plan, Query, Rows
from api.keys.signing import BadSignature, UnknownKey, public_keys
from api.keys.store import key_set
from api.moments import from_iso
from api.problems import Problem
from api.results.claims import Person, claims
from api.results.credential import check, pack, parse
from api.results.issue import encoded
from api.sittings.exposure import seen_by
from api.sittings.fold import FINISHED, Sitting, fold
from api.sittings.log import BrokenLog, Event, Log
from api.sittings.receipt import Receipt
from api.sittings.responses import category
from api.sittings.turn import outcome
from cat_engine import session as engine
from cat_engine.errors import InputError
from cat_engine.selection.exposure import Snapshot

__all__ = ["Replay", "finished_sittings", "replay"]

_ROWS = Query(
    select(
        tables.event.c.seq,
        tables.event.c.body,
        tables.event.c.hash,
        tables.event.c.kind,
        tables.event.c.position,
        tables.event.c.idempotency_key,
    )
    .where(tables.event.c.session_id == bindparam("session_id"))
    .order_by(tables.event.c.seq)
)
_RESULTS = Query(
    select(
        tables.result.c.id,
        tables.result.c.version,
        tables.result.c.document,
        tables.result.c.jws,
        tables.result.c.current,
        tables.result.c.organisation_id,
        tables.result.c.person_id,
    )
    .where(tables.result.c.session_id == bindparam("session_id"))
    .order_by(tables.result.c.version)
)
_SESSION = Query(
    select(
        tables.session.c.status,
        tables.session.c.test_id,
        tables.session.c.organisation_id,
        tables.session.c.person_id,
    ).where(tables.session.c.id == bindparam("session_id"))
)
_FINISHED = Query(
    select(tables.session.c.id)
    .where(
        or_(
            tables.session.c.status == FINISHED,
            exists().where(tables.result.c.session_id == tables.session.c.id),
        )
    )
    .order_by(tables.session.c.id)
)
_NEUTRALISATION = Query(
    select(tables.neutralisation.c.test_code, tables.neutralisation.c.item).where(
        tables.neutralisation.c.id == bindparam("id")
    )
)
_SAYS_WHY = ("reason", "by", "why", "salt", "neutralisation", "item")


@dataclass(slots=True)
class Replay:
    """What a replay found.

    Attributes
    ----------
    differences
        One sentence for each thing that is not as it should be; empty when the sitting holds.
    theta, se
        The recomputed score in millionths; None while the sitting goes on.
    erased
        Whether the person was erased, so that the choice of items and the end cannot be computed again.
    """

    session: str
    events: int = 0
    items: int = 0
    head: str = ""
    finished: bool = False
    theta: int | None = None
    se: int | None = None
    results: int = 0
    erased: bool = False
    differences: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing differs."""
        return not self.differences


def finished_sittings() -> Plan[list[str]]:
    """Plan: the ids of all finished sittings, and of any other that has a result."""
    (rows,) = yield [_FINISHED()]
    return Commit([row[0] for row in rows])


def replay(tests: Tests, session: str, receipt: Receipt | None = None) -> Plan[Replay]:
    """Plan: replay one sitting.

    Parameters
    ----------
    receipt
        Of the sitting, for its log to be held against.

    Raises
    ------
    InputError
        When there is no such sitting.
    """
    queries = (_ROWS, _RESULTS, _SESSION)
    rows, results, about = yield [query(session_id=session) for query in queries]
    if not rows:
        raise InputError(f"expected the identifier of a stored sitting, got '{session}', which is none")
    found = Replay(session, results=len(results))
    if receipt is not None:
        _check_receipt(receipt, rows, found)
    try:
        events = Log(session).read([(row[0], row[1], bytes(row[2])) for row in rows])
    except BrokenLog as error:
        found.differences.append(str(error))
        return Commit(found)
    found.erased = events[-1].kind == "erased"
    for row, event in zip(rows, events, strict=True):
        if (row[3], row[4], row[5]) != (event.kind, event.position, event.key):
            found.differences.append(f"event {event.seq}: its columns do not say what its body says")
    try:
        test = yield from with_test(tests, events[0].data["test"])
    except Problem as error:
        raise InputError(f"the test of sitting {session} is not in this database") from error
    folded = yield from _folded(tests, test, events, found)
    if folded is not None:
        last, ended = folded
        keys = (yield from key_set(every=True)).value
        section = "section" in events[0].data  # of another test player, which makes its own result
        _check_results(test, ended, results, keys, section, found)
        _check_rows(last, about[0], results, found)
    return Commit(found)


def _check_receipt(receipt: Receipt, rows: Sequence[Any], found: Replay) -> None:
    """Compare how far the log came once with what it is."""
    if receipt.seq > len(rows):
        found.differences.append(
            f"the log ends at event {len(rows)}, and a receipt was given for event {receipt.seq}: "
            "what came after is lost"
        )
    elif not receipt.fits(bytes(rows[receipt.seq - 1][2])):
        found.differences.append(f"event {receipt.seq} is another one than the receipt was given for")


def _folded(
    tests: Tests, test: LiveTest, events: Sequence[Event], found: Replay
) -> Generator[Sequence[Call], list[Rows], tuple[Sitting, list[Sitting]] | None]:
    """Return the sitting, and as each version of its result has it; None where the log cannot be folded."""
    sitting: Sitting | None = None
    counts: Snapshot | None = None
    ended: list[Sitting] = []
    heard = 0
    for event in events:
        try:
            if sitting is None:
                counts = yield from seen_by(tests, test, event.data.get("exposure"))
            else:
                _compare(test, sitting, counts, event, heard, found)
            if event.kind == "rescored":
                yield from _compare_reason(test, event, found)
            sitting = fold(test, [event], sitting)
        except (BrokenLog, InputError, KeyError, TypeError) as error:
            found.differences.append(f"event {event.seq}: {error}")
            return None
        if event.data.get("category") != "not_reached":  # which closes the sitting, in the same moment
            heard = event.at
        if event.kind in ("finished", "rescored"):
            ended.append(sitting)
        found.events, found.head = event.seq, event.hash.hex()
    assert sitting is not None
    found.items, found.finished = sitting.position, sitting.phase == FINISHED
    return sitting, ended


def _compare(
    test: LiveTest, sitting: Sitting, counts: Snapshot | None, event: Event, heard: int, found: Replay
) -> None:
    data = event.data
    match event.kind:
        case "item_served" if data.get("by") != "client" and not found.erased:  # a player's choice is its own
            chosen = _chosen(test, sitting, counts, data.get("assembled"))
            if chosen != (data["item"], data["criterion"]):
                found.differences.append(
                    f"event {event.seq}: item '{data['item']}' (criterion {data['criterion']}) was served, "
                    f"the engine chooses {chosen[0]!r} (criterion {chosen[1]})"
                )
        case "answered" if data["response"] is not None and sitting.pending is not None:
            language = data.get("language", sitting.language)
            try:
                earned = category(test, sitting.pending.item, data["response"], language)
            except Problem as problem:
                earned = problem.code
            if earned != data["category"]:
                found.differences.append(
                    f"event {event.seq}: category {data['category']} is stored, the response earns {earned}"
                )
        case "finished":
            _compare_end(test, sitting, counts, event, heard, found)
        case "rescored" if sitting.finished is not None:
            _compare_outcome(test, fold(test, [event], sitting), sitting.finished["reason"], event, found)


def _compare_reason(
    test: LiveTest, event: Event, found: Replay
) -> Generator[Sequence[Call], list[Rows], None]:
    """Compare what an event says it was rescored for with what two people decided."""
    (rows,) = yield [_NEUTRALISATION(id=event.data["neutralisation"])]
    if rows != [(test.code, event.data["item"])]:
        found.differences.append(f"event {event.seq}: nobody has neutralised item '{event.data['item']}'")


def _chosen(
    test: LiveTest, sitting: Sitting, counts: Snapshot | None, assembled: Sequence[int] | None
) -> tuple[str, int | None]:
    """Return the engine's choice and its criterion; from the assembled set alone, where there is one."""
    adaptive, state = test.adaptive_for(sitting.need), sitting.state
    if assembled is not None:
        closed = frozenset(range(len(test.items))) - frozenset(assembled)
        again = engine.start(adaptive, state.seed, replace(state.first, seen=state.first.seen | closed))
        for item, given in zip(state.items, state.categories, strict=True):
            again = engine.served(adaptive, again, item)
            if given in engine.MISSING or given >= 0:
                again = engine.answered(adaptive, again, item, given)
            else:
                again = engine.set_aside(adaptive, again, item)
        state = again
    step = engine.next_item(adaptive, state, counts)
    if isinstance(step, engine.Stop):
        return f"the end ({step.reason})", None
    return adaptive.pool.ids[step.item], step.criterion


def _compare_end(
    test: LiveTest, sitting: Sitting, counts: Snapshot | None, event: Event, heard: int, found: Replay
) -> None:
    reason = event.data["reason"]
    _compare_outcome(test, sitting, reason, event, found)
    if found.erased:
        return
    adaptive = test.adaptive_for(sitting.need)
    step = engine.next_item(adaptive, sitting.state, counts) if sitting.pending is None else None
    if reason == "time":
        sound = sitting.clock.up(event.at)
    elif reason == "abandoned":
        sound = sitting.clock.abandoned(heard, event.at)
    elif reason == "ended":
        sound = True
    else:
        sound = isinstance(step, engine.Stop) and step.reason == reason
    if not sound:
        found.differences.append(f"event {event.seq}: the sitting did not end for the reason '{reason}'")


def _compare_outcome(test: LiveTest, sitting: Sitting, reason: str, event: Event, found: Replay) -> None:
    again = outcome(test, sitting, reason)
    found.theta, found.se = again["record"]["theta"], again["record"]["se"]
    data = {name: value for name, value in event.data.items() if name not in _SAYS_WHY}
    for name in sorted(set(again) | set(data)):
        if again.get(name) != data.get(name):
            found.differences.append(
                f"event {event.seq}: {name} is stored as {data.get(name)}, the log gives {again.get(name)}"
            )


def _check_rows(sitting: Sitting, about: tuple[Any, ...], results: Sequence[Any], found: Replay) -> None:
    """Compare what stands beside the log, for lists, with the log and the results with one another."""
    status, test, organisation, person = about
    if (test, status) != (sitting.test, sitting.phase):
        found.differences.append("the row of the sitting does not say what its log says")
    if any(row[5:] != (organisation, person) for row in results):
        found.differences.append("a result is kept for another person or organisation than its sitting")
    if [row[4] for row in results] != [0] * (len(results) - 1) + [1] * bool(results):
        found.differences.append("the newest version of the result is not the current one")


def _check_results(
    test: LiveTest, ended: list[Sitting], results: Sequence[Any], keys: Any, section: bool, found: Replay
) -> None:
    if len(results) != len(ended) and not section:
        found.differences.append(
            "the sitting is finished and has no result"
            if not results
            else f"the log has {len(ended)} outcomes, stored are {len(results)} results"
        )
        return
    former: str | None = None
    for (id, version, document, jws, _, _, person), sitting in zip(results, ended, strict=False):
        supersedes, former = former, id
        if found.erased != (document is None):
            found.differences.append(
                f"result version {version} and the log disagree on whether it was erased"
            )
        if document is None:
            continue
        stored = json.loads(document)
        if stored["person"]["id"] != person:
            found.differences.append(f"result version {version} is signed for another person")
        again = claims(
            stored["id"],
            version,
            stored["issuer"],
            from_iso(stored["issued_at"]),
            Person(**stored["person"]),
            test,
            sitting,
            supersedes,
        )
        if encoded(again) != document:
            found.differences.append(f"result version {version} does not say what follows from the log")
        try:
            check(parse(pack(document, jws)), public_keys(keys))
        except (BadSignature, UnknownKey, InputError) as error:
            found.differences.append(f"result version {version}: {error}")
