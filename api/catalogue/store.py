"""Published tests in the database, and those in use in memory."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, insert, select

from api.catalogue.document import content_hash, pack, to_bytes, unpack
from api.catalogue.live import LiveTest, live
from api.database import tables
from api.database.plans import Call, Commit, Plan, Query, Rows
from api.ids import new_id
from api.problems import Problem

__all__ = ["BLOB", "Tests", "latest", "load", "publish", "with_test"]

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
_INSERT = Query(insert(tables.test))
_HAS_BLOB = Query(select(tables.blob.c.sha256).where(tables.blob.c.sha256 == bindparam("sha256")))
BLOB = Query(
    select(tables.blob.c.media_type, tables.blob.c.body).where(tables.blob.c.sha256 == bindparam("sha256"))
)
_INSERT_BLOB = Query(insert(tables.blob))


class Tests:
    """The tests that this process has made ready, by id."""

    def __init__(self) -> None:
        self._ready: dict[str, LiveTest] = {}

    def get(self, id: str) -> LiveTest | None:
        """Return the test called `id` when it is ready."""
        return self._ready.get(id)

    def add(self, test: LiveTest) -> LiveTest:
        """Keep `test`."""
        return self._ready.setdefault(test.id, test)


def with_test(tests: Tests, id: str) -> Generator[Sequence[Call], list[Rows], LiveTest]:
    """Return the test called `id` from inside a plan (``test = yield from with_test(...)``)."""
    ready = tests.get(id)
    if ready is not None:
        return ready
    (rows,) = yield [_TEST(id=id)]
    if not rows:
        raise Problem("not_found", "There is no such test.")
    code, version, stored = rows[0]
    return tests.add(live(id, code, version, unpack(bytes(stored))))


def load(tests: Tests, id: str) -> Plan[LiveTest]:
    """Plan: make the test called `id` ready."""
    return Commit((yield from with_test(tests, id)))


def latest(code: str) -> Plan[str | None]:
    """Plan: the id of the newest version of the test with `code`."""
    (rows,) = yield [_NEWEST(code=code)]
    return Commit(rows[0][0] if rows else None)


def publish(
    code: str, document: Mapping[str, Any], blobs: Mapping[str, tuple[str, bytes]], now: int
) -> Plan[str]:
    """Plan: store a test as the next version of `code`; the id of the one there is when nothing changed."""
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
    return Commit(id, writes)
