"""What is held about a person: found, exported (GDPR, articles 15 and 20), erased (article 17)."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, delete, exists, null, or_, select, update

from api.database import tables
from api.database.clock import NOW
from api.database.plans import Call, Commit, Plan, Query, Rows
from api.keys.ring import Keyring
from api.keys.store import BELIEVED, believed
from api.moments import iso
from api.problems import Problem
from api.results.credential import signature
from api.results.issue import withdrawn
from api.sittings.erasure import LOG, cut, deleted
from api.sittings.log import PERSONAL, BrokenLog
from api.sittings.timing import SECOND

__all__ = ["SCHEMA", "Erasure", "Known", "erase", "find", "held", "idle"]

SCHEMA = "acquis/personal-data/1"

LEFT_OUT = {
    "which items were met, and what each answer earned": "It would tell the keys of items that others are "
    "still asked. The result says what follows from all answers together.",
    "digests of the invitation's code and of the browser's secret": "Secrets that let somebody in; they tell "
    "nothing of you.",
}
"""What is stored and not in an export, and why."""

_TOLD = (
    *("position", "language", "response", "extra_time_percent", "need", "taken_over"),
    *("reason", "by", "why", "outcome"),
)
_SPANS = ("gap", "give_back", "given_back")
"""What an export tells of events; spans in seconds. The rest would tell of items, or is the program's own."""

_person, _invitation, _session, _result = tables.person, tables.invitation, tables.session, tables.result
_COLUMNS = (
    _person.c.id,
    _person.c.organisation_id,
    _person.c.identifier,
    _person.c.identifier_type,
    _person.c.family_name,
    _person.c.given_name,
    _person.c.created_at,
    _person.c.erased_at,
)
_FIND = Query(
    select(*_COLUMNS)
    .where(
        _person.c.organisation_id == bindparam("organisation"),
        or_(
            _person.c.identifier == bindparam("name"),
            _person.c.id == bindparam("name"),
            _person.c.id.in_(select(_result.c.person_id).where(_result.c.id == bindparam("name"))),
        ),
    )
    .order_by(_person.c.id)
)
_ONE = Query(select(*_COLUMNS).where(_person.c.id == bindparam("person")))
_INVITATIONS = Query(
    select(
        _invitation.c.id,
        tables.test.c.code,
        tables.test.c.version,
        _invitation.c.created_at,
        _invitation.c.expires_at,
        _invitation.c.revoked_at,
        _invitation.c.extra_time_percent,
        _invitation.c.need,
    )
    .join(tables.test, tables.test.c.id == _invitation.c.test_id)
    .where(_invitation.c.person_id == bindparam("person"))
    .order_by(_invitation.c.id)
)
_SESSIONS = Query(
    select(
        _session.c.id,
        tables.test.c.code,
        tables.test.c.version,
        _session.c.status,
        _session.c.started_at,
        _session.c.changed_at,
    )
    .join(tables.test, tables.test.c.id == _session.c.test_id)
    .where(_session.c.person_id == bindparam("person"))
    .order_by(_session.c.id)
)
_RESULTS = Query(
    select(
        _result.c.id,
        _result.c.session_id,
        _result.c.version,
        _result.c.status,
        _result.c.status_at,
        _result.c.issued_at,
        _result.c.document,
        _result.c.jws,
    )
    .where(_result.c.person_id == bindparam("person"))
    .order_by(_result.c.id)
)
_SENT = Query(
    select(tables.outbox.c.topic, tables.webhook.c.url, tables.delivery.c.delivered_at)
    .join(tables.delivery, tables.delivery.c.outbox_id == tables.outbox.c.id)
    .join(tables.webhook, tables.webhook.c.id == tables.delivery.c.webhook_id)
    .where(tables.outbox.c.body == bindparam("body"), tables.delivery.c.delivered_at.is_not(None))
    .order_by(tables.outbox.c.id)
)
_IDLE = Query(
    select(_person.c.id)
    .where(
        _person.c.organisation_id == bindparam("organisation"),
        _person.c.erased_at.is_(None),
        _person.c.created_at < bindparam("before"),
        ~exists().where(
            _invitation.c.person_id == _person.c.id, _invitation.c.expires_at >= bindparam("before")
        ),
        ~exists().where(_session.c.person_id == _person.c.id, _session.c.changed_at >= bindparam("before")),
    )
    .order_by(_person.c.id)
)
_UNINVITE = Query(delete(_invitation).where(_invitation.c.person_id == bindparam("person")))
_BLANK = Query(
    update(_person)
    .where(_person.c.id == bindparam("person"))
    .values(
        identifier=null(),
        identifier_type=null(),
        family_name=null(),
        given_name=null(),
        erased_at=bindparam("at"),
    )
)


