"""Issuing a result, in the transaction that ends the sitting; withdrawing one."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import and_, bindparam, insert, null, select, update

from api.catalogue.live import LiveTest
from api.database import tables
from api.database.plans import Call, Conflict, Query, Rows
from api.ids import new_id
from api.keys.store import BELIEVED, believed
from api.results.claims import Person, claims
from api.sittings.fold import Sitting

if TYPE_CHECKING:
    from api.runtime import Runtime

__all__ = ["CREDENTIAL", "FEED", "encoded", "issue", "withdrawn"]

CREDENTIAL = "acquis-result+jws"
"""The ``typ`` of the signature over a result."""

FEED = "results"
"""The name of the feed among its positions."""

_PERSON = Query(
    select(
        tables.session.c.organisation_id,
        tables.person.c.id,
        tables.person.c.identifier,
        tables.person.c.identifier_type,
        tables.person.c.family_name,
        tables.person.c.given_name,
        tables.result.c.id,
        tables.result.c.version,
    )
    .outerjoin(
        tables.result,
        and_(tables.result.c.session_id == tables.session.c.id, tables.result.c.current == 1),
    )
    .join(tables.person, tables.person.c.id == tables.session.c.person_id)
    .where(tables.session.c.id == bindparam("session_id"))
)
_NEXT = Query(
    update(tables.feed)
    .where(tables.feed.c.name == bindparam("feed"))
    .values(position=tables.feed.c.position + 1)
)
_POSITION = select(tables.feed.c.position).where(tables.feed.c.name == bindparam("feed")).scalar_subquery()
_INSERT = Query(
    insert(tables.result).values(
        id=bindparam("id"),
        organisation_id=bindparam("organisation_id"),
        session_id=bindparam("session_id"),
        person_id=bindparam("person_id"),
        version=bindparam("version"),
        current=1,
        status="valid",
        status_at=bindparam("at"),
        feed_position=_POSITION,
        issued_at=bindparam("at"),
        document=bindparam("document"),
        jws=bindparam("jws"),
    )
)
_SUPERSEDE = Query(
    update(tables.result)
    .where(tables.result.c.id == bindparam("former"))
    .values(current=0, status="superseded", status_at=bindparam("at"), feed_position=_POSITION)
)
_WITHDRAW = (
    update(tables.result)
    .where(tables.result.c.id == bindparam("result"))
    .values(status=bindparam("to"), status_at=bindparam("at"), feed_position=_POSITION)
)
_REVOKE = Query(_WITHDRAW)
_ERASE = Query(_WITHDRAW.values(document=null(), jws=null()))
_OUTBOX = Query(insert(tables.outbox))


def encoded(document: dict[str, Any]) -> str:
    """Return claims as the text that is signed and stored."""
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def issue(
    runtime: Runtime, test: LiveTest, sitting: Sitting
) -> Generator[Sequence[Call], list[Rows], list[Call]]:
    """Return the writes that issue the result of a finished sitting, from inside a plan.

    One that was issued before is superseded.

    The feed's position is drawn from a row that stays locked until the commit, so that positions become
    visible in their order and a reader who has seen one misses none before it.
    """
    rows, keys = yield [_PERSON(session_id=sitting.id), BELIEVED()]
    if not rows:
        raise Conflict("the sitting was erased meanwhile")
    organisation, *person, former, version = rows[0]
    id, at, version = new_id(), sitting.at, (version or 0) + 1
    issuer = runtime.settings.base_url
    text = encoded(claims(id, version, issuer, at, Person(*person), test, sitting, former))
    superseding = []
    if former is not None:
        superseding = [
            _NEXT(feed=FEED),
            _SUPERSEDE(former=former, at=at, feed=FEED),
            _told("result.superseded", former, at),
        ]
    return [
        *superseding,
        _NEXT(feed=FEED),
        _INSERT(
            id=id,
            organisation_id=organisation,
            session_id=sitting.id,
            person_id=person[0],
            version=version,
            at=at,
            feed=FEED,
            document=text,
            jws=runtime.keyring.among(believed(keys)).sign(text.encode(), CREDENTIAL),
        ),
        _told("result.issued", id, at),
    ]


def withdrawn(result: str, to: Literal["revoked", "erased"], at: int) -> list[Call]:
    """Return the writes that withdraw a result; one that is erased leaves nothing but a tombstone."""
    query = _ERASE if to == "erased" else _REVOKE
    return [
        _NEXT(feed=FEED),
        query(result=result, to=to, at=at, feed=FEED),
        _told(f"result.{to}", result, at),
    ]


def _told(topic: str, result: str, at: int) -> Call:
    """Return the row of the outbox that says so."""
    return _OUTBOX(id=new_id(), topic=topic, body=f'{{"result":"{result}"}}', created_at=at, sent_at=None)
