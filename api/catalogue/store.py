"""Published tests in the database, and those in use in memory."""

from __future__ import annotations

import contextlib
import json
from collections import OrderedDict
from collections.abc import Generator, Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import bindparam, func, insert, select

from api.catalogue.document import content_hash, from_bytes, pack, to_bytes, unpack
from api.catalogue.live import LiveTest, live, rehearse
from api.database import tables
from api.database.plans import Call, Commit, Plan, Query, Rows
from api.ids import new_id
from api.problems import Problem
from cat_engine.design import Design
from cat_engine.selection.exposure import Snapshot

__all__ = [
    "BLOB",
    "Stored",
    "Tests",
    "get_ready",
    "insert_counts",
    "latest",
    "load",
    "newest",
    "newest_versions",
    "offered_for",
    "publish",
    "published",
    "unready",
    "with_test",
]

_TEST = Query(
    select(tables.test.c.code, tables.test.c.version, tables.test.c.document).where(
        tables.test.c.id == bindparam("id")
    )
)
_BY_HASH = Query(select(tables.test.c.id).where(tables.test.c.content_hash == bindparam("content_hash")))
_NEWEST = Query(
    select(tables.test.c.id, tables.test.c.version)
    .where(tables.test.c.code == bindparam("code"))
    .order_by(tables.test.c.version.desc())
    .limit(1)
)
_OTHER = tables.test.alias()
_ALL_NEWEST = Query(
    select(tables.test.c.id).where(
        tables.test.c.version
        == select(func.max(_OTHER.c.version)).where(_OTHER.c.code == tables.test.c.code).scalar_subquery()
    )
)
_INSERT = Query(insert(tables.test))
_HAS_BLOB = Query(select(tables.blob.c.sha256).where(tables.blob.c.sha256 == bindparam("sha256")))
BLOB = Query(
    select(tables.blob.c.media_type, tables.blob.c.body).where(tables.blob.c.sha256 == bindparam("sha256"))
)
_INSERT_BLOB = Query(insert(tables.blob))
_INSERT_COUNTS = Query(insert(tables.exposure_snapshot))
_SITTINGS = select(func.count()).where(tables.session.c.test_id == tables.test.c.id).scalar_subquery()
_ALL = Query(
    select(
        tables.test.c.id,
        tables.test.c.code,
        tables.test.c.version,
        tables.test.c.content_hash,
        tables.test.c.demonstration,
        tables.test.c.published_at,
        _SITTINGS,
    ).order_by(tables.test.c.code, tables.test.c.version)
)

_SNAPSHOTS = 100

Stored = tuple[str, str, int, bytes]
"""Id, code, version and document of a published test."""


class Tests:
    """The tests that this process has made ready, by id, and exposure counts in use, by their digest.

    Attributes
    ----------
    counts
        What a digest names never changes; the least recently used is forgotten first.
    unfit
        Ids of tests that this version of the program cannot read.
    """

    def __init__(self) -> None:
        self.unfit: set[str] = set()
        self._ready: dict[str, LiveTest] = {}
        self.counts: OrderedDict[str, Snapshot] = OrderedDict()

    def get(self, id: str) -> LiveTest | None:
        """Return the test called `id` when it is ready."""
        return self._ready.get(id)

    def add(self, test: LiveTest) -> LiveTest:
        """Keep `test`."""
        return self._ready.setdefault(test.id, test)

    def keep(self, snapshot: Snapshot, digest: str) -> Snapshot:
        """Keep exposure counts that sittings see."""
        self.counts[digest] = snapshot
        self.counts.move_to_end(digest)
        if len(self.counts) > _SNAPSHOTS:
            self.counts.popitem(last=False)
        return snapshot


def with_test(tests: Tests, id: str) -> Generator[Sequence[Call], list[Rows], LiveTest]:
    """Return the test called `id` from inside a plan (``test = yield from with_test(...)``)."""
    ready = tests.get(id)
    if ready is not None:
        return ready
    (rows,) = yield [_TEST(id=id)]
    if not rows:
        raise Problem("not_found", "There is no such test.")
    ready = tests.get(id)  # many come at once for a new test: the first has made it ready for all
    if ready is not None:
        return ready
    code, version, stored = rows[0]
    return tests.add(live(id, code, version, unpack(bytes(stored))))


def load(tests: Tests, id: str) -> Plan[LiveTest]:
    """Plan: make the test called `id` ready."""
    return Commit((yield from with_test(tests, id)))