@dataclass(frozen=True, slots=True)
class Known:
    """A person as stored; without name and identifier once erased."""

    id: str
    organisation: str
    identifier: str | None
    identifier_type: str | None
    family_name: str | None
    given_name: str | None
    created_at: int
    erased_at: int | None

    def __str__(self) -> str:
        """Return what tells the person from others."""
        name = " ".join(part for part in (self.given_name, self.family_name) if part)
        called = " ".join(part for part in (self.identifier_type, self.identifier) if part)
        return f"{name or 'not named'} ({called or 'no identifier'}), person {self.id}"


@dataclass(frozen=True, slots=True)
class Erasure:
    """What an erasure takes away, and what it leaves.

    Attributes
    ----------
    invitations
        How many go, with the code, the extra time and the need.
    results
        Identifiers of the results whose content and signature go; a tombstone stays in the feed.
    cut
        Sittings and how many events of each lose their personal parts; the answers stay.
    deleted
        Sittings that go with their answers.
    adjusted
        Sittings among `cut` that were for a need or with extra time: which items were met, and how long it
        took, stays and can hint at it.
    """

    person: Known
    invitations: int
    results: tuple[str, ...]
    cut: Mapping[str, int]
    deleted: tuple[str, ...]
    adjusted: tuple[str, ...]


def find(organisation: str, name: str) -> Plan[list[Known]]:
    """Plan: the people whom an organisation calls `name`; or whose number, or whose result, that is here."""
    (rows,) = yield [_FIND(organisation=organisation, name=name)]
    return Commit([Known(*row) for row in rows])


def idle(organisation: str, age: int) -> Plan[list[str]]:
    """Plan: people with whom nothing has happened for `age` microseconds, nor could by an invitation."""
    (time,) = yield [NOW()]
    (rows,) = yield [_IDLE(organisation=organisation, before=time[0][0] - age)]
    return Commit([id for (id,) in rows])


def _one(person: str) -> Generator[Sequence[Call], list[Rows], tuple[Known, int, Rows, Rows, Rows]]:
    who, time, invitations, sessions, results = yield [
        _ONE(person=person),
        NOW(),
        _INVITATIONS(person=person),
        _SESSIONS(person=person),
        _RESULTS(person=person),
    ]
    if not who:
        raise Problem("not_found", f"There is no person '{person}'.")
    return Known(*who[0]), time[0][0], invitations, sessions, results