def newest(tests: Tests) -> Plan[list[LiveTest]]:
    """Plan: the newest version of every test, in the order of their codes."""
    (rows,) = yield [_ALL_NEWEST()]
    found = []
    for (id,) in rows:
        with contextlib.suppress(ValueError):  # of another version of this program; who uses it will be told
            found.append((yield from with_test(tests, id)))
    return Commit(sorted(found, key=lambda test: test.code))


def make_ready(tests: Tests) -> Plan[None]:
    """Plan: make the newest version of every test ready, before the first candidate waits for it."""
    for test in (yield from newest(tests)).value:
        rehearse(test)
    return Commit(None)


def unready(tests: Tests) -> Plan[list[Stored]]:
    """Plan: the newest version of every test where it was published since it was looked last, as stored."""
    (rows,) = yield [_ALL_NEWEST()]
    new = [id for (id,) in rows if tests.get(id) is None and id not in tests.unfit]
    found = yield [_TEST(id=id) for id in new]
    return Commit([(id, *row) for id, (row,) in zip(new, found, strict=True)])


def get_ready(tests: Tests, stored: Stored) -> None:
    """Make a test ready for whoever comes first; to be called in a thread, for it takes a while."""
    id, code, version, document = stored
    try:
        test = live(id, code, version, unpack(bytes(document)))
    except ValueError:  # of another version of this program; who uses it will be told
        tests.unfit.add(id)
        return
    rehearse(test)
    tests.add(test)


def latest(code: str) -> Plan[str | None]:
    """Plan: the id of the newest version of the test with `code`."""
    (rows,) = yield [_NEWEST(code=code)]
    return Commit(rows[0][0] if rows else None)


def offered_for(id: str) -> Plan[tuple[str, ...]]:
    """Plan: the needs that the test called `id` is offered for."""
    (((_, _, stored),),) = yield [_TEST(id=id)]
    return Commit(Design.from_mapping(from_bytes(unpack(bytes(stored)))["design"]).accommodation.needs)


def published() -> Plan[list[dict[str, Any]]]:
    """Plan: every published test, and how many sittings it has had."""
    (rows,) = yield [_ALL()]
    names = ("id", "code", "version", "content", "demonstration", "published_at", "sittings")
    return Commit([dict(zip(names, row, strict=True)) | {"demonstration": bool(row[4])} for row in rows])


def newest_versions(today: date) -> Plan[dict[str, dict[str, list[str]]]]:
    """Plan: of the newest version of every test, by its id, what an invitation can ask of it.

    ``needs`` that its design offers it for, and ``expired``: its items whose shelf life has ended. A test
    never changes; one that is published anew is without these.
    """
    (rows,) = yield [_ALL_NEWEST()]
    found: dict[str, dict[str, list[str]]] = {}
    for (id,) in rows:
        ((_, _, stored),) = (yield [_TEST(id=id)])[0]
        document = from_bytes(unpack(bytes(stored)))
        expired = [i["id"] for i in document["items"] if i["expires"] and i["expires"] < today.isoformat()]
        needs = Design.from_mapping(document["design"]).accommodation.needs
        found[id] = {"needs": list(needs), "expired": expired}
    return Commit(found)


def insert_counts(test: str, number: int, snapshot: Snapshot, now: int) -> Call:
    """Return the write that stores exposure counts as the `number`-th of a test."""
    body = pack(json.dumps(snapshot.to_json(), separators=(",", ":")).encode())
    return _INSERT_COUNTS(test_id=test, number=number, digest=snapshot.digest, body=body, created_at=now)


def publish(
    code: str,
    document: Mapping[str, Any],
    blobs: Mapping[str, tuple[str, bytes]],
    now: int,
    counts: Snapshot | None = None,
) -> Plan[str]:
    """Plan: store a test as the next version of `code`; the id of the one there is when nothing changed.

    Parameters
    ----------
    counts
        Exposure counts that the first sittings see, where the design's rule looks at counts.
    """
    data = to_bytes(document)
    name = content_hash(data)
    same, newest, *have = yield [
        _BY_HASH(content_hash=name),
        _NEWEST(code=code),
        *(_HAS_BLOB(sha256=sha256) for sha256 in blobs),
    ]
    if same:
        return Commit(same[0][0])
    id = new_id()
    writes = [
        _INSERT_BLOB(sha256=sha256, media_type=media_type, body=body)
        for (sha256, (media_type, body)), rows in zip(blobs.items(), have, strict=True)
        if not rows
    ]
    writes.append(
        _INSERT(
            id=id,
            code=code,
            version=newest[0][1] + 1 if newest else 1,
            content_hash=name,
            demonstration=int(document["demonstration"]),
            document=pack(data),
            published_at=now,
        )
    )
    if counts is not None:
        writes.append(insert_counts(id, 0, counts, now))
    return Commit(id, writes)