def held(person: str, ring: Keyring | None = None) -> Plan[dict[str, Any]]:
    """Plan: everything held about a person, in plain names; moments are ISO 8601 in UTC.

    A signature by a key that was revoked since gives way to a new one, by `ring`; without it to none.

    Raises
    ------
    Problem
        ``not_found``
    """
    who, now, invitations, sessions, results = yield from _one(person)
    kids = believed((yield [BELIEVED()])[0])
    logs = (yield [LOG(session_id=row[0]) for row in sessions]) if sessions else []
    sent = (yield [_SENT(body=f'{{"result":"{row[0]}"}}') for row in results]) if results else []
    return Commit(
        {
            "schema": SCHEMA,
            "exported_at": iso(now),
            "person": {
                "id": who.id,
                "organisation": who.organisation,
                "identifier": who.identifier,
                "identifier_type": who.identifier_type,
                "family_name": who.family_name,
                "given_name": who.given_name,
                "created_at": iso(who.created_at),
                "erased_at": _iso(who.erased_at),
            },
            "invitations": [
                {
                    "id": id,
                    "test": {"code": code, "version": version},
                    "created_at": iso(created),
                    "expires_at": iso(expires),
                    "revoked_at": _iso(revoked),
                    "extra_time_percent": extra,
                    "need": need,
                }
                for id, code, version, created, expires, revoked, extra, need in invitations
            ],
            "sittings": [
                {
                    "id": id,
                    "test": {"code": code, "version": version},
                    "status": status,
                    "started_at": iso(started),
                    "changed_at": iso(changed),
                    "events": [_event(json.loads(body)) for _, body, _ in rows],
                }
                for (id, code, version, status, started, changed), rows in zip(sessions, logs, strict=True)
            ],
            "results": [
                {
                    "id": id,
                    "sitting": session,
                    "version": version,
                    "status": status,
                    "status_at": iso(status_at),
                    "issued_at": iso(issued),
                    "content": None if document is None else json.loads(document),
                    "signature": jws and signature(document, jws, kids, ring),
                    "sent_to": [
                        {"address": url, "message": topic, "at": iso(delivered)}
                        for topic, url, delivered in to
                    ],
                }
                for (id, session, version, status, status_at, issued, document, jws), to in zip(
                    results, sent, strict=True
                )
            ],
            "left_out": LEFT_OUT,
        }
    )


def _iso(moment: int | None) -> str | None:
    return None if moment is None else iso(moment)


def _event(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return an event as its person may see it."""
    data = body["data"]
    told = {name: data[name] for name in _TOLD if name in data}
    told |= {f"{name}_s": data[name] / SECOND for name in _SPANS if name in data}
    return {"number": body["seq"], "at": iso(body["at"]), "what": body["kind"], **told}


def erase(person: str, answers: bool = False, dry: bool = False) -> Plan[Erasure]:
    """Plan: erase a person, all in one transaction.

    Name, identifier, invitations, the content and signatures of results go, and what is personal in the logs
    of sittings; a sitting in progress ends. Results leave tombstones in the feed, and addresses are told.

    Parameters
    ----------
    answers
        Whether the sittings go with the answers, too.
    dry
        Whether to tell what would go, and leave it.

    Raises
    ------
    Problem
        ``not_found``; ``conflict`` where a log does not hold.
    """
    who, now, invitations, sessions, results = yield from _one(person)
    logs = (yield [LOG(session_id=row[0]) for row in sessions]) if sessions else []
    writes: list[Call] = []
    events: dict[str, int] = {}
    adjusted = []
    for (session, *_), rows in zip(sessions, logs, strict=True):
        if answers:
            writes += deleted(session)
            continue
        try:
            writes += cut(session, rows, now)
        except BrokenLog as error:
            raise Problem("conflict", f"{error}; --answers erases the sitting with its answers.") from error
        bodies = [json.loads(body) for _, body, _ in rows]
        events[session] = sum(_personal(body) for body in bodies)
        if bodies[0]["data"].get("need") or bodies[0]["data"].get("extra_time_percent"):
            adjusted.append(session)
    held = [row[0] for row in results if row[3] != "erased"]
    writes += [_UNINVITE(person=person)]
    for id in held:
        writes += withdrawn(id, "erased", now)
    if who.erased_at is None:
        writes.append(_BLANK(person=person, at=now))
    gone = tuple(row[0] for row in sessions) if answers else ()
    found = Erasure(who, len(invitations), tuple(held), events, gone, tuple(adjusted))
    return Commit(found, [] if dry else writes)


def _personal(body: Mapping[str, Any]) -> bool:
    return any(name in body["data"] for name in PERSONAL.get(body["kind"], ()))
